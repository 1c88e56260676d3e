//! What the pods of a namespace add up to, and all of them: Heapster's namespace and cluster
//! aggregators.

use std::collections::BTreeMap;

use super::claim::Claims;
use crate::domain::{EntityKey, EntityKind, Metric, MetricSet, Namespace, Point, Value};

/// What is added up.
const METRICS: [Metric; 6] = [
    Metric::CpuUsageRate,
    Metric::CpuRequest,
    Metric::CpuLimit,
    Metric::MemoryUsage,
    Metric::MemoryRequest,
    Metric::MemoryLimit,
];

type Amounts = [Option<i64>; METRICS.len()];

/// The sums of one tick, over all nodes added so far.
#[derive(Debug, Default)]
pub(super) struct Sums {
    namespaces: BTreeMap<Namespace, Amounts>,
}

impl Sums {
    /// Adds the pods of a node.
    pub(super) fn add(&mut self, sets: &[MetricSet]) {
        for set in sets.iter().filter(|set| set.key.kind() == EntityKind::Pod) {
            let EntityKey::Pod(pod) = &set.key else {
                continue;
            };
            if !self.namespaces.contains_key(&pod.namespace) {
                let none = Amounts::default();
                self.namespaces.insert(pod.namespace.clone(), none);
            }
            let Some(sums) = self.namespaces.get_mut(&pod.namespace) else {
                continue;
            };
            for (sum, metric) in sums.iter_mut().zip(METRICS) {
                add(sum, set.get(metric).map(Value::as_i64));
            }
        }
    }

    /// The sets of the cluster, which is always there, and of each namespace with a pod.
    pub(super) fn finish(self, claims: &mut Claims<'_>) -> Vec<MetricSet> {
        let mut all = Amounts::default();
        for sums in self.namespaces.values() {
            for (all, sum) in all.iter_mut().zip(sums) {
                add(all, *sum);
            }
        }
        let mut sets = vec![set(EntityKey::Cluster, all)];
        sets.extend(self.namespaces.into_iter().map(|(namespace, sums)| {
            let uid = claims.namespace_uid(&namespace);
            let mut set = set(EntityKey::Namespace(namespace), sums);
            set.about.namespace_uid = uid;
            set
        }));
        sets
    }
}

fn add(sum: &mut Option<i64>, amount: Option<i64>) {
    if let Some(amount) = amount {
        *sum = Some(sum.unwrap_or(0).saturating_add(amount));
    }
}

fn set(key: EntityKey, sums: Amounts) -> MetricSet {
    let mut set = MetricSet::new(key);
    for (metric, sum) in METRICS.into_iter().zip(sums) {
        if let Some(sum) = sum {
            set.set(Point::int(metric, sum));
        }
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Inventory;
    use crate::rollup::testing::{container_key, pod_key, with, words};

    fn pod(namespace: &str, name: &str, points: &[(Metric, i64)]) -> MetricSet {
        with(EntityKey::Pod(pod_key(namespace, name)), points)
    }

    #[test]
    fn namespaces_add_up_their_pods_and_the_cluster_its_namespaces() {
        let inventory = Inventory::new();
        inventory.apply_namespace(pod_key("a", "x").namespace, "uid-a".into());
        let points = |n| {
            [
                (Metric::CpuUsageRate, n),
                (Metric::MemoryUsage, 10 * n),
                (Metric::MemoryWorkingSet, n),
                (Metric::CpuRequest, 100 * n),
            ]
        };
        let mut sums = Sums::default();
        sums.add(&[
            pod("b", "p", &points(1)),
            with(container_key("b", "p", "c"), &points(1)),
        ]);
        sums.add(&[pod("a", "p", &points(2)), pod("b", "q", &points(4))]);
        sums.add(&[pod("c", "p", &[(Metric::MemoryUsage, 8)])]);
        let sets = sums.finish(&mut Claims::new(&inventory));
        let found: Vec<_> = sets
            .iter()
            .map(|set| (set.key.to_string(), words(set).join(", ")))
            .collect();
        let expected = [
            (
                "cluster",
                "cpu/usage_rate 7, cpu/request 700, memory/usage 78",
            ),
            (
                "namespace:a",
                "cpu/usage_rate 2, cpu/request 200, memory/usage 20",
            ),
            (
                "namespace:b",
                "cpu/usage_rate 5, cpu/request 500, memory/usage 50",
            ),
            ("namespace:c", "memory/usage 8"),
        ];
        assert_eq!(found, expected.map(|(k, w)| (k.to_string(), w.to_string())));
        assert_eq!(sets[1].about.namespace_uid.as_deref(), Some("uid-a"));
        assert_eq!(sets[2].about.namespace_uid, None);
    }

    #[test]
    fn the_cluster_is_always_there() {
        let inventory = Inventory::new();
        let sets = Sums::default().finish(&mut Claims::new(&inventory));
        assert_eq!(sets, [MetricSet::new(EntityKey::Cluster)]);
    }
}
