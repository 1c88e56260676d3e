//! The objects, as plain data.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::lab::{Counter, Stamp};

/// What all objects have.
#[derive(Clone, Debug)]
pub struct Meta {
    /// `metadata.namespace`; empty for objects that have none.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
    /// `metadata.creationTimestamp`.
    pub created: Stamp,
    /// `metadata.resourceVersion`, set by the [`super::World`].
    pub version: u64,
}

/// A Node and what its kubelet measures of it.
#[derive(Clone, Debug)]
pub struct Node {
    /// Name, labels and so on.
    pub meta: Meta,
    /// Where its kubelet listens (`status.addresses` InternalIP).
    pub address: IpAddr,
    /// `status.daemonEndpoints.kubeletEndpoint.Port`.
    pub port: u16,
    /// `status.capacity.cpu` in cores.
    pub cores: u32,
    /// `status.capacity.memory` in bytes.
    pub memory_capacity: u64,
    /// The condition `Ready`.
    pub ready: bool,
    /// `node_cpu_usage_seconds_total`.
    pub cpu: Counter,
    /// `node_memory_working_set_bytes`.
    pub memory: u64,
    /// `node_swap_usage_bytes`.
    pub swap: u64,
}

/// Namespace and name of a pod.
pub type PodKey = (String, String);

/// A Pod.
#[derive(Clone, Debug)]
pub struct Pod {
    /// Namespace, name, labels and so on.
    pub meta: Meta,
    /// `spec.nodeName`; empty while it is not scheduled.
    pub node: String,
    /// `status.phase`.
    pub phase: Phase,
    /// Its containers: init ones first, in the order of the spec.
    pub containers: Vec<Container>,
}

/// `status.phase` of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Kubernetes'")]
pub enum Phase {
    Pending,
    Running,
    Succeeded,
    Failed,
}

/// One container of a pod and what the kubelet measures of it.
#[derive(Clone, Debug)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Which list of the spec it stands in.
    pub kind: ContainerKind,
    /// What its status says.
    pub state: ContainerState,
    /// When this life of it began.
    pub started: Stamp,
    /// `container_cpu_usage_seconds_total`.
    pub cpu: Counter,
    /// `container_memory_working_set_bytes`.
    pub memory: u64,
    /// `container_swap_usage_bytes`.
    pub swap: u64,
}

/// The lists of a pod's spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerKind {
    /// `spec.initContainers`, without a restart policy.
    Init,
    /// `spec.initContainers` with `restartPolicy: Always`.
    Sidecar,
    /// `spec.containers`.
    Regular,
}

/// What a container's status says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// Not started yet.
    Waiting,
    /// Running; the kubelet measures it.
    Running,
    /// Ended.
    Terminated,
}

/// A Namespace.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// Name, labels and so on.
    pub meta: Meta,
}

/// A ConfigMap.
#[derive(Clone, Debug)]
pub struct ConfigMap {
    /// Namespace, name and so on.
    pub meta: Meta,
    /// `data`.
    pub data: BTreeMap<String, String>,
}

/// The kinds the API server lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lab) enum Kind {
    Node,
    Pod,
    Namespace,
    ConfigMap,
}

impl Kind {
    pub(in crate::lab) fn from_resource(resource: &str) -> Option<Self> {
        Some(match resource {
            "nodes" => Self::Node,
            "pods" => Self::Pod,
            "namespaces" => Self::Namespace,
            "configmaps" => Self::ConfigMap,
            _ => return None,
        })
    }

    pub(in crate::lab) fn as_str(self) -> &'static str {
        match self {
            Self::Node => "Node",
            Self::Pod => "Pod",
            Self::Namespace => "Namespace",
            Self::ConfigMap => "ConfigMap",
        }
    }
}

/// Any object, shared between the store, its log and whoever renders it.
#[derive(Clone, Debug)]
pub(in crate::lab) enum Object {
    Node(Arc<Node>),
    Pod(Arc<Pod>),
    Namespace(Arc<Namespace>),
    ConfigMap(Arc<ConfigMap>),
}

impl Object {
    pub(in crate::lab) fn kind(&self) -> Kind {
        match self {
            Self::Node(_) => Kind::Node,
            Self::Pod(_) => Kind::Pod,
            Self::Namespace(_) => Kind::Namespace,
            Self::ConfigMap(_) => Kind::ConfigMap,
        }
    }

    pub(in crate::lab) fn meta(&self) -> &Meta {
        match self {
            Self::Node(node) => &node.meta,
            Self::Pod(pod) => &pod.meta,
            Self::Namespace(namespace) => &namespace.meta,
            Self::ConfigMap(map) => &map.meta,
        }
    }

    /// What a field selector's key reads, for the keys Kubernetes knows of this kind.
    pub(in crate::lab) fn field(&self, key: &str) -> Option<&str> {
        match (key, self) {
            ("metadata.name", _) => Some(&self.meta().name),
            ("metadata.namespace", _) => Some(&self.meta().namespace),
            ("spec.nodeName", Self::Pod(pod)) => Some(&pod.node),
            ("status.phase", Self::Pod(pod)) => Some(pod.phase.as_str()),
            ("spec.unschedulable", Self::Node(_)) => Some("false"),
            _ => None,
        }
    }
}

impl Phase {
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}
