//! Two replicas on two nodes: spread by the scheduler, drained under a scaling autoscaler, killed.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::real::hpa::{SCALED, scaled};
use crate::real::{Overlay, RealNode, Scratch, Tools, until};
use crate::report::Lane;

use super::install::{self, IMAGE, NEXT};
use super::watched::{Watched, active};
use super::{CALL, NAMESPACE, SOON, START, Scene, container_of};

const PODS: &str = "get pods -n kube-system -l app.kubernetes.io/name=loadline";
const SECOND: &str = RealNode::SECOND;
const FIRST: &str = RealNode::NAME;
/// Longer than two periods of the autoscaler.
const SETTLED: Duration = Duration::from_secs(12);
/// How long an API server and a busy machine may take to act on what is in an EndpointSlice.
const HEARD: Duration = Duration::from_secs(3);

/// A replica that is ready.
#[derive(Clone, Debug)]
struct Replica {
    name: String,
    node: String,
    pod: Value,
}

pub(super) async fn checks(
    lane: &Lane,
    scene: &mut Scene,
    (scratch, beyond): (&Scratch, &Scratch),
    tools: &Tools,
    logs: &Path,
) {
    let start = RealNode::start_second(beyond, tools, logs, &scene.cluster);
    let name = "a second node joins, in a network namespace of its own";
    let Some(second) = lane.value(name, START, start).await else {
        return;
    };
    scene.second = Some(second);
    let name = "kubectl apply -k deploy/overlays/ha puts a replica on each node";
    let applied = lane
        .check(name, SOON * 2, async {
            apply(scene, beyond, scratch, tools).await?;
            spread(scene, &[FIRST, SECOND]).await?;
            both_nodes(scene).await
        })
        .await;
    if !applied {
        return;
    }
    let name = "the autoscaler computes by their numbers";
    if !lane
        .check(name, SOON, until(SOON, async || active(scene).await))
        .await
    {
        return;
    }
    let watched = Watched::default();
    tokio::select! {
        () = Box::pin(moved(lane, scene)) => {},
        () = watched.watch(scene) => {},
    }
    let name = "none of it cost the autoscaler an evaluation, nor anybody an answer";
    lane.check(name, CALL, watched.whole(lane, scene)).await;
    killed_without_a_word(lane, scene).await;
}

/// What an operator does to nodes and pods, while the autoscaler scales.
async fn moved(lane: &Lane, scene: &Scene) {
    let name = "kubectl drain moves a replica to the other node, while the HPA takes a Deployment from 1 pod to 3";
    lane.check(name, SCALED + SOON, async {
        std::fs::write(&scene.switch, "")?;
        drain(scene, SECOND, "").await?;
        spread(scene, &[FIRST, FIRST]).await?;
        taken_over(scene).await?;
        scaled(&scene.admin, NAMESPACE, "elastic", 3).await
    })
    .await;
    let name = "the PodDisruptionBudget refuses a drain that would take the last replica";
    lane.check(name, SOON, async {
        let only = "--pod-selector=app.kubernetes.io/name=loadline --timeout=8s";
        let refused = drain(scene, FIRST, only).await.err();
        let said = refused.context("it was drained")?.to_string();
        ensure!(said.contains("disruption budget"), "{said}");
        spread(scene, &[FIRST]).await
    })
    .await;
    let name = "with both nodes back there is a replica on each of them again";
    lane.check(name, SOON, async {
        // One after the other, or the scheduler takes the one whose taint goes first.
        scene.admin.run(&format!("uncordon {SECOND}")).await?;
        spread(scene, &[FIRST, SECOND]).await?;
        scene.admin.run(&format!("uncordon {FIRST}")).await?;
        Ok(())
    })
    .await;
    let name =
        "a replica that is deleted without grace is replaced, while the HPA goes back to 1 pod";
    lane.check(name, SCALED + SOON, async {
        std::fs::remove_file(&scene.switch)?;
        let old = at(scene, SECOND).await?;
        let delete = "delete pod -n kube-system --grace-period=0 --force --wait=false";
        scene.admin.run(&format!("{delete} {}", old.name)).await?;
        until(SOON, async || {
            let new = at(scene, SECOND).await?;
            ensure!(new.name != old.name, "still the old one");
            Ok(())
        })
        .await?;
        taken_over(scene).await?;
        scaled(&scene.admin, NAMESPACE, "elastic", 1).await
    })
    .await;
    let name =
        "an upgrade replaces both replicas, while the HPA takes the Deployment to 3 pods again";
    lane.check(name, SCALED + SOON * 2, async {
        std::fs::write(&scene.switch, "")?;
        upgraded(scene).await?;
        spread(scene, &[FIRST, SECOND]).await?;
        taken_over(scene).await?;
        scaled(&scene.admin, NAMESPACE, "elastic", 3).await?;
        // The evaluations that nobody has noticed yet.
        tokio::time::sleep(SETTLED).await;
        Ok(())
    })
    .await;
}

/// Gives the Deployment the next image, and waits until no other one runs.
async fn upgraded(scene: &Scene) -> Result<()> {
    let deployment = "-n kube-system deployment/loadline";
    let set = format!("set image {deployment} loadline={}:{NEXT}", IMAGE.0);
    scene.admin.run(&set).await?;
    let status = format!("rollout status {deployment} --timeout=20s");
    until(SOON, async || scene.admin.run(&status).await).await?;
    Ok(())
}

/// Kills the process of a replica, while the autoscaler scales. Until its node has told the API server, that one asks it
/// still: nothing that runs in the pod can change that, and the other replica answers every other request. What can be
/// held is that nothing fails from then on, and that no answer is wrong.
async fn killed_without_a_word(lane: &Lane, scene: &Scene) {
    let watched = Watched::default();
    let name = "a replica whose process is killed costs answers only until its node has said so, and is back";
    let judged = async {
        std::fs::remove_file(&scene.switch)?;
        let old = at(scene, FIRST).await?;
        let (uid, id) = container_of(&old.pod)?;
        let processes = scene.node.cpu_counter(uid, id)?.processes()?;
        let process = i32::try_from(*processes.first().context("no process")?)?;
        kill(Pid::from_raw(process), Signal::SIGKILL)?;
        let begun = Instant::now();
        until(SOON, async || unlisted(scene, &old).await).await?;
        let known = begun.elapsed();
        until(SOON, async || {
            let new = at(scene, FIRST).await?;
            let status = &new.pod["status"]["containerStatuses"][0];
            ensure!(status["restartCount"] == 1, "not yet");
            Ok(())
        })
        .await?;
        scaled(&scene.admin, NAMESPACE, "elastic", 1).await?;
        tokio::time::sleep(SETTLED).await;
        active(scene).await?;
        let last = watched.last_failure();
        let lost = last.map_or(Duration::ZERO, |last| last.saturating_duration_since(begun));
        lane.note(&format!(
            "killed: its node has said so after {:.1} s; {}",
            known.as_secs_f64(),
            watched.summary(lost)
        ));
        ensure!(
            lost <= known + HEARD,
            "answers failed for {:.1} s",
            lost.as_secs_f64()
        );
        watched.nothing_wrong()
    };
    lane.check(name, SCALED + SOON + CALL, async {
        tokio::select! {
            judged = Box::pin(judged) => judged,
            () = watched.watch(scene) => bail!("watching ended"),
        }
    })
    .await;
}

/// Makes sure that the API server does not hold a replica for ready any more.
async fn unlisted(scene: &Scene, replica: &Replica) -> Result<()> {
    let slices = "get endpointslices -n kube-system -l kubernetes.io/service-name=loadline";
    let slices = scene.admin.json(slices).await?;
    let slices = slices["items"].as_array().into_iter().flatten();
    let mut endpoints =
        slices.flat_map(|slice| slice["endpoints"].as_array().into_iter().flatten());
    let name = replica.name.as_str();
    let ready =
        endpoints.any(|one| one["targetRef"]["name"] == name && one["conditions"]["ready"] == true);
    let pod = scene
        .admin
        .json(&format!("get pod -n kube-system {name}"))
        .await?;
    // Who looks late finds it back already.
    let back = pod["status"]["containerStatuses"][0]["restartCount"] != 0;
    ensure!(!ready || back, "still ready");
    Ok(())
}

async fn apply(scene: &Scene, beyond: &Scratch, scratch: &Scratch, tools: &Tools) -> Result<()> {
    let second = scene.second.as_ref().context("no second node")?;
    install::import(second, beyond, tools)?;
    install::import_as(second, NEXT, beyond, tools)?;
    install::import_as(&scene.node, NEXT, scratch, tools)?;
    let overlay = Overlay::on("deploy/overlays/ha").image("loadline", IMAGE.0, IMAGE.1);
    let folder = overlay.write(scratch)?;
    let folder = folder.display().to_string();
    scene.admin.run_args(&["apply", "-k", &folder], "").await?;
    Ok(())
}

async fn drain(scene: &Scene, node: &str, more: &str) -> Result<()> {
    let flags = "--ignore-daemonsets --delete-emptydir-data --force";
    let call = format!("drain {node} {flags} --timeout=50s {more}");
    scene.admin.run(&call).await?;
    Ok(())
}

/// Waits until the ready replicas are on these nodes, and no other one is on its way out.
async fn spread(scene: &Scene, nodes: &[&str]) -> Result<()> {
    until(SOON, async || {
        let replicas = replicas(scene).await?;
        let mut on: Vec<&str> = replicas.iter().map(|one| one.node.as_str()).collect();
        on.sort_unstable();
        ensure!(on == nodes, "{on:?} instead of {nodes:?}");
        Ok(())
    })
    .await
}

/// The newest replica says that it began with what another one knew, found by DNS and asked over mutual TLS.
async fn taken_over(scene: &Scene) -> Result<()> {
    let replicas = replicas(scene).await?;
    let created = |one: &&Replica| one.pod["metadata"]["creationTimestamp"].to_string();
    let newest = replicas.iter().max_by_key(created).context("no replica")?;
    let log = scene
        .admin
        .run(&format!("logs -n kube-system {}", newest.name))
        .await?;
    let said = log.contains("took over from another replica");
    ensure!(said, "{} took nothing over:\n{log}", newest.name);
    Ok(())
}

async fn both_nodes(scene: &Scene) -> Result<()> {
    until(SOON, async || {
        let list = scene.admin.raw("/apis/metrics.k8s.io/v1/nodes").await?;
        let items = list["items"].as_array().into_iter().flatten();
        let names: BTreeSet<&str> = items
            .filter_map(|n| n["metadata"]["name"].as_str())
            .collect();
        ensure!(names == BTreeSet::from([FIRST, SECOND]), "{names:?}");
        Ok(())
    })
    .await
}

async fn at(scene: &Scene, node: &str) -> Result<Replica> {
    let replicas = replicas(scene).await?;
    let found = replicas.into_iter().find(|one| one.node == node);
    found.with_context(|| format!("no replica is ready on {node}"))
}

async fn replicas(scene: &Scene) -> Result<Vec<Replica>> {
    let list = scene.admin.json(PODS).await?;
    let pods = list["items"].as_array().into_iter().flatten();
    let ready = pods.filter(|pod| {
        let conditions = pod["status"]["conditions"].as_array();
        let mut conditions = conditions.into_iter().flatten();
        let ready = conditions.any(|c| c["type"] == "Ready" && c["status"] == "True");
        ready && pod["metadata"]["deletionTimestamp"].is_null()
    });
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let replicas = ready.map(|pod| Replica {
        name: text(&pod["metadata"]["name"]),
        node: text(&pod["spec"]["nodeName"]),
        pod: pod.clone(),
    });
    Ok(replicas.collect())
}
