//! One column: each node's sets through all steps, then the sums.

use std::sync::Arc;
use std::time::Duration;

use super::claim::Claims;
use super::cluster_sums::Sums;
use super::metrics::Done;
use super::rates::Rates;
use super::sources::Columns;
use super::{autoscaling, node_sums, pod_sums, pods};
use crate::domain::{Inventory, MetricSet, NodeRecord, Timestamp};

/// What one column hands to the next.
#[derive(Debug, Default)]
pub(super) struct Maker {
    rates: Rates,
}

impl Maker {
    /// Goes on from the newest column, which another replica made: the next one has rates.
    pub(super) fn go_on(&mut self, columns: &dyn Columns) {
        let mut seed = self.rates.seed();
        columns.each_newest(&mut |set| seed.add(set));
        seed.finish();
    }
}

/// A column being made.
#[derive(Debug)]
pub(super) struct Column<'a> {
    maker: &'a mut Maker,
    inventory: &'a Inventory,
    columns: &'a dyn Columns,
    timestamp: Timestamp,
    claims: Claims<'a>,
    sums: Sums,
    nodes: usize,
    done: Done,
    /// The parts, when somebody wants them all.
    kept: Option<Vec<Arc<[MetricSet]>>>,
    /// Else the sets of nodes before, for the next one's to be written over them: `most` of them,
    /// which is what the largest node had, until the column ends.
    spare: Vec<MetricSet>,
    most: usize,
}

impl<'a> Column<'a> {
    pub(super) fn new(
        maker: &'a mut Maker,
        inventory: &'a Inventory,
        columns: &'a dyn Columns,
        timestamp: Timestamp,
        kept: Option<Vec<Arc<[MetricSet]>>>,
    ) -> Self {
        maker.rates.begin();
        Self {
            maker,
            inventory,
            columns,
            timestamp,
            claims: Claims::new(inventory),
            sums: Sums::default(),
            nodes: 0,
            done: Done::default(),
            kept,
            spare: Vec::new(),
            most: 0,
        }
    }

    /// Adds a node whose sets came `age` ago, unless they are older than `fresh`.
    pub(super) fn add(
        &mut self,
        node: &Arc<NodeRecord>,
        measured: &[MetricSet],
        age: Duration,
        fresh: Duration,
    ) {
        let measured = fresh_sets(measured, age, fresh);
        let mut sets = self.claims.take(node, measured, &mut self.spare);
        if sets.is_empty() {
            return;
        }
        self.nodes += 1;
        self.done.refused += self.maker.rates.process(node, &mut sets);
        pods::enrich(&mut sets);
        pod_sums::aggregate(&mut sets);
        node_sums::aggregate(&mut sets);
        if let Some(node) = sets.first_mut() {
            autoscaling::enrich(node);
        }
        self.sums.add(&sets);
        self.give(sets);
    }

    /// Ends the column with the sums. Gives back what was done, and the parts if they were kept.
    pub(super) fn finish(mut self) -> (Done, Option<Vec<Arc<[MetricSet]>>>) {
        let sums = std::mem::take(&mut self.sums).finish(&mut self.claims);
        self.give(sums);
        self.columns.finish(self.timestamp);
        let known = self.inventory.node_count();
        self.done.nodes_without_data = known.saturating_sub(self.nodes);
        (self.done, self.kept)
    }

    fn give(&mut self, mut sets: Vec<MetricSet>) {
        self.done.sets += sets.len();
        self.columns.append(self.timestamp, &sets);
        if let Some(kept) = &mut self.kept {
            kept.push(sets.into());
        } else {
            // They are taken from the end.
            sets.reverse();
            self.most = self.most.max(sets.len());
            self.spare.append(&mut sets);
            self.spare.truncate(self.most);
        }
    }
}

/// The sets that are not too old: by the time since the answer came, and by how far their stamp is
/// behind the newest one of the answer. So a kubelet whose clock is wrong loses nothing.
fn fresh_sets(
    sets: &[MetricSet],
    age: Duration,
    fresh: Duration,
) -> impl Iterator<Item = &MetricSet> {
    let stamps = |set: &MetricSet| set.sampled.max(set.network_sampled);
    let newest = sets.iter().filter_map(stamps).max();
    sets.iter().filter(move |set| {
        let behind = stamps(set).and_then(|at| newest?.since(at));
        age.saturating_add(behind.unwrap_or_default()) <= fresh
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Metric;
    use crate::rollup::testing::{container_key, sampled};

    impl Maker {
        /// What is kept from one column to the next.
        pub(in crate::rollup) fn bytes(&self) -> usize {
            self.rates.bytes()
        }
    }

    #[test]
    fn what_is_older_than_the_tick_before_stays_out() {
        let set = |second| {
            let key = container_key("a", "p", &format!("c{second}"));
            sampled(key, second, &[(Metric::MemoryUsage, 1)])
        };
        let unstamped = MetricSet {
            sampled: None,
            ..set(1)
        };
        let network = MetricSet {
            network_sampled: set(1000).sampled,
            ..set(2)
        };
        let sets = [set(1000), set(990), set(950), unstamped, network];
        let left = |age| {
            let (age, fresh) = (Duration::from_secs(age), Duration::from_secs(65));
            fresh_sets(&sets, age, fresh).count()
        };
        assert_eq!([left(0), left(15), left(16), left(55)], [5, 5, 4, 4]);
        assert_eq!([left(56), left(65), left(66)], [3, 3, 0]);
    }
}
