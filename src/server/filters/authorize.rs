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
    let decided = access.authorization.decide(&user, &info).await;
    let response = match decided {
        Ok(Decision::Allow) => return next.run(request).await,
        Ok(Decision::Deny { reason }) => {
            let (parts, _) = request.into_parts();
            let refused = ForbiddenRequest {
                user: &user.name,
                request: &info,
                reason: &reason,
            };
            Status::forbidden(refused).respond(&parts)
        }
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::debug!(%error, cause, "unable to authorize the request");
            plain::internal_server_error(request_uri(request.uri()), error)
        }
    };
    finished(response)
}
