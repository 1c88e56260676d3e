//! The real HorizontalPodAutoscaler, fed by Loadline.

use anyhow::Context;
use serde_json::json;

use crate::lanes::hpa::{SCALED, autoscaler, scaled};
use crate::real::{Scratch, until};
use crate::report::Lane;

use super::{CALL, Scene};

const NAMESPACE: &str = "elastic";

pub(super) async fn checks(lane: &Lane, scene: &Scene, scratch: &Scratch) {
    // One pod at 300m of the 200m it requests is at 150 %; three of them share it at 50 %, which is the target.
    let workload = scene.mirror.run_workload(NAMESPACE, "busy", 0.3);
    let up = "with both versions registered the HPA scales from 1 to 3";
    let scaled_up = lane
        .check(up, SCALED + CALL, async {
            scene.admin.apply(&deployment("busy")).await?;
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
        let port = scene.loadline.address.port();
        super::register(&scene.admin, scratch, port).await?;
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

/// A Deployment of one pod that requests 200m of CPU.
pub(super) fn deployment(name: &str) -> String {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": name, "namespace": NAMESPACE },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
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
