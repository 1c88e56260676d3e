//! Takes the request apart once for all that follows, and counts it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;
use tracing::Instrument;

use super::identify::AuditId;
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
            let span = span(&request, info);
            next.run(request).instrument(span).await
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

/// Names the request in the logs of everything within. Who asks is added once it is known.
fn span(request: &Request, info: &RequestInfo) -> tracing::Span {
    let id = request.extensions().get::<AuditId>();
    tracing::debug_span!(
        "request",
        id = id.and_then(|id| id.0.to_str().ok()),
        verb = info.verb,
        resource = info.resource.as_ref().map(|r| r.resource.as_str()),
        user = tracing::field::Empty,
    )
}
