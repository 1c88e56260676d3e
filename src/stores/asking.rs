//! How much a store may be asked, and what is told of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::{info, warn};

use super::failure::Failure;
use super::metrics::Metrics;
use crate::history::HistoricalError;

/// Lets a bounded number of questions through at a time, each for a bounded time.
#[derive(Debug)]
pub(super) struct Asking {
    store: &'static str,
    turns: Semaphore,
    seats: Semaphore,
    metrics: Metrics,
    fails: AtomicBool,
}

/// Questions at a time; whoever comes then waits, within the time of the question.
const AT_A_TIME: usize = 4;
/// Questions there may be with those that wait for their turn; the next one fails at once.
pub(super) const SEATS: usize = 64;
/// How long a question may take, its turn included: less than a server gives a request.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

impl Asking {
    pub(super) fn new(store: &'static str, metrics: Metrics) -> Self {
        Self {
            store,
            turns: Semaphore::new(AT_A_TIME),
            seats: Semaphore::new(SEATS),
            metrics,
            fails: AtomicBool::new(false),
        }
    }

    /// Has a question answered.
    pub(super) async fn ask<T>(
        &self,
        question: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, HistoricalError> {
        let turn = async {
            // It is never closed.
            let _turn = self.turns.acquire().await.ok();
            question.await
        };
        let answer = match self.seats.try_acquire() {
            Ok(_seat) => {
                let answer = timeout(DEADLINE, turn).await;
                answer.unwrap_or(Err(Failure::Slow(DEADLINE)))
            }
            Err(_) => Err(Failure::Busy),
        };
        self.tell(answer.as_ref().err());
        answer.map_err(|failure| HistoricalError::Failed {
            store: self.store,
            source: Box::new(failure.told()),
        })
    }

    fn tell(&self, failure: Option<&Failure>) {
        if let Some(Failure::Busy) = failure {
            // That says nothing of the store.
            self.metrics.failed.inc();
            return;
        }
        let failed_before = self.fails.swap(failure.is_some(), Ordering::Relaxed);
        self.metrics.answers(failure.is_none());
        let store = self.store;
        match failure {
            None => {
                self.metrics.answered.inc();
                if failed_before {
                    info!(store, "the historical source answers again");
                }
            }
            Some(failure) => {
                self.metrics.failed.inc();
                if !failed_before {
                    warn!(store, %failure, "the historical source does not answer");
                }
            }
        }
    }
}
