//! Puts a large world straight into the store of a real API server.
//!
//! An object by way of the API server costs it some milliseconds, so 150,000 pods took most of an hour. One
//! object of each kind is made that way here; the store takes copies of what the API server made of it, as any
//! other API server of the cluster would have written them, and ours hears of them by its watch.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use super::controlplane::ControlPlane;
use super::mirror::Mirror;
use crate::lab::{Meta, Node, Pod, Stamp, World, render_node, render_pod};

/// How many objects are written at once: etcd takes no more.
const AT_ONCE: usize = 128;
/// How long one such write may take.
const WRITTEN_WITHIN: Duration = Duration::from_secs(60);
/// Objects are as old as their number says, within this time.
const OLDEST_SECONDS: u64 = 86_400;

/// The key-value store of a control plane.
struct Store {
    sender: SendRequest<Full<Bytes>>,
    address: SocketAddr,
    waiting: Vec<Value>,
    _connection: AbortOnDropHandle<()>,
}

/// What the API server made of the first object of each kind.
struct Templates {
    namespace: Value,
    node: Value,
    pod: Value,
}

/// Shows all namespaces, nodes and pods of `world`, whose pods are all alike but for their names, labels and nodes.
/// Controllers end before the most of them come.
///
/// # Errors
/// When the API server or its store refuses an object.
pub(super) async fn show(mirror: &Mirror, world: &World, cluster: &mut ControlPlane) -> Result<()> {
    let (nodes, pods) = (world.nodes(), world.pods());
    let (Some(node), Some(pod)) = (nodes.first(), pods.first()) else {
        return Ok(());
    };
    let templates = Templates::of(mirror, node, pod).await?;
    // Admission wanted it for the first pod; of 150,000 it would keep a graph.
    cluster.stop_controllers();
    let mut store = Store::open(cluster.store_address()?).await?;
    let mut number = 0;
    for namespace in world.namespaces() {
        let name = &namespace.meta.name;
        if *name == pod.meta.namespace || name == "default" {
            continue;
        }
        let object = renamed(&templates.namespace, &namespace.meta, &mut number)?;
        store.put(&format!("namespaces/{name}"), &object).await?;
    }
    for node in nodes.iter().skip(1) {
        let object = templates.node(node, &mut number)?;
        let key = format!("minions/{}", node.meta.name);
        store.put(&key, &object).await?;
    }
    for pod in pods.iter().skip(1) {
        let object = templates.pod(pod, &mut number)?;
        let Meta {
            namespace, name, ..
        } = &pod.meta;
        store
            .put(&format!("pods/{namespace}/{name}"), &object)
            .await?;
    }
    store.flush().await
}

impl Templates {
    async fn of(mirror: &Mirror, node: &Arc<Node>, pod: &Arc<Pod>) -> Result<Self> {
        let Meta {
            namespace, name, ..
        } = &pod.meta;
        mirror.add_namespace(namespace).await?;
        mirror.show_node(node).await?;
        mirror.show_pod(pod).await?;
        let space = format!("/api/v1/namespaces/{namespace}");
        Ok(Self {
            namespace: mirror.read(&space).await?,
            node: mirror
                .read(&format!("/api/v1/nodes/{}", node.meta.name))
                .await?,
            pod: mirror.read(&format!("{space}/pods/{name}")).await?,
        })
    }

    fn node(&self, node: &Node, number: &mut u64) -> Result<Value> {
        let mut object = renamed(&self.node, &node.meta, number)?;
        let mut rendered = render_node(node);
        for field in ["addresses", "daemonEndpoints"] {
            object["status"][field] = rendered["status"][field].take();
        }
        Ok(object)
    }

    fn pod(&self, pod: &Pod, number: &mut u64) -> Result<Value> {
        let mut object = renamed(&self.pod, &pod.meta, number)?;
        let mut rendered = render_pod(pod);
        let spec = rendered["spec"].take();
        let named = |spec: &Value| spec["containers"][0]["name"].clone();
        ensure!(
            named(&object["spec"]) == named(&spec),
            "pods are not all alike"
        );
        object["spec"]["nodeName"] = spec["nodeName"].clone();
        // What the kubelet says of this pod alone.
        let address = u32::try_from(*number)?.to_be_bytes();
        let [_, b, c, d] = address;
        let address = format!("10.{b}.{c}.{d}");
        let status = &mut object["status"];
        status["podIPs"] = json!([{ "ip": address }]);
        status["podIP"] = address.into();
        let id = |part: u64| mixed(*number * 8 + part);
        let id: String = (2..6).map(|part| format!("{:016x}", id(part))).collect();
        status["containerStatuses"][0]["containerID"] = format!("containerd://{id}").into();
        Ok(object)
    }
}

impl Store {
    async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(async move {
            // Whoever sends next notices its end.
            let _ = connection.await;
        });
        Ok(Self {
            sender,
            address,
            waiting: Vec::new(),
            _connection: AbortOnDropHandle::new(connection),
        })
    }

    async fn put(&mut self, key: &str, object: &Value) -> Result<()> {
        let key = BASE64_STANDARD.encode(format!("/registry/{key}"));
        let value = BASE64_STANDARD.encode(object.to_string());
        let put = json!({ "requestPut": { "key": key, "value": value } });
        self.waiting.push(put);
        if self.waiting.len() == AT_ONCE {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        let puts = std::mem::take(&mut self.waiting);
        if puts.is_empty() {
            return Ok(());
        }
        let body = json!({ "success": puts }).to_string();
        let request = Request::post("/v3/kv/txn")
            .header("host", self.address.to_string())
            .body(Full::new(Bytes::from(body)))?;
        let answered = async {
            self.sender.ready().await?;
            let (head, body) = self.sender.send_request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            let text = String::from_utf8_lossy(&body);
            ensure!(head.status.is_success(), "etcd: {}: {text}", head.status);
            Ok(())
        };
        tokio::time::timeout(WRITTEN_WITHIN, answered)
            .await
            .context("etcd is silent")?
    }
}

/// A copy of `template` with what is an object's own: its name, its labels, a UID and an age.
fn renamed(template: &Value, meta: &Meta, number: &mut u64) -> Result<Value> {
    *number += 1;
    let mut object = template.clone();
    let metadata = object["metadata"].as_object_mut().context("no metadata")?;
    // The store's own revision is the version.
    metadata.remove("resourceVersion");
    metadata.insert("name".to_owned(), meta.name.as_str().into());
    if !meta.namespace.is_empty() {
        metadata.insert("namespace".to_owned(), meta.namespace.as_str().into());
    }
    metadata.insert("labels".to_owned(), json!(meta.labels));
    metadata.insert("uid".to_owned(), uid(*number).into());
    let age = Duration::from_secs(mixed(*number * 8) % OLDEST_SECONDS);
    let created = Stamp::now().minus(age).to_rfc3339();
    metadata.insert("creationTimestamp".to_owned(), created.into());
    Ok(object)
}

/// A UID as random as a real one, since random is what cannot be packed.
fn uid(number: u64) -> String {
    let (high, low) = (mixed(number * 8), mixed(number * 8 + 1));
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

/// The output of `SplitMix64` for this state.
fn mixed(state: u64) -> u64 {
    let mut z = state.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn uids_differ_and_look_like_uids() {
        let uids: BTreeSet<String> = (0..10_000).map(uid).collect();
        assert_eq!(uids.len(), 10_000);
        for uid in &uids {
            let lengths: Vec<usize> = uid.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{uid}");
        }
    }

    #[test]
    fn a_copy_has_what_is_its_own_and_all_the_rest_of_its_template() {
        let template = json!({
            "kind": "Node",
            "metadata": { "name": "a", "uid": "1", "resourceVersion": "7", "managedFields": [1] },
            "status": { "conditions": [1], "capacity": { "cpu": "1" } },
        });
        let meta = Meta::new("", "b");
        let copy = renamed(&template, &meta, &mut 0).unwrap();
        assert_eq!(copy["metadata"]["name"], "b");
        assert_eq!(copy["metadata"]["managedFields"], json!([1]));
        assert!(copy["metadata"]["resourceVersion"].is_null());
        assert_eq!(copy["status"], template["status"]);
        let created = copy["metadata"]["creationTimestamp"].as_str().unwrap();
        assert_eq!(created.len(), "2026-11-21T00:00:00Z".len(), "{created}");
    }
}
