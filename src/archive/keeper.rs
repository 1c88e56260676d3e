//! Writes columns as they are finished, joins small segments, and removes what is too old or too
//! much.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::Config;
use super::folder::{Closed, Disk, Folder, Volume};
use super::merge::{self, NotJoined};
use super::metrics::{Failing, Metrics};
use super::share;
use crate::domain::{Clock, Timestamp};
use crate::history::History;
use crate::lifecycle::{FolderLock, Stop};
use crate::telemetry::Registry;

/// The columns on disk.
#[derive(Debug)]
pub struct Archive {
    pub(super) config: Config,
    pub(super) folder: Arc<Folder>,
    pub(super) clock: Arc<dyn Clock>,
    /// Questions at once.
    pub(super) places: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Held while the directory is ours.
    lock: Option<FolderLock>,
    /// The number of the next write.
    next: u64,
    /// The newest column that is on disk.
    newest: Option<Timestamp>,
    /// The number in the ring of the newest column that is written, or known to be lost.
    settled: Option<u32>,
    /// Whether the volume is smaller than what was asked for.
    bounded: bool,
    /// What was wrong when it was last tried.
    unwell: Option<String>,
    /// Why joining failed, and so many writes until it is tried again.
    unjoined: Option<(Arc<io::Error>, u32)>,
}

/// Why something is not on disk that should be.
#[derive(Debug, thiserror::Error)]
enum Unwell {
    #[error("cannot be used: {0}")]
    Closed(#[from] Closed),
    #[error("cannot be written to: {0}")]
    Write(#[source] io::Error),
    #[error("small segments cannot be joined: {0}")]
    Join(#[source] Arc<io::Error>),
}

const AT_ONCE: usize = 2;
/// Writes after which joining is tried again.
const PATIENCE: u32 = 10;
/// How long is waited for the next column before the directory is looked at anyway: it may be well
/// again.
const PAUSE: Duration = Duration::from_secs(60);

impl Archive {
    /// The columns of a directory. Nothing is looked at yet.
    pub fn new(config: Config, clock: Arc<dyn Clock>, registry: &mut Registry) -> Arc<Self> {
        Self::on(Box::new(Disk), config, clock, registry)
    }

    pub(super) fn on(
        volume: Box<dyn Volume>,
        config: Config,
        clock: Arc<dyn Clock>,
        registry: &mut Registry,
    ) -> Arc<Self> {
        let metrics = Metrics::register(registry);
        Arc::new(Self {
            folder: Arc::new(Folder::new(config.folder.clone(), volume, metrics)),
            config,
            clock,
            places: Arc::new(Semaphore::new(AT_ONCE)),
            state: Mutex::default(),
        })
    }

    /// Writes what `history` finishes until `stop`, on threads that may block.
    pub async fn run(self: Arc<Self>, history: Arc<History>, stop: Stop) {
        let mut finished = history.finished();
        while !stop.is_stopping() {
            finished.mark_unchanged();
            self.step(&history).await;
            let next = tokio::time::timeout(PAUSE, finished.changed());
            let _ = stop.until(next).await;
        }
        if finished.has_changed().unwrap_or(false) {
            self.step(&history).await;
        }
    }

    async fn step(self: &Arc<Self>, history: &Arc<History>) {
        let (this, history) = (Arc::clone(self), Arc::clone(history));
        // An error is a panic, which was told.
        let _ = spawn_blocking(move || this.keep_up(&history)).await;
    }

    /// Does all there is to do now. Blocks.
    pub(super) fn keep_up(&self, history: &History) {
        let mut state = self.state.lock();
        let outcome = self.try_keep_up(&mut state, history);
        let unwell = outcome.err().map(|error| error.to_string());
        match &unwell {
            Some(error) if state.unwell.as_ref() != Some(error) => {
                let directory = self.config.folder.display();
                warn!(%directory, %error, "the history on disk is unwell; the ring goes on in memory");
            }
            None if state.unwell.is_some() => info!("the history on disk is well again"),
            _ => {}
        }
        state.unwell = unwell;
    }

    /// Makes the directory ours and looks at it, if that was not done. Blocks.
    pub(super) fn open(&self) -> Result<(), Closed> {
        self.open_with(&mut self.state.lock())
    }

    fn open_with(&self, state: &mut State) -> Result<(), Closed> {
        if state.lock.is_some() {
            return Ok(());
        }
        let opened = self.folder.lock().and_then(|lock| {
            self.folder.scan(true)?;
            Ok(lock)
        });
        let metrics = &self.folder.metrics;
        let lock = opened.inspect_err(|_| metrics.failed(Failing::Open))?;
        let entries = self.folder.entries();
        state.next = entries.last().map_or(0, |last| last.writes.1 + 1);
        let newest = entries.iter().rev().find_map(|entry| entry.meta);
        state.newest = newest.map(|meta| meta.last);
        state.lock = Some(lock);
        Ok(())
    }

    fn try_keep_up(&self, state: &mut State, history: &History) -> Result<(), Unwell> {
        self.open_with(state)?;
        let mut written = self.write(state, history);
        // What is too old or too much makes room for what could not be written.
        if self.expire(state, history) && written.is_err() {
            written = self.write(state, history);
        }
        let metrics = &self.folder.metrics;
        written.map_err(|error| {
            metrics.failed(Failing::Write);
            Unwell::Write(error)
        })?;
        self.join(state).map_err(Unwell::Join)
    }

    /// Writes the columns that are not on disk yet. Where there is no room for them they wait in the
    /// ring: what is on disk stays until it is too old, or more than it may be.
    fn write(&self, state: &mut State, history: &History) -> io::Result<()> {
        let Some(tick) = history.view().newest() else {
            return Ok(());
        };
        if state.newest.is_some_and(|newest| tick < newest) {
            info!("the history on disk begins anew, as the wall clock was set back");
            state.newest = None;
        }
        self.count_lost(state, history);
        let Some(mut handing) = history.hand_off_after(state.newest) else {
            return Ok(());
        };
        let columns = handing.columns().clone();
        let (Some(first), Some(last)) = (columns.finished.first(), columns.finished.last()) else {
            return Ok(());
        };
        let whole = || {
            let forgot = || io::Error::other("the ring forgot what was being written");
            let whole = history.oldest() <= Some(first.1);
            whole.then_some(()).ok_or_else(forgot)
        };
        let writes = (state.next, state.next);
        self.folder.write(writes, &columns, &mut handing, &whole)?;
        // What was forgotten since it was counted.
        let settled = state.settled.unwrap_or_default();
        let lost = first.0.saturating_sub(settled).saturating_sub(1);
        self.folder.metrics.dropped(lost);
        state.next += 1;
        state.settled = Some(last.0);
        state.newest = Some(last.1);
        Ok(())
    }

    /// Counts the columns the ring has forgotten since they were due, however long the next one takes
    /// to be written.
    fn count_lost(&self, state: &mut State, history: &History) {
        let Some(oldest) = history.first_after(state.newest) else {
            return;
        };
        let before = oldest.saturating_sub(1);
        let settled = *state.settled.get_or_insert(before);
        let lost = before.saturating_sub(settled);
        self.folder.metrics.dropped(lost);
        state.settled = Some(settled.max(before));
    }

    /// Removes what is too old or too much, and tells whether that was anything; the newest segment
    /// stays.
    fn expire(&self, state: &mut State, history: &History) -> bool {
        let Some(newest) = history.view().newest() else {
            return false;
        };
        let volume = self.folder.volume();
        self.tell_room(state, volume);
        let mut removed = false;
        loop {
            let entries = self.folder.entries();
            let most = share::allowed(self.config.most.get(), volume, &entries);
            self.folder.metrics.may_hold(most);
            let Some(oldest) = entries.first().filter(|_| entries.len() > 1) else {
                return removed;
            };
            let age = oldest.meta.and_then(|meta| newest.since(meta.last));
            let old = age.is_some_and(|age| age >= self.config.retention);
            let bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
            if !old && bytes <= most {
                return removed;
            }
            self.folder.remove_oldest();
            removed = true;
        }
    }

    /// Says when the volume turns out to be smaller than what was asked for, and when it is not any
    /// more.
    fn tell_room(&self, state: &mut State, volume: Option<u64>) {
        let asked = self.config.most.get();
        let room = volume.map_or(u64::MAX, share::room);
        let bounded = room < asked;
        let directory = self.config.folder.display();
        match (state.bounded, bounded) {
            (false, true) => warn!(
                %directory, asked, room,
                "the volume is smaller than --history-dir-max-bytes; the history on disk is kept to what it has room for"
            ),
            (true, false) => {
                info!(%directory, asked, "the volume has room for --history-dir-max-bytes");
            }
            (false, false) | (true, true) => {}
        }
        state.bounded = bounded;
    }

    /// Joins what is due. Where the large segment could not be written it is not tried again for a
    /// while, and as unwell as it was; a segment that could not be read holds up no others.
    fn join(&self, state: &mut State) -> Result<(), Arc<io::Error>> {
        if let Some((error, patience)) = &mut state.unjoined
            && *patience > 1
        {
            *patience -= 1;
            return Err(Arc::clone(error));
        }
        state.unjoined = None;
        let entries = self.folder.entries();
        // Each turn but the last leaves out one more of them.
        while let Some(run) = merge::due(&entries) {
            let Err(error) = merge::join(&self.folder, run) else {
                return Ok(());
            };
            self.folder.metrics.failed(Failing::Join);
            match error {
                NotJoined::Unread(entry, error) => self.folder.leave_out(&entry, &error),
                NotJoined::Unwritten(error) => {
                    let error = Arc::new(error);
                    state.unjoined = Some((Arc::clone(&error), PATIENCE));
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}
