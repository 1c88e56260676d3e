//! The newest value of everything in one piece (`/api/v1/metric-export`), and what it may hold.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::{Serialize, Serializer};

use super::answer;
use super::go_time::Stamp;
use crate::apimachinery::json;
use crate::domain::{EntityKind, Metric, MetricKind, MetricSet, Point, Timestamp, Value};
use crate::history::View;
use crate::rollup::Labelling;

/// The longest export, some hundred thousand containers; a longer one is refused with 500.
const MAX_EXPORT: usize = 256 * 1024 * 1024;

/// The labels that are exported. The kind and the name of the namespace are not.
const LABELS: [&str; 9] = [
    "nodename",
    "hostname",
    "host_id",
    "container_name",
    "container_base_image",
    "pod_name",
    "pod_id",
    "namespace_id",
    "labels",
];

/// The newest column: one element for each node, system container, pod and container, in the order
/// of their keys. `null` before there is any column.
pub(super) fn answer(view: &View<'_>, labelling: &Labelling) -> Response<Bytes> {
    let Some(tick) = view.newest() else {
        return answer::compact(&());
    };
    let mut body = vec![b'['];
    let mut complete = true;
    view.for_each_latest(|set| {
        if body.len() > MAX_EXPORT {
            complete = false;
        } else if let Some(series) = Timeseries::of(set, tick, labelling) {
            if body.len() > 1 {
                body.push(b',');
            }
            json::write(&mut body, &series);
        }
    });
    if !complete {
        let text = "the cluster is too large to be exported in one piece";
        return answer::text(StatusCode::INTERNAL_SERVER_ERROR, text);
    }
    body.extend_from_slice(b"]\n");
    answer::json(body)
}

/// The export of those who switched it off: nothing.
pub(super) fn disabled() -> Response<Bytes> {
    let nothing: [(); 0] = [];
    answer::compact(&nothing)
}

/// Everything of one entity.
#[derive(Serialize)]
struct Timeseries<'a> {
    metrics: BTreeMap<&'static str, Vec<ExportedPoint<'a>>>,
    labels: BTreeMap<&'a str, std::borrow::Cow<'a, str>>,
}

#[derive(Serialize)]
struct ExportedPoint<'a> {
    start: Stamp,
    end: Stamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<ResourceId<'a>>,
    #[serde(serialize_with = "number")]
    value: Value,
}

#[derive(Serialize)]
struct ResourceId<'a> {
    resource_id: &'a str,
}

impl<'a> Timeseries<'a> {
    fn of(set: &'a MetricSet, tick: Timestamp, labelling: &'a Labelling) -> Option<Self> {
        let name = match set.key.kind() {
            EntityKind::Cluster | EntityKind::Namespace => return None,
            EntityKind::Node => Some("machine"),
            EntityKind::Pod => Some("/pod"),
            EntityKind::SystemContainer | EntityKind::Container => None,
        };
        let mut labels = labelling.labels(set);
        labels.retain(|label, _| LABELS.contains(label));
        labels.extend(name.map(|name| ("container_name", name.into())));
        let mut metrics: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut add = |point: Point, by: Option<&'a str>| {
            let metric = point.metric();
            if is_exported(metric) {
                let points = metrics.entry(metric.name()).or_default();
                points.push(exported(point, by, set.started, tick));
            }
        };
        set.points.iter().for_each(|point| add(*point, None));
        for qualified in &set.qualified {
            add(qualified.point, Some(qualified.by.as_ref()));
        }
        Some(Self { metrics, labels })
    }
}

/// A counter counts since its entity began, everything else is of the tick alone.
fn exported(
    point: Point,
    by: Option<&str>,
    started: Option<Timestamp>,
    tick: Timestamp,
) -> ExportedPoint<'_> {
    let start = match point.metric().kind() {
        MetricKind::Cumulative => started,
        MetricKind::Gauge => Some(tick),
    };
    ExportedPoint {
        start: Stamp(start),
        end: Stamp(Some(tick)),
        labels: by.map(|resource_id| ResourceId { resource_id }),
        value: point.value(),
    }
}

/// Heapster's standard and labelled metrics and the two limits; no rates, no requests.
const fn is_exported(metric: Metric) -> bool {
    matches!(
        metric,
        Metric::Uptime
            | Metric::CpuUsage
            | Metric::MemoryUsage
            | Metric::MemoryRss
            | Metric::MemoryWorkingSet
            | Metric::MemoryPageFaults
            | Metric::MemoryMajorPageFaults
            | Metric::NetworkRx
            | Metric::NetworkRxErrors
            | Metric::NetworkTx
            | Metric::NetworkTxErrors
            | Metric::CpuLimit
            | Metric::MemoryLimit
    ) || metric.is_labelled()
}

fn number<S: Serializer>(value: &Value, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Value::Int(value) => serializer.serialize_i64(*value),
        Value::Float(value) => serializer.serialize_f64(*value),
    }
}
