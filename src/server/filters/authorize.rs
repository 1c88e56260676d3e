//! Lets through what the user may do.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::{Access, finished, info, request_uri, user};
use crate::apimachinery::{ForbiddenRequest, Status, plain};
use crate::auth::Decision;

/// Answers 403 when the user may not, and 500 when nobody can tell.
pub(super) async fn authorize(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response {
    let (info, user) = (info(&request), user(&request));
    let also = access.routes.iter().find(|route| route.covers(&info.path));
    let also = also.filter(|_| !access.authorization.is_open(&info));
    let also = also.and_then(|route| route.also.clone());
    for asked in std::iter::once(info).chain(also) {
        match access.authorization.decide(&user, &asked).await {
            Ok(Decision::Allow) => {}
            Ok(Decision::Deny { reason }) => {
                let (parts, _) = request.into_parts();
                let refused = ForbiddenRequest {
                    user: &user.name,
                    request: &asked,
                    reason: &reason,
                };
                return finished(Status::forbidden(refused).respond(&parts));
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::debug!(%error, cause, "unable to authorize the request");
                let uri = request_uri(request.uri());
                return finished(plain::internal_server_error(uri, error));
            }
        }
    }
    next.run(request).await
}
