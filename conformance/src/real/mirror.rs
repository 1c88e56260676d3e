//! Shows a simulated world to a real API server, and plays the kubelets towards it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use http::{Method, StatusCode};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::client::{Answer, Client};
use crate::lab::{Container, Load, Meta, Node, Pod, Stamp, World, render_node, render_pod};

use super::controlplane::ControlPlane;
use super::stored;
use super::wait::until;

/// How many objects are written at once.
const AT_ONCE: usize = 16;
/// How often the pods of a workload are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// A namespace's default ServiceAccount, without which no pod is admitted, comes a moment after the namespace.
const ACCOUNT_WITHIN: Duration = Duration::from_secs(60);
/// How long the API server may take to hear of what was stored.
const HEARD_WITHIN: Duration = Duration::from_secs(300);

/// Writes the objects of a [`World`] to a real API server.
#[derive(Clone, Debug)]
pub struct Mirror {
    world: Arc<World>,
    client: Client,
    patch: Client,
}

/// Pods some controller makes, and the CPU they use together, in equal parts.
#[derive(Debug)]
pub struct Workload {
    cores: Arc<Mutex<f64>>,
    task: JoinHandle<()>,
}

impl Mirror {
    /// A mirror that acts as `system:masters`.
    ///
    /// # Errors
    /// When its certificate cannot be made.
    pub fn new(cluster: &ControlPlane, world: Arc<World>) -> Result<Self> {
        let client = cluster.client("mirror")?;
        let patch = client.with_header("content-type", "application/merge-patch+json")?;
        let client = client.with_header("content-type", "application/json")?;
        Ok(Self {
            world,
            client,
            patch,
        })
    }

    /// Makes a namespace and waits until pods can be made in it.
    ///
    /// # Errors
    /// When the API server refuses it or no controller completes it.
    pub async fn add_namespace(&self, name: &str) -> Result<()> {
        let object = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name },
        });
        self.create("/api/v1/namespaces", &object).await?;
        let account = format!("/api/v1/namespaces/{name}/serviceaccounts/default");
        until(ACCOUNT_WITHIN, async || {
            self.client.get_json(&account).await
        })
        .await?;
        Ok(())
    }

    /// Shows all nodes and pods of the world.
    ///
    /// # Errors
    /// When the API server refuses one.
    pub async fn show(&self) -> Result<()> {
        let (nodes, pods) = (self.world.nodes(), self.world.pods());
        stream::iter(nodes)
            .map(Ok)
            .try_for_each_concurrent(AT_ONCE, async |node| self.show_node(&node).await)
            .await?;
        stream::iter(pods)
            .map(Ok)
            .try_for_each_concurrent(AT_ONCE, async |pod| self.show_pod(&pod).await)
            .await
    }

    /// Shows all namespaces, nodes and pods of a world whose pods are alike, through the store: a hundred times
    /// faster than [`Self::show`]. The API server knows all of them when this ends; the kube-controller-manager has
    /// ended by then, since a cluster that only stands there needs none.
    ///
    /// # Errors
    /// When an object is refused, or the API server does not hear of all in time.
    pub async fn show_stored(&self, cluster: &mut ControlPlane) -> Result<()> {
        stored::show(self, &self.world, cluster).await?;
        for (path, all) in [
            ("/api/v1/nodes", self.world.nodes().len()),
            ("/api/v1/pods", self.world.pods().len()),
        ] {
            until(HEARD_WITHIN, async || {
                let page = self.read(&format!("{path}?limit=1")).await?;
                let left = page["metadata"]["remainingItemCount"].as_u64();
                let there = usize::try_from(left.unwrap_or(0))? + 1;
                ensure!(there == all, "{there} of {all} in {path}");
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// Plays the kubelets for the pods labelled `app` that controllers make in a namespace: a new one runs at once,
    /// with its containers, of which the first of all of them together use `cores` and the others next to nothing.
    #[must_use]
    pub fn run_workload(&self, namespace: &str, app: &str, cores: f64) -> Workload {
        let cores = Arc::new(Mutex::new(cores));
        let mut runner = Runner {
            mirror: self.clone(),
            namespace: namespace.to_owned(),
            app: app.to_owned(),
            cores: Arc::clone(&cores),
            share: 0.0,
        };
        let task = tokio::spawn(async move {
            loop {
                // The next look sees what this one missed.
                let _ = runner.look().await;
                tokio::time::sleep(LOOK).await;
            }
        });
        Workload { cores, task }
    }

    pub(super) async fn show_node(&self, node: &Node) -> Result<()> {
        let mut object = render_node(node);
        let status = complete(&mut object, "Node", &node.meta)?;
        let object_path = format!("/api/v1/nodes/{}", node.meta.name);
        self.create("/api/v1/nodes", &object).await?;
        self.set_status(&object_path, &status).await
    }

    pub(super) async fn show_pod(&self, pod: &Pod) -> Result<()> {
        let mut object = render_pod(pod);
        let status = complete(&mut object, "Pod", &pod.meta)?;
        let pods = format!("/api/v1/namespaces/{}/pods", pod.meta.namespace);
        self.create(&pods, &object).await?;
        self.set_status(&format!("{pods}/{}", pod.meta.name), &status)
            .await
    }

    pub(super) async fn read(&self, path: &str) -> Result<Value> {
        self.client.get_json(path).await
    }

    async fn create(&self, path: &str, object: &Value) -> Result<()> {
        let answer = self.send(&self.client, Method::POST, path, object).await?;
        expect(&answer, StatusCode::CREATED, path)
    }

    async fn set_status(&self, path: &str, status: &Value) -> Result<()> {
        let path = format!("{path}/status");
        let patch = json!({ "status": status });
        let answer = self.send(&self.patch, Method::PATCH, &path, &patch).await?;
        expect(&answer, StatusCode::OK, &path)
    }

    async fn send(
        &self,
        client: &Client,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Answer> {
        client
            .send(method, path, Bytes::from(body.to_string()))
            .await
    }
}

impl Workload {
    /// Changes what its pods use together.
    pub fn set_cores(&self, cores: f64) {
        *self.cores.lock() = cores;
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Runner {
    mirror: Mirror,
    namespace: String,
    app: String,
    cores: Arc<Mutex<f64>>,
    share: f64,
}

impl Runner {
    async fn look(&mut self) -> Result<()> {
        let (namespace, app) = (&self.namespace, &self.app);
        let path = format!("/api/v1/namespaces/{namespace}/pods?labelSelector=app%3D{app}");
        let list = self.mirror.client.get_json(&path).await?;
        let mut there = BTreeMap::new();
        for pod in list["items"].as_array().into_iter().flatten() {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            there.insert(name.to_owned(), pod);
        }
        self.forget_all_but(&there);
        for (name, pod) in &there {
            if pod["status"]["phase"] == "Pending" {
                self.run(name, pod).await?;
            }
        }
        self.spread();
        Ok(())
    }

    async fn run(&self, name: &str, pod: &Value) -> Result<()> {
        let node = pod["spec"]["nodeName"].as_str().context("no nodeName")?;
        let mut simulated = Pod::new(&self.namespace, name)
            .on(node)
            .label("app", &self.app);
        let containers = pod["spec"]["containers"].as_array();
        for container in containers.into_iter().flatten() {
            let container = container["name"].as_str().context("no name")?;
            // A counter of zero would be one that was not looked at yet.
            let cores = if simulated.containers.is_empty() {
                0.0
            } else {
                0.01
            };
            simulated = simulated.with(Container::new(container).cpu(cores).just_started());
        }
        simulated.meta.created = Stamp::now();
        let status = render_pod(&simulated)["status"].take();
        let path = format!("/api/v1/namespaces/{}/pods/{name}", self.namespace);
        self.mirror.world.put_pod(simulated);
        self.mirror.set_status(&path, &with_times(status)).await
    }

    fn forget_all_but(&self, there: &BTreeMap<String, &Value>) {
        for pod in self.mine() {
            if !there.contains_key(&pod.meta.name) {
                let world = &self.mirror.world;
                world.delete_pod(&self.namespace, &pod.meta.name);
            }
        }
    }

    fn spread(&mut self) {
        let pods = self.mine();
        let count = u32::try_from(pods.len()).unwrap_or(u32::MAX);
        let share = *self.cores.lock() / f64::from(count.max(1));
        let changed = (share - self.share).abs() > 1e-9;
        for pod in pods {
            self.mirror
                .world
                .update_pod(&self.namespace, &pod.meta.name, |pod| {
                    if let Some(container) = pod.containers.first_mut() {
                        let loads = vec![Load::Constant(share)];
                        if changed || container.cpu.loads() != loads {
                            container.cpu.follow(Stamp::now(), loads);
                        }
                    }
                });
        }
        self.share = share;
    }

    fn mine(&self) -> Vec<Arc<Pod>> {
        let mut pods = self.mirror.world.pods();
        pods.retain(|pod| {
            pod.meta.namespace == self.namespace && pod.meta.labels.get("app") == Some(&self.app)
        });
        pods
    }
}

/// Adds what an object is and is called, and takes its status, which goes by another path.
fn complete(object: &mut Value, kind: &str, meta: &Meta) -> Result<Value> {
    let fields = object.as_object_mut().context("not an object")?;
    fields.insert("apiVersion".to_owned(), "v1".into());
    fields.insert("kind".to_owned(), kind.into());
    let mut metadata = json!({ "name": meta.name, "labels": meta.labels });
    if !meta.namespace.is_empty() {
        metadata["namespace"] = meta.namespace.as_str().into();
    }
    fields.insert("metadata".to_owned(), metadata);
    let status = fields.remove("status").context("no status")?;
    Ok(with_times(status))
}

/// The autoscaler wants to know since when a pod is ready.
fn with_times(mut status: Value) -> Value {
    let since = status["startTime"].clone();
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        if condition["lastTransitionTime"].is_null() && !since.is_null() {
            condition["lastTransitionTime"] = since.clone();
        }
    }
    status
}

fn expect(answer: &Answer, status: StatusCode, path: &str) -> Result<()> {
    let said = answer.status;
    ensure!(said == status, "{path}: {said}: {}", answer.text());
    Ok(())
}
