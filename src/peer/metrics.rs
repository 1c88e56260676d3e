//! What this room says about itself.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::telemetry::Registry;

/// The metrics of both sides.
#[derive(Debug, Default)]
pub struct Metrics {
    asked: Family<Asked, Counter>,
    taken: Gauge,
    bytes: Gauge,
    millis: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    result: &'static str,
}

/// What became of a question of another replica.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answered {
    Given,
    Refused,
    Busy,
}

impl Metrics {
    /// The metrics, registered.
    pub fn register(registry: &mut Registry) -> Arc<Self> {
        let metrics = Self::default();
        registry.register(
            "loadline_peer_requests",
            "Requests of other replicas for a hand-off, by what became of them",
            metrics.asked.clone(),
        );
        registry.register(
            "loadline_peer_taken_over",
            "1 when this replica took over the numbers of another one at its start",
            metrics.taken.clone(),
        );
        registry.register(
            "loadline_peer_taken_over_bytes",
            "How large that hand-off was",
            metrics.bytes.clone(),
        );
        registry.register(
            "loadline_peer_taken_over_milliseconds",
            "How long readiness waited for a hand-off at the start",
            metrics.millis.clone(),
        );
        for answered in [Answered::Given, Answered::Refused, Answered::Busy] {
            drop(metrics.asked.get_or_create_owned(&answered.label()));
        }
        Arc::new(metrics)
    }

    pub(super) fn answered(&self, answered: Answered) {
        self.asked.get_or_create_owned(&answered.label()).inc();
    }

    pub(super) fn took_over(&self, bytes: u64) {
        self.taken.set(1);
        self.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    pub(super) fn waited(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.millis.set(millis);
    }
}

impl Answered {
    const fn label(self) -> Asked {
        let result = match self {
            Self::Given => "given",
            Self::Refused => "refused",
            Self::Busy => "busy",
        };
        Asked { result }
    }
}
