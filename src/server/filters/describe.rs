//! Takes the request apart once for all that follows, and counts it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;

use super::{Context, finished, request_uri};
use crate::apimachinery::{InvalidRequest, RequestInfo, plain};

/// Adds the [`RequestInfo`]; a path that cannot be read is answered here.
pub(super) async fn describe(
    State(context): State<Arc<Context>>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = context.clock.monotonic();
    let uri = request.uri().clone();
    let info = RequestInfo::new(request.method(), uri.path(), uri.query()).map(Arc::new);
    let response = match &info {
        Ok(info) => {
            request.extensions_mut().insert(Arc::clone(info));
            next.run(request).await
        }
        Err(InvalidRequest::Escape) => finished(plain::plain_text(
            StatusCode::BAD_REQUEST,
            "400 Bad Request",
        )),
        Err(error @ InvalidRequest::NoResource(_)) => {
            let text = format!("failed to create RequestInfo: {error}");
            finished(plain::internal_server_error(request_uri(&uri), text))
        }
    };
    let took = context.clock.monotonic().saturating_duration_since(started);
    let (info, code) = (info.ok(), response.status());
    context.metrics.request(info.as_deref(), code, took);
    tracing::debug!(
        path = uri.path(),
        verb = info.as_ref().map(|i| i.verb.as_str()),
        code = code.as_u16(),
        ?took,
        "request"
    );
    response
}
