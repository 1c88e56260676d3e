//! The eventer: hands the cluster's Events to sinks, each at least once.
//!
//! ```text
//! kube-apiserver ──watch──► follower ──► intake ── batch ──► sinks
//!        ▲                  new, or seen?   │                  │ done with it
//!        └──────── Lease ◄── place ◄────────┴──────────────────┘
//! ```
//!
//! The place in the history of events up to which every sink is done is written to a Lease every ten
//! seconds, and the next process resumes there. Where the API server has forgotten it, everything is
//! listed, and what is beyond the place is new: events live for an hour, so that long nothing is
//! lost. Where the API server is behind the place, as after etcd was restored, everything is listed
//! as well, and what is not remembered is new. What was sent but not noted before a sudden end is
//! sent again, with the same [`EventId`](crate::domain::EventId).
//!
//! `events.k8s.io/v1` is read, or `v1` where the API server does not have it or does not let us; both
//! tell of the same objects.

mod follower;
mod intake;
mod metrics;
mod object;
mod position;
mod seen;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join;
use parking_lot::Mutex;
use tokio::time::sleep;
use tracing::{info, warn};

pub use position::PositionConfig;

use self::follower::Events;
use self::intake::Intake;
use self::metrics::Metrics;
use self::object::Api;
use self::position::{Position, PositionError};
use crate::cluster::{Connection, Leadership, Watch, WatchError};
use crate::domain::Clock;
use crate::lifecycle::{Backoff, Stop, Tasks};
use crate::sinks::{EventFilter, EventSinks};
use crate::telemetry::Registry;

/// What is sent, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How often what has come in is handed to the sinks, by the wall clock: `--frequency`. A
    /// thousand events do not wait for it.
    pub frequency: Duration,
    /// What is handed to any sink at all.
    pub filter: EventFilter,
    /// Where the place to resume from is kept.
    pub position: PositionConfig,
    /// How often that is written at most.
    pub save_every: Duration,
    /// Of how many events it is remembered in which state they were handed on.
    pub remembered: usize,
}

/// Watches events and hands them to sinks, while it leads.
pub struct Eventer {
    config: Config,
    client: kube::Client,
    position: Position,
    leadership: Leadership,
    sinks: EventSinks,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    health: EventerHealth,
}

/// Tells how an [`Eventer`] fares.
#[derive(Clone, Debug)]
pub struct EventerHealth {
    clock: Arc<dyn Clock>,
    leadership: Leadership,
    pulse: Arc<Mutex<Instant>>,
    watch: Arc<Mutex<Option<Arc<Watch>>>>,
}

/// How often it is looked after what is due.
const LOOK: Duration = Duration::from_millis(250);
/// As Eventer's `/healthz`.
const DEAD_AFTER: Duration = Duration::from_secs(180);
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

impl Config {
    /// All events every 30 seconds, with the place in this Lease.
    #[must_use]
    pub fn new(position: PositionConfig) -> Self {
        Self {
            frequency: Duration::from_secs(30),
            filter: EventFilter::default(),
            position,
            save_every: Duration::from_secs(10),
            remembered: 1 << 16,
        }
    }
}

impl Eventer {
    /// An eventer that begins with [`Self::run`]. Needs the rights to list and watch events, and
    /// to get, create and patch its Lease.
    #[must_use]
    pub fn new(
        config: Config,
        client: &kube::Client,
        leadership: Leadership,
        sinks: EventSinks,
        clock: Arc<dyn Clock>,
        registry: &mut Registry,
    ) -> Self {
        Self {
            position: Position::new(client, config.position.clone()),
            metrics: Metrics::register(registry),
            health: EventerHealth {
                pulse: Arc::new(Mutex::new(clock.monotonic())),
                clock: Arc::clone(&clock),
                leadership: leadership.clone(),
                watch: Arc::default(),
            },
            client: client.clone(),
            config,
            leadership,
            sinks,
            clock,
        }
    }

    /// How it fares, for probes.
    #[must_use]
    pub fn health(&self) -> EventerHealth {
        self.health.clone()
    }

    /// Works until `stop`. Then it gives the sinks their time to send what waits, and notes how far
    /// they have got.
    pub async fn run(self, tasks: Tasks, stop: Stop) {
        let (inlets, workers) = self.sinks.start(&tasks, &stop);
        let intake = Arc::new(Intake::new(
            inlets,
            self.config.filter.clone(),
            self.config.remembered,
            self.metrics.clone(),
        ));
        let work = Work {
            config: self.config,
            client: self.client,
            position: self.position,
            leadership: self.leadership,
            intake,
            clock: self.clock,
            metrics: self.metrics,
            health: self.health,
        };
        let mut saved = Saved::default();
        let keep = Box::pin(work.keep(&mut saved, &stop));
        join(Box::pin(work.lead(&stop)), keep).await;
        work.intake.close(work.clock.now());
        for worker in workers {
            // What a sink that panicked had is not settled.
            let _ = worker.await;
        }
        if work.leadership.is_held() {
            saved.at = None;
            work.save(&mut saved).await;
        }
    }
}

/// An eventer at work.
struct Work {
    config: Config,
    client: kube::Client,
    position: Position,
    leadership: Leadership,
    intake: Arc<Intake>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    health: EventerHealth,
}

/// What was written last, and whether that worked.
#[derive(Debug, Default)]
struct Saved {
    place: Option<String>,
    at: Option<Instant>,
    trouble: bool,
}

impl Work {
    /// Follows events whenever it leads.
    async fn lead(&self, stop: &Stop) {
        while stop.until(self.leadership.held()).await.is_some() {
            let turn = async {
                tokio::select! {
                    () = self.follow(stop) => {}
                    () = self.leadership.lost() => {}
                }
            };
            turn.await;
            *self.health.watch.lock() = None;
            if stop.is_stopping() {
                return;
            }
            self.intake.abandon();
        }
    }

    /// Follows events from where it was left.
    async fn follow(&self, stop: &Stop) {
        let Some(place) = self.place(stop).await else {
            return;
        };
        let Some(api) = self.api(stop).await else {
            return;
        };
        let from = place.as_deref().unwrap_or("now");
        info!(from, path = api.target().path, "following events");
        let (intake, clock) = (Arc::clone(&self.intake), Arc::clone(&self.clock));
        let metrics = self.metrics.clone();
        let mut events = Events::new(api, place.as_deref(), intake, clock, metrics);
        let watch = self.watch(api);
        let watch = Arc::new(match place {
            Some(place) => watch.resuming_from(place),
            None => watch,
        });
        *self.health.watch.lock() = Some(Arc::clone(&watch));
        watch.run(&mut events, stop).await;
    }

    fn watch(&self, api: Api) -> Watch {
        Watch::new(self.client.clone(), api.target(), Arc::clone(&self.clock))
            .with_restarts(self.metrics.restarts())
            .minding_its_place()
    }

    /// Where to resume, as soon as anybody can say; `None` at the end.
    async fn place(&self, stop: &Stop) -> Option<Option<String>> {
        let mut backoff = Backoff::doubling(FIRST_RETRY, LONGEST_RETRY);
        let mut told = false;
        loop {
            let error = match stop.until(self.position.load()).await? {
                Ok(Some(place)) if place.parse::<u64>().is_err() => {
                    // The API server would refuse it again and again.
                    warn!(
                        place,
                        "the place to resume events from is none; following from now on"
                    );
                    return Some(None);
                }
                Ok(place) => return Some(place),
                Err(error) => error,
            };
            self.metrics.unsaved.inc();
            if !std::mem::replace(&mut told, true) {
                warn!(%error, "cannot read the place to resume events from");
            }
            if matches!(error, PositionError::Forbidden { .. }) {
                // Events are worth more than those of the time we were away.
                return Some(None);
            }
            stop.until(sleep(backoff.wait())).await?;
        }
    }

    /// Which of the two APIs lets us list events, as soon as one does; `None` at the end.
    async fn api(&self, stop: &Stop) -> Option<Api> {
        let mut backoff = Backoff::doubling(FIRST_RETRY, LONGEST_RETRY);
        let mut told = false;
        loop {
            let error = match stop.until(self.watch(Api::Events).probe()).await? {
                Ok(()) => return Some(Api::Events),
                Err(error) => error,
            };
            let refused = matches!(
                error,
                WatchError::Forbidden { .. } | WatchError::Refused { code: 404, .. }
            );
            if refused && stop.until(self.watch(Api::Core).probe()).await?.is_ok() {
                return Some(Api::Core);
            }
            if !std::mem::replace(&mut told, true) {
                warn!(%error, "cannot list events");
            }
            stop.until(sleep(backoff.wait())).await?;
        }
    }

    /// Sees to what is due: hands on batches, writes the place, keeps the metrics.
    async fn keep(&self, saved: &mut Saved, stop: &Stop) {
        let turn = |now: i64| {
            let every = i64::try_from(self.config.frequency.as_millis()).unwrap_or(i64::MAX);
            now.div_euclid(every.max(1))
        };
        let mut last = turn(self.clock.now().as_millis());
        while stop.until(sleep(LOOK)).await.is_some() {
            *self.health.pulse.lock() = self.clock.monotonic();
            let now = self.clock.now();
            self.intake.measure(now);
            let this = turn(now.as_millis());
            if std::mem::replace(&mut last, this) != this {
                self.intake.seal(now);
            }
            let due = saved.at.is_none_or(|at| {
                let age = self.clock.monotonic().saturating_duration_since(at);
                age >= self.config.save_every
            });
            if due && self.leadership.is_held() && stop.until(self.save(saved)).await.is_none() {
                return;
            }
        }
    }

    /// Writes the place, if it is another than before.
    async fn save(&self, saved: &mut Saved) {
        let place = self.intake.safe();
        if place.is_none() || place == saved.place {
            return;
        }
        saved.at = Some(self.clock.monotonic());
        match self
            .position
            .save(place.as_deref().unwrap_or_default())
            .await
        {
            Ok(()) => {
                saved.place = place;
                if std::mem::take(&mut saved.trouble) {
                    info!("the place to resume events from is written again");
                }
            }
            Err(error) => {
                self.metrics.unsaved.inc();
                if !std::mem::replace(&mut saved.trouble, true) {
                    warn!(%error, "cannot write the place to resume events from");
                }
            }
        }
    }
}

impl EventerHealth {
    /// Whether it is alive: looks after its work. That the API server or a sink is away is no
    /// reason to be restarted.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn live(&self) -> Result<(), String> {
        let age = self
            .clock
            .monotonic()
            .saturating_duration_since(*self.pulse.lock());
        if age < DEAD_AFTER {
            return Ok(());
        }
        Err(format!(
            "nothing has been looked after for {} s",
            age.as_secs()
        ))
    }

    /// Whether it hears of events as they happen, or stands by because another replica is known to.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn ready(&self) -> Result<(), String> {
        self.live()?;
        if !self.leadership.is_held() {
            return self.leadership.held_by_another(self.clock.monotonic());
        }
        let watch = self.watch.lock().clone();
        match watch.map(|watch| watch.status().connection) {
            Some(Connection::Watching { .. }) => Ok(()),
            Some(Connection::Lost { reason, .. }) => Err(format!("events are not heard: {reason}")),
            Some(Connection::Connecting) | None => Err("events are not heard yet".to_owned()),
        }
    }
}

impl fmt::Debug for Eventer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Eventer")
            .field("config", &self.config)
            .field("sinks", &self.sinks)
            .finish_non_exhaustive()
    }
}
