//! Aggregations over points, as InfluxDB computes them and Heapster reads them.

use std::time::Duration;

use crate::domain::{Timestamp, Value};

use super::Span;

/// What can be made of the points of one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aggregation {
    /// `average`: the arithmetic mean.
    Average,
    /// `max`.
    Maximum,
    /// `min`.
    Minimum,
    /// `median`: the middle value, or the mean of the two in the middle.
    Median,
    /// `count`: how many points there are.
    Count,
    /// `50-perc`: a point's value, never one in between (nearest rank), as are all percentiles.
    Percentile50,
    /// `95-perc`.
    Percentile95,
    /// `99-perc`.
    Percentile99,
}

/// The points of one stretch of time, aggregated. What was not asked for is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bucket {
    /// Where the bucket begins.
    pub start: Timestamp,
    /// How many points it has.
    pub count: Option<u64>,
    /// Their mean.
    pub average: Option<Value>,
    /// The largest.
    pub maximum: Option<Value>,
    /// The smallest.
    pub minimum: Option<Value>,
    /// The median.
    pub median: Option<Value>,
    /// The 50th, 95th and 99th percentile.
    pub percentiles: [Option<Value>; 3],
}

impl Aggregation {
    /// Every aggregation.
    pub const ALL: [Self; 8] = [
        Self::Average,
        Self::Maximum,
        Self::Minimum,
        Self::Median,
        Self::Count,
        Self::Percentile50,
        Self::Percentile95,
        Self::Percentile99,
    ];

    /// The aggregation of this name in a Heapster path.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }

    /// Its name in a Heapster path.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Average => "average",
            Self::Maximum => "max",
            Self::Minimum => "min",
            Self::Median => "median",
            Self::Count => "count",
            Self::Percentile50 => "50-perc",
            Self::Percentile95 => "95-perc",
            Self::Percentile99 => "99-perc",
        }
    }
}

impl Bucket {
    /// The value of an aggregation other than [`Aggregation::Count`], if it was asked for.
    #[must_use]
    pub const fn value(&self, aggregation: Aggregation) -> Option<Value> {
        let [p50, p95, p99] = self.percentiles;
        match aggregation {
            Aggregation::Average => self.average,
            Aggregation::Maximum => self.maximum,
            Aggregation::Minimum => self.minimum,
            Aggregation::Median => self.median,
            Aggregation::Count => None,
            Aggregation::Percentile50 => p50,
            Aggregation::Percentile95 => p95,
            Aggregation::Percentile99 => p99,
        }
    }

    const fn slot(&mut self, aggregation: Aggregation) -> Option<&mut Option<Value>> {
        let [p50, p95, p99] = &mut self.percentiles;
        match aggregation {
            Aggregation::Average => Some(&mut self.average),
            Aggregation::Maximum => Some(&mut self.maximum),
            Aggregation::Minimum => Some(&mut self.minimum),
            Aggregation::Median => Some(&mut self.median),
            Aggregation::Count => None,
            Aggregation::Percentile50 => Some(p50),
            Aggregation::Percentile95 => Some(p95),
            Aggregation::Percentile99 => Some(p99),
        }
    }
}

/// Aggregates ascending points bucket by bucket; buckets without points are left out.
///
/// With a `size`, a bucket begins at every multiple of it since the epoch, the first one perhaps
/// before the span (InfluxDB's `GROUP BY time`). Without one, or with one of less than a
/// millisecond, a single bucket begins where the span does. Whether an aggregation is whole numbers
/// or floats is one decision for all buckets: whole only if all of them are (Heapster infers it
/// from the column as it is printed, where a mean of 5.0 reads `5`).
#[must_use]
pub fn aggregate(
    points: &[(Timestamp, Value)],
    aggregations: &[Aggregation],
    span: Span,
    size: Option<Duration>,
) -> Vec<Bucket> {
    let start = |at: Timestamp| start_of_bucket(at, span, size);
    let mut buckets: Vec<Bucket> = points
        .chunk_by(|(a, _), (b, _)| start(*a) == start(*b))
        .filter_map(|chunk| {
            let (first, _) = chunk.first()?;
            let values = chunk.iter().map(|(_, value)| *value).collect();
            Some(bucket(start(*first), values, aggregations))
        })
        .collect();
    decide_kinds(&mut buckets, aggregations);
    buckets
}

/// Where the bucket of an instant begins.
fn start_of_bucket(at: Timestamp, span: Span, size: Option<Duration>) -> Timestamp {
    let size = size.and_then(|size| i64::try_from(size.as_millis()).ok());
    let Some(size) = size.filter(|size| *size > 0) else {
        return span.start;
    };
    let millis = at.as_millis();
    Timestamp::from_millis(millis.saturating_sub(millis.rem_euclid(size)))
}

/// Decides of each aggregation whether it is whole numbers or floats.
fn decide_kinds(buckets: &mut [Bucket], aggregations: &[Aggregation]) {
    for aggregation in aggregations {
        decide_kind(buckets, *aggregation);
    }
}

fn bucket(start: Timestamp, mut values: Vec<Value>, aggregations: &[Aggregation]) -> Bucket {
    values.sort_by(compare);
    let mut bucket = Bucket {
        start,
        ..Bucket::default()
    };
    for aggregation in aggregations {
        match bucket.slot(*aggregation) {
            Some(slot) => *slot = of_sorted(&values, *aggregation),
            None => bucket.count = Some(values.len() as u64),
        }
    }
    bucket
}

fn of_sorted(values: &[Value], aggregation: Aggregation) -> Option<Value> {
    match aggregation {
        Aggregation::Average => mean(values),
        Aggregation::Maximum => values.last().copied(),
        Aggregation::Minimum => values.first().copied(),
        Aggregation::Median => median(values),
        Aggregation::Count => None,
        Aggregation::Percentile50 => percentile(values, 50),
        Aggregation::Percentile95 => percentile(values, 95),
        Aggregation::Percentile99 => percentile(values, 99),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a mean is the nearest float to the true one"
)]
fn mean(values: &[Value]) -> Option<Value> {
    let count = values.len() as f64;
    let whole: Option<i128> = values.iter().try_fold(0, |sum: i128, value| match value {
        Value::Int(value) => Some(sum + i128::from(*value)),
        Value::Float(_) => None,
    });
    let mean = match whole {
        Some(sum) => sum as f64 / count,
        // Divided first: the sum of huge floats would be no number.
        None => values.iter().map(|value| value.as_f64() / count).sum(),
    };
    (!values.is_empty()).then_some(Value::Float(mean))
}

fn median(sorted: &[Value]) -> Option<Value> {
    let middle = sorted.get(sorted.len() / 2)?.as_f64();
    let below = sorted.len().checked_sub(1)? / 2;
    let below = sorted.get(below)?.as_f64();
    Some(Value::Float(f64::midpoint(below, middle)))
}

/// InfluxDB's `PERCENTILE`: the value at `floor(n × p/100 + 0.5)`, counted from one.
fn percentile(sorted: &[Value], percent: usize) -> Option<Value> {
    let rank = (sorted.len() * percent + 50) / 100;
    sorted.get(rank.checked_sub(1)?).copied()
}

fn compare(a: &Value, b: &Value) -> std::cmp::Ordering {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (a, b) => a.as_f64().total_cmp(&b.as_f64()),
    }
}

fn decide_kind(buckets: &mut [Bucket], aggregation: Aggregation) {
    let mut values = buckets.iter().filter_map(|b| b.value(aggregation));
    let whole = values.all(|value| as_whole(value).is_some());
    for bucket in buckets {
        if let Some(Some(value)) = bucket.slot(aggregation) {
            *value = match as_whole(*value) {
                Some(int) if whole => Value::Int(int),
                _ => Value::Float(value.as_f64()),
            };
        }
    }
}

/// The value as a whole number, if it is one and fits.
#[expect(
    clippy::cast_possible_truncation,
    reason = "it is whole and within the type"
)]
fn as_whole(value: Value) -> Option<i64> {
    const END: f64 = 9_223_372_036_854_775_808.0;
    match value {
        Value::Int(value) => Some(value),
        Value::Float(value) => {
            let fits = value.fract() == 0.0 && (-END..END).contains(&value);
            fits.then_some(value as i64)
        }
    }
}

#[cfg(test)]
mod tests;
