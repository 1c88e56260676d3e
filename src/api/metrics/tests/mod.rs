mod content;
mod errors;
mod lists;
mod protobuf;
mod streamed;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http::Response;
use http::request::Parts;
use parking_lot::Mutex;
use serde_json::Value;

use super::*;
use crate::domain::{
    Bytes as Amount, ContainerUsage, Labels, Nanocores, NodeRecord, PodKey, PodRecord, Timestamp,
    Usage,
};
use crate::live::{Versions, View};

/// 2026-01-02T03:04:05Z
const SAMPLED: i64 = 1_767_323_045_000;

/// A clock that stands still until it is moved. The wall clock begins five seconds after the
/// samples.
#[derive(Debug)]
pub(super) struct HandClock {
    start: Instant,
    passed: Mutex<Duration>,
}

impl HandClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "some instant has to be the first"
    )]
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            passed: Mutex::default(),
        }
    }

    pub(super) fn pass(&self, time: Duration) {
        *self.passed.lock() += time;
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.passed.lock().as_millis()).unwrap();
        Timestamp::from_millis(SAMPLED + 5_000 + passed)
    }

    fn monotonic(&self) -> Instant {
        self.start + *self.passed.lock()
    }
}

/// One instant of a cluster.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) nodes: Arc<View<NodeView>>,
    pub(super) pods: Arc<View<PodView>>,
}

/// What a test may replace.
pub(super) type Cluster = Arc<Mutex<Seen>>;

impl Views for Mutex<Seen> {
    fn nodes(&self) -> Arc<View<NodeView>> {
        Arc::clone(&self.lock().nodes)
    }

    fn pods(&self, _: Option<&str>) -> Arc<View<PodView>> {
        Arc::clone(&self.lock().pods)
    }
}

pub(super) fn seen(version: u64, nodes: Vec<NodeView>, pods: Vec<PodView>) -> Seen {
    let at = Timestamp::from_millis(SAMPLED + 5_000);
    Seen {
        nodes: Arc::new(View::new(version, at, nodes)),
        pods: Arc::new(View::new(version, at, pods)),
    }
}

/// A cluster of which nothing is known.
pub(in crate::api) fn nothing() -> Arc<dyn Views> {
    Arc::new(Mutex::new(seen(0, vec![], vec![])))
}

/// The API over a cluster that a test may replace.
struct Served {
    api: MetricsApi,
    view: Cluster,
    clock: Arc<HandClock>,
    inventory: Arc<Inventory>,
}

impl Served {
    fn new(view: Seen) -> Self {
        let view = Arc::new(Mutex::new(view));
        let clock = Arc::new(HandClock::new());
        let inventory = Arc::new(Inventory::new());
        let time = Arc::clone(&clock) as Arc<dyn Clock>;
        Self {
            api: MetricsApi::new(
                Arc::clone(&view) as Arc<dyn Views>,
                tokio::sync::watch::channel(0).1,
                Arc::clone(&inventory),
                time,
                &mut Registry::default(),
            ),
            view,
            clock,
            inventory,
        }
    }

    fn call(&self, method: &str, uri: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
        let parts = parts(method, uri, headers);
        let info = RequestInfo::new(&parts.method, parts.uri.path(), parts.uri.query()).unwrap();
        match self.api.respond(&info, &parts) {
            Some(Reply::Whole(response)) => response,
            // Read to its end.
            Some(Reply::Later(later)) => {
                let mut stream = streamed::at_once(later).unwrap();
                let body = streamed::rest(&mut stream);
                stream.head.map(|()| body.into())
            }
            other => panic!("{other:?}"),
        }
    }

    /// A GET below `/apis/metrics.k8s.io/v1beta1/`.
    fn get(&self, tail: &str, accept: &str) -> Response<Bytes> {
        let uri = format!("/apis/metrics.k8s.io/v1beta1/{tail}");
        self.call("GET", &uri, &[("accept", accept)])
    }

    fn text(&self, tail: &str, accept: &str) -> String {
        text(&self.get(tail, accept))
    }

    fn json(&self, tail: &str) -> Value {
        serde_json::from_str(&self.text(tail, "")).unwrap()
    }

    /// The names of the items of a list.
    fn names(&self, tail: &str) -> Vec<String> {
        let list = self.json(tail);
        let items = list["items"].as_array().unwrap();
        let name = |item: &Value| item["metadata"]["name"].as_str().unwrap().to_owned();
        items.iter().map(name).collect()
    }
}

fn parts(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn text(response: &Response<Bytes>) -> String {
    String::from_utf8(response.body().to_vec()).unwrap()
}

pub(super) fn usage(millicores: u64, kibibytes: u64) -> Usage {
    Usage {
        timestamp: Timestamp::from_millis(SAMPLED),
        window: Duration::from_secs(15),
        cpu: Nanocores::new(millicores * 1_000_000),
        memory: Amount::new(kibibytes * 1024),
        swap: None,
    }
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().copied().collect()
}

fn node_record(name: &str, pairs: &[(&str, &str)]) -> NodeRecord {
    NodeRecord {
        labels: labels(pairs),
        ready: true,
        ..NodeRecord::new(crate::domain::NodeName::new(name).unwrap())
    }
}

fn node(name: &str, pairs: &[(&str, &str)], usage: Usage) -> NodeView {
    NodeView {
        record: Arc::new(node_record(name, pairs)),
        usage,
        versions: Versions::default(),
        former: None,
    }
}

pub(super) fn pod_record(
    namespace: &str,
    name: &str,
    node: &str,
    pairs: &[(&str, &str)],
) -> PodRecord {
    PodRecord {
        key: PodKey::new(
            crate::domain::Namespace::new(namespace).unwrap(),
            crate::domain::PodName::new(name).unwrap(),
        ),
        uid: "u".into(),
        node: Some(crate::domain::NodeName::new(node).unwrap()),
        labels: labels(pairs),
        phase: PodPhase::Running,
        containers: [].into(),
    }
}

pub(super) fn pod(record: PodRecord, containers: &[(&str, Usage)]) -> PodView {
    let container = |(name, usage): &(&str, Usage)| ContainerUsage {
        name: crate::domain::ContainerName::new(*name).unwrap(),
        usage: *usage,
    };
    PodView {
        record: Arc::new(record),
        timestamp: Timestamp::from_millis(SAMPLED),
        window: Duration::from_secs(15),
        containers: containers.iter().map(container).collect(),
        versions: Versions::default(),
        former: None,
    }
}

/// Two nodes, three pods with numbers in two namespaces, one running pod without, one pending.
fn cluster() -> Served {
    let nodes = vec![
        node("n2", &[("zone", "west")], usage(20, 50 * 1024)),
        node("n1", &[("zone", "east"), ("n", "5")], usage(250, 12_056)),
    ];
    let web = [("app", "web")];
    let pods = vec![
        pod(
            pod_record("b", "r", "n2", &[("app", "db")]),
            &[("c", usage(1, 1))],
        ),
        pod(
            pod_record("a", "p", "n1", &web),
            &[("c", usage(1000, 1024)), ("d", usage(500, 512))],
        ),
        pod(pod_record("a", "q", "n2", &[]), &[("c", usage(0, 1))]),
    ];
    let served = Served::new(seen(1, nodes, pods));
    served.inventory.apply_node(node_record("n1", &[]));
    served.inventory.apply_node(node_record("fresh", &[]));
    served
        .inventory
        .apply_pod(pod_record("a", "fresh", "n1", &[]));
    served.inventory.apply_pod(PodRecord {
        phase: PodPhase::Pending,
        ..pod_record("a", "pending", "n1", &[])
    });
    served
}
