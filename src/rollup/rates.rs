//! Rates: between the counters of this tick and those of the tick before.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::domain::{Metric, MetricSet, NodeName, NodeRecord, Point, Timestamp, Value};

/// The counters of the tick before, and what becomes of them.
///
/// Kept in some 60 B a container: an entity is known by 64 bits of a keyed hash of its key, within
/// its node alone. That two of one node share them, have the same start and are taken for each
/// other is less likely than a wrong bit in memory.
#[derive(Debug, Default)]
pub(super) struct Rates {
    nodes: HashMap<NodeName, Counters>,
    hasher: RandomState,
    tick: u64,
}

/// The counters of one node at one tick.
#[derive(Debug, Default)]
struct Counters {
    /// The tick they are of.
    tick: u64,
    /// Sorted by hash.
    entities: Box<[Entity]>,
    metrics: Box<[Metric]>,
    values: Box<[i64]>,
}

/// Where the counters of one entity stand, and of which life.
#[derive(Clone, Copy, Debug)]
struct Entity {
    hash: u64,
    started: Option<Instant>,
    sampled: Option<Instant>,
    network_sampled: Option<Instant>,
    from: u32,
    count: u8,
}

/// The counters of one entity, asked for in their order.
struct Values<'a> {
    metrics: &'a [Metric],
    values: &'a [i64],
    next: usize,
}

/// Milliseconds since the epoch, in which zero is no time at all.
type Instant = std::num::NonZeroI64;

/// The metrics no rate is taken of when the counter of CPU fell: it is another life.
const LIFE: Metric = Metric::CpuUsage;
/// How many metrics have a rate.
const RATED: usize = 13;

impl Rates {
    /// A tick begins: what is of the tick before the last one is no longer a base.
    pub(super) fn begin(&mut self) {
        let last = self.tick;
        self.nodes.retain(|_, counters| counters.tick == last);
        self.tick += 1;
    }

    /// Adds the rates to the sets of one node and keeps its counters for the next tick. Gives back
    /// how many CPU rates were refused because they were above what the node has.
    ///
    /// `cpu/usage_rate` is in whole millicores, the others a second. There is none where the tick
    /// before had no counter of the same life (equal start, no CPU counter that fell), where the
    /// stamp did not move, and where the counter fell or had not begun to count.
    pub(super) fn process(&mut self, node: &NodeRecord, sets: &mut [MetricSet]) -> u64 {
        let mut refused = 0;
        let before = self.nodes.remove(&node.name).unwrap_or_default();
        let most = node.capacity.cpu_millicores;
        let mut after = Builder::default();
        for set in sets {
            let hash = self.hasher.hash_one(&set.key);
            after.add(hash, set, true);
            if let Some(entity) = before.find(hash) {
                refused += u64::from(!rate(set, entity, &before, most));
            }
        }
        let after = after.finish(self.tick);
        self.nodes.insert(node.name.clone(), after);
        refused
    }
}

/// Counters of a column another replica made, by node.
pub(super) struct Seed<'a> {
    rates: &'a mut Rates,
    nodes: HashMap<NodeName, Builder>,
}

impl Rates {
    /// Begins with the counters of a column that was made elsewhere, as if it had been the last one
    /// here.
    pub(super) fn seed(&mut self) -> Seed<'_> {
        let nodes = HashMap::new();
        Seed { rates: self, nodes }
    }
}

impl Seed<'_> {
    /// Adds what is kept of a set. Not the network's counters: when they were read is not kept.
    pub(super) fn add(&mut self, set: &MetricSet) {
        if let Some(node) = &set.about.node {
            let hash = self.rates.hasher.hash_one(&set.key);
            let builder = self.nodes.entry(node.name.clone()).or_default();
            builder.add(hash, set, false);
        }
    }

    pub(super) fn finish(self) {
        let tick = self.rates.tick;
        let nodes = self.nodes.into_iter();
        let counters = nodes.map(|(node, builder)| (node, builder.finish(tick)));
        self.rates.nodes.extend(counters);
    }
}

/// Adds the rates of one set; false when its CPU rate was refused.
fn rate(set: &mut MetricSet, entity: Entity, before: &Counters, most: Option<u64>) -> bool {
    if instant(set.started) != entity.started {
        return true;
    }
    let cpu = before.value(entity, LIFE);
    let fell = |(a, b)| b < a;
    if cpu.zip(int(set, LIFE)).is_some_and(fell) {
        return true;
    }
    let mut rates = [None; RATED];
    let mut free = rates.iter_mut();
    let mut honest = true;
    let mut old = before.values(entity);
    let of_network = nanos_since(set.sampled_of(Metric::NetworkRx), entity.network_sampled);
    let of_others = nanos_since(set.sampled, entity.sampled);
    for point in &set.points {
        let metric = point.metric();
        let Some(rate) = metric.rate() else { continue };
        let old = old.next_of(metric);
        let nanos = if metric.is_network() {
            of_network
        } else {
            of_others
        };
        let Some(nanos) = nanos else { continue };
        let Some(delta) = old.and_then(|old| grown(metric, old, point.value())) else {
            continue;
        };
        let point = if metric == LIFE {
            let millicores = u64::try_from(i128::from(delta) * 1000 / i128::from(nanos));
            let millicores = millicores.unwrap_or(u64::MAX);
            let Some(millicores) = bounded(millicores, most) else {
                honest = false;
                continue;
            };
            Point::int(rate, millicores)
        } else {
            Point::float(
                rate,
                Value::Int(delta).as_f64() * 1e9 / Value::Int(nanos).as_f64(),
            )
        };
        if let Some(slot) = free.next() {
            *slot = Some(point);
        }
    }
    set.merge(rates.iter().flatten().copied());
    honest
}

/// Counter and stamp are not read in the same instant, so a full node may seem busier than it can
/// be: up to a tenth over counts as all of it. More is no measurement.
fn bounded(millicores: u64, most: Option<u64>) -> Option<u64> {
    let Some(most) = most.filter(|most| *most > 0) else {
        return Some(millicores);
    };
    (millicores <= most.saturating_add(most / 10)).then(|| millicores.min(most))
}

/// How much a counter grew; `None` when it fell. A CPU counter of zero is what a runtime says that
/// has not measured yet, so what follows it did not grow from there.
fn grown(metric: Metric, old: i64, new: Value) -> Option<i64> {
    let unmeasured = metric == LIFE && old == 0;
    let delta = new.as_i64().checked_sub(old)?;
    (delta >= 0 && !unmeasured).then_some(delta)
}

fn nanos_since(now: Option<Timestamp>, before: Option<Instant>) -> Option<i64> {
    let before = Timestamp::from_millis(before?.get());
    i64::try_from(now?.since(before)?.as_nanos()).ok()
}

fn int(set: &MetricSet, metric: Metric) -> Option<i64> {
    set.get(metric).map(Value::as_i64)
}

fn instant(at: Option<Timestamp>) -> Option<Instant> {
    Instant::new(at?.as_millis())
}

impl Counters {
    fn find(&self, hash: u64) -> Option<Entity> {
        let at = self.entities.binary_search_by_key(&hash, |e| e.hash);
        self.entities.get(at.ok()?).copied()
    }

    fn value(&self, entity: Entity, metric: Metric) -> Option<i64> {
        self.values(entity).next_of(metric)
    }

    /// The counters of an entity, in the order of the points.
    fn values(&self, entity: Entity) -> Values<'_> {
        let from = usize::try_from(entity.from).unwrap_or(usize::MAX);
        let range = from..from.saturating_add(entity.count.into());
        Values {
            metrics: self.metrics.get(range.clone()).unwrap_or_default(),
            values: self.values.get(range).unwrap_or_default(),
            next: 0,
        }
    }
}

impl Values<'_> {
    /// The value of a metric that is not before the one asked for last.
    fn next_of(&mut self, metric: Metric) -> Option<i64> {
        let rest = self.metrics.get(self.next..)?;
        self.next += rest.iter().take_while(|known| **known < metric).count();
        let found = *self.metrics.get(self.next)? == metric;
        self.values.get(self.next).copied().filter(|_| found)
    }
}

/// Collects the counters of a node.
#[derive(Default)]
struct Builder {
    entities: Vec<Entity>,
    metrics: Vec<Metric>,
    values: Vec<i64>,
}

impl Builder {
    fn add(&mut self, hash: u64, set: &MetricSet, network: bool) {
        let Ok(from) = u32::try_from(self.values.len()) else {
            return;
        };
        for point in &set.points {
            let metric = point.metric();
            if metric.rate().is_some() && (network || !metric.is_network()) {
                self.metrics.push(point.metric());
                self.values.push(point.value().as_i64());
            }
        }
        let count = self.values.len() - usize::try_from(from).unwrap_or(usize::MAX);
        self.entities.push(Entity {
            hash,
            started: instant(set.started),
            sampled: instant(set.sampled),
            network_sampled: instant(set.sampled_of(Metric::NetworkRx)),
            from,
            count: u8::try_from(count).unwrap_or(u8::MAX),
        });
    }

    fn finish(mut self, tick: u64) -> Counters {
        self.entities.sort_unstable_by_key(|entity| entity.hash);
        Counters {
            tick,
            entities: self.entities.into(),
            metrics: self.metrics.into(),
            values: self.values.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::EntityKey;
    use crate::rollup::testing::{container_key, node_record, sampled, words};

    impl Rates {
        /// What is kept from one tick to the next, without the map of nodes.
        pub(in crate::rollup) fn bytes(&self) -> usize {
            let of = |counters: &Counters| {
                size_of_val(&*counters.entities)
                    + size_of_val(&*counters.metrics)
                    + size_of_val(&*counters.values)
            };
            self.nodes.values().map(of).sum()
        }
    }

    #[test]
    fn there_is_room_for_every_rate() {
        let rated = Metric::all().filter(|metric| metric.rate().is_some());
        assert_eq!(rated.count(), RATED);
    }

    const CPU: Metric = Metric::CpuUsage;
    const SECOND: i64 = 1_000_000_000;

    fn container(second: i64, points: &[(Metric, i64)]) -> MetricSet {
        sampled(container_key("a", "web", "app"), second, points)
    }

    /// The rates the last of these ticks has, and how many were refused.
    fn rates_after(ticks: impl IntoIterator<Item = MetricSet>) -> (Vec<String>, u64) {
        let (mut rates, node) = (Rates::default(), node_record("n1"));
        let mut last = (vec![], 0);
        for set in ticks {
            rates.begin();
            let mut sets = [set];
            let refused = rates.process(&node, &mut sets);
            let words = words(&sets[0]).into_iter();
            last = (
                words.filter(|word| word.contains("_rate ")).collect(),
                refused,
            );
        }
        last
    }

    #[test]
    fn rates_are_in_millicores_and_a_second() {
        use Metric as M;
        let points = |n: i64| {
            [
                (CPU, SECOND + n * 900_000_000),
                (M::MemoryPageFaults, 10 + n * 600),
                (M::MemoryMajorPageFaults, 5),
                (M::NetworkRx, 1_000 + n * 30),
                (M::NetworkTxErrors, n),
                (M::CpuPressureSome, 7 + n * SECOND),
                (M::MemoryUsage, n),
            ]
        };
        let ticks = [container(60, &points(0)), container(120, &points(1))];
        let (rates, refused) = rates_after(ticks);
        assert_eq!(
            rates,
            [
                "cpu/usage_rate 15",
                "memory/page_faults_rate 10.0",
                "memory/major_page_faults_rate 0.0",
                "network/rx_rate 0.5",
                "network/tx_errors_rate 0.016666666666666666",
                "cpu/pressure_some_rate 16666666.666666666",
            ]
        );
        assert_eq!(refused, 0);
    }

    #[test]
    fn a_pair_that_says_nothing_gives_no_rate() {
        let first = || container(60, &[(CPU, 5 * SECOND), (Metric::NetworkRx, 100)]);
        let later = |second, cpu| container(second, &[(CPU, cpu), (Metric::NetworkRx, 160)]);
        let restarted = MetricSet {
            started: Some(Timestamp::from_millis(100_000)),
            ..later(120, 6 * SECOND)
        };
        let unstamped = MetricSet {
            sampled: None,
            ..later(120, 6 * SECOND)
        };
        let unmeasured = container(60, &[(CPU, 0)]);
        let elsewhere = MetricSet {
            key: EntityKey::Node(node_record("n1").name),
            ..later(120, 6 * SECOND)
        };
        for (why, ticks) in [
            ("the first", vec![first()]),
            ("another life", vec![first(), restarted]),
            ("the counter fell", vec![first(), later(120, 4 * SECOND)]),
            ("the stamp stands", vec![first(), later(60, 6 * SECOND)]),
            ("the stamp fell", vec![first(), later(59, 6 * SECOND)]),
            ("no stamp", vec![first(), unstamped]),
            ("another entity", vec![first(), elsewhere]),
        ] {
            assert_eq!(rates_after(ticks).0, [""; 0], "{why}");
        }
        let (rates, _) = rates_after([unmeasured, container(120, &[(CPU, 90 * SECOND)])]);
        assert_eq!(rates, [""; 0], "the runtime had not measured");
    }

    #[test]
    fn a_counter_that_falls_alone_costs_only_its_own_rate() {
        let points = |cpu, rx| [(CPU, cpu), (Metric::NetworkRx, rx)];
        let first = container(60, &points(SECOND, 500));
        let (rates, _) = rates_after([first, container(120, &points(7 * SECOND, 3))]);
        assert_eq!(rates, ["cpu/usage_rate 100"]);
    }

    #[test]
    fn network_rates_are_over_the_stamps_of_the_network() {
        let at = |second, network: i64, rx| {
            let mut set = container(second, &[(CPU, SECOND * second), (Metric::NetworkRx, rx)]);
            set.network_sampled = Some(Timestamp::from_millis(network * 1000));
            set
        };
        let (rates, _) = rates_after([at(60, 50, 0), at(120, 70, 200)]);
        assert_eq!(rates, ["cpu/usage_rate 1000", "network/rx_rate 10.0"]);
    }

    #[test]
    fn a_rate_above_what_the_node_has_is_refused_and_counted() {
        let ticks = |tenths: i64| {
            let end = SECOND + tenths * 6 * SECOND;
            [
                container(60, &[(CPU, SECOND)]),
                container(120, &[(CPU, end)]),
            ]
        };
        let most = (vec!["cpu/usage_rate 8000".to_owned()], 0);
        assert_eq!(rates_after(ticks(80)), most);
        assert_eq!(rates_after(ticks(88)), most, "as good as all of it");
        assert_eq!(rates_after(ticks(89)), (vec![], 1));
    }

    #[test]
    fn the_first_tick_has_rates_over_the_counters_another_replica_left() {
        let node = std::sync::Arc::new(node_record("n1"));
        let points = |n: i64| [(CPU, n * SECOND), (Metric::NetworkRx, n)];
        let mut left = container(60, &points(1));
        left.about.node = Some(std::sync::Arc::clone(&node));
        let mut rates = Rates::default();
        let mut seed = rates.seed();
        seed.add(&left);
        seed.add(&container(60, &points(5)));
        seed.finish();
        rates.begin();
        let mut sets = [container(120, &points(7))];
        rates.process(&node, &mut sets);
        let rate = sets[0].get(Metric::CpuUsageRate);
        assert_eq!(rate, Some(Value::Int(100)));
        assert_eq!(sets[0].get(Metric::NetworkRxRate), None);
    }

    #[test]
    fn a_node_that_missed_a_tick_begins_anew() {
        let (mut rates, node) = (Rates::default(), node_record("n1"));
        let mut rate_of = |second: Option<i64>| {
            rates.begin();
            let mut sets = [container(second?, &[(CPU, SECOND * second?)])];
            rates.process(&node, &mut sets);
            sets[0].get(Metric::CpuUsageRate)
        };
        assert_eq!(rate_of(Some(60)), None);
        assert_eq!(rate_of(Some(120)), Some(Value::Int(1000)));
        assert_eq!(rate_of(None), None);
        assert_eq!(rate_of(Some(240)), None);
        assert_eq!(rate_of(Some(300)), Some(Value::Int(1000)));
        rates.begin();
        rates.begin();
        assert_eq!(rates.bytes(), 0);
    }
}
