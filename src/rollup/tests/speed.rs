//! What a tick costs; run it with `--ignored --nocapture`, optimised, to believe it.

use std::time::Duration;

use super::*;
use crate::domain::{Inventory, Metric, NodeName, Point, Qualified};
use crate::rollup::column::{Column, Maker};
use crate::rollup::testing::{container_key, node_record, pod_key, pod_record};

const NODES: usize = 5_000;
const PODS: usize = 30;
const CONTAINERS: [&str; 2] = ["app", "sidecar"];

#[derive(Debug)]
struct Nowhere;

impl Columns for Nowhere {
    fn append(&self, _: Timestamp, _: &[MetricSet]) {}
    fn finish(&self, _: Timestamp) {}
    fn begin_anew(&self) {}
}

/// A set as a summary makes it.
fn set(key: EntityKey, tick: usize, metrics: &[Metric], filesystems: &[Arc<str>]) -> MetricSet {
    let mut set = MetricSet::new(key);
    let seconds = i64::try_from(tick * 60).unwrap();
    set.started = Some(Timestamp::from_millis(1));
    set.sampled = Some(Timestamp::from_millis(seconds * 1000 + 7));
    for metric in metrics {
        set.set(Point::int(*metric, seconds * 50_000_000 + 1));
    }
    for by in filesystems {
        for metric in Metric::all().filter(|m| m.is_labelled()) {
            let (by, point) = (Arc::clone(by), Point::int(metric, 1 << 30));
            set.qualified.push(Qualified { by, point });
        }
    }
    set
}

fn sets(node: &NodeName, number: usize, tick: usize, by: &[Arc<str>]) -> Vec<MetricSet> {
    use Metric as M;
    let container = [
        M::Uptime,
        M::CpuUsage,
        M::MemoryUsage,
        M::MemoryWorkingSet,
        M::MemoryRss,
        M::MemoryPageFaults,
        M::MemoryMajorPageFaults,
        M::EphemeralStorageUsage,
        M::MemorySwap,
    ];
    let mut pod = container.to_vec();
    pod.extend([
        M::NetworkRx,
        M::NetworkRxErrors,
        M::NetworkTx,
        M::NetworkTxErrors,
    ]);
    let mut sets = vec![set(EntityKey::Node(node.clone()), tick, &pod, &by[..1])];
    for p in 0..PODS {
        let (namespace, name) = named(number, p);
        let key = EntityKey::Pod(pod_key(&namespace, &name));
        sets.push(set(key, tick, &pod, &by[..1]));
        for c in CONTAINERS {
            sets.push(set(
                container_key(&namespace, &name, c),
                tick,
                &container,
                by,
            ));
        }
    }
    sets
}

fn named(node: usize, pod: usize) -> (String, String) {
    let number = node * PODS + pod;
    (
        format!("team-{}", number % 300),
        format!("web-6d5c9fb5d7-{number:06}"),
    )
}

/// How long this thread has run, by the kernel's account: others may be busy meanwhile.
fn busy() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanos = text.split(' ').next().unwrap();
    Duration::from_nanos(nanos.parse().unwrap())
}

#[test]
#[ignore = "measures"]
#[expect(clippy::cast_precision_loss, reason = "measures")]
fn time_and_bytes_per_container() {
    let inventory = Inventory::new();
    let nodes: Vec<_> = (0..NODES)
        .map(|n| node_record(&format!("node-{n}")))
        .collect();
    for (n, node) in nodes.iter().enumerate() {
        inventory.apply_node(node.clone());
        for p in 0..PODS {
            let (namespace, name) = named(n, p);
            inventory.apply_pod(pod_record(
                &namespace,
                &name,
                node.name.as_str(),
                &CONTAINERS,
            ));
        }
    }
    let by: Vec<Arc<str>> = vec!["/".into(), "logs".into()];
    let records = inventory.nodes();
    let mut maker = Maker::default();
    let containers = NODES * PODS * CONTAINERS.len();
    for tick in 1..=3 {
        let at = Timestamp::from_millis(60_000);
        let mut column = Column::new(&mut maker, &inventory, &Nowhere, at, None);
        let mut took = Duration::ZERO;
        for node in &records {
            let number: usize = node.name.as_str()[5..].parse().unwrap();
            let sets = sets(&node.name, number, tick, &by);
            let begun = busy();
            column.add(node, &sets, Duration::ZERO, Duration::from_secs(65));
            took += busy().saturating_sub(begun);
        }
        let begun = busy();
        let (done, _) = column.finish();
        took += busy().saturating_sub(begun);
        assert_eq!(done.nodes_without_data, 0);
        let micros = took.as_secs_f64() * 1e6;
        println!(
            "tick {tick}: {:.2} s, {:.2} us a pod, {:.2} us a container, {} B a container kept",
            took.as_secs_f64(),
            micros / (NODES * PODS) as f64,
            micros / containers as f64,
            maker.bytes() / containers,
        );
    }
}
