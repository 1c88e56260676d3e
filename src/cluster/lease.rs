//! Who of several replicas acts: a Lease that one of them holds.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp as JiffTimestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Api;
use kube::api::PostParams;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use super::leadership::{Leadership, Other};
use super::request::describe;
use crate::domain::Clock;
use crate::lifecycle::{Jitter, Stop, random};

/// Which Lease, and who we are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseConfig {
    /// The Lease's namespace.
    pub namespace: String,
    /// The Lease's name.
    pub name: String,
    /// What no other replica calls itself, such as the pod's name with something random behind it.
    pub identity: String,
    /// How long others leave the Lease to a holder of whom they hear nothing.
    pub duration: Duration,
    /// When a holder that cannot renew gives up by itself: before others take the Lease.
    pub deadline: Duration,
    /// How often it is renewed, or looked whether it is free; each wait is shortened by chance by
    /// up to a fifth.
    pub period: Duration,
}

/// Contends for a Lease, as client-go's leader election does: other replicas may be anything that
/// does the same.
///
/// Needs the rights to create Leases in the namespace, and to get and update this one.
pub struct Election {
    config: LeaseConfig,
    api: Api<Lease>,
    clock: Arc<dyn Clock>,
    jitter: Jitter,
    held: watch::Sender<bool>,
    observed: Option<Observed>,
    renewed: Option<Instant>,
    /// Who leads when we do not, for others to know.
    other: Arc<Mutex<Other>>,
}

/// What a Lease said, and since when it says so. Its times are of another machine's clock, so only
/// that they change counts.
#[derive(Clone, Debug, PartialEq)]
struct Observed {
    holder: String,
    renewed: Option<MicroTime>,
    since: Instant,
    /// Until when it is left to the holder.
    until: Instant,
}

/// What to do about a Lease as it was found.
#[derive(Debug, PartialEq)]
enum Step {
    /// It is not there: make it.
    Create,
    /// It is ours, or free: write this.
    Write(LeaseSpec),
    /// This one has it.
    Leave(String),
}

/// How often a write is tried anew at once because somebody else wrote.
const TRIES: usize = 3;

impl LeaseConfig {
    /// The Lease of this name with client-go's 15 seconds, looked at every 4.
    #[must_use]
    pub fn new(namespace: String, name: String, identity: String) -> Self {
        Self {
            namespace,
            name,
            identity,
            duration: Duration::from_secs(15),
            deadline: Duration::from_secs(10),
            period: Duration::from_secs(4),
        }
    }
}

impl Election {
    /// A contender that begins with [`Self::run`].
    #[must_use]
    pub fn new(
        config: LeaseConfig,
        client: &kube::Client,
        clock: Arc<dyn Clock>,
    ) -> (Self, Leadership) {
        let (held, receiver) = watch::channel(false);
        let leadership = Leadership::of(receiver);
        let election = Self {
            api: Api::namespaced(client.clone(), &config.namespace),
            config,
            clock,
            jitter: random,
            held,
            observed: None,
            renewed: None,
            other: leadership.other(),
        };
        (election, leadership)
    }

    /// Contends until `stop`, and then lets go of the Lease, so that nobody has to wait for its end.
    pub async fn run(mut self, stop: Stop) {
        loop {
            let began = self.clock.monotonic();
            let attempt = timeout(self.patience(began), self.attempt(began));
            let Some(outcome) = stop.until(attempt).await else {
                break;
            };
            let outcome = outcome.unwrap_or_else(|_| Err("no answer in time".to_owned()));
            self.note(outcome, began);
            let wait = self.config.period.mul_f64(1.0 - 0.2 * (self.jitter)());
            let wait = wait.min(self.patience(self.clock.monotonic()));
            if stop.until(sleep(wait)).await.is_none() {
                break;
            }
        }
        self.release().await;
    }

    /// How long an attempt may take: a holder has to know when its time is over.
    fn patience(&self, now: Instant) -> Duration {
        let left = self.renewed.map(|renewed| {
            let until = renewed + self.config.deadline;
            until.saturating_duration_since(now)
        });
        let most = self.config.deadline / 2;
        left.map_or(most, |left| left.min(most))
            .max(Duration::from_millis(1))
    }

    /// Takes or renews the Lease; `Ok(Some(_))` is who has it instead.
    async fn attempt(&mut self, now: Instant) -> Result<Option<String>, String> {
        for _ in 0..TRIES {
            match self.try_once(now).await {
                // Somebody wrote to it in between: how does it look now?
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                outcome => return outcome.map_err(|error| describe(&error)),
            }
        }
        Err("others keep writing to it".to_owned())
    }

    async fn try_once(&mut self, now: Instant) -> kube::Result<Option<String>> {
        let lease = self.api.get_opt(&self.config.name).await?;
        let spec = lease.as_ref().and_then(|lease| lease.spec.clone());
        let params = PostParams::default();
        match self.step(lease.is_some(), spec.unwrap_or_default(), now) {
            Step::Leave(holder) => return Ok(Some(holder)),
            Step::Create => {
                let lease = Lease {
                    metadata: ObjectMeta {
                        name: Some(self.config.name.clone()),
                        namespace: Some(self.config.namespace.clone()),
                        ..ObjectMeta::default()
                    },
                    spec: Some(self.spec(LeaseSpec::default())),
                };
                self.api.create(&params, &lease).await?;
            }
            Step::Write(spec) => {
                // With the resource version it was read with: who was faster has it.
                let lease = Lease {
                    spec: Some(spec),
                    ..lease.unwrap_or_default()
                };
                self.api.replace(&self.config.name, &params, &lease).await?;
            }
        }
        Ok(None)
    }

    fn step(&mut self, exists: bool, found: LeaseSpec, now: Instant) -> Step {
        let holder = found.holder_identity.clone().unwrap_or_default();
        if !exists {
            return Step::Create;
        }
        if holder.is_empty() || holder == self.config.identity {
            return Step::Write(self.spec(found));
        }
        let same = |observed: &&Observed| {
            observed.holder == holder && observed.renewed == found.renew_time
        };
        let since = self.observed.as_ref().filter(same);
        let since = since.map_or(now, |observed| observed.since);
        let promised = found.lease_duration_seconds.unwrap_or_default();
        let promised = Duration::from_secs(u64::try_from(promised).unwrap_or_default());
        self.observed = Some(Observed {
            holder: holder.clone(),
            renewed: found.renew_time.clone(),
            since,
            until: since + promised,
        });
        if now.saturating_duration_since(since) < promised {
            return Step::Leave(holder);
        }
        Step::Write(self.spec(found))
    }

    /// The Lease as it is when we hold it, after what it was.
    fn spec(&self, before: LeaseSpec) -> LeaseSpec {
        let ours = before.holder_identity.as_deref() == Some(self.config.identity.as_str());
        let now = Some(self.now());
        let seconds = i32::try_from(self.config.duration.as_secs()).unwrap_or(i32::MAX);
        LeaseSpec {
            holder_identity: Some(self.config.identity.clone()),
            lease_duration_seconds: Some(seconds),
            acquire_time: if ours {
                before.acquire_time
            } else {
                now.clone()
            },
            renew_time: now,
            lease_transitions: match before.lease_transitions {
                Some(times) if ours => Some(times),
                Some(times) => Some(times.saturating_add(1)),
                None => Some(0),
            },
            ..before
        }
    }

    fn now(&self) -> MicroTime {
        let millis = self.clock.now().as_millis();
        MicroTime(JiffTimestamp::from_millisecond(millis).unwrap_or_default())
    }

    fn note(&mut self, outcome: Result<Option<String>, String>, began: Instant) {
        let (namespace, name) = (&self.config.namespace, &self.config.name);
        match outcome {
            Ok(None) => {
                self.renewed = Some(began);
                *self.other.lock() = Other::default();
                if !self.held.send_replace(true) {
                    info!(%namespace, lease = %name, "holding the Lease");
                }
            }
            Ok(Some(holder)) => {
                *self.other.lock() = Other {
                    until: self.observed.as_ref().map(|observed| observed.until),
                    trouble: None,
                };
                self.renewed = None;
                if self.held.send_replace(false) {
                    warn!(%namespace, lease = %name, %holder, "the Lease is somebody else's now");
                } else {
                    debug!(%namespace, lease = %name, %holder, "the Lease is held");
                }
            }
            Err(error) => {
                let before = self.other.lock().trouble.replace(error.clone());
                if before.is_none() {
                    warn!(%namespace, lease = %name, %error, "cannot renew or take the Lease");
                }
                let late = self.renewed.is_some_and(|renewed| {
                    let now = self.clock.monotonic();
                    now.saturating_duration_since(renewed) >= self.config.deadline
                });
                if late {
                    self.renewed = None;
                    self.held.send_replace(false);
                    warn!(%namespace, lease = %name, "let go of the Lease: it could not be renewed");
                }
            }
        }
    }

    /// Hands the Lease back, if it is ours.
    async fn release(&mut self) {
        if !self.held.send_replace(false) {
            return;
        }
        let release = async {
            let Some(mut lease) = self.api.get_opt(&self.config.name).await? else {
                return Ok(());
            };
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() != Some(self.config.identity.as_str()) {
                return Ok(());
            }
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
            let params = PostParams::default();
            let replaced = self.api.replace(&self.config.name, &params, &lease).await;
            replaced.map(drop)
        };
        match timeout(self.config.period, release).await {
            Ok(Ok(())) => debug!("let go of the Lease"),
            Ok(Err(error)) => debug!(error = %describe(&error), "cannot let go of the Lease"),
            Err(_) => debug!("no answer when letting go of the Lease"),
        }
    }
}

impl fmt::Debug for Election {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Election")
            .field("config", &self.config)
            .field("held", &*self.held.borrow())
            .finish_non_exhaustive()
    }
}
