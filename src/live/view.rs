//! What requests read: one instant of the whole cluster, joined, sorted and finished.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::domain::{ContainerUsage, Namespace, NodeRecord, PodRecord, Timestamp, Usage};

use super::versions::{self, Removed, Versions};

/// One instant of everything that can be served. Immutable: all answers to one question come from
/// one view.
#[derive(Clone, Debug, Default)]
pub struct View {
    version: u64,
    nodes: Vec<NodeView>,
    pods: Vec<PodView>,
    /// One for each pod of a view that was joined; none in one that was put together otherwise.
    origins: Vec<Origin>,
    removed_nodes: Removed<NodeView>,
    removed_pods: Removed<PodView>,
    floor: u64,
}

/// A node that has a number.
#[derive(Clone, Debug)]
pub struct NodeView {
    /// What the API server says of it.
    pub record: Arc<NodeRecord>,
    /// Its use.
    pub usage: Usage,
    /// When it last changed.
    pub versions: Versions,
    /// What the API server said of it before its labels last changed.
    pub former: Option<Arc<NodeRecord>>,
}

/// A running pod all of whose running containers have a number.
#[derive(Clone, Debug)]
pub struct PodView {
    /// What the API server says of it.
    pub record: Arc<PodRecord>,
    /// The stamp of the container sampled earliest, as metrics-server reports it.
    pub timestamp: Timestamp,
    /// That container's window.
    pub window: Duration,
    /// The use of each running container, in the pod's own order; never empty.
    pub containers: Arc<[ContainerUsage]>,
    /// When it last changed.
    pub versions: Versions,
    /// What the API server said of it before its labels or its place last changed.
    pub former: Option<Arc<PodRecord>>,
}

/// What an entry was made of, to tell whether it may be taken over into the next view.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    /// The number of its node's sample.
    pub(super) sample: u64,
    /// When the oldest stamp in it was first received.
    pub(super) oldest: Instant,
}

impl View {
    /// Puts a view together from parts in any order.
    #[must_use]
    pub fn new(version: u64, mut nodes: Vec<NodeView>, mut pods: Vec<PodView>) -> Self {
        nodes.sort_by(|a, b| a.record.name.cmp(&b.record.name));
        pods.sort_by(|a, b| a.record.key.cmp(&b.record.key));
        Self {
            version,
            nodes,
            pods,
            origins: Vec::new(),
            removed_nodes: Removed::default(),
            removed_pods: Removed::default(),
            floor: version,
        }
    }

    /// Puts a view together from what a join made, which is sorted.
    pub(super) fn joined(nodes: Vec<NodeView>, pods: Vec<PodView>, origins: Vec<Origin>) -> Self {
        Self {
            nodes,
            pods,
            origins,
            ..Self::default()
        }
    }

    /// The pods and what each was made of.
    pub(super) fn pods_with_origins(&self) -> impl Iterator<Item = (&PodView, &Origin)> {
        self.pods.iter().zip(&self.origins)
    }

    /// The same view as the one after `before`: entries that did not change keep their versions,
    /// and when none did it keeps `before`'s own.
    #[must_use]
    pub fn after(mut self, before: &Self) -> Self {
        self.removed_nodes = Arc::clone(&before.removed_nodes);
        self.removed_pods = Arc::clone(&before.removed_pods);
        let (floor, mut version) = (before.floor, before.version);
        let removed = &mut self.removed_nodes;
        let nodes = versions::carry(&before.nodes, &mut self.nodes, removed, floor, &mut version);
        let removed = &mut self.removed_pods;
        let pods = versions::carry(&before.pods, &mut self.pods, removed, floor, &mut version);
        self.version = version;
        self.floor = nodes.max(pods);
        self
    }

    /// The number of the newest change, from one sequence for the process: what a list hands out as
    /// its `resourceVersion`.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// All nodes that have a number, sorted by name.
    #[must_use]
    pub fn nodes(&self) -> &[NodeView] {
        &self.nodes
    }

    /// All pods that have a number, sorted by namespace, then name.
    #[must_use]
    pub fn pods(&self) -> &[PodView] {
        &self.pods
    }

    /// The pods of one namespace, sorted by name.
    #[must_use]
    pub fn pods_in(&self, namespace: &str) -> &[PodView] {
        let of = |pod: &PodView| Namespace::as_str(&pod.record.key.namespace).cmp(namespace);
        let from = self.pods.partition_point(|pod| of(pod).is_lt());
        let to = self.pods.partition_point(|pod| of(pod).is_le());
        self.pods.get(from..to).unwrap_or_default()
    }

    /// The node of this name, if it has a number.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&NodeView> {
        let at = self
            .nodes
            .binary_search_by(|node| node.record.name.as_str().cmp(name))
            .ok()?;
        self.nodes.get(at)
    }

    /// The pod of this name, if it has a number.
    #[must_use]
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&PodView> {
        let pods = self.pods_in(namespace);
        let at = pods
            .binary_search_by(|pod| pod.record.key.name.as_str().cmp(name))
            .ok()?;
        pods.get(at)
    }

    /// The oldest version that is remembered.
    #[must_use]
    pub const fn floor(&self) -> u64 {
        self.floor
    }

    /// Tells whether everything that changed after `version` can be told from this view: whether it
    /// is a version of this process, and nothing that left since has been forgotten.
    #[must_use]
    pub const fn remembers(&self, version: u64) -> bool {
        version >= self.floor && version <= self.version
    }

    /// The nodes that left after `version`, oldest first, as they were last.
    pub fn nodes_removed_after(&self, version: u64) -> impl Iterator<Item = (u64, &NodeView)> {
        removed_after(&self.removed_nodes, version)
    }

    /// The pods that left after `version`, oldest first, as they were last.
    pub fn pods_removed_after(&self, version: u64) -> impl Iterator<Item = (u64, &PodView)> {
        removed_after(&self.removed_pods, version)
    }
}

impl NodeView {
    /// The node with the labels it had at `version`, which must not be before `versions.former`:
    /// older ones are forgotten.
    #[must_use]
    pub fn as_of(&self, version: u64) -> Cow<'_, Self> {
        match &self.former {
            Some(former) if version < self.versions.relabelled => Cow::Owned(Self {
                record: Arc::clone(former),
                ..self.clone()
            }),
            _ => Cow::Borrowed(self),
        }
    }
}

impl PodView {
    /// The pod with the labels and the place it had at `version`, which must not be before
    /// `versions.former`: older ones are forgotten.
    #[must_use]
    pub fn as_of(&self, version: u64) -> Cow<'_, Self> {
        match &self.former {
            Some(former) if version < self.versions.relabelled => Cow::Owned(Self {
                record: Arc::clone(former),
                ..self.clone()
            }),
            _ => Cow::Borrowed(self),
        }
    }
}

fn removed_after<E>(removed: &Removed<E>, version: u64) -> impl Iterator<Item = (u64, &E)> {
    let from = removed.partition_point(|(left, _)| *left <= version);
    removed.range(from..).map(|(left, entry)| (*left, entry))
}
