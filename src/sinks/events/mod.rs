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
mod packed;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

pub use batch::{EventBatch, Fate, Outstanding};
pub use config::{EVENT_KEYS, EventSinkConfig};
pub use filter::EventFilter;

use self::config::Backend;
use super::chunks::Progress;
use super::elasticsearch::Elasticsearch;
use super::export::ExportError;
use super::gcl::Gcl;
use super::influxdb::Influxdb;
#[cfg(feature = "kafka")]
use super::kafka::Kafka;
use super::lineup::{Inlet, Lineup, show};
use super::options::Problems;
use super::otlp::Otlp;
use super::riemann::Riemann;
use super::setup::SetupError;
use super::spool::Codec;
use super::webhook::Webhook;
use super::worker::{Delivery, Worker};
use super::{Config, Spooling};
use crate::domain::{Clock, Event, Timestamp};
use crate::lifecycle::{Stop, Tasks};
use crate::telemetry::Registry;

/// All sinks of events, not at work yet.
pub struct EventSinks {
    lineup: Lineup<Events>,
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
    Gcl(Box<Gcl>),
    Influxdb(Box<Influxdb>),
    #[cfg(feature = "kafka")]
    Kafka(Box<Kafka>),
    Otlp(Box<Otlp>),
    Riemann(Riemann),
    Webhook(Box<Webhook>),
}

/// How often somebody who waits for room in a queue looks.
const LOOK: Duration = Duration::from_millis(50);

impl EventSinks {
    /// Sets up sinks, with a spool each where one is wished. Asks nothing over the network: a backend
    /// may be away. What is written to a spool counts as done with: who resumes behind it does not
    /// tell of it again.
    ///
    /// # Errors
    /// When files any of them names, or folders of spools, cannot be used: all of them, by sink and
    /// option.
    pub fn new(
        config: Config,
        sinks: Vec<EventSinkConfig>,
        spooling: Option<Spooling>,
        clock: &Arc<dyn Clock>,
        registry: &mut Registry,
    ) -> Result<Self, Problems> {
        let codec: fn() -> Codec<EventBatch> = || Codec {
            kind: "events",
            pack: packed::pack,
            unpack: packed::unpack,
            lost: Some(EventBatch::abandon),
        };
        let spooling = spooling.map(|spooling| (spooling, codec));
        let mut lineup = Lineup::new(config, spooling, clock, registry);
        for sink in sinks {
            let filter = sink.filter;
            let exporter = Exporter::new(sink.backend, clock);
            let events = exporter.map(|exporter| Events { exporter, filter });
            let sink_is = (sink.name, sink.destination.as_str(), &sink.remarks);
            lineup.add(sink_is, sink.queue, events);
        }
        let lineup = lineup.whole()?;
        Ok(Self { lineup })
    }

    /// Sets the sinks to work, each as a task of its own. They end once the inlets are closed and
    /// what waits is sent, or the time to flush after `stop` is over.
    #[must_use]
    pub fn start(self, tasks: &Tasks, stop: &Stop) -> (EventInlets, Vec<JoinHandle<()>>) {
        let begin = |worker: Worker<Events>| tasks.spawn_passing("sink", worker.run(stop.clone()));
        let Lineup {
            inlets, workers, ..
        } = self.lineup;
        let workers = workers.into_iter().map(begin).collect();
        (EventInlets { inlets }, workers)
    }
}

impl EventInlets {
    /// Hands a batch to every sink. Where it does not fit, the oldest that waits goes to the spool, or
    /// is dropped.
    pub fn put(&mut self, batch: &Arc<EventBatch>) {
        for inlet in &mut self.inlets {
            inlet.put(Arc::clone(batch));
        }
    }

    /// Returns when a sink has room for another batch; `None` when one has now. One that is away
    /// does not hold up the others, but when none takes anything nothing should be read for them.
    #[must_use]
    pub fn room(&self) -> Option<impl Future<Output = ()> + Send + 'static> {
        let rooms: Vec<_> = self.inlets.iter().map(Inlet::room).collect();
        if rooms.iter().any(|room| room()) {
            return None;
        }
        Some(async move {
            while !rooms.iter().any(|room| room()) {
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
            Exporter::Gcl(sink) => sink.export_events(events, at, progress).await,
            Exporter::Influxdb(sink) => sink.export_events(events, at, progress).await,
            #[cfg(feature = "kafka")]
            Exporter::Kafka(sink) => sink.export_events(events, at, progress).await,
            Exporter::Otlp(sink) => sink.export_events(events, at, progress).await,
            Exporter::Riemann(sink) => sink.export_events(events, at, progress).await,
            Exporter::Webhook(sink) => sink.export_events(events, progress).await,
        }
    }

    fn abandoned(batch: &EventBatch) -> bool {
        batch.abandon();
        true
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
            Backend::Gcl(config) => Self::Gcl(Box::new(Gcl::new(*config, clock)?)),
            Backend::Influxdb(config) => Self::Influxdb(Box::new(Influxdb::new(*config, clock)?)),
            #[cfg(feature = "kafka")]
            Backend::Kafka(config) => Self::Kafka(Box::new(Kafka::new(*config)?)),
            Backend::Otlp(config) => Self::Otlp(Box::new(Otlp::new(*config, clock)?)),
            Backend::Riemann(config) => Self::Riemann(Riemann::new(config)),
            Backend::Webhook(config) => Self::Webhook(Box::new(Webhook::new(*config, clock)?)),
        })
    }
}

impl std::fmt::Debug for EventSinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        show("EventSinks", &self.lineup.inlets, f)
    }
}

impl std::fmt::Debug for EventInlets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        show("EventInlets", &self.inlets, f)
    }
}
