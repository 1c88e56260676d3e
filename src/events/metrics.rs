//! What this room tells about itself.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::domain::Event;
use crate::telemetry::Registry;

#[derive(Clone, Debug, Default)]
pub(super) struct Metrics {
    received: Counter,
    skipped: Family<Reason, Counter>,
    last: Gauge<f64, AtomicU64>,
    waiting: Gauge,
    lag: Gauge<f64, AtomicU64>,
    pub(super) unsaved: Counter,
    restarts: Family<Resource, Counter>,
}

/// Why an event is not handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skipped {
    Filtered,
    Known,
    Unreadable,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Resource {
    resource: &'static str,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let Self {
            received,
            skipped,
            last,
            waiting,
            lag,
            unsaved,
            restarts,
        } = metrics.clone();
        registry.register(
            "loadline_events_received",
            "Events that were new and are handed to sinks",
            received,
        );
        registry.register(
            "loadline_events_skipped",
            "Events that are not handed to sinks, by reason",
            skipped,
        );
        registry.register(
            "loadline_events_last_timestamp_seconds",
            "When the newest event happened that is handed to sinks",
            last,
        );
        registry.register(
            "loadline_events_waiting",
            "Events that not every sink is done with",
            waiting,
        );
        registry.register(
            "loadline_events_lag_seconds",
            "How long the oldest event waits that not every sink is done with",
            lag,
        );
        registry.register(
            "loadline_events_position_errors",
            "Attempts to read or write the place to resume from that failed",
            unsaved,
        );
        registry.register(
            "loadline_watch_restarts",
            "Watches that broke, were refused, or had to list everything anew",
            restarts,
        );
        metrics
    }

    pub(super) fn received(&self, event: &Event) {
        self.received.inc();
        if let Some(seen) = event.last_seen() {
            let secs = Duration::from_micros(u64::try_from(seen.as_micros()).unwrap_or_default());
            if secs.as_secs_f64() > self.last.get() {
                self.last.set(secs.as_secs_f64());
            }
        }
    }

    pub(super) fn skip(&self, reason: Skipped) {
        let reason = match reason {
            Skipped::Filtered => "filtered",
            Skipped::Known => "known",
            Skipped::Unreadable => "unreadable",
        };
        self.skipped.get_or_create_owned(&Reason { reason }).inc();
    }

    pub(super) fn waiting(&self, events: usize, lag: Duration) {
        self.waiting.set(i64::try_from(events).unwrap_or(i64::MAX));
        self.lag.set(lag.as_secs_f64());
    }

    /// The counter of the watch's restarts.
    pub(super) fn restarts(&self) -> Counter {
        let resource = "events";
        self.restarts.get_or_create_owned(&Resource { resource })
    }
}
