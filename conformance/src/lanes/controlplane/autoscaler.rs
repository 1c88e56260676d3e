//! The real HorizontalPodAutoscaler, fed by Loadline.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::real::{Kubectl, Scratch, until};
use crate::report::Lane;

use super::{CALL, Scene};

/// A rate needs two scrapes of a new pod, and the autoscaler looks every 5 s; on a busy machine all of it takes longer.
const SCALED: Duration = Duration::from_secs(180);
const NAMESPACE: &str = "elastic";

/// An autoscaler that keeps `target`, a Deployment, at half of the CPU it requests, with one to three pods, and does
/// not wait before it scales down.
pub(in crate::lanes) fn autoscaler(namespace: &str, target: &str) -> String {
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": { "name": target, "namespace": namespace },
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": target },
            "minReplicas": 1,
            "maxReplicas": 3,
            "metrics": [{ "type": "Resource", "resource": {
                "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 },
            } }],
            "behavior": { "scaleDown": { "stabilizationWindowSeconds": 0 } },
        },
    })
    .to_string()
}

/// Waits until the autoscaler has computed a utilization and the Deployment has so many pods.
pub(in crate::lanes) async fn scaled(
    kubectl: &Kubectl,
    namespace: &str,
    target: &str,
    replicas: u64,
) -> Result<()> {
    until(SCALED, async || {
        let hpa = kubectl
            .json(&format!("get hpa {target} -n {namespace}"))
            .await?;
        let status = &hpa["status"];
        let current = status["currentReplicas"].as_u64();
        let utilization = &status["currentMetrics"][0]["resource"]["current"]["averageUtilization"];
        ensure!(
            utilization.is_u64(),
            "no utilization: {}",
            status["conditions"]
        );
        ensure!(
            current == Some(replicas) && status["desiredReplicas"] == replicas,
            "{current:?} pods at {utilization} %, {} wanted",
            status["desiredReplicas"]
        );
        Ok(())
    })
    .await
}

pub(super) async fn checks(lane: &Lane, scene: &Scene, scratch: &Scratch) {
    // One pod at 300m of the 200m it requests is at 150 %; three of them share it at 50 %, which is the target.
    let workload = scene.mirror.run_workload(NAMESPACE, "busy", 0.3);
    let up = "with both versions registered the HPA scales from 1 to 3";
    let scaled_up = lane
        .check(up, SCALED + CALL, async {
            scene.admin.apply(&deployment()).await?;
            scene.admin.apply(&autoscaler(NAMESPACE, "busy")).await?;
            scaled(&scene.admin, NAMESPACE, "busy", 3).await
        })
        .await;
    if !scaled_up {
        return;
    }
    let down = "with v1beta1 alone the HPA scales from 3 to 1";
    lane.check(down, SCALED + CALL, async {
        scene
            .admin
            .run("delete apiservice v1.metrics.k8s.io")
            .await?;
        workload.set_cores(0.03);
        scaled(&scene.admin, NAMESPACE, "busy", 1).await
    })
    .await;
    lane.check("v1 comes back when it is registered again", SCALED, async {
        super::register(&scene.admin, scratch, &scene.lab, &scene.loadline).await?;
        until(SCALED, async || {
            let nodes = scene.admin.raw("/apis/metrics.k8s.io/v1/nodes").await?;
            nodes["items"][0]["usage"]["cpu"]
                .as_str()
                .map(str::to_owned)
                .context("no number")
        })
        .await?;
        Ok(())
    })
    .await;
}

fn deployment() -> String {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "busy", "namespace": NAMESPACE },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": { "app": "busy" } },
            "template": {
                "metadata": { "labels": { "app": "busy" } },
                "spec": {
                    // There is no scheduler, and nobody behind the node who would wait for the pod to end.
                    "nodeName": "sim-1",
                    "terminationGracePeriodSeconds": 0,
                    "containers": [{
                        "name": "main",
                        "image": "busy",
                        "resources": { "requests": { "cpu": "200m", "memory": "64Mi" } },
                    }],
                },
            },
        },
    })
    .to_string()
}
