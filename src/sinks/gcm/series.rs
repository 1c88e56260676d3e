//! Points as Cloud Monitoring's `TimeSeries`, and what is said of their metrics.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::super::chunks::{Encoder, Records};
use super::super::column::{Column, Sample};
use crate::domain::{Metric, MetricKind, MetricSet, Timestamp, Units, Value};

/// How series are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SeriesOf {
    /// The label `cluster_name`, if there is one.
    pub cluster_name: Option<String>,
}

/// Heapster's, in front of its names.
const PREFIX: &str = "custom.googleapis.com/kubernetes.io/";
/// The labels that are sent. A metric may have thirty, and a value 1024 bytes.
const LABELS: [&str; 12] = [
    "cluster_name",
    "container_base_image",
    "container_name",
    "host_id",
    "hostname",
    "namespace_name",
    "nodename",
    "pod_id",
    "pod_name",
    "resource",
    "resource_id",
    "type",
];
const LONGEST: usize = 1024;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Series<'a> {
    metric: Named<'a>,
    resource: Resource,
    metric_kind: &'static str,
    value_type: &'static str,
    points: [Point; 1],
}

#[derive(Serialize)]
struct Named<'a> {
    #[serde(rename = "type")]
    kind: String,
    labels: &'a BTreeMap<&'a str, &'a str>,
}

#[derive(Serialize)]
struct Resource {
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct Point {
    interval: Interval,
    value: Number,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Interval {
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<String>,
    end_time: String,
}

/// Whole numbers are texts in Google's JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Number {
    Int64Value(String),
    DoubleValue(f64),
}

impl Encoder for SeriesOf {
    fn encode<'a>(&self, column: Column<'a>, set: &'a MetricSet, records: &mut Records) {
        let mut labels = column.labels(set);
        if let Some(cluster) = &self.cluster_name {
            labels.insert("cluster_name", cluster.as_str().into());
        }
        let labels = labels.iter();
        let sent = labels.filter(|(name, value)| LABELS.contains(name) && !value.is_empty());
        let sent: BTreeMap<&str, &str> = sent.map(|(k, v)| (*k, shortened(v))).collect();
        for sample in column.samples(set) {
            let Some(interval) = interval(sample.metric, set.started, column.timestamp()) else {
                continue;
            };
            let with_own;
            let labels = match own(&sample) {
                None => &sent,
                Some((name, value)) => {
                    let common = sent.iter().map(|(name, value)| (*name, *value));
                    with_own = common.chain([(name, shortened(value))]).collect();
                    &with_own
                }
            };
            let (kind, value_type) = types(sample.metric);
            let series = Series {
                metric: Named {
                    kind: format!("{PREFIX}{}", name(sample.metric)),
                    labels,
                },
                resource: Resource { kind: "global" },
                metric_kind: kind,
                value_type,
                points: [Point {
                    interval,
                    value: match sample.value {
                        Value::Int(value) => Number::Int64Value(value.to_string()),
                        Value::Float(value) => Number::DoubleValue(value),
                    },
                }],
            };
            // Writing to memory what has text for keys cannot fail.
            if serde_json::to_writer(records.bytes(), &series).is_ok() {
                records.end();
            }
        }
    }
}

/// The label that tells values of one metric of one set apart.
fn own<'a>(sample: &'a Sample<'_>) -> Option<(&'static str, &'a str)> {
    if sample.metric == Metric::ResourceRequest {
        return Some(("resource", sample.name.strip_suffix("/request")?));
    }
    sample.resource.map(|resource| ("resource_id", resource))
}

fn name(metric: Metric) -> &'static str {
    match metric.name() {
        "" => "resource/request",
        name => name,
    }
}

fn shortened(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST))
        .unwrap_or(text)
}

/// When a value holds; a counter must have begun before, or it cannot be told.
fn interval(metric: Metric, started: Option<Timestamp>, at: Timestamp) -> Option<Interval> {
    let start_time = match metric.kind() {
        MetricKind::Gauge => None,
        MetricKind::Cumulative => Some(time(started.filter(|started| *started < at)?)),
    };
    Some(Interval {
        start_time,
        end_time: time(at),
    })
}

/// RFC 3339 with milliseconds.
fn time(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
    format!("{at:.3}")
}

fn types(metric: Metric) -> (&'static str, &'static str) {
    let kind = match metric.kind() {
        MetricKind::Gauge => "GAUGE",
        MetricKind::Cumulative => "CUMULATIVE",
    };
    let value = if metric.is_float() { "DOUBLE" } else { "INT64" };
    (kind, value)
}

/// The `MetricDescriptor` of a metric.
pub(super) fn descriptor(metric: Metric) -> Json {
    let (kind, value_type) = types(metric);
    let labels: Vec<Json> = LABELS.iter().map(|key| json!({"key": key})).collect();
    let unit = match metric.units() {
        Units::Bytes => "By",
        Units::Milliseconds => "ms",
        Units::Nanoseconds => "ns",
        Units::Count | Units::Millicores | Units::Ratio => "1",
        Units::PerSecond => "1/s",
    };
    json!({
        "type": format!("{PREFIX}{}", name(metric)),
        "metricKind": kind,
        "valueType": value_type,
        "unit": unit,
        "description": format!("{} as Heapster knew it", name(metric)),
        "labels": labels,
    })
}
