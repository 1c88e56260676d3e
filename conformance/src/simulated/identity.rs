//! Who asks, and may they: every way in, asked of the API server as Kubernetes asks.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::stage::{PODS, Stage, small_world, until};
use super::{Bench, Check};
use crate::client::{Client, Protocol};
use crate::lab::{Fault, Request, Usage};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "the front proxy's user is believed and asked about",
        60,
        |bench| Box::pin(front_proxy(bench)),
    ),
    Check::new("a client certificate names its user", 60, |bench| {
        Box::pin(client_certificate(bench))
    }),
    Check::new("a bearer token is reviewed once", 60, |bench| {
        Box::pin(bearer_token(bench))
    }),
    Check::new("certificates that prove nothing are refused", 60, |bench| {
        Box::pin(worthless_certificates(bench))
    }),
    Check::new("who may not is told so in Kubernetes' words", 60, |bench| {
        Box::pin(denied(bench))
    }),
    Check::new(
        "an API server that cannot review costs an error, not an opening",
        90,
        |bench| Box::pin(no_review(bench)),
    ),
];

async fn front_proxy(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.lab.api.journal().clear();
            let alice = stage
                .loadline
                .as_proxied(&stage.lab, "alice", &["viewers", "system:authenticated"])?
                .with_header("x-remote-uid", "u-1")?
                .with_header("x-remote-extra-acme.com%2fproject", "x")?;
            let path = "/apis/metrics.k8s.io/v1beta1/namespaces/a/pods";
            for _ in 0..3 {
                alice.get(path).await?.expect_status(200)?;
            }
            let asked = stage.lab.api.journal().access_reviews();
            ensure!(asked.len() == 1, "asked {} times: {asked:?}", asked.len());
            let want = json!({
                "user": "alice", "uid": "u-1", "groups": ["viewers", "system:authenticated"],
                "extra": { "acme.com/project": ["x"] },
                "resourceAttributes": {
                    "verb": "list", "group": "metrics.k8s.io", "version": "v1beta1",
                    "resource": "pods", "namespace": "a",
                },
            });
            let got = asked.first().map(without_empty);
            ensure!(got.as_ref() == Some(&want), "{got:?} in place of {want}");
            let master = ["system:masters"];
            let master = stage.loadline.as_proxied(&stage.lab, "root", &master)?;
            master.get(path).await?.expect_status(200)?;
            let asked = stage.lab.api.journal().access_reviews().len();
            ensure!(asked == 1, "system:masters was asked about");
            Ok(())
        })
        .await
}

/// A JSON object without what says nothing.
fn without_empty(value: &Value) -> Value {
    let Value::Object(fields) = value else {
        return value.clone();
    };
    let fields = fields.iter().map(|(k, v)| (k.clone(), without_empty(v)));
    let says = |v: &Value| !(v.is_null() || *v == json!("") || *v == json!({}) || *v == json!([]));
    fields.filter(|(_, v)| says(v)).collect()
}

async fn client_certificate(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.lab.api.journal().clear();
            let carol = stage.lab.issue_user("carol", &["viewers", "others"])?;
            let client = stage.loadline.client(Protocol::Http1, Some(&carol))?;
            // Her certificate is no front proxy's, so the header is just text.
            let client = client.with_header("x-remote-user", "root")?;
            client.get(PODS).await?.expect_status(200)?;
            let asked = stage.lab.api.journal().access_reviews();
            let asked = asked.first().context("nobody was asked")?;
            let user = asked.get("user").and_then(Value::as_str);
            ensure!(user == Some("carol"), "asked about {user:?}");
            let want = json!(["viewers", "others", "system:authenticated"]);
            let groups = asked.get("groups").cloned();
            ensure!(groups == Some(want), "in the groups {groups:?}");
            Ok(())
        })
        .await
}

async fn bearer_token(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.lab.add_user("dave", &["viewers"], "daves-token");
            stage.lab.api.journal().clear();
            let client = stage.loadline.client(Protocol::Http2, None)?;
            let dave = client.with_token("daves-token")?;
            for _ in 0..5 {
                dave.get(PODS).await?.expect_status(200)?;
            }
            let reviews = stage.lab.api.journal().token_reviews();
            ensure!(reviews.len() == 1, "{} reviews of one token", reviews.len());
            let basic = client.with_header("authorization", "Basic ZGF2ZTp4")?;
            basic.get(PODS).await?.expect_status(403)?;
            let wrong = client.with_token("wrong")?.get(PODS).await?;
            wrong.expect_status(401)?;
            let want = json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "Unauthorized", "reason": "Unauthorized", "code": 401,
            });
            ensure!(wrong.json()? == want, "{}", wrong.text());
            Ok(())
        })
        .await
}

async fn worthless_certificates(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            let pki = &stage.lab.pki;
            let front = Request::client("front-proxy-client", &[]);
            let user = Request::client("erin", &["viewers"]);
            let server = Request {
                usage: Usage::Server,
                ..user.clone()
            };
            let worthless = [
                ("of a stranger's CA", pki.stranger.issue(&front)?),
                (
                    "of another name than the front proxy's",
                    pki.front_proxy.issue(&Request::client("other", &[]))?,
                ),
                (
                    "that ended",
                    pki.front_proxy.issue(&front.clone().expired())?,
                ),
                ("of a user, that ended", pki.cluster.issue(&user.expired())?),
                ("of a server", pki.cluster.issue(&server)?),
            ];
            for (what, leaf) in &worthless {
                let client = stage.loadline.client(Protocol::Http2, Some(leaf))?;
                let client = client.with_header("x-remote-user", "root")?;
                let client = client.with_header("x-remote-group", "system:masters")?;
                let answer = client.get(PODS).await?;
                answer
                    .expect_status(401)
                    .with_context(|| format!("a certificate {what}"))?;
            }
            // A later way in still counts.
            stage.lab.add_user("frank", &["viewers"], "franks-token");
            let (_, stranger) = &worthless[0];
            let client = stage.loadline.client(Protocol::Http2, Some(stranger))?;
            let client = client.with_token("franks-token")?;
            client.get(PODS).await?.expect_status(200)?;
            Ok(())
        })
        .await
}

async fn denied(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            let bob = stage.loadline.as_proxied(&stage.lab, "bob", &["dev"])?;
            let nobody = stage.loadline.client(Protocol::Http2, None)?;
            let group = "/apis/metrics.k8s.io/v1";
            refused(
                &bob,
                &format!("{group}/nodes"),
                "nodes.metrics.k8s.io is forbidden: User \"bob\" cannot list resource \"nodes\" in \
                 API group \"metrics.k8s.io\" at the cluster scope",
            )
            .await?;
            refused(
                &bob,
                &format!("{group}/namespaces/a/pods/one-1"),
                "pods.metrics.k8s.io \"one-1\" is forbidden: User \"bob\" cannot get resource \
                 \"pods\" in API group \"metrics.k8s.io\" in the namespace \"a\"",
            )
            .await?;
            refused(
                &bob,
                "/metrics",
                "forbidden: User \"bob\" cannot get path \"/metrics\"",
            )
            .await?;
            refused(
                &nobody,
                &format!("{group}/pods"),
                "pods.metrics.k8s.io is forbidden: User \"system:anonymous\" cannot list resource \
                 \"pods\" in API group \"metrics.k8s.io\" at the cluster scope",
            )
            .await
        })
        .await
}

async fn refused(client: &Client, path: &str, message: &str) -> Result<()> {
    let answer = client.get(path).await?;
    answer.expect_status(403)?;
    let status = answer.json()?;
    let got = status.get("message").and_then(Value::as_str);
    ensure!(got == Some(message), "{path}: {got:?}");
    let reason = status.get("reason").and_then(Value::as_str);
    ensure!(reason == Some("Forbidden"), "{path}: {reason:?}");
    Ok(())
}

async fn no_review(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            let journal = stage.lab.api.journal();
            journal.set_fault("/apis/authorization.k8s.io", Fault::Status(500));
            let grace = stage
                .loadline
                .as_proxied(&stage.lab, "grace", &["viewers"])?;
            grace.get(PODS).await?.expect_status(500)?;
            journal.set_fault("/apis/authentication.k8s.io", Fault::Status(500));
            stage.lab.add_user("henry", &["viewers"], "henrys-token");
            let client = stage.loadline.client(Protocol::Http2, None)?;
            let henry = client.with_token("henrys-token")?;
            henry.get(PODS).await?.expect_status(401)?;
            journal.clear_faults();
            // No failure was kept.
            let soon = Duration::from_secs(3);
            for client in [&grace, &henry] {
                until(soon, "served again", async || {
                    Ok((client.get(PODS).await?.status == 200).then_some(()))
                })
                .await?;
            }
            may_still(stage).await
        })
        .await
}

async fn may_still(stage: &Stage) -> Result<()> {
    stage.viewer.get(PODS).await?.expect_status(200)?;
    Ok(())
}
