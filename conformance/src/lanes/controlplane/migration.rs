//! The change from metrics-server to Loadline and back, by the commands of the document and by `loadline take-over`,
//! while somebody asks all the time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::client::Client;
use crate::lanes::document::{commands, run};
use crate::loadline::{Loadline, Start};
use crate::real::{Tools, until};
use crate::report::Lane;

use super::{CALL, Scene};

const DOCUMENT: &str = include_str!("../../../../docs/migrate-from-metrics-server.md");
const RIGHTS: &str = include_str!("../../../../deploy/take-over/rbac.yaml");
const OLDER: &str = "v1beta1.metrics.k8s.io";
const NEWER: &str = "v1.metrics.k8s.io";
const PATH: &str = "/apis/metrics.k8s.io/v1beta1/nodes";
/// A port nobody listens on.
const NOBODY: u16 = 1;
const PAUSE: Duration = Duration::from_millis(20);
/// How many answers each server has to give while it is asked.
const ENOUGH: usize = 50;

/// Changes over with both servers running: back to `peer`, to Loadline again, and once more.
pub(super) async fn checks(lane: &Lane, scene: &Scene, tools: &Tools, peer: &Loadline) {
    let ours = scene.start.port();
    let theirs = peer.address.port();
    let asked = AtomicUsize::new(0);
    let name =
        "from loadline to metrics-server and back, by the document, no answer fails or is empty";
    let changed = lane
        .check(name, CALL * 3, async {
            service(scene, "metrics-server").await?;
            let client = scene.cluster.client("asker")?;
            let changes = Box::pin(async {
                for _ in 0..2 {
                    step(scene, tools, "back", theirs).await?;
                    serves(scene, &asked, false).await?;
                    step(scene, tools, "repoint", ours).await?;
                    serves(scene, &asked, true).await?;
                    step(scene, tools, "check", ours).await?;
                    step(scene, tools, "add-v1", ours).await?;
                }
                Ok(())
            });
            tokio::select! {
                changed = changes => changed,
                failed = Box::pin(asking(&client, scene.lab.world.nodes().len(), &asked)) => failed,
            }
        })
        .await;
    if changed {
        let asked = asked.load(Ordering::Relaxed);
        lane.note(&format!("four changes under {asked} lists of nodes"));
    }
    scene.admin.forget_discovery();
}

/// The same by `loadline take-over`, with the rights of its Job and no other.
pub(super) async fn by_command(lane: &Lane, scene: &Scene, peer: &Loadline) {
    let asked = AtomicUsize::new(0);
    let name = "loadline take-over leads there and back, and no answer fails or is empty";
    let changed = lane
        .check(name, CALL * 8, async {
            service(scene, "metrics-server").await?;
            let start = commander(scene).await?;
            let client = scene.cluster.client("asker")?;
            let changes = Box::pin(async {
                begin_with(scene, peer).await?;
                let before = spec(scene, OLDER).await?;
                said(&start, &["take-over", "--dry-run"], "would patch").await?;
                ensure!(spec(scene, OLDER).await? == before, "a dry run has written");
                serves(scene, &asked, false).await?;
                for _ in 0..2 {
                    said(&start, &["take-over"], "and in v1").await?;
                    verified(scene).await?;
                    serves(scene, &asked, true).await?;
                    said(&start, &["take-over"], "already").await?;
                    said(&start, &["take-over", "--back"], "from there").await?;
                    ensure!(spec(scene, OLDER).await? == before, "not what was there");
                    let newer = scene.admin.ask(&format!("get apiservice {NEWER}")).await?;
                    ensure!(newer.err.contains("NotFound"), "{newer:?}");
                    serves(scene, &asked, false).await?;
                }
                said(&start, &["take-over"], "and in v1").await?;
                serves(scene, &asked, true).await
            });
            tokio::select! {
                changed = changes => changed,
                failed = Box::pin(asking(&client, scene.lab.world.nodes().len(), &asked)) => failed,
            }
        })
        .await;
    if changed {
        let asked = asked.load(Ordering::Relaxed);
        lane.note(&format!("five changes under {asked} lists of nodes"));
    }
    scene.admin.forget_discovery();
}

/// `take-over --back` works also where Loadline answers nobody any more.
pub(super) async fn without_us(lane: &Lane, scene: &Scene) {
    let name =
        "loadline take-over --back leads to who answered before when Loadline does not answer";
    lane.check(name, CALL * 4, async {
        let start = commander(scene).await?;
        for name in [OLDER, NEWER] {
            patch(scene, name, &json!({ "service": { "port": NOBODY } })).await?;
        }
        let client = scene.cluster.client("asker")?;
        let gone = async || -> Result<()> {
            let answer = client.get(PATH).await?;
            ensure!(!answer.status.is_success(), "{}", answer.status);
            Ok(())
        };
        until(CALL, gone).await?;
        let (good, text) = start.ask(&["take-over", "--back"]).await?;
        let told = text.contains("gives no numbers now") && text.contains("from there");
        ensure!(good && told, "{text}");
        said(&start, &["take-over"], "and in v1").await?;
        verified(scene).await
    })
    .await;
    scene.admin.forget_discovery();
}

/// `take-over` changes nothing when it would not work.
pub(super) async fn refusals(lane: &Lane, scene: &Scene, mut peer: Loadline) {
    let name = "loadline take-over refuses what would not work, and changes nothing then";
    lane.check(name, CALL * 3, async {
        let start = commander(scene).await?;
        let before = spec(scene, OLDER).await?;
        let elsewhere = start.clone().with("service-name", "somebody");
        refused(&elsewhere, &["take-over"], "--service-name").await?;
        // Loadline's own account has no such rights.
        refused(&scene.start, &["take-over", "--back"], "cannot").await?;
        peer.process.kill().await?;
        refused(&start, &["take-over", "--back"], "is not ready").await?;
        ensure!(spec(scene, OLDER).await? == before, "it has written");
        verified(scene).await
    })
    .await;
}

/// Leads to metrics-server alone, as its own manifest does.
async fn begin_with(scene: &Scene, peer: &Loadline) -> Result<()> {
    let delete = format!("delete apiservice {NEWER} --ignore-not-found");
    scene.admin.run(&delete).await?;
    let theirs = json!({
        "service": { "name": "metrics-server", "namespace": "kube-system", "port": peer.address.port() },
        "caBundle": null,
        "insecureSkipTLSVerify": true,
    });
    patch(scene, OLDER, &theirs).await
}

/// Changes what stands in an APIService's spec.
async fn patch(scene: &Scene, name: &str, spec: &Value) -> Result<()> {
    let patch = json!({ "spec": spec }).to_string();
    let arguments = ["patch", "apiservice", name, "--type=merge", "-p", &patch];
    scene.admin.run_args(&arguments, "").await?;
    Ok(())
}

/// The program as its Job runs it: with the account and the rights of `deploy/take-over`.
async fn commander(scene: &Scene) -> Result<Start> {
    scene.admin.apply(RIGHTS).await?;
    let account = scene
        .cluster
        .service_account(&scene.admin, "kube-system", "loadline-take-over")
        .await?;
    let kubeconfig = account.kubeconfig().display().to_string();
    Ok(scene.start.clone().with("kubeconfig", &kubeconfig))
}

async fn said(start: &Start, words: &[&str], expected: &str) -> Result<()> {
    let (good, text) = start.ask(words).await?;
    ensure!(good && text.contains(expected), "{words:?}: {text}");
    Ok(())
}

async fn refused(start: &Start, words: &[&str], expected: &str) -> Result<()> {
    let (good, text) = start.ask(words).await?;
    ensure!(!good && text.contains(expected), "{words:?}: {text}");
    Ok(())
}

async fn spec(scene: &Scene, name: &str) -> Result<Value> {
    let object = scene.admin.json(&format!("get apiservice {name}")).await?;
    Ok(object["spec"].clone())
}

/// Makes sure that both versions lead to Loadline and are verified.
async fn verified(scene: &Scene) -> Result<()> {
    for name in [OLDER, NEWER] {
        let spec = spec(scene, name).await?;
        let verified = spec["caBundle"].is_string() && spec["insecureSkipTLSVerify"].is_null();
        ensure!(verified && spec["service"]["name"] == "loadline", "{spec}");
    }
    Ok(())
}

/// Asks for the nodes again and again, and returns only when an answer is not whole.
async fn asking(client: &Client, nodes: usize, asked: &AtomicUsize) -> Result<()> {
    loop {
        let answer = client.get(PATH).await?;
        let text = answer.text();
        let list: Value = answer.json().unwrap_or_default();
        let items = list["items"].as_array();
        let usable = |item: &&Value| item["usage"]["cpu"].is_string();
        let whole = items.is_some_and(|items| items.iter().filter(usable).count() == nodes);
        if !(answer.status.is_success() && whole) {
            bail!(
                "after {} answers: {} {text}",
                asked.load(Ordering::Relaxed),
                answer.status
            );
        }
        asked.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until it is Loadline that is asked, or is not, and has been for some time.
async fn serves(scene: &Scene, asked: &AtomicUsize, loadline: bool) -> Result<()> {
    until(CALL, async || {
        let resources = scene.admin.raw("/apis/metrics.k8s.io/v1beta1").await?;
        let verbs = resources["resources"][0]["verbs"].as_array();
        // metrics-server has no watch.
        let watches = verbs.is_some_and(|verbs| verbs.contains(&json!("watch")));
        ensure!(watches == loadline, "{resources}");
        Ok(())
    })
    .await?;
    let before = asked.load(Ordering::Relaxed);
    until(CALL, async || {
        let answers = asked.load(Ordering::Relaxed) - before;
        ensure!(answers >= ENOUGH, "{answers} answers");
        Ok(())
    })
    .await
}

/// Runs a block of the document, with the port the server has here.
async fn step(scene: &Scene, tools: &Tools, name: &str, port: u16) -> Result<()> {
    let block = commands(DOCUMENT, name)?
        .replace("\"port\": 443", &format!("\"port\": {port}"))
        .replace("port: 443", &format!("port: {port}"));
    let shell = Command::new("/bin/sh");
    let said = run(
        shell,
        &block,
        &scene.admin,
        tools,
        &scene.lab.file("migration-cache"),
    )
    .await;
    said.with_context(|| name.to_owned())?;
    Ok(())
}

async fn service(scene: &Scene, name: &str) -> Result<()> {
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": name, "namespace": "kube-system" },
        "spec": { "type": "ExternalName", "externalName": "localhost" },
    });
    scene.admin.apply(&service.to_string()).await
}
