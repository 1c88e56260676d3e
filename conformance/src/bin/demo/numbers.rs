//! What the API server and, through it, Loadline say at one moment.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::Result;
use conformance::client::{Client, get_plain};
use conformance::quantity::parse_quantity;
use serde_json::Value;

/// One look at the cluster.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// Every node, measured or not.
    pub(crate) nodes: Vec<Node>,
    /// Every pod, measured or not.
    pub(crate) pods: Vec<Pod>,
    /// What the model API says of pods, by namespace and name: millicores, one for each roll-up.
    pub(crate) lines: BTreeMap<(String, String), Vec<f64>>,
}

/// A node of the core API with what the metrics API says of it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) cores: f64,
    pub(crate) memory: f64,
    pub(crate) used: Option<Used>,
}

/// A pod of the core API with what the metrics API says of it.
#[derive(Debug)]
pub(crate) struct Pod {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) node: String,
    pub(crate) used: Option<Used>,
}

/// What something uses: cores and bytes, and when that was measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Used {
    pub(crate) cores: f64,
    pub(crate) memory: f64,
    pub(crate) timestamp: String,
}

impl Numbers {
    /// Looks once, at the model on this port too. While Loadline does not answer, everything is
    /// unmeasured.
    pub(crate) async fn ask(client: &Client, model: SocketAddr) -> Result<Self> {
        let nodes = client.get_json("/api/v1/nodes").await?;
        let pods = client.get_json("/api/v1/pods").await?;
        let api = "/apis/metrics.k8s.io/v1";
        let node_metrics = client.get_json(&format!("{api}/nodes")).await;
        let pod_metrics = client.get_json(&format!("{api}/pods")).await;
        let node_metrics = used_by_key(&node_metrics.unwrap_or_default());
        let pod_metrics = used_by_key(&pod_metrics.unwrap_or_default());
        let nodes = items(&nodes).map(|node| Node {
            name: text(node, "/metadata/name"),
            cores: quantity(node, "/status/allocatable/cpu"),
            memory: quantity(node, "/status/allocatable/memory"),
            used: node_metrics.get(&key(node)).cloned(),
        });
        let pods = items(&pods).map(|pod| Pod {
            namespace: text(pod, "/metadata/namespace"),
            name: text(pod, "/metadata/name"),
            node: text(pod, "/spec/nodeName"),
            used: pod_metrics.get(&key(pod)).cloned(),
        });
        let pods: Vec<Pod> = pods.collect();
        let lines = lines(model, &pods).await;
        Ok(Self {
            nodes: nodes.collect(),
            pods,
            lines,
        })
    }
}

/// Each pod's millicores over time, as Dashboard asks for them: a namespace at a time.
async fn lines(model: SocketAddr, pods: &[Pod]) -> BTreeMap<(String, String), Vec<f64>> {
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for pod in pods {
        names.entry(&pod.namespace).or_default().push(&pod.name);
    }
    let mut lines = BTreeMap::new();
    for (namespace, names) in names {
        let list = names.join(",");
        let path =
            format!("/api/v1/model/namespaces/{namespace}/pod-list/{list}/metrics/cpu/usage_rate");
        let Ok(answer) = get_plain(model, &path).await else {
            continue;
        };
        let answer = answer.json().unwrap_or_default();
        for (name, item) in names.into_iter().zip(items(&answer)) {
            let points = item.get("metrics").and_then(Value::as_array);
            let value = |point: &Value| point.get("value").and_then(Value::as_f64);
            let line = points.into_iter().flatten().filter_map(value).collect();
            lines.insert((namespace.to_owned(), name.to_owned()), line);
        }
    }
    lines
}

fn used_by_key(list: &Value) -> BTreeMap<String, Used> {
    items(list).map(|item| (key(item), used(item))).collect()
}

fn used(item: &Value) -> Used {
    let containers = item.get("containers").and_then(Value::as_array);
    let parts = containers.map_or_else(|| vec![item], |c| c.iter().collect());
    Used {
        cores: parts.iter().map(|p| quantity(p, "/usage/cpu")).sum(),
        memory: parts.iter().map(|p| quantity(p, "/usage/memory")).sum(),
        timestamp: text(item, "/timestamp"),
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.get("items")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn key(item: &Value) -> String {
    let namespace = text(item, "/metadata/namespace");
    format!("{namespace}/{}", text(item, "/metadata/name"))
}

fn text(value: &Value, pointer: &str) -> String {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default().to_owned()
}

fn quantity(value: &Value, pointer: &str) -> f64 {
    parse_quantity(&text(value, pointer)).unwrap_or(0.0)
}
