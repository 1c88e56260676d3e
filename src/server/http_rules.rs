//! What Go's HTTP server answers by itself, before any handler runs, and hyper does not.

use axum::body::Body;
use http::header::{CONNECTION, CONTENT_TYPE, EXPECT, HOST};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use hyper::ext::ReasonPhrase;

/// The answer to a request that is not let in, after which the connection ends; `None` for all
/// others. HTTP/2 has its own rules, which hyper keeps.
pub(super) fn refusal<B>(request: &Request<B>) -> Option<Response<Body>> {
    if request.version() > Version::HTTP_11 {
        return None;
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
    let mut response = closing(StatusCode::BAD_REQUEST, Body::from(words));
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    let reason = words.strip_prefix("400 ").unwrap_or(words);
    let reason = ReasonPhrase::from_static(reason.as_bytes());
    response.extensions_mut().insert(reason);
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

    #[test]
    fn what_go_does_not_let_in_is_refused_in_its_words() {
        let host = |value: &'static str| ("host", value);
        for (version, headers, told) in [
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
            let refused = refusal(&request.body(()).unwrap());
            let seen = refused.map_or_else(String::new, |response| {
                assert_eq!(response.headers()["connection"], "close");
                let reason = response.extensions().get::<ReasonPhrase>();
                let reason = reason.map(|r| String::from_utf8(r.as_bytes().to_vec()).unwrap());
                let code = response.status();
                let usual = code.canonical_reason().unwrap_or_default().to_owned();
                format!("{} {}", code.as_u16(), reason.unwrap_or(usual))
            });
            assert_eq!(seen, told, "{version:?} {headers:?}");
        }
    }
}
