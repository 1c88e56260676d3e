//! Sinks at work, against receivers that take nothing that is not as it should be.

mod elasticsearch;
pub(super) mod receivers;
pub(super) mod events;
mod moved;
mod places;
mod reading;
mod refusing;
pub(super) mod remote_write;
mod riemann;
mod tls;
mod unwell;
pub(super) mod working;

use std::sync::Arc;

use super::{LabelSet, Labeller};
use crate::domain::{
    Batch, EntityKey, Metric, MetricSet, Namespace, NodeName, PodKey, PodName, PodPhase, PodRecord,
    Point, Qualified, Timestamp,
};

/// The sinks that speak HTTP to an address they are given.
const HTTP_SINKS: [&str; 6] = [
    "elasticsearch",
    "influxdb",
    "opentsdb",
    "otlp",
    "prometheus",
    "webhook",
];

/// Few labels, from the key and the pod's record; every host is `h.1`.
#[derive(Debug)]
pub(super) struct Plain;

impl Labeller for Plain {
    fn labels<'a>(&'a self, set: &'a MetricSet) -> LabelSet<'a> {
        let mut labels = LabelSet::new();
        labels.insert("type", set.key.kind().as_str().into());
        match &set.key {
            EntityKey::Pod(pod) => {
                labels.insert("namespace_name", pod.namespace.as_str().into());
                labels.insert("pod_name", pod.name.as_str().into());
                let pairs = self.object_labels(set);
                let pairs: Vec<_> = pairs.iter().map(|(k, v)| format!("{k}:{v}")).collect();
                labels.insert("labels", pairs.join(",").into());
            }
            EntityKey::SystemContainer(_, name) => {
                labels.insert("container_name", name.as_ref().into());
            }
            EntityKey::Cluster
            | EntityKey::Node(_)
            | EntityKey::Namespace(_)
            | EntityKey::Container(..) => return labels,
        }
        labels.insert("nodename", "n1".into());
        labels.insert("hostname", "h.1".into());
        labels
    }

    fn object_labels<'a>(&'a self, set: &'a MetricSet) -> Vec<(&'a str, &'a str)> {
        let pod = set.about.pod.as_ref();
        pod.map(|pod| pod.labels.iter().collect())
            .unwrap_or_default()
    }
}

pub(super) fn batch(secs: i64, sets: Vec<MetricSet>) -> Batch {
    Batch {
        timestamp: Timestamp::from_millis(secs * 1000),
        parts: vec![sets.into()],
    }
}

/// `cpu/usage_rate` alone.
pub(super) fn cluster() -> MetricSet {
    let mut set = MetricSet::new(EntityKey::Cluster);
    set.set(Point::int(Metric::CpuUsageRate, 5));
    set
}

/// Two metrics, and two file systems.
pub(super) fn pod(namespace: &str, name: &str, labels: &[(&str, &str)]) -> MetricSet {
    let key = PodKey::new(
        Namespace::new(namespace).unwrap(),
        PodName::new(name).unwrap(),
    );
    let mut set = MetricSet::new(EntityKey::Pod(key.clone()));
    set.set(Point::int(Metric::CpuUsageRate, 7));
    set.set(Point::float(Metric::MemoryPageFaultsRate, 1.5));
    for (by, value) in [("logs", 8), ("Volume:data", 9)] {
        set.qualified.push(Qualified {
            by: by.into(),
            point: Point::int(Metric::FilesystemUsage, value),
        });
    }
    set.about.pod = Some(Arc::new(PodRecord {
        key,
        uid: "uid".into(),
        node: Some(NodeName::new("n1").unwrap()),
        labels: labels.iter().copied().collect(),
        phase: PodPhase::Running,
        containers: [].into(),
    }));
    set
}
