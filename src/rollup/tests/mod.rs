//! Whole columns: against the real Heapster, against closed forms, and in time.

mod aggregated;
mod closed_form;
mod golden;
mod sent;
mod speed;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::{Columns, Config, Source};
use crate::domain::{Clock, EntityKey, MetricSet, Timestamp};

/// A wall clock that goes with tokio's, which tests turn, and can be stepped.
#[derive(Debug)]
struct TestClock {
    begun: tokio::time::Instant,
    wall: Mutex<i64>,
}

/// Columns as they were given, by key.
#[derive(Debug, Default)]
struct Collected(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    open: BTreeMap<EntityKey, MetricSet>,
    finished: Vec<(Timestamp, BTreeMap<EntityKey, MetricSet>)>,
    anew: usize,
}

impl TestClock {
    fn new(wall: i64) -> Arc<Self> {
        Arc::new(Self {
            begun: tokio::time::Instant::now(),
            wall: Mutex::new(wall),
        })
    }

    fn step(&self, millis: i64) {
        *self.wall.lock() += millis;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.begun.elapsed().as_millis()).unwrap();
        Timestamp::from_millis(*self.wall.lock() + elapsed)
    }

    fn monotonic(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

impl Columns for Collected {
    fn append(&self, _: Timestamp, sets: &[MetricSet]) {
        let mut kept = self.0.lock();
        for set in sets {
            let before = kept.open.insert(set.key.clone(), set.clone());
            assert!(before.is_none(), "{} came twice", set.key);
        }
    }

    fn finish(&self, timestamp: Timestamp) {
        let mut kept = self.0.lock();
        let open = std::mem::take(&mut kept.open);
        kept.finished.push((timestamp, open));
    }

    fn begin_anew(&self) {
        self.0.lock().anew += 1;
    }
}
