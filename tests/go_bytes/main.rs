//! What Loadline answers is, byte for byte, what the Go code of Kubernetes writes of the same
//! lists, objects, tables and errors.
//!
//! The Go side is `clients encode`, which `conformance/run` builds into the folder `LOADLINE_BIN`
//! names. Without that variable nothing can be compared, and the test says so.

#![expect(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reads its environment and may panic"
)]

mod go;
mod mistakes;
mod values;

use std::cell::RefCell;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Request;
use loadline::api::metrics::{MetricsApi, Views};
use loadline::apimachinery::{Reply, RequestInfo};
use loadline::domain::{
    Bytes, Clock, ContainerName, ContainerUsage, Inventory, Labels, Namespace, Nanocores, NodeName,
    NodeRecord, PodKey, PodName, PodPhase, PodRecord, Timestamp, Usage,
};
use loadline::live::{NodeView, PodView, Versions, View};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Value, json};

use go::{Go, hexadecimal, same, text};
use mistakes::mistake;
use values::{amount, key, name, value};

/// Each case is some thirty objects in four encodings.
const CASES: u32 = 200;
/// Each case is every kind of error in four encodings.
const ERRORS: u32 = 100;
/// The last millisecond of the year 9999.
const LAST_TIME: i64 = 253_402_300_799_999;

#[test]
fn every_encoding_is_what_go_writes() {
    let folder = std::env::var_os("LOADLINE_BIN").unwrap_or_default();
    let program = Path::new(&folder).join("clients");
    if folder.is_empty() || !program.is_file() {
        // The standard error of the process, which no test harness keeps to itself.
        let _ = writeln!(
            std::io::stderr(),
            "\nSKIPPED: no byte was compared with Go's; conformance/run controlplane does it\n"
        );
        return;
    }
    let go = RefCell::new(Go::start(&program));
    let defaults = Config::default();
    // The same clusters each time, so that a run is the same twice; PROPTEST_RNG_SEED has others.
    let rng_seed = match defaults.rng_seed {
        RngSeed::Random => RngSeed::Fixed(1),
        given @ RngSeed::Fixed(_) => given,
    };
    let mut runner = TestRunner::new(Config {
        rng_seed,
        cases: CASES,
        failure_persistence: None,
        ..defaults
    });
    let outcome = runner.run(&cluster(), |cluster| cluster.check(&mut go.borrow_mut()));
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let mut runner = TestRunner::new(Config {
        cases: ERRORS,
        ..runner.config().clone()
    });
    let outcome = runner.run(&mistake(), |mistake| mistake.check(&mut go.borrow_mut()));
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// A whole random cluster.
#[derive(Debug)]
struct Cluster {
    now: i64,
    nodes: Vec<Entry>,
    pods: Vec<Entry>,
}

/// A node (with one nameless container) or a pod.
#[derive(Clone, Debug)]
struct Entry {
    namespace: String,
    name: String,
    labels: Vec<(String, String)>,
    timestamp: i64,
    window: u64,
    containers: Vec<(String, Amounts)>,
}

#[derive(Clone, Copy, Debug)]
struct Amounts {
    cpu: u64,
    memory: u64,
    swap: Option<u64>,
}

#[derive(Debug)]
struct StoppedClock(i64, Instant);

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0)
    }

    fn monotonic(&self) -> Instant {
        self.1
    }
}

/// What is served.
struct Still {
    nodes: Arc<View<NodeView>>,
    pods: Arc<View<PodView>>,
}

impl Views for Still {
    fn nodes(&self) -> Arc<View<NodeView>> {
        Arc::clone(&self.nodes)
    }

    fn pods(&self, _: Option<&str>) -> Arc<View<PodView>> {
        Arc::clone(&self.pods)
    }
}

impl Cluster {
    fn check(&self, go: &mut Go) -> Result<(), TestCaseError> {
        let nodes = self.nodes.iter().map(Entry::node_view).collect();
        let pods = self.pods.iter().map(Entry::pod_view).collect();
        let now = Timestamp::from_millis(self.now);
        let views = Still {
            nodes: Arc::new(View::new(1, now, nodes)),
            pods: Arc::new(View::new(1, now, pods)),
        };
        let clock = Arc::new(StoppedClock(self.now, Instant::now()));
        let api = MetricsApi::new(
            Arc::new(views),
            tokio::sync::watch::channel(0).1,
            Arc::new(Inventory::new()),
            clock,
            &mut loadline::telemetry::Registry::default(),
        );
        for version in ["v1", "v1beta1"] {
            for (kind, entries) in [("nodes", &self.nodes), ("pods", &self.pods)] {
                let description =
                    |entries| json!({ "kind": kind, "version": version, "items": entries });
                let mut all = description(self.describe(kind, entries));
                all["list"] = true.into();
                compare(go, &api, &format!("{version}/{kind}"), &mut all)?;
                all["partial"] = true.into();
                compare(go, &api, &format!("{version}/{kind}"), &mut all)?;
                all["partial"] = false.into();
                let summable = entries.iter().all(Entry::is_summable);
                for include in ["None", "Metadata", "Object"].iter().filter(|_| summable) {
                    all["table"] = (*include).into();
                    let path = format!("{version}/{kind}?includeObject={include}");
                    compare(go, &api, &path, &mut all)?;
                }
                let Some(first) = entries.first() else {
                    continue;
                };
                let path = match kind {
                    "nodes" => format!("{version}/nodes/{}", first.name),
                    _ => format!(
                        "{version}/namespaces/{}/pods/{}",
                        first.namespace, first.name
                    ),
                };
                let mut one = description(self.describe(kind, &entries[..1]));
                compare(go, &api, &path, &mut one)?;
                one["partial"] = true.into();
                compare(go, &api, &path, &mut one)?;
                one["partial"] = false.into();
                one["table"] = "Metadata".into();
                if first.is_summable() {
                    compare(go, &api, &path, &mut one)?;
                }
            }
        }
        Ok(())
    }

    fn describe(&self, kind: &str, entries: &[Entry]) -> Vec<Value> {
        let one = |entry: &Entry| entry.describe(kind, self.now);
        entries.iter().map(one).collect()
    }
}

impl Entry {
    fn usage(&self, amounts: Amounts) -> Usage {
        Usage {
            timestamp: Timestamp::from_millis(self.timestamp),
            window: Duration::from_nanos(self.window),
            cpu: Nanocores::new(amounts.cpu),
            memory: Bytes::new(amounts.memory),
            swap: amounts.swap.map(Bytes::new),
        }
    }

    /// Whether its sums are numbers Go keeps as integers, as those of every machine are.
    fn is_summable(&self) -> bool {
        let most = i64::MAX.cast_unsigned();
        let fits = |of: fn(&Amounts) -> u64| {
            let amounts = self.containers.iter().map(|(_, amounts)| of(amounts));
            amounts.fold(0, u64::saturating_add) <= most
        };
        fits(|a| a.cpu) && fits(|a| a.memory) && fits(|a| a.swap.unwrap_or(0))
    }

    fn labels(&self) -> Labels {
        self.labels.iter().cloned().collect()
    }

    fn node_view(&self) -> NodeView {
        NodeView {
            record: Arc::new(NodeRecord {
                labels: self.labels(),
                ready: true,
                ..NodeRecord::new(NodeName::new(self.name.as_str()).unwrap())
            }),
            usage: self.usage(self.containers[0].1),
            versions: Versions::default(),
            former: None,
        }
    }

    fn pod_view(&self) -> PodView {
        let container = |(name, amounts): &(String, Amounts)| ContainerUsage {
            name: ContainerName::new(name.as_str()).unwrap(),
            usage: self.usage(*amounts),
        };
        PodView {
            record: Arc::new(PodRecord {
                key: PodKey::new(
                    Namespace::new(self.namespace.as_str()).unwrap(),
                    PodName::new(self.name.as_str()).unwrap(),
                ),
                uid: "u".into(),
                node: None,
                labels: self.labels(),
                phase: PodPhase::Running,
                containers: [].into(),
            }),
            timestamp: Timestamp::from_millis(self.timestamp),
            window: Duration::from_nanos(self.window),
            containers: self.containers.iter().map(container).collect(),
            versions: Versions::default(),
            former: None,
        }
    }

    /// In the words of `clients encode`.
    fn describe(&self, kind: &str, created: i64) -> Value {
        let usage = |amounts: &Amounts| json!({ "cpu": amounts.cpu, "memory": amounts.memory, "swap": amounts.swap });
        let labels: serde_json::Map<_, _> = self
            .labels
            .iter()
            .map(|(k, v)| (k.clone(), v.as_str().into()))
            .collect();
        let mut entry = json!({
            "name": self.name,
            "labels": labels,
            "created": created,
            "timestamp": self.timestamp,
            "window": self.window,
        });
        if kind == "nodes" {
            entry["usage"] = usage(&self.containers[0].1);
        } else {
            entry["namespace"] = self.namespace.as_str().into();
            let containers = self.containers.iter();
            entry["containers"] = containers
                .map(|(name, amounts)| json!({ "name": name, "usage": usage(amounts) }))
                .collect();
        }
        entry
    }
}

/// Asks Loadline for `path` in every encoding and Go for the same of `description`.
fn compare(
    go: &mut Go,
    api: &MetricsApi,
    path: &str,
    description: &mut Value,
) -> Result<(), TestCaseError> {
    let is_table = description["table"].is_string() && description["partial"] != true;
    let transform = match (description["partial"] == true, description["list"] == true) {
        (false, _) if is_table => ";as=Table;v=v1;g=meta.k8s.io",
        (false, _) => "",
        (true, false) => ";as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
        (true, true) => ";as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    };
    let ask = |accept: &str| get(api, path, &format!("{accept}{transform}"));
    let json = ask("application/json");
    copy_versions(&json, description);
    let go = go.encode(description);
    let protobuf = match is_table {
        // Nobody has such a form of a Table: the request is refused.
        true => String::new(),
        false => hexadecimal(&ask("application/vnd.kubernetes.protobuf")),
    };
    let ours = [
        ("json", text(json)),
        ("pretty", text(ask("application/json;pretty=1"))),
        ("yaml", text(ask("application/yaml"))),
        ("protobuf", protobuf),
    ];
    same(ours, &go, &format!("{transform} of {path}"))
}

/// Which resource versions there are is Loadline's to choose; how they are written is not.
fn copy_versions(json: &[u8], description: &mut Value) {
    let answer: Value = serde_json::from_slice(json).unwrap_or_default();
    let version = |of: &Value| {
        of["metadata"]["resourceVersion"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let items = description["items"].as_array_mut().unwrap();
    if answer["items"].is_array() {
        for (at, item) in items.iter_mut().enumerate() {
            item["resourceVersion"] = version(&answer["items"][at]).into();
        }
        description["resourceVersion"] = version(&answer).into();
    } else if answer["rows"].is_array() {
        for (at, item) in items.iter_mut().enumerate() {
            item["resourceVersion"] = version(&answer["rows"][at]["object"]).into();
        }
        description["resourceVersion"] = version(&answer).into();
    } else {
        items[0]["resourceVersion"] = version(&answer).into();
    }
}

fn get(api: &MetricsApi, path: &str, accept: &str) -> bytes::Bytes {
    let uri = format!("/apis/metrics.k8s.io/{path}");
    let request = Request::get(&uri)
        .header("accept", accept)
        .body(())
        .unwrap();
    let (parts, ()) = request.into_parts();
    let info = RequestInfo::new(&parts.method, parts.uri.path(), None).unwrap();
    match api.respond(&info, &parts) {
        Some(Reply::Whole(response)) => response.into_body(),
        other => panic!("{other:?}"),
    }
}

fn cluster() -> impl Strategy<Value = Cluster> {
    let nodes = btree_map((Just(String::new()), name()), entry(1..2), 0..4);
    let pods = btree_map((name(), name()), entry(1..4), 0..4);
    (0..LAST_TIME, nodes, pods).prop_map(|(now, nodes, pods)| Cluster {
        now,
        nodes: named(nodes),
        pods: named(pods),
    })
}

/// In the order of a map with these keys, which is the order lists are in.
fn named(entries: std::collections::BTreeMap<(String, String), Entry>) -> Vec<Entry> {
    let entries = entries.into_iter();
    entries
        .map(|((namespace, name), entry)| Entry {
            namespace,
            name,
            ..entry
        })
        .collect()
}

fn entry(containers: std::ops::Range<usize>) -> impl Strategy<Value = Entry> {
    let labels = btree_map(key(), value(), 0..5);
    let window = amount(1000).prop_map(|nanos| nanos.max(1));
    let containers = vec((name(), amounts()), containers);
    (labels, 0..LAST_TIME, window, containers).prop_map(
        |(labels, timestamp, window, containers)| Entry {
            namespace: String::new(),
            name: String::new(),
            labels: labels.into_iter().collect(),
            timestamp,
            window,
            containers,
        },
    )
}

fn amounts() -> impl Strategy<Value = Amounts> {
    let bytes = || prop_oneof![amount(1000), amount(1024)];
    (amount(1000), bytes(), proptest::option::of(bytes())).prop_map(|(cpu, memory, swap)| Amounts {
        cpu,
        memory,
        swap,
    })
}
