//! Nodes by state, as a metric.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::MetricType;

use super::{Coverage, State};
use crate::telemetry::Registry;

#[derive(Debug)]
struct Nodes(Arc<Coverage>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    state: &'static str,
}

pub(super) fn register(coverage: Arc<Coverage>, registry: &mut Registry) {
    registry.register_collector(Box::new(Nodes(coverage)));
}

impl Collector for Nodes {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let snapshot = self.0.current();
        let mut family = encoder.encode_descriptor(
            "loadline_nodes",
            "Nodes of the cluster by how they fare",
            None,
            MetricType::Gauge,
        )?;
        for state in State::ALL {
            let count = i64::try_from(snapshot.count(state)).unwrap_or(i64::MAX);
            let labels = Labels {
                state: state.label(),
            };
            family.encode_family(&labels)?.encode_gauge(&count)?;
        }
        Ok(())
    }
}
