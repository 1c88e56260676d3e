//! What this room says about itself.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::telemetry::Registry;

use super::totals::Totals;

#[derive(Clone, Debug, Default)]
pub(super) struct Metrics {
    bytes: Gauge,
    container_bytes: Gauge,
    entities: Gauge,
    series: Gauge,
    columns: Gauge,
    shed: Counter,
    late: Counter,
    twice: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let refused = Family::<Reason, Counter>::default();
        let of = |reason| refused.get_or_create_owned(&Reason { reason });
        let metrics = Self {
            late: of("late"),
            twice: of("twice"),
            ..Self::default()
        };
        let gauges = [
            ("bytes", "Memory the history holds", &metrics.bytes),
            (
                "container_bytes",
                "Memory the history holds, for each container it knows",
                &metrics.container_bytes,
            ),
            (
                "entities",
                "Clusters, nodes, namespaces, pods and containers the history knows, each life",
                &metrics.entities,
            ),
            (
                "series",
                "Series the history has points of",
                &metrics.series,
            ),
            (
                "columns",
                "Ticks the history has points of",
                &metrics.columns,
            ),
        ];
        for (name, help, gauge) in gauges {
            registry.register(format!("loadline_history_{name}"), help, gauge.clone());
        }
        registry.register(
            "loadline_history_shed_columns",
            "Columns dropped before their time to stay below the memory limit",
            metrics.shed.clone(),
        );
        registry.register(
            "loadline_history_refused_sets",
            "Sets not kept: of a tick that was over, or the second of an entity in one tick",
            refused,
        );
        metrics
    }

    pub(super) fn late(&self, sets: usize) {
        self.late.inc_by(sets as u64);
    }

    pub(super) fn twice(&self) {
        self.twice.inc();
    }

    pub(super) fn shed(&self, columns: usize) {
        self.shed.inc_by(columns as u64);
    }

    pub(super) fn held(&self, bytes: i64, totals: Totals, columns: usize) {
        self.bytes.set(bytes);
        let each = bytes.checked_div(totals.containers).unwrap_or_default();
        self.container_bytes.set(each);
        self.entities.set(totals.entities);
        self.series.set(totals.series);
        self.columns.set(i64::try_from(columns).unwrap_or(i64::MAX));
    }
}
