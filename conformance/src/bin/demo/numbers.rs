//! What the API server and, through it, Loadline say at one moment.

use std::collections::BTreeMap;

use anyhow::Result;
use conformance::client::Client;
use conformance::quantity::parse_quantity;
use serde_json::Value;

/// One look at the cluster.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// Every node, measured or not.
    pub(crate) nodes: Vec<Node>,
    /// Every pod, measured or not.
    pub(crate) pods: Vec<Pod>,
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
    /// Looks once. While Loadline does not answer, everything is unmeasured.
    pub(crate) async fn ask(client: &Client) -> Result<Self> {
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
        Ok(Self {
            nodes: nodes.collect(),
            pods: pods.collect(),
        })
    }
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
