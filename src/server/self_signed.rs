//! A serving certificate of our own making that stays in memory, for when there is no other.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::authority::{self, Authority, Issued};
use crate::domain::Timestamp;

/// Makes serving certificates for the same names from one authority, whose key never leaves the
/// process.
#[derive(Debug)]
pub(super) struct SelfSigned {
    authority: Authority,
    names: Vec<String>,
}

/// A chain with its key.
pub(super) struct Chain {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

/// How long a serving certificate is valid.
pub(super) const LIFETIME: Duration = Duration::from_secs(90 * DAY);
const AUTHORITY_LIFETIME: Duration = Duration::from_secs(10 * 365 * DAY);
const DAY: u64 = 86_400;

impl SelfSigned {
    /// A new authority for certificates with these names.
    pub(super) fn new(names: Vec<String>, now: Timestamp) -> Result<Self, rcgen::Error> {
        let authority = Authority::new(now, AUTHORITY_LIFETIME)?;
        Ok(Self { authority, names })
    }

    /// Makes a certificate that is valid from now on.
    pub(super) fn issue(&self, now: Timestamp) -> Result<Chain, rcgen::Error> {
        let Issued { certificate, key } = self.authority.issue(&self.names, now, LIFETIME)?;
        Ok(Chain {
            certificates: vec![certificate, self.authority.certificate().der().clone()],
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        })
    }

    /// The authority as PEM: what belongs into an APIService's `caBundle`.
    pub(super) fn authority_pem(&self) -> String {
        authority::to_pem([self.authority.certificate().der()])
    }
}
