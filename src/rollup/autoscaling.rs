//! What a node has, and how much of it is used and requested: Heapster's node autoscaling enricher.

use crate::domain::{Amounts, Bytes, EntityKey, Metric, MetricSet, Point, Value};

/// The metrics of one resource.
struct Resource {
    used: Metric,
    requested: Metric,
    capacity: Metric,
    allocatable: Metric,
    utilization: Metric,
    reservation: Metric,
    amount: fn(&Amounts) -> Option<u64>,
}

const RESOURCES: [Resource; 3] = [
    Resource {
        used: Metric::CpuUsageRate,
        requested: Metric::CpuRequest,
        capacity: Metric::CpuNodeCapacity,
        allocatable: Metric::CpuNodeAllocatable,
        utilization: Metric::CpuNodeUtilization,
        reservation: Metric::CpuNodeReservation,
        amount: |amounts| amounts.cpu_millicores,
    },
    Resource {
        used: Metric::MemoryUsage,
        requested: Metric::MemoryRequest,
        capacity: Metric::MemoryNodeCapacity,
        allocatable: Metric::MemoryNodeAllocatable,
        utilization: Metric::MemoryNodeUtilization,
        reservation: Metric::MemoryNodeReservation,
        amount: |amounts| amounts.memory.map(Bytes::get),
    },
    Resource {
        used: Metric::EphemeralStorageUsage,
        requested: Metric::EphemeralStorageRequest,
        capacity: Metric::EphemeralStorageNodeCapacity,
        allocatable: Metric::EphemeralStorageNodeAllocatable,
        utilization: Metric::EphemeralStorageNodeUtilization,
        reservation: Metric::EphemeralStorageNodeReservation,
        amount: |amounts| amounts.ephemeral_storage.map(Bytes::get),
    },
];

/// Adds to a node's set its capacity and allocatable, and what share of the allocatable is used and
/// requested: CPU by its rate, memory by `memory/usage`. There is no share of an allocatable of
/// zero, and no utilization of what was not measured, where Heapster had a zero.
pub(super) fn enrich(node: &mut MetricSet) {
    if !matches!(node.key, EntityKey::Node(_)) {
        return;
    }
    let Some(record) = node.about.node.clone() else {
        return;
    };
    for resource in RESOURCES {
        if let Some(capacity) = (resource.amount)(&record.capacity) {
            node.set(Point::int(resource.capacity, capacity));
        }
        let Some(allocatable) = (resource.amount)(&record.allocatable) else {
            continue;
        };
        let allocatable = Point::int(resource.allocatable, allocatable);
        node.set(allocatable);
        let allocatable = allocatable.value().as_f64();
        if allocatable <= 0.0 {
            continue;
        }
        if let Some(used) = node.get(resource.used) {
            let share = used.as_f64() / allocatable;
            node.set(Point::float(resource.utilization, share));
        }
        let requested = node.get(resource.requested).map_or(0.0, Value::as_f64);
        node.set(Point::float(resource.reservation, requested / allocatable));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::NodeRecord;
    use crate::rollup::testing::{node_record, with, words};

    fn enriched(record: NodeRecord, points: &[(Metric, i64)]) -> Vec<String> {
        let mut set = with(EntityKey::Node(record.name.clone()), points);
        set.points.clear();
        for (metric, value) in points {
            set.set(Point::int(*metric, *value));
        }
        set.about.node = Some(Arc::new(record));
        enrich(&mut set);
        let of_nodes = |word: &String| word.contains("/node_");
        words(&set).into_iter().filter(of_nodes).collect()
    }

    const USED: &[(Metric, i64)] = &[
        (Metric::CpuUsageRate, 1500),
        (Metric::CpuRequest, 400),
        (Metric::MemoryUsage, 5 << 30),
        (Metric::MemoryWorkingSet, 1),
    ];

    #[test]
    fn shares_are_of_what_is_allocatable() {
        assert_eq!(
            enriched(node_record("n1"), USED),
            [
                "cpu/node_capacity 8000.0",
                "cpu/node_allocatable 7500.0",
                "cpu/node_utilization 0.2",
                "cpu/node_reservation 0.05333333333333334",
                "memory/node_capacity 17179869184.0",
                "memory/node_allocatable 16106127360.0",
                "memory/node_utilization 0.3333333333333333",
                "memory/node_reservation 0.0",
            ]
        );
    }

    #[test]
    fn there_is_no_share_of_nothing_and_none_that_was_not_measured() {
        let mut record = node_record("n1");
        record.allocatable.cpu_millicores = Some(0);
        record.allocatable.memory = None;
        record.allocatable.ephemeral_storage = Some(Bytes::new(10));
        assert_eq!(
            enriched(record, USED),
            [
                "cpu/node_capacity 8000.0",
                "cpu/node_allocatable 0.0",
                "memory/node_capacity 17179869184.0",
                "ephemeral_storage/node_allocatable 10.0",
                "ephemeral_storage/node_reservation 0.0",
            ]
        );
    }
}
