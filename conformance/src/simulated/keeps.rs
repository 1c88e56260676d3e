//! Promise 1: a failed scrape erases nothing; what is served is true or absent.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::stage::{OLDEST, RESOLUTION, Stage, age, ensure_close, small_world, throughout, until};
use super::{Bench, Check};
use crate::lab::{Answer, ContainerState, Lab, LabConfig, Stamp, Stamps};

/// A number younger than this is kept, whatever happens, in seconds.
const KEPT: f64 = 28.0;
/// A number of this age is not served any more, in seconds, if it was received when it was stamped.
const GONE: f64 = 38.0;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "a failed scrape erases nothing, and after three resolutions the numbers end",
        150,
        |bench| Box::pin(a_failed_scrape(bench)),
    ),
    Check::new(
        "stamps that stand still end the numbers after three resolutions",
        120,
        |bench| Box::pin(stamps_that_stand_still(bench)),
    ),
    Check::new("a node whose clock is off is not blanked", 120, |bench| {
        Box::pin(a_clock_that_is_off(bench))
    }),
    Check::new(
        "a container missing from a good answer has ended",
        90,
        |bench| Box::pin(a_missing_container(bench)),
    ),
    Check::new(
        "a container missing from an incomplete answer is kept",
        90,
        |bench| Box::pin(an_incomplete_answer(bench)),
    ),
    Check::new("a deleted node or pod is gone at once", 60, |bench| {
        Box::pin(deleted(bench))
    }),
];

async fn a_failed_scrape(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            stage
                .lab
                .kubelets
                .behave("node-1", |b| b.answer = Answer::Status(500))?;
            until(RESOLUTION * 2, "a scrape has failed", async || {
                let scrapes = stage.lab.kubelets.scrapes("node-1");
                Ok(scrapes.iter().any(|s| s.status == 500).then_some(()))
            })
            .await?;
            kept_then_gone(stage, GONE).await?;
            stage
                .lab
                .kubelets
                .behave("node-1", |b| b.answer = Answer::Normal)?;
            stage.until_measured().await?;
            let again = stage.until_pod("a", "one-1").await?;
            ensure_close("the first rate afterwards", again.cpu("app")?, 0.1, 0.01)
        })
        .await
}

/// The numbers of `node-1` stay as they are and end in time; those of `node-2` go on.
async fn kept_then_gone(stage: &Stage, gone: f64) -> Result<()> {
    let before = stage.pod("a", "one-1").await?.context("gone at once")?;
    // Its stamp may be ten seconds older than the pods'.
    let node = stage.node("node-1").await?.context("no node")?;
    while age(before.timestamp) < KEPT {
        let now = stage.pod("a", "one-1").await?;
        ensure!(now.as_ref() == Some(&before), "{before:?} became {now:?}");
        if age(node.timestamp) < KEPT {
            let now = stage.node("node-1").await?;
            ensure!(now.as_ref() == Some(&node), "{node:?} became {now:?}");
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    until(RESOLUTION * 2, "the numbers end", async || {
        Ok(stage.pod("a", "one-1").await?.is_none().then_some(()))
    })
    .await?;
    let ended = age(before.timestamp);
    ensure!(ended < gone, "served until it was {ended:.1} s old");
    until(RESOLUTION * 2, "the node's number ends", async || {
        Ok(stage.node("node-1").await?.is_none().then_some(()))
    })
    .await?;
    let other = stage.pod("a", "one-2").await?.context("node-2 suffered")?;
    let other = age(other.timestamp);
    ensure!(other < OLDEST, "node-2's number is {other:.1} s old");
    Ok(())
}

async fn stamps_that_stand_still(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            let scrapes = || stage.lab.kubelets.scrapes("node-1").len();
            let (at, before) = (Stamp::now(), scrapes());
            stage
                .lab
                .kubelets
                .behave("node-1", |b| b.stamps = Stamps::Fixed(at))?;
            until(
                RESOLUTION * 3,
                "the stamp has been read twice",
                async || Ok((scrapes() >= before + 2).then_some(())),
            )
            .await?;
            // The stamp may be a resolution old when it is received.
            kept_then_gone(stage, GONE + 10.0).await
        })
        .await
}

async fn a_clock_that_is_off(bench: &Bench) -> Result<()> {
    const HOUR: i64 = 3_600_000;
    let lab = Lab::start(small_world(), LabConfig::default()).await?;
    lab.kubelets.behave("node-1", |b| b.skew = HOUR)?;
    lab.kubelets.behave("node-2", |b| b.skew = -HOUR)?;
    bench
        .on(lab, &[], async |stage| {
            stage.until_measured().await?;
            throughout(RESOLUTION * 4, async || {
                let (pods, nodes) = (stage.pods().await?, stage.nodes().await?);
                ensure!((pods.len(), nodes.len()) == (6, 2), "blanked: {pods:?}");
                for pod in pods {
                    let off = if pod.name.ends_with('1') {
                        -3600.0
                    } else {
                        3600.0
                    };
                    let age = age(pod.timestamp) - off;
                    ensure!(age < OLDEST, "{} is {age:.1} s old", pod.name);
                }
                Ok(())
            })
            .await?;
            let pod = stage.until_pod("b", "two-1").await?;
            ensure_close("the rate", pod.cpu("app")?, 0.25, 0.01)
        })
        .await
}

async fn a_missing_container(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            stage
                .lab
                .kubelets
                .behave("node-1", |b| b.leave_out("a", "pair-1", "side"))?;
            // The pod runs both containers still, so one number alone would mislead the HPA.
            until(RESOLUTION * 2, "the pod is absent", async || {
                let pod = stage.pod("a", "pair-1").await?;
                if let Some(pod) = &pod {
                    ensure!(pod.usage.len() == 2, "half a pod is served: {pod:?}");
                }
                Ok(pod.is_none().then_some(()))
            })
            .await?;
            ensure!(stage.pod("a", "one-1").await?.is_some(), "a neighbour left");
            stage.lab.world.update_pod("a", "pair-1", |pod| {
                if let Some(side) = pod.container_mut("side") {
                    side.state = ContainerState::Terminated;
                }
            });
            let pod = stage.until_pod("a", "pair-1").await?;
            ensure!(pod.usage.len() == 1, "{pod:?}");
            ensure_close("what goes on", pod.cpu("app")?, 0.3, 0.01)
        })
        .await
}

async fn an_incomplete_answer(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            stage.lab.kubelets.behave("node-1", |b| {
                b.leave_out("a", "pair-1", "side");
                b.scrape_error = true;
            })?;
            throughout(RESOLUTION * 2, async || {
                let pod = stage.pod("a", "pair-1").await?;
                let pod = pod.context("erased by an answer that said it was incomplete")?;
                ensure!(pod.usage.len() == 2, "half a pod is served: {pod:?}");
                ensure_close("what was kept", pod.cpu("side")?, 0.02, 0.01)
            })
            .await
        })
        .await
}

async fn deleted(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            stage.lab.world.delete_pod("a", "one-1");
            stage.lab.world.delete_node("node-2");
            let soon = Duration::from_secs(3);
            until(soon, "both are gone", async || {
                let gone = stage.pod("a", "one-1").await?.is_none()
                    && stage.node("node-2").await?.is_none();
                Ok(gone.then_some(()))
            })
            .await?;
            let path = "/apis/metrics.k8s.io/v1/nodes/node-2";
            stage.viewer.get(path).await?.expect_status(404)?;
            ensure!(stage.node("node-1").await?.is_some(), "a neighbour left");
            Ok(())
        })
        .await
}
