//! What others are told of a Lease that replicas contend for.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::sync::watch;

use crate::telemetry::Registry;

/// Tells whether we hold the Lease, or another does. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Leadership {
    /// `None` when nobody contends.
    held: Option<watch::Receiver<bool>>,
    other: Arc<Mutex<Other>>,
}

/// What is known of another replica that holds the Lease.
#[derive(Debug, Default)]
pub(super) struct Other {
    /// Until when it does, by its last renewal; `None` when none is known.
    pub until: Option<Instant>,
    /// Why the last attempt told nothing of it.
    pub trouble: Option<String>,
}

/// Asks for the state when somebody asks for the metrics.
#[derive(Debug)]
struct Leader(Leadership);

impl Leadership {
    /// That of somebody who is alone.
    #[must_use]
    pub fn undisputed() -> Self {
        Self {
            held: None,
            other: Arc::default(),
        }
    }

    /// That somebody else decides, by what is sent last.
    #[must_use]
    pub fn of(held: watch::Receiver<bool>) -> Self {
        Self {
            held: Some(held),
            other: Arc::default(),
        }
    }

    pub(super) fn other(&self) -> Arc<Mutex<Other>> {
        Arc::clone(&self.other)
    }

    /// Whether we hold the Lease now.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held.as_ref().is_none_or(|held| *held.borrow())
    }

    /// Whether another replica holds the Lease: its last renewal was seen no longer ago than a Lease
    /// lasts.
    ///
    /// # Errors
    /// Why that is not known, in words.
    pub fn held_by_another(&self, now: Instant) -> Result<(), String> {
        let other = self.other.lock();
        match (other.until, &other.trouble) {
            (Some(until), _) if now < until => Ok(()),
            (_, Some(why)) => Err(format!(
                "nobody is known to hold the Lease, and it cannot be taken: {why}"
            )),
            (_, None) => Err("nobody is known to hold the Lease".to_owned()),
        }
    }

    /// Returns once we hold the Lease, at once if we do. Safe to drop and call again.
    pub async fn held(&self) {
        self.becomes(true).await;
    }

    /// Returns once we do not hold the Lease, at once if we do not. Safe to drop and call again.
    pub async fn lost(&self) {
        self.becomes(false).await;
    }

    /// Has `/metrics` tell it as `loadline_leader`; nothing when nobody contends.
    pub fn register(&self, registry: &mut Registry) {
        if self.held.is_some() {
            registry.register_collector(Box::new(Leader(self.clone())));
        }
    }

    async fn becomes(&self, wanted: bool) {
        let heard = match &self.held {
            Some(held) => held.clone().wait_for(|held| *held == wanted).await.is_ok(),
            None => wanted,
        };
        if !heard {
            // Nobody will say so any more.
            std::future::pending::<()>().await;
        }
    }
}

impl Collector for Leader {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let held = ConstGauge::new(i64::from(self.0.is_held()));
        let encoder = encoder.encode_descriptor(
            "loadline_leader",
            "Whether this replica holds the Lease and sends to sinks",
            None,
            held.metric_type(),
        )?;
        held.encode(encoder)
    }
}
