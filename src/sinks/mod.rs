//! Where batches are sent: databases outside, in the form Heapster sent them.
//!
//! ```text
//!                    ┌─ queue ─► worker ─► filter ─► encoder ─► transport ─► influxdb
//! rollup ── batch ──►├─ queue ─► worker ─► …                              ─► graphite
//!    one Arc for all └─ queue ─► worker ─► …                              ─► …
//! ```
//!
//! Every sink has a task and a bounded queue of its own, so one that is slow or away costs the
//! others nothing, nor whoever makes the batches. A batch is tried until it is through or newer ones
//! have taken its place; what is lost is counted. Pieces a backend took are not sent to it again.
//! Pieces it will never take (they are wrong, or too large) are counted and not repeated.

mod chunks;
mod column;
mod config;
mod credentials;
mod datagram;
mod destination;
mod elasticsearch;
mod events;
mod export;
mod filter;
mod flaw;
mod gcl;
mod gcm;
mod google;
mod graphite;
mod host;
mod http;
mod influxdb;
#[cfg(feature = "kafka")]
mod kafka;
mod lineup;
mod log;
mod metrics;
mod opentsdb;
mod options;
mod otlp;
mod prometheus;
mod queue;
mod refusing;
mod riemann;
mod secret;
mod setup;
mod spool;
mod statsd;
#[cfg(test)]
mod tests;
mod trust;
mod unseen;
mod uri;
mod variables;
mod webhook;
mod worker;
mod written;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

pub use column::{LABELS, LabelSet, Labeller};
pub use config::{KEYS, SinkConfig};
pub use events::{
    EVENT_KEYS, EventBatch, EventFilter, EventInlets, EventSinkConfig, EventSinks, Fate,
    Outstanding,
};
pub use export::ExportError;
pub use http::{Http, HttpConfig};
pub use influxdb::InfluxdbLayout;
pub use options::{Problem, Problems, Remarks};
pub use prometheus::{Exposition, PrometheusLayout};
pub use secret::Secret;
pub use setup::SetupError;
pub use uri::{InvalidUri, SinkUri};
pub use written::{Layout, Written};

use crate::domain::{Batch, Bytes, Clock};
use crate::lifecycle::{Stop, Tasks};
use crate::telemetry::Registry;
use export::{Columns, Exporter};
use lineup::Lineup;
use spool::Codec;

/// How sinks are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// How long one attempt to send a batch may take, to its end: Heapster's
    /// `--sink-export-data-timeout`.
    pub export_timeout: Duration,
    /// How long sinks have to send what waits once the process is to stop.
    pub flush: Duration,
    /// The first and the longest wait after a failed attempt.
    pub retry: (Duration, Duration),
}

/// Where sinks keep what does not fit into their queues, and what is not sent when the process ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spooling {
    /// Each sink has a folder below it. What a process before left there is sent first.
    pub folder: PathBuf,
    /// The most a sink's batches take there; above it the oldest go.
    pub most: Bytes,
}

/// All sinks.
pub struct Sinks {
    lineup: Lineup<Columns>,
}

impl Default for Config {
    /// Heapster's 20 seconds, and 10 to flush.
    fn default() -> Self {
        Self {
            export_timeout: Duration::from_secs(20),
            flush: Duration::from_secs(10),
            retry: (Duration::from_secs(1), Duration::from_secs(60)),
        }
    }
}

impl Sinks {
    /// How many batches [`Sinks::run`] may find waiting: it hands them on at once.
    pub const QUEUE: usize = 2;

    /// Sets up sinks, with a spool each where one is wished. Asks nothing over the network: a backend
    /// may be away.
    ///
    /// # Errors
    /// When files any of them names, or folders of spools, cannot be used: all of them, by sink and
    /// option.
    pub fn new(
        config: Config,
        sinks: Vec<SinkConfig>,
        spooling: Option<Spooling>,
        labeller: &Arc<dyn Labeller>,
        clock: &Arc<dyn Clock>,
        registry: &mut Registry,
    ) -> Result<Self, Problems> {
        let codec: fn() -> Codec<Batch> = || Codec {
            kind: "numbers",
            pack: spool::pack,
            unpack: spool::unpack,
            lost: None,
        };
        let spooling = spooling.map(|spooling| (spooling, codec));
        let mut lineup = Lineup::new(config, spooling, clock, registry);
        for sink in sinks {
            let columns = Exporter::new(sink.backend, clock).map(|exporter| Columns {
                exporter,
                filter: sink.filter,
                labeller: Arc::clone(labeller),
            });
            let sink_is = (sink.name, sink.destination.as_str(), &sink.remarks);
            lineup.add(sink_is, sink.queue, columns);
        }
        let lineup = lineup.whole()?;
        Ok(Self { lineup })
    }

    /// Hands batches to all sinks until `stop`, or until no more can come; each sink runs as a task
    /// of its own, which ends when its queue is flushed.
    pub async fn run(self, mut batches: mpsc::Receiver<Arc<Batch>>, tasks: Tasks, stop: Stop) {
        let Lineup {
            mut inlets,
            workers,
            ..
        } = self.lineup;
        for worker in workers {
            tasks.spawn_passing("sink", worker.run(stop.clone()));
        }
        while let Some(Some(batch)) = stop.until(batches.recv()).await {
            for inlet in &mut inlets {
                inlet.put(Arc::clone(&batch));
            }
        }
        // What was made before the stop is sent too.
        while let Ok(batch) = batches.try_recv() {
            for inlet in &mut inlets {
                inlet.put(Arc::clone(&batch));
            }
        }
        for inlet in &inlets {
            inlet.queue.close();
        }
    }
}

impl std::fmt::Debug for Sinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        lineup::show("Sinks", &self.lineup.inlets, f)
    }
}
