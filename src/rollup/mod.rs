//! The aligned tick: one column of everything, at the same timestamp for all.
//!
//! Every resolution, at a multiple of it since the epoch, this takes the newest sets of each node,
//! joins them with what the API server says, computes what Heapster's processors computed, in their
//! order, and hands one column on. All entities carry the same timestamp, because Heapster's clients
//! add points up by equal timestamp.
//!
//! | step | what it adds | to |
//! |---|---|---|
//! | claim | what the API server says of it; drops what belongs to another node's pod | all |
//! | rates | `*_rate`, between this tick's counters and those of the tick before | all |
//! | pods | requests, limits, restarts; sets of containers and pods that were not measured | pods, containers |
//! | pod sums | what the containers of a pod add up to | pods |
//! | node sums | requests and limits of a node's pods | nodes |
//! | autoscaling | capacity, allocatable, utilization, reservation | nodes |
//! | cluster sums | six metrics of a namespace's pods, and of all | namespaces, the cluster |
//!
//! It works node by node and keeps nothing of a column but the counters, so that a large cluster is
//! never held in one piece unless somebody subscribed to batches.

mod autoscaling;
mod claim;
mod cluster_sums;
mod column;
mod labels;
mod metrics;
mod node_sums;
mod pod_sums;
mod pods;
mod rates;
mod sources;
mod subscribers;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tick;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::warn;

pub use labels::{LabelCopying, LabelSet, Labelling, StoredLabel};
pub use sources::{Columns, Source};

use crate::domain::{Batch, Clock, Inventory, Timestamp};
use crate::lifecycle::Stop;
use crate::telemetry::Registry;
use column::{Column, Maker};
use metrics::Metrics;
use subscribers::Subscribers;
use tick::{Due, Ticks};

/// When columns are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The time between two columns, Heapster's `--metric-resolution`; shorter than
    /// [`Config::SHORTEST`] counts as that.
    pub resolution: Duration,
    /// How long after its timestamp a column is made, so that late answers are in it.
    pub grace: Duration,
}

/// Makes the columns.
#[derive(Debug)]
pub struct Rollup {
    config: Config,
    inventory: Arc<Inventory>,
    source: Arc<dyn Source>,
    columns: Arc<dyn Columns>,
    clock: Arc<dyn Clock>,
    subscribers: Subscribers,
    metrics: Metrics,
}

impl Config {
    /// The shortest resolution, as in Heapster.
    pub const SHORTEST: Duration = Duration::from_secs(5);

    /// How old a sample may be at most to be in a column, from when it was taken to when the column
    /// is made: one that was there for the column before stays out, unless the resolution is
    /// shorter than kubelets sample.
    fn fresh(self) -> Duration {
        self.resolution.max(SAMPLING).saturating_add(self.grace)
    }
}

/// Kubelets measure every container within this time.
const SAMPLING: Duration = Duration::from_secs(30);

impl Default for Config {
    /// A minute, as in Heapster, and its five seconds of grace.
    fn default() -> Self {
        Self {
            resolution: Duration::from_secs(60),
            grace: Duration::from_secs(5),
        }
    }
}

impl Rollup {
    /// Columns of what `source` has, joined with `inventory`, given to `columns`.
    #[must_use]
    pub fn new(
        config: Config,
        inventory: Arc<Inventory>,
        source: Arc<dyn Source>,
        columns: Arc<dyn Columns>,
        clock: Arc<dyn Clock>,
        registry: &mut Registry,
    ) -> Self {
        let resolution = config.resolution.max(Config::SHORTEST);
        Self {
            config: Config {
                resolution,
                ..config
            },
            inventory,
            source,
            columns,
            clock,
            subscribers: Subscribers::default(),
            metrics: Metrics::register(registry),
        }
    }

    /// Every batch from now on. At most `queue` of them wait (at least one): when the receiver is
    /// that far behind, the newest is dropped for it and counted. Ends when the receiver is dropped.
    #[must_use]
    pub fn subscribe(&self, queue: usize) -> mpsc::Receiver<Arc<Batch>> {
        self.subscribers.add(queue)
    }

    /// Makes columns until `stop`; one that is being made then is given up.
    pub async fn run(&self, stop: Stop) {
        let Config { resolution, grace } = self.config;
        let newest = self.columns.newest();
        let mut ticks = Ticks::new(resolution, grace, self.clock.now()).after(newest);
        let mut maker = Maker::default();
        let recent = newest.and_then(|newest| self.clock.now().since(newest));
        if recent.is_some_and(|age| age < resolution * 2) {
            maker.go_on(self.columns.as_ref());
        }
        while !stop.is_stopping() {
            match ticks.due(self.clock.now()) {
                Due::Wait(wait) => {
                    if stop.until(tokio::time::sleep(wait)).await.is_none() {
                        return;
                    }
                }
                Due::Tick {
                    timestamp,
                    skipped,
                    late,
                } => {
                    self.metrics.due(skipped, late);
                    let column = self.tick(timestamp, &mut maker);
                    if stop.until(column).await.is_none() {
                        return;
                    }
                }
                Due::Anew => {
                    warn!("the wall clock stepped back; beginning anew");
                    self.columns.begin_anew();
                }
            }
        }
    }

    /// Makes the column of this timestamp.
    async fn tick(&self, timestamp: Timestamp, maker: &mut Maker) {
        let begun = self.clock.monotonic();
        let fresh = self.config.fresh();
        let kept = self.subscribers.any().then(Vec::new);
        let columns = self.columns.as_ref();
        let mut column = Column::new(maker, &self.inventory, columns, timestamp, kept);
        for measured in self.source.newest(fresh) {
            let Some(node) = self.inventory.node(measured.node.as_str()) else {
                continue;
            };
            let age = begun.saturating_duration_since(measured.received);
            column.add(&node, &measured.sets, age, fresh);
            // A large cluster takes its time, which others need too.
            tokio::task::yield_now().await;
        }
        let (mut done, parts) = column.finish();
        if let Some(parts) = parts {
            let batch = Arc::new(Batch { timestamp, parts });
            done.dropped = self.subscribers.offer(&batch);
        }
        let took = self.clock.monotonic().saturating_duration_since(begun);
        self.metrics.done(done, took);
    }
}
