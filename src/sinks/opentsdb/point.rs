//! OpenTSDB's points.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use super::super::chunks::{Encoder, Records};
use super::super::column::Column;
use crate::domain::{MetricKind, MetricSet, Value};

/// How points are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Points {
    /// The tag `cluster`.
    pub cluster: String,
}

#[derive(Serialize)]
struct Point<'a> {
    metric: String,
    timestamp: i64,
    value: Number,
    tags: &'a BTreeMap<Cow<'a, str>, Cow<'a, str>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Number {
    Int(i64),
    Float(f64),
}

impl Encoder for Points {
    fn encode<'a>(&self, column: Column<'a>, set: &'a MetricSet, records: &mut Records) {
        let mut labels = column.labels(set);
        labels.insert("cluster", self.cluster.as_str().into());
        let mut tags: BTreeMap<_, _> = labels
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (valid(name), valid(value)))
            .collect();
        for sample in column.samples(set) {
            match sample.resource {
                Some(resource) => tags.insert("resource_id".into(), valid(resource)),
                None => tags.remove("resource_id"),
            };
            let kind = match sample.metric.kind() {
                MetricKind::Gauge => "gauge",
                MetricKind::Cumulative => "cumulative",
            };
            let point = Point {
                metric: format!("{}_{kind}", valid(&sample.name).replace('/', "_")),
                timestamp: column.timestamp().as_secs(),
                value: match sample.value {
                    Value::Int(value) => Number::Int(value),
                    Value::Float(value) => Number::Float(value),
                },
                tags: &tags,
            };
            // Writing to memory what has text for keys cannot fail.
            if serde_json::to_writer(records.bytes(), &point).is_ok() {
                records.end();
            }
        }
    }
}

/// A text with `_` for every character OpenTSDB takes in no name and no tag.
fn valid(text: &str) -> Cow<'_, str> {
    let valid = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if text.chars().all(valid) {
        return text.into();
    }
    text.replace(|c| !valid(c), "_").into()
}
