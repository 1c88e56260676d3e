//! What metrics are kept of.

use std::fmt;
use std::sync::Arc;

use super::{ContainerName, Namespace, NodeName, PodKey};

/// Anything that has metrics over time, ordered as Heapster's keys nest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityKey {
    /// The whole cluster.
    Cluster,
    /// A node.
    Node(NodeName),
    /// A system container of a node (Heapster's "free container"): `kubelet`, `docker-daemon`,
    /// `pods`, `system`. The name is the kubelet's and may hold any character, slashes too.
    SystemContainer(NodeName, Arc<str>),
    /// A namespace.
    Namespace(Namespace),
    /// A pod.
    Pod(PodKey),
    /// A container of a pod.
    Container(PodKey, ContainerName),
}

/// What sort of thing an entity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityKind {
    /// The cluster.
    Cluster,
    /// A node.
    Node,
    /// A system container.
    SystemContainer,
    /// A namespace.
    Namespace,
    /// A pod.
    Pod,
    /// A container of a pod.
    Container,
}

impl EntityKey {
    /// What sort of thing this is.
    #[must_use]
    pub const fn kind(&self) -> EntityKind {
        match self {
            Self::Cluster => EntityKind::Cluster,
            Self::Node(_) => EntityKind::Node,
            Self::SystemContainer(..) => EntityKind::SystemContainer,
            Self::Namespace(_) => EntityKind::Namespace,
            Self::Pod(_) => EntityKind::Pod,
            Self::Container(..) => EntityKind::Container,
        }
    }

    /// The pod it is, or belongs to.
    #[must_use]
    pub const fn pod(&self) -> Option<&PodKey> {
        match self {
            Self::Pod(pod) | Self::Container(pod, _) => Some(pod),
            Self::Cluster | Self::Node(_) | Self::SystemContainer(..) | Self::Namespace(_) => None,
        }
    }
}

impl EntityKind {
    /// Heapster's label `type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Node => "node",
            Self::SystemContainer => "sys_container",
            Self::Namespace => "ns",
            Self::Pod => "pod",
            Self::Container => "pod_container",
        }
    }
}

/// Heapster's key, as `/api/v1/model/debug/allkeys` shows it.
impl fmt::Display for EntityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster => f.write_str("cluster"),
            Self::Node(node) => write!(f, "node:{node}"),
            Self::SystemContainer(node, name) => write!(f, "node:{node}/container:{name}"),
            Self::Namespace(namespace) => write!(f, "namespace:{namespace}"),
            Self::Pod(pod) => write!(f, "namespace:{}/pod:{}", pod.namespace, pod.name),
            Self::Container(pod, name) => {
                let PodKey {
                    namespace,
                    name: of,
                } = pod;
                write!(f, "namespace:{namespace}/pod:{of}/container:{name}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::PodName;

    #[test]
    fn keys_read_as_heapsters() {
        let node = NodeName::new("n1").unwrap();
        let namespace = Namespace::new("a").unwrap();
        let pod = PodKey::new(namespace.clone(), PodName::new("p").unwrap());
        let container = ContainerName::new("c").unwrap();
        for (key, text) in [
            (EntityKey::Cluster, "cluster"),
            (EntityKey::Node(node.clone()), "node:n1"),
            (
                EntityKey::SystemContainer(node, "a/b".into()),
                "node:n1/container:a/b",
            ),
            (EntityKey::Namespace(namespace), "namespace:a"),
            (EntityKey::Pod(pod.clone()), "namespace:a/pod:p"),
            (
                EntityKey::Container(pod, container),
                "namespace:a/pod:p/container:c",
            ),
        ] {
            assert_eq!(key.to_string(), text);
        }
    }
}
