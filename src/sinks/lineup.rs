//! Sinks of one kind of batches, each with a queue and a worker of its own.

use std::path::Path;
use std::sync::Arc;

use tracing::warn;

use super::Config;
use super::config::SetupError;
use super::metrics::{Metrics, SinkMetrics};
use super::queue::Queue;
use super::spool::{Codec, Spool};
use super::worker::{Delivery, State, Worker};
use crate::domain::{Bytes, Clock};
use crate::lifecycle::Backoff;
use crate::telemetry::Registry;

/// Sinks that are set up and not at work yet.
pub(super) struct Lineup<D: Delivery> {
    pub inlets: Vec<Inlet<D::Batch>>,
    pub workers: Vec<Worker<D>>,
    config: Config,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

/// Where one sink's batches are put in.
pub(super) struct Inlet<B> {
    pub name: String,
    pub queue: Arc<Queue<B>>,
    spool: Option<Arc<Spool<B>>>,
    metrics: SinkMetrics,
    full: bool,
}

impl<D: Delivery> Lineup<D> {
    pub(super) fn new(config: Config, clock: &Arc<dyn Clock>, registry: &mut Registry) -> Self {
        Self {
            inlets: Vec::new(),
            workers: Vec::new(),
            config,
            clock: Arc::clone(clock),
            metrics: Metrics::register(registry),
        }
    }

    /// Sets up a sink, unless its delivery could not be.
    pub(super) fn add(
        &mut self,
        (name, ignored): (String, &[String]),
        queue: usize,
        delivery: Result<D, SetupError>,
    ) -> Result<(), (String, SetupError)> {
        if !ignored.is_empty() {
            let options = ignored.join(",");
            warn!(sink = name, options, "options without a meaning");
        }
        let delivery = delivery.map_err(|error| (name.clone(), error))?;
        let (queue, metrics) = (Arc::new(Queue::new(queue)), self.metrics.of(&name));
        self.inlets.push(Inlet {
            name: name.clone(),
            queue: Arc::clone(&queue),
            spool: None,
            metrics: metrics.clone(),
            full: false,
        });
        let (first, cap) = self.config.retry;
        self.workers.push(Worker {
            name,
            delivery,
            queue,
            spool: None,
            clock: Arc::clone(&self.clock),
            metrics,
            backoff: Backoff::doubling(first, cap),
            export_timeout: self.config.export_timeout,
            flush: self.config.flush,
            state: State::default(),
        });
        Ok(())
    }

    /// Gives every sink a spool below the folder, of so many bytes.
    pub(super) fn open_spools(
        &mut self,
        (folder, most): (&Path, Bytes),
        codec: impl Fn() -> Codec<D::Batch>,
    ) -> Result<(), (String, SetupError)> {
        for (inlet, worker) in self.inlets.iter_mut().zip(&mut self.workers) {
            let (name, metrics) = (&inlet.name, self.metrics.of_spool(&inlet.name));
            let spool = Spool::open(name, folder, most.get(), codec(), metrics);
            let spool = spool.map_err(|error| (name.clone(), SetupError::spool(folder, &error)))?;
            let spool = Arc::new(spool);
            inlet.spool = Some(Arc::clone(&spool));
            worker.spool = Some(spool);
        }
        Ok(())
    }
}

impl<B: Send + Sync + 'static> Inlet<B> {
    /// Tells, whenever it is asked, whether another batch finds room without costing an older one.
    pub(super) fn room(&self) -> impl Fn() -> bool + Send + use<B> {
        let (queue, spool) = (Arc::clone(&self.queue), self.spool.clone());
        move || queue.has_room() || spool.as_ref().is_some_and(|spool| spool.has_room())
    }

    pub(super) fn put(&mut self, batch: Arc<B>) {
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

/// The names of sinks.
pub(super) fn show<B>(
    what: &str,
    inlets: &[Inlet<B>],
    f: &mut std::fmt::Formatter<'_>,
) -> std::fmt::Result {
    let names = inlets.iter().map(|inlet| inlet.name.as_str());
    f.debug_tuple(what)
        .field(&names.collect::<Vec<_>>())
        .finish()
}
