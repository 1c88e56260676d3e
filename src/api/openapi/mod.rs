//! OpenAPI 2 and 3: the served types and paths, described for `kubectl explain`, `kubectl apply`
//! and kube-apiserver, which merges them with its own.
//!
//! The documents never change while the process runs, so they are made once, with their tags.

mod accept;
mod content;
mod definitions;
mod document;
mod gnostic;
mod paths;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, EXPIRES, LAST_MODIFIED};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use serde_json::{Value, json};

use super::Group;
use super::compress;
use super::conditional::Tag;
use crate::apimachinery::{Query, Status};
use crate::domain::{Clock, Timestamp};

use accept::{Form, ProtobufNames, accepted};
use content::http_date;
use gnostic::Message;

/// Answers `/openapi/v2` and everything at and below `/openapi/v3`.
#[derive(Debug)]
pub struct OpenApi {
    v2: Document,
    v3: BTreeMap<String, Document>,
    v3_index: Encoded,
    made: HeaderValue,
    clock: Arc<dyn Clock>,
}

/// A document in both its forms.
#[derive(Debug)]
struct Document {
    json: Encoded,
    protobuf: Encoded,
}

/// One form of a document, with the tag of its own bytes.
#[derive(Debug)]
struct Encoded {
    body: Bytes,
    content_type: HeaderValue,
    tag: Tag,
}

const JSON: &str = "application/json";

/// The protobuf form of OpenAPI 2. The name with `@` is no media type and yet what clients ask for.
const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
const V2_PROTOBUF_NAMES: ProtobufNames = &[
    "com.github.proto-openapi.spec.v2@v1.0+protobuf",
    "com.github.proto-openapi.spec.v2.v1.0+protobuf",
];
const V3_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf";
const V3_PROTOBUF_NAMES: ProtobufNames = &[
    "com.github.proto-openapi.spec.v3@v1.0+protobuf",
    "com.github.proto-openapi.spec.v3.v1.0+protobuf",
];

/// `/openapi/v2` has a compressor of its own in Kubernetes, which takes smaller bodies too.
const V2_COMPRESSED: usize = 1399;

const YEAR_MILLIS: i64 = 365 * 24 * 60 * 60 * 1000;

impl OpenApi {
    /// Describes these groups; `release` is the version of this program.
    #[must_use]
    pub fn new(groups: &[Group], release: &str, clock: Arc<dyn Clock>) -> Self {
        let v3: BTreeMap<String, Document> = document::v3(groups, release)
            .into_iter()
            .map(|(place, value)| {
                let document = Document::new(&value, &gnostic::V3_DOCUMENT, V3_PROTOBUF);
                (place, document)
            })
            .collect();
        Self {
            v2: Document::new(
                &document::v2(groups, release),
                &gnostic::V2_DOCUMENT,
                V2_PROTOBUF,
            ),
            v3_index: Encoded::new(JSON, index(&v3).to_string()),
            v3,
            made: http_date(clock.now()),
            clock,
        }
    }

    /// Answers a request for one of the paths; `None` when the path is none of ours. `path` is
    /// decoded already, the same that was authorized.
    ///
    /// Nothing a client accepts is 406 without a body, as in Kubernetes. A document that is asked
    /// for by its newest hash may be cached for ever; a stale hash is answered with the newest
    /// document (kube-apiserver could not follow a redirect).
    #[must_use]
    pub fn answer(&self, path: &str, request: &Parts) -> Option<Response<Bytes>> {
        let answer = self.get(path, request)?;
        Some(if matches!(request.method, Method::GET | Method::HEAD) {
            answer
        } else {
            Status::method_not_allowed().respond(request)
        })
    }

    fn get(&self, path: &str, request: &Parts) -> Option<Response<Bytes>> {
        if path == "/openapi/v2" {
            let response = self.document(&self.v2, V2_PROTOBUF_NAMES, request);
            return Some(compress::compress_above(V2_COMPRESSED, request, response));
        }
        if path == "/openapi/v3" {
            let whole = self.dated(self.v3_index.answer(&request.headers));
            return Some(content::serve(&request.headers, whole));
        }
        let document = self.v3.get(path.strip_prefix("/openapi/v3/")?)?;
        let mut response = self.document(document, V3_PROTOBUF_NAMES, request);
        let query = Query::parse(request.uri.query());
        if response.status() != StatusCode::NOT_ACCEPTABLE
            && query.first("hash") == Some(document.json.tag.hash())
        {
            let next_year = self.clock.now().as_millis().saturating_add(YEAR_MILLIS);
            let headers = response.headers_mut();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, immutable"));
            headers.insert(EXPIRES, http_date(Timestamp::from_millis(next_year)));
        }
        Some(response)
    }

    fn document(
        &self,
        document: &Document,
        protobuf: ProtobufNames,
        request: &Parts,
    ) -> Response<Bytes> {
        let form = match accepted(&request.headers, protobuf) {
            Some(Form::Json) => &document.json,
            Some(Form::Protobuf) => &document.protobuf,
            None => {
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = StatusCode::NOT_ACCEPTABLE;
                return response;
            }
        };
        let whole = self.dated(form.answer(&request.headers));
        content::serve(&request.headers, whole)
    }

    fn dated(&self, mut response: Response<Bytes>) -> Response<Bytes> {
        response
            .headers_mut()
            .insert(LAST_MODIFIED, self.made.clone());
        response
    }
}

impl Document {
    fn new(value: &Value, message: &Message, protobuf: &'static str) -> Self {
        let (encoded, _) = gnostic::encode(message, value);
        Self {
            json: Encoded::new(JSON, value.to_string()),
            protobuf: Encoded::new(protobuf, encoded),
        }
    }
}

impl Encoded {
    fn new(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self {
            tag: Tag::of(&body),
            content_type: HeaderValue::from_static(content_type),
            body,
        }
    }

    fn answer(&self, request: &HeaderMap) -> Response<Bytes> {
        self.tag
            .answer(request, self.content_type.clone(), || self.body.clone())
    }
}

/// Where each document of OpenAPI 3 is, by a URL that changes with it.
fn index(documents: &BTreeMap<String, Document>) -> Value {
    let paths: serde_json::Map<String, Value> = documents
        .iter()
        .map(|(place, document)| {
            let url = format!("/openapi/v3/{place}?hash={}", document.json.tag.hash());
            (place.clone(), json!({ "serverRelativeURL": url }))
        })
        .collect();
    json!({ "paths": paths })
}
