//! How old what we serve is: metrics-server's `metrics_server_api_metric_freshness_seconds`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::domain::{Clock, Timestamp};
use crate::telemetry::Registry;

/// A histogram of the ages of all objects served, one observation an object and request.
///
/// Counts a whole list under one lock: a list of a large cluster has 150,000 objects.
#[derive(Clone, Debug)]
pub(super) struct Freshness {
    ages: Arc<Mutex<Ages>>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Ages {
    /// In milliseconds, as ages are, and rounded down, which no age can tell.
    bounds: [u64; BUCKETS],
    /// Ages up to the bound of the same place and above the one before; the last is above them all.
    counts: [u64; BUCKETS + 1],
    sum_millis: u64,
}

/// metrics-server's buckets: 1 s, and each 1.364 times the one before.
const BUCKETS: usize = 20;
const FACTOR: f64 = 1.364;

impl Freshness {
    pub(super) fn register(registry: &mut Registry, clock: Arc<dyn Clock>) -> Self {
        let ages = Arc::default();
        let this = Self { ages, clock };
        registry.register_collector(Box::new(this.clone()));
        this
    }

    /// Notes that objects with these stamps are served now.
    pub(super) fn served(&self, stamps: impl Iterator<Item = Timestamp>) {
        let now = self.clock.now();
        let mut ages = self.ages.lock();
        for stamp in stamps {
            // A kubelet whose clock is ahead sends numbers from the future.
            let age = now.as_millis().saturating_sub(stamp.as_millis());
            let age = u64::try_from(age).unwrap_or_default();
            ages.sum_millis = ages.sum_millis.saturating_add(age);
            let place = ages.bounds.partition_point(|bound| *bound < age);
            if let Some(count) = ages.counts.get_mut(place) {
                *count += 1;
            }
        }
    }
}

/// The upper bounds of all buckets but the last, in seconds.
fn bounds() -> [f64; BUCKETS] {
    let mut bound = 1.0;
    [(); BUCKETS].map(|()| {
        let this = bound;
        bound *= FACTOR;
        this
    })
}

impl Default for Ages {
    fn default() -> Self {
        let millis = |bound: f64| Duration::from_secs_f64(bound).as_millis();
        Self {
            bounds: bounds().map(|bound| u64::try_from(millis(bound)).unwrap_or(u64::MAX)),
            counts: [0; BUCKETS + 1],
            sum_millis: 0,
        }
    }
}

impl EncodeMetric for Ages {
    fn encode(
        &self,
        mut encoder: prometheus_client::encoding::MetricEncoder<'_>,
    ) -> Result<(), fmt::Error> {
        let bounds = bounds().into_iter().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(self.counts).collect();
        let count = self.counts.iter().sum();
        let sum = Duration::from_millis(self.sum_millis).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

impl Collector for Freshness {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let ages = self.ages.lock();
        let encoder = encoder.encode_descriptor(
            "metrics_server_api_metric_freshness_seconds",
            "Freshness of metrics exported",
            None,
            MetricType::Histogram,
        )?;
        EncodeMetric::encode(&*ages, encoder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that shows a thousand seconds.
    #[derive(Debug)]
    struct Stopped;

    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(1_000_000)
        }

        fn monotonic(&self) -> std::time::Instant {
            crate::domain::SystemClock.monotonic()
        }
    }

    #[test]
    fn every_object_served_is_counted_by_its_age() {
        let mut registry = Registry::default();
        let freshness = Freshness::register(&mut registry, Arc::new(Stopped));
        let aged = |seconds: i64| Timestamp::from_millis(1_000_000 - seconds * 1000);
        freshness.served([aged(1), aged(2), aged(500), aged(-5)].into_iter());
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "metrics_server_api_metric_freshness_seconds_sum 503.0",
            "metrics_server_api_metric_freshness_seconds_count 4",
            "metrics_server_api_metric_freshness_seconds_bucket{le=\"1.0\"} 2",
            "metrics_server_api_metric_freshness_seconds_bucket{le=\"+Inf\"} 4",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        let buckets = text.matches("_bucket{").count();
        assert_eq!(buckets, BUCKETS + 1);
    }
}
