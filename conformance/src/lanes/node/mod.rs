//! Loadline as a pod on a real node, and on two: its own image, manifests, chart, account and rights, a real kubelet's
//! numbers.

mod autoscaler;
mod chart;
mod cpu;
mod figures;
mod from_heapster;
mod heapster;
mod install;
mod newcomer;
mod replicas;
mod steps;
mod strangers;
mod take_over;
mod watched;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::real::{ControlPlane, Kubectl, Place, RealNode, Scratch, Tools, until};
use crate::report::Lane;

/// How long a control plane or a node may take to come up on a busy machine.
const START: Duration = Duration::from_secs(300);
/// How long it may take until a pod runs, or has a number.
const SOON: Duration = Duration::from_secs(180);
/// How long a single call of `kubectl` with its judgement may take.
const CALL: Duration = Duration::from_secs(60);
/// The namespace of the pods that make load.
const NAMESPACE: &str = "load";

/// Whose logs say more when a check fails.
const WATCHED: [&str; 10] = [
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "dns",
    "containerd",
    "kubelet",
    "kube-proxy",
    "containerd-real-2",
    "kubelet-real-2",
    "kube-proxy-real-2",
];

/// What the checks of this lane look at.
struct Scene {
    // Dropped in this order: containers, then what they talk to.
    second: Option<RealNode>,
    node: RealNode,
    cluster: ControlPlane,
    admin: Kubectl,
    /// While this file exists, pods that look at it burn CPU.
    switch: PathBuf,
    applied: Instant,
    /// How soon Loadline's first numbers came.
    soonest: Option<Soonest>,
}

/// How many seconds after `kubectl apply` the first numbers could be read.
#[derive(Clone, Copy, Debug)]
struct Soonest {
    pod: f64,
    node: f64,
}

/// Runs the lane.
///
/// # Errors
/// When its folders cannot be made.
pub async fn node(lane: &Lane) -> Result<()> {
    let tools = match prerequisites() {
        Ok(tools) => tools,
        Err(error) => {
            lane.skip("node", &format!("{error:#}"));
            return Ok(());
        }
    };
    let logs = lane.folder()?;
    // A second one for the second node.
    let (scratch, beyond) = (Scratch::new()?, Scratch::new()?);
    for program in WATCHED {
        lane.watch_log(logs.join(format!("{program}.log")));
    }
    let place = Place::Namespace(scratch.name().to_owned());
    let start = ControlPlane::start(&scratch, &tools, &logs, place);
    let Some(cluster) = lane.value("a control plane comes up", START, start).await else {
        return Ok(());
    };
    let start = RealNode::start(&scratch, &tools, &logs, &cluster);
    let Some(node) = lane.value("a node joins it", START, start).await else {
        return Ok(());
    };
    let switch = scratch.subfolder("switch")?.join("on");
    let mut scene = Scene {
        admin: cluster.user("admin", &["system:masters"])?,
        second: None,
        node,
        cluster,
        switch,
        applied: Instant::now(),
        soonest: None,
    };
    lane.note(&format!(
        "logs of the pods: {}",
        logs.join("pods").display()
    ));
    if !Box::pin(on_one_node(lane, &mut scene, &scratch, &tools)).await {
        return Ok(());
    }
    let scratches = (&scratch, &beyond);
    Box::pin(replicas::checks(lane, &mut scene, scratches, &tools, &logs)).await;
    from_heapster::checks(lane, &scene, &scratch, &tools).await;
    lane.check("nothing ended by itself", CALL, async {
        scene.node.alive()?;
        scene.second.as_mut().map_or(Ok(()), RealNode::alive)?;
        scene.cluster.alive()
    })
    .await;
    Ok(())
}

/// What one node is enough for. Returns whether Loadline could be installed.
async fn on_one_node(lane: &Lane, scene: &mut Scene, scratch: &Scratch, tools: &Tools) -> bool {
    if !install::checks(lane, scene, scratch, tools).await {
        return false;
    }
    figures::freshness(lane, scene).await;
    let before = figures::Cost::read(scene).await;
    cpu::checks(lane, scene).await;
    figures::cost(lane, scene, before).await;
    heapster::checks(lane, scene).await;
    strangers::checks(lane, scene).await;
    autoscaler::checks(lane, scene, tools).await;
    take_over::checks(lane, scene, scratch).await;
    steps::checks(lane, scene, scratch).await;
    chart::checks(lane, scene, scratch).await;
    newcomer::checks(lane, scene, scratch, tools).await;
    true
}

fn prerequisites() -> Result<Tools> {
    ensure!(nix::unistd::geteuid().is_root(), "a node needs root");
    let tools = Tools::find()?;
    let kubelet = tools.kubelet();
    ensure!(kubelet.is_file(), "{} is missing", kubelet.display());
    for program in ["/usr/bin/containerd", "/usr/lib/cni/bridge", "/bin/busybox"] {
        let there = std::path::Path::new(program).is_file();
        ensure!(there, "{program} is missing");
    }
    Ok(tools)
}

impl Scene {
    /// Runs a pod from busybox with these limits, `script` in its shell, and waits until it runs.
    async fn run_pod(&self, name: &str, cpu: &str, script: &str) -> Result<Value> {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": name, "namespace": NAMESPACE, "labels": { "app": name } },
            "spec": pod_spec(cpu, script, &self.switch),
        });
        self.admin.apply(&pod.to_string()).await?;
        until(SOON, async || {
            let pod = self
                .admin
                .json(&format!("get pod {name} -n {NAMESPACE}"))
                .await?;
            ensure!(pod["status"]["phase"] == "Running", "{}", pod["status"]);
            Ok(pod)
        })
        .await
    }

    /// Loadline's pod, once there is one that is ready and not about to go.
    async fn loadline(&self) -> Result<Value> {
        let pods = "get pods -n kube-system -l app.kubernetes.io/name=loadline";
        let list = self.admin.json(pods).await?;
        let items = list["items"].as_array().into_iter().flatten();
        let living: Vec<&Value> = items
            .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
            .collect();
        let ready = living.iter().find(|pod| {
            let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
            let mut ready = conditions.filter(|c| c["type"] == "Ready");
            ready.any(|c| c["status"] == "True")
        });
        let states: Vec<&Value> = living
            .iter()
            .map(|pod| &pod["status"]["containerStatuses"][0]["state"])
            .collect();
        ready
            .map(|pod| (*pod).clone())
            .with_context(|| format!("no pod of loadline is ready: {states:?}"))
    }

    /// What is served about a pod.
    async fn served(&self, name: &str) -> Result<Value> {
        let path = format!("/apis/metrics.k8s.io/v1/namespaces/{NAMESPACE}/pods/{name}");
        self.admin.raw(&path).await
    }
}

/// The specification of a pod that runs `script`, as `sh` in busybox; it finds the switch at `/switch/on`.
fn pod_spec(cpu: &str, script: &str, switch: &std::path::Path) -> Value {
    json!({
        "nodeName": RealNode::NAME,
        "terminationGracePeriodSeconds": 0,
        "containers": [{
            "name": "main",
            "image": RealNode::BUSYBOX,
            "imagePullPolicy": "Never",
            "command": ["/bin/sh", "-c", script],
            "resources": {
                "requests": { "cpu": "100m", "memory": "8Mi" },
                "limits": { "cpu": cpu, "memory": "32Mi" },
            },
            "volumeMounts": [{ "name": "switch", "mountPath": "/switch" }],
        }],
        "volumes": [{ "name": "switch", "hostPath": { "path": switch.parent() } }],
    })
}

/// The identifiers a container's control group is found by.
fn container_of(pod: &Value) -> Result<(&str, &str)> {
    let uid = pod["metadata"]["uid"].as_str();
    let id = pod["status"]["containerStatuses"][0]["containerID"].as_str();
    Ok((uid.context("no uid")?, id.context("no containerID")?))
}
