mod concurrency;
mod hand_off;
mod layered;
mod lives;
mod memory;
mod model;
mod reading;
mod size;

use std::sync::Arc;
use std::time::Duration;

use crate::domain::{
    Bytes, ContainerKind, ContainerName, ContainerRecord, EntityKey, Labels, Metric, MetricSet,
    Namespace, NodeName, PodKey, PodName, PodPhase, PodRecord, Point, Qualified, Timestamp, Value,
};
use crate::history::{Config, History, Series, Span, Subject};
use crate::telemetry::Registry;

/// An empty ring of `slots` columns of a minute.
fn ring(slots: u64) -> History {
    limited(slots, None)
}

fn limited(slots: u64, limit: Option<u64>) -> History {
    let config = Config {
        retention: Duration::from_mins(slots),
        resolution: Duration::from_mins(1),
        memory_limit: limit.map(Bytes::new),
        process_limit: None,
    };
    History::new(config, &mut Registry::default())
}

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_millis(minute * 60_000)
}

fn node(name: &str) -> EntityKey {
    EntityKey::Node(NodeName::new(name).unwrap())
}

fn namespace(name: &str) -> Namespace {
    Namespace::new(name).unwrap()
}

fn pod_key(of: &str, name: &str) -> PodKey {
    PodKey::new(namespace(of), PodName::new(name).unwrap())
}

fn pod(of: &str, name: &str) -> EntityKey {
    EntityKey::Pod(pod_key(of, name))
}

fn container(of: &str, pod: &str, name: &str) -> EntityKey {
    EntityKey::Container(pod_key(of, pod), ContainerName::new(name).unwrap())
}

fn set(key: EntityKey, points: impl IntoIterator<Item = Point>) -> MetricSet {
    let mut set = MetricSet::new(key);
    points.into_iter().for_each(|point| set.set(point));
    set
}

/// A set with one point, of `memory/usage`.
fn usage(key: EntityKey, value: i64) -> MetricSet {
    set(key, [Point::int(Metric::MemoryUsage, value)])
}

fn with_uid(mut set: MetricSet, uid: &str) -> MetricSet {
    let (EntityKey::Pod(key) | EntityKey::Container(key, _)) = &set.key else {
        panic!("only pods have a UID here");
    };
    let name = ContainerName::new("c").unwrap();
    let record = ContainerRecord::new(name, ContainerKind::Regular, true);
    set.about.pod = Some(Arc::new(PodRecord {
        key: key.clone(),
        uid: uid.into(),
        node: None,
        labels: Labels::default(),
        phase: PodPhase::Running,
        containers: [record].into(),
    }));
    set
}

fn qualified(metric: Metric, by: &str, value: i64) -> Qualified {
    let point = Point::int(metric, value);
    let by = by.into();
    Qualified { by, point }
}

fn tick(ring: &History, tick: i64, sets: &[MetricSet]) {
    ring.append(minute(tick), sets).unwrap();
    ring.finish(minute(tick)).unwrap();
}

/// The minutes and whole numbers of a series.
fn read(ring: &History, subject: impl Into<Subject>, series: &Series) -> Vec<(i64, i64)> {
    let points = ring.view().points(&subject.into(), series, Span::ALL);
    let whole = |(tick, value): (Timestamp, Value)| (tick.as_millis() / 60_000, value.as_i64());
    points.into_iter().map(whole).collect()
}

fn memory(ring: &History, subject: impl Into<Subject>) -> Vec<(i64, i64)> {
    read(ring, subject, &Series::of(Metric::MemoryUsage))
}
