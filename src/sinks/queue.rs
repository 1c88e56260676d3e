//! The batches that wait for one sink.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// A bounded queue. When it is full the oldest batch leaves it: what came last is worth most. Whoever
/// put the new one in says what becomes of it: it is dropped, or goes to the spool.
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

/// What comes next.
#[derive(Debug)]
pub(super) enum Next<B> {
    Batch(Arc<B>),
    /// Something older than the queue's oldest.
    Elsewhere,
    /// Nothing any more: the queue is closed and empty.
    None,
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

    /// Adds a batch at the end; gives the one that no longer fits to `over`, before anybody can
    /// take a newer one. Tells whether there was such a one.
    pub(super) fn push(&self, batch: Arc<B>, over: impl FnOnce(Arc<B>)) -> bool {
        let mut inner = self.inner.lock();
        let full = inner.waiting.len() >= self.most;
        let oldest = inner.waiting.pop_front_if(|_| full);
        let is_over = oldest.is_some();
        if let Some(oldest) = oldest {
            over(oldest);
        }
        inner.waiting.push_back(batch);
        self.changed.notify_one();
        is_over
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

    /// The oldest batch, once there is one, unless older ones are elsewhere.
    pub(super) async fn next(&self, older: impl Fn() -> bool) -> Next<B> {
        loop {
            {
                let mut inner = self.inner.lock();
                if older() {
                    return Next::Elsewhere;
                }
                if let Some(batch) = inner.waiting.pop_front() {
                    return Next::Batch(batch);
                }
                if inner.closed {
                    return Next::None;
                }
            }
            self.changed.notified().await;
        }
    }

    /// The oldest batch, which stays here.
    pub(super) fn oldest(&self) -> Option<Arc<B>> {
        self.inner.lock().waiting.front().cloned()
    }

    /// Takes this batch away if it is the oldest still, and calls `moved` before anybody can take a
    /// newer one. Tells whether it was.
    pub(super) fn take(&self, batch: &Arc<B>, moved: impl FnOnce()) -> bool {
        let mut inner = self.inner.lock();
        let is_this = |oldest: &mut Arc<B>| Arc::ptr_eq(oldest, batch);
        let taken = inner.waiting.pop_front_if(is_this).is_some();
        if taken {
            moved();
        }
        taken
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

    /// Whether another batch fits, and the one that was taken last would still fit in front of it.
    pub(super) fn has_room(&self) -> bool {
        self.len() + 1 < self.most
    }

    pub(super) fn len(&self) -> usize {
        self.inner.lock().waiting.len()
    }

    /// The same for a gauge.
    pub(super) fn queued(&self) -> i64 {
        i64::try_from(self.len()).unwrap_or(i64::MAX)
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

    fn push(queue: &Queue<Batch>, millis: i64) -> Option<i64> {
        let mut over = None;
        queue.push(batch(millis), |oldest| {
            over = Some(oldest.timestamp.as_millis());
        });
        over
    }

    async fn next(queue: &Queue<Batch>) -> Option<Arc<Batch>> {
        match queue.next(|| false).await {
            Next::Batch(batch) => Some(batch),
            Next::Elsewhere | Next::None => None,
        }
    }

    #[tokio::test]
    async fn the_oldest_makes_room_for_the_newest() {
        let queue = Queue::new(2);
        assert_eq!(push(&queue, 1), None);
        assert_eq!(push(&queue, 2), None);
        assert_eq!(push(&queue, 3), Some(1));
        let two = next(&queue).await.unwrap();
        assert_eq!(stamp(queue.restore(two)), None);
        assert!(matches!(queue.next(|| true).await, Next::Elsewhere));
        assert_eq!(stamp(next(&queue).await), Some(2));
        queue.close();
        assert_eq!((stamp(next(&queue).await), queue.len()), (Some(3), 0));
        assert!(matches!(queue.next(|| false).await, Next::None));
    }

    #[test]
    fn only_the_oldest_is_taken_away() {
        let queue = Queue::new(2);
        let (one, two) = (batch(1), batch(2));
        for batch in [&one, &two] {
            queue.push(Arc::clone(batch), |_| {});
        }
        assert_eq!(stamp(queue.oldest()), Some(1));
        assert!(!queue.take(&two, || panic!("it is not the oldest")));
        let mut moved = false;
        assert!(queue.take(&one, || moved = true) && moved);
        assert_eq!((stamp(queue.oldest()), queue.len()), (Some(2), 1));
    }

    #[test]
    fn what_is_put_back_finds_no_room_when_newer_ones_came() {
        let queue = Queue::new(1);
        assert_eq!(push(&queue, 2), None);
        assert_eq!(stamp(queue.restore(batch(1))), Some(1));
        assert_eq!(queue.drain().len(), 1);
    }
}
