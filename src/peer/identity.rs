//! What replicas know each other by.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio::sync::watch;

use crate::domain::Timestamp;

/// The name in the certificate of a replica that asks another. No server has it, and what our
/// authority signs for servers is good for nothing else.
pub const PEER_NAME: &str = "peer.loadline.internal";

/// Who a replica is to the others, and whom it believes to be one.
pub struct Identity {
    /// The authority whose key is in the serving Secret: whoever it signed as one is a replica.
    pub authority: CertificateDer<'static>,
    /// The authorities that vouch for what replicas serve with.
    pub server_authorities: Vec<CertificateDer<'static>>,
    /// The certificate it shows to others, with [`PEER_NAME`] in it.
    pub certificate: CertificateDer<'static>,
    /// The certificate's key.
    pub key: PrivateKeyDer<'static>,
    /// The name in the certificate replicas serve with.
    pub server_name: String,
}

/// The identity as it is now: kept current by whoever keeps the serving Secret.
#[derive(Debug)]
pub struct Identities(watch::Sender<Known>);

/// What is known of our identity.
#[derive(Clone, Debug)]
enum Known {
    /// Nothing yet.
    Nothing,
    /// There is none to be had.
    None,
    Identity(Arc<Identity>),
}

/// The longest chain that is looked at.
const LONGEST_CHAIN: usize = 4;

impl Identities {
    /// Nothing is known yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(Known::Nothing)))
    }

    /// Has this identity from now on.
    pub fn set(&self, identity: Identity) {
        self.0.send_replace(Known::Identity(Arc::new(identity)));
    }

    /// There is no identity to be had: nobody needs to wait for one. One that is there stays.
    pub fn give_up(&self) {
        self.0.send_if_modified(|known| {
            let nothing = matches!(known, Known::Nothing);
            if nothing {
                *known = Known::None;
            }
            nothing
        });
    }

    /// The identity, as soon as there is one; `None` when there is none to be had.
    pub async fn identity(&self) -> Option<Arc<Identity>> {
        let mut known = self.0.subscribe();
        let known = known.wait_for(|known| !matches!(known, Known::Nothing));
        match &*known.await.ok()? {
            Known::Identity(identity) => Some(Arc::clone(identity)),
            Known::Nothing | Known::None => None,
        }
    }

    /// As [`Identity::admits`]; nobody is one before there is an identity.
    pub(super) fn admits(&self, chain: &[CertificateDer<'_>], now: Timestamp) -> bool {
        match &*self.0.borrow() {
            Known::Identity(identity) => identity.admits(chain, now),
            Known::Nothing | Known::None => false,
        }
    }
}

impl Identity {
    /// Tells whether whoever showed this chain, leaf first, and has the leaf's key, is a replica.
    #[must_use]
    pub fn admits(&self, chain: &[CertificateDer<'_>], now: Timestamp) -> bool {
        let Some((leaf, between)) = chain.split_first() else {
            return false;
        };
        let leaf = webpki::EndEntityCert::try_from(leaf);
        let (Ok(leaf), Ok(name)) = (leaf, ServerName::try_from(PEER_NAME)) else {
            return false;
        };
        if chain.len() > LONGEST_CHAIN || leaf.verify_is_valid_for_subject_name(&name).is_err() {
            return false;
        }
        let Ok(anchor) = webpki::anchor_from_trusted_cert(&self.authority) else {
            return false;
        };
        let now = Duration::from_secs(u64::try_from(now.as_secs()).unwrap_or(0));
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        leaf.verify_for_usage(
            provider.signature_verification_algorithms.all,
            &[anchor],
            between,
            UnixTime::since_unix_epoch(now),
            webpki::KeyUsage::client_auth(),
            None,
            None,
        )
        .is_ok()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("server_name", &self.server_name)
            .field("key", &"***")
            .finish_non_exhaustive()
    }
}
