//! Promises 6 and 7: no more rights than the manifests give, and no credential anywhere it can be read.

use anyhow::{Context, Result, ensure};

use super::stage::{RESOLUTION, Stage, small_world, until};
use super::{Bench, Check};
use crate::client::Protocol;
use crate::lab::{Answer, Lab, LabConfig};

pub(super) const CHECKS: &[Check] = &[
    Check::new("only health answers without credentials", 60, |bench| {
        Box::pin(only_health_is_open(bench))
    }),
    Check::new("a kubelet that redirects is not followed", 90, |bench| {
        Box::pin(no_redirect_is_followed(bench))
    }),
];

pub(super) const SECRETS: &[Check] = &[Check::new(
    "no credential reaches the log, however much is logged",
    90,
    |bench| Box::pin(nothing_secret_is_logged(bench)),
)];

/// What Loadline may ask of the API server: method and the path's beginning.
const ALLOWED: [(&str, &str); 12] = [
    ("GET", "/api/v1/nodes"),
    ("GET", "/api/v1/pods"),
    ("GET", "/api/v1/namespaces"),
    ("GET", "/version"),
    ("GET", "/apis"),
    ("POST", "/api/v1/namespaces/default/events"),
    (
        "PATCH",
        "/api/v1/namespaces/kube-system/configmaps/loadline-kubelet-pins",
    ),
    // Granted where `--leader-elect` is given, and nowhere else.
    (
        "POST",
        "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases",
    ),
    (
        "PUT",
        "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/loadline",
    ),
    // `loadline check` asks what it may.
    (
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    ),
    ("POST", "/apis/authentication.k8s.io/v1/tokenreviews"),
    ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews"),
];

/// What must hold after every check.
pub(super) fn hold_always(stage: &Stage) -> Result<()> {
    let log = stage.loadline.process.log();
    for secret in secrets(stage) {
        ensure!(!log.contains(&secret), "the log holds a token");
    }
    ensure!(!log.contains("panicked at"), "something panicked");
    for request in stage.lab.api.journal().requests() {
        let ours = request.user.contains("serviceaccount");
        let allowed = ALLOWED.iter().any(|(method, path)| {
            request.method.as_str() == *method && request.path.starts_with(path)
        });
        ensure!(
            !ours || allowed,
            "it asked {} {}",
            request.method,
            request.path
        );
    }
    for node in stage.lab.world.nodes() {
        for request in stage.lab.kubelets.requests(&node.meta.name) {
            let path = request.path.as_str();
            let allowed = ["/metrics/resource", "/stats/summary"].contains(&path);
            ensure!(allowed, "it asked a kubelet {path}");
        }
    }
    Ok(())
}

fn secrets(stage: &Stage) -> Vec<String> {
    let key = std::fs::read_to_string(&stage.loadline.serving.key).unwrap_or_default();
    let line = key.lines().nth(1).unwrap_or("no key").to_owned();
    vec![stage.lab.token.clone(), "daves-token".to_owned(), line]
}

async fn only_health_is_open(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            let nobody = stage.loadline.client(Protocol::Http2, None)?;
            for path in ["/livez", "/readyz", "/healthz"] {
                nobody.get(path).await?.expect_status(200)?;
            }
            let closed = [
                "/",
                "/apis",
                "/apis/metrics.k8s.io",
                "/apis/metrics.k8s.io/v1/nodes",
                "/api/v1/model/metrics",
                "/debug/pprof/",
                "/metrics",
                "/openapi/v2",
                "/openapi/v3",
                "/readyz/ping",
                "/version",
                "/unknown",
            ];
            for path in closed {
                let answer = nobody.get(path).await?;
                answer.expect_status(403).context(path)?;
                let wrong = nobody.with_token("wrong")?.get(path).await?;
                wrong.expect_status(401).context(path)?;
            }
            Ok(())
        })
        .await
}

async fn nothing_secret_is_logged(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[("v", "10")], async |stage| {
            stage.until_measured().await?;
            stage.lab.add_user("dave", &["viewers"], "daves-token");
            let client = stage.loadline.client(Protocol::Http2, None)?;
            let path = "/apis/metrics.k8s.io/v1/nodes";
            let dave = client.with_token("daves-token")?;
            dave.get(path).await?.expect_status(200)?;
            let secret = client.with_token("a-wrong-but-secret-token")?;
            secret.get(path).await?.expect_status(401)?;
            let administrator =
                stage
                    .loadline
                    .as_proxied(&stage.lab, "root", &["system:masters"])?;
            let metrics = administrator.get("/metrics").await?;
            metrics.expect_status(200)?;
            // Errors are where secrets slip out.
            stage
                .lab
                .kubelets
                .behave("node-1", |b| b.answer = Answer::Status(401))?;
            stage.lab.kubelets.refuse("node-2").await;
            until(RESOLUTION * 2, "a scrape is refused", async || {
                let scrapes = stage.lab.kubelets.scrapes("node-1");
                Ok(scrapes.iter().any(|s| s.status == 401).then_some(()))
            })
            .await?;
            let log = stage.loadline.process.log();
            ensure!(!log.is_empty(), "nothing at all was logged");
            for secret in ["a-wrong-but-secret-token", "daves-token", "BEGIN PRIVATE"] {
                ensure!(!log.contains(secret), "the log holds {secret}");
                let metrics = metrics.whole_text();
                ensure!(!metrics.contains(secret), "a metric holds {secret}");
            }
            Ok(())
        })
        .await
}

async fn no_redirect_is_followed(bench: &Bench) -> Result<()> {
    let lab = Lab::start(small_world(), LabConfig::default()).await?;
    let thief = lab.world.node("node-2").context("no node-2")?;
    let elsewhere = format!("https://{}:{}/stolen", thief.address, thief.port);
    lab.kubelets
        .behave("node-1", |b| b.answer = Answer::Redirect(elsewhere))?;
    bench
        .on_unmeasured(lab, &[], async |stage| {
            until(RESOLUTION * 2, "node-1 has redirected twice", async || {
                let redirected = stage.lab.kubelets.scrapes("node-1").len();
                Ok((redirected >= 2).then_some(()))
            })
            .await?;
            let stolen = stage.lab.kubelets.requests("node-2");
            let stolen = stolen.iter().any(|s| s.path == "/stolen");
            ensure!(!stolen, "the redirect was followed");
            Ok(())
        })
        .await
}
