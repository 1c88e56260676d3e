//! By which of Heapster's labels things are known in a store.

use crate::domain::{EntityKey, EntityKind, Metric, Namespace, NodeName};
use crate::history::{Series, Subject};

/// A label and the value it must have.
pub(super) type Label<'a> = (&'static str, &'a str);

/// The labels of one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named<'a> {
    /// Those it may share with others that are asked for together with it.
    pub shared: Vec<Label<'a>>,
    /// The one that tells it from them; nothing for what is asked for alone.
    pub own: Option<Label<'a>>,
}

/// A list of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List<'a> {
    Nodes,
    Namespaces,
    Pods(&'a Namespace),
    SystemContainers(&'a NodeName),
}

/// Metrics of which everything has one, unless the sink leaves them out: where lists are looked for.
pub(super) const EVERYWHERE: [Metric; 3] =
    [Metric::CpuUsageRate, Metric::MemoryUsage, Metric::Uptime];

const TYPE: &str = "type";
const NODE: &str = "nodename";
const NAMESPACE: &str = "namespace_name";
const POD: &str = "pod_name";
const POD_ID: &str = "pod_id";
const CONTAINER: &str = "container_name";

impl<'a> Named<'a> {
    pub(super) fn of(subject: &'a Subject) -> Self {
        match subject {
            Subject::Entity(key) => Self::of_entity(key),
            Subject::PodId(uid) => Self {
                shared: vec![kind(EntityKind::Pod)],
                own: Some((POD_ID, uid)),
            },
            Subject::PodIdContainer(uid, name) => Self {
                shared: vec![
                    kind(EntityKind::Container),
                    (POD_ID, uid),
                    (CONTAINER, name.as_str()),
                ],
                own: None,
            },
        }
    }

    pub(super) fn of_entity(key: &'a EntityKey) -> Self {
        let mut shared = vec![kind(key.kind())];
        let mut own = None;
        match key {
            EntityKey::Cluster => {}
            EntityKey::Node(node) => shared.push((NODE, node.as_str())),
            EntityKey::SystemContainer(node, name) => {
                shared.extend([(NODE, node.as_str()), (CONTAINER, name)]);
            }
            EntityKey::Namespace(namespace) => shared.push((NAMESPACE, namespace.as_str())),
            EntityKey::Pod(pod) => {
                shared.push((NAMESPACE, pod.namespace.as_str()));
                own = Some((POD, pod.name.as_str()));
            }
            EntityKey::Container(pod, name) => shared.extend([
                (NAMESPACE, pod.namespace.as_str()),
                (POD, pod.name.as_str()),
                (CONTAINER, name.as_str()),
            ]),
        }
        Self { shared, own }
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Label<'a>> {
        self.shared.iter().copied().chain(self.own).collect()
    }
}

impl<'a> List<'a> {
    /// The label whose values are listed, and those of the things listed.
    pub(super) fn labels(self) -> (&'static str, Vec<Label<'a>>) {
        match self {
            Self::Nodes => (NODE, vec![kind(EntityKind::Node)]),
            Self::Namespaces => (NAMESPACE, vec![kind(EntityKind::Namespace)]),
            Self::Pods(namespace) => (
                POD,
                vec![kind(EntityKind::Pod), (NAMESPACE, namespace.as_str())],
            ),
            Self::SystemContainers(node) => (
                CONTAINER,
                vec![kind(EntityKind::SystemContainer), (NODE, node.as_str())],
            ),
        }
    }
}

/// The label of the file system, for the metrics that have one each.
pub(super) fn resource_id(series: &Series) -> Option<Label<'_>> {
    let by = series.by.as_deref()?;
    series.metric.is_labelled().then_some(("resource_id", by))
}

const fn kind(kind: EntityKind) -> Label<'static> {
    (TYPE, kind.as_str())
}
