//! Sinks of one kind of batches, each with a queue and a worker of its own.

use std::sync::Arc;

use tracing::warn;

use super::metrics::{Metrics, SinkMetrics};
use super::options::{Problem, Problems, Remarks};
use super::queue::Queue;
use super::setup::{SetupError, both};
use super::spool::{self, Codec, Owner, Spool};
use super::worker::{Delivery, State, Worker};
use super::{Config, Spooling};
use crate::domain::Clock;
use crate::lifecycle::Backoff;
use crate::telemetry::Registry;

/// Sinks that are set up and not at work yet.
pub(super) struct Lineup<D: Delivery> {
    pub inlets: Vec<Inlet<D::Batch>>,
    pub workers: Vec<Worker<D>>,
    config: Config,
    spooling: Option<Spools<D::Batch>>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    problems: Vec<Problem>,
}

/// Where spools are, and how batches get there and back.
pub(super) type Spools<B> = (Spooling, fn() -> Codec<B>);

/// Where one sink's batches are put in.
pub(super) struct Inlet<B> {
    pub name: String,
    pub queue: Arc<Queue<B>>,
    spool: Option<Arc<Spool<B>>>,
    metrics: SinkMetrics,
    full: bool,
}

impl<D: Delivery> Lineup<D> {
    pub(super) fn new(
        config: Config,
        spooling: Option<Spools<D::Batch>>,
        clock: &Arc<dyn Clock>,
        registry: &mut Registry,
    ) -> Self {
        Self {
            inlets: Vec::new(),
            workers: Vec::new(),
            config,
            spooling,
            clock: Arc::clone(clock),
            metrics: Metrics::register(registry),
            problems: Vec::new(),
        }
    }

    /// Sets up a sink, or notes why it cannot be.
    pub(super) fn add(
        &mut self,
        (name, destination, remarks): (String, &str, &Remarks),
        queue: usize,
        delivery: Result<D, SetupError>,
    ) {
        if !remarks.ignored.is_empty() {
            let options = remarks.ignored.join(",");
            warn!(sink = name, options, "options without a meaning");
        }
        if !remarks.twice.is_empty() {
            let options = remarks.twice.join(",");
            warn!(
                sink = name,
                options, "options given more than once; the first counts"
            );
        }
        let (delivery, spool) = match both(delivery, self.spool(&name, destination)) {
            Ok(both) => both,
            Err(error) => return self.problems.extend(error.of(&name)),
        };
        let (queue, metrics) = (Arc::new(Queue::new(queue)), self.metrics.of(&name));
        self.inlets.push(Inlet {
            name: name.clone(),
            queue: Arc::clone(&queue),
            spool: spool.clone(),
            metrics: metrics.clone(),
            full: false,
        });
        let (first, cap) = self.config.retry;
        self.workers.push(Worker {
            name,
            delivery,
            queue,
            spool,
            clock: Arc::clone(&self.clock),
            metrics,
            backoff: Backoff::doubling(first, cap),
            export_timeout: self.config.export_timeout,
            flush: self.config.flush,
            state: State::default(),
        });
    }

    /// All sinks that were added; says what spools hold that is none of theirs, and whether there is
    /// room for theirs.
    ///
    /// # Errors
    /// Why any of them could not be.
    pub(super) fn whole(self) -> Result<Self, Problems> {
        if !self.problems.is_empty() {
            return Err(Problems(self.problems));
        }
        if let Some((spooling, _)) = &self.spooling {
            let names = self.inlets.iter().map(|inlet| inlet.name.as_str());
            let names: Vec<_> = names.collect();
            spool::tell_left(&spooling.folder, &names);
            spool::tell_room(&spooling.folder, &names, spooling.most.get());
        }
        Ok(self)
    }

    /// The spool of a sink, if there are any.
    fn spool(
        &self,
        sink: &str,
        destination: &str,
    ) -> Result<Option<Arc<Spool<D::Batch>>>, SetupError> {
        let Some((Spooling { folder, most }, codec)) = &self.spooling else {
            return Ok(None);
        };
        let (metrics, owner) = (self.metrics.of_spool(sink), Owner { sink, destination });
        let spool = Spool::open(owner, folder, most.get(), codec(), metrics);
        let spool = spool.map_err(|error| SetupError::spool(folder, &error))?;
        Ok(Some(spool))
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
                Some(spool) if spool.takes() => warn!(
                    sink,
                    "the sink's queue is full; its oldest batches are spooled"
                ),
                Some(spool) if spool.is_ours() => warn!(
                    sink,
                    "the sink's queue is full, and its spool takes nothing; its oldest batches are dropped"
                ),
                Some(_) => warn!(
                    sink,
                    "the sink's queue is full; its oldest batches wait in memory for the spool, which another process uses"
                ),
                None => warn!(
                    sink,
                    "the sink's queue is full; its oldest batches are dropped"
                ),
            }
        }
        self.full = over;
        self.metrics.queued.set(self.queue.queued());
        if let Some(spool) = spool {
            spool.queue_changed();
        }
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

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::domain::Batch;
    use crate::lifecycle::FolderLock;
    use crate::sinks::tests::{batch, cluster};
    use crate::telemetry::testing::logged;

    fn inlet(folder: &TempDir, most: u64) -> Inlet<Batch> {
        let metrics = Metrics::register(&mut Registry::default());
        let codec = Codec {
            pack: spool::pack,
            unpack: spool::unpack,
            lost: None,
            kind: "metrics",
        };
        let owner = Owner {
            sink: "s",
            destination: "log:",
        };
        let spooled = metrics.of_spool("s");
        let spool = Spool::open(owner, folder.path(), most, codec, spooled).unwrap();
        Inlet {
            name: "s".to_owned(),
            queue: Arc::new(Queue::new(1)),
            spool: Some(spool),
            metrics: metrics.of("s"),
            full: false,
        }
    }

    /// What is said when the queue is full.
    fn said(inlet: &mut Inlet<Batch>) -> String {
        let mut lines = logged(|| {
            for secs in 1..4 {
                inlet.put(Arc::new(batch(secs, vec![cluster()])));
            }
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.remove(0)
    }

    #[test]
    fn what_another_process_keeps_from_the_disk_is_not_said_to_be_there() {
        let (ours, taken) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let theirs = taken.path().join("s");
        std::fs::create_dir(&theirs).unwrap();
        let _held = FolderLock::take(&theirs).unwrap().unwrap();
        for (folder, part) in [
            (&ours, "its oldest batches are spooled"),
            (
                &taken,
                "wait in memory for the spool, which another process uses",
            ),
        ] {
            let said = said(&mut inlet(folder, 1 << 20));
            assert!(said.contains(part), "{said}");
        }
    }

    #[tokio::test]
    async fn what_the_spool_does_not_take_is_not_said_to_be_there() {
        let (failing, small) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        for (folder, most) in [(&failing, 1 << 20), (&small, 9)] {
            let mut inlet = inlet(folder, most);
            if most > 9 {
                std::fs::remove_dir_all(folder.path().join("s")).unwrap();
            }
            // As when the sink's first attempt fails.
            let spool = inlet.spool.clone().unwrap();
            let first = Arc::new(batch(0, vec![cluster()]));
            assert!(spool.keep_at_hand(first).await.is_none());
            let said = said(&mut inlet);
            assert!(said.contains("and its spool takes nothing"), "{said}");
        }
    }
}
