//! One watch: list, follow, and begin again whenever that ends.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use prometheus_client::metrics::counter::Counter;
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use super::events::{Event, Events};
use super::list::read_list;
use super::object::Object;
use super::request::{Extent, LARGEST_PAGE, Requests, Target, WatchError};
use super::state::{Change, WatchState, WatchStatus};
use crate::domain::Clock;
use crate::lifecycle::{Backoff, Stop};

/// Who is told what a watch hears. Objects come as the API server sent them, so that each follower
/// reads what it needs and no more; an object it cannot read is its own affair and never ends the watch.
pub trait Follower: Send {
    /// A list begins, for the first time or anew. What an earlier one left unfinished is void.
    fn list_begins(&mut self);
    /// An object of the list.
    fn listed(&mut self, object: Object<'_>);
    /// The list is complete: whatever was not in it is no more.
    fn list_ends(&mut self);
    /// An object was added or changed.
    fn applied(&mut self, object: Object<'_>);
    /// An object was deleted, or no longer matches the selector. Carries its last state.
    fn deleted(&mut self, object: Object<'_>);
    /// Everything up to this resource version has been told: a list is complete, or an event or a
    /// bookmark was heard.
    fn reached(&mut self, _version: &str) {}
    /// The API server is at `now`, before the `place` up to which all was told: etcd was restored, or
    /// the place is another cluster's. Everything is listed again. Only of a watch that is
    /// [`Watch::minding_its_place`].
    fn rewound(&mut self, _place: &str, _now: &str) {}
    /// What to wait for before more is told; asked after each event and each page of a list. Whoever
    /// waits long is told the rest later: the API server ends the watch, and it is resumed.
    fn pause(&self) -> Option<BoxFuture<'static, ()>> {
        None
    }
}

/// A list of one collection that is kept up to date for as long as the process lives.
///
/// Its first list comes at once out of the API server's cache, any later one, which must not go back
/// in time, in pages of 500. It watches from there in requests of three minutes, resumes where one
/// ended, and lists anew when the API server has forgotten that place. Failures are retried after
/// 250 ms, then twice as long each time up to 30 s; what is known stays meanwhile. The log has one
/// line when the watch is lost or lost for another reason, and one when it is back, with the time
/// since anything had come from the API server when it was lost.
pub struct Watch {
    requests: Requests,
    state: Arc<WatchState>,
    restarts: Counter,
    from: Option<String>,
    minds_place: bool,
}

/// Follows nothing, as whoever lists for the list's version alone.
pub(super) struct Nobody;

/// What one attempt hands to the next.
struct Place {
    /// Where to watch from; `None` to list first.
    version: Option<String>,
    /// What the next list asks for.
    extent: Extent,
    /// When the attempt had its watch open; `None` while it has not.
    opened: Option<Instant>,
}

/// How an attempt ended that did not fail.
enum Ended {
    /// As the API server ends each watch when its time is up.
    Closed,
    /// The connection broke, or the place was forgotten: only what comes next can tell whether that
    /// is bad.
    Broken(WatchError),
}

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A watch that stood this long was a success: the next one begins at once, and the waits start
/// over.
const STEADY: Duration = Duration::from_secs(5);
const PAGE: u32 = 500;
const SMALLEST_PAGE: u32 = 10;

impl Watch {
    /// A watch of `target` that begins with [`Self::run`].
    #[must_use]
    pub fn new(client: kube::Client, target: Target, clock: Arc<dyn Clock>) -> Self {
        Self {
            requests: Requests::new(client, target),
            state: Arc::new(WatchState::new(clock)),
            restarts: Counter::default(),
            from: None,
            minds_place: false,
        }
    }

    /// The same watch, which begins after this resource version instead of with a list. Should that
    /// be forgotten, it lists all the same.
    #[must_use]
    pub fn resuming_from(self, version: String) -> Self {
        Self {
            from: Some(version),
            ..self
        }
    }

    /// The same watch, which asks before it goes on from a place whether the API server has come that
    /// far: it takes a place that is ahead of it, and then tells nothing until it gets there. That is
    /// one small request whenever a watch begins.
    #[must_use]
    pub fn minding_its_place(self) -> Self {
        Self {
            minds_place: true,
            ..self
        }
    }

    /// Asks for a single object: whether the collection is there and may be listed.
    ///
    /// # Errors
    /// When it is not, or nobody answers.
    pub async fn probe(&self) -> Result<(), WatchError> {
        self.requests.list(Extent::Pages(1), None).await.map(drop)
    }

    /// The same watch, which counts its restarts where they can be seen.
    #[must_use]
    pub fn with_restarts(self, restarts: Counter) -> Self {
        Self { restarts, ..self }
    }

    /// What is watched.
    #[must_use]
    pub fn target(&self) -> &Target {
        self.requests.target()
    }

    /// How the watch stands.
    #[must_use]
    pub fn status(&self) -> WatchStatus {
        self.state.status()
    }

    pub(super) fn state(&self) -> Arc<WatchState> {
        Arc::clone(&self.state)
    }

    /// Tells `follower` everything until `stop`.
    pub async fn run(&self, follower: &mut dyn Follower, stop: &Stop) {
        let mut backoff = Backoff::doubling(FIRST_WAIT, LONGEST_WAIT);
        self.state.heard();
        let mut place = Place {
            version: self.from.clone(),
            // Who knows something already may not be told of a time before that.
            extent: self
                .from
                .as_ref()
                .map_or(Extent::Cached, |_| Extent::Pages(PAGE)),
            opened: None,
        };
        loop {
            let attempt = self.attempt(&mut place, follower);
            let Some(outcome) = stop.until(attempt).await else {
                return;
            };
            // However long the list before it took.
            let steady = place.opened.is_some_and(|at| at.elapsed() >= STEADY);
            let failed = outcome.is_err();
            self.note(outcome);
            if steady && !failed {
                backoff.reset();
                continue;
            }
            if stop.until(sleep(backoff.wait())).await.is_none() {
                return;
            }
        }
    }

    /// Lists if need be, then watches until that ends.
    async fn attempt(
        &self,
        place: &mut Place,
        follower: &mut dyn Follower,
    ) -> Result<Ended, WatchError> {
        place.opened = None;
        if let Some(version) = place.version.clone().filter(|_| self.minds_place)
            && let Some(now) = self.behind(&version).await?
        {
            self.restarts.inc();
            follower.rewound(&version, &now);
            place.version = None;
        }
        let version = match place.version.take() {
            Some(version) => version,
            None => self.list(&mut place.extent, follower).await?,
        };
        let events = match self.requests.watch(&version).await {
            Ok(events) => events,
            Err(WatchError::Expired) => return Ok(Ended::Broken(WatchError::Expired)),
            Err(error) => {
                place.version = Some(version);
                return Err(error);
            }
        };
        self.opened(events.encoding().as_str());
        place.opened = Some(Instant::now());
        place.version = Some(version);
        Ok(self.follow(events, &mut place.version, follower).await)
    }

    /// Where the API server is, if that is before `place`.
    async fn behind(&self, place: &str) -> Result<Option<String>, WatchError> {
        let newest = self.requests.list(Extent::Pages(1), None).await?;
        let now = read_list(newest, &mut Nobody).await?.version;
        let count = |version: &str| version.parse::<u64>().ok();
        Ok(now.filter(|now| count(now).is_some_and(|now| count(place) > Some(now))))
    }

    /// Reads the whole list. Leaves in `extent` what to ask for the next time.
    async fn list(
        &self,
        extent: &mut Extent,
        follower: &mut dyn Follower,
    ) -> Result<String, WatchError> {
        follower.list_begins();
        let mut from = None;
        loop {
            let asked = *extent;
            let answer = self.requests.list(asked, from).await?;
            self.state.heard();
            if asked == Extent::Cached {
                // Even if this fails: an API server that is too slow for all at once has pages.
                *extent = Extent::Pages(PAGE);
            }
            let page = match read_list(answer, follower).await {
                Err(
                    error @ WatchError::TooLarge {
                        limit: LARGEST_PAGE,
                    },
                ) => {
                    if let Extent::Pages(size) = asked {
                        *extent = Extent::Pages((size / 2).max(SMALLEST_PAGE));
                    }
                    return Err(error);
                }
                page => page?,
            };
            self.state.heard();
            from = page.next;
            wait_for(follower.pause()).await;
            if from.is_some() {
                continue;
            }
            let Some(version) = page.version else {
                let reason = "a list without a resource version".into();
                return Err(WatchError::Garbled { reason });
            };
            follower.list_ends();
            follower.reached(&version);
            self.state.synced();
            return Ok(version);
        }
    }

    /// Passes events on until there are no more. Leaves in `version` where to resume, or nothing.
    async fn follow(
        &self,
        mut events: Events,
        version: &mut Option<String>,
        follower: &mut dyn Follower,
    ) -> Ended {
        loop {
            let next = events.next().await;
            // The end of a connection comes from there, too.
            if !matches!(next, Err(WatchError::Silent(_))) {
                self.state.heard();
            }
            let event = match next {
                Ok(Some(event)) => event,
                Ok(None) => return Ended::Closed,
                Err(error @ WatchError::TooLarge { .. }) => {
                    *version = None;
                    return Ended::Broken(error);
                }
                Err(error) => return Ended::Broken(error),
            };
            let heard = event
                .view(self.target())
                .and_then(|event| hear(event, follower));
            match heard {
                Ok(Some(newer)) => {
                    follower.reached(&newer);
                    *version = Some(newer);
                    wait_for(follower.pause()).await;
                }
                Ok(None) => {}
                Err(error) => {
                    // Whatever the API server gave up on, its list is right.
                    *version = None;
                    return Ended::Broken(error);
                }
            }
        }
    }

    fn opened(&self, encoding: &str) {
        let resource = self.target().resource;
        match self.state.open() {
            Change::None => {}
            Change::First => info!(resource, encoding, "watching the API server"),
            Change::Back(lost_for) => info!(resource, ?lost_for, "the watch is back"),
        }
    }

    fn note(&self, outcome: Result<Ended, WatchError>) {
        let resource = self.target().resource;
        match outcome {
            Ok(Ended::Closed) => debug!(resource, "the watch ended; resuming"),
            Ok(Ended::Broken(reason)) => {
                self.restarts.inc();
                debug!(resource, %reason, "the watch broke; resuming");
            }
            Err(reason) => {
                self.restarts.inc();
                if reason.is_an_answer() {
                    self.state.heard();
                }
                if let Some(reason) = self.state.lost(reason) {
                    warn!(resource, %reason, "the watch is lost; what is known stays served");
                }
            }
        }
    }
}

async fn wait_for(pause: Option<BoxFuture<'static, ()>>) {
    if let Some(pause) = pause {
        pause.await;
    }
}

/// Passes one event on; returns the resource version it brought.
fn hear(event: Event<'_>, follower: &mut dyn Follower) -> Result<Option<String>, WatchError> {
    match event {
        Event::Applied(object) => {
            follower.applied(object);
            Ok(object.version())
        }
        Event::Deleted(object) => {
            follower.deleted(object);
            Ok(object.version())
        }
        Event::Bookmark(object) => Ok(object.version()),
        Event::Unknown => Ok(None),
        Event::Error(error) => Err(error),
    }
}

impl Follower for Nobody {
    fn list_begins(&mut self) {}
    fn listed(&mut self, _: Object<'_>) {}
    fn list_ends(&mut self) {}
    fn applied(&mut self, _: Object<'_>) {}
    fn deleted(&mut self, _: Object<'_>) {}
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("target", self.target())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
