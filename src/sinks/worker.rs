//! One sink at work.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::chunks::Progress;
use super::export::ExportError;
use super::metrics::SinkMetrics;
use super::queue::{Next, Queue};
use super::refusing::Refusing;
use super::spool::Spool;
use crate::domain::{Clock, Timestamp};
use crate::lifecycle::{Backoff, Stop};

/// How batches of one kind are sent to one backend.
pub(super) trait Delivery: Send {
    /// What is sent as one, and shared by all sinks of its kind.
    type Batch: Send + Sync + 'static;

    /// When the batch was made.
    fn timestamp(batch: &Self::Batch) -> Timestamp;

    /// Sends what of the batch is not sent yet. Safe to drop and call again with the same progress.
    fn deliver(
        &mut self,
        batch: &Self::Batch,
        progress: &mut Progress,
    ) -> impl Future<Output = Result<(), ExportError>> + Send;

    /// The process ends before the batch is through. Whether it is none lost by that, because the next
    /// process has it told again.
    fn abandoned(_: &Self::Batch) -> bool {
        false
    }
}

/// Takes batches from its queue and gets them through, one at a time.
pub(super) struct Worker<D: Delivery> {
    pub name: String,
    pub delivery: D,
    pub queue: Arc<Queue<D::Batch>>,
    /// Holds what is older than the queue.
    pub spool: Option<Arc<Spool<D::Batch>>>,
    pub clock: Arc<dyn Clock>,
    pub metrics: SinkMetrics,
    pub backoff: Backoff,
    pub export_timeout: Duration,
    pub flush: Duration,
    pub state: State<D::Batch>,
}

/// What the log was told, and where the batch at hand stands.
#[derive(Debug)]
pub(super) struct State<B> {
    /// The batch `progress` is of, at hand or back in the queue. Once its first attempt has failed it
    /// lies in the spool too, if there is one and it takes it.
    batch: Option<Arc<B>>,
    at_hand: bool,
    progress: Progress,
    problem: Option<ExportError>,
    refusing: Refusing,
}

impl<B> Default for State<B> {
    fn default() -> Self {
        Self {
            batch: None,
            at_hand: false,
            progress: Progress::default(),
            problem: None,
            refusing: Refusing::default(),
        }
    }
}

/// How long a sink with a spool goes on sending once the process is to stop: what it has not sent by
/// then has to be written.
const SHORT: Duration = Duration::from_secs(1);

impl<D: Delivery> Worker<D> {
    /// Works until the queue is closed and empty. Once `stop` is given, the first attempt that
    /// fails, or the end of the time to flush, ends it; what is left then goes to the spool, or is
    /// dropped.
    pub(super) async fn run(mut self, stop: Stop) {
        let flush = match &self.spool {
            Some(_) => self.flush.min(SHORT),
            None => self.flush,
        };
        let over = async {
            stop.stopped().await;
            sleep(flush).await;
        };
        let (spool, queue) = (self.spool.clone(), Arc::clone(&self.queue));
        let writing = async {
            match &spool {
                Some(spool) => spool.write(&queue).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.work(&stop) => {}
            () = over => {}
            () = writing => {}
        }
        self.leave().await;
        self.metrics.queued.set(0);
    }

    async fn leave(&mut self) {
        let at_hand = self.state.batch.take().filter(|_| self.state.at_hand);
        let queue = self.queue.drain();
        if let Some(spool) = &self.spool {
            spool.keep(at_hand, queue).await;
            return;
        }
        let sink = &self.name;
        let (mut lost, mut again) = (0, 0);
        for batch in at_hand.into_iter().chain(queue) {
            match D::abandoned(&batch) {
                true => again += 1,
                false => lost += 1,
            }
        }
        self.metrics.dropped_shutdown.inc_by(lost);
        if lost > 0 {
            warn!(sink, batches = lost, "stopped before all was sent");
        }
        if again > 0 {
            info!(
                sink,
                batches = again,
                "stopped before all was sent; what was not is read again"
            );
        }
    }

    /// The oldest batch, once there is one; `None` when no more will come.
    async fn next(&mut self) -> Option<Arc<D::Batch>> {
        // With a spool nothing newer is sent before what failed.
        if self.spool.is_some() && self.state.at_hand {
            return self.state.batch.clone();
        }
        loop {
            if let Some(spool) = &self.spool
                && let Some(batch) = spool.next().await
            {
                return Some(batch);
            }
            let spool = self.spool.as_ref();
            let older = || spool.is_some_and(|spool| !spool.is_empty());
            match self.queue.next(older).await {
                Next::Batch(batch) => return Some(batch),
                Next::Elsewhere => {}
                Next::None => return None,
            }
        }
    }

    async fn work(&mut self, stop: &Stop) {
        while let Some(batch) = self.next().await {
            self.begin(&batch);
            let outcome = self.attempt(&batch).await;
            let age = self.clock.now().since(D::timestamp(&batch));
            self.metrics.lag.set(age.unwrap_or_default().as_secs_f64());
            match outcome {
                Ok(()) => self.succeeded().await,
                Err(error) => {
                    self.failed(error);
                    self.put_back(batch).await;
                    if stop.is_stopping() {
                        return;
                    }
                    let _ = stop.until(sleep(self.backoff.wait())).await;
                }
            }
        }
    }

    /// Forgets how far another batch had got.
    fn begin(&mut self, batch: &Arc<D::Batch>) {
        self.metrics.queued.set(self.queue.queued());
        let same = self.state.batch.as_ref();
        if !same.is_some_and(|same| Arc::ptr_eq(same, batch)) {
            self.state.progress = Progress::default();
        }
        self.state.batch = Some(Arc::clone(batch));
        self.state.at_hand = true;
    }

    async fn attempt(&mut self, batch: &D::Batch) -> Result<(), ExportError> {
        let progress = &mut self.state.progress;
        let (sent, refused) = (progress.sent, progress.refused);
        let delivery = self.delivery.deliver(batch, progress);
        let outcome = timeout(self.export_timeout, delivery).await;
        self.metrics.points.inc_by(self.state.progress.sent - sent);
        self.metrics
            .refused
            .inc_by(self.state.progress.refused - refused);
        outcome.unwrap_or(Err(ExportError::Slow))
    }

    async fn succeeded(&mut self) {
        self.backoff.reset();
        self.metrics.sent.inc();
        self.metrics.up.set(1);
        self.state.batch = None;
        self.state.at_hand = false;
        if let Some(spool) = &self.spool {
            spool.set_away(false);
            spool.done().await;
        }
        if self.state.problem.take().is_some() {
            info!(
                sink = self.name,
                waiting = self.queue.len(),
                "the sink works again"
            );
        }
        self.state.refusing.note(&self.name, &self.state.progress);
    }

    fn failed(&mut self, error: ExportError) {
        self.metrics.retried.inc();
        self.metrics.up.set(0);
        let before = self.state.problem.as_ref().map(std::mem::discriminant);
        if before != Some(std::mem::discriminant(&error)) {
            warn!(sink = self.name, %error, "the sink does not work");
        }
        self.state.problem = Some(error);
    }

    /// Keeps a batch for the next attempt, if newer ones have left it room or a spool takes them. What
    /// a spool holds does not wait in memory: who asks whether a batch is safe has his answer.
    async fn put_back(&mut self, batch: Arc<D::Batch>) {
        if let Some(spool) = &self.spool {
            spool.set_away(true);
            if let Some(kept) = spool.keep_at_hand(batch).await {
                self.state.batch = Some(kept);
            }
            return;
        }
        self.state.at_hand = false;
        if self.queue.restore(batch).is_some() {
            self.state.batch = None;
            self.metrics.dropped_full.inc();
        }
        self.metrics.queued.set(self.queue.queued());
    }
}
