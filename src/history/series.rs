//! What a question about the past names: whose values, which of them, from when to when.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::domain::{ContainerName, EntityKey, Metric, Timestamp};

/// One series of an entity: a metric, and which of several values of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// The metric.
    pub metric: Metric,
    /// The label `resource_id` of a labelled metric, or the resource of
    /// [`Metric::ResourceRequest`]; nothing for all others.
    pub by: Option<Arc<str>>,
}

/// A stretch of time, both ends within it. One that ends before it starts holds nothing, which is
/// no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first instant.
    pub start: Timestamp,
    /// The last instant.
    pub end: Timestamp,
}

/// Whose values are asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// Whoever bore this name, one life after the other.
    Entity(EntityKey),
    /// The pod with this UID, and none of the same name before or after it.
    PodId(Arc<str>),
    /// A container of the pod with this UID.
    PodIdContainer(Arc<str>, ContainerName),
}

impl Series {
    /// The series of a metric that nothing tells apart.
    #[must_use]
    pub const fn of(metric: Metric) -> Self {
        Self { metric, by: None }
    }

    /// The series of this name and `resource_id`; `None` when no series can be called so: the name
    /// is unknown, a labelled metric comes without its label, or another with one. Labels must
    /// match exactly, as in Heapster.
    #[must_use]
    pub fn named(name: &str, resource_id: Option<&str>) -> Option<Self> {
        if let Some(metric) = Metric::find(name) {
            let by = resource_id.map(Arc::from);
            return (by.is_some() == metric.is_labelled()).then_some(Self { metric, by });
        }
        let resource = name.strip_suffix("/request")?;
        let known = !resource.is_empty() && resource_id.is_none();
        known.then(|| Self {
            metric: Metric::ResourceRequest,
            by: Some(resource.into()),
        })
    }

    /// Heapster's name of the metric: `cpu/usage`, `nvidia.com/gpu/request`. Does not tell
    /// filesystems apart.
    #[must_use]
    pub fn name(&self) -> Cow<'static, str> {
        match (&self.by, self.metric) {
            (Some(resource), Metric::ResourceRequest) => format!("{resource}/request").into(),
            (_, metric) => metric.name().into(),
        }
    }
}

impl Span {
    /// All of time.
    pub const ALL: Self = Self {
        start: Timestamp::from_millis(i64::MIN),
        end: Timestamp::from_millis(i64::MAX),
    };

    /// From `start` to `end`, both within.
    #[must_use]
    pub const fn new(start: Timestamp, end: Timestamp) -> Self {
        Self { start, end }
    }

    /// Tells whether an instant lies within.
    #[must_use]
    pub fn contains(&self, instant: Timestamp) -> bool {
        self.start <= instant && instant <= self.end
    }
}

impl From<EntityKey> for Subject {
    fn from(key: EntityKey) -> Self {
        Self::Entity(key)
    }
}

/// As Heapster's historical errors describe it (`HistoricalKey.String`).
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entity(key) => {
                write!(f, "({})", key.kind().as_str())?;
                write_entity(f, key)
            }
            Self::PodId(uid) => write!(f, "(pod)poduid:{uid}"),
            Self::PodIdContainer(uid, name) => {
                write!(f, "(pod_container)poduid:{uid}/container:{name}")
            }
        }
    }
}

fn write_entity(f: &mut fmt::Formatter<'_>, key: &EntityKey) -> fmt::Result {
    match key {
        EntityKey::Cluster => f.write_str("[cluster]"),
        EntityKey::Node(node) => write!(f, "node:{node}"),
        EntityKey::SystemContainer(node, name) => write!(f, "node:{node}/container:{name}"),
        EntityKey::Namespace(namespace) => write!(f, "ns:{namespace}"),
        EntityKey::Pod(pod) => write!(f, "ns:{}/pod:{}", pod.namespace, pod.name),
        EntityKey::Container(pod, name) => {
            let (namespace, pod) = (&pod.namespace, &pod.name);
            write!(f, "ns:{namespace}/pod:{pod}/container:{name}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Namespace, NodeName, PodKey, PodName};

    #[test]
    fn a_series_is_found_only_under_exactly_its_labels() {
        let usage = Series::named("cpu/usage", None).unwrap();
        assert_eq!(usage, Series::of(Metric::CpuUsage));
        let gpu = Series::named("nvidia.com/gpu/request", None).unwrap();
        assert_eq!(gpu.metric, Metric::ResourceRequest);
        assert_eq!(gpu.by.as_deref(), Some("nvidia.com/gpu"));
        assert_eq!(gpu.name(), "nvidia.com/gpu/request");
        let volume = Series::named("filesystem/usage", Some("Volume:data")).unwrap();
        assert_eq!(volume.by.as_deref(), Some("Volume:data"));
        assert_eq!(volume.name(), "filesystem/usage");
        for (name, label) in [
            ("filesystem/usage", None),
            ("cpu/usage", Some("/")),
            ("nvidia.com/gpu/request", Some("/")),
            ("/request", None),
            ("cpu/load", None),
            ("", None),
        ] {
            assert_eq!(Series::named(name, label), None, "{name} {label:?}");
        }
    }

    #[test]
    fn both_ends_of_a_span_are_within() {
        let at = Timestamp::from_millis;
        let span = Span::new(at(10), at(20));
        let within = [9, 10, 20, 21].map(|millis| span.contains(at(millis)));
        assert_eq!(within, [false, true, true, false]);
        assert!(!Span::new(at(20), at(10)).contains(at(15)));
    }

    #[test]
    fn subjects_read_as_in_heapsters_errors() {
        let node = NodeName::new("n").unwrap();
        let namespace = Namespace::new("x").unwrap();
        let pod = PodKey::new(namespace.clone(), PodName::new("y").unwrap());
        let container = ContainerName::new("c").unwrap();
        for (subject, text) in [
            (EntityKey::Cluster.into(), "(cluster)[cluster]"),
            (EntityKey::Node(node.clone()).into(), "(node)node:n"),
            (
                EntityKey::SystemContainer(node, "a/b".into()).into(),
                "(sys_container)node:n/container:a/b",
            ),
            (EntityKey::Namespace(namespace).into(), "(ns)ns:x"),
            (EntityKey::Pod(pod.clone()).into(), "(pod)ns:x/pod:y"),
            (
                EntityKey::Container(pod, container.clone()).into(),
                "(pod_container)ns:x/pod:y/container:c",
            ),
            (Subject::PodId("u".into()), "(pod)poduid:u"),
            (
                Subject::PodIdContainer("u".into(), container),
                "(pod_container)poduid:u/container:c",
            ),
        ] {
            assert_eq!(subject.to_string(), text);
        }
    }
}
