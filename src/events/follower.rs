//! Listens to the watch of events.

use std::error::Error as _;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tracing::{debug, info, warn};

use super::intake::Intake;
use super::metrics::{Metrics, Skipped};
use super::object::Api;
use crate::cluster::{Follower, Object};
use crate::domain::{Clock, Event};

/// Takes what is new from a watch of events.
///
/// What a list tells is new when its resource version is beyond the place that was reached before;
/// API servers count them upwards for each resource (Kubernetes promises so since 1.35, and has done
/// so ever since). The first list of all is not sent, as Eventer's was not.
pub(super) struct Events {
    api: Api,
    intake: Arc<Intake>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    known: Known,
    /// It was told that everything is listed again.
    listing: bool,
}

/// What was told before a list began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// All there is: nobody has followed events here before.
    Everything,
    /// Everything up to this resource version.
    UpTo(u64),
    /// The place is no number, so only memory helps.
    Unknown,
}

impl Events {
    /// Follows events of `api` from `place` on, or from now.
    pub(super) fn new(
        api: Api,
        place: Option<&str>,
        intake: Arc<Intake>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Self {
        Self {
            api,
            intake,
            clock,
            metrics,
            known: place.map_or(Known::Everything, Known::up_to),
            listing: false,
        }
    }

    fn read(&self, object: Object<'_>) -> Option<Event> {
        let read = self.api.read(object).inspect_err(|error| {
            let cause = error.source();
            debug!(%error, cause, "skipped an event");
            self.metrics.skip(Skipped::Unreadable);
        });
        read.ok()
    }
}

impl Known {
    fn up_to(version: &str) -> Self {
        version.parse().map_or(Self::Unknown, Self::UpTo)
    }

    fn has(self, event: &Event) -> bool {
        match self {
            Self::Everything => true,
            Self::UpTo(place) => {
                let version: Option<u64> = event.resource_version.parse().ok();
                version.is_some_and(|version| version <= place)
            }
            Self::Unknown => false,
        }
    }
}

impl Follower for Events {
    fn list_begins(&mut self) {
        // An attempt that fails is followed by another.
        if self.known != Known::Everything && !std::mem::replace(&mut self.listing, true) {
            info!("the API server no longer tells what followed; listing all events again");
        }
    }

    fn listed(&mut self, object: Object<'_>) {
        if self.known == Known::Everything {
            return;
        }
        let Some(event) = self.read(object) else {
            return;
        };
        if self.known.has(&event) {
            return self.metrics.skip(Skipped::Known);
        }
        self.intake.take(event, self.clock.now());
    }

    fn list_ends(&mut self) {}

    fn applied(&mut self, object: Object<'_>) {
        if let Some(event) = self.read(object) {
            self.intake.take(event, self.clock.now());
        }
    }

    // Events are deleted when they are an hour old; nothing happens then.
    fn deleted(&mut self, _: Object<'_>) {}

    fn reached(&mut self, version: &str) {
        self.listing = false;
        self.known = Known::up_to(version);
        self.intake.reached(version, self.clock.now());
    }

    fn rewound(&mut self, place: &str, now: &str) {
        warn!(
            place,
            now, "the API server is behind the place to resume from; listing all events again"
        );
        // Its numbers begin again, so only memory tells what was sent.
        (self.known, self.listing) = (Known::Unknown, true);
    }

    fn pause(&self) -> Option<BoxFuture<'static, ()>> {
        self.intake.room()
    }
}
