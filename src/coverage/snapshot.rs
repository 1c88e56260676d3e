//! One instant of all nodes, numbered by change.

use std::sync::Arc;

use super::state::{Facts, Judgement, State};
use crate::domain::{NodeRecord, Timestamp};

/// How one node fares.
#[derive(Clone, Debug)]
pub struct NodeCoverage {
    /// What the API server says of it.
    pub record: Arc<NodeRecord>,
    /// The one word for it.
    pub state: State,
    /// Since when it is so, where that is known.
    pub since: Option<Timestamp>,
    /// Why, in one word of a small fixed set; empty when all is well.
    pub cause: &'static str,
    /// Why, in words; empty when all is well.
    pub message: String,
    /// What to do about it; empty when there is nothing.
    pub remedy: String,
    /// When the kubelet measured the numbers that are served.
    pub sample: Option<Timestamp>,
    /// When the kubelet last gave a good answer.
    pub last_success: Option<Timestamp>,
    /// When it last changed: all but the two stamps, which change all the time.
    pub version: u64,
}

/// One instant of all nodes. Immutable.
#[derive(Debug)]
pub struct Snapshot {
    version: u64,
    at: Timestamp,
    /// Sorted by name.
    nodes: Vec<Arc<NodeCoverage>>,
}

impl NodeCoverage {
    pub(super) fn new(record: Arc<NodeRecord>, facts: Facts, now: Timestamp) -> Self {
        let judged = Judgement::of(&facts, now);
        Self {
            record,
            state: judged.state,
            since: judged.since,
            cause: judged.cause,
            message: judged.message,
            remedy: judged.remedy,
            sample: facts.sample,
            last_success: facts.health.and_then(|health| health.last_success),
            version: 0,
        }
    }

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.record.name.as_str()
    }

    fn is_like(&self, other: &Self) -> bool {
        let key = |one: &Self| (one.state, one.since, one.cause);
        key(self) == key(other) && self.record.labels == other.record.labels
    }
}

impl Snapshot {
    /// The snapshot after `before`: nodes that did not change keep their number, and so does the
    /// whole when none did. Numbers begin at the microseconds since the epoch, so that none of
    /// another process is taken for ours.
    pub(super) fn after(before: Option<&Self>, nodes: Vec<NodeCoverage>, at: Timestamp) -> Self {
        let micros = u64::try_from(at.as_millis().saturating_mul(1000)).unwrap_or(1);
        let mut version = before.map_or(micros, Self::version);
        let gone = before.is_some_and(|before| {
            let is_here = |name: &str| {
                let found = nodes.binary_search_by(|node| node.name().cmp(name));
                found.is_ok()
            };
            before.nodes.iter().any(|node| !is_here(node.name()))
        });
        version += u64::from(gone);
        let nodes = nodes.into_iter().map(|mut node| {
            let former = before.and_then(|before| before.node(node.name()));
            node.version = match former {
                Some(former) if former.is_like(&node) => former.version,
                _ => {
                    version += 1;
                    version
                }
            };
            Arc::new(node)
        });
        let nodes = nodes.collect();
        Self { version, at, nodes }
    }

    /// The number of the newest change.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// When it was taken.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// All nodes of the cluster, sorted by name.
    #[must_use]
    pub fn nodes(&self) -> &[Arc<NodeCoverage>] {
        &self.nodes
    }

    /// The node of this name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Arc<NodeCoverage>> {
        let found = self.nodes.binary_search_by(|node| node.name().cmp(name));
        self.nodes.get(found.ok()?)
    }

    /// How many nodes are in this state.
    #[must_use]
    pub fn count(&self, state: State) -> usize {
        self.nodes.iter().filter(|node| node.state == state).count()
    }

    /// All of it in one line: how many nodes are in which state, and for what it is worth the words
    /// of the first that fails.
    #[must_use]
    pub fn summary(&self) -> String {
        let counts = State::ALL.map(|state| (self.count(state), state.label()));
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let counts: Vec<String> = counts.map(|(n, word)| format!("{n} {word}")).collect();
        let mut text = match counts.as_slice() {
            [] => "no nodes are known".to_owned(),
            counts => format!("nodes: {}", counts.join(", ")),
        };
        let failing = self.nodes.iter().find(|node| node.state == State::Failing);
        if let Some(node) = failing {
            text.push_str(&format!("; {}: {}", node.name(), node.message));
        }
        text
    }
}
