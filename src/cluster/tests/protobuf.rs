//! The watches against an API server that answers in protobuf, packed and in pieces.

use std::convert::Infallible;
use std::io::Write;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use http::{Request, Response, StatusCode};
use k8s_pb::api::core::v1 as core;
use k8s_pb::apimachinery::pkg::apis::meta::v1 as meta;
use k8s_pb::apimachinery::pkg::runtime::{RawExtension, Unknown};
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prost::Message;

use crate::cluster::pods::{Pods, TARGET};
use crate::cluster::{Connection, Watch, WatchError};
use crate::domain::{Inventory, SystemClock};
use crate::lifecycle::Stop;

const TYPE: &str = "application/vnd.kubernetes.protobuf";

/// Answers each request with the next of these, and stops the watch after the last.
struct Script {
    inventory: Arc<Inventory>,
    asked: Vec<(String, Vec<(String, String)>)>,
    last: Connection,
}

async fn run(answers: Vec<Response<Body>>) -> Script {
    let (sender, stop) = Stop::channel();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    let mut answers = answers.into_iter();
    let answer = move |request: Request<kube::client::Body>| {
        let headers = request.headers().iter();
        let headers =
            headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().into()));
        let uri = request.uri().to_string();
        heard.lock().push((uri, headers.collect()));
        let answer = answers.next().unwrap_or_else(|| {
            sender.stop();
            Response::new(Body::empty())
        });
        std::future::ready(Ok::<_, Infallible>(answer))
    };
    let client = kube::Client::new(tower::service_fn(answer), "default");
    let watch = Watch::new(client, TARGET, Arc::new(SystemClock));
    let inventory = Arc::new(Inventory::new());
    let mut pods = Pods::new(Arc::clone(&inventory), Counter::default());
    watch.run(&mut pods, &stop).await;
    let asked = std::mem::take(&mut *asked.lock());
    Script {
        inventory,
        asked,
        last: watch.status().connection,
    }
}

fn pod(name: &str, version: &str) -> core::Pod {
    core::Pod {
        metadata: Some(meta::ObjectMeta {
            name: Some(name.into()),
            namespace: Some("a".into()),
            uid: Some(format!("uid of {name}")),
            resource_version: Some(version.into()),
            ..Default::default()
        }),
        status: Some(core::PodStatus {
            phase: Some("Running".into()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn enveloped(message: &impl Message) -> Vec<u8> {
    let unknown = Unknown {
        raw: Some(message.encode_to_vec()),
        content_encoding: Some(String::new()),
        content_type: Some(String::new()),
        ..Default::default()
    };
    [b"k8s\0".as_slice(), &unknown.encode_to_vec()].concat()
}

fn list(names: std::ops::Range<u32>, next: &str) -> Vec<u8> {
    enveloped(&core::PodList {
        metadata: Some(meta::ListMeta {
            resource_version: Some("7".into()),
            r#continue: Some(next.into()),
            ..Default::default()
        }),
        items: names.map(|n| pod(&format!("p{n}"), "7")).collect(),
    })
}

fn event(kind: &str, object: &impl Message) -> Vec<u8> {
    let event = meta::WatchEvent {
        r#type: Some(kind.into()),
        object: Some(RawExtension {
            raw: Some(enveloped(object)),
        }),
    };
    let event = event.encode_to_vec();
    let len = u32::try_from(event.len()).unwrap();
    [len.to_be_bytes().as_slice(), &event].concat()
}

fn answer(code: u16, content_type: &str, encoding: Option<&str>, body: &[u8]) -> Response<Body> {
    let pieces: Vec<_> = body.chunks(1000).map(Bytes::copy_from_slice).collect();
    let pieces = stream::iter(pieces.into_iter().map(Ok::<_, Infallible>));
    let mut response = Response::builder()
        .status(code)
        .header("content-type", content_type);
    if let Some(encoding) = encoding {
        response = response.header("content-encoding", encoding);
    }
    response.body(Body::from_stream(pieces)).unwrap()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// Ends as soon as it is open.
fn empty_watch() -> Response<Body> {
    answer(200, &format!("{TYPE};stream=watch"), None, b"")
}

#[tokio::test(start_paused = true)]
async fn protobuf_is_asked_for_and_read_in_pages_and_events() {
    let status = meta::Status {
        code: Some(410),
        message: Some("too old resource version".into()),
        ..Default::default()
    };
    let watch = [
        event("ADDED", &pod("new", "8")),
        event("SOMETHING", &pod("odd", "8")),
        event("DELETED", &pod("p1", "9")),
        event(
            "BOOKMARK",
            &core::Pod {
                status: None,
                ..pod("", "10")
            },
        ),
    ];
    let script = run(vec![
        answer(200, TYPE, Some("gzip"), &packed(&list(0..2000, "more"))),
        answer(200, TYPE, None, &list(2000..2002, "")),
        answer(200, &format!("{TYPE};stream=watch"), None, &watch.concat()),
        answer(
            200,
            &format!("{TYPE};stream=watch"),
            None,
            &event("ERROR", &status),
        ),
        answer(200, TYPE, None, &list(0..1, "")),
        empty_watch(),
    ])
    .await;
    assert_eq!(script.inventory.pod_count(), 1, "{:?}", script.asked);
    assert_eq!(
        script.inventory.pod("a", "p0").unwrap().uid.as_ref(),
        "uid of p0"
    );
    let parts = [
        (vec!["resourceVersion=0"], vec!["limit="]),
        (vec!["limit=500", "continue=more"], vec!["resourceVersion="]),
        (vec!["watch=true", "resourceVersion=7"], vec![]),
        (vec!["watch=true", "resourceVersion=10"], vec![]),
        (vec!["limit=500"], vec!["resourceVersion=", "continue="]),
    ];
    for ((uri, headers), (with, without)) in script.asked.iter().zip(parts) {
        assert!(with.iter().all(|part| uri.contains(part)), "{uri}");
        assert!(!without.iter().any(|part| uri.contains(part)), "{uri}");
        let header = |name: &str| {
            headers
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, v)| v.as_str())
        };
        let accept = "application/vnd.kubernetes.protobuf,application/json;q=0.9";
        assert_eq!(header("accept"), Some(accept));
        let packed = (!uri.contains("watch=true")).then_some("gzip");
        assert_eq!(header("accept-encoding"), packed);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_events_say_is_known() {
    let events = [
        event("ADDED", &pod("new", "8")),
        event("DELETED", &pod("p1", "9")),
    ];
    let script = run(vec![
        answer(200, TYPE, None, &list(0..3, "")),
        answer(200, &format!("{TYPE};stream=watch"), None, &events.concat()),
    ])
    .await;
    let known: Vec<_> = script
        .inventory
        .pods()
        .iter()
        .map(|p| p.key.to_string())
        .collect();
    assert_eq!(known, ["a/new", "a/p0", "a/p2"]);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_breaks_off_or_is_garbled_empties_nothing() {
    let whole = list(0..2000, "");
    let gzip = packed(&whole);
    let mut flipped = gzip.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x55;
    let not_protobuf = br#"{"metadata":{"resourceVersion":"7"},"items":[]}"#;
    for (encoding, body) in [
        (None, &whole[..whole.len() / 2]),
        (Some("gzip"), &gzip[..gzip.len() / 2]),
        (Some("gzip"), &flipped),
        (Some("gzip"), whole.as_slice()),
        (None, gzip.as_slice()),
        (None, not_protobuf),
        (None, b""),
    ] {
        let gone = answer(410, TYPE, None, b"");
        let script = run(vec![
            answer(200, TYPE, Some("gzip"), &gzip),
            gone,
            answer(200, TYPE, encoding, body),
            answer(500, TYPE, None, b""),
        ])
        .await;
        assert_eq!(script.inventory.pod_count(), 2000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_in_protobuf_is_told_in_its_words() {
    let status = meta::Status {
        code: Some(403),
        message: Some("pods is forbidden".into()),
        ..Default::default()
    };
    let forbidden = StatusCode::FORBIDDEN.as_u16();
    let refused = || answer(forbidden, TYPE, None, &enveloped(&status));
    let script = run(vec![refused(), refused()]).await;
    let Connection::Lost { reason, .. } = script.last else {
        panic!("{:?}", script.last);
    };
    let WatchError::Forbidden { message, .. } = reason else {
        panic!("{reason:?}");
    };
    assert_eq!(message, "pods is forbidden");
    let cached = script
        .asked
        .iter()
        .filter(|(uri, _)| uri.contains("resourceVersion=0"));
    assert_eq!(cached.count(), 3, "nothing was answered yet");
}

#[tokio::test(start_paused = true)]
async fn the_type_of_the_answer_decides() {
    let json = br#"{"metadata":{"resourceVersion":"7"},"items":[{"metadata":
        {"name":"p0","namespace":"a","uid":"u"},"status":{"phase":"Running"}}]}"#;
    let script = run(vec![
        answer(200, "application/json", Some("gzip"), &packed(json)),
        answer(
            200,
            &format!("{TYPE};stream=watch"),
            None,
            &event("ADDED", &pod("new", "8")),
        ),
    ])
    .await;
    assert_eq!(script.inventory.pod_count(), 2);
}
