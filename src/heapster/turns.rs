//! Whose turn it is to have a list of pods made.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::location::{self, Location};

/// Lists of pods are the answers a short question makes large, so few of them are made at a time:
/// one of what is in memory, and two by the historical API, whose store may take its time. Whoever
/// comes meanwhile waits, in the order they came, and computes nothing; then it computes beside the
/// handlers.
#[derive(Debug)]
pub(super) struct Turns {
    now: Arc<Semaphore>,
    past: Arc<Semaphore>,
}

impl Turns {
    pub(super) fn new() -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self {
            now: places(1),
            past: places(2),
        }
    }

    /// What a request has to hold while it is answered; `None` when that is no list of pods.
    pub(super) fn of(&self, location: &Location) -> Option<Arc<Semaphore>> {
        let Location::Path(path) = location else {
            return None;
        };
        let segments = location::segments(path);
        let list = |segment: &&str| matches!(*segment, "pod-list" | "pod-id-list");
        if !segments.iter().any(list) {
            return None;
        }
        let past = matches!(segments.as_slice(), ["api", "v1", "historical", ..]);
        Some(Arc::clone(if past { &self.past } else { &self.now }))
    }
}
