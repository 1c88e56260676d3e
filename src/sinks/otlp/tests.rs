//! What is sent, read by the published definitions of the messages.

use std::io::Read as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use prost::Message;

use super::super::filter::Filter;
use super::*;
use crate::domain::{EntityKey, Metric, MetricSet, Point, Qualified, Timestamp};
use crate::sinks::tests::events::{EventRig, event};
use crate::sinks::tests::receivers::{Act, listener, serve};
use crate::sinks::tests::working::{Rig, patient, until};
use crate::sinks::tests::{Plain, batch, cluster, pod};

#[derive(Clone, PartialEq, Message)]
struct ExportRequest {
    #[prost(message, repeated, tag = "1")]
    resource_metrics: Vec<ResourceMetrics>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceMetrics {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_metrics: Vec<ScopeMetrics>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(string, tag = "1")]
    string_value: String,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeMetrics {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    metrics: Vec<ToldMetric>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct ToldMetric {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "3")]
    unit: String,
    #[prost(message, optional, tag = "5")]
    gauge: Option<Data>,
    #[prost(message, optional, tag = "7")]
    sum: Option<Data>,
}

#[derive(Clone, PartialEq, Message)]
struct Data {
    #[prost(message, repeated, tag = "1")]
    data_points: Vec<NumberDataPoint>,
    #[prost(int32, tag = "2")]
    aggregation_temporality: i32,
    #[prost(bool, tag = "3")]
    is_monotonic: bool,
}

#[derive(Clone, PartialEq, Message)]
struct NumberDataPoint {
    #[prost(fixed64, tag = "2")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "3")]
    time_unix_nano: u64,
    #[prost(double, optional, tag = "4")]
    as_double: Option<f64>,
    #[prost(sfixed64, optional, tag = "6")]
    as_int: Option<i64>,
    #[prost(message, repeated, tag = "7")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected_data_points: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

fn pairs(attributes: &[KeyValue]) -> Vec<(&str, &str)> {
    let mut pairs = Vec::new();
    for pair in attributes {
        let value = pair.value.as_ref().unwrap();
        pairs.push((pair.key.as_str(), value.string_value.as_str()));
    }
    pairs
}

fn request(sets: Vec<MetricSet>) -> ExportRequest {
    let batch = batch(60, sets);
    let filter = Filter::default();
    let column = Column::new(&batch, &Plain, &filter);
    let messages = Messages {
        prefix: "heapster.".to_owned(),
        cluster_name: Some("c".to_owned()),
    };
    let mut chunks = Chunks::new(column, &messages, FRAME);
    let chunk = chunks.next().unwrap();
    assert_eq!(chunks.next(), None);
    ExportRequest::decode(chunk.body.as_slice()).unwrap()
}

#[test]
fn a_set_is_a_resource_by_opentelemetrys_names() {
    let request = request(vec![pod("a", "p", &[("app", "web")]), cluster()]);
    let [of_pod, of_cluster] = request.resource_metrics.as_slice() else {
        panic!("{request:?}");
    };
    let attributes = &of_pod.resource.as_ref().unwrap().attributes;
    assert_eq!(
        pairs(attributes),
        [
            ("heapster.type", "pod"),
            ("host.name", "h.1"),
            ("k8s.cluster.name", "c"),
            ("k8s.namespace.name", "a"),
            ("k8s.node.name", "n1"),
            ("k8s.pod.label.app", "web"),
            ("k8s.pod.name", "p"),
        ]
    );
    let metrics = &of_pod.scope_metrics[0].metrics;
    let names: Vec<(&str, &str)> = metrics.iter().map(|m| (&*m.name, &*m.unit)).collect();
    assert_eq!(
        names,
        [
            ("heapster.cpu.usage_rate", "{cpu}"),
            ("heapster.memory.page_faults_rate", "1/s"),
            ("heapster.filesystem.usage", "By"),
        ]
    );
    let points = &metrics[2].gauge.as_ref().unwrap().data_points;
    let values: Vec<_> = points
        .iter()
        .map(|p| (pairs(&p.attributes), p.as_int, p.as_double))
        .collect();
    let resource = |name| vec![("resource_id", name)];
    assert_eq!(
        values,
        [
            (resource("logs"), Some(8), None),
            (resource("Volume:data"), Some(9), None)
        ]
    );
    assert_eq!(
        of_cluster.scope_metrics[0].scope.as_ref().unwrap().name,
        "loadline"
    );
    let cpu = &of_cluster.scope_metrics[0].metrics[0];
    let point = &cpu.gauge.as_ref().unwrap().data_points[0];
    assert_eq!((point.as_int, point.as_double), (None, Some(0.005)));
    assert_eq!(point.time_unix_nano, 60_000_000_000);
}

#[test]
fn a_counter_is_a_monotonic_sum_since_its_life_began() {
    let mut set = MetricSet::new(EntityKey::Cluster);
    set.started = Some(Timestamp::from_millis(1_500));
    set.set(Point::int(Metric::CpuUsage, 2_500_000_000_u64));
    set.set(Point::int(Metric::MemoryUsage, 7));
    set.qualified.push(Qualified {
        by: "nvidia.com/gpu".into(),
        point: Point::int(Metric::ResourceRequest, 1),
    });
    let request = request(vec![set]);
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let [cpu, memory, gpu] = metrics.as_slice() else {
        panic!("{metrics:?}");
    };
    let sum = cpu.sum.as_ref().unwrap();
    assert!(sum.is_monotonic && sum.aggregation_temporality == 2 && cpu.gauge.is_none());
    let point = &sum.data_points[0];
    assert_eq!((point.as_double, cpu.unit.as_str()), (Some(2.5), "s"));
    assert_eq!(point.start_time_unix_nano, 1_500_000_000);
    let gauge = &memory.gauge.as_ref().unwrap().data_points[0];
    assert_eq!((gauge.as_int, gauge.start_time_unix_nano), (Some(7), 0));
    assert_eq!(gpu.name, "heapster.resource.request");
    let gpu = &gpu.gauge.as_ref().unwrap().data_points[0];
    assert_eq!(pairs(&gpu.attributes), [("resource", "nvidia.com/gpu")]);
}

#[test]
fn an_answer_is_read_as_far_as_it_is_one() {
    let answer = |points| ExportResponse {
        partial_success: Some(PartialSuccess {
            rejected_data_points: points,
            error_message: "why".to_owned(),
        }),
    };
    assert_eq!(rejected(b""), Ok(None));
    assert_eq!(rejected(&answer(0).encode_to_vec()), Ok(None));
    let some = Ok(Some((3, "why".to_owned())));
    assert_eq!(rejected(&answer(3).encode_to_vec()), some);
    assert_eq!(rejected(&answer(-3).encode_to_vec()), Ok(None));
    for answer in [b"{}".as_slice(), b"<html>", b"\x0a\x09x", b"\x08\x01"] {
        assert!(rejected(answer).is_err(), "{answer:?}");
    }
}

#[tokio::test]
async fn a_collector_says_what_it_rejects() {
    let (listener, address) = listener().await;
    let tries = AtomicUsize::new(0);
    let seen = serve(listener, move |asked| {
        assert_eq!(asked.line, "POST /v1/metrics");
        assert_eq!(asked.header("content-type"), "application/x-protobuf");
        assert_eq!(asked.header("content-encoding"), "gzip");
        assert_eq!(asked.header("x-key"), "k");
        let mut bytes = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(asked.bytes.as_slice());
        decoder.read_to_end(&mut bytes).unwrap();
        let request = ExportRequest::decode(bytes.as_slice()).unwrap();
        assert_eq!(request.resource_metrics.len(), 1);
        let partial = PartialSuccess {
            rejected_data_points: 1,
            error_message: "no".to_owned(),
        };
        let answer = ExportResponse {
            partial_success: Some(partial),
        };
        match tries.fetch_add(1, Ordering::Relaxed) {
            0 => Act::Answer(503, String::new()),
            1 => Act::Answer(200, String::from_utf8(answer.encode_to_vec()).unwrap()),
            2 => Act::Answer(200, String::new()),
            _ => Act::Answer(400, String::new()),
        }
    });
    let value = format!("otlp:http://{address}?compression=gzip&headers=x-key:k");
    let rig = Rig::new(patient(), &[value]);
    for n in 1..=3 {
        rig.send(batch(n * 60, vec![pod("a", "p", &[])])).await;
    }
    let series = |what: &str| format!("loadline_sink_{what}_total{{sink=\"otlp\"}}");
    until("all are done", || rig.metric(&series("sent")) == 3).await;
    assert_eq!(rig.metric(&series("sent_points")), 7);
    assert_eq!(rig.metric(&series("refused_points")), 5);
    assert_eq!(seen.lock().len(), 4);
    rig.stop().await;
}

#[derive(Clone, PartialEq, Message)]
struct ExportLogs {
    #[prost(message, repeated, tag = "1")]
    resource_logs: Vec<ResourceLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceLogs {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_logs: Vec<ScopeLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeLogs {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    log_records: Vec<LogRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct LogRecord {
    #[prost(fixed64, tag = "1")]
    time_unix_nano: u64,
    #[prost(int32, tag = "2")]
    severity_number: i32,
    #[prost(string, tag = "3")]
    severity_text: String,
    #[prost(message, optional, tag = "5")]
    body: Option<AnyValue>,
    #[prost(message, repeated, tag = "6")]
    attributes: Vec<Attribute>,
    #[prost(fixed64, tag = "11")]
    observed_time_unix_nano: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<NumberOrText>,
}

#[derive(Clone, PartialEq, Message)]
struct NumberOrText {
    #[prost(string, tag = "1")]
    string_value: String,
    #[prost(int64, tag = "3")]
    int_value: i64,
}

/// What the event is about.
const ABOUT: [(&str, &str); 10] = [
    ("k8s.cluster.name", "c"),
    ("k8s.namespace.name", "team-a"),
    ("k8s.node.name", "n1"),
    ("k8s.object.api_version", "v1"),
    ("k8s.object.fieldpath", "spec.containers{web}"),
    ("k8s.object.kind", "Pod"),
    ("k8s.object.name", "web"),
    ("k8s.object.uid", "p-1"),
    ("k8s.pod.name", "web"),
    ("k8s.pod.uid", "p-1"),
];

#[tokio::test]
async fn an_event_is_a_log_record_under_the_names_collectors_use() {
    let (listener, address) = listener().await;
    let seen = serve(listener, |_| Act::Answer(200, String::new()));
    let value = format!("otlp:http://{address}?cluster_name=c");
    let mut rig = EventRig::new(&[value]);
    let odd = Event {
        kind: "Odd".into(),
        ..event()
    };
    rig.settles(vec![event(), odd]).await;
    let asked = seen.lock()[0].clone();
    assert_eq!(asked.line, "POST /v1/logs");
    let request = ExportLogs::decode(asked.bytes.as_slice()).unwrap();
    let [logs, odd] = request.resource_logs.as_slice() else {
        panic!("{request:?}");
    };
    assert_eq!(pairs(&logs.resource.as_ref().unwrap().attributes), ABOUT);
    let record = &logs.scope_logs[0].log_records[0];
    let text = |attribute: &Attribute| {
        let value = attribute.value.clone().unwrap();
        let text = match value.int_value {
            0 => value.string_value,
            number => number.to_string(),
        };
        (attribute.key.clone(), text)
    };
    let attributes: Vec<_> = record.attributes.iter().map(text).collect();
    let expected = [
        ("k8s.event.count", "3"),
        ("k8s.event.component", "kubelet"),
        ("k8s.event.name", "web.1"),
        ("k8s.event.reason", "BackOff"),
        ("k8s.event.start_time", "2026-01-02T03:04:00.000000Z"),
        ("k8s.event.uid", "u-1"),
        ("log.record.uid", "u-1.3"),
    ];
    assert_eq!(
        attributes,
        expected.map(|(k, v)| (k.to_owned(), v.to_owned()))
    );
    assert_eq!(record.time_unix_nano, 1_767_323_045_000_000_000);
    assert_eq!(
        (record.severity_number, &*record.severity_text),
        (13, "Warning")
    );
    assert_eq!(
        record.body.as_ref().unwrap().string_value,
        "<restarting> \"web\""
    );
    let odd = &odd.scope_logs[0].log_records[0];
    assert_eq!((odd.severity_number, &*odd.severity_text), (0, "Odd"));
}
