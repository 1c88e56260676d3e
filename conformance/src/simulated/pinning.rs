//! Kubelets for whose certificates nobody vouches: believed once, and held to what they showed.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::stage::{READY, Stage, small_world, throughout, until};
use super::{Bench, Check};
use crate::lab::{CertificateNames, Grant, Lab, LabConfig, Subject};

pub(super) const CHECKS: &[Check] = &[Check::new(
    "a kubelet nobody vouches for is pinned, also over a restart, and one that changed is not believed",
    240,
    |bench| Box::pin(pinned(bench)),
)];

const PINS: &str = "loadline-kubelet-pins";
const ACCOUNT: &str = "system:serviceaccount:kube-system:loadline";
const PIN: &[(&str, &str)] = &[("kubelet-certificate-verification", "pin")];
/// The ConfigMap is looked at every half minute.
const NOTICED: Duration = Duration::from_secs(75);

async fn pinned(bench: &Bench) -> Result<()> {
    let config = LabConfig {
        kubelet_certificates: CertificateNames::Stranger,
        ..LabConfig::default()
    };
    let lab = Lab::start(small_world(), config).await?;
    let grant = Grant::new(
        Subject::User(ACCOUNT.to_owned()),
        &["get", "patch"],
        &["core/configmaps"],
    );
    lab.access.grant(grant.named(PINS));
    bench
        .on_unmeasured(lab, PIN, async |stage| {
            // Without the ConfigMap nobody is believed.
            throughout(Duration::from_secs(6), async || {
                ensure!(stage.pods().await?.is_empty(), "somebody was believed");
                Ok(())
            })
            .await?;
            let empty = json!({ "metadata": { "name": PINS, "namespace": "kube-system" } });
            stage.lab.api.written().put("configmaps", PINS, empty);
            measured(stage, 2).await?;
            until(READY, "both are pinned", async || {
                Ok(pin(stage, "node-1").zip(pin(stage, "node-2")))
            })
            .await?;
            let told = stage.loadline.process.log();
            let told = told.matches("pinned its key").count();
            ensure!(told == 2, "told {told} times");

            // Somebody else takes the place of node-1, and Loadline restarts.
            stage.loadline.process.kill().await?;
            let known = pin(stage, "node-1").context("gone")?;
            let (uid, _) = known.split_once(' ').context("no UID")?;
            put(stage, Some(&format!("{uid} sha256:{}", "0".repeat(64))))?;
            stage.loadline = bench.start(&stage.lab, PIN)?.launch(&stage.lab)?;
            let viewers = ["viewers", "system:authenticated"];
            stage.viewer = stage.loadline.as_proxied(&stage.lab, "viewer", &viewers)?;
            until(READY, "it listens", async || {
                Ok(stage.pods().await.is_ok().then_some(()))
            })
            .await?;
            measured(stage, 1).await?;
            let log = stage.loadline.process.log();
            ensure!(
                log.contains("not who it was") && !log.contains("pinned its key"),
                "the log does not say why"
            );
            // Whoever knows better takes the line out.
            put(stage, None)?;
            measured(stage, 2).await
        })
        .await
}

/// Waits until so many nodes have numbers, and no more have.
async fn measured(stage: &Stage, nodes: usize) -> Result<()> {
    until(
        NOTICED,
        &format!("{nodes} nodes are measured"),
        async || Ok((stage.nodes().await?.len() == nodes).then_some(())),
    )
    .await
}

fn pin(stage: &Stage, node: &str) -> Option<String> {
    let object = stage.lab.api.written().get("configmaps", PINS)?;
    Some(object["data"][node].as_str()?.to_owned())
}

/// Changes the line of node-1, as a person would.
fn put(stage: &Stage, pin: Option<&str>) -> Result<()> {
    let written = stage.lab.api.written();
    let mut object = written.get("configmaps", PINS).context("gone")?;
    let data = object["data"].as_object_mut().context("no data")?;
    match pin {
        None => drop(data.remove("node-1")),
        Some(pin) => drop(data.insert("node-1".to_owned(), json!(pin))),
    }
    written.put("configmaps", PINS, object);
    Ok(())
}
