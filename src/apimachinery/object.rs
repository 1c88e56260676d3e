//! Answering an API object in the encoding that was negotiated.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};

use super::negotiate::{MediaType, Negotiated};
use super::{json, protobuf, yaml};

/// An API object that can be answered in every encoding.
///
/// JSON is written by the object itself, compact; indented JSON and YAML are derived from that, so
/// no two encodings can disagree.
pub trait Object {
    /// `apiVersion`.
    fn api_version(&self) -> &str;

    /// `kind`.
    fn kind(&self) -> &'static str;

    /// Appends the object as compact JSON, beginning with `kind` and `apiVersion`.
    fn write_json(&self, out: &mut Vec<u8>);

    /// Writes the message of the object, without the envelope and without `kind` and `apiVersion`.
    fn write_protobuf(&self, out: &mut protobuf::Writer);
}

/// Encodes an object as a response body: compact JSON ends with a newline, indented JSON does not.
#[must_use]
pub fn encode(object: &impl Object, media_type: MediaType, pretty: bool) -> Bytes {
    if media_type == MediaType::Protobuf {
        return protobuf::envelope(object.api_version(), object.kind(), |out| {
            object.write_protobuf(out);
        });
    }
    let mut json = Vec::new();
    object.write_json(&mut json);
    from_json(json, media_type, pretty)
}

/// Answers an object with this code, in the encoding that was negotiated.
#[must_use]
pub fn respond<T>(
    code: StatusCode,
    object: &impl Object,
    negotiated: &Negotiated<T>,
) -> Response<Bytes> {
    let body = encode(object, negotiated.media_type, negotiated.pretty);
    response(code, negotiated.media_type.as_str(), body)
}

/// Answers what has no protobuf form, given as compact JSON, in JSON or YAML.
pub(super) fn respond_json<T>(
    code: StatusCode,
    json: Vec<u8>,
    negotiated: &Negotiated<T>,
) -> Response<Bytes> {
    let media_type = match negotiated.media_type {
        MediaType::Yaml => MediaType::Yaml,
        MediaType::Json | MediaType::Protobuf => MediaType::Json,
    };
    let body = from_json(json, media_type, negotiated.pretty);
    response(code, media_type.as_str(), body)
}

fn from_json(mut json: Vec<u8>, media_type: MediaType, pretty: bool) -> Bytes {
    match (media_type, pretty) {
        (MediaType::Yaml, _) => yaml::from_json(&json).into(),
        (MediaType::Json | MediaType::Protobuf, true) => json::indent(&json).into(),
        (MediaType::Json | MediaType::Protobuf, false) => {
            json.push(b'\n');
            json.into()
        }
    }
}

/// A response with a body of this content type.
#[must_use]
pub fn response(
    code: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
