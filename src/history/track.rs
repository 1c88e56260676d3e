//! What one entity did over time.

use std::sync::Arc;

use crate::domain::{MetricSet, Qualified, Timestamp, Value};

use super::columns::Columns;
use super::record::{self, Records, Row, Rows};
use super::shape::{Shape, Shapes};
use super::{Series, Span};

/// The rows of one entity in one life.
#[derive(Clone, Debug)]
pub(super) struct Track {
    /// The tick of the newest row.
    pub(super) newest: u32,
    /// Of the newest row and the one before it.
    pub(super) stamps: [Stamps; 2],
    pub(super) shape: Shape,
    /// [`record`]s, newest first, with no more room than the heap has for them anyway.
    pub(super) bytes: Vec<u8>,
}

/// What is kept of a set besides its points, in milliseconds or [`NEVER`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamps {
    pub(super) started: i64,
    pub(super) sampled: i64,
}

/// What appending needs, kept between sets so that nothing is allocated anew.
#[derive(Debug, Default)]
pub(super) struct Workbench {
    pub(super) shapes: Shapes,
    new: Row,
    old: Row,
    pub(super) packed: Vec<u8>,
    pub(super) record: Vec<u8>,
}

pub(super) const NEVER: i64 = i64::MIN;

impl Track {
    /// A track whose only row is that of `tick`.
    pub(super) fn new(tick: u32, set: &MetricSet, bench: &mut Workbench) -> Self {
        let mut track = Self {
            newest: tick,
            stamps: [Stamps::of(set); 2],
            shape: bench.shapes.shape(&[]),
            bytes: Vec::new(),
        };
        track.rebuild(tick, Some((tick, set)), bench);
        track
    }

    /// Adds the row of `tick` and forgets those before `first`. `false`, and nothing changed, when
    /// it has a row of this tick or a later one.
    pub(super) fn append(
        &mut self,
        tick: u32,
        first: u32,
        set: &MetricSet,
        bench: &mut Workbench,
    ) -> bool {
        if tick <= self.newest {
            return false;
        }
        let fits = self.shape.fit(set, &mut bench.new.values);
        if fits
            && self.newest >= first
            && let Some(kept) = self.kept(first, &bench.new.values)
        {
            bench.new.tick = tick;
            self.push(kept, bench);
        } else {
            self.rebuild(first, Some((tick, set)), bench);
        }
        self.stamps = [Stamps::of(set), self.stamps[0]];
        self.newest = tick;
        true
    }

    /// Forgets the rows before `first`. `false` when none is left; the track is of no use then.
    pub(super) fn trim(&mut self, first: u32, bench: &mut Workbench) -> bool {
        if self.newest < first {
            return false;
        }
        match self.kept(first, &[]) {
            None => self.rebuild(first, None, bench),
            Some(kept) if kept < self.bytes.len() => {
                self.bytes.truncate(kept);
                self.bytes.shrink_to(room_for(kept));
            }
            Some(_) => {}
        }
        true
    }

    /// The tick of the newest row.
    pub(super) const fn newest(&self) -> u32 {
        self.newest
    }

    /// How many series it has.
    pub(super) fn series(&self) -> usize {
        self.shape.len()
    }

    /// Bytes on the heap that are its own.
    pub(super) fn held(&self) -> usize {
        in_heap(self.bytes.len())
    }

    /// Replaces the records by others, in place where those take no more or less of the heap.
    pub(super) fn replace(&mut self, packed: &[u8]) {
        self.bytes.clear();
        let room = room_for(packed.len());
        if self.bytes.capacity() > room {
            self.bytes.shrink_to(room);
        } else {
            self.bytes.reserve_exact(room);
        }
        self.bytes.extend_from_slice(packed);
    }

    /// Tells whether it has a row of `tick`.
    pub(super) fn has(&self, tick: u32) -> bool {
        let mut records = Records::new(&self.bytes, self.newest);
        records
            .find(|r| r.tick <= tick)
            .is_some_and(|r| r.tick == tick)
    }

    /// The newest tick readers may know of.
    pub(super) fn newest_of(&self, columns: &Columns) -> Option<Timestamp> {
        let mut records = Records::new(&self.bytes, self.newest);
        records.find_map(|record| columns.at(record.tick))
    }

    /// Adds the points of a series, newest first.
    pub(super) fn points(
        &self,
        series: &Series,
        span: Span,
        columns: &Columns,
        out: &mut Vec<(Timestamp, Value)>,
    ) {
        let Some(at) = self.shape.find(series) else {
            return;
        };
        let Some(column) = self.shape.columns().get(at) else {
            return;
        };
        let mut rows = Rows::new(self.shape.columns(), at + 1, &self.bytes, self.newest);
        while let Some(row) = rows.next() {
            let Some(tick) = columns.at(row.tick) else {
                continue;
            };
            if tick < span.start {
                break;
            }
            let bits = row.values.get(at).copied().flatten();
            let bits = bits.filter(|_| tick <= span.end);
            out.extend(bits.map(|bits| (tick, column.point(bits).value())));
        }
    }

    /// Calls `found` with every series that has a point readers may see.
    pub(super) fn each_series(&self, columns: &Columns, mut found: impl FnMut(Series)) {
        let mut seen = vec![false; self.shape.len()];
        let mut rows = Rows::new(self.shape.columns(), 0, &self.bytes, self.newest);
        while let Some(row) = rows.next() {
            if columns.at(row.tick).is_some() {
                let values = seen.iter_mut().zip(&row.values);
                values.for_each(|(seen, value)| *seen |= value.is_some());
            }
        }
        let columns = self.shape.columns().iter().zip(seen);
        columns
            .filter(|(_, seen)| *seen)
            .for_each(|(column, _)| found(self.shape.series(*column)));
    }

    /// Writes the row of `tick` into `set`, whose key and About stay as they are. `false` when
    /// there is none.
    pub(super) fn read(&self, tick: u32, set: &mut MetricSet) -> bool {
        let columns = self.shape.columns();
        let mut rows = Rows::new(columns, columns.len(), &self.bytes, self.newest);
        let mut stamps = self.stamps.iter();
        let row = loop {
            let Some(row) = rows.next() else { return false };
            let stamps = stamps.next();
            if row.tick <= tick {
                set.started = stamps.and_then(|stamps| stamp(stamps.started));
                set.sampled = stamps.and_then(|stamps| stamp(stamps.sampled));
                break row;
            }
        };
        set.points.clear();
        set.qualified.clear();
        for (column, value) in columns.iter().zip(&row.values) {
            let Some(point) = value.map(|bits| column.point(bits)) else {
                continue;
            };
            match self.shape.by(*column).cloned() {
                None => set.points.push(point),
                Some(by) => set.qualified.push(Qualified { by, point }),
            }
        }
        set.points.sort_by_key(|point| point.metric());
        row.tick == tick
    }

    /// How many bytes of records not before `first` there are; `None` when some series has no value
    /// in them nor in a row of `new` values, and would have to leave the shape.
    fn kept(&self, first: u32, new: &[Option<u64>]) -> Option<usize> {
        let records = Records::new(&self.bytes, self.newest);
        let (kept, same) = records.fold((0, true), |(kept, same), record| {
            if record.tick >= first {
                (kept + record.bytes.len(), same)
            } else {
                (kept, same && !record.differs)
            }
        });
        (same || self.all_have_values(first, new)).then_some(kept)
    }

    /// Tells whether every series has a value in a row from `first` on, or in one of `new` values.
    fn all_have_values(&self, first: u32, new: &[Option<u64>]) -> bool {
        let missing = |at: &usize| !matches!(new.get(*at), Some(Some(_)));
        let mut missing: Vec<usize> = (0..self.shape.len()).filter(missing).collect();
        let mut rows = Rows::new(self.shape.columns(), 0, &self.bytes, self.newest);
        while let Some(row) = rows
            .next()
            .filter(|row| row.tick >= first && !missing.is_empty())
        {
            missing.retain(|at| !matches!(row.values.get(*at), Some(Some(_))));
        }
        missing.is_empty()
    }

    /// Puts the new row in front of the first `kept` bytes.
    fn push(&mut self, kept: usize, bench: &mut Workbench) {
        let Workbench {
            new,
            old,
            packed,
            record,
            ..
        } = bench;
        let columns = self.shape.columns();
        let room = std::mem::take(old);
        let mut rows = Rows::within(room, columns, columns.len(), &self.bytes, self.newest);
        packed.clear();
        record::write(packed, record, columns, None, new);
        if let Some(old) = rows.next() {
            record::write(packed, record, columns, Some(new), old);
        }
        *old = rows.into_room();
        let head = Records::new(&self.bytes, self.newest).next();
        let older = head.map_or(0, |head| head.bytes.len())..kept;
        packed.extend_from_slice(self.bytes.get(older).unwrap_or_default());
        self.replace(&bench.packed);
    }

    /// Packs the rows from `first` on anew, with a new one in front, into a shape that has just
    /// their series.
    pub(super) fn rebuild(
        &mut self,
        first: u32,
        new: Option<(u32, &MetricSet)>,
        bench: &mut Workbench,
    ) {
        let columns = self.shape.columns();
        let mut old = Vec::new();
        let mut rows = Rows::new(columns, columns.len(), &self.bytes, self.newest);
        while let Some(row) = rows.next().filter(|row| row.tick >= first) {
            old.push(row.clone());
        }
        let mut series: Vec<Series> = Vec::new();
        let mut add = |one: Series| {
            if !series.contains(&one) {
                series.push(one);
            }
        };
        if let Some((_, set)) = new {
            set.points.iter().for_each(|p| add(Series::of(p.metric())));
            set.qualified.iter().for_each(|q| add(qualified(q)));
        }
        for (at, column) in columns.iter().enumerate() {
            if old
                .iter()
                .any(|row| matches!(row.values.get(at), Some(Some(_))))
            {
                add(self.shape.series(*column));
            }
        }
        let shape = bench.shapes.shape(&series);
        let moved: Vec<Option<usize>> = shape
            .columns()
            .iter()
            .map(|column| self.shape.find(&shape.series(*column)))
            .collect();
        for row in &mut old {
            let value = |from: &Option<usize>| row.values.get((*from)?).copied().flatten();
            row.values = moved.iter().map(value).collect();
        }
        self.shape = shape;
        if let Some((tick, set)) = new {
            let mut values = Vec::new();
            self.shape.fit(set, &mut values);
            old.insert(0, Row { tick, values });
        }
        self.pack(&old, bench);
    }

    pub(super) fn pack(&mut self, rows: &[Row], bench: &mut Workbench) {
        let columns = self.shape.columns();
        bench.packed.clear();
        let newer = std::iter::once(None).chain(rows.iter().map(Some));
        for (newer, row) in newer.zip(rows) {
            record::write(&mut bench.packed, &mut bench.record, columns, newer, row);
        }
        self.replace(&bench.packed);
    }
}

/// What the heap takes for so many bytes: it gives them in steps of sixteen, eight of them its own.
const fn in_heap(bytes: usize) -> usize {
    (bytes + 8).next_multiple_of(16)
}

/// How many bytes fit where so many are.
const fn room_for(bytes: usize) -> usize {
    in_heap(bytes) - 8
}

impl Stamps {
    fn of(set: &MetricSet) -> Self {
        let millis = |stamp: Option<Timestamp>| stamp.map_or(NEVER, Timestamp::as_millis);
        Self {
            started: millis(set.started),
            sampled: millis(set.sampled),
        }
    }
}

fn stamp(millis: i64) -> Option<Timestamp> {
    (millis != NEVER).then_some(Timestamp::from_millis(millis))
}

fn qualified(qualified: &Qualified) -> Series {
    Series {
        metric: qualified.point.metric(),
        by: Some(Arc::clone(&qualified.by)),
    }
}
