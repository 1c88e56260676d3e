//! A batch as it lies on disk: all that sinks say of it, and nothing else.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::{
    AddressType, Batch, ContainerKind, ContainerName, ContainerRecord, EntityKey, Labels, Metric,
    MetricSet, Namespace, NodeAddress, NodeName, NodeRecord, PodKey, PodName, PodPhase, PodRecord,
    Point, Qualified, Timestamp, Value,
};

/// Objects stand once, and sets refer to them.
#[derive(Serialize, Deserialize)]
struct Packed<'a> {
    millis: i64,
    #[serde(borrow)]
    nodes: Vec<Node<'a>>,
    #[serde(borrow)]
    pods: Vec<Pod<'a>>,
    #[serde(borrow)]
    sets: Vec<Set<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Node<'a> {
    name: Text<'a>,
    hostname: Text<'a>,
    host_id: Option<Text<'a>>,
    labels: Vec<(Text<'a>, Text<'a>)>,
}

#[derive(Serialize, Deserialize)]
struct Pod<'a> {
    namespace: Text<'a>,
    name: Text<'a>,
    uid: Text<'a>,
    node: Option<Text<'a>>,
    labels: Vec<(Text<'a>, Text<'a>)>,
    /// Names and images.
    containers: Vec<(Text<'a>, Text<'a>)>,
}

#[derive(Serialize, Deserialize)]
struct Set<'a> {
    #[serde(borrow)]
    key: Key<'a>,
    started: Option<i64>,
    node: Option<usize>,
    pod: Option<usize>,
    namespace_uid: Option<Text<'a>>,
    points: Vec<(Text<'a>, Number)>,
    /// By what, and the metric.
    qualified: Vec<(Text<'a>, Text<'a>, Number)>,
}

#[derive(Serialize, Deserialize)]
enum Key<'a> {
    Cluster,
    Node(Text<'a>),
    SystemContainer(Text<'a>, Text<'a>),
    Namespace(Text<'a>),
    Pod(Text<'a>, Text<'a>),
    Container(Text<'a>, Text<'a>, Text<'a>),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(untagged)]
enum Number {
    Int(i64),
    Float(f64),
}

type Text<'a> = Cow<'a, str>;

/// Objects by where they lie in memory, in the order in which they came.
struct Table<'a, T> {
    numbers: HashMap<*const T, usize>,
    objects: Vec<&'a T>,
}

impl<'a, T> Table<'a, T> {
    fn new() -> Self {
        Self {
            numbers: HashMap::new(),
            objects: Vec::new(),
        }
    }

    fn number(&mut self, object: Option<&'a Arc<T>>) -> Option<usize> {
        let object = object?;
        let objects = &mut self.objects;
        let number = self.numbers.entry(Arc::as_ptr(object));
        Some(*number.or_insert_with(|| {
            objects.push(object);
            objects.len() - 1
        }))
    }
}

/// The content of a file that holds this batch.
pub(in super::super) fn pack(batch: &Batch) -> Vec<u8> {
    let (mut nodes, mut pods) = (Table::new(), Table::new());
    let sets = batch
        .sets()
        .map(|set| Set {
            key: Key::of(&set.key),
            started: set.started.map(Timestamp::as_millis),
            node: nodes.number(set.about.node.as_ref()),
            pod: pods.number(set.about.pod.as_ref()),
            namespace_uid: set.about.namespace_uid.as_deref().map(Text::from),
            points: set.points.iter().map(number).collect(),
            qualified: set
                .qualified
                .iter()
                .map(|qualified| {
                    let (metric, value) = number(&qualified.point);
                    (qualified.by.as_ref().into(), metric, value)
                })
                .collect(),
        })
        .collect();
    let packed = Packed {
        millis: batch.timestamp.as_millis(),
        nodes: nodes.objects.into_iter().map(Node::of).collect(),
        pods: pods.objects.into_iter().map(Pod::of).collect(),
        sets,
    };
    // Writing to memory what has text for keys cannot fail.
    serde_json::to_vec(&packed).unwrap_or_default()
}

/// The batch in a file with this content; `None` when it is none. A set or a metric that cannot be
/// any more is left out.
pub(in super::super) fn unpack(content: &[u8]) -> Option<Batch> {
    let packed: Packed<'_> = serde_json::from_slice(content).ok()?;
    let nodes: Vec<_> = packed.nodes.iter().map(Node::record).collect();
    let pods: Vec<_> = packed.pods.iter().map(Pod::record).collect();
    let sets = packed.sets.iter().filter_map(|set| {
        let mut read = MetricSet::new(set.key.key()?);
        read.started = set.started.map(Timestamp::from_millis);
        read.about.node = set.node.and_then(|at| nodes.get(at)?.clone());
        read.about.pod = set.pod.and_then(|at| pods.get(at)?.clone());
        read.about.namespace_uid = set.namespace_uid.as_deref().map(Arc::from);
        for (metric, value) in &set.points {
            if let Some(point) = point(metric, *value) {
                read.set(point);
            }
        }
        for (by, metric, value) in &set.qualified {
            read.qualified
                .extend(point(metric, *value).map(|point| Qualified {
                    by: by.as_ref().into(),
                    point,
                }));
        }
        Some(read)
    });
    Some(Batch {
        timestamp: Timestamp::from_millis(packed.millis),
        parts: vec![sets.collect()],
    })
}

fn number(point: &Point) -> (Text<'static>, Number) {
    let value = match point.value() {
        Value::Int(value) => Number::Int(value),
        Value::Float(value) => Number::Float(value),
    };
    (point.metric().name().into(), value)
}

/// The metric without a name is the one named by the resource.
fn point(metric: &str, value: Number) -> Option<Point> {
    let metric = match metric {
        "" => Metric::ResourceRequest,
        name => Metric::find(name)?,
    };
    let value = match value {
        Number::Int(value) => Value::Int(value),
        Number::Float(value) => Value::Float(value),
    };
    Some(Point::new(metric, value))
}

fn pairs(labels: &Labels) -> Vec<(Text<'_>, Text<'_>)> {
    labels.iter().map(|(k, v)| (k.into(), v.into())).collect()
}

fn labels(pairs: &[(Text<'_>, Text<'_>)]) -> Labels {
    pairs
        .iter()
        .map(|(k, v)| (k.as_ref(), v.as_ref()))
        .collect()
}

impl<'a> Node<'a> {
    fn of(record: &'a NodeRecord) -> Self {
        Self {
            name: record.name.as_str().into(),
            hostname: record.hostname().into(),
            host_id: record.host_id.as_deref().map(Text::from),
            labels: pairs(&record.labels),
        }
    }

    fn record(&self) -> Option<Arc<NodeRecord>> {
        let mut record = NodeRecord::new(NodeName::new(self.name.as_ref()).ok()?);
        let hostname = NodeAddress {
            kind: AddressType::Hostname,
            address: self.hostname.as_ref().into(),
        };
        record.addresses = [hostname].into();
        record.host_id = self.host_id.as_deref().map(Arc::from);
        record.labels = labels(&self.labels);
        Some(Arc::new(record))
    }
}

impl<'a> Pod<'a> {
    fn of(record: &'a PodRecord) -> Self {
        let containers = record.containers.iter();
        Self {
            namespace: record.key.namespace.as_str().into(),
            name: record.key.name.as_str().into(),
            uid: record.uid.as_ref().into(),
            node: record.node.as_ref().map(|node| node.as_str().into()),
            labels: pairs(&record.labels),
            containers: containers
                .map(|c| (c.name.as_str().into(), c.image.as_ref().into()))
                .collect(),
        }
    }

    fn record(&self) -> Option<Arc<PodRecord>> {
        let containers = self.containers.iter().filter_map(|(name, image)| {
            Some(ContainerRecord {
                name: ContainerName::new(name.as_ref()).ok()?,
                kind: ContainerKind::Regular,
                running: true,
                restart_count: 0,
                image: image.as_ref().into(),
                resources: Arc::default(),
            })
        });
        let node = self.node.as_deref();
        Some(Arc::new(PodRecord {
            key: pod(&self.namespace, &self.name)?,
            uid: self.uid.as_ref().into(),
            node: node.and_then(|node| NodeName::new(node).ok()),
            labels: labels(&self.labels),
            phase: PodPhase::Running,
            containers: containers.collect(),
        }))
    }
}

fn pod(namespace: &str, name: &str) -> Option<PodKey> {
    let namespace = Namespace::new(namespace).ok()?;
    Some(PodKey::new(namespace, PodName::new(name).ok()?))
}

impl<'a> Key<'a> {
    fn of(key: &'a EntityKey) -> Self {
        match key {
            EntityKey::Cluster => Self::Cluster,
            EntityKey::Node(node) => Self::Node(node.as_str().into()),
            EntityKey::SystemContainer(node, name) => {
                Self::SystemContainer(node.as_str().into(), name.as_ref().into())
            }
            EntityKey::Namespace(namespace) => Self::Namespace(namespace.as_str().into()),
            EntityKey::Pod(pod) => {
                Self::Pod(pod.namespace.as_str().into(), pod.name.as_str().into())
            }
            EntityKey::Container(pod, name) => Self::Container(
                pod.namespace.as_str().into(),
                pod.name.as_str().into(),
                name.as_str().into(),
            ),
        }
    }

    fn key(&self) -> Option<EntityKey> {
        Some(match self {
            Self::Cluster => EntityKey::Cluster,
            Self::Node(node) => EntityKey::Node(NodeName::new(node.as_ref()).ok()?),
            Self::SystemContainer(node, name) => {
                let node = NodeName::new(node.as_ref()).ok()?;
                EntityKey::SystemContainer(node, name.as_ref().into())
            }
            Self::Namespace(name) => EntityKey::Namespace(Namespace::new(name.as_ref()).ok()?),
            Self::Pod(namespace, name) => EntityKey::Pod(pod(namespace, name)?),
            Self::Container(namespace, of, name) => {
                let name = ContainerName::new(name.as_ref()).ok()?;
                EntityKey::Container(pod(namespace, of)?, name)
            }
        })
    }
}
