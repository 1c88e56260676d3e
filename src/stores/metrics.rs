//! What this room tells about itself.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::telemetry::Registry;

/// The series of the one store there is.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    pub answered: Counter,
    pub failed: Counter,
    pub up: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let questions = Family::<Outcome, Counter>::default();
        let up = Gauge::default();
        let of = |outcome| questions.get_or_create_owned(&Outcome { outcome });
        let metrics = Self {
            answered: of("answered"),
            failed: of("failed"),
            up: up.clone(),
        };
        registry.register(
            "loadline_historical_source_questions",
            "Questions to the store of --historical-source, by what came of them",
            questions,
        );
        registry.register(
            "loadline_historical_source_up",
            "Whether the last question to the store of --historical-source was answered",
            up,
        );
        metrics
    }
}
