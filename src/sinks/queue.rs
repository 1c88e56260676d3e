//! The batches that wait for one sink.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// A bounded queue. When it is full the oldest batch leaves it: what came last is worth most. It is
/// given back to whoever put the new one in, which is where a spool on disk would take it.
#[derive(Debug)]
pub(super) struct Queue<B> {
    most: usize,
    inner: Mutex<Inner<B>>,
    changed: Notify,
}

#[derive(Debug)]
struct Inner<B> {
    waiting: VecDeque<Arc<B>>,
    closed: bool,
}

impl<B> Queue<B> {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            inner: Mutex::new(Inner {
                waiting: VecDeque::new(),
                closed: false,
            }),
            changed: Notify::new(),
        }
    }

    /// Adds a batch at the end; gives back the one that no longer fits.
    #[must_use]
    pub(super) fn push(&self, batch: Arc<B>) -> Option<Arc<B>> {
        let mut inner = self.inner.lock();
        let over = if inner.waiting.len() >= self.most {
            inner.waiting.pop_front()
        } else {
            None
        };
        inner.waiting.push_back(batch);
        self.changed.notify_one();
        over
    }

    /// Puts the batch taken last back in front; gives it back if it no longer fits.
    #[must_use]
    pub(super) fn restore(&self, batch: Arc<B>) -> Option<Arc<B>> {
        let mut inner = self.inner.lock();
        if inner.waiting.len() >= self.most {
            return Some(batch);
        }
        inner.waiting.push_front(batch);
        self.changed.notify_one();
        None
    }

    /// The oldest batch, once there is one; `None` when the queue is closed and empty.
    pub(super) async fn next(&self) -> Option<Arc<B>> {
        loop {
            {
                let mut inner = self.inner.lock();
                if let Some(batch) = inner.waiting.pop_front() {
                    return Some(batch);
                }
                if inner.closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }

    /// No more will be put in at the end.
    pub(super) fn close(&self) {
        self.inner.lock().closed = true;
        self.changed.notify_one();
    }

    /// Takes all that waits, the oldest first.
    pub(super) fn drain(&self) -> VecDeque<Arc<B>> {
        std::mem::take(&mut self.inner.lock().waiting)
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.most
    }

    pub(super) fn len(&self) -> usize {
        self.inner.lock().waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Batch, Timestamp};

    fn batch(millis: i64) -> Arc<Batch> {
        Arc::new(Batch {
            timestamp: Timestamp::from_millis(millis),
            parts: vec![],
        })
    }

    fn stamp(batch: Option<Arc<Batch>>) -> Option<i64> {
        batch.map(|batch| batch.timestamp.as_millis())
    }

    #[tokio::test]
    async fn the_oldest_makes_room_for_the_newest() {
        let queue = Queue::new(2);
        assert_eq!(stamp(queue.push(batch(1))), None);
        assert_eq!(stamp(queue.push(batch(2))), None);
        assert_eq!(stamp(queue.push(batch(3))), Some(1));
        let two = queue.next().await.unwrap();
        assert_eq!(stamp(queue.restore(two)), None);
        assert_eq!(stamp(queue.next().await), Some(2));
        queue.close();
        assert_eq!((stamp(queue.next().await), queue.len()), (Some(3), 0));
        assert_eq!(stamp(queue.next().await), None);
    }

    #[test]
    fn what_is_put_back_finds_no_room_when_newer_ones_came() {
        let queue = Queue::new(1);
        assert_eq!(stamp(queue.push(batch(2))), None);
        assert_eq!(stamp(queue.restore(batch(1))), Some(1));
        assert_eq!(queue.drain().len(), 1);
    }
}
