//! What is kept of nodes, pods and containers, as compact records.

use std::sync::Arc;

use super::{Amounts, ContainerName, ContainerResources, Labels, Nanocores, NodeName, PodKey};

/// What Loadline keeps of a Node object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRecord {
    /// `metadata.name`.
    pub name: NodeName,
    /// `metadata.uid`; a node of the same name with another UID is another node.
    pub uid: Arc<str>,
    /// `metadata.labels`.
    pub labels: Labels,
    /// `status.addresses`, in the object's order.
    pub addresses: Box<[NodeAddress]>,
    /// `status.daemonEndpoints.kubeletEndpoint.port`, when it is there and not zero.
    pub kubelet_port: Option<u16>,
    /// The annotation `metrics.k8s.io/resource-metrics-path`, which replaces `/metrics/resource`.
    pub resource_metrics_path: Option<Arc<str>>,
    /// `status.capacity.cpu`: no honest rate is above it.
    pub cpu_capacity: Option<Nanocores>,
    /// `status.capacity`.
    pub capacity: Amounts,
    /// `status.allocatable`: what pods may request of it.
    pub allocatable: Amounts,
    /// The annotation the operator named to identify hosts by, Heapster's `host_id_annotation`.
    /// `spec.externalID`, which came before it in Heapster, is no longer filled by anything.
    pub host_id: Option<Arc<str>>,
    /// The `Ready` condition is `True`. A node that is not ready is scraped all the same, only with
    /// less noise.
    pub ready: bool,
}

/// One entry of a node's `status.addresses`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAddress {
    /// What kind of address it is.
    pub kind: AddressType,
    /// The address: an IP without brackets, or a host name.
    pub address: Arc<str>,
}

/// The address types of `core/v1.NodeAddressType`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressType {
    /// `Hostname`.
    Hostname,
    /// `InternalDNS`.
    InternalDns,
    /// `InternalIP`.
    InternalIp,
    /// `ExternalDNS`.
    ExternalDns,
    /// `ExternalIP`.
    ExternalIp,
    /// A type of somebody's own, kept as written so that a flag can name it.
    Other(Arc<str>),
}

/// What Loadline keeps of a Pod object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodRecord {
    /// Namespace and name.
    pub key: PodKey,
    /// `metadata.uid`; a pod of the same name with another UID is another pod.
    pub uid: Arc<str>,
    /// `spec.nodeName`, once it is scheduled.
    pub node: Option<NodeName>,
    /// `metadata.labels`.
    pub labels: Labels,
    /// `status.phase`.
    pub phase: PodPhase,
    /// Init containers, then containers, then ephemeral ones, each in the order of the spec: "the
    /// pod's own order".
    pub containers: Arc<[ContainerRecord]>,
}

/// One container of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContainerRecord {
    /// Its name.
    pub name: ContainerName,
    /// Which list of the spec it stands in.
    pub kind: ContainerKind,
    /// Its status says `state.running`.
    pub running: bool,
    /// `restartCount` of its status; 0 while it has none.
    pub restart_count: u32,
    /// `image` of the spec, as it stands there.
    pub image: Arc<str>,
    /// What it requests and is limited to.
    pub resources: Arc<ContainerResources>,
}

/// The lists of a pod's spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContainerKind {
    /// An init container that must end before the pod runs.
    Init,
    /// An init container with `restartPolicy: Always`, which runs beside the others.
    Sidecar,
    /// A container of `spec.containers`.
    Regular,
    /// A debug container added later.
    Ephemeral,
}

/// `status.phase`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PodPhase {
    /// Accepted, not all containers started.
    Pending,
    /// Bound to a node and started: the only phase in which numbers are served.
    Running,
    /// All containers ended well.
    Succeeded,
    /// All containers ended, one badly.
    Failed,
    /// The node cannot be asked.
    Unknown,
}

impl NodeRecord {
    /// A node of which only the name is known.
    #[must_use]
    pub fn new(name: NodeName) -> Self {
        Self {
            name,
            uid: "".into(),
            labels: Labels::default(),
            addresses: [].into(),
            kubelet_port: None,
            resource_metrics_path: None,
            cpu_capacity: None,
            capacity: Amounts::default(),
            allocatable: Amounts::default(),
            host_id: None,
            ready: false,
        }
    }

    /// Heapster's `hostname`: the address of that type, else the name.
    #[must_use]
    pub fn hostname(&self) -> &str {
        self.addresses
            .iter()
            .find(|address| address.kind == AddressType::Hostname)
            .map_or(self.name.as_str(), |address| &address.address)
    }
}

impl ContainerRecord {
    /// A container that never restarted, without image and resources.
    #[must_use]
    pub fn new(name: ContainerName, kind: ContainerKind, running: bool) -> Self {
        Self {
            name,
            kind,
            running,
            restart_count: 0,
            image: "".into(),
            resources: Arc::default(),
        }
    }
}

impl PodRecord {
    /// Tells whether the pod, or a container of it, runs that did not in `before`.
    pub(super) fn runs_more_than(&self, before: &Self) -> bool {
        let ran = |name: &ContainerName| {
            before
                .containers
                .iter()
                .any(|c| c.running && c.name == *name)
        };
        before.phase != PodPhase::Running
            || self.containers.iter().any(|c| c.running && !ran(&c.name))
    }
}

impl AddressType {
    /// The type as Kubernetes spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Hostname => "Hostname",
            Self::InternalDns => "InternalDNS",
            Self::InternalIp => "InternalIP",
            Self::ExternalDns => "ExternalDNS",
            Self::ExternalIp => "ExternalIP",
            Self::Other(other) => other,
        }
    }
}

impl From<&str> for AddressType {
    fn from(text: &str) -> Self {
        match text {
            "Hostname" => Self::Hostname,
            "InternalDNS" => Self::InternalDns,
            "InternalIP" => Self::InternalIp,
            "ExternalDNS" => Self::ExternalDns,
            "ExternalIP" => Self::ExternalIp,
            other => Self::Other(other.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_without_a_host_name_goes_by_its_name() {
        let mut node = NodeRecord::new(NodeName::new("n1").unwrap());
        assert_eq!(node.hostname(), "n1");
        let address = |kind, address: &str| NodeAddress {
            kind,
            address: address.into(),
        };
        node.addresses = [
            address(AddressType::InternalIp, "10.0.0.1"),
            address(AddressType::Hostname, "host-1"),
            address(AddressType::Hostname, "host-2"),
        ]
        .into();
        assert_eq!(node.hostname(), "host-1");
    }
}
