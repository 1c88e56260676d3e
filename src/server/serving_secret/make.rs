//! From what the Secret holds to what it should hold next.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

use super::super::authority::{Authority, AuthorityCertificate};
use super::contents::{Contents, Serving};
use super::plan::{Facts, Flaw, Lifetimes, OlderFacts, Plan, Reason, ServingFacts, Signer};
use crate::domain::Timestamp;

/// What new things are made with.
#[derive(Debug)]
pub(super) struct Maker {
    /// What a certificate has to be good for.
    pub(super) names: Vec<String>,
    pub(super) lifetimes: Lifetimes,
    pub(super) provider: Arc<CryptoProvider>,
}

/// Something new could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum MakeError {
    /// The library refused.
    #[error("cannot make a certificate")]
    Sign(#[from] rcgen::Error),
    /// What was made cannot be used.
    #[error("a certificate just made is of no use")]
    Useless(#[source] Flaw),
}

/// Names of a certificate that is made while two releases of us want different ones.
const MOST_NAMES: usize = 32;

impl Maker {
    /// What a plan is made from.
    pub(super) fn facts(
        &self,
        contents: &Contents,
        now: Timestamp,
        trusted_for: Option<std::time::Duration>,
    ) -> Facts {
        let issuer = contents.issuer(now);
        let current = contents.authority.as_ref().ok().map(|a| a.certificate());
        let signed_by = match issuer {
            None => Signer::Nobody,
            Some(_) if issuer == current => Signer::Current,
            Some(_) => Signer::Older,
        };
        let serving = contents.serving.as_ref().map(|serving| ServingFacts {
            life: serving.life,
            named: serving.has_names(&self.names),
            signed_by,
        });
        let older = contents.trusted.iter().skip(1);
        Facts {
            authority: contents
                .authority
                .as_ref()
                .map(|authority| authority.certificate().life())
                .map_err(Clone::clone),
            serving: serving.map_err(Clone::clone),
            older: older.map(|one| older_facts(one, issuer)).collect(),
            trusted_for,
        }
    }

    /// Does what `plan` says to `contents`; `None` when it says to do nothing. `carried` are
    /// authorities that are trusted now and stay so for a while, although nothing is known of
    /// their keys.
    pub(super) fn carry_out(
        &self,
        plan: &Plan,
        contents: &Contents,
        carried: &[AuthorityCertificate],
        now: Timestamp,
    ) -> Result<Option<Contents>, MakeError> {
        let next = match plan {
            Plan::Keep => return Ok(None),
            Plan::Replace(_) => {
                let authority = self.authority(now)?;
                Contents {
                    trusted: with(&authority, carried, now),
                    serving: Ok(self.issue(&authority, self.names.clone(), now)?),
                    authority: Ok(authority),
                }
            }
            Plan::AddAuthority(_) => {
                let authority = self.authority(now)?;
                Contents {
                    trusted: with(&authority, &contents.trusted, now),
                    serving: contents.serving.clone(),
                    authority: Ok(authority),
                }
            }
            Plan::Issue(reason) => {
                let authority = contents.authority.clone().map_err(MakeError::Useless)?;
                let names = self.names_beside(reason, contents);
                Contents {
                    serving: Ok(self.issue(&authority, names, now)?),
                    ..contents.clone()
                }
            }
            Plan::DropAuthorities => self.without_done(contents, now),
        };
        Ok(Some(next))
    }

    fn authority(&self, now: Timestamp) -> Result<Arc<Authority>, MakeError> {
        Ok(Arc::new(Authority::new(now, self.lifetimes.authority)?))
    }

    fn issue(
        &self,
        authority: &Authority,
        names: Vec<String>,
        now: Timestamp,
    ) -> Result<Serving, MakeError> {
        let issued = authority.issue(&names, now, self.lifetimes.certificate)?;
        Serving::issued(&issued, &self.provider).map_err(MakeError::Useless)
    }

    /// While two releases of us with different names are running, each would replace the other's
    /// certificate for ever: a certificate for other names gets ours added.
    fn names_beside(&self, reason: &Reason, contents: &Contents) -> Vec<String> {
        let mut names = self.names.clone();
        if *reason == Reason::Flaw(Flaw::OtherNames)
            && let Ok(serving) = &contents.serving
            && serving.names.len() + names.len() <= MOST_NAMES
        {
            let others = serving.names.iter().filter(|n| !self.names.contains(n));
            names.extend(others.cloned());
        }
        names
    }

    fn without_done(&self, contents: &Contents, now: Timestamp) -> Contents {
        let issuer = contents.issuer(now);
        let mut trusted = contents.trusted.iter();
        let mut kept: Vec<_> = trusted.next().cloned().into_iter().collect();
        let Some(next) = kept.first().map(AuthorityCertificate::life) else {
            return contents.clone();
        };
        let done = |one: &&AuthorityCertificate| {
            older_facts(one, issuer).is_done(next, now, &self.lifetimes)
        };
        kept.extend(trusted.filter(|one| !done(one)).cloned());
        Contents {
            trusted: kept,
            ..contents.clone()
        }
    }
}

fn older_facts(one: &AuthorityCertificate, issuer: Option<&AuthorityCertificate>) -> OlderFacts {
    OlderFacts {
        life: one.life(),
        in_use: Some(one) == issuer,
    }
}

/// A new authority before those that were trusted until now and have not expired.
fn with(
    authority: &Authority,
    older: &[AuthorityCertificate],
    now: Timestamp,
) -> Vec<AuthorityCertificate> {
    let mut trusted = vec![authority.certificate().clone()];
    let older = older.iter().filter(|one| !one.life().is_over(now));
    for one in older.take(super::contents::MOST_TRUSTED - 1) {
        if !trusted.contains(one) {
            trusted.push(one.clone());
        }
    }
    trusted
}
