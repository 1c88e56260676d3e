//! The segments of a directory.
//!
//! A segment's name is the numbers of the first and the last write it holds. A process that ended
//! between joining segments and removing them leaves names that lie within another's; those go.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use tracing::warn;

use super::metrics::{Failing, Metrics};
use super::segment::{self, Broken, Meta, Opened, ReadAt, Segment};
use crate::history::{HandedFamily, RingColumns};
use crate::lifecycle::{self, FolderLock};

/// A segment of the directory.
#[derive(Debug)]
pub(super) struct Entry {
    /// The first and the last write.
    pub(super) writes: (u64, u64),
    pub(super) bytes: u64,
    /// `None` when it cannot be read.
    pub(super) meta: Option<Meta>,
    /// Whether somebody was told that a part of it cannot be read.
    told: AtomicBool,
    /// Whether it stays as it is when those around it are joined.
    left_out: AtomicBool,
}

/// The directory.
pub(super) struct Folder {
    path: PathBuf,
    entries: ArcSwap<Vec<Arc<Entry>>>,
    volume: Box<dyn Volume>,
    pub(super) metrics: Metrics,
}

/// Where the files are.
pub(super) trait Volume: Send + Sync {
    /// An empty file at this path.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Durable>>;

    /// What the file at this path holds.
    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadAt>>;

    /// How many bytes there would be for us if nothing else were there.
    fn size(&self, path: &Path) -> io::Result<u64>;
}

/// A file that can be made to outlive a loss of power.
pub(super) trait Durable: Write {
    fn sync(&self) -> io::Result<()>;
}

/// The file system.
#[derive(Debug)]
pub(super) struct Disk;

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Closed {
    #[error("another process uses the directory")]
    InUse,
    #[error(transparent)]
    Io(#[from] io::Error),
}

const ENDING: &str = ".segment";
/// What is being written; a name that never is a segment's.
const UNFINISHED: &str = "unfinished";

impl Entry {
    /// Whether it could not be read when it was to be joined.
    pub(super) fn is_left_out(&self) -> bool {
        self.left_out.load(Ordering::Relaxed)
    }
}

impl Folder {
    /// The directory, not looked at yet.
    pub(super) fn new(path: PathBuf, volume: Box<dyn Volume>, metrics: Metrics) -> Self {
        Self {
            path,
            entries: ArcSwap::default(),
            volume,
            metrics,
        }
    }

    /// Makes the directory ours, until the lock is dropped; makes it, if only it is missing.
    pub(super) fn lock(&self) -> Result<FolderLock, Closed> {
        match fs::create_dir(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
            _ => {}
        }
        FolderLock::take(&self.path)?.ok_or(Closed::InUse)
    }

    /// Looks at what is there. Only who holds the lock may `clean` up what a process before left
    /// unfinished.
    pub(super) fn scan(&self, clean: bool) -> io::Result<()> {
        let mut entries: Vec<Entry> = Vec::new();
        for file in fs::read_dir(&self.path)? {
            let name = file?.file_name();
            let name = name.to_string_lossy();
            if let Some(writes) = numbers(&name) {
                entries.push(self.look_at(writes)?);
            }
        }
        if clean {
            self.remove_file(UNFINISHED);
        }
        entries.sort_unstable_by_key(|entry| (entry.writes.0, u64::MAX - entry.writes.1));
        let mut kept: Vec<Arc<Entry>> = Vec::new();
        for entry in entries {
            let last = kept.last().filter(|last| last.meta.is_some());
            let within = last.is_some_and(|last| entry.writes.1 <= last.writes.1);
            if !within {
                kept.push(Arc::new(entry));
            } else if clean {
                self.remove_file(&name(entry.writes));
            }
        }
        self.keep(kept);
        Ok(())
    }

    /// The segments, in the order in which they were written.
    pub(super) fn entries(&self) -> Arc<Vec<Arc<Entry>>> {
        self.entries.load_full()
    }

    /// The bytes of the volume, if it tells.
    pub(super) fn volume(&self) -> Option<u64> {
        let size = self.volume.size(&self.path).ok();
        size.filter(|size| *size > 0)
    }

    /// Opens a segment; `None` when it has been joined or removed since, or cannot be read.
    pub(super) fn open(&self, entry: &Entry) -> Result<Option<Opened>, Broken> {
        match self.volume.open(&self.path.join(name(entry.writes))) {
            Ok(file) => Segment::open(file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a segment, which takes the place of those whose writes it holds, unless it is not
    /// `whole` when all of it is written.
    pub(super) fn write(
        &self,
        writes: (u64, u64),
        columns: &RingColumns,
        families: &mut dyn Iterator<Item = HandedFamily>,
        whole: &dyn Fn() -> io::Result<()>,
    ) -> io::Result<()> {
        let unfinished = self.path.join(UNFINISHED);
        let written = self.write_to(&unfinished, columns, families, whole);
        let done = written.and_then(|meta| {
            fs::rename(&unfinished, self.path.join(name(writes)))?;
            Ok(meta)
        });
        let meta = done.inspect_err(|_| self.remove_file(UNFINISHED))?;
        self.metrics.wrote(meta.bytes);
        // Not every file system does that; the segment is whole or none without.
        let _ = File::open(&self.path).and_then(|folder| folder.sync_all());
        let old = self.entries();
        let within = |entry: &Entry| writes.0 <= entry.writes.0 && entry.writes.1 <= writes.1;
        let (gone, mut kept): (Vec<_>, Vec<_>) = old.iter().cloned().partition(|e| within(e));
        let at = kept.partition_point(|entry| entry.writes.0 < writes.0);
        let entry = Entry {
            writes,
            bytes: meta.bytes,
            meta: Some(meta),
            told: AtomicBool::new(false),
            left_out: AtomicBool::new(false),
        };
        kept.insert(at, Arc::new(entry));
        self.keep(kept);
        let replaced = gone.iter().filter(|entry| entry.writes != writes);
        replaced.for_each(|entry| self.remove_file(&name(entry.writes)));
        Ok(())
    }

    /// Removes the oldest segment.
    pub(super) fn remove_oldest(&self) {
        let mut entries = Vec::clone(&self.entries());
        if entries.is_empty() {
            return;
        }
        let oldest = entries.remove(0);
        self.keep(entries);
        self.remove_file(&name(oldest.writes));
    }

    /// Says once a segment that a part of it cannot be read, and counts each.
    pub(super) fn tell(&self, entry: &Entry, error: &Broken) {
        self.metrics.failed(Failing::Read);
        if !entry.told.swap(true, Ordering::Relaxed) {
            let segment = name(entry.writes);
            warn!(%segment, %error, "a segment of the history on disk is passed over");
        }
    }

    /// Has a segment that could not be read stay as it is from now on, and says so. A process to
    /// come tries again.
    pub(super) fn leave_out(&self, entry: &Entry, error: &io::Error) {
        entry.left_out.store(true, Ordering::Relaxed);
        let segment = name(entry.writes);
        warn!(%segment, %error, "a segment of the history on disk is not joined with others");
    }

    fn look_at(&self, writes: (u64, u64)) -> io::Result<Entry> {
        let path = self.path.join(name(writes));
        let bytes = fs::metadata(&path)?.len();
        let mut entry = Entry {
            writes,
            bytes,
            meta: None,
            told: AtomicBool::new(false),
            left_out: AtomicBool::new(false),
        };
        let opened = self.volume.open(&path).map_err(Broken::from);
        match opened.and_then(Segment::open) {
            Ok(segment) => entry.meta = Some(segment.meta),
            Err(error) => self.tell(&entry, &error),
        }
        Ok(entry)
    }

    fn write_to(
        &self,
        path: &Path,
        columns: &RingColumns,
        families: &mut dyn Iterator<Item = HandedFamily>,
        whole: &dyn Fn() -> io::Result<()>,
    ) -> io::Result<Meta> {
        let mut file = BufWriter::with_capacity(64 << 10, self.volume.create(path)?);
        let meta = segment::write(&mut file, columns, families)?;
        whole()?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync()?;
        Ok(meta)
    }

    fn keep(&self, entries: Vec<Arc<Entry>>) {
        self.metrics.holds(&entries);
        self.entries.store(Arc::new(entries));
    }

    fn remove_file(&self, name: &str) {
        let removed = fs::remove_file(self.path.join(name));
        let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        if removed.is_err_and(|error| !gone(&error)) {
            self.metrics.failed(Failing::Remove);
        }
    }
}

impl Volume for Disk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Durable>> {
        Ok(Box::new(File::create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadAt>> {
        Ok(Box::new(File::open(path)?))
    }

    fn size(&self, path: &Path) -> io::Result<u64> {
        Ok(lifecycle::Volume::of(path)?.whole)
    }
}

impl Durable for File {
    fn sync(&self) -> io::Result<()> {
        self.sync_all()
    }
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        f.debug_struct("Folder")
            .field("path", path)
            .finish_non_exhaustive()
    }
}

fn name((first, last): (u64, u64)) -> String {
    format!("{first:016x}-{last:016x}{ENDING}")
}

/// The writes a file of this name holds, if it is a segment's.
fn numbers(name: &str) -> Option<(u64, u64)> {
    let (first, last) = name.strip_suffix(ENDING)?.split_once('-')?;
    let number = |digits: &str| {
        let sixteen = digits.len() == 16;
        u64::from_str_radix(digits, 16).ok().filter(|_| sixteen)
    };
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}
