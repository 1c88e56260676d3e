//! Loadline goes, metrics-server comes, and Loadline takes over from it: each by the manifests alone.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::compare::install_metrics_server;
use crate::image::Image;
use crate::real::{Scratch, until};
use crate::report::Lane;

use super::install::{here, soonest};
use super::{CALL, NAMESPACE, SOON, Scene, Soonest};

pub(super) const METRICS_SERVER: &str = include_str!("metrics-server.yaml");
const OLDER: &str = "v1beta1.metrics.k8s.io";
/// What part of metrics-server's time the first numbers may take. Its probe waits for 20 s, so what is a third on a quiet
/// machine is more on a busy one.
const PART: Soonest = Soonest {
    pod: 0.45,
    node: 0.75,
};
const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn checks(lane: &Lane, scene: &mut Scene, scratch: &Scratch) {
    let name = "kubectl delete takes loadline away, and nothing of the cluster is broken then";
    if !lane
        .check(name, SOON + CALL * 3, gone(scene, scratch))
        .await
    {
        return;
    }
    let name = "metrics-server applies on the same node";
    if !lane
        .check(name, CALL * 4, metrics_server(scene, scratch))
        .await
    {
        return;
    }
    let theirs = soonest(lane, scene).await;
    if let (Some(ours), Some(theirs)) = (scene.soonest, theirs) {
        sooner(lane, ours, theirs).await;
    }
    let asked = AtomicUsize::new(0);
    let name =
        "the Job leads from metrics-server to loadline and back, and no answer fails or is empty";
    let done = lane
        .check(name, SOON * 4, async {
            tokio::select! {
                done = Box::pin(there_and_back(scene, scratch)) => done,
                failed = asking(scene, &asked) => failed,
            }
        })
        .await;
    if done {
        let asked = asked.load(Ordering::Relaxed);
        lane.note(&format!(
            "three changes under {asked} lists of nodes and pods"
        ));
    }
}

async fn sooner(lane: &Lane, ours: Soonest, theirs: Soonest) {
    let name = "loadline's first numbers come sooner than metrics-server's by far";
    lane.check(name, CALL, async {
        let (pod, node) = (ours.pod / theirs.pod, ours.node / theirs.node);
        lane.note(&format!(
            "top pod after {:.1} s, metrics-server {:.1} s; top node after {:.1} s, metrics-server {:.1} s",
            ours.pod, theirs.pod, ours.node, theirs.node
        ));
        ensure!(pod <= PART.pod, "top pod took {pod:.2} of its time");
        ensure!(node <= PART.node, "top node took {node:.2} of its time");
        Ok(())
    })
    .await;
}

/// Deletes what was applied. Then a namespace comes and goes, which it could not if an API were dead.
async fn gone(scene: &Scene, scratch: &Scratch) -> Result<()> {
    let manifests = here("deploy/overlays/heapster", "Deployment");
    let manifests = manifests.render(scratch, &scene.admin).await?;
    delete(scene, &manifests).await?;
    unbroken(scene).await
}

/// Makes sure that nothing of Loadline is left, and that namespaces come and go.
pub(super) async fn unbroken(scene: &Scene) -> Result<()> {
    scene.admin.forget_discovery();
    let resources = scene.admin.ask("api-resources").await?;
    ensure!(
        resources.success && !resources.out.contains("metrics.k8s.io"),
        "{resources:?}"
    );
    scene.admin.run("create namespace passing").await?;
    scene
        .admin
        .run("delete namespace passing --wait=true --timeout=50s")
        .await?;
    let left = scene
        .admin
        .run("get all,roles,rolebindings,clusterroles,clusterrolebindings,networkpolicies -A -o name -l app.kubernetes.io/name=loadline")
        .await?;
    // A pod that ends takes its time.
    let left: Vec<&str> = left
        .lines()
        .filter(|name| !name.starts_with("pod/"))
        .collect();
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}

async fn delete(scene: &Scene, manifests: &str) -> Result<()> {
    let arguments = ["delete", "--wait=true", "--timeout=50s", "-f", "-"];
    scene.admin.run_args(&arguments, manifests).await?;
    Ok(())
}

async fn metrics_server(scene: &mut Scene, scratch: &Scratch) -> Result<()> {
    let program = install_metrics_server().await?;
    let image = Image::of_program("localhost/metrics-server:test", &program, &[])?;
    scene.node.import(&image, scratch)?;
    scene.applied = Instant::now();
    scene.admin.apply(METRICS_SERVER).await
}

/// Installs Loadline beside it, takes over, goes back, and takes over again.
async fn there_and_back(scene: &Scene, scratch: &Scratch) -> Result<()> {
    let beside = here("deploy/overlays/beside", "Deployment");
    let beside = beside.render(scratch, &scene.admin).await?;
    scene.admin.apply(&beside).await?;
    for (folder, service) in [
        ("deploy/take-over", "loadline"),
        ("deploy/take-back", "metrics-server"),
        ("deploy/take-over", "loadline"),
    ] {
        let job = here(folder, "Job").render(scratch, &scene.admin).await?;
        scene.admin.apply(&job).await?;
        until(SOON, async || ended(scene).await).await?;
        delete(scene, &job).await?;
        let object = scene.admin.json(&format!("get apiservice {OLDER}")).await?;
        let spec = &object["spec"];
        ensure!(spec["service"]["name"] == service, "{folder}: {spec}");
        let skips = spec["insecureSkipTLSVerify"] == true;
        ensure!(skips == (service == "metrics-server"), "{folder}: {spec}");
    }
    Ok(())
}

/// Waits for the one Job to be complete; with what it said when it failed.
async fn ended(scene: &Scene) -> Result<()> {
    let jobs = scene.admin.json("get jobs -n kube-system").await?;
    let job = jobs["items"][0].clone();
    let conditions = job["status"]["conditions"].as_array();
    let is = |kind: &str| {
        let mut all = conditions.into_iter().flatten();
        all.any(|one| one["type"] == kind && one["status"] == "True")
    };
    if is("Failed") {
        let call = "logs -n kube-system -l app.kubernetes.io/name=loadline-take-over --tail=20";
        let log = scene.admin.run(call).await?;
        return Err(anyhow::anyhow!("{log}")).context(crate::real::Hopeless);
    }
    ensure!(is("Complete"), "{}", job["status"]);
    Ok(())
}

/// Lists all the time, and returns only when an answer is not whole.
async fn asking(scene: &Scene, asked: &AtomicUsize) -> Result<()> {
    loop {
        for (path, least) in [
            ("/apis/metrics.k8s.io/v1beta1/nodes".to_owned(), 1),
            (
                format!("/apis/metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/pods"),
                1,
            ),
        ] {
            let answer = scene.admin.raw(&path).await;
            let list: Value = answer.with_context(|| count(asked))?;
            let items = list["items"].as_array().map_or(0, Vec::len);
            if items < least {
                bail!("{}: {list}", count(asked));
            }
            asked.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn count(asked: &AtomicUsize) -> String {
    format!("after {} answers", asked.load(Ordering::Relaxed))
}
