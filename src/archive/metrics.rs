//! What this room says about itself.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::folder::Entry;
use crate::telemetry::Registry;

#[derive(Clone, Debug, Default)]
pub(super) struct Metrics {
    bytes: Gauge,
    segments: Gauge,
    columns: Gauge,
    oldest: Gauge,
    most: Gauge,
    errors: Family<Operation, Counter>,
    dropped: Counter,
    written: Counter,
}

/// What can fail.
#[derive(Clone, Copy, Debug)]
pub(super) enum Failing {
    Open,
    Write,
    Join,
    Read,
    Remove,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        use Failing::{Join, Open, Read, Remove, Write};
        for failing in [Open, Write, Join, Read, Remove] {
            drop(metrics.errors.get_or_create_owned(&failing.into()));
        }
        let gauges = [
            ("bytes", "Bytes the history on disk takes", &metrics.bytes),
            (
                "segments",
                "Files of the history on disk",
                &metrics.segments,
            ),
            (
                "columns",
                "Ticks the history on disk has points of",
                &metrics.columns,
            ),
            (
                "max_bytes",
                "Bytes the history on disk may take: --history-dir-max-bytes, or what its volume has room for",
                &metrics.most,
            ),
            (
                "oldest_timestamp_seconds",
                "The oldest tick of the history on disk, 0 without any",
                &metrics.oldest,
            ),
        ];
        for (name, help, gauge) in gauges {
            registry.register(format!("loadline_history_dir_{name}"), help, gauge.clone());
        }
        registry.register(
            "loadline_history_dir_errors",
            "Failures of the history on disk, by what was tried",
            metrics.errors.clone(),
        );
        registry.register(
            "loadline_history_dir_dropped_ticks",
            "Ticks that never came to disk: memory forgot them first",
            metrics.dropped.clone(),
        );
        registry.register(
            "loadline_history_dir_written_bytes",
            "Bytes written to disk, those of joining included",
            metrics.written.clone(),
        );
        metrics
    }

    pub(super) fn holds(&self, entries: &[Arc<Entry>]) {
        let gauge = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let known = || entries.iter().filter_map(|entry| entry.meta);
        self.bytes.set(gauge(entries.iter().map(|e| e.bytes).sum()));
        self.segments.set(gauge(entries.len() as u64));
        self.columns
            .set(known().map(|meta| i64::from(meta.columns)).sum());
        let oldest = known().map(|meta| meta.first).min().unwrap_or_default();
        self.oldest.set(oldest.as_secs());
    }

    pub(super) fn may_hold(&self, most: u64) {
        self.most.set(i64::try_from(most).unwrap_or(i64::MAX));
    }

    pub(super) fn failed(&self, failing: Failing) {
        self.errors.get_or_create(&failing.into()).inc();
    }

    pub(super) fn dropped(&self, ticks: u32) {
        self.dropped.inc_by(ticks.into());
    }

    pub(super) fn wrote(&self, bytes: u64) {
        self.written.inc_by(bytes);
    }
}

impl From<Failing> for Operation {
    fn from(failing: Failing) -> Self {
        let operation = match failing {
            Failing::Open => "open",
            Failing::Write => "write",
            Failing::Join => "join",
            Failing::Read => "read",
            Failing::Remove => "remove",
        };
        Self { operation }
    }
}
