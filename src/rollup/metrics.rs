//! What this room tells about itself.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use crate::telemetry::Registry;

/// A gauge of seconds.
type Seconds = Gauge<f64, AtomicU64>;

/// The room's metrics.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    duration: Histogram,
    lateness: Seconds,
    sets: Gauge,
    nodes_without_data: Gauge,
    skipped: Counter,
    refused: Counter,
    dropped: Counter,
}

/// What one tick did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// Sets in the column.
    pub(super) sets: usize,
    /// Nodes of which nothing fresh was there.
    pub(super) nodes_without_data: usize,
    /// CPU rates above what the node has.
    pub(super) refused: u64,
    /// Batches for which a subscriber had no room.
    pub(super) dropped: u64,
}

impl Metrics {
    /// Registers them.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            duration: Histogram::new([0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]),
            lateness: Seconds::default(),
            sets: Gauge::default(),
            nodes_without_data: Gauge::default(),
            skipped: Counter::default(),
            refused: Counter::default(),
            dropped: Counter::default(),
        };
        registry.register(
            "loadline_rollup_tick_duration_seconds",
            "How long it took to make a column",
            metrics.duration.clone(),
        );
        registry.register(
            "loadline_rollup_tick_lateness_seconds",
            "How much later than its time the last column was begun",
            metrics.lateness.clone(),
        );
        registry.register(
            "loadline_rollup_sets",
            "Metric sets in the last column",
            metrics.sets.clone(),
        );
        registry.register(
            "loadline_rollup_nodes_without_data",
            "Nodes of which the last column has nothing, because nothing fresh came from them",
            metrics.nodes_without_data.clone(),
        );
        registry.register(
            "loadline_rollup_skipped_ticks",
            "Columns that were not made in their time",
            metrics.skipped.clone(),
        );
        registry.register(
            "loadline_rollup_refused_rates",
            "CPU rates left out because they were above what the node has",
            metrics.refused.clone(),
        );
        registry.register(
            "loadline_rollup_dropped_batches",
            "Batches a receiver was too slow to take",
            metrics.dropped.clone(),
        );
        metrics
    }

    /// A column is begun this late, and so many before it never were.
    pub(super) fn due(&self, skipped: u64, late: Duration) {
        self.skipped.inc_by(skipped);
        self.lateness.set(late.as_secs_f64());
    }

    /// A column was made.
    pub(super) fn done(&self, done: Done, took: Duration) {
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.duration.observe(took.as_secs_f64());
        self.sets.set(gauge(done.sets));
        self.nodes_without_data.set(gauge(done.nodes_without_data));
        self.refused.inc_by(done.refused);
        self.dropped.inc_by(done.dropped);
    }
}
