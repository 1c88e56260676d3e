//! Remote write's messages by their published definitions, and a server that takes nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use prost::Message;

use super::receivers::{Act, Asked, listener, serve};
use super::working::{Rig, patient, until};
use super::{batch, cluster, pod};

/// `prometheus.WriteRequest` of `prompb/remote.proto`.
#[derive(Clone, PartialEq, Message)]
pub(in crate::sinks) struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    pub timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::sinks) struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::sinks) struct Label {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::sinks) struct Sample {
    #[prost(double, tag = "1")]
    pub value: f64,
    #[prost(int64, tag = "2")]
    pub timestamp: i64,
}

/// `io.prometheus.write.v2.Request`.
#[derive(Clone, PartialEq, Message)]
pub(in crate::sinks) struct Request {
    #[prost(string, repeated, tag = "4")]
    pub symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    pub timeseries: Vec<TimeSeries2>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::sinks) struct TimeSeries2 {
    #[prost(uint32, repeated, tag = "1")]
    pub labels_refs: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
    #[prost(message, optional, tag = "5")]
    pub metadata: Option<Metadata>,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::sinks) struct Metadata {
    #[prost(int32, tag = "1")]
    pub kind: i32,
    #[prost(uint32, tag = "3")]
    pub help_ref: u32,
    #[prost(uint32, tag = "4")]
    pub unit_ref: u32,
}

/// What is written to a server of 1.0, by name and timestamp.
type Written = Arc<Mutex<Vec<(String, i64)>>>;

fn unpacked(asked: &Asked) -> Vec<u8> {
    assert_eq!(asked.header("content-encoding"), "snappy");
    assert!(asked.header("user-agent").starts_with("loadline/"));
    let bytes = snap::raw::Decoder::new().decompress_vec(&asked.bytes);
    bytes.unwrap()
}

/// Takes 1.0 as Prometheus does: labels sorted, no two equal, none empty.
fn take_one(asked: &Asked, written: &Written) {
    assert_eq!(asked.line, "POST /api/v1/write");
    assert_eq!(asked.header("content-type"), "application/x-protobuf");
    assert_eq!(asked.header("x-prometheus-remote-write-version"), "0.1.0");
    let request = WriteRequest::decode(unpacked(asked).as_slice()).unwrap();
    for series in request.timeseries {
        let names: Vec<&str> = series.labels.iter().map(|l| l.name.as_str()).collect();
        assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{names:?}");
        assert!(series.labels.iter().all(|label| !label.value.is_empty()));
        let name = series.labels.iter().find(|l| l.name == "__name__").unwrap();
        let [sample] = series.samples.as_slice() else {
            panic!("{:?}", series.samples);
        };
        written.lock().push((name.value.clone(), sample.timestamp));
    }
}

fn series(what: &str) -> String {
    format!("loadline_sink_{what}_total{{sink=\"prometheus\"}}")
}

#[tokio::test]
async fn points_are_written_in_pieces_and_each_once() {
    let (listener, address) = listener().await;
    let (written, requests) = (Written::default(), AtomicUsize::new(0));
    let kept = Arc::clone(&written);
    let seen = serve(listener, move |asked| {
        if requests.fetch_add(1, Ordering::Relaxed) == 1 {
            return Act::Answer(429, "slowly".to_owned());
        }
        take_one(asked, &kept);
        Act::Answer(204, String::new())
    });
    let rig = Rig::new(
        patient(),
        &[format!("prometheus:http://{address}?batchSize=3")],
    );
    rig.send(batch(60, vec![pod("a", "p", &[]), cluster()]))
        .await;
    until("all came", || rig.metric(&series("sent_points")) == 5).await;
    assert_eq!(seen.lock().len(), 3);
    let names: Vec<(String, i64)> = written.lock().clone();
    let name = |name: &str| (format!("heapster_{name}"), 60_000);
    assert_eq!(
        names,
        [
            name("cpu_usage_rate_cores"),
            name("memory_page_faults_per_second"),
            name("filesystem_usage_bytes"),
            name("filesystem_usage_bytes"),
            name("cpu_usage_rate_cores"),
        ]
    );
    rig.stop().await;
}

#[tokio::test]
async fn points_a_server_will_never_take_are_not_sent_again() {
    let (listener, address) = listener().await;
    let seen = serve(listener, |_| {
        Act::Answer(400, "out of order sample".to_owned())
    });
    let rig = Rig::new(patient(), &[format!("prometheus:http://{address}")]);
    rig.send(batch(60, vec![pod("a", "p", &[])])).await;
    until("it is done", || rig.metric(&series("sent")) == 1).await;
    assert_eq!(rig.metric(&series("refused_points")), 4);
    assert_eq!((rig.metric(&series("retried")), seen.lock().len()), (0, 1));
    rig.stop().await;
}

#[tokio::test]
async fn a_server_is_told_who_we_are_and_for_whom() {
    for (options, user, authorization) in [
        ("?token=t&tenant=team-a", "", "Bearer t"),
        ("?tenant=team-a", "me:pw@", "Basic bWU6cHc="),
    ] {
        let (listener, address) = listener().await;
        let wrong = AtomicUsize::new(0);
        let seen = serve(listener, move |asked| {
            assert_eq!(asked.authorization, authorization);
            assert_eq!(asked.line, "POST /push");
            assert_eq!(asked.header("x-scope-orgid"), "team-a");
            match wrong.fetch_add(1, Ordering::Relaxed) {
                0 => Act::Answer(401, String::new()),
                1 => Act::Answer(403, String::new()),
                2 => Act::Answer(404, String::new()),
                _ => Act::Answer(200, String::new()),
            }
        });
        let value = format!("prometheus:http://{user}{address}/push{options}");
        let rig = Rig::new(patient(), &[value]);
        rig.send(batch(60, vec![cluster()])).await;
        until("it came", || rig.metric(&series("sent_points")) == 1).await;
        assert_eq!((rig.metric(&series("retried")), seen.lock().len()), (3, 4));
        rig.stop().await;
    }
}

#[tokio::test]
async fn a_server_that_does_not_speak_version_two_is_not_taken_to_have_written() {
    let (listener, address) = listener().await;
    let tries = AtomicUsize::new(0);
    let seen = serve(listener, move |asked| {
        let content_type = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
        assert_eq!(asked.header("content-type"), content_type);
        assert_eq!(asked.header("x-prometheus-remote-write-version"), "2.0.0");
        let request = Request::decode(unpacked(asked).as_slice()).unwrap();
        assert_eq!(
            (request.timeseries.len(), request.symbols[0].as_str()),
            (4, "")
        );
        let written = "x-prometheus-remote-write-samples-written: 3";
        match tries.fetch_add(1, Ordering::Relaxed) {
            0 => Act::Answer(204, String::new()),
            1 => Act::Answer(415, String::new()),
            _ => Act::AnswerWith(200, written.to_owned(), String::new()),
        }
    });
    let rig = Rig::new(
        patient(),
        &[format!("prometheus:http://{address}?version=2")],
    );
    rig.send(batch(60, vec![pod("a", "p", &[])])).await;
    until("it is done", || rig.metric(&series("sent")) == 1).await;
    assert_eq!(seen.lock().len(), 3);
    assert_eq!(rig.metric(&series("sent_points")), 3);
    assert_eq!(rig.metric(&series("refused_points")), 1);
    rig.stop().await;
}
