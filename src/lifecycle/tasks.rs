//! The only place that spawns.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::StopSender;

/// The process's background tasks.
///
/// A *vital* task that ends or panics before stopping has begun stops the whole process, with its
/// name in the log: half a server is worse than a restart. A *passing* task (one connection, one
/// scrape) may end or panic by itself. [`Tasks::finished`] awaits them all.
#[derive(Clone, Debug)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: StopSender,
    failed: Arc<Notify>,
    failure: Arc<std::sync::OnceLock<&'static str>>,
}

impl Tasks {
    /// A set of tasks whose unexpected end gives `stop`.
    #[must_use]
    pub fn new(stop: StopSender) -> Self {
        Self {
            tracker: TaskTracker::new(),
            stop,
            failed: Arc::default(),
            failure: Arc::default(),
        }
    }

    /// Runs a task the process cannot do without. `stop` is the signal after which its end is
    /// expected.
    pub fn spawn_vital<F>(&self, name: &'static str, stop: super::Stop, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let this = self.clone();
        let inner = spawn(&self.tracker, tracing::info_span!("task", name), task);
        spawn(&self.tracker, tracing::Span::none(), async move {
            let ended = inner.await;
            if !stop.is_stopping() {
                let panicked = ended.is_err();
                tracing::error!(task = name, panicked, "a vital task ended; stopping");
                let _ = this.failure.set(name);
                this.failed.notify_waiters();
                this.stop.stop();
            }
        });
    }

    /// Runs a task that may come and go; its panic is logged and harms nobody else.
    pub fn spawn_passing<F>(&self, name: &'static str, task: F) -> tokio::task::JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        spawn(&self.tracker, tracing::debug_span!("task", name), task)
    }

    /// The vital task whose end stopped the process, if one did.
    #[must_use]
    pub fn failure(&self) -> Option<&'static str> {
        self.failure.get().copied()
    }

    /// Returns once every task has ended. New ones may not be spawned after this was called.
    pub async fn finished(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that spawns"
)]
fn spawn<F>(
    tracker: &TaskTracker,
    span: tracing::Span,
    task: F,
) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    tokio::spawn(tracker.track_future(task.instrument(span)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::Stop;

    #[tokio::test]
    async fn a_vital_task_that_ends_stops_the_process_and_is_named() {
        let (sender, stop) = Stop::channel();
        let tasks = Tasks::new(sender);
        tasks.spawn_vital("watch", stop.clone(), async {});
        stop.stopped().await;
        tasks.finished().await;
        assert_eq!(tasks.failure(), Some("watch"));
    }

    #[tokio::test]
    async fn a_vital_task_that_panics_stops_the_process() {
        let (sender, stop) = Stop::channel();
        let tasks = Tasks::new(sender);
        tasks.spawn_vital("watch", stop.clone(), async { panic!("as the test wants") });
        stop.stopped().await;
        tasks.finished().await;
        assert_eq!(tasks.failure(), Some("watch"));
    }

    #[tokio::test]
    async fn a_passing_task_may_panic_alone() {
        let (sender, stop) = Stop::channel();
        let tasks = Tasks::new(sender);
        let passing = tasks.spawn_passing("conn", async { panic!("as the test wants") });
        assert!(passing.await.is_err());
        assert!(!stop.is_stopping());
    }

    #[tokio::test]
    async fn an_end_after_the_stop_is_no_failure() {
        let (sender, stop) = Stop::channel();
        let tasks = Tasks::new(sender.clone());
        let until = stop.clone();
        tasks.spawn_vital("watch", stop, async move { until.stopped().await });
        sender.stop();
        tasks.finished().await;
        assert_eq!(tasks.failure(), None);
    }
}
