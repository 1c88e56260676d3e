//! How the nodes fare, for whoever wants to tell.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};

use crate::domain::{Clock, NodeName, Timestamp};

/// How one node fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeHealth {
    /// When an answer was last committed.
    pub last_success: Option<Timestamp>,
    /// Since when attempts succeed, without a failure in between; `None` while they fail.
    pub succeeds_since: Option<Timestamp>,
    /// What is wrong now; `None` after a success and before the first attempt has ended.
    pub failure: Option<ScrapeFailure>,
}

/// Why a node's numbers cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrapeFailure {
    /// One word of a small fixed set.
    pub cause: &'static str,
    /// What is wrong, in a sentence or two.
    pub says: String,
    /// What an operator may do about it.
    pub remedy: &'static str,
    /// When the first attempt failed after which none succeeded.
    pub since: Timestamp,
}

/// How all nodes fare. Clones show the same.
#[derive(Clone, Debug)]
pub struct ScrapeHealth {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    nodes: RwLock<BTreeMap<NodeName, NodeHealth>>,
    last_pass: Mutex<Option<Instant>>,
    clock: Arc<dyn Clock>,
    resolution: Duration,
}

impl ScrapeHealth {
    /// Of no node yet, at this resolution.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, resolution: Duration) -> Self {
        Self {
            shared: Arc::new(Shared {
                nodes: RwLock::default(),
                last_pass: Mutex::default(),
                clock,
                resolution,
            }),
        }
    }

    /// How this node fares, if it is one that is asked.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<NodeHealth> {
        self.shared.nodes.read().get(name).cloned()
    }

    /// How all nodes fare that are asked, sorted by name.
    #[must_use]
    pub fn nodes(&self) -> Vec<(NodeName, NodeHealth)> {
        let nodes = self.shared.nodes.read();
        nodes.iter().map(|(n, h)| (n.clone(), h.clone())).collect()
    }

    /// When the schedules were last looked at, by the monotonic clock; `None` before they first
    /// were.
    #[must_use]
    pub fn last_pass(&self) -> Option<Instant> {
        *self.shared.last_pass.lock()
    }

    /// metrics-server's probe `metric-collection-timely`: are the schedules kept? They are looked
    /// at several times in a resolution even when nothing is due, so one and a half without a look
    /// mean that their task hangs. Failing nodes do not count, nor does the time before the first
    /// look.
    ///
    /// # Errors
    /// The reason, in words.
    pub fn timely(&self) -> Result<(), String> {
        let Some(last) = self.last_pass() else {
            return Ok(());
        };
        let age = self
            .shared
            .clock
            .monotonic()
            .saturating_duration_since(last);
        let allowed = self.shared.resolution.mul_f64(1.5);
        if age <= allowed {
            return Ok(());
        }
        Err(format!(
            "time since last scheduling pass {age:.1?} is greater than expected {allowed:.1?}"
        ))
    }

    pub(super) fn passed(&self) {
        *self.shared.last_pass.lock() = Some(self.shared.clock.monotonic());
    }

    pub(super) fn set(&self, name: &NodeName, health: NodeHealth) {
        self.shared.nodes.write().insert(name.clone(), health);
    }

    pub(super) fn forget(&self, name: &NodeName) {
        self.shared.nodes.write().remove(name);
    }
}
