//! A real HPA moves a real Deployment by Loadline's numbers, and survives Loadline's pod.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::process::Command;

use crate::real::hpa::{SCALED, autoscaler, scaled};
use crate::real::{Tools, until};
use crate::report::Lane;

use super::watched::{active, failures};
use super::{CALL, NAMESPACE, SOON, Scene, pod_spec};

/// Longer than two periods of the HPA.
const SETTLED: Duration = Duration::from_secs(12);

/// Burns while the switch is on. Each pod may use 150m and requests 100m: on, all are far above the target of half
/// their request whatever their number is; off, all are far below.
const SCRIPT: &str = "while :; do if [ -e /switch/on ]; then \
    i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; else sleep 1; fi; done";

pub(super) async fn checks(lane: &Lane, scene: &Scene, tools: &Tools) {
    let up = lane
        .check(
            "the HPA takes a Deployment from 1 pod to 3",
            SCALED + CALL,
            async {
                std::fs::write(&scene.switch, "")?;
                scene.admin.apply(&deployment(scene)).await?;
                scene.admin.apply(&autoscaler(NAMESPACE, "elastic")).await?;
                scaled(&scene.admin, NAMESPACE, "elastic", 3).await
            },
        )
        .await;
    if !up {
        return;
    }
    let name = "loadline why says by what the HPA decides, and why a pod has no number, to whom kubectl asks as";
    lane.check(name, SOON + CALL, why(scene, tools)).await;
    lane.check(
        "with loadline's pod deleted its Deployment brings another",
        SOON * 2,
        another(lane, scene),
    )
    .await;
    lane.check(
        "the HPA still sees the load and has kept its 3 pods",
        SCALED + CALL,
        async {
            until(SCALED, async || active(scene).await).await?;
            scaled(&scene.admin, NAMESPACE, "elastic", 3).await
        },
    )
    .await;
    let name = "a rollout of loadline costs the HPA no evaluation";
    lane.check(name, SOON + SETTLED + CALL, rollout(scene))
        .await;
    lane.check(
        "the HPA takes it back to 1 when the load ends",
        SCALED + CALL,
        async {
            std::fs::remove_file(&scene.switch)?;
            scaled(&scene.admin, NAMESPACE, "elastic", 1).await
        },
    )
    .await;
}

/// Asks outside of the pods, with no flag: whom kubectl asks as is in the environment.
async fn why(scene: &Scene, tools: &Tools) -> Result<()> {
    let answer = async |words: [&str; 3]| -> Result<(bool, String)> {
        let mut program = Command::from(scene.cluster.place().command(tools.loadline()));
        program
            .args(words)
            .env("KUBECONFIG", scene.admin.kubeconfig());
        let output = tokio::time::timeout(CALL, program.kill_on_drop(true).output()).await??;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        Ok((output.status.success(), said))
    };
    let elastic = format!("{NAMESPACE}/elastic");
    // Pods that have just come have no number yet.
    until(SOON, async || {
        let (ok, said) = answer(["why", "hpa", &elastic]).await?;
        ensure!(
            ok && said.contains("it decides, by the metrics of 3 pods"),
            "{said}"
        );
        Ok(())
    })
    .await?;
    let (ok, said) = answer(["why", "pod", &format!("{NAMESPACE}/burn")]).await?;
    ensure!(ok && said.contains("it has a number"), "{said}");
    let (ok, said) = answer(["why", "pod", &format!("{NAMESPACE}/nobody")]).await?;
    ensure!(!ok && said.contains("there is no such pod"), "{said}");
    Ok(())
}

/// Deletes Loadline's pod and waits for the next one.
async fn another(lane: &Lane, scene: &Scene) -> Result<()> {
    let old = scene.loadline().await?;
    scene
        .admin
        .run("delete pod -n kube-system -l app.kubernetes.io/name=loadline --wait=false")
        .await?;
    let new = until(SOON, async || {
        let new = scene.loadline().await?;
        ensure!(
            new["metadata"]["uid"] != old["metadata"]["uid"],
            "still the old one"
        );
        Ok(new)
    })
    .await?;
    lane.note(&format!("another pod: {}", new["metadata"]["name"]));
    Ok(())
}

/// Replaces Loadline's pod while the HPA holds its 3 pods by its numbers, and reads what the HPA says of itself.
async fn rollout(scene: &Scene) -> Result<()> {
    let before = failures(scene).await?;
    let loadline = "deployment/loadline -n kube-system";
    scene
        .admin
        .run(&format!("rollout restart {loadline}"))
        .await?;
    let status = async {
        let call = format!("rollout status {loadline} --timeout=20s");
        until(SOON, async || scene.admin.run(&call).await).await?;
        // The autoscaler looks every 5 s.
        tokio::time::sleep(SETTLED).await;
        anyhow::Ok(())
    };
    let active = async {
        loop {
            active(scene).await?;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::select! {
        done = status => done?,
        failed = active => { let never: Result<()> = failed; never?; }
    }
    let after = failures(scene).await?;
    ensure!(after == before, "{after}");
    Ok(())
}

fn deployment(scene: &Scene) -> String {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "elastic", "namespace": NAMESPACE },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": { "app": "elastic" } },
            "template": {
                "metadata": { "labels": { "app": "elastic" } },
                "spec": pod_spec("150m", SCRIPT, &scene.switch),
            },
        },
    })
    .to_string()
}
