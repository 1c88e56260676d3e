//! Requests, limits and restarts of containers, and the sets of what was not measured: Heapster's
//! pod based enricher.

use std::sync::Arc;

use crate::domain::{
    About, Amounts, Bytes, ContainerKind, ContainerRecord, EntityKey, EntityKind, Metric,
    MetricSet, Point, Qualified,
};

/// Adds to each container what the API server says of it, and the sets that are missing.
///
/// Containers get `cpu`, `memory` and `ephemeral_storage` `/request` and `/limit` (0 where none is
/// set), `RESOURCE/request` of any other resource, and `restart_count`. Init and ephemeral
/// containers request nothing for the time the pod runs, so they get the restarts alone; sidecars
/// request like any other.
///
/// A pod of which anything was measured gets a set for itself, and one for each container of it
/// that was not, without anything measured in it. Other than Heapster's these have all labels and
/// the restarts.
///
/// `sets` is sorted by key, before and after.
pub(super) fn enrich(sets: &mut Vec<MetricSet>) {
    let mut missing = Vec::new();
    missing_sets(sets, &mut missing);
    if !missing.is_empty() {
        sets.append(&mut missing);
        sets.sort_by(|a, b| a.key.cmp(&b.key));
    }
    for set in sets {
        let EntityKey::Container(_, name) = &set.key else {
            continue;
        };
        let Some(pod) = set.about.pod.clone() else {
            continue;
        };
        if let Some(container) = pod.containers.iter().find(|c| c.name == *name) {
            add(set, container);
        }
    }
}

/// The pods without a set and the containers without one, of pods that have any.
fn missing_sets(sets: &[MetricSet], missing: &mut Vec<MetricSet>) {
    let from = sets.partition_point(|set| set.key.kind() < EntityKind::Pod);
    let to = sets.partition_point(|set| set.key.kind() <= EntityKind::Pod);
    let pods = sets.get(from..to).unwrap_or_default();
    let containers = sets.get(to..).unwrap_or_default();
    let mut next = pods.iter().peekable();
    let of_one_pod = |a: &MetricSet, b: &MetricSet| a.key.pod() == b.key.pod();
    for containers in containers.chunk_by(of_one_pod) {
        let Some(first) = containers.first() else {
            continue;
        };
        // Pods before this one have a set, but no container was measured.
        while let Some(pod) = next.next_if(|pod| pod.key.pod() < first.key.pod()) {
            missing_containers(pod, &[], missing);
        }
        if next
            .next_if(|pod| pod.key.pod() == first.key.pod())
            .is_none()
            && let Some(key) = first.key.pod()
        {
            missing.push(unmeasured(EntityKey::Pod(key.clone()), &first.about));
        }
        missing_containers(first, containers, missing);
    }
    for pod in next {
        missing_containers(pod, &[], missing);
    }
}

/// The containers of the pod `of` belongs to that are not among those measured.
fn missing_containers(of: &MetricSet, measured: &[MetricSet], missing: &mut Vec<MetricSet>) {
    let Some(pod) = &of.about.pod else { return };
    for container in pod.containers.iter().filter(|c| requests(c)) {
        let key = EntityKey::Container(pod.key.clone(), container.name.clone());
        if measured.binary_search_by(|set| set.key.cmp(&key)).is_err() {
            missing.push(unmeasured(key, &of.about));
        }
    }
}

fn unmeasured(key: EntityKey, about: &About) -> MetricSet {
    let mut set = MetricSet::new(key);
    set.about = about.clone();
    set
}

/// Whether its requests count for as long as the pod runs.
const fn requests(container: &ContainerRecord) -> bool {
    matches!(
        container.kind,
        ContainerKind::Regular | ContainerKind::Sidecar
    )
}

fn add(set: &mut MetricSet, container: &ContainerRecord) {
    let restarts = Point::int(Metric::RestartCount, container.restart_count);
    if !requests(container) {
        set.set(restarts);
        return;
    }
    let Amounts {
        cpu_millicores,
        memory,
        ephemeral_storage,
    } = container.resources.requests;
    let limits = container.resources.limits;
    let bytes = |amount: Option<Bytes>| amount.map(Bytes::get);
    let amounts = [
        (Metric::CpuRequest, cpu_millicores),
        (Metric::CpuLimit, limits.cpu_millicores),
        (Metric::MemoryRequest, bytes(memory)),
        (Metric::MemoryLimit, bytes(limits.memory)),
        (Metric::EphemeralStorageRequest, bytes(ephemeral_storage)),
        (
            Metric::EphemeralStorageLimit,
            bytes(limits.ephemeral_storage),
        ),
    ];
    let amounts = amounts.iter();
    let amounts = amounts.map(|(metric, amount)| Point::int(*metric, amount.unwrap_or(0)));
    set.merge(amounts.chain([restarts]));
    let others = &container.resources.other_requests;
    set.qualified
        .extend(others.iter().map(|(name, amount)| Qualified {
            by: Arc::clone(name),
            point: Point::int(Metric::ResourceRequest, *amount),
        }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ContainerName, ContainerResources, PodRecord};
    use crate::rollup::testing::{container_key, pod_key, pod_record, sampled, words};

    const USAGE: &[(Metric, i64)] = &[(Metric::MemoryUsage, 1)];

    fn of(pod: &Arc<PodRecord>, key: EntityKey) -> MetricSet {
        let mut set = sampled(key, 60, USAGE);
        set.about.pod = Some(Arc::clone(pod));
        set
    }

    fn enriched(sets: impl Into<Vec<MetricSet>>) -> Vec<MetricSet> {
        let mut sets = sets.into();
        enrich(&mut sets);
        assert!(sets.is_sorted_by(|a, b| a.key < b.key));
        sets
    }

    fn keys(sets: &[MetricSet]) -> Vec<String> {
        sets.iter().map(|set| set.key.to_string()).collect()
    }

    #[test]
    fn a_container_gets_its_requests_limits_and_restarts() {
        let mut record = pod_record("a", "web", "n1", &["app"]);
        let mut app = record.containers[0].clone();
        app.resources = Arc::new(ContainerResources {
            other_requests: [("nvidia.com/gpu".into(), 2)].into(),
            ..(*app.resources).clone()
        });
        record.containers = [app].into();
        let pod = Arc::new(record);
        let sets = enriched([
            of(&pod, EntityKey::Pod(pod_key("a", "web"))),
            of(&pod, container_key("a", "web", "app")),
        ]);
        assert_eq!(words(&sets[0]), ["memory/usage 1"]);
        assert_eq!(
            words(&sets[1]),
            [
                "cpu/request 100",
                "cpu/limit 500",
                "memory/usage 1",
                "memory/request 67108864",
                "memory/limit 268435456",
                "ephemeral_storage/request 0",
                "ephemeral_storage/limit 0",
                "restart_count 2",
                "nvidia.com/gpu 2",
            ]
        );
    }

    #[test]
    fn what_was_not_measured_of_a_pod_that_was_gets_a_set() {
        let pod = |name| Arc::new(pod_record("a", name, "n1", &["one", "two"]));
        let (p1, p2, p3) = (pod("p1"), pod("p2"), pod("p3"));
        let sets = enriched([
            of(&p1, EntityKey::Pod(pod_key("a", "p1"))),
            of(&p3, EntityKey::Pod(pod_key("a", "p3"))),
            of(&p2, container_key("a", "p2", "two")),
        ]);
        assert_eq!(
            keys(&sets),
            [
                "namespace:a/pod:p1",
                "namespace:a/pod:p2",
                "namespace:a/pod:p3",
                "namespace:a/pod:p1/container:one",
                "namespace:a/pod:p1/container:two",
                "namespace:a/pod:p2/container:one",
                "namespace:a/pod:p2/container:two",
                "namespace:a/pod:p3/container:one",
                "namespace:a/pod:p3/container:two",
            ]
        );
        assert!(sets[1].points.is_empty() && sets[1].about.pod.is_some());
        for stub in [3, 5] {
            assert_eq!((sets[stub].started, sets[stub].sampled), (None, None));
            assert_eq!(sets[stub].get(Metric::MemoryUsage), None);
            assert!(sets[stub].get(Metric::RestartCount).is_some());
            assert!(sets[stub].about.pod.is_some());
        }
    }

    #[test]
    fn init_and_ephemeral_containers_request_nothing_sidecars_do() {
        use ContainerKind::{Ephemeral, Init, Sidecar};
        let mut record = pod_record("a", "web", "n1", &["app"]);
        let container = |name: &str, kind| ContainerRecord {
            kind,
            name: ContainerName::new(name).unwrap(),
            ..record.containers[0].clone()
        };
        let all = [
            container("init", Init),
            container("side", Sidecar),
            container("debug", Ephemeral),
        ];
        record.containers = all.into();
        let pod = Arc::new(record);
        let sets = enriched([
            of(&pod, EntityKey::Pod(pod_key("a", "web"))),
            of(&pod, container_key("a", "web", "init")),
        ]);
        let containers: Vec<_> = sets[1..].iter().map(|set| set.key.to_string()).collect();
        assert_eq!(
            containers,
            [
                "namespace:a/pod:web/container:init",
                "namespace:a/pod:web/container:side",
            ]
        );
        assert_eq!(words(&sets[1]), ["memory/usage 1", "restart_count 2"]);
        assert!(sets[2].get(Metric::CpuRequest).is_some());
    }

    #[test]
    fn what_nobody_knows_stays_as_it_was_measured() {
        let key = container_key("a", "ghost", "app");
        let sets = enriched([sampled(key, 60, USAGE)]);
        assert_eq!(keys(&sets)[0], "namespace:a/pod:ghost");
        assert_eq!(words(&sets[1]), ["memory/usage 1"]);
        assert_eq!(enriched([]), []);
    }
}
