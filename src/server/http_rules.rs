//! What Go's HTTP server answers by itself, before any handler runs, and hyper does not.

use axum::body::Body;
use http::header::{CONNECTION, CONTENT_TYPE, EXPECT, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::ext::ReasonPhrase;

/// The largest head of a request over HTTP/1: Go's mebibyte, and what it reads ahead.
pub(super) const MAX_HEAD: usize = (1 << 20) + 4096;

/// The answer to a request that is not let in, after which the connection ends, and to `OPTIONS *`,
/// which asks about the server itself; `None` for all others. HTTP/2 has its own rules, which hyper
/// keeps.
pub(super) fn refusal<B>(request: &Request<B>) -> Option<Response<Body>> {
    if request.method() == Method::OPTIONS && request.uri().path() == "*" {
        return Some(Response::new(Body::empty()));
    }
    if request.version() > Version::HTTP_11 {
        return None;
    }
    if request.method() != Method::CONNECT
        && request.uri().authority().is_some()
        && request.uri().scheme().is_none()
    {
        return Some(bad_request("400 Bad Request"));
    }
    if head_size(request) > MAX_HEAD {
        let code = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Some(told(code, "431 Request Header Fields Too Large"));
    }
    if has_unknown_transfer_encoding(request) {
        let code = StatusCode::NOT_IMPLEMENTED;
        return Some(told(code, "Unsupported transfer encoding"));
    }
    if let Some(words) = wrong_host(request.version(), request.headers()) {
        return Some(bad_request(words));
    }
    let expects = request.headers().get(EXPECT)?.as_bytes();
    if expects.is_empty() || has_token(expects, b"100-continue") {
        return None;
    }
    Some(closing(StatusCode::EXPECTATION_FAILED, Body::empty()))
}

/// How long the head was, but for blanks that mean nothing.
fn head_size<B>(request: &Request<B>) -> usize {
    let uri = request.uri().path_and_query();
    let line = request.method().as_str().len() + uri.map_or(0, |uri| uri.as_str().len());
    let lines = request.headers().iter();
    let lines = lines.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    line + "  HTTP/1.1\r\n\r\n".len() + lines.sum::<usize>()
}

/// Whether a body would come in another way than in chunks. Of what the library cannot read itself
/// nothing arrives here.
fn has_unknown_transfer_encoding<B>(request: &Request<B>) -> bool {
    let mut encodings = request.headers().get_all(TRANSFER_ENCODING).iter();
    let first = encodings.next();
    let is_chunked = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
    first.is_some_and(|first| !is_chunked(first)) || encodings.next().is_some()
}

/// What is wrong with the `Host`, in Go's words.
fn wrong_host(version: Version, headers: &HeaderMap) -> Option<&'static str> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (_, Some(_)) => Some("400 Bad Request"),
        (None, None) if version == Version::HTTP_11 => {
            Some("400 Bad Request: missing required Host header")
        }
        (Some(host), None) if !host.as_bytes().iter().all(|b| may_stand_in_host(*b)) => {
            Some("400 Bad Request: malformed Host header")
        }
        (Some(_) | None, None) => None,
    }
}

/// `httpguts.ValidHostHeader`, which is laxer than the grammar.
const fn may_stand_in_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b'-'
                | b'.'
                | b':'
                | b';'
                | b'='
                | b'['
                | b']'
                | b'_'
                | b'~'
        )
}

/// Whether one of the words between blanks and commas is this one, in any case.
fn has_token(value: &[u8], token: &[u8]) -> bool {
    let mut words = value.split(|b| matches!(b, b' ' | b',' | b'\t'));
    words.any(|word| word.eq_ignore_ascii_case(token))
}

/// Go writes the words in the status line and in the body.
fn bad_request(words: &'static str) -> Response<Body> {
    let mut response = told(StatusCode::BAD_REQUEST, words);
    let reason = words.strip_prefix("400 ").unwrap_or(words);
    let reason = ReasonPhrase::from_static(reason.as_bytes());
    response.extensions_mut().insert(reason);
    response
}

fn told(code: StatusCode, words: &'static str) -> Response<Body> {
    let mut response = closing(code, Body::from(words));
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}

fn closing(code: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The status line of the answer, or nothing.
    fn told<B>(request: &Request<B>) -> String {
        refusal(request).map_or_else(String::new, |response| {
            let reason = response.extensions().get::<ReasonPhrase>();
            let reason = reason.map(|r| String::from_utf8(r.as_bytes().to_vec()).unwrap());
            let code = response.status();
            let usual = code.canonical_reason().unwrap_or_default().to_owned();
            let closes = response.headers().get("connection").is_some();
            assert_eq!(closes, code != StatusCode::OK);
            format!("{} {}", code.as_u16(), reason.unwrap_or(usual))
        })
    }

    #[test]
    fn what_a_request_asks_for_is_read_as_go_reads_it() {
        for (version, method, uri, expected) in [
            (Version::HTTP_11, "OPTIONS", "*", "200 OK"),
            (Version::HTTP_2, "OPTIONS", "*", "200 OK"),
            (Version::HTTP_11, "GET", "*", ""),
            (Version::HTTP_11, "GET", "apis", "400 Bad Request"),
            (Version::HTTP_11, "GET", "apis:443", "400 Bad Request"),
            (Version::HTTP_11, "CONNECT", "apis:443", ""),
            (Version::HTTP_11, "GET", "https://a/apis", ""),
            (Version::HTTP_2, "GET", "apis", ""),
        ] {
            let request = Request::builder().version(version).method(method).uri(uri);
            let request = request.header("host", "a").body(()).unwrap();
            assert_eq!(told(&request), expected, "{version:?} {method} {uri}");
        }
    }

    #[test]
    fn a_head_may_have_a_mebibyte_and_what_go_reads_ahead() {
        let rest = "GET / HTTP/1.1\r\nhost: a\r\nx: \r\n\r\n".len();
        for (version, more, expected) in [
            (Version::HTTP_11, 0, ""),
            (Version::HTTP_11, 1, "431 Request Header Fields Too Large"),
            (Version::HTTP_2, 1, ""),
        ] {
            let long = "x".repeat(MAX_HEAD - rest + more);
            let request = Request::builder().version(version).header("host", "a");
            let request = request.header("x", long).body(()).unwrap();
            assert_eq!(told(&request), expected, "{version:?} {more}");
        }
    }

    #[test]
    fn what_go_does_not_let_in_is_refused_in_its_words() {
        let host = |value: &'static str| ("host", value);
        for (version, headers, expected) in [
            (Version::HTTP_11, vec![host("a")], ""),
            (Version::HTTP_11, vec![host("")], ""),
            (Version::HTTP_11, vec![host("[::1]:443")], ""),
            (Version::HTTP_10, vec![], ""),
            (Version::HTTP_2, vec![], ""),
            (
                Version::HTTP_11,
                vec![],
                "400 Bad Request: missing required Host header",
            ),
            (
                Version::HTTP_11,
                vec![host("a"), host("a")],
                "400 Bad Request",
            ),
            (
                Version::HTTP_10,
                vec![host("a"), host("b")],
                "400 Bad Request",
            ),
            (
                Version::HTTP_11,
                vec![host("a/b")],
                "400 Bad Request: malformed Host header",
            ),
            (
                Version::HTTP_11,
                vec![host("a"), ("expect", "100-Continue")],
                "",
            ),
            (
                Version::HTTP_11,
                vec![host("a"), ("expect", "more")],
                "417 Expectation Failed",
            ),
            (Version::HTTP_2, vec![("expect", "more")], ""),
        ] {
            let mut request = Request::builder().version(version);
            for (name, value) in &headers {
                request = request.header(*name, *value);
            }
            let seen = told(&request.body(()).unwrap());
            assert_eq!(seen, expected, "{version:?} {headers:?}");
        }
    }

    #[test]
    fn a_body_comes_in_chunks_or_not_at_all() {
        let unknown = "501 Not Implemented";
        for (encodings, expected) in [
            (vec!["Chunked"], ""),
            (vec!["foo, chunked"], unknown),
            (vec!["chunked", "chunked"], unknown),
        ] {
            let mut request = Request::builder().header("host", "a");
            for encoding in &encodings {
                request = request.header("transfer-encoding", *encoding);
            }
            assert_eq!(told(&request.body(()).unwrap()), expected, "{encodings:?}");
        }
    }
}
