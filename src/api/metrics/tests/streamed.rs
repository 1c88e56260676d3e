//! Lists that come piece by piece.

use std::io::Read;

use flate2::read::GzDecoder;
use futures_util::FutureExt;

use super::*;
use crate::api::metrics::room::{Way, way};
use crate::api::metrics::shape::Shape;
use crate::api::metrics::streamed::{self, Asked};
use crate::apimachinery::{
    IncludeObject, Later, ListOptions, MediaType, MetaVersion, Piece, Query, Stream,
};
use crate::domain::Bytes as Amount;
use crate::lifecycle::MemoryLimit;

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
/// What a test process takes in any case, so that nothing is left.
const NOTHING_LEFT: Option<MemoryLimit> = Some(MemoryLimit::new(Amount::new(16 << 20)));

/// Pods in three namespaces, each a bit different from the others.
fn many(pods: usize) -> Vec<PodView> {
    let pod_of = |n: usize| {
        let text = format!("<{n}> & \"ü\"\u{2028}");
        let name = format!("pod-{n}");
        let record = pod_record(
            ["a", "b", "c"][n % 3],
            &name,
            "n1",
            &[
                ("n", &*name),
                ("odd", if n.is_multiple_of(2) { "" } else { &text }),
            ],
        );
        let swap = (n % 500 == 499).then(|| Amount::new(n as u64));
        let usage = Usage {
            swap,
            ..usage(n as u64, 100 + n as u64)
        };
        let containers = [("c", usage), ("d", usage), ("e", usage)];
        let mut pod = pod(record, &containers[..1 + n % 3]);
        pod.versions.changed = 7 + n as u64 % 2;
        pod
    };
    (0..pods).map(pod_of).collect()
}

/// As JSON the pods are a long list, and the nodes a short one.
fn served() -> Served {
    of_size(3000)
}

fn of_size(pods: usize) -> Served {
    let nodes = (0..800).map(|n| node(&format!("n{n}"), &[], usage(n, 1)));
    Served::new(seen(9, nodes.collect(), many(pods)))
}

fn begin<T: Watched>(served: &Served, asked: Asked) -> Stream {
    at_once(asked_for::<T>(served, asked, 0)).unwrap()
}

/// Asks for a list of a view of so many entries.
fn asked_for<T: Watched>(served: &Served, asked: Asked, entries: usize) -> Later {
    let Reply::Later(later) = streamed::begin::<T>(&served.api.sources, asked, entries) else {
        panic!("no list in pieces");
    };
    later
}

/// The stream, if there is room for it.
pub(super) fn at_once(later: Later) -> Option<Stream> {
    let Reply::Stream(stream) = Box::pin(later.answer()).now_or_never()? else {
        panic!("no list in pieces");
    };
    Some(stream)
}

fn piece(stream: &mut Stream) -> Option<Bytes> {
    match stream.pieces.next() {
        Piece::Bytes(piece) => Some(piece),
        Piece::End => None,
        Piece::Later => panic!("nothing to wait for"),
    }
}

pub(super) fn rest(stream: &mut Stream) -> Vec<u8> {
    std::iter::from_fn(|| piece(stream)).flatten().collect()
}

fn unpacked(gzip: &[u8]) -> Vec<u8> {
    let mut decoder = GzDecoder::new(gzip);
    let mut plain = Vec::new();
    decoder.read_to_end(&mut plain).unwrap();
    assert!(decoder.into_inner().is_empty());
    plain
}

fn is_streamed_as_it_is<T: Watched>(served: &Served, namespace: Option<&str>, query: &str) {
    let options = ListOptions::from_query(&Query::parse(Some(query)), T::RESOURCE.field_selectors);
    let options = options.unwrap();
    let version = MetaVersion::V1beta1;
    let table = |include| Shape::Table {
        version,
        include,
        swap: false,
    };
    let text = [
        (MediaType::Json, false),
        (MediaType::Json, true),
        (MediaType::Yaml, false),
    ];
    let mut forms = vec![
        (Shape::List, MediaType::Protobuf, false),
        (Shape::Metadata(version), MediaType::Protobuf, false),
    ];
    for (media_type, pretty) in text {
        forms.extend([
            (Shape::List, media_type, pretty),
            (Shape::Metadata(version), media_type, pretty),
            (table(IncludeObject::None), media_type, pretty),
            (table(IncludeObject::Metadata), media_type, pretty),
            (table(IncludeObject::Object), media_type, pretty),
        ]);
    }
    for (shape, media_type, pretty) in forms {
        let asked = |gzip| Asked {
            namespace: namespace.map(str::to_owned),
            options: options.clone(),
            api_version: "metrics.k8s.io/v1".to_owned(),
            shape,
            media_type,
            pretty,
            gzip,
        };
        let snapshot = served.api.sources.snapshots.showing::<T>(namespace);
        let whole = asked(false).whole(&snapshot);
        let what = format!("{shape:?} {media_type:?} {pretty} {namespace:?} {query}");
        let streamed = rest(&mut begin::<T>(served, asked(false)));
        assert!(streamed == whole, "{what}");
        let packed = rest(&mut begin::<T>(served, asked(true)));
        assert!(unpacked(&packed) == whole, "{what}, packed");
    }
}

#[test]
fn a_streamed_list_is_byte_for_byte_the_whole_one() {
    let served = of_size(600);
    is_streamed_as_it_is::<NodeView>(&served, None, "");
    is_streamed_as_it_is::<PodView>(&served, None, "");
    is_streamed_as_it_is::<PodView>(&served, Some("b"), "");
    is_streamed_as_it_is::<PodView>(&served, None, "labelSelector=odd%3D");
    is_streamed_as_it_is::<PodView>(&served, Some("a"), "labelSelector=n+in+(pod-0,pod-499)");
    is_streamed_as_it_is::<PodView>(&served, None, "fieldSelector=metadata.name%3Dpod-599");
    // Of what there was when it was asked for nothing may be left when there is room.
    is_streamed_as_it_is::<PodView>(&served, None, "labelSelector=none%3D");
    is_streamed_as_it_is::<PodView>(&served, Some("none"), "");
}

#[test]
fn a_list_is_streamed_when_it_is_long_and_not_shared_or_memory_is_short() {
    let stream = |served: &Served, tail: &str, headers: &[(&str, &str)]| {
        let uri = format!("/apis/metrics.k8s.io/v1/{tail}");
        let parts = parts("GET", &uri, headers);
        let info = RequestInfo::new(&parts.method, parts.uri.path(), parts.uri.query()).unwrap();
        match served.api.respond(&info, &parts)? {
            Reply::Later(later) => at_once(later),
            Reply::Whole(response) => {
                assert_eq!(response.status(), 200, "{tail}");
                None
            }
            other => panic!("{other:?}"),
        }
    };
    let roomy = served();
    let mut short = served();
    short.api = short.api.with_memory_limit(NOTHING_LEFT);
    for accept in ["", PROTOBUF] {
        let accept = [("accept", accept)];
        assert!(stream(&roomy, "pods", &accept).is_none());
        let mut streamed = stream(&short, "pods", &accept).unwrap();
        assert!(!streamed.open_ended && streamed.lasts == Duration::from_secs(60));
        let whole = roomy.call("GET", "/apis/metrics.k8s.io/v1/pods", &accept);
        assert_eq!(streamed.head.headers(), whole.headers());
        assert!(rest(&mut streamed) == *whole.body());
    }
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    for (tail, accept) in [
        ("pods?pretty=1", ""),
        ("pods", "application/yaml"),
        ("pods", table),
        ("pods?labelSelector=n", ""),
    ] {
        assert!(
            stream(&roomy, tail, &[("accept", accept)]).is_some(),
            "{tail}"
        );
    }
    let two = "pods?labelSelector=n+in+(pod-1,pod-2)";
    for tail in [
        "nodes?fieldSelector=metadata.name%3Dn1",
        "nodes?pretty=1",
        two,
    ] {
        assert!(stream(&short, tail, &[]).is_none(), "{tail} is not long");
    }
    let gzip = [("accept-encoding", "gzip")];
    let mut packed = stream(&short, "pods", &gzip).unwrap();
    assert_eq!(packed.head.headers()["content-encoding"], "gzip");
    assert_eq!(packed.head.headers()["vary"], "Accept-Encoding");
    let whole = roomy.text("pods", "").replace("io/v1beta1", "io/v1");
    assert!(unpacked(&rest(&mut packed)) == whole.as_bytes());
}

#[test]
fn a_long_list_is_whole_only_where_it_is_shared_and_there_is_memory() {
    let bytes = 256 << 10;
    assert_eq!(way(bytes / 300, 300, false), Way::Whole);
    assert_eq!(way(bytes / 300 + 1, 300, false), Way::Streamed);
    let within = |items, least| {
        let Way::WholeWithin(bytes) = way(items, least, true) else {
            panic!("whatever it takes");
        };
        bytes.get() >> 20
    };
    // 150,000 pods of two containers are 60 MB of JSON.
    assert_eq!((within(150_000, 300), within(150_000, 200)), (171, 114));
}

#[test]
fn what_is_made_for_others_already_needs_no_memory() {
    let mut served = served();
    let whole = served.text("pods", "");
    served.api.sources.spare = Spare::below(NOTHING_LEFT);
    assert_eq!(served.text("pods", ""), whole);
    served.clock.pass(Duration::from_secs(2));
    let view = View::new(10, served.clock.now(), many(3000));
    served.view.lock().pods = Arc::new(view);
    let parts = parts("GET", "/apis/metrics.k8s.io/v1beta1/pods", &[]);
    let info = RequestInfo::new(&parts.method, parts.uri.path(), None).unwrap();
    let reply = served.api.respond(&info, &parts);
    assert!(matches!(reply, Some(Reply::Later(_))));
}

fn everything(gzip: bool) -> Asked {
    Asked {
        namespace: None,
        options: ListOptions::default(),
        api_version: "metrics.k8s.io/v1".to_owned(),
        shape: Shape::List,
        media_type: MediaType::Json,
        pretty: false,
        gzip,
    }
}

#[test]
fn a_list_is_of_the_instant_it_begins_in_and_made_as_it_is_read() {
    let served = served();
    let snapshot = served.api.sources.snapshots.current::<PodView>();
    let whole = everything(false).whole(&snapshot);
    let watched = Arc::downgrade(&snapshot);
    drop(snapshot);
    let mut stream = begin::<PodView>(&served, everything(false));
    let mut read = Vec::new();
    let first = piece(&mut stream).unwrap();
    assert!(
        (64 << 10..80 << 10).contains(&first.len()),
        "{}",
        first.len()
    );
    read.extend_from_slice(&first);
    served.clock.pass(Duration::from_secs(60));
    served.view.lock().pods = Arc::new(View::new(10, served.clock.now(), vec![]));
    assert!(served.names("pods").is_empty());
    while let Some(next) = piece(&mut stream) {
        assert!(next.len() < 80 << 10, "{}", next.len());
        read.extend_from_slice(&next);
    }
    assert!(read == whole);
    // Nobody keeps the instant any more.
    assert!(watched.upgrade().is_none());
}

#[test]
fn lists_that_are_not_read_have_a_room_together_and_others_wait_in_line() {
    let mut served = served();
    served.api = served.api.with_memory_limit(NOTHING_LEFT);
    let ask = || asked_for::<PodView>(&served, everything(true), 1500);
    // An eighth of the limit is 2048 KiB, and each takes 256 + 1500/4 of them.
    let mut read: Vec<_> = (0..3).map(|_| at_once(ask()).unwrap()).collect();
    let mut waiting = Box::pin(ask().answer());
    assert!((&mut waiting).now_or_never().is_none());
    assert!(!rest(&mut read[0]).is_empty());
    assert!((&mut waiting).now_or_never().is_none());
    read.truncate(2);
    assert!(waiting.now_or_never().is_some());
}

#[test]
fn two_lists_find_room_however_long_they_are() {
    let served = served();
    let ask = || at_once(asked_for::<PodView>(&served, everything(false), 10_000_000));
    let read = [ask(), ask()];
    assert!(read.iter().all(Option::is_some));
    assert!(ask().is_none());
}
