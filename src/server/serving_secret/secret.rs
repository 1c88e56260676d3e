//! One look at the Secret, and what it leads to.

use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::core::v1::Secret;
use tracing::{debug, info};

use super::super::authority::AuthorityCertificate;
use super::bundle::Wanted;
use super::contents::{Contents, Serving};
use super::make::{MakeError, Maker};
use super::metrics::KeeperMetrics;
use super::objects::{AskError, Owner, Secrets};
use super::plan::{Flaw, Plan};
use super::trust::Trust;
use crate::domain::{ObjectName, Timestamp};

/// The Secret with what was last known of it.
pub(super) struct SharedSecret {
    pub(super) secrets: Secrets,
    pub(super) name: ObjectName,
    pub(super) service: ObjectName,
    pub(super) maker: Maker,
    pub(super) metrics: Arc<KeeperMetrics>,
    /// The last good contents of a Secret of ours.
    pub(super) last: Option<Contents>,
}

/// What is to be served and trusted now.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) serving: Serving,
    /// Who signed it, when that is known.
    pub(super) issuer: Option<AuthorityCertificate>,
    pub(super) wanted: Wanted,
}

/// Why nothing can be served from the Secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeepError {
    /// The API server does not answer, or not as it should.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Somebody else's Secret, which we may not mend.
    #[error(
        "the Secret {secret} has no label app.kubernetes.io/managed-by=loadline, so it is not changed, and it cannot be served: {flaw}"
    )]
    Foreign { secret: ObjectName, flaw: Flaw },
    /// Others change it as fast as we look.
    #[error("the Secret {0} changes all the time")]
    Contended(ObjectName),
    /// A certificate cannot be made.
    #[error(transparent)]
    Make(#[from] MakeError),
}

/// How often a look is begun again because somebody else was faster.
const ATTEMPTS: usize = 5;

impl SharedSecret {
    /// Reads the Secret, and makes it what it should be when it is ours or not there. `carried` are
    /// authorities that stay trusted when all has to be made anew.
    pub(super) async fn settle(
        &mut self,
        now: (Timestamp, Instant),
        trust: &Trust,
        carried: &[AuthorityCertificate],
    ) -> Result<Kept, KeepError> {
        for _ in 0..ATTEMPTS {
            let found = self.secrets.read().await?;
            if let Some(secret) = &found
                && Owner::of(secret) == Owner::SomebodyElse
            {
                return self.given(secret, now.0);
            }
            let (plan, contents) = self.decide(found.as_ref(), now, trust);
            let next = self.maker.carry_out(&plan, &contents, carried, now.0)?;
            let Some(next) = next else {
                return self.keep(contents, now.0);
            };
            let Some(data) = next.to_data() else {
                return self.keep(next, now.0);
            };
            if self.secrets.write(found.as_ref(), data).await?.is_some() {
                info!(secret = %self.name, change = %plan, "wrote the serving Secret");
                self.metrics.made(&plan);
                return self.keep(next, now.0);
            }
            debug!(secret = %self.name, "another replica was faster; taking what it wrote");
        }
        Err(KeepError::Contended(self.name.clone()))
    }

    /// What to do, and with what: where a Secret cannot be used at all, what we still know of it
    /// serves on, so that nobody notices.
    fn decide(
        &self,
        found: Option<&Secret>,
        (now, monotonic): (Timestamp, Instant),
        trust: &Trust,
    ) -> (Plan, Contents) {
        let contents = found.map_or_else(Contents::absent, |secret| {
            Contents::of(secret, &self.maker.provider)
        });
        let plan = |contents: &Contents| {
            let current = contents.authority.as_ref().ok();
            let trusted_for = current.and_then(|a| trust.lasts(a.certificate(), monotonic));
            let facts = self.maker.facts(contents, now, trusted_for);
            facts.plan(now, &self.maker.lifetimes)
        };
        match (plan(&contents), &self.last) {
            (Plan::Replace(flaw), Some(last)) => {
                let known = Contents {
                    authority: Err(flaw),
                    ..last.clone()
                };
                (plan(&known), known)
            }
            (decided, _) => (decided, contents),
        }
    }

    fn keep(&mut self, contents: Contents, now: Timestamp) -> Result<Kept, KeepError> {
        let serving = contents.serving.clone().map_err(MakeError::Useless)?;
        if let Ok(authority) = &contents.authority {
            let ends = authority.certificate().life().ends;
            self.metrics.authority_ends(ends);
        }
        let kept = Kept {
            serving,
            issuer: contents.issuer(now).cloned(),
            wanted: Wanted::Exactly(contents.trusted.clone()),
        };
        self.last = Some(contents);
        Ok(kept)
    }

    /// A Secret that somebody else keeps. Its `ca.crt`, when it has one that vouches for the
    /// certificate, is what the APIServices need.
    fn given(&mut self, secret: &Secret, now: Timestamp) -> Result<Kept, KeepError> {
        let foreign = |flaw| KeepError::Foreign {
            secret: self.name.clone(),
            flaw,
        };
        let contents = Contents::of(secret, &self.maker.provider);
        let serving = contents.servable(&self.service, now).map_err(foreign)?;
        let issuer = contents.issuer(now).cloned();
        self.last = None;
        self.metrics
            .authority_ends(issuer.as_ref().map_or(0, |issuer| issuer.life().ends));
        Ok(Kept {
            serving,
            wanted: match issuer {
                Some(_) => Wanted::AtLeast(contents.trusted),
                None => Wanted::Anything,
            },
            issuer,
        })
    }
}

impl KeepError {
    /// Tells whether somebody has to mend it first: the next round will not.
    pub(super) const fn lasts(&self) -> bool {
        match self {
            Self::Ask(error) => error.is_refusal(),
            Self::Foreign { .. } => true,
            Self::Contended(_) | Self::Make(_) => false,
        }
    }

    /// Tells whether `other` is the same trouble, so that it need not be told again.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ask(one), Self::Ask(other)) => one.is_like(other),
            (one, other) => one.to_string() == other.to_string(),
        }
    }
}
