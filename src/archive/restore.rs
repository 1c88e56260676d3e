//! The start: what was on disk, back in the ring.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::folder::Entry;
use super::keeper::Archive;
use super::segment::Broken;
use crate::domain::{Inventory, Timestamp};
use crate::history::History;
use crate::lifecycle::Stop;

/// Reads back what the ring had.
#[derive(Debug)]
pub struct Restoring {
    archive: Arc<Archive>,
    history: Arc<History>,
    inventory: Arc<Inventory>,
    done: watch::Sender<bool>,
}

/// Tells when the ring has what it is to have from disk.
#[derive(Clone, Debug)]
pub struct Restored(watch::Receiver<bool>);

/// After this the start goes on without; what is read later is not taken.
const LIMIT: Duration = Duration::from_secs(10);
/// How often the inventory is looked at until it holds the whole cluster.
const PAUSE: Duration = Duration::from_millis(20);
/// A clock may be so much behind the one before.
const AHEAD: Duration = Duration::from_secs(10);

impl Restoring {
    /// What `archive` has of the time `history` is to hold, joined with the inventory.
    #[must_use]
    pub fn new(archive: Arc<Archive>, history: Arc<History>, inventory: Arc<Inventory>) -> Self {
        Self {
            archive,
            history,
            inventory,
            done: watch::Sender::new(false),
        }
    }

    /// Tells when it is over.
    #[must_use]
    pub fn restored(&self) -> Restored {
        Restored(self.done.subscribe())
    }

    /// Reads back once the inventory is `synced`, for 10 s at most, and says in one line of the log
    /// what came of it. Of a directory that cannot be used nothing is said: who writes to it tells
    /// why.
    pub async fn run(self, synced: impl Fn() -> bool + Send, stop: Stop) {
        let (clock, done) = (Arc::clone(&self.archive.clock), self.done.clone());
        let began = clock.monotonic();
        let given_up = Arc::new(Mutex::new(false));
        let flag = Arc::clone(&given_up);
        let read = async {
            while !synced() {
                tokio::time::sleep(PAUSE).await;
            }
            spawn_blocking(move || self.restore(&flag)).await
        };
        let outcome = stop.until(tokio::time::timeout(LIMIT, read)).await;
        *given_up.lock() = true;
        let milliseconds = clock
            .monotonic()
            .saturating_duration_since(began)
            .as_millis();
        match outcome {
            Some(Ok(Ok(Some(0)))) => info!(milliseconds, "nothing recent on disk to begin with"),
            Some(Ok(Ok(Some(columns)))) => {
                info!(columns, milliseconds, "took up the history from disk");
            }
            Some(Err(_)) => {
                let error = "it takes too long";
                warn!(
                    milliseconds,
                    error, "cannot take up all of the history from disk"
                );
            }
            // An error is a panic, which was told.
            Some(Ok(Ok(None) | Err(_))) | None => {}
        }
        done.send_replace(true);
    }

    /// Reads all that is recent into the ring, and says how many columns that are; `None` when the
    /// directory cannot be read. Blocks.
    pub(super) fn restore(&self, given_up: &Mutex<bool>) -> Option<usize> {
        let folder = &self.archive.folder;
        if self.archive.open().is_err() {
            folder.scan(false).ok()?;
        }
        let now = self.archive.clock.now();
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let retention = millis(self.history.retention());
        let since = Timestamp::from_millis(now.as_millis().saturating_sub(retention));
        let ahead = Timestamp::from_millis(now.as_millis().saturating_add(millis(AHEAD)));
        let entries = folder.entries();
        let mut wanted: Vec<&Arc<Entry>> = Vec::new();
        let mut before = ahead;
        for entry in entries.iter().rev() {
            match entry.meta {
                // What a wrong clock left would keep the ring's own columns out until then.
                Some(meta) if meta.last > ahead => {}
                Some(meta) if meta.last > since && meta.last < before => {
                    before = meta.first;
                    wanted.push(entry);
                }
                Some(_) => break,
                None => {}
            }
        }
        let oldest_first = wanted.into_iter().rev();
        let read = oldest_first.map(|entry| {
            self.read(entry, since, given_up).unwrap_or_else(|error| {
                folder.tell(entry, &error);
                0
            })
        });
        Some(read.sum())
    }

    fn read(
        &self,
        entry: &Entry,
        since: Timestamp,
        given_up: &Mutex<bool>,
    ) -> Result<usize, Broken> {
        let folder = &self.archive.folder;
        let Some(segment) = folder.open(entry)? else {
            return Ok(0);
        };
        let (all, index) = (segment.columns()?, segment.index()?);
        let mut columns = all.clone();
        columns.finished.retain(|(_, tick)| *tick > since);
        let stopped = given_up.lock();
        if *stopped {
            return Ok(0);
        }
        let begun = self.history.take_over(columns, &self.inventory);
        let mut taking = begun.map_err(|_| Broken::Malformed)?;
        drop(stopped);
        for (_, at) in index {
            let families = segment.families(at, &all).unwrap_or_else(|error| {
                folder.tell(entry, &error);
                Vec::new()
            });
            let stopped = given_up.lock();
            for family in families {
                let added = !*stopped && taking.add(family).is_ok();
                if !added {
                    return Ok(0);
                }
            }
        }
        let stopped = given_up.lock();
        let count = taking.columns();
        if !*stopped {
            taking.finish();
        }
        Ok(count)
    }
}

impl Restored {
    /// Returns when it is over.
    pub async fn wait(mut self) {
        // An error means that whoever restores is gone, which is an end too.
        let _ = self.0.wait_for(|done| *done).await;
    }
}
