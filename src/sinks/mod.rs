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
mod datagram;
mod elasticsearch;
mod events;
mod export;
mod filter;
mod gcl;
mod gcm;
mod google;
mod graphite;
mod http;
mod influxdb;
#[cfg(feature = "kafka")]
mod kafka;
mod log;
mod metrics;
mod opentsdb;
mod options;
mod otlp;
mod prometheus;
mod queue;
mod riemann;
mod secret;
mod spool;
mod statsd;
#[cfg(test)]
mod tests;
mod trust;
mod uri;
mod webhook;
mod worker;
mod written;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tracing::warn;

pub use column::{LabelSet, Labeller};
pub use config::{KEYS, SetupError, SinkConfig};
pub use events::{
    EVENT_KEYS, EventBatch, EventFilter, EventInlets, EventSinkConfig, EventSinks, Fate,
    Outstanding,
};
pub use export::ExportError;
pub use http::{Http, HttpConfig, query_escape};
pub use influxdb::InfluxdbLayout;
pub use options::{Problem, Problems};
pub use prometheus::{Exposition, PrometheusLayout};
pub use secret::Secret;
pub use uri::{InvalidUri, SinkUri, expand};
pub use written::{Layout, Written};

use crate::domain::{Batch, Bytes, Clock};
use crate::lifecycle::{Backoff, Stop, Tasks};
use crate::telemetry::Registry;
use export::{Columns, Exporter};
use metrics::{Metrics, SinkMetrics};
use queue::Queue;
use spool::{Codec, Spool};
use worker::{Delivery, State, Worker};

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

/// All sinks.
pub struct Sinks {
    inlets: Vec<Inlet<Batch>>,
    workers: Vec<Worker<Columns>>,
    metrics: Metrics,
}

/// Where one sink's batches are put in.
struct Inlet<B> {
    name: String,
    queue: Arc<Queue<B>>,
    spool: Option<Arc<Spool<B>>>,
    metrics: SinkMetrics,
    full: bool,
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

    /// Sets up sinks. Asks nothing over the network: a backend may be away.
    ///
    /// # Errors
    /// When a file one of them names cannot be used; with the name of the sink.
    pub fn new(
        config: Config,
        sinks: Vec<SinkConfig>,
        labeller: &Arc<dyn Labeller>,
        clock: &Arc<dyn Clock>,
        registry: &mut Registry,
    ) -> Result<Self, (String, SetupError)> {
        let metrics = Metrics::register(registry);
        let (mut inlets, mut workers) = (Vec::new(), Vec::new());
        for sink in sinks {
            let SinkConfig {
                name,
                ignored,
                backend,
                filter,
                queue,
            } = sink;
            tell_ignored(&name, &ignored);
            let columns = Columns {
                exporter: Exporter::new(backend, clock).map_err(|e| (name.clone(), e))?,
                filter,
                labeller: Arc::clone(labeller),
            };
            let metrics = metrics.of(&name);
            let (inlet, worker) = set_up(&config, name, columns, queue, metrics, clock);
            inlets.push(inlet);
            workers.push(worker);
        }
        Ok(Self {
            inlets,
            workers,
            metrics,
        })
    }

    /// Has what does not fit into the queues kept in a folder, in at most so many bytes a sink. What
    /// a process before left there is sent first.
    ///
    /// # Errors
    /// When the folder cannot be used; with the name of the sink.
    pub fn with_spool(mut self, folder: &Path, most: Bytes) -> Result<Self, (String, SetupError)> {
        let codec = || Codec {
            pack: spool::pack,
            unpack: spool::unpack,
            lost: |_| {},
        };
        for (inlet, worker) in self.inlets.iter_mut().zip(&mut self.workers) {
            open_spool(inlet, worker, (folder, most), codec(), &self.metrics)?;
        }
        Ok(self)
    }

    /// Hands batches to all sinks until `stop`, or until no more can come; each sink runs as a task
    /// of its own, which ends when its queue is flushed.
    pub async fn run(mut self, mut batches: mpsc::Receiver<Arc<Batch>>, tasks: Tasks, stop: Stop) {
        for worker in self.workers {
            tasks.spawn_passing("sink", worker.run(stop.clone()));
        }
        while let Some(Some(batch)) = stop.until(batches.recv()).await {
            for inlet in &mut self.inlets {
                inlet.put(Arc::clone(&batch));
            }
        }
        // What was made before the stop is sent too.
        while let Ok(batch) = batches.try_recv() {
            for inlet in &mut self.inlets {
                inlet.put(Arc::clone(&batch));
            }
        }
        for inlet in &self.inlets {
            inlet.queue.close();
        }
    }
}

fn tell_ignored(sink: &str, options: &[String]) {
    if !options.is_empty() {
        let options = options.join(",");
        warn!(sink, options, "options without a meaning");
    }
}

/// One sink: where its batches are put in, and who gets them through.
fn set_up<D: Delivery>(
    config: &Config,
    name: String,
    delivery: D,
    queue: usize,
    metrics: SinkMetrics,
    clock: &Arc<dyn Clock>,
) -> (Inlet<D::Batch>, Worker<D>) {
    let queue = Arc::new(Queue::new(queue));
    let inlet = Inlet {
        name: name.clone(),
        queue: Arc::clone(&queue),
        spool: None,
        metrics: metrics.clone(),
        full: false,
    };
    let (first, cap) = config.retry;
    let worker = Worker {
        name,
        delivery,
        queue,
        spool: None,
        clock: Arc::clone(clock),
        metrics,
        backoff: Backoff::doubling(first, cap),
        export_timeout: config.export_timeout,
        flush: config.flush,
        state: State::default(),
    };
    (inlet, worker)
}

/// Gives a sink a spool below the folder, of so many bytes.
fn open_spool<D: Delivery>(
    inlet: &mut Inlet<D::Batch>,
    worker: &mut Worker<D>,
    (folder, most): (&Path, Bytes),
    codec: Codec<D::Batch>,
    metrics: &Metrics,
) -> Result<(), (String, SetupError)> {
    let (name, metrics) = (&inlet.name, metrics.of_spool(&inlet.name));
    let spool = Spool::open(name, folder, most.get(), codec, metrics);
    let spool = spool.map_err(|error| (name.clone(), SetupError::spool(folder, &error)))?;
    let spool = Arc::new(spool);
    inlet.spool = Some(Arc::clone(&spool));
    worker.spool = Some(spool);
    Ok(())
}

impl<B: Send + Sync + 'static> Inlet<B> {
    /// Tells, whenever it is asked, whether another batch finds room without costing an older one.
    fn room(&self) -> impl Fn() -> bool + Send + use<B> {
        let (queue, spool) = (Arc::clone(&self.queue), self.spool.clone());
        move || queue.has_room() || spool.as_ref().is_some_and(|spool| spool.has_room())
    }

    fn put(&mut self, batch: Arc<B>) {
        let (spool, metrics) = (&self.spool, &self.metrics);
        let over = self.queue.push(batch, |oldest| match spool {
            Some(spool) => spool.push(oldest),
            None => {
                metrics.dropped_full.inc();
            }
        });
        if over && !self.full {
            let sink = &self.name;
            match spool {
                Some(_) => warn!(
                    sink,
                    "the sink's queue is full; its oldest batches are spooled"
                ),
                None => warn!(
                    sink,
                    "the sink's queue is full; its oldest batches are dropped"
                ),
            }
        }
        self.full = over;
        let queued = i64::try_from(self.queue.len()).unwrap_or(i64::MAX);
        self.metrics.queued.set(queued);
    }
}

impl std::fmt::Debug for Sinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.inlets.iter().map(|inlet| inlet.name.as_str());
        f.debug_tuple("Sinks")
            .field(&names.collect::<Vec<_>>())
            .finish()
    }
}
