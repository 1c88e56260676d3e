//! What can be wrong with a kubelet's certificate, on a real kubelet, and what Loadline says of each.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::lab::{Authority, Leaf, Request};
use crate::real::{RealNode, until};
use crate::report::Lane;

use super::{CALL, SOON, Scene};

/// How long a kubelet takes to show a new certificate: it is told of a change, or looks once a minute.
const TAKEN_UP: Duration = Duration::from_secs(100);
const CHECK: &str = "exec -n kube-system deployment/loadline -- /loadline check --output json";

/// A fault: whose certificate is shown, what is said of it, and what to do.
type Fault = (Leaf, &'static str, &'static str);

pub(super) async fn checks(lane: &Lane, scene: &Scene) {
    let name = "each fault of a kubelet's certificate has its explanation and its remedy, while numbers go on";
    lane.check(name, TAKEN_UP * 5 + SOON, async {
        let good = scene
            .cluster
            .pki()
            .cluster
            .issue(&request(&[RealNode::NAME]))?;
        let explained = explained(scene).await;
        // Whatever came of it, others need the kubelet.
        scene.node.show(&good)?;
        explained?;
        until(TAKEN_UP, async || {
            let found = finding(scene).await?;
            ensure!(found["verdict"] == "ok", "{found}");
            Ok(())
        })
        .await
    })
    .await;
}

async fn explained(scene: &Scene) -> Result<()> {
    for (certificate, says, remedy) in faults(scene)? {
        scene.node.show(&certificate)?;
        until(TAKEN_UP, async || {
            let found = finding(scene).await?;
            let has =
                |field: &str, part: &str| found[field].as_str().is_some_and(|t| t.contains(part));
            ensure!(
                found["verdict"] == "failure" && has("message", says),
                "{says}: {found}"
            );
            ensure!(has("remedy", remedy), "{remedy}: {found}");
            Ok(())
        })
        .await?;
        // The server's connection to the kubelet is from before.
        tokio::time::timeout(CALL, scene.served("burn")).await??;
    }
    Ok(())
}

fn faults(scene: &Scene) -> Result<[Fault; 4]> {
    let cluster = &scene.cluster.pki().cluster;
    let name = RealNode::NAME;
    // As a kubelet calls the authority it makes when nobody gives it a certificate.
    let itself = Authority::new(&format!("{name}-ca@1700000000"))?;
    let stranger = &scene.cluster.pki().stranger;
    Ok([
        (
            itself.issue(&request(&[name]))?,
            "one it made itself",
            "serverTLSBootstrap: true",
        ),
        (
            stranger.issue(&request(&[name]))?,
            "signed by another CA",
            "--kubelet-certificate-authority",
        ),
        // As on Fargate.
        (
            cluster.issue(&request(&["127.0.0.1"]))?,
            "for other names than expected",
            "issue it anew",
        ),
        (
            cluster.issue(&request(&[name]).expired())?,
            "expired",
            "rotateCertificates",
        ),
    ])
}

fn request(names: &[&str]) -> Request {
    Request::server(RealNode::NAME, names)
}

/// What `loadline check`, in its pod, finds at the kubelet.
async fn finding(scene: &Scene) -> Result<Value> {
    let answer = scene.admin.ask(CHECK).await?;
    let report: Value = serde_json::from_str(&answer.out).with_context(|| format!("{answer:?}"))?;
    let findings = report["findings"].as_array().into_iter().flatten();
    let mut of_kubelet = findings.filter(|one| one["check"] == "kubelets");
    let found = of_kubelet.find(|one| one["subject"] == RealNode::NAME);
    found.cloned().with_context(|| report.to_string())
}
