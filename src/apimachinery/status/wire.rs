//! A Status as a response.

use bytes::Bytes;
use http::header::{ALLOW, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use super::{Status, StatusDetails, StatusReason};
use crate::apimachinery::negotiate::{MediaType, Negotiated};
use crate::apimachinery::object::{Object, respond};
use crate::apimachinery::{json, protobuf};

#[derive(Serialize)]
struct StatusJson<'a> {
    kind: &'static str,
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    metadata: Empty,
    status: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    reason: StatusReason,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a StatusDetails>,
    code: u16,
}

#[derive(Serialize)]
struct Empty {}

impl Status {
    /// Answers the request with this error, in the encoding it accepts; when it accepts none, in
    /// indented JSON, for an error must not hide behind another. Sets `Retry-After`, `Allow` and
    /// `X-Content-Type-Options` where they belong.
    #[must_use]
    pub fn respond(&self, parts: &Parts) -> Response<Bytes> {
        Negotiated::for_plain(parts).map_or_else(
            |_| self.respond_in_json(),
            |negotiated| self.respond_in(&negotiated),
        )
    }

    /// Answers in indented JSON whatever is accepted: for a resource whose encodings do not hold
    /// what the request asks for.
    #[must_use]
    pub fn respond_in_json(&self) -> Response<Bytes> {
        self.respond_in(&Negotiated {
            media_type: MediaType::Json,
            transform: (),
            pretty: true,
        })
    }

    fn respond_in(&self, negotiated: &Negotiated<()>) -> Response<Bytes> {
        let code = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = respond(code, self, negotiated);
        let headers = response.headers_mut();
        if self.reason == StatusReason::MethodNotAllowed {
            headers.insert(ALLOW, HeaderValue::from_static("GET"));
        }
        if self.reason == StatusReason::Forbidden {
            headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        }
        let seconds = self
            .details()
            .map_or(0, |details| details.retry_after_seconds);
        if seconds > 0 {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl Object for Status {
    fn api_version(&self) -> &str {
        "v1"
    }

    fn kind(&self) -> &'static str {
        "Status"
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        let status = StatusJson {
            kind: self.kind(),
            api_version: "v1",
            metadata: Empty {},
            status: "Failure",
            message: &self.message,
            reason: self.reason,
            details: self.details(),
            code: self.code,
        };
        json::write(out, &status);
    }

    fn write_protobuf(&self, out: &mut protobuf::Writer) {
        out.varint(6, self.code.into());
        if let Some(details) = &self.details {
            out.message(5, |out| details.write_protobuf(out));
        }
        out.bytes(4, self.reason.as_str().as_bytes());
        out.bytes(3, self.message.as_bytes());
        out.bytes(2, b"Failure");
        out.message(1, protobuf::Writer::list_meta);
    }
}

impl StatusDetails {
    fn write_protobuf(&self, out: &mut protobuf::Writer) {
        out.bytes(6, b"");
        out.varint(5, self.retry_after_seconds.into());
        for cause in self.causes.iter().rev() {
            out.message(4, |out| {
                out.bytes(3, cause.field.as_bytes());
                out.bytes(2, cause.message.as_bytes());
                out.bytes(1, cause.reason.as_bytes());
            });
        }
        out.bytes(3, self.kind.as_bytes());
        out.bytes(2, self.group.as_bytes());
        out.bytes(1, self.name.as_bytes());
    }
}
