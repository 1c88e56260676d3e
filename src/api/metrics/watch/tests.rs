//! What a client makes of the events it is sent.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::api::metrics::item::Item;
use crate::api::metrics::tests::{Cluster, HandClock, pod, pod_record, seen, usage};
use crate::apimachinery::{MediaType, Query, Transform};
use crate::live::PodView;
use crate::telemetry::Registry;

/// A cluster of pods that a test changes, and watches of it.
struct World {
    view: Cluster,
    pods: BTreeMap<&'static str, (&'static str, u64)>,
    sources: Sources,
    clock: Arc<HandClock>,
    _commits: watch::Sender<u64>,
}

/// A client that replays what it is told.
struct Client {
    query: String,
    piece: usize,
    watch: Watch<PodView>,
    known: BTreeMap<String, Value>,
    version: String,
    /// It was told all there was at the beginning.
    synced: bool,
}

impl World {
    fn new() -> Self {
        let view = Arc::new(Mutex::new(seen(1000, vec![], vec![])));
        let clock = Arc::new(HandClock::new());
        let source = Arc::clone(&view);
        let time = Arc::clone(&clock) as Arc<dyn Clock>;
        let (sender, commits) = watch::channel(0);
        let sources = Sources {
            snapshots: Arc::new(Snapshots::new(source, Arc::clone(&time))),
            commits,
            freshness: Freshness::register(&mut Registry::default(), Arc::clone(&time)),
            spare: Spare::default(),
            streaming: Streaming::within(None),
            shortest: Duration::from_secs(1800),
            clock: time,
        };
        Self {
            view,
            pods: BTreeMap::new(),
            sources,
            clock,
            _commits: sender,
        }
    }

    fn set(&mut self, name: &'static str, app: &'static str, millicores: u64) {
        self.pods.insert(name, (app, millicores));
        self.publish();
    }

    fn remove(&mut self, name: &str) {
        self.pods.remove(name);
        self.publish();
    }

    fn publish(&self) {
        let pods = self.pods.iter().map(|(name, (app, millicores))| {
            let record = pod_record("a", name, "n1", &[("app", app)]);
            pod(record, &[("c", usage(*millicores, 1))])
        });
        let mut view = self.view.lock();
        let next = view.pods.then(pods.collect(), self.clock.now());
        view.pods = Arc::new(next);
        self.clock.pass(Duration::from_secs(1));
    }

    fn version(&self) -> u64 {
        self.view.lock().pods.version()
    }

    fn watch(&self, query: &str) -> Result<Watch<PodView>, Status> {
        self.watch_as(query, MediaType::Json, Transform::None)
    }

    fn watch_as(
        &self,
        query: &str,
        media_type: MediaType,
        transform: Transform,
    ) -> Result<Watch<PodView>, Status> {
        let query = Query::parse(Some(query));
        let options = ListOptions::from_query(&query, PodView::RESOURCE.field_selectors)?;
        let form = Form::new::<PodView>(media_type, transform, "metrics.k8s.io/v1", &query)?;
        let sources = self.sources.clone();
        Watch::new(sources, form, None, options, Duration::from_secs(3600))
    }

    fn client(&self, selector: &str, piece: usize) -> Client {
        let query = format!("watch=1&allowWatchBookmarks=1&labelSelector={selector}");
        let mut watch = self.watch(&query).unwrap();
        watch.piece = piece;
        Client {
            query,
            piece,
            watch,
            known: BTreeMap::new(),
            version: String::new(),
            synced: false,
        }
    }

    /// What a list with this selector would hold: each name with its labels and its CPU.
    fn list(&self, selector: &str) -> BTreeMap<String, (String, String)> {
        let chosen = |app: &str| match selector {
            "app%3Dweb" => app == "web",
            "app!%3Dweb" => app != "web",
            _ => true,
        };
        let pods = self.pods.iter().filter(|(_, (app, _))| chosen(app));
        pods.map(|(name, (app, millicores))| {
            let cpu = crate::apimachinery::CanonicalQuantity::cpu(crate::domain::Nanocores::new(
                millicores * 1_000_000,
            ));
            ((*name).to_owned(), ((*app).to_owned(), cpu.to_string()))
        })
        .collect()
    }
}

impl Client {
    /// Takes one piece; `false` when there is none.
    fn take(&mut self, world: &World) -> bool {
        let Piece::Bytes(bytes) = self.watch.next() else {
            return false;
        };
        for event in events(&bytes) {
            if event["type"] == "ERROR" {
                assert_eq!(event["object"]["reason"], "Expired");
                self.begin_anew(world);
                return true;
            }
            self.apply(&event);
        }
        true
    }

    fn apply(&mut self, event: &Value) {
        let metadata = &event["object"]["metadata"];
        let version = metadata["resourceVersion"].as_str().unwrap().to_owned();
        if self.synced {
            let [new, old] = [&version, &self.version].map(|v| v.parse::<u64>().unwrap());
            assert!(new >= old, "versions go on: {event}");
        }
        self.version = version;
        let kind = event["type"].as_str().unwrap();
        if kind == "BOOKMARK" {
            self.synced |= !metadata["annotations"].is_null();
            return;
        }
        let name = metadata["name"].as_str().unwrap().to_owned();
        let knew = match kind {
            "DELETED" => self.known.remove(&name).is_some(),
            _ => self.known.insert(name, event["object"].clone()).is_some(),
        };
        assert_eq!(knew, kind != "ADDED", "{event}");
    }

    fn begin_anew(&mut self, world: &World) {
        self.known.clear();
        self.version.clear();
        self.synced = false;
        self.watch = world.watch(&self.query).unwrap();
        self.watch.piece = self.piece;
    }

    /// Loses its connection and goes on from where it was, or from the beginning if it never was
    /// told all.
    fn reconnect(&mut self, world: &World) {
        if !self.synced {
            return self.begin_anew(world);
        }
        let query = format!("{}&resourceVersion={}", self.query, self.version);
        self.watch = world.watch(&query).unwrap();
        self.watch.piece = self.piece;
    }

    fn state(&self) -> BTreeMap<String, (String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let pods = self.known.iter().map(|(name, object)| {
            let app = text(&object["metadata"]["labels"]["app"]);
            let cpu = text(&object["containers"][0]["usage"]["cpu"]);
            (name.clone(), (app, cpu))
        });
        pods.collect()
    }
}

fn events(bytes: &[u8]) -> Vec<Value> {
    let lines = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

/// Everything a watch has to say at the moment.
fn told(watch: &mut Watch<PodView>) -> Vec<Value> {
    let mut all = Vec::new();
    while let Piece::Bytes(bytes) = watch.next() {
        all.extend(events(&bytes));
    }
    all
}

/// Type, name and version of each event.
fn outline(events: &[Value]) -> Vec<(&str, &str, u64)> {
    let outline = events.iter().map(|event| {
        let metadata = &event["object"]["metadata"];
        let version = metadata["resourceVersion"].as_str().unwrap_or("0");
        (
            event["type"].as_str().unwrap(),
            metadata["name"].as_str().unwrap_or_default(),
            version.parse().unwrap(),
        )
    });
    outline.collect()
}

#[derive(Clone, Debug)]
enum Step {
    Set(&'static str, &'static str, u64),
    Remove(&'static str),
    Take(usize),
    Reconnect(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let name = prop::sample::select(vec!["p", "q", "r", "s"]);
    let app = prop::sample::select(vec!["web", "db", "ui"]);
    prop_oneof![
        4 => (name.clone(), app, 0..3_u64).prop_map(|(n, a, c)| Step::Set(n, a, c)),
        2 => name.prop_map(Step::Remove),
        4 => (0..6_usize).prop_map(Step::Take),
        1 => (0..6_usize).prop_map(Step::Reconnect),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_happens_in_between_a_client_ends_with_the_list(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut world = World::new();
        let selectors = ["", "app%3Dweb", "app!%3Dweb"];
        let mut clients: Vec<_> = (0..6)
            .map(|n| world.client(selectors[n % 3], if n < 3 { 1 } else { 900 }))
            .collect();
        for step in steps {
            match step {
                Step::Set(name, app, millicores) => world.set(name, app, millicores),
                Step::Remove(name) => world.remove(name),
                Step::Take(n) => drop(clients[n].take(&world)),
                Step::Reconnect(n) => clients[n].reconnect(&world),
            }
        }
        for (n, client) in clients.iter_mut().enumerate() {
            while client.take(&world) {}
            prop_assert_eq!(client.state(), world.list(selectors[n % 3]));
            prop_assert!(client.synced);
        }
    }
}

#[test]
fn a_watch_from_nowhere_begins_with_all_there_is() {
    let mut world = World::new();
    world.set("p", "web", 1);
    world.set("q", "db", 2);
    let mut watch = world
        .watch("watch=1&fieldSelector=metadata.name%3Dq")
        .unwrap();
    let first = told(&mut watch);
    assert_eq!(outline(&first), [("ADDED", "q", 1002)]);
    assert_eq!(first[0]["object"]["kind"], "PodMetrics");
    assert_eq!(first[0]["object"]["apiVersion"], "metrics.k8s.io/v1");
    world.set("p", "web", 5);
    world.set("q", "db", 5);
    world.remove("q");
    let next = told(&mut watch);
    assert_eq!(outline(&next), [("DELETED", "q", 1005)]);
}

#[test]
fn a_watch_from_a_list_tells_what_came_after_it() {
    let mut world = World::new();
    world.set("p", "web", 1);
    let query = format!("watch=1&resourceVersion={}", world.version());
    let mut watch = world.watch(&query).unwrap();
    assert!(told(&mut watch).is_empty());
    world.set("q", "db", 2);
    world.set("p", "web", 3);
    let events = told(&mut watch);
    let expected = [("ADDED", "q", 1002), ("MODIFIED", "p", 1003)];
    assert_eq!(outline(&events), expected);
    let usage = &events[1]["object"]["containers"][0]["usage"];
    assert_eq!(usage, &json!({"cpu": "3m", "memory": "1Ki"}));
}

#[test]
fn a_watch_from_now_tells_nothing_old() {
    let mut world = World::new();
    world.set("p", "web", 1);
    let query = "watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan";
    let mut watch = world.watch(query).unwrap();
    assert!(told(&mut watch).is_empty());
    world.set("p", "web", 2);
    assert_eq!(outline(&told(&mut watch)), [("MODIFIED", "p", 1002)]);
}

#[test]
fn new_labels_bring_an_object_in_and_take_it_out_as_it_was() {
    let mut world = World::new();
    world.set("p", "web", 1);
    let mut watch = world.watch("watch=1&labelSelector=app%3Dweb").unwrap();
    told(&mut watch);
    world.set("p", "db", 2);
    let out = told(&mut watch);
    assert_eq!(outline(&out), [("DELETED", "p", 1002)]);
    assert_eq!(out[0]["object"]["metadata"]["labels"]["app"], "web");
    world.set("p", "ui", 3);
    assert!(
        told(&mut watch).is_empty(),
        "it was not selected before either"
    );
    world.set("p", "web", 4);
    assert_eq!(outline(&told(&mut watch)), [("ADDED", "p", 1004)]);
}

#[test]
fn what_a_selector_would_have_said_and_is_forgotten_is_expired() {
    let mut world = World::new();
    world.set("p", "web", 1);
    let query = format!("watch=1&resourceVersion={}", world.version());
    let selective = format!("{query}&labelSelector=app%3Dweb");
    let mut watches = [&query, &selective].map(|query| world.watch(query).unwrap());
    world.set("p", "db", 1);
    world.set("p", "ui", 1);
    assert_eq!(outline(&told(&mut watches[0])), [("MODIFIED", "p", 1003)]);
    let events = told(&mut watches[1]);
    assert_eq!(events.len(), 1);
    let message = &events[0]["object"]["message"];
    assert_eq!(message, "too old resource version: 1001 (1002)");
}

#[test]
fn a_version_of_another_process_ends_the_watch_with_410() {
    let mut world = World::new();
    world.set("p", "web", 1);
    for version in ["5", "999", "1002", "18446744073709551615"] {
        let mut watch = world
            .watch(&format!("watch=1&resourceVersion={version}"))
            .unwrap();
        let events = told(&mut watch);
        let expected = json!([{"type": "ERROR", "object": {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": format!("too old resource version: {version} (1000)"),
            "reason": "Expired", "code": 410}}]);
        assert_eq!(Value::from(events), expected);
        assert!(matches!(watch.next(), Piece::End));
    }
}

#[test]
fn the_first_bookmark_ends_what_there_was_and_others_follow_by_the_minute() {
    let mut world = World::new();
    world.set("p", "web", 1);
    let query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    let mut silent = world.watch(query).unwrap();
    assert_eq!(outline(&told(&mut silent)), [("ADDED", "p", 1001)]);
    let mut watch = world
        .watch(&format!("{query}&allowWatchBookmarks=true"))
        .unwrap();
    let first = told(&mut watch);
    assert_eq!(
        outline(&first),
        [("ADDED", "p", 1001), ("BOOKMARK", "", 1001)]
    );
    let annotations = &first[1]["object"]["metadata"]["annotations"];
    assert_eq!(annotations["k8s.io/initial-events-end"], "true");
    let blueprint = &annotations["kubernetes.io/initial-events-list-blueprint"];
    let blueprint = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        blueprint.as_str().unwrap(),
    );
    let list: Value = serde_json::from_slice(&blueprint.unwrap()).unwrap();
    assert_eq!(list["kind"], "PodMetricsList");
    world.clock.pass(Duration::from_secs(59));
    assert!(told(&mut watch).is_empty());
    world.clock.pass(Duration::from_secs(1));
    let later = told(&mut watch);
    let expected = json!([{"type": "BOOKMARK", "object": {
        "kind": "PodMetrics", "apiVersion": "metrics.k8s.io/v1",
        "metadata": {"resourceVersion": "1001"},
        "timestamp": null, "window": "0s", "containers": null}}]);
    assert_eq!(Value::from(later), expected);
    world.clock.pass(Duration::from_secs(120));
    assert!(told(&mut silent).is_empty());
}

#[test]
fn the_last_bookmark_comes_shortly_before_the_end() {
    let world = World::new();
    let start = world.clock.monotonic();
    let after = |seconds| start + Duration::from_secs(seconds);
    let mut bookmarks = Bookmarks::new(start, Duration::from_secs(90));
    let due: Vec<u64> = (0..200).filter(|n| bookmarks.is_due(after(*n))).collect();
    assert_eq!(due, [60, 88, 148]);
}

#[test]
fn only_the_first_event_of_a_table_has_columns() {
    let mut world = World::new();
    world.set("p", "web", 1);
    world.set("q", "web", 1);
    let table = Transform::Table(crate::apimachinery::MetaVersion::V1);
    let query = "watch=1&allowWatchBookmarks=1";
    let mut watch = world.watch_as(query, MediaType::Json, table).unwrap();
    let events = told(&mut watch);
    let columns = |event: &Value| event["object"]["columnDefinitions"].clone();
    assert_eq!(columns(&events[0]).as_array().unwrap().len(), 4);
    assert_eq!(events[0]["object"]["kind"], "Table");
    assert_eq!(events[0]["object"]["metadata"]["resourceVersion"], "1001");
    assert_eq!(
        events[1]["object"]["rows"][0]["cells"],
        json!(["q", "1m", "1Ki", "15s"])
    );
    assert!(columns(&events[1]).is_null());
    let object = &events[2]["object"]["rows"][0]["object"];
    assert_eq!(
        object["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "true"
    );
}

#[test]
fn what_is_no_form_of_a_watch_is_not_acceptable() {
    let world = World::new();
    let meta = crate::apimachinery::MetaVersion::V1;
    for (media_type, transform, message) in [
        (
            MediaType::Yaml,
            Transform::None,
            "only the following media types are accepted: application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch",
        ),
        (
            MediaType::Json,
            Transform::PartialObjectMetadataList(meta),
            "you requested PartialObjectMetadataList, but the requested object is not a list (PodMetrics)",
        ),
    ] {
        let status = world
            .watch_as("watch=1", media_type, transform)
            .err()
            .unwrap();
        assert_eq!((status.code(), status.message()), (406, message));
    }
}

#[test]
fn a_piece_is_bounded_whatever_there_is_to_tell() {
    let mut world = World::new();
    let names: Vec<&'static str> = (0..2000).map(|n| &*format!("p{n:04}").leak()).collect();
    for name in &names {
        world.pods.insert(name, ("web", 1));
    }
    world.publish();
    let mut watch = world.watch("watch=1").unwrap();
    let mut seen = 0;
    for round in 1..3 {
        let mut pieces = 0;
        while let Piece::Bytes(bytes) = watch.next() {
            assert!(bytes.len() < PIECE + 1024);
            pieces += 1;
            seen += events(&bytes).len();
        }
        assert!(pieces > 5, "there is more than fits into one");
        assert_eq!(seen, 2000 * round);
        for (_, millicores) in world.pods.values_mut() {
            *millicores += 1;
        }
        world.publish();
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_wakes_a_watch_at_most_once_a_second_and_nothing_does_after_a_few() {
    let mut world = World::new();
    world.set("p", "web", 1);
    let mut watch = world.watch("watch=1").unwrap();
    let start = tokio::time::Instant::now();
    watch.wait().await;
    assert_eq!(start.elapsed(), IDLE);
    world._commits.send_modify(|n| *n += 1);
    watch.wait().await;
    assert_eq!(start.elapsed(), IDLE + LOOK, "a look was just before");
    watch.wait().await;
    assert_eq!(
        start.elapsed(),
        IDLE + 2 * LOOK,
        "the view may be older than the commit"
    );
}
