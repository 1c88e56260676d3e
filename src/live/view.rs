//! What requests read: one instant of the whole cluster, joined, sorted and finished.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::{ContainerUsage, Namespace, NodeRecord, PodRecord, Timestamp, Usage};

/// One instant of everything that can be served. Immutable: all answers to one question come from one view.
#[derive(Clone, Debug, Default)]
pub struct View {
    version: u64,
    nodes: Vec<NodeView>,
    pods: Vec<PodView>,
}

/// A node that has a number.
#[derive(Clone, Debug)]
pub struct NodeView {
    /// What the API server says of it.
    pub record: Arc<NodeRecord>,
    /// Its use.
    pub usage: Usage,
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
    pub containers: Vec<ContainerUsage>,
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
        }
    }

    /// The number of the last commit that is in this view, from one sequence for the process.
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
}
