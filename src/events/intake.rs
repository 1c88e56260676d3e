//! Where events come in: put together into batches, handed to the sinks, followed until every sink
//! is done with them.

use std::collections::VecDeque;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use super::metrics::{Metrics, Skipped};
use super::seen::Seen;
use crate::domain::{Event, Timestamp};
use crate::sinks::{EventBatch, EventFilter, EventInlets, Fate, Outstanding};

/// What is between the watch and the sinks.
#[derive(Debug)]
pub(super) struct Intake {
    filter: EventFilter,
    metrics: Metrics,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    sinks: EventInlets,
    seen: Seen,
    /// Events that are in no batch yet, and since when the oldest waits.
    pending: Vec<Event>,
    since: Option<Timestamp>,
    /// Up to where the watch has told everything.
    reached: Option<String>,
    /// The batches some sink is not done with, the oldest first, each with the place that is safe
    /// once it and all before it are done with. What was listed out of order has none.
    outstanding: VecDeque<(Outstanding, Option<String>)>,
    safe: Option<String>,
    /// When the last batch was made. Sinks tell batches apart by it, so no two have the same.
    made: Timestamp,
}

/// The most events of a batch: what does not wait for the next tick.
pub(super) const FULL: usize = 1000;

impl Intake {
    /// Events `filter` admits go to `sinks`; so many states of events are remembered.
    pub(super) fn new(
        sinks: EventInlets,
        filter: EventFilter,
        remembered: usize,
        metrics: Metrics,
    ) -> Self {
        Self {
            filter,
            metrics,
            inner: Mutex::new(Inner {
                sinks,
                seen: Seen::new(remembered),
                pending: Vec::new(),
                since: None,
                reached: None,
                outstanding: VecDeque::new(),
                safe: None,
                made: Timestamp::default(),
            }),
        }
    }

    /// Takes an event the watch told of.
    pub(super) fn take(&self, event: Event, now: Timestamp) {
        if !self.filter.admits(&event) {
            return self.metrics.skip(Skipped::Filtered);
        }
        let mut inner = self.inner.lock();
        if !inner.seen.note(&event) {
            return self.metrics.skip(Skipped::Known);
        }
        self.metrics.received(&event);
        // Only a list tells more than this without saying how far it has got.
        if inner.pending.len() >= FULL {
            inner.seal(now, None);
        }
        inner.since.get_or_insert(now);
        inner.pending.push(event);
    }

    /// Notes that everything up to this resource version has been taken.
    pub(super) fn reached(&self, version: &str, now: Timestamp) {
        let mut inner = self.inner.lock();
        inner.reached = Some(version.to_owned());
        if inner.pending.len() >= FULL {
            let reached = inner.reached.clone();
            inner.seal(now, reached);
        }
    }

    /// Hands on what has come in so far.
    pub(super) fn seal(&self, now: Timestamp) {
        let mut inner = self.inner.lock();
        let reached = inner.reached.clone();
        inner.seal(now, reached);
    }

    /// The place to resume from: all before it was told, and every sink is done with it.
    pub(super) fn safe(&self) -> Option<String> {
        let mut inner = self.inner.lock();
        while let Some((batch, _)) = inner.outstanding.front() {
            if batch.fate() != Fate::Settled {
                return inner.safe.clone();
            }
            let settled = inner.outstanding.pop_front();
            if let Some((_, Some(place))) = settled {
                inner.safe = Some(place);
            }
        }
        if inner.pending.is_empty() {
            inner.safe = inner.reached.clone();
        }
        inner.safe.clone()
    }

    /// Tells the metrics what waits.
    pub(super) fn measure(&self, now: Timestamp) {
        let inner = self.inner.lock();
        let waiting = |(batch, _): &&(Outstanding, _)| batch.fate() == Fate::Waiting;
        let outstanding = inner.outstanding.iter().filter(waiting);
        let events = outstanding.clone().map(|(batch, _)| batch.events);
        let events = events.sum::<usize>() + inner.pending.len();
        let oldest = outstanding.map(|(batch, _)| batch.since).next();
        let lag = oldest.or(inner.since).and_then(|since| now.since(since));
        self.metrics.waiting(events, lag.unwrap_or_default());
    }

    /// What to wait for before more is taken.
    pub(super) fn room(&self) -> Option<BoxFuture<'static, ()>> {
        self.inner.lock().sinks.room().map(FutureExt::boxed)
    }

    /// Forgets where the watch was, and takes back what no sink has begun with: another replica
    /// tells of it. What was seen stays known.
    pub(super) fn abandon(&self) {
        let mut inner = self.inner.lock();
        inner.sinks.abandon();
        inner.pending.clear();
        inner.outstanding.clear();
        (inner.since, inner.reached, inner.safe) = (None, None, None);
    }

    /// Hands on what has come in, if there is room, and says that no more will.
    pub(super) fn close(&self, now: Timestamp) {
        self.seal(now);
        self.inner.lock().sinks.close();
    }
}

impl Inner {
    /// What no sink has room for stays here: pushed into full queues it would cost their oldest
    /// batches, and at the end a place before which not all is sent.
    fn seal(&mut self, now: Timestamp, place: Option<String>) {
        if self.pending.is_empty() || self.sinks.room().is_some() {
            return;
        }
        let since = self.since.take();
        let events = std::mem::take(&mut self.pending);
        let after = Timestamp::from_millis(self.made.as_millis().saturating_add(1));
        self.made = now.max(after);
        let (batch, mut outstanding) = EventBatch::new(self.made, events);
        outstanding.since = since.unwrap_or(now);
        self.outstanding.push_back((outstanding, place));
        self.sinks.put(&batch);
    }
}
