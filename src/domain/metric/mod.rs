//! What is kept over time: Heapster's metrics by name, and the values they take.

mod catalogue;
mod point;

pub use catalogue::{Metric, MetricKind, Units};
pub use point::{Point, Qualified, Value};
