//! Which series an entity has: the same for thousands of containers, so kept once.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use crate::domain::{Metric, MetricKind, MetricSet, Point, Units, Value};

use super::Series;

/// The series of an entity in the order their values stand in a row.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    columns: Arc<Vec<Column>>,
    /// What the qualified ones are told apart by.
    by: Arc<[Arc<str>]>,
}

/// One series: its metric, and where in `by` its qualifier stands, counted from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Column {
    pub(super) metric: Metric,
    /// Amounts of memory and disk are mostly whole pages.
    pub(super) paged: bool,
    by: u16,
}

/// Shapes in use, so that equal ones share their memory.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    columns: HashSet<Arc<Vec<Column>>>,
    by: HashSet<Arc<[Arc<str>]>>,
    held: usize,
}

impl Shape {
    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }

    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    /// Where a series stands.
    pub(super) fn find(&self, series: &Series) -> Option<usize> {
        let mut columns = self.columns.iter();
        columns.position(|column| {
            column.metric == series.metric && self.by(*column) == series.by.as_ref()
        })
    }

    /// The series, and what the qualified ones are told apart by.
    pub(super) const fn parts(&self) -> (&Arc<Vec<Column>>, &Arc<[Arc<str>]>) {
        (&self.columns, &self.by)
    }

    pub(super) fn by(&self, column: Column) -> Option<&Arc<str>> {
        self.by.get(usize::from(column.by).checked_sub(1)?)
    }

    pub(super) fn series(&self, column: Column) -> Series {
        Series {
            metric: column.metric,
            by: self.by(column).cloned(),
        }
    }

    /// Lays the values of a set out as a row. `false` when it has a series unknown here.
    pub(super) fn fit(&self, set: &MetricSet, row: &mut Vec<Option<u64>>) -> bool {
        row.clear();
        row.resize(self.len(), None);
        let mut next = 0;
        let mut place = |point: Point, by: Option<&Arc<str>>| {
            let is = |column: &&Column| {
                column.metric == point.metric()
                    && match (self.by(**column), by) {
                        (Some(a), Some(b)) => Arc::ptr_eq(a, b) || a == b,
                        (None, None) => true,
                        _ => false,
                    }
            };
            // They come in the same order every time.
            let expected = self.columns.get(next).filter(is).map(|_| next);
            let found = expected.or_else(|| self.columns.iter().position(|c| is(&c)));
            let Some(slot) = found.and_then(|at| row.get_mut(at)) else {
                return false;
            };
            *slot = Some(to_bits(point));
            next = found.map_or(0, |at| at + 1);
            true
        };
        let plain = set.points.iter().all(|point| place(*point, None));
        plain && set.qualified.iter().all(|q| place(q.point, Some(&q.by)))
    }
}

impl Column {
    fn new(metric: Metric, by: u16) -> Self {
        let paged = metric.units() == Units::Bytes && metric.kind() == MetricKind::Gauge;
        Self { metric, paged, by }
    }

    pub(super) fn point(self, bits: u64) -> Point {
        let value = if self.metric.is_float() {
            Value::Float(f64::from_bits(bits))
        } else {
            Value::Int(bits.cast_signed())
        };
        Point::new(self.metric, value)
    }
}

fn to_bits(point: Point) -> u64 {
    match point.value() {
        Value::Int(value) => value.cast_unsigned(),
        Value::Float(value) => value.to_bits(),
    }
}

impl Shapes {
    /// The shape of these series, each of which is there once. Beyond 65,535 different qualifiers
    /// in one entity the rest are left out.
    pub(super) fn shape(&mut self, series: &[Series]) -> Shape {
        let mut by: Vec<Arc<str>> = Vec::new();
        let mut columns = Vec::with_capacity(series.len());
        for one in series {
            let at = match &one.by {
                None => Some(0),
                Some(name) => {
                    let at = by.iter().position(|known| known == name);
                    let at = at.unwrap_or_else(|| {
                        by.push(Arc::clone(name));
                        by.len() - 1
                    });
                    u16::try_from(at + 1).ok()
                }
            };
            let metric = one.metric;
            columns.extend(at.map(|by| Column::new(metric, by)));
        }
        columns.shrink_to_fit();
        Shape {
            columns: self.columns(columns),
            by: self.names(by),
        }
    }

    /// Forgets what nobody uses any more.
    pub(super) fn sweep(&mut self) {
        let Self { columns, by, held } = self;
        columns.retain(|one| keep(one, columns_held, held));
        by.retain(|one| keep(one, names_held, held));
        if columns.len() + by.len() == 0 {
            *self = Self::default();
        }
    }

    /// Bytes held by shapes.
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    fn columns(&mut self, columns: Vec<Column>) -> Arc<Vec<Column>> {
        if let Some(known) = self.columns.get(&columns) {
            return Arc::clone(known);
        }
        let columns = Arc::new(columns);
        self.held += columns_held(&columns);
        self.columns.insert(Arc::clone(&columns));
        columns
    }

    fn names(&mut self, names: Vec<Arc<str>>) -> Arc<[Arc<str>]> {
        if let Some(known) = self.by.get(names.as_slice()) {
            return Arc::clone(known);
        }
        let names: Arc<[Arc<str>]> = names.into();
        self.held += names_held(&names);
        self.by.insert(Arc::clone(&names));
        names
    }
}

fn keep<T: ?Sized>(one: &Arc<T>, size: fn(&Arc<T>) -> usize, held: &mut usize) -> bool {
    let used = Arc::strong_count(one) > 1;
    if !used {
        *held = held.saturating_sub(size(one));
    }
    used
}

/// What a list costs with its place in the table, the heap's own share included.
fn columns_held(columns: &Arc<Vec<Column>>) -> usize {
    80 + columns.len() * size_of::<Column>()
}

/// As [`columns_held`], with the texts.
fn names_held(names: &Arc<[Arc<str>]>) -> usize {
    let texts: usize = names.iter().map(|name| 48 + name.len()).sum();
    56 + texts
}
