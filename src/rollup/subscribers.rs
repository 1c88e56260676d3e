//! Who receives batches.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::domain::Batch;

/// The receivers of batches. A slow one loses batches and delays nobody.
#[derive(Debug, Default)]
pub(super) struct Subscribers(Mutex<Vec<Sender<Arc<Batch>>>>);

impl Subscribers {
    /// One more, for whom at most `queue` batches wait.
    pub(super) fn add(&self, queue: usize) -> Receiver<Arc<Batch>> {
        let (sender, receiver) = channel(queue.max(1));
        self.0.lock().push(sender);
        receiver
    }

    /// Tells whether anybody would receive a batch.
    pub(super) fn any(&self) -> bool {
        let mut senders = self.0.lock();
        senders.retain(|sender| !sender.is_closed());
        !senders.is_empty()
    }

    /// Offers a batch to all; gives back how many had no room for it.
    pub(super) fn offer(&self, batch: &Arc<Batch>) -> u64 {
        let mut dropped = 0;
        self.0
            .lock()
            .retain(|sender| match sender.try_send(Arc::clone(batch)) {
                Ok(()) => true,
                Err(TrySendError::Full(_)) => {
                    dropped += 1;
                    true
                }
                Err(TrySendError::Closed(_)) => false,
            });
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    fn batch(millis: i64) -> Arc<Batch> {
        Arc::new(Batch {
            timestamp: Timestamp::from_millis(millis),
            parts: vec![],
        })
    }

    #[test]
    fn a_slow_receiver_loses_batches_and_harms_nobody_else() {
        let subscribers = Subscribers::default();
        assert!(!subscribers.any());
        let (mut slow, mut quick) = (subscribers.add(0), subscribers.add(8));
        let dropped: Vec<u64> = (1..=3).map(|n| subscribers.offer(&batch(n))).collect();
        assert_eq!(dropped, [0, 1, 1]);
        let mut all = vec![];
        while let Ok(batch) = quick.try_recv() {
            all.push(batch.timestamp.as_millis());
        }
        assert_eq!(all, [1, 2, 3]);
        assert_eq!(slow.try_recv().unwrap().timestamp.as_millis(), 1);
        drop((slow, quick));
        assert!(!subscribers.any());
        assert_eq!(subscribers.offer(&batch(4)), 0);
    }
}
