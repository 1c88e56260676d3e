//! One value of one metric, small enough to hold millions of.

use std::sync::Arc;

use super::Metric;

/// A value as Heapster knew it: its clients see the difference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// Any number; never NaN and never infinite.
    Float(f64),
}

/// One value of one metric. Sixteen bytes: which kind of value it is, the metric knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    metric: Metric,
    bits: u64,
}

/// A point that the metric alone does not name: the one of a filesystem (`resource_id`), or the
/// request of an extended resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qualified {
    /// Which of them: `/`, `logs`, `Volume:data`; or the resource's name, `nvidia.com/gpu`.
    pub by: Arc<str>,
    /// The value.
    pub point: Point,
}

impl Value {
    /// The value as a float, as close as it gets.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "the nearest float is what is asked for"
    )]
    pub const fn as_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    /// The value as a whole number, truncated toward zero and held at the ends of the type.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`as` truncates and saturates, which is what is asked for"
    )]
    pub const fn as_i64(self) -> i64 {
        match self {
            Self::Int(value) => value,
            Self::Float(value) => value as i64,
        }
    }
}

impl Point {
    /// A value of a metric of whole numbers. Amounts beyond the type are held at its end. For a
    /// metric of floats the value is converted.
    #[must_use]
    pub fn int(metric: Metric, value: impl TryInto<i64>) -> Self {
        let value = value.try_into().unwrap_or(i64::MAX);
        Self::new(metric, Value::Int(value))
    }

    /// A value of a metric of floats. For one of whole numbers it is truncated. What is no number
    /// (NaN, an infinity) becomes zero.
    #[must_use]
    pub fn float(metric: Metric, value: f64) -> Self {
        let value = if value.is_finite() { value } else { 0.0 };
        Self::new(metric, Value::Float(value))
    }

    /// A value in the kind of its metric.
    #[must_use]
    pub fn new(metric: Metric, value: Value) -> Self {
        let bits = if metric.is_float() {
            value.as_f64().to_bits()
        } else {
            value.as_i64().cast_unsigned()
        };
        Self { metric, bits }
    }

    /// Which metric this is a value of.
    #[must_use]
    pub const fn metric(self) -> Metric {
        self.metric
    }

    /// The value.
    #[must_use]
    pub fn value(self) -> Value {
        if self.metric.is_float() {
            Value::Float(f64::from_bits(self.bits))
        } else {
            Value::Int(self.bits.cast_signed())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_keeps_the_kind_of_its_metric() {
        let rate = Point::float(Metric::NetworkRxRate, 1.5);
        assert_eq!(rate.value(), Value::Float(1.5));
        let usage = Point::int(Metric::MemoryUsage, 7_u64);
        assert_eq!(usage.value(), Value::Int(7));
        assert_eq!(
            Point::int(Metric::CpuNodeCapacity, 8000).value(),
            Value::Float(8000.0)
        );
        assert_eq!(size_of::<Point>(), 16);
    }

    #[test]
    fn what_does_not_fit_is_held_at_the_end() {
        let most = Point::int(Metric::MemoryUsage, u64::MAX);
        assert_eq!(most.value(), Value::Int(i64::MAX));
        assert_eq!(
            Point::float(Metric::NetworkRxRate, f64::NAN).value(),
            Value::Float(0.0)
        );
        assert_eq!(Value::Float(1e300).as_i64(), i64::MAX);
    }
}
