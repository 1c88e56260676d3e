//! A quarter of an hour in which every counter is linear, so that every number is known, while
//! containers restart, counters are reset, and nodes are late and get lost.

use std::time::Duration;

use super::*;
use crate::domain::{Inventory, Metric, NodeName, Point, Value};
use crate::history::History;
use crate::lifecycle::{Stop, Tasks};
use crate::live::MeasuredNode;
use crate::rollup::Rollup;
use crate::rollup::testing::{container_key, node_record, pod_key, pod_record};
use crate::telemetry::Registry;

/// Where the tests' clock begins: 2026-11-21T10:00:20Z.
pub(super) const BEGIN: i64 = 1_795_255_220_000;
pub(super) const SECOND: i64 = 1000;
pub(super) const MINUTE: i64 = 60_000;
/// Kubelets measure and are asked this often.
const STEP: i64 = 15 * SECOND;

/// What happens, in milliseconds after the begin.
#[derive(Debug)]
pub(super) struct World {
    clock: Arc<TestClock>,
    pub(super) nodes: Vec<Node>,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: &'static str,
    /// When it is asked within each step.
    phase: i64,
    /// How far its clock is from ours.
    skew: i64,
    /// Whether it names pods with counters of their own, as summaries do.
    pub(super) pods_have_own: bool,
    /// When it does not answer.
    silent: &'static [(i64, i64)],
    pub(super) containers: Vec<Container>,
}

#[derive(Clone, Debug)]
pub(super) struct Container {
    pub(super) namespace: &'static str,
    pub(super) pod: &'static str,
    pub(super) name: &'static str,
    pub(super) millicores: i64,
    pub(super) memory: i64,
    /// Bytes a second of its pod, from its first container.
    pub(super) rx: i64,
    /// When a new life begins.
    restarts: &'static [i64],
    /// When counters begin from zero without a new life.
    resets: &'static [i64],
}

impl Container {
    /// The begin of the life at `at`, and of its counters.
    fn life(&self, at: i64) -> (i64, i64) {
        let last = |times: &[i64]| times.iter().copied().filter(|t| *t <= at).max();
        let started = last(self.restarts).unwrap_or(-3600 * SECOND);
        (started, started.max(last(self.resets).unwrap_or(i64::MIN)))
    }

    pub(super) fn cpu(&self, at: i64) -> i64 {
        self.millicores * 1000 * (at - self.life(at).1) + 1
    }
}

impl Node {
    /// When its newest answer came.
    fn asked(&self, now: i64) -> i64 {
        let mut at = (now - self.phase).div_euclid(STEP) * STEP + self.phase;
        let is_silent = |at: i64| self.silent.iter().any(|(from, to)| *from <= at && at < *to);
        while is_silent(at) {
            at -= STEP;
        }
        at
    }

    /// What it said `at` this time.
    fn sets(&self, at: i64) -> Vec<MetricSet> {
        let name = NodeName::new(self.name).unwrap();
        let wall = |at: i64| Some(Timestamp::from_millis(BEGIN + at + self.skew));
        let mut sets = Vec::new();
        let mut add = |key, started, points: &[(Metric, i64)]| {
            let mut set = MetricSet::new(key);
            set.started = wall(started);
            set.sampled = wall(at);
            for (metric, value) in points {
                set.set(Point::new(*metric, Value::Int(*value)));
            }
            sets.push(set);
        };
        let total: i64 = self.containers.iter().map(|c| c.millicores).sum();
        let cpu = (total + 500) * 1000 * (at + 3600 * SECOND);
        let memory = 1 << 30;
        let points = [(Metric::CpuUsage, cpu), (Metric::MemoryUsage, memory)];
        add(EntityKey::Node(name), -7200 * SECOND, &points);
        for of_pod in self.containers.chunk_by(|a, b| a.pod == b.pod) {
            let (first, elapsed) = (&of_pod[0], at + 3600 * SECOND);
            if self.pods_have_own {
                let millicores: i64 = of_pod.iter().map(|c| c.millicores).sum();
                let points = [
                    (Metric::CpuUsage, millicores * 1000 * elapsed + 1),
                    (Metric::NetworkRx, first.rx * elapsed / SECOND),
                ];
                let key = EntityKey::Pod(pod_key(first.namespace, first.pod));
                add(key, -3600 * SECOND, &points);
            }
            for c in of_pod {
                let points = [
                    (Metric::CpuUsage, c.cpu(at)),
                    (Metric::MemoryUsage, c.memory),
                ];
                let key = container_key(c.namespace, c.pod, c.name);
                add(key, c.life(at).0, &points);
            }
        }
        sets
    }
}

impl Source for World {
    fn newest(&self, _: Duration) -> Box<dyn Iterator<Item = MeasuredNode> + Send + '_> {
        let now = self.clock.monotonic();
        let elapsed = i64::try_from(self.clock.begun.elapsed().as_millis()).unwrap();
        Box::new(self.nodes.iter().map(move |node| {
            let asked = node.asked(elapsed);
            let age = Duration::from_millis(u64::try_from(elapsed - asked).unwrap());
            MeasuredNode {
                node: NodeName::new(node.name).unwrap(),
                source: crate::live::Source::Summary,
                received: now - age,
                sets: Arc::new(node.sets(asked)),
            }
        }))
    }
}

fn world() -> World {
    let container = |namespace, pod, name, millicores, restarts, resets| Container {
        namespace,
        pod,
        name,
        millicores,
        memory: millicores * 1000,
        rx: millicores * 10,
        restarts,
        resets,
    };
    let node = |name, phase, skew, pods_have_own, silent, containers| Node {
        name,
        phase: phase * SECOND,
        skew,
        pods_have_own,
        silent,
        containers,
    };
    World {
        clock: TestClock::new(BEGIN),
        nodes: vec![
            node(
                "n1",
                1,
                0,
                true,
                &[],
                vec![
                    container("a", "p1", "app", 51, &[200 * SECOND, 430 * SECOND], &[]),
                    container("a", "p1", "side", 7, &[], &[310 * SECOND]),
                    container("b", "p2", "app", 333, &[], &[]),
                ],
            ),
            // An hour wrong, names no pods, late for a while, then for so long that it is missed.
            node(
                "n2",
                7,
                3600 * SECOND,
                false,
                &[(240 * SECOND, 285 * SECOND), (500 * SECOND, 640 * SECOND)],
                vec![
                    container("a", "q1", "app", 1200, &[700 * SECOND], &[]),
                    container("a", "q1", "side", 100, &[], &[]),
                ],
            ),
            // Lost for good.
            node(
                "n3",
                11,
                -90 * SECOND,
                true,
                &[(400 * SECOND, i64::MAX)],
                vec![container("c", "r1", "app", 2000, &[], &[])],
            ),
        ],
    }
}

fn inventory(world: &World) -> Inventory {
    let inventory = Inventory::new();
    for node in &world.nodes {
        inventory.apply_node(node_record(node.name));
        for of_pod in node.containers.chunk_by(|a, b| a.pod == b.pod) {
            let first = &of_pod[0];
            let names: Vec<&str> = of_pod.iter().map(|c| c.name).collect();
            let pod = pod_record(first.namespace, first.pod, node.name, &names);
            inventory.apply_pod(pod);
        }
    }
    inventory
}

/// A roll-up of the world, run for so long.
pub(super) struct Ran {
    pub(super) world: Arc<World>,
    columns: Arc<Collected>,
    /// The same columns, as the history keeps them.
    pub(super) ring: Arc<History>,
    registry: Registry,
    batches: Vec<Arc<crate::domain::Batch>>,
}

pub(super) async fn run(minutes: u64, happening: impl AsyncFnOnce(&TestClock)) -> Ran {
    let world = Arc::new(world());
    let columns = Arc::new(Collected::default());
    let mut registry = Registry::default();
    let ring = History::new(crate::history::Config::default(), &mut registry);
    let ring = Arc::new(ring);
    let both = Both(Arc::clone(&columns), Arc::clone(&ring));
    let rollup = Arc::new(Rollup::new(
        Config::default(),
        Arc::new(inventory(&world)),
        Arc::clone(&world) as Arc<dyn Source>,
        Arc::new(both),
        Arc::clone(&world.clock) as Arc<dyn Clock>,
        &mut registry,
    ));
    let mut received = rollup.subscribe(64);
    let (sender, stop) = Stop::channel();
    let tasks = Tasks::new(sender.clone());
    let runner = Arc::clone(&rollup);
    tasks.spawn_passing("rollup", async move { runner.run(stop).await });
    let end = tokio::time::Instant::now() + Duration::from_secs(minutes * 60);
    happening(&world.clock).await;
    tokio::time::sleep_until(end).await;
    sender.stop();
    tasks.finished().await;
    let mut batches = vec![];
    while let Ok(batch) = received.try_recv() {
        batches.push(batch);
    }
    Ran {
        world,
        columns,
        ring,
        registry,
        batches,
    }
}

/// Columns that are collected and kept.
#[derive(Debug)]
struct Both(Arc<Collected>, Arc<History>);

impl Columns for Both {
    fn append(&self, at: Timestamp, sets: &[MetricSet]) {
        self.0.append(at, sets);
        Columns::append(self.1.as_ref(), at, sets);
    }

    fn finish(&self, at: Timestamp) {
        self.0.finish(at);
        Columns::finish(self.1.as_ref(), at);
    }

    fn begin_anew(&self) {
        self.0.begin_anew();
        Columns::begin_anew(self.1.as_ref());
    }
}

fn int(set: &MetricSet, metric: Metric) -> Option<i64> {
    set.get(metric).map(Value::as_i64)
}

/// What must be known of one node at the tick of `fired` after the one of `before`.
pub(super) struct Expected {
    /// When the sample was taken, and the one before; `None` where there was none fresh.
    pub(super) at: Option<i64>,
    before: Option<i64>,
}

impl Expected {
    pub(super) fn of(node: &Node, fired: i64) -> Self {
        let fresh = |fired: i64| {
            let at = node.asked(fired);
            (fired >= 0 && fired - at <= 65 * SECOND).then_some(at)
        };
        Self {
            at: fresh(fired),
            before: fresh(fired - MINUTE).filter(|_| fired - MINUTE > 0),
        }
    }

    /// Whether the sample moved since the tick before.
    pub(super) fn moved(&self) -> bool {
        self.at
            .zip(self.before)
            .is_some_and(|(at, before)| at > before)
    }

    /// Whether a rate of this container is known.
    pub(super) fn has_rate(&self, container: &Container) -> bool {
        let lives = self.at.zip(self.before);
        self.moved() && lives.is_some_and(|(a, b)| container.life(a) == container.life(b))
    }
}

type Sets = BTreeMap<EntityKey, MetricSet>;

/// What was found in one column.
#[derive(Default)]
struct Found<'w> {
    /// The rate, memory and requests of each namespace, as they should be.
    namespaces: BTreeMap<&'w str, (Option<i64>, i64, i64)>,
    keys: usize,
    rates: usize,
    gaps: usize,
}

impl<'w> Found<'w> {
    fn check_node(&mut self, node: &'w Node, sets: &Sets, fired: i64) {
        let expected = Expected::of(node, fired);
        let key = EntityKey::Node(NodeName::new(node.name).unwrap());
        assert_eq!(
            sets.contains_key(&key),
            expected.at.is_some(),
            "{fired} {key}"
        );
        if expected.at.is_none() {
            self.gaps += 1;
            return;
        }
        let total: i64 = node.containers.iter().map(|c| c.millicores).sum();
        let rate = expected.moved().then_some(total + 500);
        assert_eq!(
            int(&sets[&key], Metric::CpuUsageRate),
            rate,
            "{fired} {key}"
        );
        let requested = 100 * i64::try_from(node.containers.len()).unwrap();
        assert_eq!(int(&sets[&key], Metric::CpuRequest), Some(requested));
        self.keys += 1;
        for of_pod in node.containers.chunk_by(|a, b| a.pod == b.pod) {
            self.check_pod(node, &expected, of_pod, sets, fired);
        }
    }

    fn check_pod(
        &mut self,
        node: &Node,
        expected: &Expected,
        of_pod: &'w [Container],
        sets: &Sets,
        fired: i64,
    ) {
        self.keys += 1 + of_pod.len();
        let mut known = Vec::new();
        for c in of_pod {
            let set = &sets[&container_key(c.namespace, c.pod, c.name)];
            let rate = expected.has_rate(c).then_some(c.millicores);
            assert_eq!(int(set, Metric::CpuUsageRate), rate, "{fired} {}", set.key);
            assert_eq!(int(set, Metric::MemoryUsage), Some(c.memory));
            known.extend(rate);
        }
        self.rates += known.len();
        let first = &of_pod[0];
        let pod = &sets[&EntityKey::Pod(pod_key(first.namespace, first.pod))];
        let sum = |all: &[i64]| (!all.is_empty()).then(|| all.iter().sum());
        let all: Vec<i64> = of_pod.iter().map(|c| c.millicores).collect();
        let own = node.pods_have_own && expected.moved();
        let rate: Option<i64> = if own { sum(&all) } else { sum(&known) };
        assert_eq!(int(pod, Metric::CpuUsageRate), rate, "{fired} {}", pod.key);
        let rx = own.then_some(Value::Float(Value::Int(first.rx).as_f64()));
        assert_eq!(pod.get(Metric::NetworkRxRate), rx, "{fired} {}", pod.key);
        let memory = of_pod.iter().map(|c| c.memory).sum();
        assert_eq!(int(pod, Metric::MemoryUsage), Some(memory));
        let sums = self.namespaces.entry(first.namespace).or_default();
        sums.0 = plus(sums.0, rate);
        sums.1 += memory;
        sums.2 += 100 * i64::try_from(of_pod.len()).unwrap();
    }

    fn check_sums(&self, sets: &Sets) {
        let mut cluster = (None, 0, 0);
        for (name, sums) in &self.namespaces {
            let key = EntityKey::Namespace(pod_key(name, "x").namespace);
            assert_eq!(of(&sets[&key]), (sums.0, Some(sums.1), Some(sums.2)));
            cluster.0 = plus(cluster.0, sums.0);
            cluster.1 += sums.1;
            cluster.2 += sums.2;
        }
        let expected = (cluster.0, Some(cluster.1), Some(cluster.2));
        assert_eq!(of(&sets[&EntityKey::Cluster]), expected);
        assert_eq!(sets.len(), self.keys + self.namespaces.len() + 1);
        let mut points = sets.values().flat_map(|set| &set.points);
        assert!(points.all(|point| point.value().as_f64() >= 0.0));
    }
}

/// The sum of what is known.
pub(super) fn plus(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    a.map_or(b, |a| Some(a + b.unwrap_or(0)))
}

#[tokio::test(start_paused = true)]
async fn every_number_of_a_quarter_of_an_hour_is_exact() {
    let ran = run(15, async |_| {}).await;
    let kept = ran.columns.0.lock();
    assert_eq!(kept.finished.len(), 15);
    let (mut rates, mut gaps) = (0, 0);
    for (n, (timestamp, sets)) in (1..).zip(&kept.finished) {
        let boundary = n * MINUTE - 20 * SECOND;
        assert_eq!(timestamp.as_millis(), BEGIN + boundary);
        let mut found = Found::default();
        for node in &ran.world.nodes {
            found.check_node(node, sets, boundary + 5 * SECOND);
        }
        found.check_sums(sets);
        rates += found.rates;
        gaps += found.gaps;
    }
    // That the script does what it says. n1 has 14 ticks with rates, of which a restart or reset
    // costs one each; n2 misses two ticks and the rates of three; n3 is there for seven ticks.
    let (n1, n2, n3) = (12 + 13 + 14, 10 + 11, 6);
    assert_eq!((rates, gaps), (n1 + n2 + n3, 2 + 8));
}

/// The rate, memory and requests of a sum.
fn of(set: &MetricSet) -> (Option<i64>, Option<i64>, Option<i64>) {
    let of = |metric| int(set, metric);
    (
        of(Metric::CpuUsageRate),
        of(Metric::MemoryUsage),
        of(Metric::CpuRequest),
    )
}

fn minutes(ran: &Ran) -> Vec<i64> {
    let kept = ran.columns.0.lock();
    let since = |at: &Timestamp| (at.as_millis() - BEGIN + 20 * SECOND) / MINUTE;
    kept.finished.iter().map(|(at, _)| since(at)).collect()
}

fn told(ran: &Ran, metric: &str) -> String {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &ran.registry).unwrap();
    let found = text.lines().find_map(|line| line.strip_prefix(metric));
    found.unwrap_or_default().trim().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_gets_the_column_in_parts() {
    let ran = run(3, async |_| {}).await;
    assert_eq!(minutes(&ran), [1, 2, 3]);
    assert_eq!(ran.batches.len(), 3);
    let kept = ran.columns.0.lock();
    for (batch, (timestamp, sets)) in ran.batches.iter().zip(&kept.finished) {
        assert_eq!((batch.timestamp, batch.parts.len()), (*timestamp, 4));
        let in_batch: BTreeMap<_, _> = batch.sets().map(|s| (s.key.clone(), s.clone())).collect();
        assert_eq!(in_batch, *sets);
    }
    drop(kept);
    assert_eq!(told(&ran, "loadline_rollup_sets "), "17");
    assert_eq!(told(&ran, "loadline_rollup_nodes_without_data "), "0");
    assert_eq!(
        told(&ran, "loadline_rollup_tick_duration_seconds_count"),
        "3"
    );
    assert_eq!(told(&ran, "loadline_rollup_dropped_batches_total"), "0");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_steps_forward_skips_and_says_so() {
    let ran = run(5, async |clock: &TestClock| {
        tokio::time::sleep(Duration::from_secs(110)).await;
        clock.step(3 * MINUTE);
    })
    .await;
    assert_eq!(minutes(&ran), [1, 2, 5, 6, 7, 8]);
    assert_eq!(told(&ran, "loadline_rollup_skipped_ticks_total"), "2");
    // The kubelets' stamps did not step.
    let kept = ran.columns.0.lock();
    let key = container_key("b", "p2", "app");
    assert_eq!(
        int(&kept.finished[2].1[&key], Metric::CpuUsageRate),
        Some(333)
    );
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_steps_back_never_makes_a_column_twice() {
    let ran = run(9, async |clock: &TestClock| {
        tokio::time::sleep(Duration::from_secs(190)).await;
        clock.step(-2 * MINUTE);
    })
    .await;
    assert_eq!(minutes(&ran), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(ran.columns.0.lock().anew, 0);
    let ran = run(6, async |clock: &TestClock| {
        tokio::time::sleep(Duration::from_secs(190)).await;
        clock.step(-60 * MINUTE);
    })
    .await;
    assert_eq!(minutes(&ran), [1, 2, 3, -56, -55, -54]);
    assert_eq!(ran.columns.0.lock().anew, 1);
}
