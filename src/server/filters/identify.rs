//! Gives each request an ID, and each response the headers all of them have.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, STRICT_TRANSPORT_SECURITY};

use crate::apimachinery::{AUDIT_ID, audit_id};

/// The ID of a request, for the logs of whatever handles it.
#[derive(Clone, Debug)]
pub(super) struct AuditId(pub(super) HeaderValue);

/// Echoes the request's `Audit-Id`, or makes one, and forbids caching where the handler did not
/// allow it.
pub(super) async fn identify(
    State(hsts): State<Option<HeaderValue>>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = audit_id(request.headers());
    request.extensions_mut().insert(AuditId(id.clone()));
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(AUDIT_ID, id);
    if let Some(directives) = hsts {
        headers.insert(STRICT_TRANSPORT_SECURITY, directives);
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-cache, private"));
    response
}
