//! What tests of this room are made of.

use std::sync::Arc;

use crate::domain::{
    AddressType, Amounts, Bytes, ContainerKind, ContainerName, ContainerRecord, ContainerResources,
    EntityKey, Metric, MetricSet, Namespace, NodeAddress, NodeName, NodeRecord, PodKey, PodName,
    PodPhase, PodRecord, Point, Timestamp, Value,
};

pub(super) fn pod_key(namespace: &str, name: &str) -> PodKey {
    let namespace = Namespace::new(namespace).unwrap();
    PodKey::new(namespace, PodName::new(name).unwrap())
}

pub(super) fn container_key(namespace: &str, pod: &str, name: &str) -> EntityKey {
    let name = ContainerName::new(name).unwrap();
    EntityKey::Container(pod_key(namespace, pod), name)
}

/// A set that began at second 0 and was sampled at this second.
pub(super) fn sampled(key: EntityKey, second: i64, points: &[(Metric, i64)]) -> MetricSet {
    let mut set = MetricSet::new(key);
    set.started = Some(Timestamp::from_millis(1));
    set.sampled = Some(Timestamp::from_millis(second * 1000));
    for (metric, value) in points {
        set.set(Point::new(*metric, Value::Int(*value)));
    }
    set
}

/// A set that was not measured.
pub(super) fn with(key: EntityKey, points: &[(Metric, i64)]) -> MetricSet {
    MetricSet {
        started: None,
        sampled: None,
        ..sampled(key, 0, points)
    }
}

/// All points of a set, in words.
pub(super) fn words(set: &MetricSet) -> Vec<String> {
    let plain = set.points.iter().map(|p| (p.metric().name().into(), *p));
    let requests = set.qualified.iter().map(|q| (q.by.to_string(), q.point));
    let all = plain.chain(requests);
    all.map(|(name, point): (String, Point)| match point.value() {
        Value::Int(value) => format!("{name} {value}"),
        Value::Float(value) => format!("{name} {value:?}"),
    })
    .collect()
}

/// A node of 8 cores and 16 GiB, of which 7.5 cores and 15 GiB are allocatable.
pub(super) fn node_record(name: &str) -> NodeRecord {
    let amounts = |cpu_millicores, memory: u64| Amounts {
        cpu_millicores: Some(cpu_millicores),
        memory: Some(Bytes::new(memory << 30)),
        ephemeral_storage: None,
    };
    NodeRecord {
        labels: [("zone", "z1")].into_iter().collect(),
        addresses: [NodeAddress {
            kind: AddressType::Hostname,
            address: format!("host-{name}").into(),
        }]
        .into(),
        capacity: amounts(8000, 16),
        allocatable: amounts(7500, 15),
        ready: true,
        ..NodeRecord::new(NodeName::new(name).unwrap())
    }
}

/// A running pod whose containers request 100m and 64 Mi, are limited to 500m and 256 Mi, and
/// restarted twice each.
pub(super) fn pod_record(namespace: &str, name: &str, node: &str, of: &[&str]) -> PodRecord {
    let amounts = |cpu_millicores, memory: u64| Amounts {
        cpu_millicores: Some(cpu_millicores),
        memory: Some(Bytes::new(memory << 20)),
        ephemeral_storage: None,
    };
    let resources = Arc::new(ContainerResources {
        requests: amounts(100, 64),
        limits: amounts(500, 256),
        other_requests: [].into(),
    });
    let container = |name: &&str| ContainerRecord {
        restart_count: 2,
        image: format!("repo/{name}:1").into(),
        resources: Arc::clone(&resources),
        ..ContainerRecord::new(
            ContainerName::new(*name).unwrap(),
            ContainerKind::Regular,
            true,
        )
    };
    PodRecord {
        key: pod_key(namespace, name),
        uid: format!("uid-{name}").into(),
        node: Some(NodeName::new(node).unwrap()),
        labels: [("app", "web"), ("tier", "t1")].into_iter().collect(),
        phase: PodPhase::Running,
        containers: of.iter().map(container).collect(),
    }
}
