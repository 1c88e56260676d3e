//! What the containers of a pod add up to: Heapster's pod aggregator.

use crate::domain::{EntityKey, EntityKind, Metric, MetricSet, Point, Qualified};

/// What becomes of a metric of containers in their pod's set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// The sum of the containers. The pod's own only where a measured container lacks the number,
    /// as one that has just restarted lacks its rate.
    SumFirst,
    /// The pod's own where the kubelet gave it, else the sum.
    OwnFirst,
}

/// The metrics that add up, in their order, each with its rule; a pod has its own of the others, or none.
///
/// What Heapster 1.5 knew of pods is the sum of their containers, as there; its last versions took
/// the pod's own first, which the clients of history would see as a step, and which is not the same:
/// a pod's cgroup counts page faults without its containers on some kernels and memory that is no
/// container's on all. What came later is the pod's own first. Pressure does not add up, and
/// counters with lives of their own do not either.
const ADDED_UP: [(Metric, Rule); 16] = [
    (Metric::CpuUsageRate, Rule::SumFirst),
    (Metric::CpuRequest, Rule::SumFirst),
    (Metric::CpuLimit, Rule::SumFirst),
    (Metric::MemoryUsage, Rule::SumFirst),
    (Metric::MemoryWorkingSet, Rule::SumFirst),
    (Metric::MemoryRss, Rule::SumFirst),
    (Metric::MemoryRequest, Rule::SumFirst),
    (Metric::MemoryLimit, Rule::SumFirst),
    (Metric::MemoryPageFaultsRate, Rule::SumFirst),
    (Metric::MemoryMajorPageFaultsRate, Rule::SumFirst),
    (Metric::EphemeralStorageUsage, Rule::OwnFirst),
    (Metric::EphemeralStorageRequest, Rule::SumFirst),
    (Metric::EphemeralStorageLimit, Rule::SumFirst),
    (Metric::RestartCount, Rule::SumFirst),
    (Metric::MemorySwap, Rule::OwnFirst),
    (Metric::ProcessCount, Rule::OwnFirst),
];

/// How many metrics there are at most.
const METRICS: usize = 64;

/// The sums over the containers of one pod, by metric.
struct Sums {
    sums: [f64; METRICS],
    whole: [i64; METRICS],
    counts: [u32; METRICS],
    measured: u32,
}

/// Adds to each pod what its containers add up to.
///
/// `sets` is sorted by key and has a set for each pod.
pub(super) fn aggregate(sets: &mut [MetricSet]) {
    let middle = sets.partition_point(|set| set.key.kind() <= EntityKind::Pod);
    let from = sets.partition_point(|set| set.key.kind() < EntityKind::Pod);
    let Some((pods, containers)) = sets.split_at_mut_checked(middle) else {
        return;
    };
    let pods = pods.get_mut(from..).unwrap_or_default();
    let mut containers = &*containers;
    for pod in pods {
        let EntityKey::Pod(key) = &pod.key else {
            continue;
        };
        let is_of = |set: &MetricSet| matches!(&set.key, EntityKey::Container(of, _) if of == key);
        let skip = containers
            .iter()
            .take_while(|set| matches!(&set.key, EntityKey::Container(of, _) if of < key));
        let (_, rest) = containers.split_at(skip.count());
        let count = rest.iter().take_while(|set| is_of(set)).count();
        let (of_pod, rest) = rest.split_at(count);
        containers = rest;
        add(pod, of_pod);
    }
}

fn add(pod: &mut MetricSet, containers: &[MetricSet]) {
    if containers.is_empty() {
        return;
    }
    let mut sums = Sums::new();
    for container in containers {
        sums.add(container);
        for qualified in &container.qualified {
            if qualified.point.metric() == Metric::ResourceRequest {
                add_request(pod, qualified);
            }
        }
    }
    let added = ADDED_UP.map(|(metric, rule)| {
        let (sum, complete) = sums.of(metric)?;
        let replaces = match rule {
            Rule::SumFirst => complete || pod.get(metric).is_none(),
            Rule::OwnFirst => pod.get(metric).is_none(),
        };
        replaces.then_some(sum)
    });
    pod.merge(added.iter().flatten().copied());
}

fn add_request(pod: &mut MetricSet, request: &Qualified) {
    let same =
        |q: &&mut Qualified| q.point.metric() == Metric::ResourceRequest && q.by == request.by;
    match pod.qualified.iter_mut().find(same) {
        Some(sum) => {
            let both = sum.point.value().as_i64();
            let both = both.saturating_add(request.point.value().as_i64());
            sum.point = Point::int(Metric::ResourceRequest, both);
        }
        None => pod.qualified.push(request.clone()),
    }
}

impl Sums {
    const fn new() -> Self {
        Self {
            sums: [0.0; METRICS],
            whole: [0; METRICS],
            counts: [0; METRICS],
            measured: 0,
        }
    }

    fn add(&mut self, container: &MetricSet) {
        // A container that was not measured is one of the spec alone.
        self.measured += u32::from(container.sampled.is_some());
        for point in &container.points {
            let at = place(point.metric());
            let slots = (
                self.sums.get_mut(at),
                self.whole.get_mut(at),
                self.counts.get_mut(at),
            );
            if let (Some(sum), Some(whole), Some(count)) = slots {
                *sum += point.value().as_f64();
                *whole = whole.saturating_add(point.value().as_i64());
                *count += 1;
            }
        }
    }

    /// The sum, and whether every measured container is in it.
    fn of(&self, metric: Metric) -> Option<(Point, bool)> {
        let at = place(metric);
        let count = *self.counts.get(at).filter(|count| **count > 0)?;
        let point = if metric.is_float() {
            Point::float(metric, *self.sums.get(at)?)
        } else {
            Point::int(metric, *self.whole.get(at)?)
        };
        Some((point, count >= self.measured))
    }
}

const fn place(metric: Metric) -> usize {
    metric as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollup::testing::{container_key, pod_key, sampled, with, words};
    use Metric as M;

    fn pod(points: &[(Metric, i64)]) -> MetricSet {
        sampled(EntityKey::Pod(pod_key("a", "web")), 60, points)
    }

    fn container(name: &str, points: &[(Metric, i64)]) -> MetricSet {
        sampled(container_key("a", "web", name), 60, points)
    }

    /// The points of the first set, a pod.
    fn sum<const N: usize>(mut sets: [MetricSet; N]) -> Vec<String> {
        aggregate(&mut sets);
        words(&sets[0])
    }

    #[test]
    fn every_metric_has_a_place_and_they_are_in_order() {
        assert!(Metric::all().count() <= METRICS);
        assert!(ADDED_UP.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn gauges_and_rates_add_up_counters_do_not() {
        let points = |n| {
            [
                (M::Uptime, n),
                (M::CpuUsage, n),
                (M::CpuUsageRate, n),
                (M::CpuRequest, n),
                (M::MemoryUsage, n),
                (M::MemoryRss, n),
                (M::MemoryPageFaults, n),
                (M::MemoryPageFaultsRate, n),
                (M::RestartCount, n),
                (M::CpuPressureSomeRate, n),
            ]
        };
        let sums = sum([
            pod(&[]),
            container("a", &points(1)),
            container("b", &points(20)),
        ]);
        assert_eq!(
            sums,
            [
                "cpu/usage_rate 21",
                "cpu/request 21",
                "memory/usage 21",
                "memory/rss 21",
                "memory/page_faults_rate 21.0",
                "restart_count 21",
            ]
        );
    }

    #[test]
    fn the_containers_count_unless_one_of_them_lacks_the_number() {
        let own = pod(&[(M::CpuUsageRate, 50), (M::MemoryUsage, 900)]);
        let (a, b) = (
            container("a", &[(M::CpuUsageRate, 7), (M::MemoryUsage, 100)]),
            container("b", &[(M::MemoryUsage, 200)]),
        );
        let sums = sum([own, a.clone(), b.clone()]);
        assert_eq!(sums, ["cpu/usage_rate 50", "memory/usage 300"]);
        // Nothing better than the part there is.
        let sums = sum([pod(&[]), a, b]);
        assert_eq!(sums, ["cpu/usage_rate 7", "memory/usage 300"]);
    }

    #[test]
    fn a_container_that_was_not_measured_lacks_nothing() {
        let own = pod(&[(M::MemoryUsage, 900)]);
        let measured = container("a", &[(M::MemoryUsage, 100), (M::CpuRequest, 1)]);
        let stub = with(container_key("a", "web", "b"), &[(M::CpuRequest, 2)]);
        assert_eq!(
            sum([own, measured, stub]),
            ["cpu/request 3", "memory/usage 100"]
        );
    }

    #[test]
    fn storage_and_swap_are_the_pods_own_first() {
        let points = [(M::EphemeralStorageUsage, 5), (M::MemorySwap, 3)];
        let own = pod(&[(M::EphemeralStorageUsage, 100)]);
        let sums = sum([own, container("a", &points)]);
        assert_eq!(sums, ["ephemeral_storage/usage 100", "memory/swap 3"]);
    }

    #[test]
    fn requests_of_other_resources_add_up_by_name() {
        let gpu = |name: &str, by: &str, amount: i64| {
            let mut set = container(name, &[]);
            for (by, metric) in [(by, M::ResourceRequest), ("/", M::FilesystemUsage)] {
                set.qualified.push(Qualified {
                    by: by.into(),
                    point: Point::int(metric, amount),
                });
            }
            set
        };
        let sums = sum([
            pod(&[]),
            gpu("a", "x/gpu", 1),
            gpu("b", "x/gpu", 2),
            gpu("c", "y", 4),
        ]);
        assert_eq!(sums, ["x/gpu 3", "y 4"]);
    }

    #[test]
    fn each_pod_gets_its_own_containers() {
        let pod = |name| sampled(EntityKey::Pod(pod_key("a", name)), 60, &[]);
        let container =
            |pod, usage| sampled(container_key("a", pod, "c"), 60, &[(M::MemoryUsage, usage)]);
        let mut sets = [
            pod("p1"),
            pod("p2"),
            pod("p3"),
            container("p0", 8),
            container("p1", 1),
            container("p3", 3),
        ];
        aggregate(&mut sets);
        let usage: Vec<_> = sets[..3].iter().map(words).collect();
        assert_eq!(
            usage,
            [vec!["memory/usage 1"], vec![], vec!["memory/usage 3"]]
        );
    }
}
