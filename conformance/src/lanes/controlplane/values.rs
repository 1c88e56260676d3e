//! What is served equals what the kubelets measured, in either version.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::lab::{Pod, Stamp};
use crate::quantity::parse_quantity;
use crate::report::Lane;

use super::{CALL, Scene};

/// A rate is the difference of two counters that are whole nanoseconds.
const CPU_TOLERANCE: f64 = 1e-6;
/// How old a number may be: two resolutions and a busy machine.
const FRESH: Duration = Duration::from_secs(60);

pub(super) async fn checks(lane: &Lane, scene: &Scene) {
    for version in ["v1", "v1beta1"] {
        let name = format!("{version}: pods use what their kubelets measured");
        lane.check(&name, CALL, async {
            let list = get(scene, version, "pods").await?;
            for pod in scene.lab.world.pods() {
                let served = item(&list, &pod.meta.namespace, &pod.meta.name)?;
                judge_pod(&pod, served).with_context(|| pod.meta.name.clone())?;
            }
            Ok(())
        })
        .await;
        let name = format!("{version}: nodes use what their kubelets measured");
        lane.check(&name, CALL, async {
            let list = get(scene, version, "nodes").await?;
            for node in scene.lab.world.nodes() {
                let served = item(&list, "", &node.meta.name)?;
                let cores: f64 = node.cpu.loads().iter().map(|l| l.rate(Stamp::now())).sum();
                judge_usage(&served["usage"], cores, node.memory)?;
                judge_time(served)?;
                ensure!(served["metadata"]["labels"]["zone"] == node.meta.labels["zone"].as_str());
            }
            Ok(())
        })
        .await;
    }
    lane.check(
        "a single pod and a single node can be asked for",
        CALL,
        async {
            let pod = get(scene, "v1", "namespaces/web/pods/web-1").await?;
            ensure!(
                pod["kind"] == "PodMetrics" && pod["apiVersion"] == "metrics.k8s.io/v1",
                "{pod}"
            );
            let node = get(scene, "v1beta1", "nodes/sim-1").await?;
            ensure!(node["kind"] == "NodeMetrics", "{node}");
            ensure!(node["apiVersion"] == "metrics.k8s.io/v1beta1", "{node}");
            Ok(())
        },
    )
    .await;
}

async fn get(scene: &Scene, version: &str, what: &str) -> Result<Value> {
    scene
        .admin
        .raw(&format!("/apis/metrics.k8s.io/{version}/{what}"))
        .await
}

fn item<'a>(list: &'a Value, namespace: &str, name: &str) -> Result<&'a Value> {
    let items = list["items"].as_array().context("no items")?;
    let found = items.iter().find(|item| {
        let meta = &item["metadata"];
        meta["name"] == name && meta["namespace"].as_str().unwrap_or_default() == namespace
    });
    found.with_context(|| format!("{name} is missing"))
}

fn judge_pod(pod: &Pod, served: &Value) -> Result<()> {
    let containers = served["containers"].as_array().context("no containers")?;
    ensure!(containers.len() == pod.containers.len(), "{served}");
    for container in &pod.containers {
        let found = containers
            .iter()
            .find(|c| c["name"] == container.name.as_str());
        let found = found.with_context(|| format!("{} is missing", container.name))?;
        let cores: f64 = container
            .cpu
            .loads()
            .iter()
            .map(|l| l.rate(Stamp::now()))
            .sum();
        judge_usage(&found["usage"], cores, container.memory)?;
    }
    judge_time(served)
}

fn judge_usage(usage: &Value, cores: f64, memory: u64) -> Result<()> {
    let read = |resource: &str| {
        let text = usage[resource].as_str();
        text.and_then(parse_quantity)
            .with_context(|| format!("no {resource}: {usage}"))
    };
    let (cpu, bytes) = (read("cpu")?, read("memory")?);
    ensure!(
        (cpu - cores).abs() <= CPU_TOLERANCE * cores.max(1.0),
        "{cpu} cores for {cores}"
    );
    #[expect(clippy::cast_precision_loss, reason = "no lab has 2^53 bytes")]
    let memory = memory as f64;
    ensure!((bytes - memory).abs() < 1.0, "{bytes} bytes for {memory}");
    Ok(())
}

fn judge_time(served: &Value) -> Result<()> {
    let stamp = served["timestamp"].as_str().context("no timestamp")?;
    let stamp: jiff::Timestamp = stamp.parse()?;
    let age = Stamp::now().as_seconds() - Stamp(stamp.as_millisecond()).as_seconds();
    // The stamp is printed in whole seconds, rounded down.
    ensure!(age > -1.0 && age < FRESH.as_secs_f64(), "{age} s old");
    let window = served["window"].as_str().context("no window")?;
    ensure!(window.ends_with('s') && window != "0s", "window {window}");
    Ok(())
}
