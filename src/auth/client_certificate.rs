//! Users who show a certificate of the cluster's client authority.

use super::authentication::AuthenticationError;
use super::peer::Peer;
use super::trust::Trust;
use super::user::User;
use crate::domain::Timestamp;

/// The extra key that tells which credential was used.
const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

/// Reads the identity from the connection's certificate: common name, organizations, UID attribute.
///
/// `Ok(None)`, no opinion, when there is no certificate, no authority to ask, or no common name.
pub(super) fn authenticate(
    trust: &Trust,
    peer: Option<&Peer>,
    now: Timestamp,
) -> Result<Option<User>, AuthenticationError> {
    let Some(peer) = peer else {
        return Ok(None);
    };
    match &peer.judge(trust, now).client {
        None => return Ok(None),
        Some(Err(error)) => return Err(AuthenticationError::UntrustedCertificate(error.clone())),
        Some(Ok(())) => {}
    }
    let unreadable = |error| AuthenticationError::Certificate(format!("{error}"));
    let subject = peer.subject().map_err(unreadable)?;
    if subject.common_name.is_empty() {
        return Ok(None);
    }
    let uid = subject.uid.as_ref().map_err(unreadable)?;
    let credential = format!("X509SHA256={}", subject.fingerprint);
    Ok(Some(User {
        name: subject.common_name.clone(),
        uid: uid.clone(),
        groups: subject.organizations.clone(),
        extra: [(CREDENTIAL_ID.to_owned(), vec![credential])].into(),
    }))
}
