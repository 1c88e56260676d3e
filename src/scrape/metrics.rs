//! What this room says about itself.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use crate::domain::{NodeName, Timestamp};
use crate::telemetry::Registry;

#[derive(Clone, Debug)]
pub(super) struct Metrics {
    durations: Family<Node, Histogram, fn() -> Histogram>,
    last_requests: Family<Node, Gauge>,
    requests: Family<Success, Counter>,
    failures: Family<Cause, Counter>,
    skipped_lines: Counter,
    ticks: Arc<Histogram>,
}

/// The series of one node, so that an attempt looks nothing up.
#[derive(Clone, Debug)]
pub(super) struct NodeMetrics {
    duration: Histogram,
    last_request: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Node {
    node: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Success {
    success: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Cause {
    cause: &'static str,
}

/// The default buckets of Prometheus' Go client, which metrics-server uses.
const BUCKETS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

impl Metrics {
    pub(super) fn register(registry: &mut Registry, resolution: Duration) -> Self {
        let metrics = Self {
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            last_requests: Family::default(),
            requests: Family::default(),
            failures: Family::default(),
            skipped_lines: Counter::default(),
            ticks: Arc::new(Histogram::new(tick_buckets(resolution))),
        };
        for success in ["true", "false"] {
            let _ = metrics.requests.get_or_create(&Success { success });
        }
        registry.register(
            "metrics_server_kubelet_request_duration_seconds",
            "Duration of requests to Kubelet API in seconds",
            metrics.durations.clone(),
        );
        registry.register(
            "metrics_server_kubelet_last_request_time_seconds",
            "Time of last request performed to Kubelet API since unix epoch in seconds",
            metrics.last_requests.clone(),
        );
        registry.register(
            "metrics_server_kubelet_request",
            "Number of requests sent to Kubelet API",
            metrics.requests.clone(),
        );
        // There is no round of all nodes here that a tick could be: each node is observed by
        // itself.
        registry.register(
            "metrics_server_manager_tick_duration_seconds",
            "Time from when a node was due to when its answer was committed or had failed, waiting for a turn included",
            (*metrics.ticks).clone(),
        );
        registry.register(
            "loadline_scrape_failures",
            "Attempts to scrape a node that failed, by cause",
            metrics.failures.clone(),
        );
        registry.register(
            "loadline_exposition_lines_skipped",
            "Lines of kubelets' answers that could not be read",
            metrics.skipped_lines.clone(),
        );
        metrics
    }

    /// The series of a node that is asked from now on.
    pub(super) fn node(&self, name: &NodeName) -> NodeMetrics {
        let node = label(name);
        NodeMetrics {
            duration: self.durations.get_or_create_owned(&node),
            last_request: self.last_requests.get_or_create_owned(&node),
        }
    }

    /// Takes the series of a node away that is asked no longer.
    pub(super) fn forget(&self, name: &NodeName) {
        let node = label(name);
        self.durations.remove(&node);
        self.last_requests.remove(&node);
    }

    /// An attempt ended well.
    pub(super) fn succeeded(&self, skipped_lines: usize) {
        let success = Success { success: "true" };
        self.requests.get_or_create(&success).inc();
        self.skipped_lines.inc_by(skipped_lines as u64);
    }

    /// An attempt failed.
    pub(super) fn failed(&self, cause: &'static str) {
        let success = Success { success: "false" };
        self.requests.get_or_create(&success).inc();
        self.failures.get_or_create(&Cause { cause }).inc();
    }

    /// The time from due to done.
    pub(super) fn ticked(&self, took: Duration) {
        self.ticks.observe(took.as_secs_f64());
    }
}

impl NodeMetrics {
    /// A request ended at `at` after `took`.
    pub(super) fn requested(&self, at: Timestamp, took: Duration) {
        self.duration.observe(took.as_secs_f64());
        self.last_request.set(at.as_secs());
    }
}

fn label(name: &NodeName) -> Node {
    Node {
        node: name.to_string(),
    }
}

/// The default buckets and some around the resolution, as metrics-server chooses them.
fn tick_buckets(resolution: Duration) -> Vec<f64> {
    let resolution = resolution.as_secs_f64();
    let mut buckets = BUCKETS.to_vec();
    if resolution > 10.0 {
        let beyond = [
            f64::midpoint(10.0, resolution),
            resolution,
            resolution * 1.5,
            resolution * 2.0,
        ];
        buckets.extend(beyond);
    } else if BUCKETS.iter().all(|b| (b - resolution).abs() > 0.005) {
        let at = buckets.partition_point(|bucket| *bucket < resolution);
        buckets.insert(at, resolution);
    }
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_have_buckets_around_the_resolution() {
        let tail = |secs| tick_buckets(Duration::from_secs(secs)).split_off(10);
        assert_eq!(tail(15), [10.0, 12.5, 15.0, 22.5, 30.0]);
        assert_eq!(tail(10), [10.0]);
        assert_eq!(tail(7), [7.0, 10.0]);
    }
}
