//! What this room tells about itself.

use std::fmt;
use std::sync::{Arc, OnceLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::telemetry::Registry;

/// The series of the one store there is.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    pub answered: Counter,
    pub failed: Counter,
    up: Up,
}

/// Whether the store answers; nothing before anybody has asked it.
#[derive(Clone, Debug, Default)]
struct Up(Arc<OnceLock<Gauge>>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let questions = Family::<Outcome, Counter>::default();
        let up = Up::default();
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
        registry.register_collector(Box::new(up));
        metrics
    }

    /// Tells whether the last question was answered.
    pub(super) fn answers(&self, up: bool) {
        self.up.0.get_or_init(Gauge::default).set(i64::from(up));
    }
}

impl Collector for Up {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(up) = self.0.get() else {
            return Ok(());
        };
        let encoder = encoder.encode_descriptor(
            "loadline_historical_source_up",
            "Whether the last question to the store of --historical-source was answered; none before the first",
            None,
            up.metric_type(),
        )?;
        up.encode(encoder)
    }
}
