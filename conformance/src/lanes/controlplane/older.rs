//! The autoscaler of an older Kubernetes, and one that looks at a single container.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::real::hpa::{SCALED, autoscaler, scaled};
use crate::real::{Scratch, Tools, Workload};
use crate::report::Lane;

use super::autoscaler::{deployment, v1_alone};
use super::{CALL, Scene};

const NAMESPACE: &str = "elastic";
/// The Deployment the autoscaler lane has left at one pod, with its autoscaler.
const WHOLE: &str = "busy";
/// A Deployment of pods with two containers whose autoscaler looks at the hot one.
const SINGLE: &str = "single";
/// The version the older controllers come from.
const VERSION: &str = "v1.35.";

/// Lets the running autoscaler scale by the use of a container. What it returns keeps the pods busy.
pub(super) async fn container_resource(lane: &Lane, scene: &Scene) -> Workload {
    let single = scene.mirror.run_workload(NAMESPACE, SINGLE, 0.3);
    let name = "by the use of the hot one of two containers the HPA scales from 1 to 3";
    lane.check(name, SCALED + CALL, async {
        scene.admin.apply(&deployment(SINGLE, true)).await?;
        scene.admin.apply(&container_autoscaler()?).await?;
        scaled(&scene.admin, NAMESPACE, SINGLE, 3).await
    })
    .await;
    single
}

/// Puts the controllers of an older Kubernetes in the place of the running ones, and lets them scale
/// both Deployments with both versions registered and with v1beta1 alone.
pub(super) async fn checks(
    lane: &Lane,
    scene: &mut Scene,
    scratch: &Scratch,
    tools: &Tools,
    logs: &Path,
    single: &Workload,
) {
    let name = "the controllers of Kubernetes 1.35 take over";
    let replaced = lane
        .check(name, CALL, async {
            let out = Command::new(tools.kubelet())
                .args(["kube-controller-manager", "--version"])
                .output()?;
            let version = String::from_utf8_lossy(&out.stdout).into_owned();
            ensure!(version.contains(VERSION), "{version}");
            scene
                .cluster
                .replace_controllers(scratch, &tools.kubelet(), logs)
        })
        .await;
    if !replaced {
        return;
    }
    // One pod at 300m of the 200m it requests is at 150 %; three of them share it at 50 %, which is the target.
    let whole = scene.mirror.run_workload(NAMESPACE, WHOLE, 0.3);
    single.set_cores(0.03);
    both(lane, scene, "with both versions registered", [3, 1]).await;
    let name = "v1 is no longer registered";
    lane.check(name, CALL, async {
        scene
            .admin
            .run("delete apiservice v1.metrics.k8s.io")
            .await?;
        Ok(())
    })
    .await;
    whole.set_cores(0.03);
    single.set_cores(0.3);
    both(lane, scene, "with v1beta1 alone", [1, 3]).await;
    let name = "with v1 alone the HPA of 1.35 says FailedGetResourceMetric";
    lane.check(name, SCALED + CALL, v1_alone(scene, scratch, WHOLE))
        .await;
    lane.check("v1 is registered again", CALL, async {
        let port = scene.loadline.address.port();
        super::register(&scene.admin, scratch, port).await
    })
    .await;
}

/// Waits for both Deployments at once.
async fn both(lane: &Lane, scene: &Scene, when: &str, replicas: [u64; 2]) {
    let [whole, single] = replicas;
    let name = format!("{when} the HPA of 1.35 scales to {whole}");
    let of_pod = lane.check(
        &name,
        SCALED + CALL,
        scaled(&scene.admin, NAMESPACE, WHOLE, whole),
    );
    let name = format!("{when} the HPA of 1.35 scales to {single} by a container");
    let of_container = lane.check(
        &name,
        SCALED + CALL,
        scaled(&scene.admin, NAMESPACE, SINGLE, single),
    );
    tokio::join!(of_pod, of_container);
}

fn container_autoscaler() -> Result<String> {
    let mut object: Value = serde_json::from_str(&autoscaler(NAMESPACE, SINGLE))?;
    let metric = object
        .pointer_mut("/spec/metrics/0")
        .context("an autoscaler without metrics")?;
    *metric = json!({ "type": "ContainerResource", "containerResource": {
        "name": "cpu",
        "container": "main",
        "target": { "type": "Utilization", "averageUtilization": 50 },
    } });
    Ok(object.to_string())
}
