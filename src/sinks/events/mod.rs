//! Sinks of events: the same queues, workers and options as those of columns, with another load.
//!
//! ```text
//!                       ┌─ queue ─► worker ─► filter ─► encoder ─► influxdb
//! eventer ── EventBatch ┤
//!      one Arc for all  └─ queue ─► worker ─► …                 ─► webhook
//! ```
//!
//! Whoever makes a batch follows it with its [`Outstanding`]: it is settled when every sink is done
//! with it.

mod batch;
mod config;
mod filter;
pub(super) mod json;
mod log;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

pub use batch::{EventBatch, Fate, Outstanding};
pub use config::{EVENT_KEYS, EventSinkConfig};
pub use filter::EventFilter;

use self::config::Backend;
use super::chunks::Progress;
use super::config::SetupError;
use super::elasticsearch::Elasticsearch;
use super::export::ExportError;
use super::influxdb::Influxdb;
#[cfg(feature = "kafka")]
use super::kafka::Kafka;
use super::metrics::Metrics;
use super::queue::Queue;
use super::riemann::Riemann;
use super::webhook::Webhook;
use super::worker::{Delivery, Worker};
use super::{Config, Inlet, set_up, tell_ignored};
use crate::domain::{Clock, Event, Timestamp};
use crate::lifecycle::{Stop, Tasks};
use crate::telemetry::Registry;

/// All sinks of events, not at work yet.
pub struct EventSinks {
    inlets: Vec<Inlet<EventBatch>>,
    workers: Vec<Worker<Events>>,
}

/// Where batches of events are put in.
pub struct EventInlets {
    inlets: Vec<Inlet<EventBatch>>,
}

/// Events, as one sink gets them.
struct Events {
    exporter: Exporter,
    filter: EventFilter,
}

/// The transport of one sink.
enum Exporter {
    Log,
    Elasticsearch(Box<Elasticsearch>),
    Influxdb(Box<Influxdb>),
    #[cfg(feature = "kafka")]
    Kafka(Box<Kafka>),
    Riemann(Riemann),
    Webhook(Box<Webhook>),
}

/// How often somebody who waits for room in a queue looks.
const LOOK: Duration = Duration::from_millis(50);

impl EventSinks {
    /// Sets up sinks. Asks nothing over the network: a backend may be away.
    ///
    /// # Errors
    /// When a file one of them names cannot be used; with the name of the sink.
    pub fn new(
        config: Config,
        sinks: Vec<EventSinkConfig>,
        clock: &Arc<dyn Clock>,
        registry: &mut Registry,
    ) -> Result<Self, (String, SetupError)> {
        let metrics = Metrics::register(registry);
        let (mut inlets, mut workers) = (Vec::new(), Vec::new());
        for sink in sinks {
            let EventSinkConfig {
                name,
                ignored,
                backend,
                filter,
                queue,
            } = sink;
            tell_ignored(&name, &ignored);
            let exporter = Exporter::new(backend, clock).map_err(|e| (name.clone(), e))?;
            let events = Events { exporter, filter };
            let metrics = metrics.of(&name);
            let (inlet, worker) = set_up(&config, name, events, queue, metrics, clock);
            inlets.push(inlet);
            workers.push(worker);
        }
        Ok(Self { inlets, workers })
    }

    /// Sets the sinks to work, each as a task of its own. They end once the inlets are closed and
    /// what waits is sent, or the time to flush after `stop` is over.
    #[must_use]
    pub fn start(self, tasks: &Tasks, stop: &Stop) -> (EventInlets, Vec<JoinHandle<()>>) {
        let begin = |worker: Worker<Events>| tasks.spawn_passing("sink", worker.run(stop.clone()));
        let workers = self.workers.into_iter().map(begin).collect();
        let inlets = self.inlets;
        (EventInlets { inlets }, workers)
    }
}

impl EventInlets {
    /// Hands a batch to every sink. Where it does not fit, the oldest that waits is dropped.
    pub fn put(&mut self, batch: &Arc<EventBatch>) {
        for inlet in &mut self.inlets {
            inlet.put(Arc::clone(batch));
        }
    }

    /// Returns when a sink has room for another batch; `None` when one has now. One that is away
    /// does not hold up the others, but when none takes anything nothing should be read for them.
    #[must_use]
    pub fn room(&self) -> Option<impl Future<Output = ()> + Send + 'static> {
        if self.inlets.iter().any(|inlet| inlet.queue.has_room()) {
            return None;
        }
        let queues = self.inlets.iter().map(|inlet| Arc::clone(&inlet.queue));
        let queues: Vec<Arc<Queue<EventBatch>>> = queues.collect();
        Some(async move {
            while !queues.iter().any(|queue| queue.has_room()) {
                sleep(LOOK).await;
            }
        })
    }

    /// Takes back whatever no sink has begun with.
    pub fn abandon(&self) {
        for inlet in &self.inlets {
            for batch in inlet.queue.drain() {
                batch.abandon();
            }
        }
    }

    /// Says that no more will come.
    pub fn close(&self) {
        for inlet in &self.inlets {
            inlet.queue.close();
        }
    }
}

impl Delivery for Events {
    type Batch = EventBatch;

    fn timestamp(batch: &EventBatch) -> Timestamp {
        batch.timestamp
    }

    async fn deliver(
        &mut self,
        batch: &EventBatch,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        let filter = &self.filter;
        let events = batch.events.iter();
        let events = events.filter(move |event: &&Event| filter.admits(event));
        let at = batch.timestamp;
        match &mut self.exporter {
            Exporter::Log => {
                log::write(events, progress);
                Ok(())
            }
            Exporter::Elasticsearch(sink) => sink.export_events(events, at, progress).await,
            Exporter::Influxdb(sink) => sink.export_events(events, at, progress).await,
            #[cfg(feature = "kafka")]
            Exporter::Kafka(sink) => sink.export_events(events, at, progress).await,
            Exporter::Riemann(sink) => sink.export_events(events, at, progress).await,
            Exporter::Webhook(sink) => sink.export_events(events, progress).await,
        }
    }

    fn abandoned(batch: &EventBatch) {
        batch.abandon();
    }
}

impl Exporter {
    /// Makes the transport; nothing is asked over the network.
    fn new(backend: Backend, clock: &Arc<dyn Clock>) -> Result<Self, SetupError> {
        Ok(match backend {
            Backend::Log => Self::Log,
            Backend::Elasticsearch(config) => {
                Self::Elasticsearch(Box::new(Elasticsearch::new(*config, clock)?))
            }
            Backend::Influxdb(config) => Self::Influxdb(Box::new(Influxdb::new(*config, clock)?)),
            #[cfg(feature = "kafka")]
            Backend::Kafka(config) => Self::Kafka(Box::new(Kafka::new(*config)?)),
            Backend::Riemann(config) => Self::Riemann(Riemann::new(config)),
            Backend::Webhook(config) => Self::Webhook(Box::new(Webhook::new(*config, clock)?)),
        })
    }
}

impl std::fmt::Debug for EventSinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        named("EventSinks", &self.inlets, f)
    }
}

impl std::fmt::Debug for EventInlets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        named("EventInlets", &self.inlets, f)
    }
}

fn named(
    what: &str,
    inlets: &[Inlet<EventBatch>],
    f: &mut std::fmt::Formatter<'_>,
) -> std::fmt::Result {
    let names = inlets.iter().map(|inlet| inlet.name.as_str());
    f.debug_tuple(what)
        .field(&names.collect::<Vec<_>>())
        .finish()
}
