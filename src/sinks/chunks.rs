//! A batch in pieces small enough to send.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::collections::BTreeSet;

use super::column::Column;
use super::export::ExportError;
use crate::domain::MetricSet;

/// Writes the points of a set, each as one record.
pub(super) trait Encoder: Sync {
    fn encode<'a>(&self, column: Column<'a>, set: &'a MetricSet, records: &mut Records);
}

/// Records one after the other.
#[derive(Debug, Default)]
pub(super) struct Records {
    bytes: Vec<u8>,
    extents: Vec<Extent>,
}

/// Where a record ends, and how many points it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub end: usize,
    pub points: usize,
}

/// How records are put together, and how many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub open: &'static [u8],
    pub between: &'static [u8],
    pub close: &'static [u8],
    /// The most records of a piece.
    pub records: usize,
    /// The most bytes of a piece, unless one record is longer.
    pub bytes: usize,
}

/// One piece.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Which one it is; the same every time the batch is cut again.
    pub at: usize,
    pub points: usize,
    pub body: Vec<u8>,
    /// Its records; not said of bodies that are made in one piece.
    pub records: Vec<Extent>,
}

/// The pieces of a batch, made one at a time.
pub(super) struct Chunks<'a> {
    /// Writes the records of what comes next; `false` when nothing is left.
    encode: Box<dyn FnMut(&mut Records) -> bool + Send + 'a>,
    frame: Frame,
    records: Records,
    taken: usize,
    at: usize,
}

/// How far a batch has got, over all attempts.
#[derive(Debug, Default)]
pub(super) struct Progress {
    done: BTreeSet<usize>,
    /// Points the backend took.
    pub sent: u64,
    /// Points the backend will never take.
    pub refused: u64,
    /// Why, of the last such.
    pub complaint: Option<String>,
}

/// What a backend said of a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Accepted,
    /// It will never take so many of its points, all if it did not say.
    Refused {
        points: Option<usize>,
        why: String,
    },
}

impl Frame {
    /// Records that bring their own line end.
    pub(super) const fn lines(records: usize, bytes: usize) -> Self {
        Self {
            open: b"",
            between: b"",
            close: b"",
            records,
            bytes,
        }
    }
}

impl Records {
    /// Where a record is written to; [`Records::end`] ends it.
    pub(super) const fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Ends a record of one point.
    pub(super) fn end(&mut self) {
        self.end_of(1);
    }

    /// Ends a record of so many points.
    pub(super) fn end_of(&mut self, points: usize) {
        let end = self.bytes.len();
        self.extents.push(Extent { end, points });
    }

    fn get(&self, at: usize) -> Option<(&[u8], usize)> {
        let Extent { end, points } = *self.extents.get(at)?;
        let before = at.checked_sub(1).and_then(|at| self.extents.get(at));
        let start = before.map_or(0, |before| before.end);
        Some((self.bytes.get(start..end)?, points))
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.extents.clear();
    }
}

impl<'a> Chunks<'a> {
    pub(super) fn new(column: Column<'a>, encoder: &'a impl Encoder, frame: Frame) -> Self {
        let encode = move |set: &'a MetricSet, records: &mut Records| {
            encoder.encode(column, set, records);
        };
        Self::of(column.sets(), encode, frame)
    }

    /// The pieces of anything else.
    pub(super) fn of<I>(
        items: I,
        mut encode: impl FnMut(I::Item, &mut Records) + Send + 'a,
        frame: Frame,
    ) -> Self
    where
        I: IntoIterator<IntoIter: Send + 'a>,
    {
        let mut items = items.into_iter();
        let encode = move |records: &mut Records| {
            let item = items.next();
            let more = item.is_some();
            if let Some(item) = item {
                encode(item, records);
            }
            more
        };
        Self {
            encode: Box::new(encode),
            frame,
            records: Records::default(),
            taken: 0,
            at: 0,
        }
    }
}

impl Iterator for Chunks<'_> {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        let mut chunk = Chunk::default();
        let frame = self.frame;
        'full: loop {
            while let Some((record, points)) = self.records.get(self.taken) {
                let longer = chunk.body.len() + record.len() > frame.bytes;
                let first = chunk.records.is_empty();
                if chunk.records.len() == frame.records || (!first && longer) {
                    break 'full;
                }
                let before = if first { frame.open } else { frame.between };
                chunk.body.extend_from_slice(before);
                chunk.body.extend_from_slice(record);
                let end = chunk.body.len();
                chunk.records.push(Extent { end, points });
                chunk.points += points;
                self.taken += 1;
            }
            self.records.clear();
            self.taken = 0;
            if !(self.encode)(&mut self.records) {
                break;
            }
        }
        if chunk.records.is_empty() {
            return None;
        }
        chunk.body.extend_from_slice(frame.close);
        chunk.at = self.at;
        self.at += 1;
        Some(chunk)
    }
}

impl Progress {
    pub(super) fn is_done(&self, at: usize) -> bool {
        self.done.contains(&at)
    }

    pub(super) fn note(&mut self, at: usize, points: usize, verdict: Verdict) {
        self.done.insert(at);
        let of = |points: usize| u64::try_from(points).unwrap_or(u64::MAX);
        match verdict {
            Verdict::Accepted => self.sent += of(points),
            Verdict::Refused { points: some, why } => {
                let refused = some.unwrap_or(points).min(points);
                self.refused += of(refused);
                self.sent += of(points - refused);
                self.complaint = Some(why);
            }
        }
    }
}

/// Pieces of at most so many items, each encoded in one go.
pub(super) fn pieces<T>(
    mut items: impl Iterator<Item = T>,
    most: usize,
    encode: impl Fn(&[T]) -> Vec<u8>,
) -> impl Iterator<Item = Chunk> {
    let mut next = 0;
    std::iter::from_fn(move || {
        let taken: Vec<T> = items.by_ref().take(most.max(1)).collect();
        let at = next;
        next += 1;
        (!taken.is_empty()).then(|| Chunk {
            at,
            points: taken.len(),
            body: encode(&taken),
            records: Vec::new(),
        })
    })
}

/// Sends the bodies of what is not done yet, so many pieces at once, until all is done or one fails.
pub(super) async fn send_all<F>(
    chunks: impl Iterator<Item = Chunk>,
    progress: &mut Progress,
    at_once: usize,
    send: impl Fn(Vec<u8>) -> F,
) -> Result<(), ExportError>
where
    F: Future<Output = Result<Verdict, ExportError>>,
{
    send_chunks(chunks, progress, at_once, |chunk| send(chunk.body)).await
}

/// [`send_all`] for who needs more of a piece than its body.
pub(super) async fn send_chunks<F>(
    mut chunks: impl Iterator<Item = Chunk>,
    progress: &mut Progress,
    at_once: usize,
    send: impl Fn(Chunk) -> F,
) -> Result<(), ExportError>
where
    F: Future<Output = Result<Verdict, ExportError>>,
{
    let mut flying = FuturesUnordered::new();
    loop {
        while flying.len() < at_once.max(1) {
            let Some(chunk) = chunks.next() else { break };
            if progress.is_done(chunk.at) {
                continue;
            }
            let (at, points, sent) = (chunk.at, chunk.points, send(chunk));
            flying.push(async move { (at, points, sent.await) });
        }
        let Some((at, points, verdict)) = flying.next().await else {
            return Ok(());
        };
        progress.note(at, points, verdict?);
    }
}
