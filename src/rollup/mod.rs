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

mod labels;
mod metrics;
mod subscribers;
#[cfg(test)]
mod testing;
mod tick;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

pub use labels::{LabelCopying, LabelSet, Labelling, StoredLabel};

use crate::domain::{Batch, Clock, Inventory, MetricSet, NodeName, Timestamp};
use crate::lifecycle::Stop;
use crate::telemetry::Registry;
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

/// The newest sets of one node, as measured: counters and gauges, no rates, `about` not filled.
#[derive(Clone, Debug)]
pub struct NodeSets {
    /// When they came, by the monotonic clock.
    pub received: Instant,
    /// Sets of the node, its system containers, its pods and their containers, in any order, one a
    /// key.
    pub sets: Arc<[MetricSet]>,
}

/// Where a tick finds the newest sets.
pub trait Source: Send + Sync + fmt::Debug {
    /// The newest sets of a node; `None` when it never answered.
    fn newest(&self, node: &NodeName) -> Option<NodeSets>;
}

/// Where columns go. Called by one tick at a time, with timestamps that only grow until
/// [`Columns::begin_anew`].
pub trait Columns: Send + Sync + fmt::Debug {
    /// Adds a part of the column of this timestamp: the sets of one node, or the sums over all.
    fn append(&self, timestamp: Timestamp, sets: &[MetricSet]);
    /// The column is complete.
    fn finish(&self, timestamp: Timestamp);
    /// The wall clock stepped back by more than a few minutes: the columns given before bear
    /// timestamps of the future, and those that come will be earlier.
    fn begin_anew(&self);
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
}

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

    /// Makes columns until `stop`.
    pub async fn run(&self, stop: Stop) {
        let mut ticks = Ticks::new(self.config.resolution, self.config.grace, self.clock.now());
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
                    self.columns.finish(timestamp);
                }
                Due::Anew => self.columns.begin_anew(),
            }
        }
    }
}
