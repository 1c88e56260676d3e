//! Keeps a handler's panic to its own request.

use std::panic::AssertUnwindSafe;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt;

use super::finished;
use crate::apimachinery::plain;

/// Answers 500 when what lies within panics.
pub(super) async fn recover(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    // Nothing that lies within is used again after a panic: the request is gone with it.
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!(path, "a handler panicked");
            finished(plain::panicked())
        }
    }
}
