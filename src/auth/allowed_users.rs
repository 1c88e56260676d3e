//! Who may ask by client certificate alone, as on Heapster's port.

use std::sync::Arc;

use super::client_certificate;
use super::peer::Peer;
use super::trust::LiveTrust;
use crate::domain::Timestamp;

/// The users that are let in by their certificates' common names, without asking Kubernetes.
#[derive(Debug)]
pub struct AllowedUsers {
    trust: Arc<LiveTrust>,
    names: Vec<String>,
}

/// Why somebody is not let in.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotAllowed {
    /// No certificate with a name was shown, or nobody vouches for it.
    #[error("{0}")]
    Unauthenticated(String),
    /// The name is not one of those allowed.
    #[error("the user is not allowed")]
    Forbidden,
}

impl AllowedUsers {
    /// Those of `names` whom the client authorities of `trust` vouch for; without names, all of
    /// them.
    #[must_use]
    pub const fn new(trust: Arc<LiveTrust>, names: Vec<String>) -> Self {
        Self { trust, names }
    }

    /// Whose certificates are asked for.
    #[must_use]
    pub fn live_trust(&self) -> Arc<LiveTrust> {
        Arc::clone(&self.trust)
    }

    /// The user's name, judged at the time `now`.
    ///
    /// # Errors
    /// [`NotAllowed`].
    pub fn admit(&self, peer: Option<&Peer>, now: Timestamp) -> Result<String, NotAllowed> {
        let unauthenticated = |reason: String| NotAllowed::Unauthenticated(reason);
        let user = client_certificate::authenticate(&self.trust.load(), peer, now)
            .map_err(|error| unauthenticated(error.to_string()))?
            .ok_or_else(|| unauthenticated("no certificate names a user".to_owned()))?;
        if self.names.is_empty() || self.names.contains(&user.name) {
            return Ok(user.name);
        }
        Err(NotAllowed::Forbidden)
    }
}
