//! Many small segments become a large one.

use std::cell::OnceCell;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::folder::{Entry, Folder};
use super::segment::{Broken, Index, Opened};
use crate::domain::EntityKey;
use crate::history::{HandedFamily, Merging, NotTaken, RingColumns};

/// So many columns make a large segment.
pub(super) const LARGE: u32 = 60;

/// A segment that is read entity by entity; a frame of it at a time is in memory.
struct Cursor<'a> {
    folder: &'a Folder,
    entry: &'a Arc<Entry>,
    segment: Opened,
    columns: RingColumns,
    frames: VecDeque<u64>,
    waiting: VecDeque<HandedFamily>,
}

/// Why segments are not joined.
pub(super) enum NotJoined {
    /// This one cannot be read.
    Unread(Arc<Entry>, io::Error),
    /// The large one cannot be written.
    Unwritten(io::Error),
}

/// The segments that are to be joined now: small ones that follow each other, and are either enough
/// or followed by one that is not to be joined with them, as one that could not be read. No more
/// than are enough: each of them is open while they are joined.
pub(super) fn due(entries: &[Arc<Entry>]) -> Option<&[Arc<Entry>]> {
    let small = |entry: &Entry| {
        let meta = entry.meta.filter(|meta| meta.columns < LARGE);
        meta.filter(|_| !entry.is_left_out())
    };
    let follows = |a: &Entry, b: &Entry| match (small(a), small(b)) {
        (Some(a), Some(b)) => a.last < b.first,
        _ => false,
    };
    let mut runs = entries.chunk_by(|a, b| follows(a, b)).peekable();
    while let Some(run) = runs.next() {
        let mut columns: u32 = 0;
        let last = run.iter().position(|entry| {
            columns += entry.meta.map_or(0, |meta| meta.columns);
            columns >= LARGE
        });
        let enough = last.and_then(|last| run.get(..=last));
        let over = runs.peek().map(|_| run);
        if let Some(run) = enough.or(over).filter(|run| run.len() > 1) {
            return Some(run);
        }
    }
    None
}

/// Joins these segments. What was read and proves to be damaged is left out; what cannot be read
/// now may be another time, so all stays as it is then.
pub(super) fn join(folder: &Folder, run: &[Arc<Entry>]) -> Result<(), NotJoined> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return Ok(());
    };
    let mut cursors: Vec<Cursor<'_>> = Vec::new();
    for entry in run {
        let cursor = Cursor::open(folder, entry);
        let unread = |error| NotJoined::Unread(Arc::clone(entry), error);
        cursors.extend(cursor.map_err(unread)?);
    }
    let columns: Vec<_> = cursors
        .iter()
        .map(|cursor| cursor.columns.clone())
        .collect();
    let merging = Merging::new(&columns).map_err(io::Error::other);
    let mut merging = merging.map_err(NotJoined::Unwritten)?;
    let columns = merging.columns().clone();
    let unread = OnceCell::new();
    let mut families = std::iter::from_fn(|| {
        next(&mut cursors, &mut merging).unwrap_or_else(|error| {
            let _ = unread.set(error);
            None
        })
    });
    let writes = (first.writes.0, last.writes.1);
    let whole = || match unread.get() {
        None => Ok(()),
        Some(_) => Err(io::Error::other("not all of it could be read")),
    };
    let written = folder.write(writes, &columns, &mut families, &whole);
    written.map_err(|error| match unread.into_inner() {
        Some((entry, error)) => NotJoined::Unread(entry, error),
        None => NotJoined::Unwritten(error),
    })
}

/// A segment that could not be read, and why.
type Unread = (Arc<Entry>, io::Error);

/// The next entity of all; one that does not fit together is left out.
fn next(cursors: &mut [Cursor<'_>], merging: &mut Merging) -> Result<Option<HandedFamily>, Unread> {
    loop {
        for cursor in &mut *cursors {
            let filled = cursor.fill();
            filled.map_err(|error| (Arc::clone(cursor.entry), error))?;
        }
        let Some(first) = cursors.iter().filter_map(Cursor::peek).min().cloned() else {
            return Ok(None);
        };
        let of = cursors.iter_mut().enumerate();
        let of: Vec<_> = of
            .filter_map(|(at, c)| Some((at, c.take(&first)?)))
            .collect();
        match merging.family(first, of) {
            Ok(Some(family)) => return Ok(Some(family)),
            Ok(None) => {}
            Err(NotTaken::Rows | NotTaken::Columns | NotTaken::Begun | NotTaken::Full) => {
                if let Some(cursor) = cursors.first() {
                    cursor.folder.tell(cursor.entry, &Broken::Malformed);
                }
            }
        }
    }
}

/// Tells of a segment that is damaged; an error is one of reading, or of what is not for us to
/// judge.
fn pass_over(folder: &Folder, entry: &Entry, error: Broken) -> io::Result<()> {
    match error {
        Broken::Io(error) => Err(error),
        Broken::Version(_) => Err(io::Error::other(error)),
        Broken::Stranger | Broken::CutShort | Broken::Checksum | Broken::Malformed => {
            folder.tell(entry, &error);
            Ok(())
        }
    }
}

impl<'a> Cursor<'a> {
    /// `None` for a segment that is damaged, or gone.
    fn open(folder: &'a Folder, entry: &'a Arc<Entry>) -> io::Result<Option<Self>> {
        let opened = folder.open(entry).and_then(|segment| {
            let Some(segment) = segment else {
                return Ok(None);
            };
            let (columns, index) = (segment.columns()?, segment.index()?);
            Ok(Some(Self::new(folder, entry, segment, columns, index)))
        });
        opened.or_else(|error| pass_over(folder, entry, error).map(|()| None))
    }

    fn new(
        folder: &'a Folder,
        entry: &'a Arc<Entry>,
        segment: Opened,
        columns: RingColumns,
        index: Index,
    ) -> Self {
        Self {
            folder,
            entry,
            segment,
            columns,
            frames: index.into_iter().map(|(_, at)| at).collect(),
            waiting: VecDeque::new(),
        }
    }

    /// Reads on until there is an entity, or no frame any more.
    fn fill(&mut self) -> io::Result<()> {
        while self.waiting.is_empty()
            && let Some(at) = self.frames.pop_front()
        {
            match self.segment.families(at, &self.columns) {
                Ok(families) => self.waiting.extend(families),
                Err(error) => pass_over(self.folder, self.entry, error)?,
            }
        }
        Ok(())
    }

    fn peek(&self) -> Option<&EntityKey> {
        self.waiting.front().map(|family| &family.key)
    }

    fn take(&mut self, key: &EntityKey) -> Option<HandedFamily> {
        let front = self.waiting.front()?;
        match front.key.cmp(key) {
            Ordering::Equal => self.waiting.pop_front(),
            Ordering::Less | Ordering::Greater => None,
        }
    }
}
