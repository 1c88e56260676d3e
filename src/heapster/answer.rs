//! The forms answers have.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, LOCATION, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Response, StatusCode};
use serde::Serialize;

use super::go_time::Stamp;
use super::parameters::Refusal;
use crate::apimachinery::{json, plain, response};
use crate::domain::{Timestamp, Value};

/// Points of one series.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MetricResult {
    metrics: Vec<MetricPoint>,
    latest_timestamp: Stamp,
}

/// Points of one series for each entity that was asked for, in the order of the question.
#[derive(Debug, Serialize)]
pub(super) struct ResultList<T> {
    pub(super) items: Vec<T>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MetricPoint {
    timestamp: Stamp,
    value: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    float_value: Option<f64>,
}

impl MetricResult {
    /// The points as they are, ascending.
    pub(super) fn new(points: Vec<(Timestamp, Value)>) -> Self {
        let latest = points.iter().map(|(at, _)| *at).max();
        let metrics = points.into_iter().map(|(at, value)| MetricPoint {
            timestamp: Stamp(Some(at)),
            value: whole(value),
            float_value: match value {
                Value::Float(value) => Some(value),
                Value::Int(_) => None,
            },
        });
        Self {
            metrics: metrics.collect(),
            latest_timestamp: Stamp(latest),
        }
    }

    /// How many points there are.
    pub(super) const fn len(&self) -> usize {
        self.metrics.len()
    }
}

/// The value as clients of Heapster read it. What is below zero is zero; Heapster let it wrap
/// around to 18446744073709551615 and less.
pub(super) fn whole(value: Value) -> u64 {
    u64::try_from(value.as_i64()).unwrap_or(0)
}

/// JSON over many lines, as Heapster's entities are written: one space before each line but the
/// first, one more for each level, none at the end.
pub(super) fn pretty(entity: &impl Serialize) -> Response<Bytes> {
    let mut compact = Vec::new();
    json::write(&mut compact, entity);
    json(json::indent_by(&compact, 1, 1))
}

/// JSON in one line, which lists of results and the export are.
pub(super) fn compact(entity: &impl Serialize) -> Response<Bytes> {
    let mut body = Vec::new();
    json::write(&mut body, entity);
    body.push(b'\n');
    json(body)
}

/// JSON that is written already.
pub(super) fn json(body: impl Into<Bytes>) -> Response<Bytes> {
    response(StatusCode::OK, JSON, body)
}

/// A text without a newline, which is what every error is but those of Go's mux. Texts may hold what
/// the client sent, which a browser must not take for anything else.
pub(super) fn text(code: StatusCode, text: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = response(code, "text/plain; charset=utf-8", text);
    let nosniff = HeaderValue::from_static("nosniff");
    response
        .headers_mut()
        .insert(X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

/// 400 for parameters that cannot be read.
pub(super) fn refused(refusal: &Refusal) -> Response<Bytes> {
    text(StatusCode::BAD_REQUEST, refusal.to_string())
}

/// 404 for a path below an API that is none of its routes.
pub(super) fn no_route() -> Response<Bytes> {
    text(StatusCode::NOT_FOUND, "404: Page Not Found")
}

/// 404 for a path that belongs to no API.
pub(super) fn no_api() -> Response<Bytes> {
    plain::plain_text(StatusCode::NOT_FOUND, "404 page not found")
}

/// 405 for a route that is there, but not for this method.
pub(super) fn no_method() -> Response<Bytes> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "405: Method Not Allowed");
    let get = HeaderValue::from_static("GET");
    response.headers_mut().insert(ALLOW, get);
    response
}

/// 406 for a client that takes no JSON.
pub(super) fn no_json() -> Response<Bytes> {
    text(StatusCode::NOT_ACCEPTABLE, "406: Not Acceptable")
}

/// 301 to the same path without its empty and dotted segments.
pub(super) fn moved(method: &Method, location: &str) -> Response<Bytes> {
    // What was encoded for a URL is a header's value.
    let Ok(value) = HeaderValue::from_str(location) else {
        return no_api();
    };
    let body = match *method {
        Method::GET => {
            let link = plain::entities(location);
            format!("<a href=\"{link}\">Moved Permanently</a>.\n\n")
        }
        _ => String::new(),
    };
    let mut response = response(
        StatusCode::MOVED_PERMANENTLY,
        "text/html; charset=utf-8",
        body,
    );
    if !matches!(*method, Method::GET | Method::HEAD) {
        response.headers_mut().remove(CONTENT_TYPE);
    }
    response.headers_mut().insert(LOCATION, value);
    response
}

const JSON: &str = "application/json";

#[cfg(test)]
mod tests {
    use super::*;

    fn body(response: &Response<Bytes>) -> &str {
        str::from_utf8(response.body()).unwrap()
    }

    #[test]
    fn results_are_written_as_heapster_wrote_them() {
        let at = |seconds: i64| Timestamp::from_millis(1_514_800_800_000 + seconds * 1000);
        let points = vec![(at(0), Value::Int(123)), (at(60), Value::Int(-1))];
        let response = pretty(&MetricResult::new(points));
        let expected = "{\n  \"metrics\": [\n   {\n    \"timestamp\": \"2018-01-01T10:00:00Z\",\n    \
                        \"value\": 123\n   },\n   {\n    \"timestamp\": \
                        \"2018-01-01T10:01:00Z\",\n    \"value\": 0\n   }\n  ],\n  \
                        \"latestTimestamp\": \"2018-01-01T10:01:00Z\"\n }";
        assert_eq!(body(&response), expected);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        let points = vec![(at(0), Value::Float(1.75))];
        let list = ResultList {
            items: vec![MetricResult::new(points), MetricResult::new(vec![])],
        };
        let expected = "{\"items\":[{\"metrics\":[{\"timestamp\":\"2018-01-01T10:00:00Z\",\
                        \"value\":1,\"floatValue\":1.75}],\"latestTimestamp\":\
                        \"2018-01-01T10:00:00Z\"},{\"metrics\":[],\"latestTimestamp\":\
                        \"0001-01-01T00:00:00Z\"}]}\n";
        assert_eq!(body(&compact(&list)), expected);
    }

    #[test]
    fn nothing_is_an_empty_array() {
        let nothing: [&str; 0] = [];
        assert_eq!(body(&pretty(&nothing)), "[]");
        assert_eq!(
            body(&pretty(&["a<b>&"])),
            "[\n  \"a\\u003cb\\u003e\\u0026\"\n ]"
        );
    }

    #[test]
    fn values_are_never_below_zero() {
        for (value, expected) in [
            (Value::Int(-1), 0),
            (Value::Int(i64::MAX), 9_223_372_036_854_775_807),
            (Value::Float(1.99), 1),
            (Value::Float(-0.5), 0),
            (Value::Float(-1e300), 0),
        ] {
            assert_eq!(whole(value), expected, "{value:?}");
        }
    }

    #[test]
    fn a_redirect_reads_as_gos() {
        let response = moved(&Method::GET, "/a/b?x=1&y=2");
        assert_eq!(response.status(), 301);
        assert_eq!(response.headers()[LOCATION], "/a/b?x=1&y=2");
        let link = "<a href=\"/a/b?x=1&amp;y=2\">Moved Permanently</a>.\n\n";
        assert_eq!(body(&response), link);
        let head = moved(&Method::HEAD, "/a");
        assert_eq!((body(&head), head.headers().len()), ("", 2));
        let post = moved(&Method::POST, "/a");
        assert_eq!((body(&post), post.headers().len()), ("", 1));
    }
}
