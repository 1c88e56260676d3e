use std::time::Duration;

use http::Request;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::*;
use crate::apimachinery::Piece;
use crate::coverage::Sources;
use crate::domain::{Inventory, Labels, NodeName, NodeRecord, SystemClock, Timestamp};
use crate::scrape::ScrapeHealth;
use crate::telemetry::Registry;

/// Coverage of nodes nobody has asked yet; those called `out…` are left out.
pub(in crate::api) fn of(inventory: Arc<Inventory>, clock: Arc<dyn Clock>) -> Arc<Coverage> {
    let sources = Sources {
        inventory,
        health: ScrapeHealth::new(Arc::clone(&clock), Duration::from_secs(15)),
        sample: Arc::new(|_| None),
        selects: Arc::new(|node| !node.name.as_str().starts_with("out")),
    };
    Coverage::new(sources, clock, &mut Registry::default())
}

/// A clock that is turned by hand.
#[derive(Debug)]
struct Turned(Mutex<Duration>);

impl Clock for Turned {
    fn now(&self) -> Timestamp {
        let millis = i64::try_from(self.0.lock().as_millis()).unwrap();
        Timestamp::from_millis(1_767_323_045_000 + millis)
    }

    fn monotonic(&self) -> std::time::Instant {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        *START.get_or_init(|| SystemClock.monotonic()) + *self.0.lock()
    }
}

struct Bench {
    api: CoverageApi,
    inventory: Arc<Inventory>,
    clock: Arc<Turned>,
}

fn node(name: &str) -> NodeRecord {
    NodeRecord {
        labels: [("zone", "a")].into_iter().collect::<Labels>(),
        ready: true,
        ..NodeRecord::new(NodeName::new(name).unwrap())
    }
}

impl Bench {
    fn new(nodes: &[&str]) -> Self {
        let inventory = Arc::new(Inventory::new());
        inventory.replace_nodes(nodes.iter().map(|name| node(name)));
        let clock = Arc::new(Turned(Mutex::default()));
        let dynamic: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
        let coverage = of(Arc::clone(&inventory), Arc::clone(&dynamic));
        Self {
            api: CoverageApi::new(coverage, dynamic),
            inventory,
            clock,
        }
    }

    fn ask(&self, uri: &str, accept: &str) -> Reply {
        let request = Request::get(format!("/apis/loadline.io/v1alpha1/{uri}"));
        let request = request.header("accept", accept).body(()).unwrap();
        let parts = request.into_parts().0;
        let query = parts.uri.query();
        let info = RequestInfo::new(&parts.method, parts.uri.path(), query).unwrap();
        self.api.respond(&info, &parts).unwrap()
    }

    fn get(&self, uri: &str, accept: &str) -> (u16, Value) {
        match self.ask(uri, accept) {
            Reply::Whole(response) => {
                let body = serde_json::from_slice(response.body()).unwrap_or_default();
                (response.status().as_u16(), body)
            }
            other @ (Reply::Stream(_) | Reply::Later(_)) => panic!("{other:?}"),
        }
    }

    fn watch(&self, uri: &str, accept: &str) -> Box<dyn crate::apimachinery::Pieces> {
        match self.ask(uri, accept) {
            Reply::Stream(stream) => stream.pieces,
            other @ (Reply::Whole(_) | Reply::Later(_)) => panic!("{other:?}"),
        }
    }

    fn turn(&self) {
        *self.clock.0.lock() += Duration::from_secs(2);
    }
}

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

#[test]
fn a_list_has_every_node_with_its_state() {
    let bench = Bench::new(&["a", "out"]);
    let (status, list) = bench.get("nodecoverages", "application/json");
    assert_eq!(status, 200);
    assert_eq!(list["kind"], "NodeCoverageList");
    let items = list["items"].as_array().unwrap();
    let states: Vec<_> = items
        .iter()
        .map(|item| (&item["metadata"]["name"], &item["status"]["state"]))
        .collect();
    assert_eq!(
        json!(states),
        json!([["a", "Pending"], ["out", "Excluded"]])
    );
    assert_eq!(items[1]["status"]["cause"], "selector");
    assert_eq!(items[0]["metadata"]["labels"], json!({ "zone": "a" }));
    let (_, one) = bench.get("nodecoverages/out", "application/json");
    assert_eq!(one["kind"], "NodeCoverage");
    assert_eq!(one["apiVersion"], "loadline.io/v1alpha1");
    assert_eq!(one["status"], items[1]["status"]);
}

#[test]
fn kubectl_gets_columns() {
    let bench = Bench::new(&["a", "out"]);
    let (_, table) = bench.get("nodecoverages", TABLE);
    let columns = table["columnDefinitions"].as_array().unwrap();
    let shown = columns.iter().filter(|column| column["priority"] == 0);
    let shown: Vec<_> = shown.map(|column| &column["name"]).collect();
    assert_eq!(
        json!(shown),
        json!(["Name", "State", "Age", "Since", "Cause"])
    );
    let cells = &table["rows"][1]["cells"];
    let first = json!(["out", "Excluded", "<none>", "<none>", "selector"]);
    assert_eq!(json!(cells.as_array().unwrap()[..5]), first);
}

#[test]
fn selectors_choose() {
    let bench = Bench::new(&["a", "b", "out"]);
    for (query, count) in [
        ("fieldSelector=metadata.name%3Da", 1),
        ("fieldSelector=status.state%3DExcluded", 1),
        ("fieldSelector=status.state%21%3DExcluded", 2),
        ("labelSelector=zone%3Da", 3),
        ("labelSelector=zone%3Db", 0),
    ] {
        let (_, list) = bench.get(&format!("nodecoverages?{query}"), "application/json");
        assert_eq!(list["items"].as_array().unwrap().len(), count, "{query}");
    }
}

#[test]
fn what_there_is_not_is_refused() {
    let bench = Bench::new(&["a"]);
    let protobuf = "application/vnd.kubernetes.protobuf";
    let json = "application/json";
    for (uri, accept, code) in [
        ("nodecoverages", protobuf, 406),
        ("nodecoverages/nobody", json, 404),
        ("others", json, 404),
        ("nodecoverages?fieldSelector=spec.x%3Da", json, 400),
        ("nodecoverages?watch=1", "application/yaml", 406),
        ("nodecoverages?watch=1&resourceVersion=x", json, 422),
    ] {
        let (status, _) = bench.get(uri, accept);
        assert_eq!(status, code, "{uri} as {accept}");
    }
    for (uri, accept, kinds) in [
        (
            "nodecoverages",
            protobuf,
            "application/json, application/yaml",
        ),
        (
            "nodecoverages",
            "text/html",
            "application/json, application/yaml",
        ),
        (
            "nodecoverages?watch=1",
            "application/yaml",
            "application/json;stream=watch",
        ),
    ] {
        let (_, status) = bench.get(uri, accept);
        let told = format!("only the following media types are accepted: {kinds}");
        assert_eq!(status["message"], told, "{uri} as {accept}");
    }
    let both = format!("{protobuf},{json}");
    assert_eq!(bench.get("nodecoverages", &both).0, 200);
}

fn events(piece: Piece) -> Vec<(String, String)> {
    let Piece::Bytes(bytes) = piece else {
        return Vec::new();
    };
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    text.lines()
        .map(|line| {
            let event: Value = serde_json::from_str(line).unwrap();
            let object = &event["object"];
            let object = object.pointer("/rows/0/object").unwrap_or(object);
            let name = &object["metadata"]["name"];
            let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (word(&event["type"]), word(name))
        })
        .collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
    pairs.iter().map(owned).collect()
}

#[test]
fn a_watch_tells_what_changes_after_the_list() {
    for accept in ["application/json", TABLE] {
        let bench = Bench::new(&["a", "b"]);
        let (_, list) = bench.get("nodecoverages", "application/json");
        let version = list["metadata"]["resourceVersion"].as_str().unwrap();
        let uri = format!("nodecoverages?watch=true&resourceVersion={version}");
        let mut watch = bench.watch(&uri, accept);
        assert!(matches!(watch.next(), Piece::Later));
        bench.inventory.apply_node(node("c"));
        bench.turn();
        assert_eq!(events(watch.next()), pairs(&[("ADDED", "c")]));
        bench.inventory.remove_node(&NodeName::new("a").unwrap());
        let relabelled = NodeRecord {
            labels: Labels::default(),
            ..node("b")
        };
        bench.inventory.apply_node(relabelled);
        bench.turn();
        let expected = pairs(&[("DELETED", "a"), ("MODIFIED", "b")]);
        assert_eq!(events(watch.next()), expected);
        assert!(matches!(watch.next(), Piece::Later));
        // Whoever lists now and whoever kept the old list go on alike.
        let mut late = bench.watch(&uri, accept);
        let all = pairs(&[("DELETED", "a"), ("MODIFIED", "b"), ("ADDED", "c")]);
        assert_eq!(events(late.next()), all);
    }
}

#[test]
fn a_watch_without_a_list_begins_with_all() {
    let bench = Bench::new(&["a", "b"]);
    let mut watch = bench.watch("nodecoverages?watch=true", "application/json");
    let all = pairs(&[("ADDED", "a"), ("ADDED", "b")]);
    assert_eq!(events(watch.next()), all);
    let query = "watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    let mut watch = bench.watch(&format!("nodecoverages?{query}"), "application/json");
    let told = events(watch.next());
    assert_eq!(told.last().unwrap().0, "BOOKMARK");
}

#[test]
fn a_version_nobody_knows_any_more_is_expired() {
    let bench = Bench::new(&["a"]);
    let uri = "nodecoverages?watch=true&resourceVersion=7";
    let mut watch = bench.watch(uri, "application/json");
    assert_eq!(events(watch.next())[0].0, "ERROR");
    assert!(matches!(watch.next(), Piece::End));
}
