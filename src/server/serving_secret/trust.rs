//! Whom the APIServices trust, and since when.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::info;

use super::super::authority::AuthorityCertificate;
use super::bundle::{Registration, Wanted};
use super::metrics::KeeperMetrics;
use super::objects::{AskError, Failure, Registrations};

/// The `caBundle` of our APIServices, as this replica has seen it.
pub(super) struct Trust {
    registrations: Registrations,
    /// Since when every one of them has been seen to trust whom. As short as a bundle is.
    since: Vec<(AuthorityCertificate, Instant)>,
    metrics: Arc<KeeperMetrics>,
}

/// How often APIServices are looked at again because they changed meanwhile.
const ATTEMPTS: usize = 3;

impl Trust {
    pub(super) const fn new(registrations: Registrations, metrics: Arc<KeeperMetrics>) -> Self {
        Self {
            registrations,
            since: Vec::new(),
            metrics,
        }
    }

    /// The APIServices that lead to us.
    pub(super) async fn look(&self) -> Result<Vec<Registration>, AskError> {
        self.registrations.look().await
    }

    /// Corrects those of `seen` that are not what is wanted.
    pub(super) async fn settle(
        &mut self,
        mut seen: Vec<Registration>,
        wanted: &Wanted,
        now: Instant,
    ) -> Result<(), AskError> {
        for _ in 0..ATTEMPTS {
            // Who is missing somewhere is trusted from the correction on.
            self.since.retain(|(authority, _)| {
                let trusts = |one: &Registration| one.trusted().contains(authority);
                wanted.authorities().contains(authority) && seen.iter().all(trusts)
            });
            if self.correct(&seen, wanted).await? {
                for authority in wanted.authorities() {
                    if self.lasts(authority, now).is_none() {
                        self.since.push((authority.clone(), now));
                    }
                }
                return Ok(());
            }
            seen = self.look().await?;
        }
        Err(AskError::conflict("patch", "our APIServices"))
    }

    async fn correct(&self, seen: &[Registration], wanted: &Wanted) -> Result<bool, AskError> {
        let mut all = true;
        for one in seen.iter().filter(|one| !one.is_right(wanted)) {
            let done = self.registrations.correct(one, wanted).await?;
            if done {
                info!(apiservice = %one.name, "corrected the caBundle");
                self.metrics.patched(&one.name);
            }
            all &= done;
        }
        Ok(all)
    }

    /// For how long every APIService has trusted `authority`; `None` when one does not, or nobody
    /// knows.
    pub(super) fn lasts(&self, authority: &AuthorityCertificate, now: Instant) -> Option<Duration> {
        let (_, since) = self.since.iter().find(|(one, _)| one == authority)?;
        Some(now.saturating_duration_since(*since))
    }
}

impl AskError {
    fn conflict(verb: &'static str, object: &str) -> Self {
        Self {
            verb,
            object: object.to_owned(),
            failure: Failure::Conflict,
        }
    }
}
