//! Rows of one entity that were packed apart: cut out, and put together again.

use std::sync::Arc;

use super::Series;
use super::family::{Life, Lives};
use super::hand_off::NotTaken;
use super::record::{self, Records, Row, Rows};
use super::shape::Shape;
use super::track::{NEVER, Stamps, Track, Workbench};

impl Track {
    /// Its rows of the columns from `first` to `last`; `None` when it has none.
    pub(super) fn within(mut self, first: u32, last: u32, bench: &mut Workbench) -> Option<Self> {
        if self.newest > last {
            let all = self.unpacked();
            let later = all.iter().take_while(|row| row.tick > last).count();
            let rows = all.get(later..).filter(|rows| !rows.is_empty())?;
            self.newest = rows.first()?.tick;
            let never = Stamps {
                started: NEVER,
                sampled: NEVER,
            };
            let [_, second] = self.stamps;
            self.stamps = if later == 1 {
                [second, never]
            } else {
                [never; 2]
            };
            self.pack(rows, bench);
            self.rebuild(first, None, bench);
        }
        self.trim(first, bench).then_some(self)
    }

    /// Adds rows all of which are later. `false`, and nothing changed, when they are not.
    pub(super) fn extend(&mut self, newer: Self, bench: &mut Workbench) -> bool {
        let oldest = Records::new(&newer.bytes, newer.newest).last();
        let Some(oldest) = oldest.filter(|oldest| oldest.tick > self.newest) else {
            return false;
        };
        let only = oldest.tick == newer.newest;
        if newer.shape.is_same(&self.shape) {
            self.put_before(&newer, bench);
        } else {
            self.mix(&newer, bench);
        }
        let [first, second] = newer.stamps;
        self.stamps = [first, if only { self.stamps[0] } else { second }];
        self.newest = newer.newest;
        true
    }

    /// Of the same series: only our newest row is packed anew.
    fn put_before(&mut self, newer: &Self, bench: &mut Workbench) {
        let columns = self.shape.columns();
        let mut oldest = None;
        let mut rows = Rows::new(columns, columns.len(), &newer.bytes, newer.newest);
        while let Some(row) = rows.next() {
            // One row at most times.
            oldest = Some(row.clone());
        }
        let mut ours = Rows::new(columns, columns.len(), &self.bytes, self.newest);
        bench.packed.clear();
        bench.packed.extend_from_slice(&newer.bytes);
        if let Some(row) = ours.next() {
            let (packed, scratch) = (&mut bench.packed, &mut bench.record);
            record::write(packed, scratch, columns, oldest.as_ref(), row);
        }
        let head = Records::new(&self.bytes, self.newest).next();
        let head = head.map_or(0, |head| head.bytes.len());
        let rest = self.bytes.get(head..).unwrap_or_default();
        bench.packed.extend_from_slice(rest);
        self.replace(&bench.packed);
    }

    /// Of other series: all rows are packed anew, with the series of both.
    fn mix(&mut self, newer: &Self, bench: &mut Workbench) {
        let mut series: Vec<Series> = newer.every_series().collect();
        for one in self.every_series() {
            if !series.contains(&one) {
                series.push(one);
            }
        }
        let shape = bench.shapes.shape(&series);
        let mut rows = newer.laid_out(&shape);
        rows.extend(self.laid_out(&shape));
        self.shape = shape;
        self.pack(&rows, bench);
    }

    fn every_series(&self) -> impl Iterator<Item = Series> {
        let columns = self.shape.columns().iter();
        columns.map(|column| self.shape.series(*column))
    }

    fn unpacked(&self) -> Vec<Row> {
        let columns = self.shape.columns();
        let mut rows = Rows::new(columns, columns.len(), &self.bytes, self.newest);
        let mut all = Vec::new();
        while let Some(row) = rows.next() {
            all.push(row.clone());
        }
        all
    }

    /// The rows, their values in the order of another shape.
    fn laid_out(&self, shape: &Shape) -> Vec<Row> {
        let columns = shape.columns().iter();
        let from = columns.map(|column| self.shape.find(&shape.series(*column)));
        let from: Vec<Option<usize>> = from.collect();
        let mut rows = self.unpacked();
        for row in &mut rows {
            let value = |from: &Option<usize>| row.values.get((*from)?).copied().flatten();
            row.values = from.iter().map(value).collect();
        }
        rows
    }
}

impl Lives {
    /// Adds a life, or later rows to the one it is.
    pub(super) fn join(&mut self, later: Life, bench: &mut Workbench) -> Result<(), NotTaken> {
        let mut life = self.take(&later.about);
        let joined = life.join(later, bench);
        self.put(life);
        joined
    }
}

impl Life {
    fn join(&mut self, later: Self, bench: &mut Workbench) -> Result<(), NotTaken> {
        let later_rows = |extended: bool| extended.then_some(()).ok_or(NotTaken::Rows);
        self.learn(&later.about);
        if let Some(track) = later.own {
            match &mut self.own {
                Some(own) => later_rows(own.extend(track, bench))?,
                none => *none = Some(track),
            }
        }
        self.members.reserve_exact(later.members.len());
        for (member, track) in later.members {
            let known = self.members.iter_mut().find(|(name, _)| *name == member);
            match known {
                Some((_, own)) => later_rows(own.extend(track, bench))?,
                None => self.members.push((member, track)),
            }
        }
        self.members.shrink_to_fit();
        Ok(())
    }
}

impl Shape {
    /// Tells whether these are the same series in the same order. Both come from one table.
    fn is_same(&self, other: &Self) -> bool {
        let (columns, by) = self.parts();
        let (others, other_by) = other.parts();
        Arc::ptr_eq(columns, others) && (Arc::ptr_eq(by, other_by) || by == other_by)
    }
}
