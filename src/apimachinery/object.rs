//! Answering an API object in the encoding that was negotiated.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};

use super::negotiate::{MediaType, Negotiated};
use super::{json, protobuf, yaml};

/// An API object that can be answered in every encoding.
///
/// JSON is written by the object itself, compact; indented JSON and YAML are derived from that, so no two encodings can
/// disagree.
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
    let json = || {
        let mut out = Vec::new();
        object.write_json(&mut out);
        out
    };
    match (media_type, pretty) {
        (MediaType::Json, true) => json::indent(&json()).into(),
        (MediaType::Json, false) => {
            let mut out = json();
            out.push(b'\n');
            out.into()
        }
        (MediaType::Yaml, _) => yaml::from_json(&json()).into(),
        (MediaType::Protobuf, _) => {
            protobuf::envelope(object.api_version(), object.kind(), |out| {
                object.write_protobuf(out);
            })
        }
    }
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

/// A response with a body of this content type.
pub(super) fn response(
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
