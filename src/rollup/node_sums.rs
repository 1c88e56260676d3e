//! Requests and limits of a node's pods: Heapster's node aggregator.

use crate::domain::{EntityKey, EntityKind, Metric, MetricSet, Point, Value};

/// What is added up.
const METRICS: [Metric; 6] = [
    Metric::CpuRequest,
    Metric::CpuLimit,
    Metric::MemoryRequest,
    Metric::MemoryLimit,
    Metric::EphemeralStorageRequest,
    Metric::EphemeralStorageLimit,
];

/// Adds to the node, where it was measured, the requests and limits of the pods that were.
///
/// `sets` are those of one node, sorted by key.
pub(super) fn aggregate(sets: &mut [MetricSet]) {
    let mut sums = [None::<i64>; METRICS.len()];
    for pod in sets.iter().filter(|set| set.key.kind() == EntityKind::Pod) {
        for (sum, metric) in sums.iter_mut().zip(METRICS) {
            if let Some(amount) = pod.get(metric).map(Value::as_i64) {
                *sum = Some(sum.unwrap_or(0).saturating_add(amount));
            }
        }
    }
    let Some(node) = sets.first_mut() else { return };
    if !matches!(node.key, EntityKey::Node(_)) {
        return;
    }
    for (sum, metric) in sums.into_iter().zip(METRICS) {
        if let Some(sum) = sum {
            node.set(Point::int(metric, sum));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollup::testing::{container_key, node_record, pod_key, with, words};

    #[test]
    fn a_measured_node_has_what_its_pods_request() {
        let points = [
            (Metric::CpuRequest, 100),
            (Metric::MemoryLimit, 5),
            (Metric::CpuUsageRate, 9),
        ];
        let pod = |name| with(EntityKey::Pod(pod_key("a", name)), &points);
        let container = with(container_key("a", "p1", "c"), &points);
        let node = with(EntityKey::Node(node_record("n1").name), &[]);
        let mut sets = [node, pod("p1"), pod("p2"), container];
        aggregate(&mut sets);
        assert_eq!(words(&sets[0]), ["cpu/request 200", "memory/limit 10"]);
        let mut without_node = [pod("p1")];
        aggregate(&mut without_node);
        assert_eq!(without_node, [pod("p1")]);
        aggregate(&mut []);
    }
}
