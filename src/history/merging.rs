//! Several rings, each later than the one before, as one.

use crate::domain::{EntityKey, Inventory, Timestamp};

use super::family::Lives;
use super::hand_off::{HandedFamily, HandedLife, NotTaken, RingColumns};
use super::taking::life_of;
use super::track::Workbench;

/// Joins rings that follow each other, one entity at a time.
#[derive(Debug)]
pub struct Merging {
    columns: RingColumns,
    /// Of each ring the column it had begun, and what is added to its numbers.
    parts: Vec<(u32, u32)>,
    bench: Workbench,
    nobody: Inventory,
}

/// Column numbers stay below this.
const HIGHEST_NUMBER: u32 = u32::MAX / 2;

impl Merging {
    /// Joins rings of these columns.
    ///
    /// # Errors
    /// [`NotTaken::Columns`] when one is not later than the one before.
    pub fn new(parts: &[RingColumns]) -> Result<Self, NotTaken> {
        let mut finished: Vec<(u32, Timestamp)> = Vec::new();
        let mut shifts = Vec::new();
        for part in parts {
            let next = finished.last().map_or(1, |(number, _)| number + 1);
            let first = part.finished.first().ok_or(NotTaken::Columns)?.0;
            let shift = next.wrapping_sub(first);
            for (number, tick) in &part.finished {
                let number = number.wrapping_add(shift);
                let follows = finished.last().is_none_or(|(n, t)| *n < number && t < tick);
                if !follows || number > HIGHEST_NUMBER {
                    return Err(NotTaken::Columns);
                }
                finished.push((number, *tick));
            }
            shifts.push((part.begun.0, shift));
        }
        let begun = *finished.last().ok_or(NotTaken::Columns)?;
        Ok(Self {
            columns: RingColumns { finished, begun },
            parts: shifts,
            bench: Workbench::default(),
            nobody: Inventory::new(),
        })
    }

    /// The columns of all.
    #[must_use]
    pub const fn columns(&self) -> &RingColumns {
        &self.columns
    }

    /// The entity `key` out of those rings that have it, ascending, each with its place among them;
    /// `None` when it has no row.
    ///
    /// # Errors
    /// [`NotTaken::Rows`] when one of them is none this room writes.
    pub fn family(
        &mut self,
        key: EntityKey,
        of: impl IntoIterator<Item = (usize, HandedFamily)>,
    ) -> Result<Option<HandedFamily>, NotTaken> {
        let mut joined = Lives::default();
        for (at, family) in of {
            let (begun, shift) = *self.parts.get(at).ok_or(NotTaken::Rows)?;
            for life in family.lives {
                let bench = &mut self.bench;
                let life = life_of(&key, life, &self.nobody, |track| {
                    let mut track = track.into_track(begun, &mut bench.shapes)?;
                    track.newest = track.newest.wrapping_add(shift);
                    Ok(Some(track))
                })?;
                joined.join(life, &mut self.bench)?;
            }
        }
        let lives = joined.0.into_iter();
        let lives: Vec<_> = lives.map(|life| HandedLife::of(life, Some)).collect();
        // Those of an entity are seldom those of the next one.
        self.bench.shapes.sweep();
        Ok((!lives.is_empty()).then_some(HandedFamily { key, lives }))
    }
}
