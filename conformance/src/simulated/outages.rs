//! Promise 8: losing and regaining the API server needs no restart.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::stage::{OLDEST, PODS, READY, RESOLUTION, Stage, age, small_world, throughout, until};
use super::{Bench, Check};
use crate::client::Protocol;
use crate::lab::{Container, Fault, Lab, LabConfig, Pod};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "an API server that is away at the start is waited for",
        120,
        |bench| Box::pin(away_at_the_start(bench)),
    ),
    Check::new(
        "numbers go on while the API server is away, and changes follow when it is back",
        150,
        |bench| Box::pin(away_later(bench)),
    ),
    Check::new(
        "watches that end or are too old lose no change",
        90,
        |bench| Box::pin(watches_that_end(bench)),
    ),
    Check::new("an API server that hangs stops no scrape", 210, |bench| {
        Box::pin(hangs(bench))
    }),
    Check::new("rights that come late are enough", 120, |bench| {
        Box::pin(rights_that_come_late(bench))
    }),
];

/// How long a component may wait between two tries.
const RETRIED: Duration = Duration::from_secs(40);

async fn away_at_the_start(bench: &Bench) -> Result<()> {
    let mut lab = Lab::start(small_world(), LabConfig::default()).await?;
    lab.api.stop().await;
    let loadline = bench.start(&lab, &[])?.launch(&lab)?;
    lab.api.register(loadline.backend(&lab))?;
    let mut stage = Stage::new(lab, loadline)?;
    stage
        .hold(async |stage| {
            let nobody = stage.loadline.client(Protocol::Http1, None)?;
            until(READY, "it lives", async || {
                stage.loadline.process.expect_running()?;
                let answer = nobody.get("/livez").await;
                Ok(answer.is_ok_and(|a| a.status == 200).then_some(()))
            })
            .await?;
            throughout(Duration::from_secs(6), async || {
                stage.loadline.process.expect_running()?;
                nobody.get("/livez").await?.expect_status(200)?;
                nobody.get("/readyz").await?.expect_status(500)?;
                Ok(())
            })
            .await?;
            stage.lab.api.start_again().await?;
            stage.loadline.wait_ready(RETRIED).await?;
            stage.until_measured().await
        })
        .await
}

async fn away_later(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            let masters = ["system:masters"];
            let master = stage.loadline.as_proxied(&stage.lab, "root", &masters)?;
            stage.viewer = master;
            stage.lab.api.stop().await;
            throughout(RESOLUTION * 3, async || {
                let pods = stage.pods().await?;
                ensure!(pods.len() == 6, "{} pods in place of 6", pods.len());
                for pod in pods {
                    let age = age(pod.timestamp);
                    ensure!(age < OLDEST, "{} is {age:.1} s old", pod.name);
                }
                Ok(())
            })
            .await?;
            let world = &stage.lab.world;
            world.delete_pod("a", "one-1");
            let new = Pod::new("a", "new").on("node-2");
            world.put_pod(new.with(Container::new("app")));
            stage.lab.api.start_again().await?;
            until(RETRIED, "what changed meanwhile is known", async || {
                let gone = stage.pod("a", "one-1").await?.is_none();
                let here = stage.pod("a", "new").await?.is_some();
                Ok((gone && here).then_some(()))
            })
            .await?;
            // Reviews work again, too.
            let nobody = stage.loadline.client(Protocol::Http2, None)?;
            stage.lab.add_user("ivan", &["viewers"], "ivans-token");
            let ivan = nobody.with_token("ivans-token")?;
            ivan.get(PODS).await?.expect_status(200)?;
            Ok(())
        })
        .await
}

async fn watches_that_end(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            for round in 0..3 {
                let world = &stage.lab.world;
                let name = format!("new-{round}");
                let new = Pod::new("a", &name).on("node-1");
                if round > 0 {
                    // The watch cannot be resumed: all must be listed again.
                    world.compact();
                }
                stage.lab.api.drop_watches();
                world.put_pod(new.with(Container::new("app")));
                if round > 1 {
                    world.delete_pod("a", "new-0");
                    world.compact();
                    stage.lab.api.drop_watches();
                }
                stage.until_pod("a", &name).await?;
            }
            until(RETRIED, "the deleted pod is gone", async || {
                Ok(stage.pod("a", "new-0").await?.is_none().then_some(()))
            })
            .await?;
            ensure!(stage.pods().await?.len() == 8, "pods are missing");
            Ok(())
        })
        .await
}

async fn hangs(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            let masters = ["system:masters"];
            stage.viewer = stage.loadline.as_proxied(&stage.lab, "root", &masters)?;
            let journal = stage.lab.api.journal();
            journal.set_fault("/", Fault::Hang);
            stage.lab.api.drop_watches();
            throughout(RESOLUTION * 3, async || {
                let pod = stage.pod("a", "one-1").await?.context("gone")?;
                let age = age(pod.timestamp);
                ensure!(age < OLDEST, "its number is {age:.1} s old");
                Ok(())
            })
            .await?;
            journal.clear_faults();
            let new = Pod::new("a", "new").on("node-1");
            stage.lab.world.put_pod(new.with(Container::new("app")));
            until(RETRIED * 2, "changes are seen again", async || {
                Ok(stage.pod("a", "new").await?.map(drop))
            })
            .await
        })
        .await
}

async fn rights_that_come_late(bench: &Bench) -> Result<()> {
    let lab = Lab::start(small_world(), LabConfig::default()).await?;
    lab.take_access();
    let loadline = bench.start(&lab, &[])?.launch(&lab)?;
    lab.api.register(loadline.backend(&lab))?;
    let mut stage = Stage::new(lab, loadline)?;
    stage
        .hold(async |stage| {
            throughout(Duration::from_secs(5), async || {
                stage.loadline.process.expect_running()
            })
            .await?;
            stage.lab.give_access();
            stage.loadline.wait_ready(RETRIED).await?;
            stage.until_measured().await
        })
        .await
}
