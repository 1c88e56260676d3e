//! The answers Kubernetes gives as plain text.

use std::fmt;

use bytes::Bytes;
use http::header::{RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Response, StatusCode};

use super::object::response;
use super::quote::Quoted;

/// 500 for a request that could not be judged, for example because the authorizer failed.
///
/// `request_uri` is what the client sent after the method. As in Go, `&`, `<` and `>` become
/// entities.
#[must_use]
pub fn internal_server_error(request_uri: &str, error: impl fmt::Display) -> Response<Bytes> {
    let text = format!("Internal Server Error: {}: {error}", Quoted(request_uri));
    plain_text(StatusCode::INTERNAL_SERVER_ERROR, &entities(&text))
}

/// 500 for a handler that panicked.
#[must_use]
pub fn panicked() -> Response<Bytes> {
    plain_text(
        StatusCode::INTERNAL_SERVER_ERROR,
        "This request caused apiserver to panic. Look in the logs for details.",
    )
}

/// 429 for a request above the in-flight limit, which may come back after a second.
#[must_use]
pub fn too_many_requests() -> Response<Bytes> {
    let mut response = plain_text(
        StatusCode::TOO_MANY_REQUESTS,
        "Too many requests, please try again later.",
    );
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// A text as Go's `http.Error` answers it: with a newline, and not to be sniffed.
#[must_use]
pub fn plain_text(code: StatusCode, text: &str) -> Response<Bytes> {
    let mut response = response(code, "text/plain; charset=utf-8", format!("{text}\n"));
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Replaces what a browser could take for markup.
#[must_use]
pub fn entities(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_internal_error_quotes_the_uri_and_escapes_markup() {
        let response = internal_server_error("/metrics?a=<b>&c", "no authorizer");
        assert_eq!(response.status(), 500);
        assert_eq!(
            response.headers()["content-type"],
            "text/plain; charset=utf-8"
        );
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        let text = "Internal Server Error: \"/metrics?a=&lt;b&gt;&amp;c\": no authorizer\n";
        assert_eq!(response.body(), text);
    }

    #[test]
    fn too_many_requests_says_when_to_come_back() {
        let response = too_many_requests();
        assert_eq!(
            (
                response.status().as_u16(),
                &response.headers()["retry-after"]
            ),
            (429, &HeaderValue::from_static("1"))
        );
        assert_eq!(
            response.body(),
            "Too many requests, please try again later.\n"
        );
    }
}
