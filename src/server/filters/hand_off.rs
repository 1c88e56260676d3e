//! Lets replicas of us in, by a certificate of our own authority and nothing else.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{StatusCode, Version};

use super::{Context, finished, info};
use crate::apimachinery::plain;
use crate::auth::Peer;
use crate::peer::Giver;
use crate::server::connection::Connection;

/// Answers what replicas ask, and 403 to whoever else asks it; Kubernetes is not asked about
/// either. Everything else goes on.
pub(super) async fn hand_off(
    State(context): State<Arc<Context>>,
    request: Request,
    next: Next,
) -> Response {
    let info = info(&request);
    let ours = |_: &&Arc<Giver>| info.path.starts_with(Giver::PREFIX);
    let Some(giver) = context.giver.as_ref().filter(ours) else {
        return next.run(request).await;
    };
    let connection = request.extensions().get::<Arc<Connection>>();
    let peer = connection.and_then(|connection| connection.peer());
    let chain = peer.map(Peer::chain).unwrap_or_default();
    if !giver.admits(chain, context.clock.now()) {
        if request.version() == Version::HTTP_2 {
            // As with other strangers: streams are cheap, connections are dear.
            connection.into_iter().for_each(|one| one.close());
        }
        return finished(plain::plain_text(StatusCode::FORBIDDEN, "Forbidden"));
    }
    connection.into_iter().for_each(|one| one.keep());
    let giver = Arc::clone(giver);
    let (parts, _) = request.into_parts();
    context
        .endpoints
        .answer_by(
            Arc::new(move |info, parts| giver.respond(&parts.method, &info.path)),
            info,
            parts,
        )
        .await
}
