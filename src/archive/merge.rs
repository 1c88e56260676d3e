//! Many small segments become a large one.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Arc;

use super::folder::{Entry, Folder};
use super::segment::{Broken, Index, Segment};
use crate::domain::EntityKey;
use crate::history::{HandedFamily, Merging, NotTaken, RingColumns};

/// So many columns make a large segment.
pub(super) const LARGE: u32 = 60;

/// A segment that is read entity by entity; a frame of it at a time is in memory.
struct Cursor<'a> {
    folder: &'a Folder,
    entry: &'a Entry,
    segment: Segment<File>,
    columns: RingColumns,
    frames: VecDeque<u64>,
    waiting: VecDeque<HandedFamily>,
}

/// The segments that are to be joined now: small ones that follow each other, and are either enough
/// or followed by one that is not to be joined with them.
pub(super) fn due(entries: &[Arc<Entry>]) -> Option<&[Arc<Entry>]> {
    let follows = |a: &Entry, b: &Entry| match (a.meta, b.meta) {
        (Some(a), Some(b)) => a.columns < LARGE && b.columns < LARGE && a.last < b.first,
        _ => false,
    };
    let mut runs = entries.chunk_by(|a, b| follows(a, b)).peekable();
    while let Some(run) = runs.next() {
        let columns = run.iter().filter_map(|entry| entry.meta);
        let columns: u32 = columns.map(|meta| meta.columns).sum();
        let over = columns >= LARGE || runs.peek().is_some();
        if run.len() > 1 && over {
            return Some(run);
        }
    }
    None
}

/// Joins these segments. What cannot be read of them is left out.
pub(super) fn join(folder: &Folder, run: &[Arc<Entry>]) -> io::Result<()> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return Ok(());
    };
    let cursors = run.iter().filter_map(|entry| Cursor::open(folder, entry));
    let mut cursors: Vec<Cursor<'_>> = cursors.collect();
    let columns: Vec<_> = cursors
        .iter()
        .map(|cursor| cursor.columns.clone())
        .collect();
    let mut merging = Merging::new(&columns).map_err(io::Error::other)?;
    let columns = merging.columns().clone();
    let mut families = std::iter::from_fn(|| next(&mut cursors, &mut merging));
    let writes = (first.writes.0, last.writes.1);
    folder.write(writes, &columns, &mut families, &|| true)
}

/// The next entity of all; one that does not fit together is left out.
fn next(cursors: &mut [Cursor<'_>], merging: &mut Merging) -> Option<HandedFamily> {
    loop {
        let first = cursors.iter_mut().filter_map(Cursor::peek).min()?.clone();
        let of = cursors.iter_mut().enumerate();
        let of: Vec<_> = of
            .filter_map(|(at, c)| Some((at, c.take(&first)?)))
            .collect();
        match merging.family(first, of) {
            Ok(Some(family)) => return Some(family),
            Ok(None) => {}
            Err(NotTaken::Rows | NotTaken::Columns | NotTaken::Begun | NotTaken::Full) => {
                if let Some(cursor) = cursors.first() {
                    cursor.folder.tell(cursor.entry, &Broken::Malformed);
                }
            }
        }
    }
}

impl<'a> Cursor<'a> {
    fn open(folder: &'a Folder, entry: &'a Entry) -> Option<Self> {
        let opened = folder.open(entry).and_then(|segment| {
            let Some(segment) = segment else {
                return Ok(None);
            };
            let (columns, index) = (segment.columns()?, segment.index()?);
            Ok(Some(Self::new(folder, entry, segment, columns, index)))
        });
        opened.unwrap_or_else(|error| {
            folder.tell(entry, &error);
            None
        })
    }

    fn new(
        folder: &'a Folder,
        entry: &'a Entry,
        segment: Segment<File>,
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

    fn peek(&mut self) -> Option<&EntityKey> {
        while self.waiting.is_empty() {
            let at = self.frames.pop_front()?;
            match self.segment.families(at, &self.columns) {
                Ok(families) => self.waiting.extend(families),
                Err(error) => self.folder.tell(self.entry, &error),
            }
        }
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
