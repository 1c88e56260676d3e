//! The clock all entities share.

use crate::domain::Timestamp;

/// The ticks that were finished and are still kept.
///
/// Ticks are numbered as they begin; one that was given up leaves its number unused.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns {
    ticks: Vec<(u32, Timestamp)>,
}

impl Columns {
    /// The number of the oldest column.
    pub(super) fn first(&self) -> Option<u32> {
        self.ticks.first().map(|(number, _)| *number)
    }

    /// The number of the newest column.
    pub(super) fn last(&self) -> Option<u32> {
        self.ticks.last().map(|(number, _)| *number)
    }

    /// The newest tick.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.ticks.last().map(|(_, tick)| *tick)
    }

    /// How many columns there are.
    pub(super) const fn len(&self) -> usize {
        self.ticks.len()
    }

    /// Number and tick of each, ascending.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (u32, Timestamp)> {
        self.ticks.iter().copied()
    }

    /// The ticks, ascending.
    pub(super) fn ticks(&self) -> impl DoubleEndedIterator<Item = Timestamp> {
        self.ticks.iter().map(|(_, tick)| *tick)
    }

    /// When the column of this number was.
    pub(super) fn at(&self, number: u32) -> Option<Timestamp> {
        let at = self.ticks.binary_search_by_key(&number, |(n, _)| *n).ok()?;
        self.ticks.get(at).map(|(_, tick)| *tick)
    }

    /// Adds a column later than all others.
    pub(super) fn push(&mut self, number: u32, tick: Timestamp) {
        self.ticks.push((number, tick));
    }

    /// Drops the oldest columns, of those that satisfy `old`.
    pub(super) fn drop_while(&mut self, mut old: impl FnMut(Timestamp) -> bool) {
        let kept = self.ticks.partition_point(|(_, tick)| old(*tick));
        self.ticks.drain(..kept);
    }

    /// Drops the `count` oldest columns.
    pub(super) fn shed(&mut self, count: usize) {
        self.ticks.drain(..count.min(self.ticks.len()));
    }
}
