//! The truth about itself: how each node fares, and what is wrong where there are no numbers.
//!
//! What the schedules found out ([`crate::scrape::ScrapeHealth`]), what is served
//! ([`crate::live::Live`]) and who is out there at all ([`Inventory`]) make one [`Snapshot`], with
//! one [`State`] a node and the same words everywhere: in the API, in the metrics, in readiness and
//! in Events.

mod announcements;
mod announcer;
mod metrics;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::domain::{Clock, Inventory, NodeName, NodeRecord, Timestamp};
use crate::lifecycle::{Check, Probe};
use crate::scrape::ScrapeHealth;
use crate::telemetry::Registry;

pub use announcer::Announcer;
pub use snapshot::{NodeCoverage, Snapshot};
pub use state::State;

/// Tells when a node's numbers were measured.
pub type Sampled = dyn Fn(&NodeName) -> Option<Timestamp> + Send + Sync;

/// What coverage is made of.
#[derive(Clone)]
pub struct Sources {
    /// Who is out there.
    pub inventory: Arc<Inventory>,
    /// What the schedules found out.
    pub health: ScrapeHealth,
    /// When a node's numbers that are served now were measured; `None` where none are.
    pub sample: Arc<Sampled>,
    /// Which nodes are to be asked at all.
    pub selects: Arc<dyn Fn(&NodeRecord) -> bool + Send + Sync>,
}

/// How all nodes fare.
///
/// Looks at its sources when somebody asks, at most once a second. Keeps the last sixteen instants
/// in which anything had changed, so that a watch can go on from a list that is a little older.
pub struct Coverage {
    sources: Sources,
    clock: Arc<dyn Clock>,
    looks: Mutex<Looks>,
}

#[derive(Default)]
struct Looks {
    looked: Option<Instant>,
    /// The newest last.
    kept: VecDeque<Arc<Snapshot>>,
}

/// The shortest time between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// How many instants are kept.
const KEPT: usize = 16;
/// What readiness notes; it is shown to anybody, so it names nobody.
const NOTE: &str =
    "some nodes have no fresh numbers: kubectl get nodecoverages tells which, and why";

impl Coverage {
    /// Coverage of what these sources show. What it says of itself goes to `registry`.
    #[must_use]
    pub fn new(sources: Sources, clock: Arc<dyn Clock>, registry: &mut Registry) -> Arc<Self> {
        let coverage = Arc::new(Self {
            sources,
            clock,
            looks: Mutex::default(),
        });
        metrics::register(Arc::clone(&coverage), registry);
        coverage
    }

    /// How all nodes fare now.
    #[must_use]
    pub fn current(&self) -> Arc<Snapshot> {
        let now = self.clock.monotonic();
        let mut looks = self.looks.lock();
        let recent = |looked: Instant| now.saturating_duration_since(looked) < LOOK;
        if let Some(last) = looks
            .kept
            .back()
            .filter(|_| looks.looked.is_some_and(recent))
        {
            return Arc::clone(last);
        }
        let snapshot = Arc::new(self.look(looks.kept.back().map(Arc::as_ref)));
        looks.looked = Some(now);
        let version = snapshot.version();
        if looks
            .kept
            .back()
            .is_some_and(|last| last.version() == version)
        {
            looks.kept.pop_back();
        }
        looks.kept.push_back(Arc::clone(&snapshot));
        if looks.kept.len() > KEPT {
            looks.kept.pop_front();
        }
        snapshot
    }

    /// How all nodes fared at this version, if that is still known; else the oldest version that
    /// is.
    ///
    /// # Errors
    /// The oldest version that is known.
    pub fn at(&self, version: u64) -> Result<Arc<Snapshot>, u64> {
        let current = self.current();
        let looks = self.looks.lock();
        let found = looks.kept.iter().find(|one| one.version() == version);
        let oldest = looks.kept.front().unwrap_or(&current);
        found.cloned().ok_or_else(|| oldest.version())
    }

    /// The readiness check `node-coverage`, which never fails: a node without numbers must not take
    /// the others' away.
    #[must_use]
    pub fn check(self: &Arc<Self>) -> Check {
        let coverage = Arc::clone(self);
        Check::noting("node-coverage", &[Probe::Readyz], move || {
            let snapshot = coverage.current();
            let bad = |node: &NodeCoverage| matches!(node.state, State::Stale | State::Failing);
            snapshot
                .nodes()
                .iter()
                .any(|node| bad(node))
                .then_some(NOTE)
        })
    }

    fn look(&self, before: Option<&Snapshot>) -> Snapshot {
        let now = self.clock.now();
        let nodes = self.sources.inventory.nodes().into_iter().map(|record| {
            let facts = state::Facts {
                selected: (self.sources.selects)(&record),
                ready: record.ready,
                health: self.sources.health.node(record.name.as_str()),
                sample: (self.sources.sample)(&record.name),
            };
            NodeCoverage::new(record, facts, now)
        });
        Snapshot::after(before, nodes.collect(), now)
    }
}

impl fmt::Debug for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coverage").finish_non_exhaustive()
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}
