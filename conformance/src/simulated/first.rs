//! The first answers: soon, and never an error for want of data.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::Instant;

use super::stage::{PODS, READY, Stage, small_world, until};
use super::{Bench, Check};
use crate::lab::{Container, Lab, LabConfig, Load, Node, Phase, Pod};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "before there is data a list is empty and never an error",
        60,
        |bench| Box::pin(empty_at_first(bench)),
    ),
    Check::new(
        "everything is measured seconds after the start",
        60,
        |bench| Box::pin(soon_after_the_start(bench)),
    ),
    Check::new(
        "a pod that turns running is measured seconds later, whatever the resolution",
        90,
        |bench| Box::pin(a_new_pod(bench)),
    ),
    Check::new(
        "a new node is measured seconds later, whatever the resolution",
        90,
        |bench| Box::pin(a_new_node(bench)),
    ),
];

/// What metrics-server takes about 22 s for, and what takes 3 s here when nothing else runs on the machine.
const SECONDS: Duration = Duration::from_secs(9);

async fn empty_at_first(bench: &Bench) -> Result<()> {
    let lab = Lab::start(small_world(), LabConfig::default()).await?;
    for node in ["node-1", "node-2"] {
        lab.kubelets.behave(node, |b| b.silent = true)?;
    }
    let loadline = bench.start(&lab, &[])?.launch(&lab)?;
    let mut stage = Stage::new(lab, loadline)?;
    stage
        .hold(async |stage| {
            let administrator =
                stage
                    .loadline
                    .as_proxied(&stage.lab, "root", &["system:masters"])?;
            let mut served = 0;
            until(READY, "20 lists are served", async || {
                stage.loadline.process.expect_running()?;
                // Nobody may have listened yet, or nobody may be trusted yet.
                let Ok(answer) = administrator.get(PODS).await else {
                    return Ok(None);
                };
                let status = answer.status.as_u16();
                ensure!(status < 500, "{status}: {}", answer.text());
                if status == 200 {
                    let list = answer.json()?;
                    let items = list.get("items").cloned().unwrap_or_default();
                    ensure!(items == serde_json::json!([]), "items are {items}");
                    served += 1;
                }
                Ok((served >= 20).then_some(()))
            })
            .await
        })
        .await
}

async fn soon_after_the_start(bench: &Bench) -> Result<()> {
    let lab = Lab::start(small_world(), LabConfig::default()).await?;
    let started = Instant::now();
    let start = bench.start(&lab, &[("metric-resolution", "60s")])?;
    let loadline = start.launch(&lab)?;
    let mut stage = Stage::new(lab, loadline)?;
    stage
        .hold(async |stage| {
            // Readiness is another matter: it waits for the nodes' numbers, too.
            until(READY, "every pod is measured", async || {
                stage.loadline.process.expect_running()?;
                let pods = stage.pods().await;
                Ok(pods.is_ok_and(|pods| pods.len() == 6).then_some(()))
            })
            .await?;
            let took = started.elapsed();
            ensure!(took < SECONDS, "the pods' numbers took {took:?}");
            // A node's counter moves every 10 s only.
            until(READY, "every node is measured", async || {
                Ok((stage.nodes().await?.len() == 2).then_some(()))
            })
            .await?;
            let took = started.elapsed();
            let most = SECONDS + Duration::from_secs(10);
            ensure!(took < most, "the nodes' numbers took {took:?}");
            Ok(())
        })
        .await
}

async fn a_new_pod(bench: &Bench) -> Result<()> {
    let flags = [("metric-resolution", "60s")];
    bench
        .beside(small_world(), &flags, async |stage| {
            stage.until_measured().await?;
            let world = &stage.lab.world;
            let pod = Pod::new("a", "new").on("node-1").phase(Phase::Pending);
            world.put_pod(pod.with(Container::new("app").cpu(0.4).just_started()));
            world.update_pod("a", "new", |pod| pod.phase = Phase::Running);
            let started = Instant::now();
            stage.until_pod("a", "new").await?;
            let took = started.elapsed();
            ensure!(took < SECONDS, "its number took {took:?}");
            Ok(())
        })
        .await
}

async fn a_new_node(bench: &Bench) -> Result<()> {
    let flags = [("metric-resolution", "60s")];
    bench
        .beside(small_world(), &flags, async |stage| {
            stage.until_measured().await?;
            let pod = Pod::new("a", "on-new").on("new");
            stage.lab.world.put_pod(pod.with(Container::new("app")));
            let node = Node::new("new").cpu(vec![Load::Constant(0.5)]);
            stage.lab.add_node(node).await?;
            let started = Instant::now();
            stage.until_pod("a", "on-new").await?;
            let took = started.elapsed();
            ensure!(took < SECONDS, "its pod's number took {took:?}");
            Ok(())
        })
        .await
}
