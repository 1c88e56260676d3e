//! What this lane says about itself.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use crate::telemetry::Registry;

#[derive(Clone, Debug)]
pub(in crate::scrape) struct Metrics {
    requests: Family<Outcome, Counter>,
    durations: Histogram,
    skipped: Counter,
    falling_back: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

const BUCKETS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

impl Metrics {
    pub(in crate::scrape) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            durations: Histogram::new(BUCKETS),
            skipped: Counter::default(),
            falling_back: Gauge::default(),
        };
        registry.register(
            "loadline_summary_requests",
            "Attempts to get a kubelet's summary, by outcome: success, or the cause of the failure",
            metrics.requests.clone(),
        );
        registry.register(
            "loadline_summary_request_duration_seconds",
            "Time an attempt to get and keep a kubelet's summary took",
            metrics.durations.clone(),
        );
        registry.register(
            "loadline_summary_entities_skipped",
            "Pods, containers and volumes of summaries that could not be read",
            metrics.skipped.clone(),
        );
        registry.register(
            "loadline_summary_nodes_falling_back",
            "Nodes that refuse their summary or have none, of which only resource metrics are kept",
            metrics.falling_back.clone(),
        );
        metrics
    }

    /// An attempt ended.
    pub(super) fn requested(&self, outcome: &'static str, took: Duration) {
        self.requests.get_or_create(&Outcome { outcome }).inc();
        self.durations.observe(took.as_secs_f64());
    }

    /// An answer was kept without some of its entities.
    pub(super) fn skipped(&self, entities: usize) {
        self.skipped.inc_by(entities as u64);
    }

    /// So many nodes fall back now.
    pub(super) fn falling_back(&self, nodes: usize) {
        let nodes = i64::try_from(nodes).unwrap_or(i64::MAX);
        self.falling_back.set(nodes);
    }
}
