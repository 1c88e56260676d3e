//! The other end of a connection: the certificates it showed, and what we make of them.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use rustls_pki_types::CertificateDer;

use super::ca_bundle::{Untrusted, Validity};
use super::certificate_subject::{CertificateSubject, SubjectError};
use super::trust::Trust;
use crate::domain::Timestamp;

/// The certificates a client showed in one connection's handshake. The handshake proved that it
/// owns the first one's key; nobody has judged the chain yet.
///
/// A verdict is kept for the connection and asked anew when the trust changes or a certificate that
/// mattered begins or ends being valid.
#[derive(Debug)]
pub struct Peer {
    chain: Vec<CertificateDer<'static>>,
    subject: OnceLock<Result<CertificateSubject, SubjectError>>,
    verdict: Mutex<Option<Arc<Verdict>>>,
}

/// What the two bundles say of one chain.
#[derive(Debug)]
pub(super) struct Verdict {
    generation: u64,
    from: i64,
    until: i64,
    /// The front proxy's authorities; `None` when there are none to ask.
    pub(super) front_proxy: Option<Result<(), Untrusted>>,
    /// The authorities of users' certificates; `None` when there are none to ask.
    pub(super) client: Option<Result<(), Untrusted>>,
}

impl Peer {
    /// A client that showed `chain`, leaf first; `None` when it showed nothing.
    #[must_use]
    pub fn new(chain: Vec<CertificateDer<'static>>) -> Option<Self> {
        if chain.is_empty() {
            return None;
        }
        Some(Self {
            chain,
            subject: OnceLock::new(),
            verdict: Mutex::new(None),
        })
    }

    /// The certificates, leaf first.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The subject of the leaf.
    pub(super) fn subject(&self) -> Result<&CertificateSubject, &SubjectError> {
        self.subject
            .get_or_init(|| match self.chain.first() {
                Some(leaf) => CertificateSubject::read(leaf),
                None => Err(SubjectError::Malformed),
            })
            .as_ref()
    }

    /// Judges the chain against both bundles at the time `now`, or recalls a verdict that still
    /// holds.
    pub(super) fn judge(&self, trust: &Trust, now: Timestamp) -> Arc<Verdict> {
        let mut kept = self.verdict.lock();
        if let Some(verdict) = kept.as_ref().filter(|v| v.holds(trust, now)) {
            return Arc::clone(verdict);
        }
        let verdict = Arc::new(Verdict::new(&self.chain, trust, now));
        *kept = Some(Arc::clone(&verdict));
        verdict
    }
}

impl Verdict {
    fn new(chain: &[CertificateDer<'_>], trust: &Trust, now: Timestamp) -> Self {
        let proxy = trust.front_proxy().map(|p| p.authorities());
        let client = trust.client_authorities();
        let own = chain.iter().filter_map(Validity::of);
        let until = own
            .flat_map(Validity::boundaries)
            .chain(proxy.into_iter().flat_map(|b| b.boundaries()))
            .chain(client.into_iter().flat_map(|b| b.boundaries()))
            .filter(|at| *at > now.as_secs())
            .min();
        Self {
            generation: trust.generation(),
            from: now.as_secs(),
            until: until.unwrap_or(i64::MAX),
            front_proxy: proxy.map(|b| b.verify(chain, now)),
            client: client.map(|b| b.verify(chain, now)),
        }
    }

    fn holds(&self, trust: &Trust, now: Timestamp) -> bool {
        self.generation == trust.generation() && (self.from..self.until).contains(&now.as_secs())
    }
}
