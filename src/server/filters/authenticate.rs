//! Finds out who asks.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::Version;
use http::request::Parts;

use super::{Access, finished, goes_on, info, request_uri};
use crate::apimachinery::{ForbiddenRequest, Status, plain};
use crate::auth::{ImpersonationError, User};
use crate::server::connection::Connection;

/// Adds the [`User`] and takes all credentials out, or answers 401. Then the user may be exchanged
/// for the one it acts for.
///
/// Over HTTP/2 a stranger gets one answer and then has to connect anew: connections are dear,
/// streams are cheap. A watch keeps its connection.
pub(super) async fn authenticate(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response {
    let http2 = request.version() == Version::HTTP_2 && !goes_on(&info(&request));
    let (mut parts, body) = request.into_parts();
    let connection = parts.extensions.get::<Arc<Connection>>().cloned();
    let connection = connection.as_deref();
    let close = || {
        connection
            .into_iter()
            .filter(|_| http2)
            .for_each(Connection::close)
    };
    let peer = connection.and_then(Connection::peer);
    let user = match access
        .authentication
        .authenticate(&parts.headers, peer)
        .await
    {
        Ok(user) => user,
        Err(reason) => {
            tracing::debug!(%reason, "unable to authenticate the request");
            let response = finished(Status::unauthorized().respond(&parts));
            close();
            return response;
        }
    };
    access.authentication.strip(&mut parts.headers);
    let stranger = user.is_anonymous();
    if !stranger {
        connection.into_iter().for_each(Connection::keep);
    }
    let response = match access
        .authorization
        .impersonate(user.clone(), &mut parts.headers)
        .await
    {
        Ok(user) => {
            tracing::Span::current().record("user", user.name.as_str());
            parts.extensions.insert(Arc::new(user));
            next.run(Request::from_parts(parts, body)).await
        }
        Err(error) => refuse(&user, &error, &parts),
    };
    if stranger {
        close();
    }
    response
}

fn refuse(user: &User, error: &ImpersonationError, parts: &Parts) -> Response {
    finished(match error {
        ImpersonationError::WithoutUser(_) | ImpersonationError::TooMany => {
            Status::bad_request(error.to_string()).respond(parts)
        }
        ImpersonationError::Forbidden { request, reason } => Status::forbidden(ForbiddenRequest {
            user: &user.name,
            request,
            reason,
        })
        .respond(parts),
        ImpersonationError::Review(error) => {
            plain::internal_server_error(request_uri(&parts.uri), error)
        }
    })
}
