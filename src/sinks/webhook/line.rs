//! A set as one line of JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use super::super::chunks::{Encoder, Records};
use super::super::column::{Column, LabelSet};
use crate::apimachinery::Rfc3339;
use crate::domain::{MetricSet, Value};

/// How lines are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lines {
    /// The label `cluster_name`.
    pub cluster_name: String,
}

#[derive(Serialize)]
struct Line<'a> {
    timestamp: &'a str,
    labels: LabelSet<'a>,
    metrics: BTreeMap<Cow<'a, str>, Told<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Told<'a> {
    One(Number),
    /// By file system.
    Each(BTreeMap<&'a str, Number>),
}

#[derive(Serialize)]
#[serde(untagged)]
enum Number {
    Int(i64),
    Float(f64),
}

impl Encoder for Lines {
    fn encode<'a>(&self, column: Column<'a>, set: &'a MetricSet, records: &mut Records) {
        let mut labels = column.labels(set);
        labels.insert("cluster_name", self.cluster_name.as_str().into());
        let stamp = Rfc3339::from(column.timestamp());
        let (mut metrics, mut points) = (BTreeMap::new(), 0);
        for sample in column.samples(set) {
            points += 1;
            let value = match sample.value {
                Value::Int(value) => Number::Int(value),
                Value::Float(value) => Number::Float(value),
            };
            let Some(resource) = sample.resource else {
                metrics.insert(sample.name, Told::One(value));
                continue;
            };
            let each = metrics.entry(sample.name);
            if let Told::Each(each) = each.or_insert_with(|| Told::Each(BTreeMap::new())) {
                each.insert(resource, value);
            }
        }
        if points == 0 {
            return;
        }
        let line = Line {
            timestamp: stamp.as_str(),
            labels,
            metrics,
        };
        let bytes = records.bytes();
        // Writing to memory what has text for keys cannot fail.
        if serde_json::to_writer(&mut *bytes, &line).is_ok() {
            bytes.push(b'\n');
            records.end_of(points);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::super::super::chunks::{Chunks, Frame};
    use super::super::super::filter::Filter;
    use super::*;
    use crate::domain::EntityKey;
    use crate::sinks::tests::{Plain, batch, cluster, pod};

    #[test]
    fn a_set_is_a_line_and_one_without_a_value_is_none() {
        let empty = MetricSet::new(EntityKey::Cluster);
        let batch = batch(60, vec![pod("a", "p", &[("app", "web")]), empty, cluster()]);
        let filter = Filter::default();
        let column = Column::new(&batch, &Plain, &filter);
        let lines = Lines {
            cluster_name: "c".into(),
        };
        let mut chunks = Chunks::new(column, &lines, Frame::lines(100, 1 << 20));
        let chunk = chunks.next().unwrap();
        assert_eq!((chunk.points, chunk.records.len()), (5, 2));
        let text = String::from_utf8(chunk.body).unwrap();
        let lines: Vec<Json> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(
            lines,
            [
                json!({
                    "timestamp": "1970-01-01T00:01:00Z",
                    "labels": {
                        "cluster_name": "c", "hostname": "h.1", "labels": "app:web",
                        "namespace_name": "a", "nodename": "n1", "pod_name": "p", "type": "pod",
                    },
                    "metrics": {
                        "cpu/usage_rate": 7,
                        "filesystem/usage": {"logs": 8, "Volume:data": 9},
                        "memory/page_faults_rate": 1.5,
                    },
                }),
                json!({
                    "timestamp": "1970-01-01T00:01:00Z",
                    "labels": {"cluster_name": "c", "type": "cluster"},
                    "metrics": {"cpu/usage_rate": 5},
                }),
            ]
        );
    }
}
