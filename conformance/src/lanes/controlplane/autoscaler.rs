//! The real HorizontalPodAutoscaler, fed by Loadline.

use anyhow::{Context, Result};

use crate::real::hpa::{SCALED, autoscaler, scaled, without_metric};
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
            scene.admin.apply(&deployment("busy", false)).await?;
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
    let name = "with v1 alone the HPA says FailedGetResourceMetric";
    lane.check(name, SCALED + CALL, v1_alone(scene, scratch, "busy"))
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

/// Leaves v1 alone registered until the autoscaler says that it has no metric: it asks for v1beta1.
pub(super) async fn v1_alone(scene: &Scene, scratch: &Scratch, target: &str) -> Result<()> {
    let port = scene.loadline.address.port();
    super::register(&scene.admin, scratch, port).await?;
    let call = "delete apiservice v1beta1.metrics.k8s.io";
    scene.admin.run(call).await?;
    without_metric(&scene.admin, NAMESPACE, target).await
}

/// A Deployment of one pod on a simulated node; `beside` it has a container that is idle.
pub(super) fn deployment(name: &str, beside: bool) -> String {
    crate::real::hpa::deployment(NAMESPACE, name, "sim-1", beside)
}
