//! What does not fit into a sink's queue, on disk.
//!
//! Batches lie in a folder of their own, each in one file with a checksum, numbered in the order in
//! which they are to be sent. All of them are older than those in the queue. A file is there as a
//! whole or not at all; one that is broken all the same is passed over and counted. When they take
//! more room than they may, the oldest go; what cannot be written is lost; both are counted.
//!
//! One process has a folder for itself, by a lock. Another goes on with what its queue and a few
//! batches in memory hold until the first has ended, and then sends what that one left.

mod file;
mod left;
mod packed;
#[cfg(test)]
mod tests;
mod told;

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Mutex as Turn, Notify};
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{info, warn};

pub(super) use left::tell as tell_left;
pub(super) use packed::{pack, unpack};

use self::told::Told;
use super::metrics::SpoolMetrics;
use crate::lifecycle::FolderLock;

/// How batches of one kind become bytes, and become batches again.
pub(super) struct Codec<B> {
    pub pack: fn(&B) -> Vec<u8>,
    pub unpack: fn(&[u8]) -> Option<B>,
    /// Told of what could not be written when the process ended.
    pub lost: fn(&B),
}

/// The batches of one sink that are on disk, or on their way there.
pub(super) struct Spool<B> {
    sink: String,
    folder: PathBuf,
    /// The most bytes all files may take.
    most: u64,
    codec: Codec<B>,
    metrics: SpoolMetrics,
    inner: Mutex<Inner<B>>,
    changed: Notify,
    /// Who holds it writes. Goes along to the thread that does, which is not stopped by whoever
    /// waits for it no longer.
    turn: Arc<Turn<()>>,
}

struct Inner<B> {
    files: VecDeque<File>,
    /// What is to be written, behind all files.
    pending: VecDeque<(u64, Arc<B>)>,
    next: u64,
    /// Held while the folder is ours; without it there are no files.
    lock: Option<Arc<FolderLock>>,
    told: Told,
}

#[derive(Clone, Copy)]
struct File {
    number: u64,
    bytes: u64,
}

/// A batch that was taken from the spool.
pub(super) struct Taken<B> {
    pub batch: Arc<B>,
    /// The file to be removed once the batch is through.
    pub file: Option<u64>,
}

/// How many batches may wait to be written. When the disk is slower than that, the oldest of them
/// is lost.
const PENDING: usize = 16;
/// How often it is tried to make the folder ours, while another process has it.
const AGAIN: Duration = Duration::from_secs(5);
/// The number of the first batch, so that others can be put before it.
const FIRST: u64 = 1 << 32;

impl<B: Send + Sync + 'static> Spool<B> {
    /// Takes up what a process before left in the folder, which is made if need be; later, if
    /// another process has it still.
    pub(super) fn open(
        sink: &str,
        folder: &Path,
        most: u64,
        codec: Codec<B>,
        metrics: SpoolMetrics,
    ) -> io::Result<Self> {
        let inner = Inner {
            next: FIRST,
            files: VecDeque::new(),
            pending: VecDeque::new(),
            lock: None,
            told: Told::default(),
        };
        let spool = Self {
            sink: sink.to_owned(),
            folder: folder.join(sink),
            most,
            codec,
            metrics,
            inner: Mutex::new(inner),
            changed: Notify::new(),
            turn: Arc::default(),
        };
        match file::claim(&spool.folder)? {
            Some((lock, files)) => spool.begin(lock, files),
            None => {
                let folder = spool.folder.display();
                warn!(
                    sink,
                    %folder,
                    "another process uses the spool; until it ends, batches wait in memory alone"
                );
            }
        }
        Ok(spool)
    }

    /// Begins with these files, which are older than what is pending.
    fn begin(&self, lock: FolderLock, files: Vec<(u64, u64)>) {
        let mut inner = self.inner.lock();
        let file = |(number, bytes)| File { number, bytes };
        inner.files = files.into_iter().map(file).collect();
        inner.next = inner.files.back().map_or(FIRST, |last| last.number + 1);
        for (_, batch) in std::mem::take(&mut inner.pending) {
            let number = inner.next;
            inner.next += 1;
            inner.pending.push_back((number, batch));
        }
        inner.lock = Some(Arc::new(lock));
        if !inner.files.is_empty() {
            let (sink, batches) = (&self.sink, inner.files.len());
            info!(sink, batches, "the spool holds batches");
        }
        self.shrink(&mut inner);
    }

    /// Makes the folder ours if no other process has it any more; whether it is.
    async fn claim(&self) -> bool {
        if self.inner.lock().lock.is_some() {
            return true;
        }
        let folder = self.folder.clone();
        let claimed = spawn_blocking(move || file::claim(&folder)).await;
        let Ok(Ok(Some((lock, files)))) = claimed else {
            return false;
        };
        info!(sink = self.sink, "the spool is free, and ours now");
        self.begin(lock, files);
        true
    }

    /// Adds a batch that is newer than all others here; it is written by [`Spool::write`].
    pub(super) fn push(&self, batch: Arc<B>) {
        let mut inner = self.inner.lock();
        let number = inner.next;
        inner.next += 1;
        inner.pending.push_back((number, batch));
        if inner.pending.len() > PENDING {
            inner.pending.pop_front();
            self.metrics.failed.inc();
            inner.told.late(&self.sink);
        }
        self.tell(&inner);
        self.changed.notify_one();
    }

    /// The oldest batch. One from a file stays there until it is [`Spool::done`].
    pub(super) async fn next(&self) -> Option<Taken<B>> {
        loop {
            let file = {
                let mut inner = self.inner.lock();
                match inner.files.front() {
                    Some(file) => *file,
                    None => {
                        let (_, batch) = inner.pending.pop_front()?;
                        self.tell(&inner);
                        return Some(Taken { batch, file: None });
                    }
                }
            };
            let (path, unpack) = (file::path(&self.folder, file.number), self.codec.unpack);
            let read = move || {
                let bytes = fs::read(path).ok()?;
                unpack(&file::opened(&bytes)?)
            };
            if let Ok(Some(batch)) = spawn_blocking(read).await {
                return Some(Taken {
                    batch: Arc::new(batch),
                    file: Some(file.number),
                });
            }
            if self.remove(file.number) {
                self.metrics.torn.inc();
                let (sink, number) = (&self.sink, file.number);
                warn!(sink, number, "a batch of the spool cannot be read");
            }
        }
    }

    /// Whether another batch fits, as far as that can be told of one that is not written yet.
    pub(super) fn has_room(&self) -> bool {
        let inner = self.inner.lock();
        let (bytes, files) = (inner.bytes(), inner.files.len() as u64);
        let one = bytes.checked_div(files).unwrap_or_default();
        let waiting = inner.pending.len() as u64 + 1;
        let ours = inner.lock.is_some() && inner.pending.len() < PENDING;
        ours && bytes.saturating_add(one * waiting) <= self.most
    }

    /// Whether no other process has the folder.
    pub(super) fn is_ours(&self) -> bool {
        self.inner.lock().lock.is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        let inner = self.inner.lock();
        inner.files.is_empty() && inner.pending.is_empty()
    }

    /// The batch of this file is through.
    pub(super) fn done(&self, number: u64) {
        self.remove(number);
    }

    /// Writes what is pending, as it comes; never ends.
    pub(super) async fn write(&self) {
        loop {
            if self.claim().await {
                self.write_pending(|_| {}).await;
                self.changed.notified().await;
            } else {
                sleep(AGAIN).await;
            }
        }
    }

    /// Writes what has to outlive the process: `first`, which is older than all here, and `rest`,
    /// which is newer. What could not be written is counted.
    pub(super) async fn keep(&self, first: Option<Arc<B>>, rest: impl IntoIterator<Item = Arc<B>>) {
        self.claim().await;
        if let Some(first) = first {
            let number = self.inner.lock().before_all();
            match self.write_one(number, Arc::clone(&first)).await {
                Some(bytes) => {
                    let mut inner = self.inner.lock();
                    inner.files.push_front(File { number, bytes });
                    self.shrink(&mut inner);
                }
                None => (self.codec.lost)(&first),
            }
        }
        self.write_pending(self.codec.lost).await;
        for batch in rest {
            self.push(batch);
            self.write_pending(self.codec.lost).await;
        }
    }

    /// Writes all that is pending. What somebody took meanwhile is no file then; `lost` is told of
    /// what could not be written.
    async fn write_pending(&self, lost: impl Fn(&B)) {
        loop {
            let front = self.inner.lock().pending.front().cloned();
            let Some((number, batch)) = front else { return };
            let written = self.write_one(number, Arc::clone(&batch)).await;
            let mut inner = self.inner.lock();
            let waits = inner.pending.front().is_some_and(|front| front.0 == number);
            if waits {
                inner.pending.pop_front();
            }
            match written {
                Some(bytes) if waits => inner.files.push_back(File { number, bytes }),
                Some(_) => drop(fs::remove_file(file::path(&self.folder, number))),
                None => lost(&batch),
            }
            if inner.pending.is_empty() {
                inner.told.in_time(&self.sink);
            }
            self.shrink(&mut inner);
        }
    }

    /// Writes one batch; gives back how large it is, or counts it as lost.
    async fn write_one(&self, number: u64, batch: Arc<B>) -> Option<u64> {
        let (folder, pack, most) = (self.folder.clone(), self.codec.pack, self.most);
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let lock = self.inner.lock().lock.clone();
        let write = move || {
            // Both are held to the end, whoever waits for it.
            let (_turn, _lock) = (turn, lock.ok_or_else(file::in_use)?);
            let bytes = file::sealed(&pack(&batch))?;
            let size = bytes.len() as u64;
            if size <= most {
                file::write(&folder, number, &bytes)?;
            }
            Ok::<u64, io::Error>(size)
        };
        let written = spawn_blocking(write).await.map_err(io::Error::other);
        let told = &mut self.inner.lock().told;
        match written.and_then(|written| written) {
            Ok(bytes) if bytes > self.most => {
                self.metrics.full.inc();
                told.too_large(&self.sink, bytes);
                None
            }
            Ok(bytes) => {
                told.wrote(&self.sink);
                Some(bytes)
            }
            Err(error) => {
                self.metrics.failed.inc();
                told.failed(&self.sink, &self.folder, &error);
                None
            }
        }
    }

    /// Removes a file; whether it was still there.
    fn remove(&self, number: u64) -> bool {
        let mut inner = self.inner.lock();
        let at = inner.files.iter().position(|file| file.number == number);
        let removed = at.and_then(|at| inner.files.remove(at));
        if removed.is_some() {
            self.unlink(number);
            let bytes = inner.bytes();
            inner.told.holds(&self.sink, bytes, self.most);
        }
        self.tell(&inner);
        removed.is_some()
    }

    fn unlink(&self, number: u64) {
        if let Err(error) = fs::remove_file(file::path(&self.folder, number)) {
            let sink = &self.sink;
            warn!(sink, number, %error, "cannot remove a batch from the spool");
        }
    }

    /// Removes the oldest files while there are more bytes than may be.
    fn shrink(&self, inner: &mut Inner<B>) {
        while inner.bytes() > self.most
            && let Some(oldest) = inner.files.pop_front()
        {
            self.unlink(oldest.number);
            self.metrics.full.inc();
            inner.told.full(&self.sink);
        }
        self.tell(inner);
    }

    fn tell(&self, inner: &Inner<B>) {
        let of = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let batches = inner.files.len() + inner.pending.len();
        self.metrics.batches.set(of(batches as u64));
        self.metrics.bytes.set(of(inner.bytes()));
    }
}

impl<B> Inner<B> {
    /// A number below that of every batch here.
    fn before_all(&self) -> u64 {
        let file = self.files.front().map(|file| file.number);
        let pending = self.pending.front().map(|(number, _)| *number);
        file.or(pending).unwrap_or(self.next).saturating_sub(1)
    }

    fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}
