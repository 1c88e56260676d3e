//! Events that travel together, and what becomes of them.

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Weak};

use crate::domain::{Event, Timestamp};

/// Events that are handed to all sinks as one.
#[derive(Debug)]
pub struct EventBatch {
    /// When it was made.
    pub timestamp: Timestamp,
    /// The events, in the order in which they were heard.
    pub events: Vec<Event>,
    abandoned: Arc<AtomicBool>,
}

/// Tells whoever made a batch what became of it.
#[derive(Debug)]
pub struct Outstanding {
    batch: Weak<EventBatch>,
    abandoned: Arc<AtomicBool>,
    /// How many events are in it.
    pub events: usize,
    /// When it was made.
    pub since: Timestamp,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A sink has it still, or has it to send yet.
    Waiting,
    /// Every sink is done with it: its backend took it, or will never, or newer ones took its
    /// place.
    Settled,
    /// Not every sink was done with it when its work ended.
    Abandoned,
}

impl EventBatch {
    /// A batch, and what follows its fate.
    #[must_use]
    pub fn new(timestamp: Timestamp, events: Vec<Event>) -> (Arc<Self>, Outstanding) {
        let abandoned = Arc::new(AtomicBool::new(false));
        let count = events.len();
        let batch = Arc::new(Self {
            timestamp,
            events,
            abandoned: Arc::clone(&abandoned),
        });
        let outstanding = Outstanding {
            batch: Arc::downgrade(&batch),
            abandoned,
            events: count,
            since: timestamp,
        };
        (batch, outstanding)
    }

    /// A batch nobody follows.
    pub(super) fn alone(timestamp: Timestamp, events: Vec<Event>) -> Self {
        Self {
            timestamp,
            events,
            abandoned: Arc::default(),
        }
    }

    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }
}

impl Outstanding {
    /// What became of the batch so far. Nobody but sinks keeps a batch, so one that is gone is done
    /// with.
    #[must_use]
    pub fn fate(&self) -> Fate {
        // Asked first, with a fence behind it: whoever let go last had said by then what it was.
        let gone = self.batch.strong_count() == 0;
        fence(Ordering::Acquire);
        match (self.abandoned.load(Ordering::Relaxed), gone) {
            (true, _) => Fate::Abandoned,
            (false, true) => Fate::Settled,
            (false, false) => Fate::Waiting,
        }
    }
}
