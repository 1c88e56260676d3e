//! The metrics of one entity at one instant: what a kubelet's summary becomes, what the roll-up
//! hands on, and what sinks receive.

use std::sync::Arc;

use super::{EntityKey, Metric, NodeRecord, PodRecord, Point, Qualified, Timestamp, Value};

/// Everything measured of one entity at one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricSet {
    /// What was measured.
    pub key: EntityKey,
    /// When this life of the entity began; counters of two lives do not subtract.
    pub started: Option<Timestamp>,
    /// When it was measured, by the kubelet's clock; `None` for sums over several entities and
    /// where the kubelet gave no stamp.
    pub sampled: Option<Timestamp>,
    /// When its network counters were read, where that was not at `sampled`: kubelets look at a
    /// pod's network and at its CPU at different times. Ask [`MetricSet::sampled_of`].
    pub network_sampled: Option<Timestamp>,
    /// The UID of the pod it is or belongs to, as the kubelet gave it: a pod of the same name with
    /// another UID is another pod. `None` where the kubelet names none.
    pub pod_uid: Option<Arc<str>>,
    /// One point a metric, in the order of [`Metric`].
    pub points: Vec<Point>,
    /// The points a metric alone does not name.
    pub qualified: Vec<Qualified>,
    /// What the API server says of it; empty until it is enriched.
    pub about: About,
}

/// The objects of the API server an entity belongs to; its labels are read from them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    /// The node it is, or runs on.
    pub node: Option<Arc<NodeRecord>>,
    /// The pod it is, or belongs to.
    pub pod: Option<Arc<PodRecord>>,
    /// The UID of its namespace.
    pub namespace_uid: Option<Arc<str>>,
}

/// The column of one tick: immutable once made, and shared by all who receive it.
///
/// It comes in parts, one for each node and one for the sums over them, so that nobody needs all
/// of a large cluster in one piece.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The tick: a multiple of the resolution, the same for all entities.
    pub timestamp: Timestamp,
    /// The sets, those of one node together.
    pub parts: Vec<Arc<[MetricSet]>>,
}

impl MetricSet {
    /// A set without any point.
    #[must_use]
    pub fn new(key: EntityKey) -> Self {
        Self {
            key,
            started: None,
            sampled: None,
            network_sampled: None,
            pod_uid: None,
            points: Vec::new(),
            qualified: Vec::new(),
            about: About::default(),
        }
    }

    /// The value of a metric, if it has one.
    #[must_use]
    pub fn get(&self, metric: Metric) -> Option<Value> {
        let at = self.points.binary_search_by_key(&metric, |p| p.metric());
        Some(self.points.get(at.ok()?)?.value())
    }

    /// When the value of this metric was measured: the stamp its rate is to be taken over.
    #[must_use]
    pub fn sampled_of(&self, metric: Metric) -> Option<Timestamp> {
        let own = self.network_sampled.filter(|_| metric.is_network());
        own.or(self.sampled)
    }

    /// Sets the value of a point's metric, whether it had one or not.
    pub fn set(&mut self, point: Point) {
        // Points mostly come in their order.
        if self
            .points
            .last()
            .is_none_or(|p| p.metric() < point.metric())
        {
            self.points.push(point);
            return;
        }
        let at = self
            .points
            .binary_search_by_key(&point.metric(), |p| p.metric());
        match at {
            Ok(at) => {
                if let Some(slot) = self.points.get_mut(at) {
                    *slot = point;
                }
            }
            Err(at) => self.points.insert(at, point),
        }
    }

    /// Sets the values of several points, given in the order of [`Metric`], each metric once. What
    /// stands behind them moves to its place once, not once for each.
    pub fn merge(&mut self, added: impl DoubleEndedIterator<Item = Point> + Clone) {
        // Those before `old` are in their place or have to move; those from `to` on are in theirs.
        let mut old = self.points.len();
        self.points.extend(added.clone());
        let mut to = self.points.len();
        for point in added.rev() {
            let mut before = old.checked_sub(1).and_then(|at| self.points.get(at));
            while let Some(moving) = before.copied().filter(|p| p.metric() > point.metric()) {
                (old, to) = (old - 1, to - 1);
                self.put(to, moving);
                before = old.checked_sub(1).and_then(|at| self.points.get(at));
            }
            // The value it had.
            old -= usize::from(before.is_some_and(|p| p.metric() == point.metric()));
            to -= 1;
            self.put(to, point);
        }
        self.points.drain(old..to);
    }

    fn put(&mut self, at: usize, point: Point) {
        if let Some(slot) = self.points.get_mut(at) {
            *slot = point;
        }
    }
}

impl Batch {
    /// All sets.
    pub fn sets(&self) -> impl Iterator<Item = &MetricSet> {
        self.parts.iter().flat_map(|part| part.iter())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn points_are_kept_in_order_and_replaced() {
        let mut set = MetricSet::new(EntityKey::Cluster);
        set.set(Point::int(Metric::MemoryUsage, 1));
        set.set(Point::int(Metric::CpuUsage, 2));
        set.set(Point::int(Metric::MemoryUsage, 3));
        let metrics: Vec<Metric> = set.points.iter().map(|p| p.metric()).collect();
        assert_eq!(metrics, [Metric::CpuUsage, Metric::MemoryUsage]);
        assert_eq!(set.get(Metric::MemoryUsage), Some(Value::Int(3)));
        assert_eq!(set.get(Metric::Uptime), None);
    }

    proptest! {
        #[test]
        fn points_merged_are_as_those_set_one_by_one(
            had in prop::collection::btree_set(0_usize..60, 0..30),
            added in prop::collection::btree_set(0_usize..60, 0..20),
        ) {
            let points = |of: &BTreeSet<usize>, value: i64| -> Vec<Point> {
                let metrics = Metric::all().enumerate();
                let metrics = metrics.filter(|(at, _)| of.contains(at));
                metrics.map(|(_, metric)| Point::int(metric, value)).collect()
            };
            let mut merged = MetricSet::new(EntityKey::Cluster);
            merged.points = points(&had, 1);
            let mut set = merged.clone();
            let added = points(&added, 2);
            merged.merge(added.iter().copied());
            // Backwards, so that none is set at the end as in order.
            added.into_iter().rev().for_each(|point| set.set(point));
            prop_assert_eq!(merged, set);
        }
    }

    #[test]
    fn network_counters_may_have_a_stamp_of_their_own() {
        let at = |secs: i64| Some(Timestamp::from_millis(secs * 1000));
        let mut set = MetricSet::new(EntityKey::Cluster);
        set.sampled = at(7);
        assert_eq!(set.sampled_of(Metric::NetworkRx), at(7));
        set.network_sampled = at(9);
        assert_eq!(set.sampled_of(Metric::NetworkTxErrors), at(9));
        assert_eq!(set.sampled_of(Metric::CpuUsage), at(7));
    }
}
