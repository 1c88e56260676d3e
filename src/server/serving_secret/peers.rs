//! What the Secret makes us to other replicas: whoever can read it is one.

use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::PrivatePkcs8KeyDer;
use tracing::warn;

use super::super::authority::{Authority, AuthorityCertificate};
use super::contents::Contents;
use crate::domain::{ObjectName, Timestamp};
use crate::peer::{Identities, Identity, PEER_NAME};

/// Has other replicas know us by the authority in the Secret.
#[derive(Debug)]
pub(super) struct Introduction {
    identities: Arc<Identities>,
    /// The authorities it was last made with.
    known: Vec<AuthorityCertificate>,
}

/// What it is shown for is over seconds after the start; the rest is for clocks that differ.
const LIFETIME: Duration = Duration::from_secs(3600);

impl Introduction {
    pub(super) const fn new(identities: Arc<Identities>) -> Self {
        Self {
            identities,
            known: Vec::new(),
        }
    }

    /// There is no authority of our own to be had.
    pub(super) fn give_up(&self) {
        self.identities.give_up();
    }

    /// Takes what the Secret holds now; without a Secret of ours there is nothing to be known by.
    pub(super) fn follow(
        &mut self,
        contents: Option<&Contents>,
        service: &ObjectName,
        now: Timestamp,
    ) {
        let authority = contents.and_then(|c| Some((c, c.authority.as_ref().ok()?)));
        let Some((contents, authority)) = authority else {
            return self.give_up();
        };
        if self.known == contents.trusted {
            return;
        }
        match identity(authority, &contents.trusted, service, now) {
            Ok(identity) => {
                self.identities.set(identity);
                self.known.clone_from(&contents.trusted);
            }
            Err(error) => {
                warn!(%error, "cannot make a certificate for other replicas to know this one by");
                self.give_up();
            }
        }
    }
}

fn identity(
    authority: &Authority,
    trusted: &[AuthorityCertificate],
    service: &ObjectName,
    now: Timestamp,
) -> Result<Identity, rcgen::Error> {
    let issued = authority.introduce(PEER_NAME, now, LIFETIME)?;
    let trusted = trusted.iter().map(|one| one.der().clone());
    Ok(Identity {
        authority: authority.certificate().der().clone(),
        server_authorities: trusted.collect(),
        certificate: issued.certificate,
        key: PrivatePkcs8KeyDer::from(issued.key.serialize_der()).into(),
        server_name: format!("{}.{}.svc", service.name, service.namespace),
    })
}
