//! What this room says about itself.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::telemetry::Registry;

use super::node::Commit;
use super::sample::NodeSample;

#[derive(Clone, Debug)]
pub(super) struct Metrics {
    nodes: Gauge,
    containers: Gauge,
    commits: Counter,
    refused: Counter,
    resets: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PointType {
    r#type: &'static str,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let points = Family::<PointType, Gauge>::default();
        let of = |r#type| points.get_or_create_owned(&PointType { r#type });
        let metrics = Self {
            nodes: of("node"),
            containers: of("container"),
            commits: Counter::default(),
            refused: Counter::default(),
            resets: Counter::default(),
        };
        // metrics-server's name and meaning: what could be served, not what was received.
        registry.register(
            "metrics_server_storage_points",
            "Number of metrics points stored that can be served",
            points,
        );
        registry.register(
            "loadline_commits",
            "Kubelet answers committed, one node each",
            metrics.commits.clone(),
        );
        registry.register(
            "loadline_rates_refused",
            "CPU rates refused because they were above what the node has",
            metrics.refused.clone(),
        );
        registry.register(
            "loadline_counter_resets",
            "Lives ended because a CPU counter fell or a kubelet's clock was set back",
            metrics.resets.clone(),
        );
        metrics
    }

    pub(super) fn committed(&self, commit: &Commit) {
        self.commits.inc();
        self.refused.inc_by(commit.refused as u64);
        self.resets.inc_by(commit.resets as u64);
    }

    /// Moves the gauges from what a node had to what it has.
    pub(super) fn replaced(&self, before: Option<&NodeSample>, after: Option<&NodeSample>) {
        let of = |sample: Option<&NodeSample>| {
            let node = sample.is_some_and(|sample| sample.node.is_some());
            let containers = sample.map_or(0, NodeSample::container_points);
            (
                i64::from(node),
                i64::try_from(containers).unwrap_or(i64::MAX),
            )
        };
        let ((node, containers), (node_now, containers_now)) = (of(before), of(after));
        self.nodes.inc_by(node_now - node);
        self.containers.inc_by(containers_now - containers);
    }

    /// Nodes and containers that have a number.
    pub(super) fn points(&self) -> (i64, i64) {
        (self.nodes.get(), self.containers.get())
    }
}
