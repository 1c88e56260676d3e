//! Which lists are made whole, and what those that are not take together.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::api::compress;
use crate::domain::Bytes;

/// How a list is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Made at once.
    Whole,
    /// Made at once if the process may take so much memory, else streamed.
    WholeWithin(Bytes),
    /// Made piece by piece.
    Streamed,
}

/// Whether a list of so many items, each of which takes so many bytes at least, is made whole or
/// streamed.
///
/// A short list is made whole: what a client leaves of it unread is little, and its connection is
/// bounded. A long one that all who ask for it share is, too, while there is memory for it: it is
/// encoded once for all of them. Any other long list is streamed, so that what its client does not
/// read was never made.
pub(super) const fn way(items: usize, least: usize, shared: bool) -> Way {
    let bytes = items.saturating_mul(least);
    if bytes <= SHORT {
        return Way::Whole;
    }
    if !shared {
        return Way::Streamed;
    }
    // An item of more containers and labels takes twice as much; several threads make parts that
    // are put together, and then it is compressed.
    Way::WholeWithin(Bytes::new(bytes as u64 * 4))
}

/// What lists are streamed with, all of them together.
///
/// Bounds: a streamed list is counted as the view it keeps, a quarter of a KiB for each node or
/// pod there (in one namespace, of those alone), and 256 KiB for its pieces, and all together as
/// 64 MiB at most, or an eighth of the memory limit if that is less; one that would be more than
/// half of it as that half. Who comes when there is no room waits in line, within the time a
/// request may take. A list has a minute to be read.
#[derive(Clone, Debug)]
pub(super) struct Streaming {
    /// In KiB.
    room: Arc<Semaphore>,
    /// How many of them there are.
    size: u32,
}

/// What counts as a short list, in bytes: twice what is sent without being compressed.
const SHORT: usize = 2 * compress::THRESHOLD;
/// The most that streamed lists count as together, in KiB.
const ROOM: u64 = 64 * 1024;

impl Streaming {
    /// For a process that may have so much memory.
    pub(super) fn within(limit: Option<Bytes>) -> Self {
        let part = limit.map_or(ROOM, |limit| limit.get() / 8 / 1024);
        let size = u32::try_from(part.clamp(2, ROOM)).unwrap_or(u32::MAX);
        let room = Semaphore::new(usize::try_from(size).unwrap_or(usize::MAX));
        Self {
            room: Arc::new(room),
            size,
        }
    }

    /// What a list of a view of so many entries counts as.
    fn weight(&self, entries: usize) -> u32 {
        let weight = u32::try_from(256 + entries / 4).unwrap_or(u32::MAX);
        weight.min(self.size / 2)
    }

    /// Waits for the room of a list of a view of so many entries; `None` never comes, since nobody
    /// closes the room.
    pub(super) async fn place(self, entries: usize) -> Option<OwnedSemaphorePermit> {
        let weight = self.weight(entries);
        self.room.acquire_many_owned(weight).await.ok()
    }
}
