//! The past: every metric of every entity, for a while.
//!
//! The roll-up hands over one column a tick: [`History::append`] once for each part of the batch,
//! then [`History::finish`], and only then readers see any of it. All entities share the clock of
//! the ticks; a tick nobody measured leaves a gap.
//!
//! Requests look through a [`View`]: what was finished when it was taken, the same instant for all
//! of its answers. Questions that a store outside could answer as well go through
//! [`HistoricalSource`]; [`Layered`] joins two of them, one for what the other has not.
//!
//! [`History::hand_off`] and [`History::take_over`] hand a ring from one replica to another, or to
//! the disk and back, packed as it is.

mod aggregate;
mod bits;
mod columns;
mod family;
mod format;
mod hand_off;
mod handed;
mod holes;
mod index;
mod joining;
mod layered;
mod merging;
mod metrics;
mod record;
mod ring;
mod ring_format;
mod series;
mod shape;
mod source;
mod taking;
mod totals;
mod track;
mod view;

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::domain::Bytes;
use crate::lifecycle::MemoryLimit;

pub use aggregate::{Aggregation, Bucket, aggregate};
pub use format::{FormatError, FormatReader, FormatWriter};
pub use hand_off::{
    HandedFamily, HandedLife, HandedMember, HandedTrack, Handing, NotTaken, RingColumns,
};
pub use layered::{Layered, Recent};
pub use merging::Merging;
pub use ring::{History, Refused};
pub use ring_format::{RingPart, RingReader, RingWriter, read_key, write_key};
pub use series::{Series, Span, Subject};
pub use source::{
    Answer, Each, HistoricalError, HistoricalSource, Listed, NoResults, Query, TooMany, Values,
    aggregate_each, bounded,
};
pub use taking::Taking;
pub use view::View;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// How long a column is kept: one older than the newest by this much or more goes.
    pub retention: Duration,
    /// The time between two ticks.
    pub resolution: Duration,
    /// The most memory the ring may hold. Above it the oldest columns of all entities are shed,
    /// down to the newest one; while a column is being appended it may be exceeded by that column.
    pub memory_limit: Option<Bytes>,
    /// The most memory the process may take: the oldest columns are shed as well when it comes near,
    /// whatever takes it.
    pub process_limit: Option<MemoryLimit>,
}

impl Config {
    /// The most columns that are kept.
    fn slots(&self) -> usize {
        let slots = self
            .retention
            .as_millis()
            .div_ceil(self.resolution.as_millis().max(1));
        usize::try_from(slots).unwrap_or(usize::MAX).max(1)
    }
}

impl Default for Config {
    /// 15 minutes of a column a minute, without a limit.
    fn default() -> Self {
        Self {
            retention: Duration::from_mins(15),
            resolution: Duration::from_mins(1),
            memory_limit: None,
            process_limit: None,
        }
    }
}
