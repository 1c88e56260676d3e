//! The rounds: look, decide, write, have it trusted, show it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::super::authority::{AuthorityCertificate, service_names};
use super::super::certificates::Certificates;
use super::super::listener::Bound;
use super::KeeperConfig;
use super::bundle::{Registration, Wanted};
use super::contents::Serving;
use super::make::Maker;
use super::metrics::{FailedAt, KeeperMetrics};
use super::objects::{AskError, Registrations, Secrets};
use super::peers::Introduction;
use super::secret::{KeepError, Kept, SharedSecret};
use super::trust::Trust;
use crate::domain::{Clock, Timestamp};
use crate::lifecycle::{Backoff, Check, Probe, Stop};
use crate::peer::Identities;

/// Keeps the serving certificate in a Secret, and the APIServices' `caBundle` in step with it.
///
/// Until the first round has ended, and for as long as rounds fail, what the server was bound with
/// stays in use; every round that fails is followed by another.
pub struct SecretKeeper {
    pub(super) secret: SharedSecret,
    trust: Trust,
    certificates: Arc<Certificates>,
    clock: Arc<dyn Clock>,
    metrics: Arc<KeeperMetrics>,
    pause: Duration,
    settling: Duration,
    shown: Option<Shown>,
    /// What was complained of last, by where.
    pub(super) secret_trouble: Option<KeepError>,
    pub(super) trust_trouble: Option<AskError>,
    standing: Arc<Standing>,
    introduction: Option<Introduction>,
}

/// What readiness is told of.
#[derive(Debug, Default)]
struct Standing {
    /// The Secret has been looked at.
    looked: AtomicBool,
    /// What is shown is a certificate made in memory, while the APIServices trust others: the API
    /// server refuses it.
    refused: AtomicBool,
}

/// What is shown from the Secret.
struct Shown {
    serving: Serving,
    issuer: Option<AuthorityCertificate>,
}

const REFUSED: &str = "the serving Secret cannot be used (the log says why), and the API server refuses the certificate made in memory";
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

impl SecretKeeper {
    /// A keeper of the certificate that `server` shows by default; none for a port without TLS. It
    /// needs the rights in `apiservice/rbac.yaml`.
    #[must_use]
    pub fn new(
        config: KeeperConfig,
        client: &kube::Client,
        server: &Bound,
        clock: Arc<dyn Clock>,
        metrics: Arc<KeeperMetrics>,
    ) -> Option<Self> {
        let certificates = server.certificates()?;
        Some(Self::over(config, client, certificates, clock, metrics))
    }

    pub(super) fn over(
        config: KeeperConfig,
        client: &kube::Client,
        certificates: Arc<Certificates>,
        clock: Arc<dyn Clock>,
        metrics: Arc<KeeperMetrics>,
    ) -> Self {
        let (lifetimes, pause) = (config.lifetimes(), config.pause());
        let service = &config.service;
        let maker = Maker {
            names: service_names(std::slice::from_ref(&service.name), &service.namespace),
            provider: certificates.provider(),
            lifetimes,
        };
        let registrations = Registrations::new(client.clone(), service.clone());
        Self {
            secret: SharedSecret {
                secrets: Secrets::new(client.clone(), config.secret.clone()),
                name: config.secret,
                service: config.service,
                maker,
                metrics: Arc::clone(&metrics),
                last: None,
            },
            trust: Trust::new(registrations, Arc::clone(&metrics)),
            certificates,
            clock,
            metrics,
            pause,
            settling: lifetimes.settling,
            shown: None,
            secret_trouble: None,
            trust_trouble: None,
            standing: Arc::default(),
            introduction: None,
        }
    }

    /// The same, which also keeps what other replicas know us by.
    #[must_use]
    pub fn introducing(self, identities: Arc<Identities>) -> Self {
        Self {
            introduction: Some(Introduction::new(identities)),
            ..self
        }
    }

    /// The readiness check `serving-certificate`: fails until the Secret has been looked at once, so
    /// that nobody is sent here before the certificate is the one that is trusted. It passes also
    /// when that look failed, but where an APIService has a `caBundle`: nobody could use a replica
    /// with a certificate made in memory then, and a rollout must not put it in the place of one
    /// that serves.
    #[must_use]
    pub fn check(&self) -> Check {
        let standing = Arc::clone(&self.standing);
        Check::new("serving-certificate", &[Probe::Readyz], move || {
            if !standing.looked.load(Ordering::Relaxed) {
                return Err("the serving Secret has not been looked at yet".to_owned());
            }
            if standing.refused.load(Ordering::Relaxed) {
                return Err(REFUSED.to_owned());
            }
            Ok(())
        })
    }

    /// Keeps it until stopped.
    pub async fn run(mut self, stop: Stop) {
        let mut retry = Backoff::doubling(FIRST_RETRY, LONGEST_RETRY);
        let mut pause = Backoff::doubling(self.pause, self.pause);
        let rounds = async {
            loop {
                let wait = if self.round().await {
                    retry.reset();
                    pause.wait()
                } else {
                    retry.wait()
                };
                tokio::time::sleep(wait).await;
            }
        };
        stop.until(rounds).await;
    }

    /// One look at everything; tells whether all is as it should be.
    pub(super) async fn round(&mut self) -> bool {
        let now = (self.clock.now(), self.clock.monotonic());
        let seen = self.trust.look().await;
        let carried = seen.as_deref().map_or_else(|_| Vec::new(), carried);
        let kept = self.secret.settle(now, &self.trust, &carried).await;
        self.introduce(&kept, now.0);
        let refused = kept.is_err() && self.shown.is_none() && !carried.is_empty();
        self.standing.refused.store(refused, Ordering::Relaxed);
        let well = match kept {
            Ok(kept) => {
                self.note_secret(None);
                let trusted = self.have_trusted(seen, &kept, now.1).await;
                self.show(kept, now);
                let well = trusted.is_ok();
                self.note_trust(trusted.err());
                well
            }
            Err(error) => {
                self.note_secret(Some(error));
                false
            }
        };
        self.standing.looked.store(true, Ordering::Relaxed);
        well
    }

    fn introduce(&mut self, kept: &Result<Kept, KeepError>, now: Timestamp) {
        let Some(introduction) = &mut self.introduction else {
            return;
        };
        match kept {
            Ok(_) => {
                let contents = self.secret.last.as_ref();
                introduction.follow(contents, &self.secret.service, now);
            }
            Err(error) if error.lasts() => introduction.give_up(),
            Err(_) => {}
        }
    }

    async fn have_trusted(
        &mut self,
        seen: Result<Vec<Registration>, AskError>,
        kept: &Kept,
        now: Instant,
    ) -> Result<(), AskError> {
        let mut wanted = kept.wanted.clone();
        if let Some(Shown { serving, issuer }) = &self.shown
            && serving.leaf() != kept.serving.leaf()
        {
            // What is still shown must not lose its authority.
            wanted.add(issuer.as_ref());
        }
        self.trust.settle(seen?, &wanted, now).await
    }

    fn show(&mut self, kept: Kept, (now, monotonic): (Timestamp, Instant)) {
        if let Some(shown) = &self.shown {
            let same = shown.serving.leaf() == kept.serving.leaf();
            if same || !(self.is_trusted(&kept, monotonic) || shown.serving.life.is_pressing(now)) {
                return;
            }
        }
        self.certificates.show(Arc::clone(&kept.serving.key));
        info!(secret = %self.secret.name, "serving the certificate in the Secret");
        self.shown = Some(Shown {
            serving: kept.serving,
            issuer: kept.issuer,
        });
    }

    /// Whether every API server has had the time to hear of who signed it.
    fn is_trusted(&self, kept: &Kept, now: Instant) -> bool {
        match (&kept.wanted, &kept.issuer) {
            (Wanted::Anything, _) | (_, None) => true,
            (_, Some(issuer)) => {
                let lasts = self.trust.lasts(issuer, now);
                lasts.is_some_and(|lasts| lasts >= self.settling)
            }
        }
    }

    fn note_secret(&mut self, trouble: Option<KeepError>) {
        let before = std::mem::replace(&mut self.secret_trouble, trouble);
        let secret = &self.secret.name;
        let Some(error) = &self.secret_trouble else {
            if before.is_some() {
                info!(%secret, "the serving Secret can be used again");
            }
            return;
        };
        self.metrics.failed(FailedAt::Secret);
        if before.is_some_and(|before| before.is_like(error)) {
            return;
        }
        match &self.shown {
            None => warn!(
                %secret, %error,
                "cannot keep the serving certificate in a Secret, so it is one made in memory, which the API server refuses unless told not to verify it; grant what apiservice/rbac.yaml grants, name another with --serving-secret, or give --tls-cert-file and --tls-private-key-file; trying again"
            ),
            Some(_) => warn!(
                %secret, %error,
                "cannot use the serving Secret; the last certificate stays in use; trying again"
            ),
        }
    }

    fn note_trust(&mut self, trouble: Option<AskError>) {
        let before = std::mem::replace(&mut self.trust_trouble, trouble);
        let Some(error) = &self.trust_trouble else {
            if before.is_some() {
                info!("the APIServices trust our authority again");
            }
            return;
        };
        self.metrics.failed(FailedAt::ApiService);
        if !before.is_some_and(|before| before.is_like(error)) {
            warn!(
                %error,
                "cannot see to it that the API server trusts our authority; grant what apiservice/rbac.yaml grants, or set caBundle to ca.crt of the serving Secret; trying again"
            );
        }
    }
}

impl fmt::Debug for SecretKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKeeper")
            .field("secret", &self.secret.name)
            .finish_non_exhaustive()
    }
}

/// Whoever is trusted now, the newest first: replicas of us that serve another certificate may still
/// be running when one starts anew, with files an operator gave them even.
fn carried(seen: &[Registration]) -> Vec<AuthorityCertificate> {
    let trusted = seen.iter().flat_map(Registration::trusted);
    let mut carried: Vec<_> = trusted.cloned().collect();
    carried.sort_by_key(|one| std::cmp::Reverse(one.life().issued));
    carried.dedup();
    carried
}
