//! When something is wrong, it says what: coverage, `check` and `why`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::StatusCode;
use serde_json::{Value, json};

use super::stage::{RESOLUTION, Stage, small_world, until};
use super::{Bench, Check};
use crate::lab::{Answer, CertificateNames, Container, Lab, LabConfig, Pod};
use crate::loadline::Start;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "a failing node is listed with its cause and the remedy until it recovers",
        120,
        |bench| Box::pin(fails_and_recovers(bench)),
    ),
    Check::new(
        "a kubelet of a stranger is explained in coverage, readiness, metrics and an Event",
        120,
        |bench| Box::pin(strangers(bench)),
    ),
    Check::new(
        "check passes a good cluster and finds each fault",
        150,
        |bench| Box::pin(preflight(bench)),
    ),
    Check::new("why pod names the reason", 120, |bench| {
        Box::pin(why_pod(bench))
    }),
];

const COVERAGES: &str = "/apis/loadline.io/v1alpha1/nodecoverages";
const APISERVICES: [&str; 3] = [
    "v1.metrics.k8s.io",
    "v1beta1.metrics.k8s.io",
    "v1alpha1.loadline.io",
];

/// How a node fares; nothing of one that is not known yet.
async fn status(stage: &Stage, node: &str) -> Result<Value> {
    let answer = stage.viewer.get(&format!("{COVERAGES}/{node}")).await?;
    if answer.status == StatusCode::NOT_FOUND {
        return Ok(Value::Null);
    }
    answer.expect_status(200)?;
    Ok(answer.json()?["status"].take())
}

/// Waits until a node is in one of these states.
pub(super) async fn until_state(stage: &Stage, node: &str, states: &[&str]) -> Result<Value> {
    let what = format!("{node} is {}", states.join(" or "));
    until(RESOLUTION * 3, &what, async || {
        let status = status(stage, node).await?;
        let state = status["state"].as_str().unwrap_or_default();
        Ok(states.contains(&state).then_some(status.clone()))
    })
    .await
}

async fn fails_and_recovers(bench: &Bench) -> Result<()> {
    let flags = [("node-selector", "zone!=c")];
    let world = small_world();
    bench
        .beside(world, &flags, async |stage| {
            stage.until_measured().await?;
            let out = crate::lab::Node::new("out").label("zone", "c");
            stage.lab.add_node(out).await?;
            let excluded = until_state(stage, "out", &["Excluded"]).await?;
            ensure!(excluded["cause"] == "selector", "{excluded}");
            let good = until_state(stage, "node-1", &["Fresh"]).await?;
            ensure!(good["sampleTime"].is_string(), "{good}");
            let kubelets = &stage.lab.kubelets;
            kubelets.behave("node-1", |b| b.answer = Answer::Status(403))?;
            let bad = until_state(stage, "node-1", &["Stale", "Failing"]).await?;
            ensure!(bad["cause"] == "403", "{bad}");
            let remedy = bad["remedy"].as_str().unwrap_or_default();
            ensure!(remedy.contains("nodes/metrics"), "{bad}");
            until_state(stage, "node-2", &["Fresh"]).await?;
            kubelets.behave("node-1", |b| b.answer = Answer::Normal)?;
            let again = until_state(stage, "node-1", &["Fresh"]).await?;
            ensure!(again["cause"].is_null(), "{again}");
            Ok(())
        })
        .await
}

async fn strangers(bench: &Bench) -> Result<()> {
    let config = LabConfig {
        kubelet_certificates: CertificateNames::Stranger,
        ..LabConfig::default()
    };
    let lab = Lab::start(small_world(), config).await?;
    bench
        .on_unmeasured(lab, &[], async |stage| {
            let bad = until_state(stage, "node-1", &["Failing"]).await?;
            ensure!(bad["cause"] == "tls", "{bad}");
            let message = bad["message"].as_str().unwrap_or_default();
            ensure!(message.contains("signed by"), "{bad}");
            let remedy = bad["remedy"].as_str().unwrap_or_default();
            ensure!(remedy.contains("--kubelet-certificate-authority"), "{bad}");
            let masters = ["system:masters"];
            let admin = stage.loadline.as_proxied(&stage.lab, "root", &masters)?;
            let why = admin.get("/readyz/metric-storage-ready").await?;
            let why = why.whole_text();
            ensure!(why.contains("2 failing"), "{why}");
            let metrics = admin.get("/metrics").await?.whole_text();
            let line = "loadline_nodes{state=\"failing\"} 2";
            ensure!(metrics.contains(line), "no {line}");
            until(Duration::from_secs(30), "an Event is written", async || {
                let events = stage.lab.api.written().all("events");
                let ours = |one: &&Value| one["involvedObject"]["name"] == "node-1";
                let event = events.iter().find(ours);
                Ok(event.map(|event| event["reason"] == "MetricsUnavailable"))
            })
            .await?;
            Ok(())
        })
        .await
}

/// What the APIService objects say: where they lead, and whether it is so.
fn register(lab: &Lab, name: &str, available: bool) {
    let (status, reason) = if available {
        ("True", "Passed")
    } else {
        ("False", "MissingEndpoints")
    };
    let object = json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": { "name": name },
        "spec": {
            "caBundle": "eA==", "groupPriorityMinimum": 100, "versionPriority": 100,
            "service": { "namespace": "kube-system", "name": "loadline" },
        },
        "status": { "conditions": [
            { "type": "Available", "status": status, "reason": reason, "message": "as the lab says" },
        ] },
    });
    lab.api.written().put("apiservices", name, object);
}

/// Runs `check`; which subjects failed, with what is said of them.
async fn failures(start: &Start) -> Result<Vec<(String, String)>> {
    let (ok, text) = start.ask(&["check", "--output", "json"]).await?;
    let report: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
    ensure!(
        report["ok"] == ok,
        "the exit code says something else: {text}"
    );
    let findings = report["findings"].as_array().context("no findings")?;
    let failed = findings.iter().filter(|one| one["verdict"] == "failure");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let failed = failed.map(|one| {
        ensure!(one["remedy"] != "", "no remedy: {one}");
        Ok((text(&one["subject"]), text(&one["message"])))
    });
    failed.collect()
}

fn expect(found: &[(String, String)], wanted: &[(&str, &str)]) -> Result<()> {
    let same = found.len() == wanted.len()
        && found
            .iter()
            .zip(wanted)
            .all(|(found, wanted)| found.0 == wanted.0 && found.1.contains(wanted.1));
    ensure!(same, "found {found:?}, not {wanted:?}");
    Ok(())
}

async fn preflight(bench: &Bench) -> Result<()> {
    let mut lab = Lab::start(small_world(), LabConfig::default()).await?;
    for name in APISERVICES {
        register(&lab, name, true);
    }
    let start = bench
        .start(&lab, &[])?
        .without("tls-cert-file")
        .without("tls-private-key-file")
        .with("serving-secret", "kube-system/loadline-serving");
    expect(&failures(&start).await?, &[]).context("a good cluster")?;

    lab.access.revoke_target("core/nodes/metrics");
    let found = failures(&start).await?;
    let may_not = ("get nodes/metrics", "not granted");
    let refused = "may not";
    expect(&found, &[may_not, ("node-1", refused), ("node-2", refused)]).context("a right")?;
    lab.give_access();

    lab.kubelets.refuse("node-2").await;
    let found = failures(&start).await?;
    expect(&found, &[("node-2", "nothing takes connections")]).context("a dead kubelet")?;
    lab.kubelets.accept("node-2").await?;

    register(&lab, "v1beta1.metrics.k8s.io", false);
    let found = failures(&start).await?;
    let unavailable = ("v1beta1.metrics.k8s.io", "MissingEndpoints");
    expect(&found, &[unavailable]).context("an APIService")?;
    register(&lab, "v1beta1.metrics.k8s.io", true);

    let map = ("kube-system", "extension-apiserver-authentication");
    lab.world.delete_config_map(map.0, map.1);
    let found = failures(&start).await?;
    let subject = "ConfigMap kube-system/extension-apiserver-authentication";
    expect(&found, &[(subject, "not there")]).context("the ConfigMap")?;

    lab.api.stop().await;
    let found = failures(&start).await?;
    expect(&found, &[("connection", "")]).context("no API server")?;
    Ok(())
}

async fn why_pod(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            let admin = stage.lab.admin_kubeconfig().display().to_string();
            let start = bench.start(&stage.lab, &[("kubeconfig", &admin)])?;
            let kubelets = &stage.lab.kubelets;
            kubelets.behave("node-1", |b| b.answer = Answer::Status(401))?;
            let new = Pod::new("a", "new").on("node-1");
            stage.lab.world.put_pod(new.with(Container::new("app")));
            until_state(stage, "node-1", &["Stale", "Failing"]).await?;
            for (pod, good, says) in [
                ("a/one-2", true, "it has a number"),
                ("a/nobody", false, "there is no such pod"),
                ("a/new", false, "does not know who Loadline is"),
            ] {
                let (ok, text) = start.ask(&["why", "pod", pod]).await?;
                ensure!(ok == good && text.contains(says), "{pod}: {text}");
            }
            Ok(())
        })
        .await
}
