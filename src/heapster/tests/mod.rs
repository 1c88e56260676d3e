//! The router over a small ring.

mod historical;
mod hostile;
mod lists;
mod model;
mod others;
mod stores;
mod times;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Response, Uri};

use super::{Config, Heapster, RouteTable};
use crate::domain::{
    Clock, ContainerKind, ContainerName, ContainerRecord, EntityKey, Inventory, Metric, MetricSet,
    Namespace, NodeName, NodeRecord, PodKey, PodName, PodPhase, PodRecord, Point, Qualified,
    Timestamp,
};
use crate::history::{self, History};
use crate::telemetry::Registry;

/// 2026-01-02T03:00:00Z, the first of three ticks a minute apart.
pub(super) const FIRST: i64 = 1_767_322_800_000;

/// A clock that stands still.
#[derive(Debug)]
struct Stopped(Timestamp);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }

    #[expect(clippy::disallowed_methods, reason = "nobody looks at it")]
    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

pub(super) fn pod_key(namespace: &str, name: &str) -> PodKey {
    PodKey::new(
        Namespace::new(namespace).unwrap(),
        PodName::new(name).unwrap(),
    )
}

pub(super) fn pod_record(namespace: &str, name: &str, tier: &str, of: &[&str]) -> PodRecord {
    let container = |name: &&str| {
        let name = ContainerName::new(*name).unwrap();
        ContainerRecord::new(name, ContainerKind::Regular, true)
    };
    PodRecord {
        key: pod_key(namespace, name),
        uid: format!("uid-{name}").into(),
        node: NodeName::new("n1").ok(),
        labels: [("tier", tier)].into_iter().collect(),
        phase: PodPhase::Running,
        containers: of.iter().map(container).collect(),
    }
}

fn set(key: EntityKey, ints: &[(Metric, i64)]) -> MetricSet {
    let mut set = MetricSet::new(key);
    set.started = Some(Timestamp::from_millis(FIRST - 3_600_000));
    for (metric, value) in ints {
        set.set(Point::int(*metric, *value));
    }
    set
}

/// What was measured at the tick of this number: values that change grow by one a tick.
fn column(tick: i64) -> Vec<MetricSet> {
    use Metric::{CpuUsage, CpuUsageRate, MemoryUsage, MemoryWorkingSet};
    let n1 = || NodeName::new("n1").unwrap();
    let system = |name: &str| EntityKey::SystemContainer(n1(), name.into());
    let qualified = |by: &str, metric, value: i64| Qualified {
        by: by.into(),
        point: Point::int(metric, value),
    };
    let pod = EntityKey::Pod(pod_key("a", "p"));
    let mut node = set(
        EntityKey::Node(n1()),
        &[
            (CpuUsage, 7),
            (CpuUsageRate, 1500 + tick),
            (MemoryWorkingSet, 1 << 32),
        ],
    );
    node.set(Point::float(Metric::CpuNodeUtilization, 0.25));
    node.qualified = vec![qualified("/", Metric::FilesystemUsage, 77)];
    let mut p = set(pod, &[(CpuUsageRate, 10 + tick), (MemoryWorkingSet, 2048)]);
    p.set(Point::float(Metric::NetworkRxRate, 1.5));
    p.pod_uid = Some("uid-p".into());
    p.qualified = vec![
        qualified("Volume:data", Metric::FilesystemUsage, 42),
        qualified("nvidia.com/gpu", Metric::ResourceRequest, 2),
    ];
    let key = |pod: &str, name: &str| {
        EntityKey::Container(pod_key("a", pod), ContainerName::new(name).unwrap())
    };
    let both = [(CpuUsageRate, 10), (MemoryWorkingSet, 2048)];
    let mut container = set(key("p", "app"), &both);
    container.pod_uid = Some("uid-p".into());
    vec![
        set(
            EntityKey::Cluster,
            &[(CpuUsageRate, 100 + tick), (MemoryUsage, 1)],
        ),
        node,
        set(
            EntityKey::Node(NodeName::new("n2").unwrap()),
            &[(MemoryWorkingSet, 1)],
        ),
        set(system("kubelet"), &[(MemoryUsage, 5)]),
        set(
            system("system.slice/foo.service"),
            &[(MemoryUsage, 6 + tick)],
        ),
        set(
            EntityKey::Namespace(Namespace::new("a").unwrap()),
            &[(CpuUsageRate, 20 + tick)],
        ),
        p,
        container,
        set(EntityKey::Pod(pod_key("a", "q")), &[(MemoryUsage, -7)]),
        set(key("q", "app"), &[(MemoryWorkingSet, 1)]),
    ]
}

/// A ring of three ticks.
pub(super) fn ring() -> Arc<History> {
    let history = History::new(history::Config::default(), &mut Registry::default());
    for tick in 0..3 {
        let at = Timestamp::from_millis(FIRST + tick * 60_000);
        history.append(at, &enriched(tick)).unwrap();
        history.finish(at).unwrap();
    }
    Arc::new(history)
}

/// The column with what the API server says of pods.
fn enriched(tick: i64) -> Vec<MetricSet> {
    let mut sets = column(tick);
    for set in &mut sets {
        if let EntityKey::Pod(key) | EntityKey::Container(key, _) = &set.key {
            let record = pod_record("a", key.name.as_str(), "x", &["app"]);
            set.about.pod = Some(Arc::new(record));
        }
    }
    sets
}

fn inventory() -> Arc<Inventory> {
    let inventory = Inventory::new();
    for (name, zone) in [("n1", "z1"), ("n2", "z2"), ("n3", "z1")] {
        let mut node = NodeRecord::new(NodeName::new(name).unwrap());
        node.labels = [("zone", zone)].into_iter().collect();
        inventory.apply_node(node);
    }
    for (name, tier, containers) in [("p", "web", ["app"]), ("q", "db", ["app"])] {
        inventory.apply_pod(pod_record("a", name, tier, &containers));
    }
    Arc::new(inventory)
}

/// Heapster over the ring, five seconds after its newest tick.
pub(super) fn heapster() -> Heapster {
    with_config(Config::default(), FIRST + 125_000)
}

pub(super) fn with_config(config: Config, now: i64) -> Heapster {
    let ring = ring();
    let clock = Arc::new(Stopped(Timestamp::from_millis(now)));
    Heapster::new(config, Some(ring.clone()), Some(ring), inventory(), clock)
}

pub(super) fn request(
    heapster: &Heapster,
    method: &Method,
    uri: &str,
    headers: &[(HeaderName, &str)],
) -> Response<Bytes> {
    let headers = headers.iter();
    let headers: HeaderMap = headers
        .map(|(name, value)| (name.clone(), value.parse().unwrap()))
        .collect();
    let uri: Uri = uri.parse().unwrap();
    heapster.respond(RouteTable::HeapsterPort, method, &uri, &headers)
}

/// Status, content type and body of a GET.
pub(super) fn get(uri: &str) -> (u16, String, String) {
    answer(&heapster(), uri)
}

pub(super) fn answer(heapster: &Heapster, uri: &str) -> (u16, String, String) {
    let response = request(heapster, &Method::GET, uri, &[]);
    let content_type = response.headers()["content-type"].to_str().unwrap();
    let body = String::from_utf8(response.body().to_vec()).unwrap();
    (response.status().as_u16(), content_type.to_owned(), body)
}

/// The JSON a GET is answered with.
pub(super) fn json(uri: &str) -> serde_json::Value {
    let (status, content_type, body) = get(uri);
    assert_eq!(
        (status, content_type.as_str()),
        (200, "application/json"),
        "{uri}: {body}"
    );
    serde_json::from_str(&body).unwrap()
}

/// The text of an error.
pub(super) fn error(uri: &str) -> (u16, String) {
    let (status, content_type, body) = get(uri);
    assert_eq!(content_type, "text/plain; charset=utf-8", "{uri}");
    (status, body)
}
