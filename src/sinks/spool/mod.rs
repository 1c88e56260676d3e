//! What does not fit into a sink's queue, on disk, and while the sink is away all that waits for it.
//!
//! Batches lie in a folder of their own, each in one file with a checksum, numbered in the order in
//! which they are to be sent. All of them are older than those in the queue, and none but the one the
//! sink is at is older than they. A file is there as a whole or not at all; one that is broken all the
//! same is passed over and counted. When they take more room than they may, the oldest go; what cannot
//! be written is lost, unless it still has a place in memory; both are counted.
//!
//! One process has a folder for itself, by a lock. Another goes on with what its queue and a few
//! batches in memory hold until the first has ended, and then sends what that one left.

mod file;
mod held;
mod left;
mod meant;
mod packed;
mod room;
#[cfg(test)]
mod tests;
mod told;
mod writing;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{info, warn};

pub(super) use left::tell as tell_left;
pub(super) use packed::{pack, unpack};
pub(super) use room::tell as tell_room;

use self::held::Held;
use super::metrics::SpoolMetrics;

/// How batches of one kind become bytes, and become batches again.
pub(super) struct Codec<B> {
    /// What they are, in one word.
    pub kind: &'static str,
    pub pack: fn(&B) -> Vec<u8>,
    pub unpack: fn(&[u8]) -> Option<B>,
    /// Told of what could not be written when the process ended, if somebody makes it again then: it
    /// costs no older batch its place.
    pub lost: Option<fn(&B)>,
}

/// Whose spool it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner<'a> {
    /// The sink's name.
    pub sink: &'a str,
    /// Where its batches go. Holds no secret.
    pub destination: &'a str,
}

/// The batches of one sink that are on disk, or on their way there.
pub(super) struct Spool<B> {
    sink: String,
    destination: String,
    folder: PathBuf,
    /// The most bytes all files may take.
    most: u64,
    codec: Codec<B>,
    metrics: SpoolMetrics,
    held: Mutex<Held<B>>,
    changed: Notify,
    /// Who holds it writes.
    turn: Mutex<()>,
}

/// Why a file was not read.
enum Unread {
    /// It is not what was written.
    Broken,
    /// The disk does not give it.
    Failed(io::Error),
}

/// How many batches may wait to be written. When the disk is slower than that, the oldest of them
/// is lost.
const PENDING: usize = 16;
/// How often it is tried to make the folder ours while another process has it, and to write and read
/// what a disk does not take or give.
const AGAIN: Duration = Duration::from_secs(5);
/// How often a file is tried to be read before it is passed over.
const READS: usize = 3;

impl<B: Send + Sync + 'static> Spool<B> {
    /// Takes up what a process before left in the folder, which is made if need be; later, if
    /// another process has it still.
    ///
    /// # Errors
    /// When the folder cannot be used, or holds batches of another kind, or whoever uses it does.
    pub(super) fn open(
        owner: Owner<'_>,
        folder: &Path,
        most: u64,
        codec: Codec<B>,
        metrics: SpoolMetrics,
    ) -> io::Result<Arc<Self>> {
        let sink = owner.sink;
        let spool = Self {
            sink: sink.to_owned(),
            destination: owner.destination.to_owned(),
            folder: folder.join(sink),
            most,
            codec,
            metrics,
            held: Mutex::default(),
            changed: Notify::new(),
            turn: Mutex::default(),
        };
        if !spool.take()? {
            let folder = spool.folder.display();
            warn!(
                sink,
                %folder,
                "another process uses the spool; until it ends, batches wait in memory alone"
            );
        }
        Ok(Arc::new(spool))
    }

    /// Makes the folder ours if no other process has it; whether it is. Blocks.
    fn take(&self) -> io::Result<bool> {
        let kind = self.codec.kind;
        let Some((lock, files)) = file::claim(&self.folder)? else {
            meant::check_user(&self.folder, kind)?;
            return Ok(false);
        };
        let owner = self.owner();
        meant::check(&self.folder, owner, kind, files.len())?;
        let mut held = self.held.lock();
        if !files.is_empty() {
            let (sink, batches) = (&self.sink, files.len());
            info!(sink, batches, "the spool holds batches");
        }
        held.begin(lock, files);
        let gone = self.shrink(&mut held);
        drop(held);
        self.unlink(&gone);
        Ok(true)
    }

    /// Makes the folder ours if no other process has it any more; whether it is.
    async fn claim(self: &Arc<Self>) -> bool {
        if self.is_ours() {
            return true;
        }
        let spool = Arc::clone(self);
        match spawn_blocking(move || spool.take()).await {
            Ok(Ok(true)) => {
                info!(sink = self.sink, "the spool is free, and ours now");
                true
            }
            Ok(Err(error)) => {
                let told = &mut self.held.lock().told;
                told.failed(&self.sink, &self.folder, &error);
                false
            }
            Ok(Ok(false)) | Err(_) => false,
        }
    }

    /// Adds a batch that is newer than all others here; it is written by [`Spool::write`].
    pub(super) fn push(&self, batch: Arc<B>) {
        let mut held = self.held.lock();
        let number = held.behind_all();
        held.pending.push_back((number, batch));
        if held.pending.len() > PENDING {
            held.pending.pop_front();
            self.metrics.failed.inc();
            held.told.late(&self.sink);
        }
        self.tell(&held);
        self.changed.notify_one();
    }

    /// Something was put into the sink's queue.
    pub(super) fn queue_changed(&self) {
        self.changed.notify_one();
    }

    /// Whether the sink's last attempt failed. While it is so, what waits in its queue comes here.
    pub(super) fn set_away(&self, away: bool) {
        self.held.lock().away = away;
        self.changed.notify_one();
    }

    /// The oldest batch, which is the one at hand until it is [`Spool::done`]. If it is from a file,
    /// it stays there until then.
    pub(super) async fn next(self: &Arc<Self>) -> Option<Arc<B>> {
        loop {
            let number = {
                let mut held = self.held.lock();
                held.at_hand = held.files.front().map(|file| file.number);
                match held.at_hand {
                    Some(number) => number,
                    None => {
                        let (_, batch) = held.pending.pop_front()?;
                        self.tell(&held);
                        return Some(batch);
                    }
                }
            };
            match self.read(number).await {
                Ok(batch) => return Some(Arc::new(batch)),
                Err(why) => self.pass_over(number, &why).await,
            }
        }
    }

    async fn read(&self, number: u64) -> Result<B, Unread> {
        let mut reads = 1;
        loop {
            let (path, unpack) = (file::path(&self.folder, number), self.codec.unpack);
            let read = move || {
                let bytes = fs::read(path).map_err(Unread::Failed)?;
                let content = file::opened(&bytes).ok_or(Unread::Broken)?;
                unpack(&content).ok_or(Unread::Broken)
            };
            let gone = io::ErrorKind::NotFound;
            match spawn_blocking(read).await.unwrap_or(Err(Unread::Broken)) {
                Err(Unread::Failed(error)) if reads < READS && error.kind() != gone => {
                    sleep(AGAIN).await;
                }
                read => return read,
            }
            reads += 1;
        }
    }

    /// Does without a batch that cannot be read. Its file stays where the disk may give it another
    /// time.
    async fn pass_over(self: &Arc<Self>, number: u64, why: &Unread) {
        self.metrics.torn.inc();
        let sink = &self.sink;
        match why {
            Unread::Broken => {
                warn!(sink, number, "a batch of the spool cannot be read");
                self.done().await;
            }
            Unread::Failed(error) => {
                warn!(sink, number, %error, "a batch of the spool cannot be read");
                self.forget();
            }
        }
    }

    /// Whether another batch fits, as far as that can be told of one that is not written yet. A disk
    /// that takes nothing has no room.
    pub(super) fn has_room(&self) -> bool {
        self.held.lock().has_room(self.most)
    }

    /// Whether no other process has the folder.
    pub(super) fn is_ours(&self) -> bool {
        self.held.lock().lock.is_some()
    }

    /// Whether it writes what it is given, as far as the last batch tells.
    pub(super) fn takes(&self) -> bool {
        let held = self.held.lock();
        held.lock.is_some() && held.told.takes()
    }

    pub(super) fn is_empty(&self) -> bool {
        let held = self.held.lock();
        held.files.is_empty() && held.pending.is_empty()
    }

    /// The batch at hand is through.
    pub(super) async fn done(self: &Arc<Self>) {
        if let Some(number) = self.forget() {
            let spool = Arc::clone(self);
            let _ = spawn_blocking(move || spool.unlink(&[number])).await;
        }
    }

    /// Holds the batch at hand no longer; its file, if it is in one.
    fn forget(&self) -> Option<u64> {
        let mut held = self.held.lock();
        let number = held.at_hand.take()?;
        held.remove(number);
        let bytes = held.bytes;
        held.told.holds(&self.sink, bytes, self.most);
        self.tell(&held);
        Some(number)
    }

    fn owner(&self) -> Owner<'_> {
        Owner {
            sink: &self.sink,
            destination: &self.destination,
        }
    }

    fn tell(&self, held: &Held<B>) {
        let of = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let batches = held.files.len() + held.pending.len();
        self.metrics.batches.set(of(batches as u64));
        self.metrics.bytes.set(of(held.bytes));
    }
}
