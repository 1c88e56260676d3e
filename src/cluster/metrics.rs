//! What this room tells about itself.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::domain::Inventory;
use crate::telemetry::Registry;

/// The counters of the watches, by resource.
#[derive(Clone, Debug, Default)]
pub(super) struct Metrics {
    restarts: Family<Resource, Counter>,
    skipped: Family<Resource, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Resource {
    resource: &'static str,
}

/// Counts the inventory when it is asked, so that no event has to.
#[derive(Debug)]
struct InventoryObjects(Arc<Inventory>);

impl Metrics {
    /// Registers the counters, and the size of `inventory`.
    pub(super) fn register(inventory: &Arc<Inventory>, registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "loadline_watch_restarts",
            "Watches that broke, were refused, or had to list everything anew",
            metrics.restarts.clone(),
        );
        registry.register(
            "loadline_watch_skipped_objects",
            "Objects a watch could not read and left out",
            metrics.skipped.clone(),
        );
        registry.register_collector(Box::new(InventoryObjects(Arc::clone(inventory))));
        metrics
    }

    /// The counter of restarts of one watch.
    pub(super) fn restarts(&self, resource: &'static str) -> Counter {
        self.restarts.get_or_create_owned(&Resource { resource })
    }

    /// The counter of objects one watch skipped.
    pub(super) fn skipped(&self, resource: &'static str) -> Counter {
        self.skipped.get_or_create_owned(&Resource { resource })
    }
}

impl Collector for InventoryObjects {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut family = encoder.encode_descriptor(
            "loadline_inventory_objects",
            "Objects known from the API server",
            None,
            MetricType::Gauge,
        )?;
        let counts = [
            ("nodes", self.0.node_count()),
            ("pods", self.0.pod_count()),
            ("namespaces", self.0.namespace_count()),
        ];
        for (resource, count) in counts {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            family
                .encode_family(&Resource { resource })?
                .encode_gauge(&count)?;
        }
        Ok(())
    }
}
