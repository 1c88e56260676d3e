//! The steps below a verified way to the kubelet, each by its overlay.

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::real::{RealNode, Scratch, until};
use crate::report::Lane;

use super::install::here;
use super::{CALL, SOON, Scene};

pub(super) async fn checks(lane: &Lane, scene: &Scene, scratch: &Scratch) {
    let name = "with its overlay loadline pins the kubelet, and its ConfigMap says so";
    lane.check(name, SOON * 2 + CALL, async {
        replaced(scene, scratch, "deploy/overlays/pin").await?;
        until(SOON, async || {
            let call = "get configmap loadline-kubelet-pins -n kube-system";
            let pins = scene.admin.json(call).await?;
            let pin = pins["data"][RealNode::NAME].as_str().unwrap_or_default();
            ensure!(pin.ends_with(" vouched"), "{pins}");
            Ok(())
        })
        .await
    })
    .await;
    let name = "with its overlay loadline asks the kubelet through the API server, and says when it may not";
    lane.check(name, SOON * 3 + CALL, async {
        replaced(scene, scratch, "deploy/overlays/via-apiserver").await?;
        scene
            .admin
            .run("delete clusterrolebinding system:loadline-via-apiserver")
            .await?;
        until(SOON, async || {
            let coverage = coverage(scene).await?;
            let says = coverage.to_string();
            ensure!(says.contains("nodes/proxy"), "{says}");
            Ok(())
        })
        .await
    })
    .await;
}

/// Applies the overlay and waits until a new pod is ready and knows the node freshly.
async fn replaced(scene: &Scene, scratch: &Scratch, folder: &str) -> Result<()> {
    let old = scene.loadline().await?;
    let manifests = here(folder, "Deployment");
    let manifests = manifests.render(scratch, &scene.admin).await?;
    scene.admin.apply(&manifests).await?;
    until(SOON, async || {
        let new = scene.loadline().await?;
        ensure!(
            new["metadata"]["uid"] != old["metadata"]["uid"],
            "the old one"
        );
        // Of two the old one may still answer.
        let pods = "get pods -n kube-system -l app.kubernetes.io/name=loadline";
        let pods = scene.admin.json(pods).await?;
        let pods = pods["items"].as_array().map_or(0, Vec::len);
        ensure!(pods == 1, "{pods} pods");
        Ok(())
    })
    .await?;
    until(SOON, async || {
        let coverage = coverage(scene).await?;
        ensure!(coverage["status"]["state"] == "Fresh", "{coverage}");
        Ok(())
    })
    .await
}

async fn coverage(scene: &Scene) -> Result<Value> {
    let path = format!(
        "/apis/loadline.io/v1alpha1/nodecoverages/{}",
        RealNode::NAME
    );
    scene.admin.raw(&path).await
}
