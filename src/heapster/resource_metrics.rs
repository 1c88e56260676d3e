//! `metrics` and `metrics.k8s.io` in version v1alpha1, which `kubectl top` up to 1.18 reads through
//! the API server's proxy.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Serialize;

use super::{Asked, answer};
use crate::apimachinery::{
    CanonicalQuantity, GoDuration, LabelSelector, Quoted, Rfc3339, Unquoted,
};
use crate::domain::{
    self, ContainerKind, EntityKey, Inventory, Metric, MetricSet, Nanocores, NodeRecord, PodRecord,
};
use crate::history::View;

/// Why there is no object or list.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("Error while parsing selector {}: {}", Unquoted(.0), .1)]
    Selector(String, String),
    #[error("No metrics for node {}", Unquoted(.0))]
    Node(String),
    #[error("Error while getting pod {}: pod {} not found", Unquoted(.0), Quoted(.0))]
    NoPod(String),
    // Heapster's spelling.
    #[error("No metrics availalble for pod {}/{}", Unquoted(.0), Unquoted(.1))]
    Pod(String, String),
}

/// Answers `segments` behind the group's version; `None` when no route has that form.
pub(super) fn answer(
    asked: &Asked<'_>,
    inventory: &Inventory,
    view: &View<'_>,
    segments: &[&str],
) -> Option<Response<Bytes>> {
    let handler = |find: &dyn Fn(&Latest<'_>) -> Result<Response<Bytes>, Failure>| {
        Some(asked.json(|| {
            let found = find(&Latest::new(asked, view));
            found.unwrap_or_else(|failure| failure.answer())
        }))
    };
    match *segments {
        ["nodes"] => handler(&|latest| nodes(asked, inventory, latest)),
        ["nodes", node] => handler(&|latest| one_node(inventory, latest, node)),
        ["pods"] => handler(&|latest| pods(asked, inventory, latest, None)),
        ["namespaces", namespace, "pods"] => {
            handler(&|latest| pods(asked, inventory, latest, Some(namespace)))
        }
        ["namespaces", namespace, "pods", pod] => {
            handler(&|latest| one_pod(inventory, latest, namespace, pod))
        }
        _ => None,
    }
}

fn one_node(
    inventory: &Inventory,
    latest: &Latest<'_>,
    name: &str,
) -> Result<Response<Bytes>, Failure> {
    let metrics = inventory.node(name).and_then(|node| latest.node(&node));
    let metrics = metrics.ok_or_else(|| Failure::Node(name.to_owned()))?;
    Ok(answer::pretty(&metrics))
}

fn nodes(
    asked: &Asked<'_>,
    inventory: &Inventory,
    latest: &Latest<'_>,
) -> Result<Response<Bytes>, Failure> {
    let selector = selector(asked)?;
    let nodes = inventory.nodes().into_iter();
    let nodes = nodes.filter(|node| selector.matches(&node.labels));
    Ok(list(nodes.filter_map(|node| latest.node(&node))))
}

fn pods(
    asked: &Asked<'_>,
    inventory: &Inventory,
    latest: &Latest<'_>,
    namespace: Option<&str>,
) -> Result<Response<Bytes>, Failure> {
    let selector = selector(asked)?;
    let pods = inventory.pods().into_iter().filter(|pod| {
        let here = namespace.is_none_or(|namespace| pod.key.namespace.as_str() == namespace);
        here && selector.matches(&pod.labels)
    });
    Ok(list(pods.filter_map(|pod| latest.pod(&pod))))
}

/// A pod nobody knows is 404, where Heapster took it for its own fault and said 500.
fn one_pod(
    inventory: &Inventory,
    latest: &Latest<'_>,
    namespace: &str,
    name: &str,
) -> Result<Response<Bytes>, Failure> {
    let pod: Arc<PodRecord> = inventory
        .pod(namespace, name)
        .ok_or_else(|| Failure::NoPod(name.to_owned()))?;
    match latest.pod(&pod) {
        Some(metrics) => Ok(answer::pretty(&metrics)),
        None => Err(Failure::Pod(namespace.to_owned(), name.to_owned())),
    }
}

/// A list; without any item there is `null` instead, as in Heapster.
fn list(items: impl Iterator<Item = Metrics>) -> Response<Bytes> {
    let items: Vec<Metrics> = items.collect();
    answer::pretty(&List {
        metadata: Nothing {},
        items: (!items.is_empty()).then_some(items),
    })
}

fn selector(asked: &Asked<'_>) -> Result<LabelSelector, Failure> {
    let text = asked.query.first("labelSelector").unwrap_or_default();
    let selector = text.parse::<LabelSelector>();
    selector.map_err(|error| Failure::Selector(text.to_owned(), error.to_string()))
}

impl Failure {
    fn answer(&self) -> Response<Bytes> {
        let code = match self {
            Self::Selector(..) => StatusCode::BAD_REQUEST,
            Self::Node(_) | Self::NoPod(_) | Self::Pod(..) => StatusCode::NOT_FOUND,
        };
        answer::text(code, self.to_string())
    }
}

/// The newest column, and what all objects made of it have in common.
struct Latest<'a> {
    view: &'a View<'a>,
    now: domain::Timestamp,
    tick: domain::Timestamp,
    window: Duration,
}

impl<'a> Latest<'a> {
    fn new(asked: &Asked<'_>, view: &'a View<'a>) -> Self {
        Self {
            view,
            now: asked.now,
            tick: view.newest().unwrap_or_default(),
            window: asked.resolution,
        }
    }

    fn node(&self, node: &NodeRecord) -> Option<Metrics> {
        let set = self.view.latest(&EntityKey::Node(node.name.clone()))?;
        let metadata = self.metadata(node.name.as_str(), None);
        Some(self.metrics(metadata, Some(usage(&set)?), None))
    }

    /// A pod, if every container of it has both numbers: the regular ones, and sidecars that run.
    fn pod(&self, pod: &PodRecord) -> Option<Metrics> {
        let counted = pod
            .containers
            .iter()
            .filter(|container| match container.kind {
                ContainerKind::Regular => true,
                ContainerKind::Sidecar => container.running,
                ContainerKind::Init | ContainerKind::Ephemeral => false,
            });
        let containers: Option<Vec<Container>> = counted
            .map(|container| {
                let key = EntityKey::Container(pod.key.clone(), container.name.clone());
                let usage = usage(&self.view.latest(&key)?)?;
                let name = container.name.to_string();
                Some(Container { name, usage })
            })
            .collect();
        let namespace = Some(pod.key.namespace.to_string());
        let metadata = self.metadata(pod.key.name.as_str(), namespace);
        Some(self.metrics(metadata, None, Some(containers?)))
    }

    fn metadata(&self, name: &str, namespace: Option<String>) -> Metadata {
        Metadata {
            name: name.to_owned(),
            namespace,
            creation_timestamp: Rfc3339::from(self.now).to_string(),
        }
    }

    fn metrics(
        &self,
        metadata: Metadata,
        usage: Option<Usage>,
        containers: Option<Vec<Container>>,
    ) -> Metrics {
        let nanos = i64::try_from(self.window.as_nanos()).unwrap_or(i64::MAX);
        Metrics {
            metadata,
            timestamp: Rfc3339::from(self.tick).to_string(),
            window: GoDuration::from_nanos(nanos).to_string(),
            usage,
            containers,
        }
    }
}

/// Both numbers of a set, or nothing.
fn usage(set: &MetricSet) -> Option<Usage> {
    let value = |metric| Some(answer::whole(set.get(metric)?));
    let millicores = value(Metric::CpuUsageRate)?;
    let cpu = Nanocores::new(millicores.saturating_mul(1_000_000));
    let memory = domain::Bytes::new(value(Metric::MemoryWorkingSet)?);
    Some(Usage {
        cpu: CanonicalQuantity::cpu(cpu).to_string(),
        memory: CanonicalQuantity::memory(memory).to_string(),
    })
}

#[derive(Debug, Serialize)]
struct List {
    metadata: Nothing,
    items: Option<Vec<Metrics>>,
}

#[derive(Debug, Serialize)]
struct Nothing {}

/// NodeMetrics or PodMetrics; without kind and version, as Heapster left them on this path.
#[derive(Debug, Serialize)]
struct Metrics {
    metadata: Metadata,
    timestamp: String,
    window: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    containers: Option<Vec<Container>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    creation_timestamp: String,
}

#[derive(Debug, Serialize)]
struct Container {
    name: String,
    usage: Usage,
}

#[derive(Debug, Serialize)]
struct Usage {
    cpu: String,
    memory: String,
}
