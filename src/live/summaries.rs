//! The newest summary of every node, and what stands in for it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::RwLock;

use crate::domain::{MetricSet, NodeName, Timestamp};

use super::Live;

/// What is newest of one node, for whoever keeps numbers over time.
#[derive(Clone, Debug)]
pub struct MeasuredNode {
    /// The node.
    pub node: NodeName,
    /// What the sets were made from.
    pub source: Source,
    /// When the answer they were made from arrived, by our monotonic clock.
    pub received: Instant,
    /// The node and what runs on it, as the kubelet named it: no key comes twice, nothing is joined
    /// with what the API server says, and no rates are in it. Each set carries the kubelet's own
    /// stamp.
    pub sets: Arc<[MetricSet]>,
}

/// Which of a kubelet's answers sets were made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `/stats/summary`: everything.
    Summary,
    /// `/metrics/resource`: `uptime`, `cpu/usage`, `memory/working_set` and `memory/swap` of the
    /// node and of containers, none of pods. Starts are cut to whole seconds, as a summary writes
    /// them, so that a life is the same in both.
    Resource,
}

/// The newest summary of every node that answered one.
#[derive(Debug, Default)]
pub(super) struct Summaries(RwLock<HashMap<NodeName, Summary>>);

#[derive(Clone, Debug)]
struct Summary {
    received: Instant,
    sets: Arc<[MetricSet]>,
}

impl Live {
    /// Keeps a node's summary in place of the one before.
    pub fn keep_summary(&self, node: &NodeName, sets: impl Into<Arc<[MetricSet]>>) {
        let summary = Summary {
            received: self.clock.monotonic(),
            sets: sets.into(),
        };
        let before = self.summaries.0.write().insert(node.clone(), summary);
        // Freed outside the lock.
        drop(before);
    }

    /// Drops a node's summary: none came this time, or the node left.
    pub fn drop_summary(&self, node: &NodeName) {
        let before = self.summaries.0.write().remove(node);
        drop(before);
    }

    /// What is newest of every node, in the order of their names: its summary if that arrived
    /// within `fresh`, else what its last resource metrics say. A node of which there is neither is
    /// missing.
    ///
    /// A node's sets are made when the iterator comes to it. Commits to one node wait at most while
    /// its own are made.
    pub fn measured(&self, fresh: Duration) -> impl Iterator<Item = MeasuredNode> + '_ {
        let mut names: BTreeSet<NodeName> = self.nodes.read().keys().cloned().collect();
        names.extend(self.summaries.0.read().keys().cloned());
        names
            .into_iter()
            .filter_map(move |node| self.measured_node(node, fresh))
    }

    fn measured_node(&self, node: NodeName, fresh: Duration) -> Option<MeasuredNode> {
        let now = self.clock.monotonic();
        let summary = self.summaries.0.read().get(&node).cloned();
        let is_fresh = |s: &Summary| now.saturating_duration_since(s.received) <= fresh;
        if let Some(Summary { received, sets }) = summary.filter(is_fresh) {
            return Some(MeasuredNode {
                node,
                source: Source::Summary,
                received,
                sets,
            });
        }
        let slot = self.nodes.read().get(&node).cloned()?;
        let (received, sets) = slot.lives.lock().metric_sets(&node, self.clock.now())?;
        Some(MeasuredNode {
            node,
            source: Source::Resource,
            received,
            sets: sets.into(),
        })
    }
}

/// A start as a summary writes it.
pub(super) const fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis() - at.as_millis().rem_euclid(1000))
}
