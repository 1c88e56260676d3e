//! The path of a number, step by step: reading a kubelet's answer, committing it, joining a view,
//! and encoding the whole pod list in each form.
//!
//! `cargo bench --bench lists`. The lists are those of 100 nodes with 70
//! pods each, or of as many nodes as the variable `NODES` says, every one made from a view that has
//! just changed.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a bench that cannot be prepared has failed; it reads the clock it measures by"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use http::Request;
use http::request::Parts;
use loadline::api::Api;
use loadline::apimachinery::{Reply, RequestInfo};
use loadline::domain::{
    Clock, ContainerKind, ContainerName, ContainerRecord, Inventory, Labels, Namespace, NodeName,
    NodeRecord, PodKey, PodName, PodPhase, PodRecord, Timestamp,
};
use loadline::kubelet::{Limits, decode_resource};
use loadline::live::{Config, Live};
use loadline::telemetry::Registry;
use parking_lot::Mutex;

const PODS: usize = 70;
const START: i64 = 1_767_322_800_000;

fn nodes() -> usize {
    std::env::var("NODES").map_or(100, |nodes| nodes.parse().unwrap())
}

/// A clock that moves when it is told to.
#[derive(Debug)]
struct HandClock {
    start: Instant,
    passed: Mutex<Duration>,
}

impl HandClock {
    fn pass(&self, time: Duration) {
        *self.passed.lock() += time;
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.passed.lock().as_millis()).unwrap();
        Timestamp::from_millis(START + passed)
    }

    fn monotonic(&self) -> Instant {
        self.start + *self.passed.lock()
    }
}

/// A cluster whose numbers are all there.
struct Cluster {
    clock: Arc<HandClock>,
    live: Arc<Live>,
    inventory: Arc<Inventory>,
    registry: Registry,
    /// Whose turn it is to answer.
    turn: AtomicUsize,
}

fn namespace(pod: usize) -> String {
    format!("load-{}", pod % 14)
}

fn pod_name(node: usize, pod: usize) -> String {
    format!("checkout-6d5c9fb5d7-{node:03}-{pod:02}")
}

/// What the kubelet of a node answers at a time.
fn body(node: usize, at: Timestamp) -> String {
    let millis = at.as_millis();
    let mut text = format!("node_cpu_usage_seconds_total {} {millis}\n", millis / 900);
    let _ = writeln!(text, "node_memory_working_set_bytes 4294967296 {millis}");
    let labels = |pod: usize| {
        let (namespace, name) = (namespace(pod), pod_name(node, pod));
        format!(r#"{{container="app",namespace="{namespace}",pod="{name}"}}"#)
    };
    for pod in 0..PODS {
        let cpu = f64::from(u32::try_from(millis / 1000 % 1_000_000).unwrap()) / 7.0;
        let labels = labels(pod);
        let _ = writeln!(
            text,
            "container_cpu_usage_seconds_total{labels} {cpu} {millis}"
        );
    }
    for pod in 0..PODS {
        let (labels, bytes) = (labels(pod), 20_000_000 + pod * 4096);
        let _ = writeln!(
            text,
            "container_memory_working_set_bytes{labels} {bytes} {millis}"
        );
    }
    for pod in 0..PODS {
        let labels = labels(pod);
        let _ = writeln!(text, "container_start_time_seconds{labels} 1767315600");
    }
    text
}

fn node_name(node: usize) -> NodeName {
    NodeName::new(format!("node-{node:03}")).unwrap()
}

fn pod_record(node: usize, pod: usize) -> PodRecord {
    let name = ContainerName::new("app").unwrap();
    let labels: Labels = [("app", format!("app-{}", pod % 20))].into_iter().collect();
    PodRecord {
        key: PodKey::new(
            Namespace::new(namespace(pod)).unwrap(),
            PodName::new(pod_name(node, pod)).unwrap(),
        ),
        uid: format!("uid-{node}-{pod}").into(),
        node: Some(node_name(node)),
        labels,
        phase: PodPhase::Running,
        containers: [ContainerRecord::new(name, ContainerKind::Regular, true)].into(),
    }
}

impl Cluster {
    fn new() -> Self {
        let clock = Arc::new(HandClock {
            start: Instant::now(),
            passed: Mutex::default(),
        });
        let inventory = Arc::new(Inventory::new());
        for node in 0..nodes() {
            inventory.apply_node(NodeRecord::new(node_name(node)));
        }
        inventory.replace_pods((0..nodes() * PODS).map(|n| pod_record(n / PODS, n % PODS)));
        let mut registry = Registry::default();
        let config = Config {
            resolution: Duration::from_secs(15),
        };
        let time: Arc<dyn Clock> = clock.clone();
        let live = Live::new(config, Arc::clone(&inventory), time, &mut registry);
        let this = Self {
            clock,
            live: Arc::new(live),
            inventory,
            registry,
            turn: AtomicUsize::new(0),
        };
        for _ in 0..2 {
            this.clock.pass(Duration::from_secs(15));
            (0..nodes()).for_each(|node| this.commit(node));
        }
        assert_eq!(this.live.pods(None).len(), nodes() * PODS);
        this
    }

    fn commit(&self, node: usize) {
        let body = body(node, self.clock.now());
        let limits = Limits::default();
        let reading = decode_resource(body.as_bytes(), self.clock.now(), limits).unwrap();
        let record = NodeRecord::new(node_name(node));
        self.live.commit(&record, &reading);
    }

    /// One more second, in which the next nodes answered: all of them in fifteen.
    fn a_second_later(&self) {
        self.clock.pass(Duration::from_millis(1100));
        let at_once = nodes().div_ceil(13);
        let first = self.turn.fetch_add(at_once, Ordering::Relaxed);
        (first..first + at_once).for_each(|node| self.commit(node % nodes()));
    }
}

fn request(accept: &str, encoding: &str) -> Parts {
    let request = Request::get("/apis/metrics.k8s.io/v1beta1/pods")
        .header("accept", accept)
        .header("accept-encoding", encoding);
    request.body(()).unwrap().into_parts().0
}

fn scrape(bench: &mut Criterion) {
    let cluster = Cluster::new();
    let text = body(0, cluster.clock.now());
    let mut group = bench.benchmark_group("one answer of 70 pods");
    group.throughput(Throughput::Bytes(u64::try_from(text.len()).unwrap()));
    group.bench_function("decode", |b| {
        b.iter(|| {
            decode_resource(
                black_box(text.as_bytes()),
                cluster.clock.now(),
                Limits::default(),
            )
        });
    });
    group.bench_function("commit", |b| {
        let record = NodeRecord::new(node_name(0));
        let limits = Limits::default();
        b.iter_batched(
            || {
                cluster.clock.pass(Duration::from_secs(15));
                body(0, cluster.clock.now())
            },
            |body| {
                let reading =
                    decode_resource(body.as_bytes(), cluster.clock.now(), limits).unwrap();
                cluster.live.commit(&record, &reading)
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn answered(api: &Api, info: &RequestInfo, parts: &Parts) -> usize {
    match api.respond(info, parts) {
        Some(Reply::Whole(response)) => response.into_body().len(),
        other => panic!("{other:?}"),
    }
}

fn lists(bench: &mut Criterion) {
    let mut cluster = Cluster::new();
    let (live, commits) = (Arc::clone(&cluster.live), cluster.live.commits());
    let time: Arc<dyn Clock> = cluster.clock.clone();
    let inventory = Arc::clone(&cluster.inventory);
    let registry = &mut cluster.registry;
    let coverage = loadline::coverage::Sources {
        inventory: Arc::clone(&inventory),
        health: loadline::scrape::ScrapeHealth::new(Arc::clone(&time), Duration::from_secs(15)),
        sample: Arc::new(|_| None),
        selects: Arc::new(|_| true),
    };
    let coverage = loadline::coverage::Coverage::new(coverage, Arc::clone(&time), registry);
    let api = Api::new(live, commits, inventory, coverage, time, "0", registry);
    let mut group = bench.benchmark_group(format!("{} pods anew", nodes() * PODS));
    group.sample_size(20);
    group.throughput(Throughput::Elements(u64::try_from(nodes() * PODS).unwrap()));
    group.bench_function("view", |b| {
        b.iter_batched(
            || cluster.a_second_later(),
            |()| {
                let view = cluster.live.pods(None);
                assert_eq!(view.len(), nodes() * PODS);
                view
            },
            BatchSize::PerIteration,
        );
    });
    for (name, accept, encoding) in [
        ("JSON", "application/json", "identity"),
        ("JSON, gzip", "application/json", "gzip"),
        (
            "protobuf",
            "application/vnd.kubernetes.protobuf",
            "identity",
        ),
    ] {
        let parts = request(accept, encoding);
        let info = RequestInfo::new(&parts.method, parts.uri.path(), None).unwrap();
        group.bench_function(name, |b| {
            b.iter_batched(
                || {
                    cluster.a_second_later();
                    cluster.live.pods(None)
                },
                |_view| answered(&api, &info, &parts),
                BatchSize::PerIteration,
            );
        });
        group.bench_function(format!("{name}, again"), |b| {
            b.iter(|| answered(&api, &info, &parts));
        });
    }
    group.finish();
}

/// Prints what a minute at rest takes of this thread, by node and by pod.
fn costs(bench: &mut Criterion) {
    let cluster = Cluster::new();
    let limits = Limits::default();
    let (mut decoding, mut committing, mut rounds) = (Duration::ZERO, Duration::ZERO, 0);
    bench.bench_function("a round of all nodes", |b| {
        b.iter_custom(|times| {
            let before = decoding + committing;
            for _ in 0..times {
                cluster.clock.pass(Duration::from_secs(15));
                rounds += 1;
                for node in 0..nodes() {
                    let (body, now) = (body(node, cluster.clock.now()), cluster.clock.now());
                    let began = Instant::now();
                    let reading = decode_resource(body.as_bytes(), now, limits).unwrap();
                    let decoded = Instant::now();
                    cluster
                        .live
                        .commit(&NodeRecord::new(node_name(node)), &reading);
                    committing += decoded.elapsed();
                    decoding += decoded - began;
                }
            }
            decoding + committing - before
        });
    });
    // Another bench was asked for.
    if rounds == 0 {
        return;
    }
    let each = u32::try_from(nodes()).unwrap() * rounds;
    let (decoding, committing) = (decoding / each, committing / each);
    let pods = u32::try_from(PODS).unwrap();
    eprintln!("a node: {decoding:?} to decode, {committing:?} to commit");
    eprintln!(
        "a pod: {:?} to decode, {:?} to commit",
        decoding / pods,
        committing / pods
    );
}

criterion_group!(benches, scrape, costs, lists);
criterion_main!(benches);
