//! What a minute of a node costs: its summary read and made into sets, then its part of a column
//! in the history.
//!
//! No criterion: what counts is how many instructions and allocations it takes, and a machine with
//! others on it tells those as well as a quiet one.
//!
//!     cargo bench --bench tick --no-run
//!     valgrind --tool=callgrind --toggle-collect='*measured_minute*' target/release/deps/tick-…
//!
//! divides by 160: eight minutes of twenty nodes, with a pod of one container 105 times each, after
//! as many minutes as fill the history.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot be prepared has failed"
)]

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use loadline::domain::{
    Clock, ContainerKind, ContainerName, ContainerRecord, Inventory, Namespace, NodeName,
    NodeRecord, PodKey, PodName, PodPhase, PodRecord, Timestamp,
};
use loadline::history::{self, History};
use loadline::kubelet::{Limits, decode_summary};
use loadline::lifecycle::Stop;
use loadline::live::{self, Live};
use loadline::rollup::{self, Rollup};
use loadline::telemetry::Registry;

const NODES: usize = 20;
const PODS: usize = 105;
const FILLING: usize = 17;
const MEASURED: usize = 8;
/// When the first minute begins: a whole one.
const BEGIN: i64 = 1_795_255_320_000;

/// Tokio's clock, which stands still while anything can be done.
#[derive(Debug)]
struct Paused(tokio::time::Instant);

impl Clock for Paused {
    fn now(&self) -> Timestamp {
        let elapsed = self.0.elapsed().as_millis();
        Timestamp::from_millis(BEGIN + i64::try_from(elapsed).unwrap())
    }

    fn monotonic(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

struct Cluster {
    live: Arc<Live>,
    clock: Arc<dyn Clock>,
    nodes: Vec<NodeName>,
}

fn namespace(pod: usize) -> String {
    format!("shop-{}", pod % 14)
}

fn pod_name(node: usize, pod: usize) -> String {
    format!("checkout-6d5c9fb5d7-{:05}", node * PODS + pod)
}

fn uid(node: usize, pod: usize) -> String {
    format!("4a429e42-debf-48fe-82ea-{:012}", node * PODS + pod)
}

fn pod_record(node: &NodeName, number: usize, pod: usize) -> PodRecord {
    let name = PodName::new(pod_name(number, pod)).unwrap();
    let app = ContainerName::new("app").unwrap();
    PodRecord {
        key: PodKey::new(Namespace::new(namespace(pod)).unwrap(), name),
        uid: uid(number, pod).into(),
        node: Some(node.clone()),
        labels: [("app", "checkout")].into_iter().collect(),
        phase: PodPhase::Running,
        containers: [ContainerRecord::new(app, ContainerKind::Regular, true)].into(),
    }
}

/// What kubelets say of a cgroup, a `minute` after the begin.
fn consumed(minute: usize, salt: usize) -> String {
    let noise = (salt * 7_919 + minute * 104_729) % 1_009;
    let time = time(minute);
    let psi = |total: usize| {
        let of = |total| {
            format!(r#"{{ "total": {total}, "avg10": 0.5, "avg60": 0.25, "avg300": 0.1 }}"#)
        };
        format!(r#"{{ "full": {}, "some": {} }}"#, of(total / 2), of(total))
    };
    let cpu = 1_000_000_000 + minute * 6_000_000_000 + noise * 1_000_003;
    let memory = 4096 * (20_000 + noise);
    format!(
        r#""startTime": "2026-11-21T09:07:16Z",
"cpu": {{ "time": "{time}", "usageNanoCores": 51000000, "usageCoreNanoSeconds": {cpu}, "psi": {} }},
"memory": {{ "time": "{time}", "usageBytes": {}, "workingSetBytes": {memory}, "rssBytes": {},
  "pageFaults": {}, "majorPageFaults": 12, "psi": {} }},
"io": {{ "time": "{time}", "psi": {} }},
"swap": {{ "time": "{time}", "swapAvailableBytes": 0, "swapUsageBytes": 0 }}"#,
        psi(minute * 1_234_567 + noise),
        memory + memory / 8,
        memory / 2,
        minute * 600 + noise,
        psi(0),
        psi(0),
    )
}

fn time(minute: usize) -> String {
    format!("2026-11-22T{:02}:{:02}:40Z", 10 + minute / 60, minute % 60)
}

fn disk(minute: usize, used: usize) -> String {
    format!(
        r#""time": "{}", "availableBytes": {}, "capacityBytes": 100000000000, "usedBytes": {used},
"inodesFree": 6000000, "inodes": 6553600, "inodesUsed": 12"#,
        time(minute),
        100_000_000_000_usize - used
    )
}

fn network(minute: usize) -> String {
    let bytes = format!(
        r#""name": "eth0", "rxBytes": {}, "rxErrors": 0, "txBytes": {}, "txErrors": 0"#,
        minute * 60_000,
        minute * 30_000
    );
    format!(
        r#""network": {{ "time": "{}", {bytes}, "interfaces": [ {{ {bytes} }} ] }}"#,
        time(minute)
    )
}

/// What a kubelet answers, indented as it does: by a space for each level.
fn summary(node: usize, minute: usize) -> Vec<u8> {
    let pods: Vec<String> = (0..PODS)
        .map(|pod| {
            let disk = disk(minute, 8_192);
            let consumed = |salt| consumed(minute, node * PODS * 2 + pod * 2 + salt);
            format!(
                r#"{{ "podRef": {{ "name": "{}", "namespace": "{}", "uid": "{}" }}, {},
"containers": [ {{ "name": "app", {}, "rootfs": {{ {disk} }}, "logs": {{ {disk} }} }} ],
{}, "volume": [ {{ {disk}, "name": "kube-api-access-{node:02}{pod:03}" }} ],
"ephemeral-storage": {{ {disk} }}, "process_stats": {{ "process_count": 1 }} }}"#,
                pod_name(node, pod),
                namespace(pod),
                uid(node, pod),
                consumed(0),
                consumed(1),
                network(minute),
            )
        })
        .collect();
    let disk = disk(minute, 22_192_697_344);
    let text = format!(
        r#"{{ "node": {{ "nodeName": "node-{node:04}", {}, {}, "fs": {{ {disk} }}, "runtime": {{ "imageFs": {{ {disk} }} }},
"systemContainers": [ {{ "name": "pods", {} }} ], "rlimit": {{ "maxpid": 32768, "curproc": 183 }} }}, "pods": [ {} ] }}"#,
        consumed(minute, node),
        network(minute),
        consumed(minute, node + 1),
        pods.join(",")
    );
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut indented = Vec::new();
    let form = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut indented, form);
    serde::Serialize::serialize(&value, &mut serializer).unwrap();
    indented
}

impl Cluster {
    fn summarize(&self, node: &NodeName, body: &[u8]) {
        let reading = decode_summary(body, Limits::default()).unwrap();
        self.live.keep_summary(node, |before| {
            let made = reading.metric_sets(node, self.clock.now(), before);
            (made.sets, ())
        });
    }

    /// The answers of all nodes arrive, and the column after them is made.
    async fn minute(&self, bodies: &[Vec<u8>], mut rollup: Pin<&mut impl Future<Output = ()>>) {
        for (node, body) in self.nodes.iter().zip(bodies) {
            self.summarize(node, body);
        }
        let over = tokio::time::sleep(Duration::from_secs(60));
        tokio::select! { () = &mut rollup => {}, () = over => {} }
    }
}

#[inline(never)]
fn measured_minute(runtime: &tokio::runtime::Runtime, minute: impl Future<Output = ()>) {
    runtime.block_on(minute);
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let _inside = runtime.enter();
    let mut registry = Registry::default();
    let inventory = Arc::new(Inventory::new());
    let clock: Arc<dyn Clock> = Arc::new(Paused(tokio::time::Instant::now()));
    let names = (0..NODES).map(|node| NodeName::new(format!("node-{node:04}")).unwrap());
    let nodes: Vec<NodeName> = names.collect();
    for (number, node) in nodes.iter().enumerate() {
        inventory.apply_node(NodeRecord::new(node.clone()));
        (0..PODS).for_each(|pod| inventory.apply_pod(pod_record(node, number, pod)));
    }
    let config = live::Config {
        resolution: Duration::from_secs(15),
    };
    let live = Live::new(
        config,
        Arc::clone(&inventory),
        Arc::clone(&clock),
        &mut registry,
    );
    let live = Arc::new(live);
    let history = Arc::new(History::new(history::Config::default(), &mut registry));
    let rollup = Rollup::new(
        rollup::Config::default(),
        inventory,
        Arc::clone(&live) as Arc<dyn rollup::Source>,
        Arc::clone(&history) as Arc<dyn rollup::Columns>,
        Arc::clone(&clock),
        &mut registry,
    );
    let cluster = Cluster { live, clock, nodes };
    let (_running, stop) = Stop::channel();
    let mut run = pin!(rollup.run(stop));
    // Twenty seconds before a tick.
    runtime.block_on(tokio::time::sleep(Duration::from_secs(40)));
    let mut took = Duration::ZERO;
    for minute in 0..FILLING + MEASURED {
        let bodies: Vec<Vec<u8>> = (0..NODES).map(|node| summary(node, minute)).collect();
        let minute_long = cluster.minute(&bodies, run.as_mut());
        if minute < FILLING {
            runtime.block_on(minute_long);
            continue;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "the time of the machine is meant"
        )]
        let begun = Instant::now();
        measured_minute(&runtime, minute_long);
        took += begun.elapsed();
    }
    let columns = history.view().ticks().len();
    let each = took / u32::try_from(NODES * MEASURED).unwrap();
    println!("{columns} columns; {each:?} a node and minute");
}
