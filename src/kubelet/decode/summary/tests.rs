//! Real answers, and what else may come.

use super::*;
use crate::domain::{Metric, MetricSet, NodeName, Timestamp, Value};

const REAL: [&str; 5] = [
    include_str!("../testdata/summary-0.json"),
    include_str!("../testdata/summary-1.json"),
    include_str!("../testdata/summary-2.json"),
    include_str!("../testdata/summary-3.json"),
    include_str!("../testdata/summary-4.json"),
];

/// A sample the real Heapster was fed.
const HEAPSTERS: &str = include_str!("../../../../tests/golden/heapster/in/summary-node-1-1.json");

fn decode(text: &str) -> SummaryReading<'_> {
    decode_summary(text.as_bytes(), Limits::default()).unwrap()
}

fn node() -> NodeName {
    NodeName::new("n1").unwrap()
}

fn time(text: &str) -> Timestamp {
    let at: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_millis(at.as_millisecond())
}

/// The sets of an answer a minute into 2026-11-21T10.
fn sets(text: &str) -> SourceSets {
    decode(text).metric_sets(&node(), time("2026-11-21T10:01:00Z"))
}

fn set<'s>(sets: &'s SourceSets, key: &str) -> &'s MetricSet {
    let found = sets.sets.iter().find(|set| set.key.to_string() == key);
    found.unwrap_or_else(|| panic!("no {key}"))
}

fn keys(sets: &SourceSets) -> Vec<String> {
    sets.sets.iter().map(|set| set.key.to_string()).collect()
}

fn int(set: &MetricSet, metric: Metric) -> Option<i64> {
    set.get(metric).map(Value::as_i64)
}

/// Value of a filesystem's metric.
fn of(set: &MetricSet, metric: Metric, by: &str) -> Option<i64> {
    let found = |q: &&crate::domain::Qualified| q.point.metric() == metric && *q.by == *by;
    let point = set.qualified.iter().find(found)?.point;
    Some(point.value().as_i64())
}

#[test]
fn a_real_answer_says_what_jq_reads_in_it() {
    let sets = sets(REAL[3]);
    assert_eq!(sets.skipped_entities, 0);
    assert_eq!(
        keys(&sets),
        [
            "node:n1",
            "node:n1/container:pods",
            "namespace:default/pod:burn",
            "namespace:default/pod:burn/container:idle",
            "namespace:default/pod:burn/container:busy",
        ]
    );
    let of_node = set(&sets, "node:n1");
    assert_eq!(of_node.started, Some(time("2026-11-21T09:07:16Z")));
    assert_eq!(of_node.sampled, Some(time("2026-11-21T09:31:56Z")));
    assert_eq!(of_node.network_sampled, None);
    for (metric, value) in [
        (Metric::Uptime, 3_224_000),
        (Metric::CpuUsage, 1_439_100_115_580),
        (Metric::MemoryUsage, 2_040_426_496),
        (Metric::MemoryWorkingSet, 1_738_727_424),
        (Metric::MemoryRss, 1_455_112_192),
        (Metric::MemoryPageFaults, 40_984),
        (Metric::MemoryMajorPageFaults, 0),
        (Metric::NetworkRx, 396_691_761),
        (Metric::NetworkTx, 1_882_828),
        (Metric::EphemeralStorageUsage, 22_192_697_344),
        (Metric::MemorySwap, 0),
        (Metric::MemorySwapAvailable, 0),
        (Metric::ProcessCount, 183),
        (Metric::CpuPressureSome, 0),
        (Metric::IoPressureFull, 0),
    ] {
        assert_eq!(int(of_node, metric), Some(value), "{metric:?}");
    }
    assert_eq!(of(of_node, Metric::FilesystemInodes, "/"), Some(16_777_216));
    let pod = set(&sets, "namespace:default/pod:burn");
    let uid = Some("4a429e42-debf-48fe-82ea-3840663a1bf0");
    assert_eq!(pod.pod_uid.as_deref(), uid);
    assert_eq!(int(pod, Metric::CpuUsage), Some(26_483_624_246));
    assert_eq!(int(pod, Metric::EphemeralStorageUsage), Some(20_480));
    // In the host's network, so Heapster would have had no stamp for it.
    assert_eq!(pod.sampled, Some(time("2026-11-21T09:31:51Z")));
    let idle = set(&sets, "namespace:default/pod:burn/container:idle");
    assert_eq!(idle.pod_uid.as_deref(), uid);
    assert_eq!(int(idle, Metric::CpuUsage), Some(10_446_973));
    assert_eq!(int(idle, Metric::MemoryPageFaults), None);
    assert_eq!(int(idle, Metric::EphemeralStorageUsage), Some(8192));
    assert_eq!(of(idle, Metric::FilesystemUsage, "/"), Some(8192));
    assert_eq!(of(idle, Metric::FilesystemUsage, "logs"), Some(0));
}
