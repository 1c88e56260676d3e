//! The samples the real Heapster 1.5.4 was fed, and what it answered and sent.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde_json::Value as Json;

use super::*;
use crate::apimachinery::Quantity;
use crate::domain::{
    Amounts, Bytes, ContainerKind, ContainerName, ContainerRecord, ContainerResources, Inventory,
    Metric, Namespace, NodeName, NodeRecord, PodKey, PodName, PodPhase, PodRecord, Value,
};
use crate::kubelet::{Limits, decode_summary};
use crate::rollup::Labelling;
use crate::rollup::column::{Column, Maker};

const SAMPLES: usize = 6;

pub(super) type Sets = BTreeMap<EntityKey, MetricSet>;

pub(super) fn read(name: &str) -> String {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/heapster");
    std::fs::read_to_string(golden.join(name)).unwrap()
}

fn json(name: &str) -> Json {
    serde_json::from_str(&read(name)).unwrap()
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap()
}

fn amounts(json: &Json) -> Amounts {
    let of = |name: &str| json[name].as_str().map(|t| t.parse::<Quantity>().unwrap());
    Amounts {
        cpu_millicores: of("cpu").map(Quantity::milli),
        memory: of("memory").map(|q| Bytes::new(q.whole())),
        ephemeral_storage: None,
    }
}

fn labels(metadata: &Json) -> crate::domain::Labels {
    let labels = metadata["labels"].as_object().unwrap();
    labels.iter().map(|(k, v)| (k.as_str(), text(v))).collect()
}

fn node(object: &Json) -> NodeRecord {
    NodeRecord {
        labels: labels(&object["metadata"]),
        capacity: amounts(&object["status"]["capacity"]),
        allocatable: amounts(&object["status"]["allocatable"]),
        ..NodeRecord::new(NodeName::new(text(&object["metadata"]["name"])).unwrap())
    }
}

fn pod(object: &Json) -> PodRecord {
    let metadata = &object["metadata"];
    let namespace = Namespace::new(text(&metadata["namespace"])).unwrap();
    let statuses = object["status"]["containerStatuses"].as_array().unwrap();
    let container = |spec: &Json| {
        let status = statuses.iter().find(|s| s["name"] == spec["name"]).unwrap();
        let name = ContainerName::new(text(&spec["name"])).unwrap();
        ContainerRecord {
            restart_count: u32::try_from(status["restartCount"].as_u64().unwrap()).unwrap(),
            image: text(&spec["image"]).into(),
            resources: Arc::new(ContainerResources {
                requests: amounts(&spec["resources"]["requests"]),
                limits: amounts(&spec["resources"]["limits"]),
                other_requests: [].into(),
            }),
            ..ContainerRecord::new(name, ContainerKind::Regular, true)
        }
    };
    let containers = object["spec"]["containers"].as_array().unwrap();
    PodRecord {
        key: PodKey::new(namespace, PodName::new(text(&metadata["name"])).unwrap()),
        uid: text(&metadata["uid"]).into(),
        node: Some(NodeName::new(text(&object["spec"]["nodeName"])).unwrap()),
        labels: labels(metadata),
        phase: PodPhase::Running,
        containers: containers.iter().map(container).collect(),
    }
}

fn inventory() -> Inventory {
    let inventory = Inventory::new();
    let items = |name| json(name)["items"].as_array().unwrap().clone();
    for object in items("in/nodes.json") {
        inventory.apply_node(node(&object));
    }
    for object in items("in/pods.json") {
        inventory.apply_pod(pod(&object));
    }
    for object in items("in/namespaces.json") {
        let metadata = &object["metadata"];
        let name = Namespace::new(text(&metadata["name"])).unwrap();
        inventory.apply_namespace(name, text(&metadata["uid"]).into());
    }
    inventory
}

/// The columns of the six samples, as if the first came with the epoch.
fn columns() -> Vec<Sets> {
    columns_from(0)
}

/// The columns of the six samples, a minute apart, the first at this time in milliseconds.
pub(super) fn columns_from(first: i64) -> Vec<Sets> {
    let (inventory, collected) = (inventory(), Collected::default());
    let mut maker = Maker::default();
    for k in 0..SAMPLES {
        let at = Timestamp::from_millis(first + 60_000 * i64::try_from(k).unwrap());
        let mut column = Column::new(&mut maker, &inventory, &collected, at, None);
        for node in inventory.nodes() {
            let body = read(&format!("in/summary-{}-{k}.json", node.name));
            let reading = decode_summary(body.as_bytes(), Limits::default()).unwrap();
            let sets = reading.metric_sets(&node.name, at, Vec::new()).sets;
            column.add(&node, &sets, Duration::ZERO, Duration::from_secs(65));
        }
        let (done, _) = column.finish();
        assert_eq!((done.nodes_without_data, done.refused), (0, 0));
    }
    let finished = std::mem::take(&mut collected.0.lock().finished);
    finished.into_iter().map(|(_, sets)| sets).collect()
}

/// What Heapster 1.5.4 did not have of these entities, and later versions or we do.
pub(super) fn is_newer(key: &EntityKey, metric: Metric) -> bool {
    let name = metric.name();
    let of_pods = matches!(
        metric,
        Metric::CpuUsage | Metric::MemoryPageFaults | Metric::MemoryMajorPageFaults
    );
    name.starts_with("ephemeral_storage/") || (matches!(key, EntityKey::Pod(_)) && of_pods)
}

/// The key a path of the model API names, and its metric; `None` when it names a list, a thing that
/// is not there, or a metric by another name than its own.
fn named(path: &str, sets: &Sets) -> Option<(EntityKey, Metric)> {
    let path = path.strip_prefix("/api/v1/model/")?;
    let (entity, metric) = path.rsplit_once("metrics/").unwrap_or((path, ""));
    let metric = Metric::find(metric)?;
    let parts: Vec<&str> = entity.trim_end_matches('/').split('/').collect();
    let key = match parts.as_slice() {
        [""] => "cluster".into(),
        ["nodes", node] => format!("node:{node}"),
        ["nodes", node, "freecontainers", name] => format!("node:{node}/container:{name}"),
        ["namespaces", name] => format!("namespace:{name}"),
        ["namespaces", name, "pods", pod] => format!("namespace:{name}/pod:{pod}"),
        ["namespaces", name, "pods", pod, "containers", container] => {
            format!("namespace:{name}/pod:{pod}/container:{container}")
        }
        _ => return None,
    };
    let key = sets.keys().find(|known| known.to_string() == key)?;
    Some((key.clone(), metric))
}

#[test]
fn the_model_has_the_values_heapster_answered() {
    let columns = columns();
    let answers = json("heapster-1.5.4.json");
    let mut compared = 0;
    for (path, answer) in answers.as_object().unwrap() {
        let Some((key, metric)) = named(path, &columns[0]) else {
            continue;
        };
        // Of the wall clock.
        if metric == Metric::Uptime {
            continue;
        }
        let points = answer["json"]["metrics"].as_array().unwrap();
        let mut expected: Vec<i64> = points
            .iter()
            .map(|p| p["value"].as_i64().unwrap())
            .collect();
        if metric == Metric::CpuNodeUtilization {
            // It said 0 while there was no rate yet.
            expected.remove(0);
        }
        let values = columns.iter().filter_map(|sets| sets[&key].get(metric));
        let values: Vec<i64> = values.map(Value::as_i64).collect();
        assert_eq!(values, expected, "{path}");
        compared += 1;
    }
    // The cluster's six, and 34, 10, 6, 20 and 15 of each node and so on, less uptime.
    assert!(compared > 300, "only {compared} answers compared");
}

/// A line of what the Influx sink sent, taken apart: measurement, tags, value.
fn influx(line: &str) -> Option<(String, BTreeMap<String, String>, &str)> {
    let line = line.replace("\\,", "\u{1}").replace("\\ ", "\u{2}");
    let line = line.replace("\\=", "\u{3}");
    let plain = |s: &str| {
        s.replace('\u{1}', ",")
            .replace('\u{2}', " ")
            .replace('\u{3}', "=")
    };
    let mut parts = line.split(' ');
    let (series, value) = (parts.next()?, parts.next()?.strip_prefix("value=")?);
    let (name, tags) = series.split_once(',')?;
    let tags = tags.split(',').filter_map(|tag| tag.split_once('='));
    let tags = tags.map(|(k, v)| (plain(k), plain(v))).collect();
    Some((
        name.to_owned(),
        tags,
        Box::leak(value.to_owned().into_boxed_str()),
    ))
}

#[test]
fn every_line_the_influx_sink_sent_is_in_the_column_and_nothing_else() {
    let column = &columns()[1];
    let mut expected = BTreeMap::new();
    for line in read("sinks/influxdb.txt").lines() {
        let Some((name, mut tags, value)) = influx(line) else {
            continue;
        };
        assert_eq!(tags.remove("cluster_name").as_deref(), Some("default"));
        if name != "uptime" {
            let before = expected.insert((name, tags), value.to_owned());
            assert_eq!(before, None);
        }
    }
    let labelling = Labelling::default();
    let mut found = BTreeMap::new();
    for set in column.values() {
        let labels = labelling.labels(set);
        let sent = |name: &str| !matches!(name, "hostname" | "host_id" | "namespace_id" | "pod_id");
        let labels = labels.iter().filter(|(name, _)| sent(name));
        let tags: BTreeMap<_, _> = labels
            .map(|(k, v)| ((*k).to_owned(), v.to_string()))
            .collect();
        let plain = set.points.iter().map(|point| (None, *point));
        let qualified = set.qualified.iter().map(|q| (Some(&q.by), q.point));
        for (by, point) in plain.chain(qualified) {
            let metric = point.metric();
            if metric == Metric::Uptime || is_newer(&set.key, metric) {
                continue;
            }
            let mut tags = tags.clone();
            tags.extend(by.map(|by| ("resource_id".to_owned(), by.to_string())));
            let value = match point.value() {
                Value::Int(value) => format!("{value}i"),
                Value::Float(value) => format!("{value}"),
            };
            found.insert((metric.name().to_owned(), tags), value);
        }
    }
    assert!(expected.len() > 300, "{}", expected.len());
    for (series, value) in &expected {
        assert_eq!(found.get(series), Some(value), "{series:?}");
    }
    let more: BTreeSet<_> = found
        .keys()
        .filter(|series| !expected.contains_key(series))
        .collect();
    assert_eq!(more, BTreeSet::new());
}

#[test]
fn labels_are_those_of_the_metric_export() {
    let column = &columns()[5];
    let labelling = Labelling::default();
    let mut found = BTreeSet::new();
    for set in column.values() {
        let mut labels = labelling.labels(set);
        let exported =
            matches!(labels.remove("type").as_deref(), Some(t) if t != "ns" && t != "cluster");
        labels.remove("namespace_name");
        if matches!(set.key, EntityKey::Node(_)) {
            labels.insert("container_name", "machine".into());
        } else if matches!(set.key, EntityKey::Pod(_)) {
            labels.insert("container_name", "/pod".into());
        }
        if exported {
            found.insert(serde_json::to_string(&labels).unwrap());
        }
    }
    let answers = json("heapster-1.5.4.json");
    let export = answers["/api/v1/metric-export"]["json"].as_array().unwrap();
    let expected = export.iter().map(|set| set["labels"].to_string());
    assert_eq!(found, expected.collect());
}
