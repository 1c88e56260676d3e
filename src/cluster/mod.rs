//! Who is out there: the watches of nodes, pods and namespaces, the client all rooms ask the API server
//! with, and the Lease by which one of several replicas acts.
//!
//! Each watch lists once and then follows the changes from the list's resource version. Both come as
//! protobuf, from an API server that has it. What it hears is decoded into the compact records of [`crate::domain`] and written
//! straight into the [`Inventory`]; no object is kept. A fresh list replaces what was known only
//! when its last page has been read, so an API server that is away, or a list that fails halfway,
//! never empties the inventory.
//!
//! Pods are watched with `status.phase=Running`, as metrics-server does: no number is served for
//! any other pod, and an unknown pod and one that does not run get the same answer. A pod that
//! starts arrives as added, one that ends as deleted.
//!
//! Namespaces are watched for their UIDs alone. Where that is forbidden nobody has the UIDs, which
//! is said once in the log; nothing waits for them.

mod bearer;
mod body;
mod client;
mod credentials;
mod events;
mod frames;
mod interner;
mod leadership;
mod lease;
mod lines;
mod list;
mod metrics;
mod namespaces;
mod nodes;
mod object;
mod pods;
mod request;
mod state;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::Arc;

pub use client::{Config, Elsewhere, Error, Identity, connect, connect_elsewhere};
pub use credentials::{BearerToken, ClientCertificate, Credentials, Material};
pub use leadership::Leadership;
pub use lease::{Election, LeaseConfig};
pub use object::{Object, Rejected, Unreadable};
pub use request::{Target, WatchError, describe};
pub use state::{Connection, WatchStatus};
pub use watch::{Follower, Watch};

use crate::domain::{Clock, Inventory, NodeRecord, PodRecord};
use crate::lifecycle::{Check, Probe, Stop};
use crate::telemetry::Registry;
use interner::Interner;
use metrics::Metrics;
use namespaces::Namespaces;
use nodes::Nodes;
use pods::Pods;
use state::WatchState;

/// Keeps the [`Inventory`] equal to the cluster's nodes, running pods and namespaces.
#[derive(Debug)]
pub struct Cluster {
    inventory: Arc<Inventory>,
    metrics: Metrics,
    nodes: Watch,
    pods: Watch,
    namespaces: Watch,
    host_id_annotation: Option<Arc<str>>,
}

impl Cluster {
    /// Watches nodes, pods and namespaces through `client` once [`Self::run`] is called.
    #[must_use]
    pub fn new(
        client: &kube::Client,
        inventory: Arc<Inventory>,
        clock: &Arc<dyn Clock>,
        registry: &mut Registry,
    ) -> Self {
        let metrics = Metrics::register(&inventory, registry);
        let watch = |target: Target| {
            let restarts = metrics.restarts(target.resource);
            Watch::new(client.clone(), target, Arc::clone(clock)).with_restarts(restarts)
        };
        Self {
            nodes: watch(nodes::TARGET),
            pods: watch(pods::TARGET),
            namespaces: watch(namespaces::TARGET),
            host_id_annotation: None,
            inventory,
            metrics,
        }
    }

    /// The same, which takes the host ID of a node from this annotation of it.
    #[must_use]
    pub fn with_host_id_annotation(self, annotation: impl Into<Arc<str>>) -> Self {
        Self {
            host_id_annotation: Some(annotation.into()),
            ..self
        }
    }

    /// Watches until `stop`. Returns before that for no reason: whatever goes wrong is tried again.
    pub async fn run(&self, stop: Stop) {
        let skipped = |watch: &Watch| self.metrics.skipped(watch.target().resource);
        let mut nodes = Nodes::new(
            Arc::clone(&self.inventory),
            skipped(&self.nodes),
            self.host_id_annotation.clone(),
        );
        let mut pods = Pods::new(Arc::clone(&self.inventory), skipped(&self.pods));
        let mut namespaces =
            Namespaces::new(Arc::clone(&self.inventory), skipped(&self.namespaces));
        tokio::join!(
            self.nodes.run(&mut nodes, &stop),
            self.pods.run(&mut pods, &stop),
            self.namespaces.run(&mut namespaces, &stop)
        );
    }

    /// How the watch of nodes stands.
    #[must_use]
    pub fn nodes(&self) -> WatchStatus {
        self.nodes.status()
    }

    /// How the watch of pods stands.
    #[must_use]
    pub fn pods(&self) -> WatchStatus {
        self.pods.status()
    }

    /// The checks metrics-server has for its informers, for readiness alone: a process must not be
    /// restarted because the API server is away. They pass for good once the first lists are read,
    /// because what is known stays served.
    #[must_use]
    pub fn checks(&self) -> Vec<Check> {
        let (nodes, pods) = (self.nodes.state(), self.pods.state());
        let pods_alone = Arc::clone(&pods);
        let watches = [Arc::clone(&nodes), Arc::clone(&pods)];
        vec![
            Check::new("metric-informer-sync", &[Probe::Readyz], move || {
                listed("nodes", &nodes).and_then(|()| listed("pods", &pods))
            }),
            Check::new("metadata-informer-sync", &[Probe::Readyz], move || {
                listed("pods", &pods_alone)
            }),
            // Losing it must not take us out of service: what is known is still true for a while.
            Check::noting("api-server", &[Probe::Readyz], move || {
                let lost = |watch: &Arc<WatchState>| {
                    matches!(watch.status().connection, Connection::Lost { .. })
                };
                watches
                    .iter()
                    .any(lost)
                    .then_some("the API server cannot be watched, what is known stays served")
            }),
        ]
    }
}

/// Reads one Pod as the watch of pods does, sharing nothing with other records.
///
/// # Errors
/// When it would be left out.
pub fn pod_record(object: Object<'_>) -> Result<PodRecord, Rejected> {
    pods::record(object, &mut Interner::default())
}

/// Reads one Node as the watch of nodes does.
///
/// # Errors
/// When it would be left out.
pub fn node_record(object: Object<'_>) -> Result<NodeRecord, Rejected> {
    nodes::record(object, None, &mut Interner::default())
}

fn listed(resource: &str, state: &WatchState) -> Result<(), String> {
    let status = state.status();
    if status.synced {
        return Ok(());
    }
    Err(match status.connection {
        Connection::Connecting | Connection::Watching { .. } => {
            format!("the {resource} are still being listed")
        }
        Connection::Lost { reason, .. } => format!("the {resource} are not listed yet: {reason}"),
    })
}
