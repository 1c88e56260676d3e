//! What the historical API makes of the closed forms' quarter of an hour: every aggregation, in
//! buckets of several sizes, at every level, out of the ring.

use std::time::Duration;

use super::closed_form::{BEGIN, Container, Expected, MINUTE, Node, SECOND, World, plus, run};
use super::*;
use crate::domain::{ContainerName, Metric, NodeName};
use crate::history::{Aggregation, Bucket, HistoricalSource, Query, Series, Span, Subject};
use crate::rollup::testing::{container_key, pod_key};

/// The values a subject must have, by the timestamp of their column in milliseconds.
type Values = BTreeMap<i64, f64>;
type Closed = BTreeMap<(Subject, Metric), Values>;

/// Buckets of nothing but the span, of some columns, of one, and of less than one.
const SIZES: [Option<i64>; 5] = [
    None,
    Some(5 * MINUTE),
    Some(7 * MINUTE),
    Some(MINUTE),
    Some(MINUTE / 2),
];

/// What every subject must have at every column, of a rate that jumps with what happens, a counter
/// that climbs and falls, and amounts.
fn closed(world: &World) -> Closed {
    let mut closed = Closed::new();
    for n in 1..=15 {
        let boundary = n * MINUTE - 20 * SECOND;
        let mut at = Column {
            timestamp: BEGIN + boundary,
            closed: &mut closed,
        };
        let mut namespaces = BTreeMap::<&str, (Option<i64>, i64)>::new();
        for node in &world.nodes {
            let expected = Expected::of(node, boundary + 5 * SECOND);
            at.node(node, &expected, &mut namespaces);
        }
        let mut cluster = (None, 0);
        for (namespace, (rate, memory)) in namespaces {
            cluster = (plus(cluster.0, rate), cluster.1 + memory);
            let key = EntityKey::Namespace(pod_key(namespace, "x").namespace);
            at.sums(&key, rate, memory);
        }
        at.sums(&EntityKey::Cluster, cluster.0, cluster.1);
    }
    closed
}

struct Column<'a> {
    timestamp: i64,
    closed: &'a mut Closed,
}

impl Column<'_> {
    fn value(&mut self, subject: impl Into<Subject>, metric: Metric, value: Option<i64>) {
        let values = self.closed.entry((subject.into(), metric)).or_default();
        values
            .extend(value.map(|value| (self.timestamp, crate::domain::Value::Int(value).as_f64())));
    }

    fn sums(&mut self, key: &EntityKey, rate: Option<i64>, memory: i64) {
        self.value(key.clone(), Metric::CpuUsageRate, rate);
        self.value(key.clone(), Metric::MemoryUsage, Some(memory));
    }

    fn node<'w>(
        &mut self,
        node: &'w Node,
        expected: &Expected,
        namespaces: &mut BTreeMap<&'w str, (Option<i64>, i64)>,
    ) {
        let Some(sampled) = expected.at else { return };
        let total: i64 = node.containers.iter().map(|c| c.millicores).sum();
        let key = EntityKey::Node(NodeName::new(node.name).unwrap());
        let rate = expected.moved().then_some(total + 500);
        self.value(key.clone(), Metric::CpuUsageRate, rate);
        let cpu = (total + 500) * 1000 * (sampled + 3600 * SECOND);
        self.value(key, Metric::CpuUsage, Some(cpu));
        for of_pod in node.containers.chunk_by(|a, b| a.pod == b.pod) {
            let (rate, memory) = self.pod(node, expected, sampled, of_pod);
            let sums = namespaces.entry(of_pod[0].namespace).or_default();
            *sums = (plus(sums.0, rate), sums.1 + memory);
        }
    }

    /// The rate and memory of a pod.
    fn pod(
        &mut self,
        node: &Node,
        expected: &Expected,
        sampled: i64,
        of_pod: &[Container],
    ) -> (Option<i64>, i64) {
        let mut known = None;
        for c in of_pod {
            let rate = expected.has_rate(c).then_some(c.millicores);
            known = plus(known, rate);
            let name = ContainerName::new(c.name).unwrap();
            let by_uid = Subject::PodIdContainer(uid(c), name);
            let by_name = container_key(c.namespace, c.pod, c.name).into();
            for subject in [by_name, by_uid] {
                self.value(subject.clone(), Metric::CpuUsageRate, rate);
                self.value(subject, Metric::CpuUsage, Some(c.cpu(sampled)));
            }
        }
        let first = &of_pod[0];
        let own = node.pods_have_own && expected.moved();
        let all = of_pod.iter().map(|c| c.millicores).sum();
        let rate = if own { Some(all) } else { known };
        let memory = of_pod.iter().map(|c| c.memory).sum();
        let by_name = EntityKey::Pod(pod_key(first.namespace, first.pod)).into();
        for subject in [by_name, Subject::PodId(uid(first))] {
            self.value(subject.clone(), Metric::CpuUsageRate, rate);
            self.value(subject.clone(), Metric::MemoryUsage, Some(memory));
            let rx = own.then_some(first.rx);
            self.value(subject, Metric::NetworkRxRate, rx);
        }
        (rate, memory)
    }
}

fn uid(of: &Container) -> Arc<str> {
    format!("uid-{}", of.pod).into()
}

/// By the definitions: a median is the middle value or the mean of the two in the middle, a
/// percentile, as InfluxDB has it, the value whose rank is nearest to so many hundredths of them.
fn aggregated(values: &[f64], aggregation: Aggregation) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let count = f64::from(u32::try_from(sorted.len()).unwrap());
    let percentile = |percent: usize| sorted[(sorted.len() * percent + 50) / 100 - 1];
    match aggregation {
        Aggregation::Average => sorted.iter().sum::<f64>() / count,
        Aggregation::Maximum => sorted[sorted.len() - 1],
        Aggregation::Minimum => sorted[0],
        Aggregation::Median => {
            f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2])
        }
        Aggregation::Count => count,
        Aggregation::Percentile50 => percentile(50),
        Aggregation::Percentile95 => percentile(95),
        Aggregation::Percentile99 => percentile(99),
    }
}

fn found(bucket: &Bucket, aggregation: Aggregation) -> f64 {
    let count = bucket
        .count
        .map(|count| f64::from(u32::try_from(count).unwrap()));
    let value = bucket.value(aggregation).map(crate::domain::Value::as_f64);
    value.or(count).unwrap()
}

/// Holds buckets to the values they should be of; gives back how many there are.
fn check(values: &Values, buckets: &[Bucket], span: Span, size: Option<i64>, what: &str) -> usize {
    let start = |at: i64| size.map_or(span.start.as_millis(), |size| at - at.rem_euclid(size));
    let mut expected = BTreeMap::<i64, Vec<f64>>::new();
    for (at, value) in values {
        if span.contains(Timestamp::from_millis(*at)) {
            expected.entry(start(*at)).or_default().push(*value);
        }
    }
    let starts: Vec<i64> = buckets.iter().map(|b| b.start.as_millis()).collect();
    assert!(starts.iter().eq(expected.keys()), "{what}: {starts:?}");
    for (bucket, values) in buckets.iter().zip(expected.values()) {
        for aggregation in Aggregation::ALL {
            let (is, want) = (found(bucket, aggregation), aggregated(values, aggregation));
            // A mean may be rounded elsewhere; nothing else is computed at all.
            let off = if aggregation == Aggregation::Average {
                want.abs() * 1e-12
            } else {
                0.0
            };
            let name = aggregation.as_str();
            assert!((is - want).abs() <= off, "{what} {name}: {is}, not {want}");
            assert!(is >= 0.0, "{what} {name}: {is}");
        }
    }
    buckets.len()
}

#[tokio::test(start_paused = true)]
async fn every_aggregation_of_a_quarter_of_an_hour_is_exact_at_every_level() {
    let ran = run(15, async |_| {}).await;
    let wall = |at: i64| Timestamp::from_millis(BEGIN + at);
    // All of it, and from a column that was lost to one of those of a restart.
    let spans = [
        Span::new(wall(0), wall(15 * MINUTE)),
        Span::new(wall(9 * MINUTE - 20 * SECOND), wall(12 * MINUTE)),
    ];
    let closed = closed(&ran.world);
    let (mut buckets, mut none) = (0, 0);
    for ((subject, metric), values) in &closed {
        for span in spans {
            let query = Query {
                subjects: vec![subject.clone()],
                series: Series::of(*metric),
                span,
            };
            let known = values
                .keys()
                .any(|at| span.contains(Timestamp::from_millis(*at)));
            for size in SIZES {
                let what = format!("{subject} {} {size:?}", metric.name());
                let bucket = size.map(|size| Duration::from_millis(u64::try_from(size).unwrap()));
                let asked = ran.ring.aggregates(&query, &Aggregation::ALL, bucket);
                match asked.await.unwrap().remove(0) {
                    Ok(found) if known => buckets += check(values, &found, span, size, &what),
                    Err(_) if !known => none += 1,
                    other => panic!("{what}: {other:?}"),
                }
            }
        }
    }
    // The cluster, three namespaces, three nodes, and four pods with six containers, these by two
    // names each.
    let series = 2 * (1 + 3 + 3) + 2 * (4 * 3 + 6 * 2);
    assert_eq!(closed.len(), series);
    // n3, its pod, its container and its namespace are lost in the second span; pods of n2 have no
    // network of their own in either.
    let lost = 2 + 2 + 2 * (3 + 2);
    assert_eq!(none, SIZES.len() * (lost + 2 * 2));
    assert!(buckets > 1800, "{buckets}");
}
