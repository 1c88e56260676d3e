//! How Loadline ends.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use tokio::time::Instant;

use super::stage::{NODES, PODS, Stage, small_world, until};
use super::{Bench, Check};
use crate::client::{Client, Protocol};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "asked to end, it says so, drains and ends well",
        60,
        |bench| Box::pin(drains(bench)),
    ),
    Check::new("asked twice, it ends at once", 60, |bench| {
        Box::pin(twice(bench))
    }),
    Check::new("an interrupt ends it as well", 60, |bench| {
        Box::pin(interrupted(bench))
    }),
    Check::new("ending cuts no answer off", 60, |bench| {
        Box::pin(no_answer_is_cut(bench))
    }),
];

async fn drains(bench: &Bench) -> Result<()> {
    let flags = [("shutdown-delay-duration", "3s")];
    bench
        .beside(small_world(), &flags, async |stage| {
            stage.until_measured().await?;
            let nobody = stage.loadline.client(Protocol::Http1, None)?;
            let asked = Instant::now();
            stage.loadline.process.signal(Signal::SIGTERM)?;
            until(
                Duration::from_secs(1),
                "it says it is not ready",
                async || Ok((nobody.get("/readyz").await?.status == 500).then_some(())),
            )
            .await?;
            // Until its address has left the endpoints, requests still come and are served.
            while asked.elapsed() < Duration::from_millis(2500) {
                stage.viewer.get(PODS).await?.expect_status(200)?;
                nobody.get("/livez").await?.expect_status(200)?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            let status = stage.loadline.process.wait(Duration::from_secs(15)).await?;
            ensure!(status.success(), "it ended with {status}");
            let took = asked.elapsed();
            ensure!(took > Duration::from_secs(3), "it ended after {took:?}");
            Ok(())
        })
        .await
}

async fn twice(bench: &Bench) -> Result<()> {
    let flags = [("shutdown-delay-duration", "60s")];
    bench
        .beside(small_world(), &flags, async |stage| {
            stage.loadline.process.signal(Signal::SIGTERM)?;
            tokio::time::sleep(Duration::from_secs(1)).await;
            stage.loadline.process.expect_running()?;
            stage.loadline.process.signal(Signal::SIGTERM)?;
            let soon = Duration::from_secs(2);
            stage.loadline.process.wait(soon).await?;
            Ok(())
        })
        .await
}

async fn interrupted(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.loadline.process.signal(Signal::SIGINT)?;
            let soon = Duration::from_secs(10);
            let status = stage.loadline.process.wait(soon).await?;
            ensure!(status.success(), "it ended with {status}");
            Ok(())
        })
        .await
}

async fn no_answer_is_cut(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            let administrator = ["system:masters"];
            let mut asking = Vec::new();
            for _ in 0..8 {
                let client = stage
                    .loadline
                    .as_proxied(&stage.lab, "root", &administrator)?;
                client.get(NODES).await?.expect_status(200)?;
                asking.push(ask_until_refused(client));
            }
            let asking = futures_util::future::join_all(asking);
            let (results, ended) = tokio::join!(asking, end_soon(stage));
            ended?;
            for result in results {
                let answers = result?;
                ensure!(answers > 3, "only {answers} answers");
            }
            let status = stage.loadline.process.wait(Duration::from_secs(15)).await?;
            ensure!(status.success(), "it ended with {status}");
            Ok(())
        })
        .await
}

async fn end_soon(stage: &Stage) -> Result<()> {
    tokio::time::sleep(Duration::from_millis(300)).await;
    stage.loadline.process.signal(Signal::SIGTERM)
}

/// Asks without a pause until the connection is closed; every answer that began must be whole and good.
async fn ask_until_refused(client: Client) -> Result<u32> {
    let began = Instant::now();
    let mut answers = 0;
    loop {
        match client.get(NODES).await {
            Ok(answer) => {
                answer.expect_status(200)?;
                let list = answer.json()?;
                let items = list.get("items").and_then(|i| i.as_array());
                let count = items.context("no items")?.len();
                ensure!(count == 2, "{count} nodes");
                answers += 1;
            }
            Err(error) => {
                let text = format!("{error:#}");
                ensure!(!text.contains("read the body"), "cut off: {text}");
                return Ok(answers);
            }
        }
        let long = began.elapsed() > Duration::from_secs(20);
        ensure!(!long, "it goes on answering");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
