//! The history: what a kubelet's summary costs to read, a set to append, and a list of pods to read.
//!
//! `cargo bench --bench history`. A kubelet's worth of pods is appended a
//! tick; with 300,000 containers a tick is that many sets, and half as many again for their pods.
//! What a series costs in memory is measured by the ignored test `bytes_and_time_per_series`.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a bench that cannot be prepared has failed"
)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use loadline::domain::{
    EntityKey, Metric, MetricSet, Namespace, NodeName, PodKey, PodName, Point, Timestamp, Units,
};
use loadline::history::{Aggregation, Config, History, Series, Span, Subject, aggregate};
use loadline::kubelet::{Limits, decode_summary};
use loadline::telemetry::Registry;
use serde_json::{Value, json};

const PODS: i64 = 1_000;
const SLOTS: i64 = 15;

fn key(pod: i64) -> EntityKey {
    let namespace = Namespace::new("shop").unwrap();
    let name = PodName::new(format!("checkout-6d5c9fb5d7-{pod:05}")).unwrap();
    EntityKey::Pod(PodKey::new(namespace, name))
}

/// Counters that grow unevenly, gauges that wander, and constants.
fn set(key: &EntityKey, pod: i64, tick: i64) -> MetricSet {
    let noise = (pod * 7_919 + tick * 104_729) % 1_009;
    let mut set = MetricSet::new(key.clone());
    for metric in Metric::all().filter(|metric| !metric.is_labelled()) {
        set.set(if metric.is_float() {
            Point::float(metric, f64::from(i32::try_from(noise).unwrap()) / 60.0)
        } else if metric.rate().is_some() {
            Point::int(metric, tick * 6_000_000_000 + noise * 1_000_003)
        } else if metric.units() == Units::Bytes {
            Point::int(metric, 4_096 * (20_000 + noise))
        } else {
            Point::int(metric, 100)
        });
    }
    set
}

fn column(keys: &[EntityKey], tick: i64) -> Vec<MetricSet> {
    (0..)
        .zip(keys)
        .map(|(pod, key)| set(key, pod, tick))
        .collect()
}

fn append(ring: &History, tick: i64, sets: &[MetricSet]) {
    let tick = Timestamp::from_millis(tick * 60_000);
    ring.append(tick, sets).unwrap();
    ring.finish(tick).unwrap();
}

/// What a kubelet answers of so many pods with a container each, indented as it does.
fn summary(pods: i64) -> Vec<u8> {
    let time = "2026-11-21T10:00:00Z";
    let psi = json!({
        "full": { "total": 1_234_567, "avg10": 0.5, "avg60": 0.25, "avg300": 0.1 },
        "some": { "total": 7_654_321, "avg10": 0.5, "avg60": 0.25, "avg300": 0.1 },
    });
    let disk = json!({
        "time": time, "availableBytes": 75_000_000_000_i64, "capacityBytes": 100_000_000_000_i64,
        "usedBytes": 8_192, "inodesFree": 6_000_000, "inodes": 6_553_600, "inodesUsed": 12,
    });
    let consumed = |name: &str| {
        json!({
            "name": name, "startTime": time,
            "cpu": { "time": time, "usageNanoCores": 51_000_000, "usageCoreNanoSeconds": 123_456_789_012_i64, "psi": psi },
            "memory": {
                "time": time, "usageBytes": 54_525_952, "workingSetBytes": 48_234_496, "rssBytes": 40_234_496,
                "pageFaults": 123_456, "majorPageFaults": 12, "psi": psi,
            },
            "io": { "time": time, "psi": psi },
            "swap": { "time": time, "swapUsageBytes": 0 },
            "rootfs": disk, "logs": disk,
        })
    };
    let pod = |pod: i64| {
        let mut of_pod = consumed("");
        of_pod["podRef"] = json!({
            "name": format!("checkout-6d5c9fb5d7-{pod:05}"), "namespace": format!("shop-{}", pod % 14),
            "uid": format!("4a429e42-debf-48fe-82ea-{pod:012}"),
        });
        let bytes = json!({ "name": "eth0", "rxBytes": 396_691_761, "rxErrors": 0, "txBytes": 1_882_828, "txErrors": 0 });
        of_pod["network"] = bytes.clone();
        of_pod["network"]["time"] = json!(time);
        of_pod["network"]["interfaces"] = json!([bytes]);
        of_pod["containers"] = json!([consumed("app")]);
        of_pod["volume"] = json!([disk]);
        of_pod["ephemeral-storage"] = disk.clone();
        of_pod
    };
    let pods: Vec<Value> = (0..pods).map(pod).collect();
    let summary = json!({ "node": consumed(""), "pods": pods });
    serde_json::to_vec_pretty(&summary).unwrap()
}

/// From the bytes of a kubelet with 70 pods to sets.
fn summaries(c: &mut Criterion) {
    let body = summary(70);
    let node = NodeName::new("node-0001").unwrap();
    let limits = Limits {
        max_containers: 500,
    };
    let mut group = c.benchmark_group("summary");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("decode", |b| {
        b.iter(|| _ = black_box(decode_summary(black_box(&body), limits)));
    });
    group.bench_function("decode and make sets", |b| {
        b.iter(|| {
            let reading = decode_summary(&body, limits).unwrap();
            black_box(reading.metric_sets(
                &node,
                Timestamp::from_millis(1_795_255_300_000),
                Vec::new(),
            ))
        });
    });
    group.finish();
}

fn history(c: &mut Criterion) {
    let keys: Vec<EntityKey> = (0..PODS).map(key).collect();
    let ring = History::new(Config::default(), &mut Registry::default());
    let columns: Vec<_> = (0..SLOTS).map(|tick| column(&keys, tick)).collect();
    let mut tick = 0;
    let mut next = || {
        let sets = columns.get(usize::try_from(tick % SLOTS).unwrap());
        tick += 1;
        append(&ring, tick, sets.unwrap());
    };
    (0..SLOTS).for_each(|_| next());

    let mut group = c.benchmark_group("history");
    group.throughput(Throughput::Elements(PODS.cast_unsigned()));
    group.bench_function("append a column", |b| b.iter(&mut next));
    let series = Series::of(Metric::MemoryWorkingSet);
    let subjects: Vec<Subject> = keys.iter().cloned().map(Subject::Entity).collect();
    group.bench_function("read a series of every pod", |b| {
        b.iter(|| {
            let view = ring.view();
            let points = |subject| view.points(subject, &series, Span::ALL).len();
            black_box(subjects.iter().map(points).sum::<usize>())
        });
    });
    group.bench_function("visit the newest sets", |b| {
        b.iter(|| ring.view().for_each_latest(|set| _ = black_box(set)));
    });
    group.finish();
    let points = ring
        .view()
        .points(&Subject::Entity(key(0)), &series, Span::ALL);
    c.bench_function("history/aggregate", |b| {
        b.iter(|| aggregate(black_box(&points), &Aggregation::ALL, Span::ALL, None));
    });
}

criterion_group!(benches, summaries, history);
criterion_main!(benches);
