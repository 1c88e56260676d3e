//! Lets in whom a client certificate names, where Kubernetes is not asked.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;

use super::{finished, info};
use crate::apimachinery::plain;
use crate::auth::{AllowedUsers, NotAllowed};
use crate::domain::Clock;
use crate::server::connection::Connection;

/// Who is let in.
pub(super) struct Admission {
    /// `None` lets everybody in.
    pub(super) users: Option<Arc<AllowedUsers>>,
    /// Judges certificates.
    pub(super) clock: Arc<dyn Clock>,
}

/// Answers 401 to whoever shows no certificate that can be trusted and 403 to whom it does not name
/// as allowed, in Heapster's words. Health is told to everybody, as Heapster did.
pub(super) async fn admit(
    State(admission): State<Arc<Admission>>,
    request: Request,
    next: Next,
) -> Response {
    let healthz = matches!(
        info(&request).path.as_str(),
        "/healthz" | "/healthz/healthz"
    );
    let connection = request.extensions().get::<Arc<Connection>>();
    let keep = || connection.into_iter().for_each(|one| one.keep());
    let Some(users) = admission.users.as_ref() else {
        // Nobody has to say who it is: a request is all there is to wait for.
        keep();
        return next.run(request).await;
    };
    if healthz {
        return next.run(request).await;
    }
    let peer = connection.and_then(|connection| connection.peer());
    let (code, text) = match users.admit(peer, admission.clock.now()) {
        Ok(name) => {
            keep();
            tracing::Span::current().record("user", name);
            return next.run(request).await;
        }
        Err(NotAllowed::Unauthenticated(reason)) => {
            tracing::debug!(%reason, "unable to authenticate the request");
            (StatusCode::UNAUTHORIZED, "Unauthorized")
        }
        Err(NotAllowed::Forbidden) => (StatusCode::FORBIDDEN, "Forbidden"),
    };
    finished(plain::plain_text(code, text))
}
