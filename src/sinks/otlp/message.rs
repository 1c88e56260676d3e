//! `opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest`.

use std::collections::BTreeMap;

use super::super::chunks::{Encoder, Records};
use super::super::column::{Column, LabelSet, Sample};
use crate::apimachinery::protobuf::{Fields, Malformed, Writer};
use crate::domain::{Metric, MetricKind, MetricSet, Timestamp, Units, Value};

/// How messages are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Messages {
    /// What metrics' names begin with.
    pub prefix: String,
    /// `k8s.cluster.name` of every resource, if there is one.
    pub cluster_name: Option<String>,
}

/// Heapster's labels that OpenTelemetry's conventions for resources know by other names.
const ATTRIBUTES: [(&str, &str); 9] = [
    ("container_base_image", "container.image.name"),
    ("container_name", "k8s.container.name"),
    ("host_id", "host.id"),
    ("hostname", "host.name"),
    ("namespace_id", "k8s.namespace.uid"),
    ("namespace_name", "k8s.namespace.name"),
    ("nodename", "k8s.node.name"),
    ("pod_id", "k8s.pod.uid"),
    ("pod_name", "k8s.pod.name"),
];
/// The attribute that says what sort of thing the resource is.
const TYPE: &str = "heapster.type";
/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u64 = 2;

impl Encoder for Messages {
    /// Writes a set as one `resource_metrics`; one after the other they are a request.
    fn encode<'a>(&self, column: Column<'a>, set: &'a MetricSet, records: &mut Records) {
        let mut metrics = BTreeMap::<Metric, Vec<Sample<'a>>>::new();
        for sample in column.samples(set) {
            metrics.entry(sample.metric).or_default().push(sample);
        }
        let points = metrics.values().map(Vec::len).sum();
        if points == 0 {
            return;
        }
        let at = column.timestamp();
        let labels = column.labels(set);
        let object_labels = column.object_labels(set);
        let mut writer = Writer::with_capacity(ROOM);
        writer.message(1, |resource_metrics| {
            resource_metrics.message(2, |scope_metrics| {
                for (metric, samples) in metrics.iter().rev() {
                    scope_metrics.message(2, |message| {
                        self.metric(*metric, samples, (set.started, at), message);
                    });
                }
                scope_metrics.message(1, scope);
            });
            resource_metrics.message(1, |resource| {
                self.resource(&labels, &object_labels, resource);
            });
        });
        records.bytes().extend_from_slice(&writer.finish());
        records.end_of(points);
    }
}

/// What a set takes, more or less.
const ROOM: usize = 4096;

impl Messages {
    fn resource(
        &self,
        labels: &LabelSet<'_>,
        object_labels: &[(&str, &str)],
        resource: &mut Writer,
    ) {
        let mut attributes = BTreeMap::<String, &str>::new();
        let is_node = labels.get("type").is_some_and(|kind| kind == "node");
        let of = if is_node { "node" } else { "pod" };
        for (name, value) in object_labels {
            attributes.insert(format!("k8s.{of}.label.{name}"), value);
        }
        for (name, value) in labels {
            let known = ATTRIBUTES.iter().find(|(ours, _)| ours == name);
            let name = match (*name, known) {
                // They stand one by one already.
                ("labels", _) => continue,
                ("type", _) => TYPE,
                (_, Some((_, theirs))) => theirs,
                (name, None) => name,
            };
            if !value.is_empty() {
                attributes.insert(name.to_owned(), value);
            }
        }
        if let Some(cluster) = &self.cluster_name {
            attributes.insert("k8s.cluster.name".to_owned(), cluster);
        }
        for (name, value) in attributes.iter().rev() {
            attribute(resource, 1, name, value);
        }
    }

    fn metric(
        &self,
        metric: Metric,
        samples: &[Sample<'_>],
        times: (Option<Timestamp>, Timestamp),
        message: &mut Writer,
    ) {
        let (unit, divisor) = unit(metric);
        let is_sum = metric.kind() == MetricKind::Cumulative;
        let data = if is_sum { 7 } else { 5 };
        message.message(data, |data| {
            if is_sum {
                data.varint(3, 1);
                data.varint(2, CUMULATIVE);
            }
            for sample in samples.iter().rev() {
                let times = (times.0.filter(|_| is_sum), times.1);
                data.message(1, |point| number(sample, divisor, times, point));
            }
        });
        message.bytes(3, unit.as_bytes());
        let name = match metric.name() {
            "" => "resource.request".to_owned(),
            name => name.replace('/', "."),
        };
        message.bytes(1, format!("{}{name}", self.prefix).as_bytes());
    }
}

/// A `NumberDataPoint`.
fn number(
    sample: &Sample<'_>,
    divisor: Option<u32>,
    (started, at): (Option<Timestamp>, Timestamp),
    point: &mut Writer,
) {
    let resource = sample.name.strip_suffix("/request");
    if let Some(by) = sample.resource {
        attribute(point, 7, "resource_id", by);
    } else if let Some(resource) = resource.filter(|_| sample.metric == Metric::ResourceRequest) {
        attribute(point, 7, "resource", resource);
    }
    match (sample.value, divisor) {
        (Value::Int(value), None) => point.fixed64(6, value.cast_unsigned()),
        (value, divisor) => point.double(4, value.as_f64() / f64::from(divisor.unwrap_or(1))),
    }
    point.fixed64(3, nanos(at));
    if let Some(started) = started {
        point.fixed64(2, nanos(started));
    }
}

/// The `InstrumentationScope`: we.
pub(super) fn scope(scope: &mut Writer) {
    scope.bytes(2, env!("CARGO_PKG_VERSION").as_bytes());
    scope.bytes(1, b"loadline");
}

/// A `KeyValue` whose value is a text.
pub(super) fn attribute(writer: &mut Writer, field: u32, name: &str, value: &str) {
    writer.message(field, |pair| {
        pair.message(2, |any| any.bytes(1, value.as_bytes()));
        pair.bytes(1, name.as_bytes());
    });
}

fn nanos(at: Timestamp) -> u64 {
    let millis = u64::try_from(at.as_millis()).unwrap_or_default();
    millis.saturating_mul(1_000_000)
}

/// The unit as UCUM writes it, and by what values have to be divided to be in it.
fn unit(metric: Metric) -> (&'static str, Option<u32>) {
    if matches!(
        metric,
        Metric::FilesystemInodes | Metric::FilesystemInodesFree
    ) {
        // Heapster says they are bytes.
        return ("{inode}", None);
    }
    match metric.units() {
        Units::Count => ("1", None),
        Units::Bytes => ("By", None),
        Units::Milliseconds => ("s", Some(1_000)),
        Units::Nanoseconds => ("s", Some(1_000_000_000)),
        Units::Millicores => ("{cpu}", Some(1_000)),
        Units::Ratio => ("1", None),
        Units::PerSecond => per_second(metric),
    }
}

/// The unit of a rate: what its counter counts, each second.
fn per_second(metric: Metric) -> (&'static str, Option<u32>) {
    let counter = Metric::all().find(|counter| counter.rate() == Some(metric));
    match counter.map(Metric::units) {
        Some(Units::Bytes) => ("By/s", None),
        Some(Units::Nanoseconds) => ("1", Some(1_000_000_000)),
        _ => ("1/s", None),
    }
}

/// What an `ExportMetricsServiceResponse`, or one of logs, says was not taken, and why; `None` when all was.
pub(super) fn rejected(answer: &[u8]) -> Result<Option<(usize, String)>, Malformed> {
    let (mut points, mut why) = (0, String::new());
    for field in Fields::new(answer) {
        let field = field?;
        if field.number != 1 {
            continue;
        }
        for field in Fields::new(field.bytes()?) {
            let field = field?;
            match field.number {
                1 => points = usize::try_from(field.int32()?).unwrap_or_default(),
                2 => field.text()?.clone_into(&mut why),
                _ => {}
            }
        }
    }
    Ok((points > 0).then_some((points, why)))
}
