//! What this room says about itself.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::telemetry::Registry;

#[derive(Clone, Debug, Default)]
pub(super) struct Metrics {
    queued: Family<Sink, Gauge>,
    sent: Family<Sink, Counter>,
    points: Family<Sink, Counter>,
    refused: Family<Sink, Counter>,
    retried: Family<Sink, Counter>,
    dropped: Family<Drop, Counter>,
    lag: Family<Sink, Gauge<f64, AtomicU64>>,
    up: Family<Sink, Gauge>,
    spooled: Family<Sink, Gauge>,
    spool_bytes: Family<Sink, Gauge>,
}

/// The series of one sink.
#[derive(Clone, Debug)]
pub(super) struct SinkMetrics {
    pub queued: Gauge,
    pub sent: Counter,
    pub points: Counter,
    pub refused: Counter,
    pub retried: Counter,
    pub dropped_full: Counter,
    pub dropped_shutdown: Counter,
    pub lag: Gauge<f64, AtomicU64>,
    pub up: Gauge,
}

/// The series of one sink's spool.
#[derive(Clone, Debug)]
pub(super) struct SpoolMetrics {
    pub batches: Gauge,
    pub bytes: Gauge,
    /// Batches lost because the spool was full.
    pub full: Counter,
    /// Batches lost because they could not be written, or not in time.
    pub failed: Counter,
    /// Batches that could not be read back.
    pub torn: Counter,
    /// Batches that wait in the queue, which is emptied into the spool.
    pub queued: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Sink {
    sink: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Drop {
    sink: String,
    reason: &'static str,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let Self {
            queued,
            sent,
            points,
            refused,
            retried,
            dropped,
            lag,
            up,
            ..
        } = metrics.clone();
        registry.register(
            "loadline_sink_queued",
            "Batches that wait for a sink",
            queued,
        );
        registry.register(
            "loadline_sink_sent",
            "Batches a sink has been through with",
            sent,
        );
        registry.register(
            "loadline_sink_sent_points",
            "Points a sink's backend took",
            points,
        );
        registry.register(
            "loadline_sink_refused_points",
            "Points a sink's backend will never take, and which are not sent again",
            refused,
        );
        registry.register(
            "loadline_sink_retried",
            "Attempts to send a batch that failed and were or will be repeated",
            retried,
        );
        registry.register(
            "loadline_sink_dropped",
            "Batches that did not reach a sink's backend as a whole, by reason",
            dropped,
        );
        registry.register(
            "loadline_sink_lag_seconds",
            "Age of the batch a sink was last at, from its timestamp",
            lag,
        );
        registry.register(
            "loadline_sink_up",
            "Whether the last attempt to send a batch succeeded",
            up,
        );
        metrics.register_spool(registry);
        metrics
    }

    fn register_spool(&self, registry: &mut Registry) {
        registry.register(
            "loadline_sink_spooled",
            "Batches of a sink that wait on disk",
            self.spooled.clone(),
        );
        registry.register(
            "loadline_sink_spool_bytes",
            "What they take there, in bytes",
            self.spool_bytes.clone(),
        );
    }

    pub(super) fn of_spool(&self, sink: &str) -> SpoolMetrics {
        let label = Sink {
            sink: sink.to_owned(),
        };
        SpoolMetrics {
            batches: self.spooled.get_or_create_owned(&label),
            bytes: self.spool_bytes.get_or_create_owned(&label),
            full: self.dropped(sink, "spool_full"),
            failed: self.dropped(sink, "spool_failed"),
            torn: self.dropped(sink, "spool_torn"),
            queued: self.queued.get_or_create_owned(&label),
        }
    }

    fn dropped(&self, sink: &str, reason: &'static str) -> Counter {
        let sink = sink.to_owned();
        self.dropped.get_or_create_owned(&Drop { sink, reason })
    }

    pub(super) fn of(&self, sink: &str) -> SinkMetrics {
        let label = Sink {
            sink: sink.to_owned(),
        };
        SinkMetrics {
            queued: self.queued.get_or_create_owned(&label),
            sent: self.sent.get_or_create_owned(&label),
            points: self.points.get_or_create_owned(&label),
            refused: self.refused.get_or_create_owned(&label),
            retried: self.retried.get_or_create_owned(&label),
            dropped_full: self.dropped(sink, "queue_full"),
            dropped_shutdown: self.dropped(sink, "shutdown"),
            lag: self.lag.get_or_create_owned(&label),
            up: self.up.get_or_create_owned(&label),
        }
    }
}
