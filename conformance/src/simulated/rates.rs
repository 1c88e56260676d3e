//! Promise 3: a rate is between two samples of one container life.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::stage::{RESOLUTION, Stage, ensure_close, small_world, throughout, until};
use super::{Bench, Check};
use crate::lab::{Container, Load, Pod, Stamp, Stamps};

/// What a rate of a constant load may be off by: the stamps are whole milliseconds, the counters whole nanoseconds.
const EXACT: f64 = 1e-5;

pub(super) const CHECKS: &[Check] = &[
    Check::new("rates and amounts are exact", 90, |bench| {
        Box::pin(exact(bench))
    }),
    Check::new(
        "a load that rises and falls is averaged over the window served",
        90,
        |bench| Box::pin(averaged(bench)),
    ),
    Check::new(
        "a counter that falls gives neither a negative rate nor a spike",
        90,
        |bench| Box::pin(a_counter_that_falls(bench)),
    ),
    Check::new(
        "a restarted container is measured from its new life alone",
        90,
        |bench| Box::pin(a_restart(bench)),
    ),
    Check::new("stamps that repeat are not divided by", 90, |bench| {
        Box::pin(stamps_that_repeat(bench))
    }),
    Check::new("a stamp that goes back changes nothing", 90, |bench| {
        Box::pin(a_stamp_that_goes_back(bench))
    }),
    Check::new(
        "a rate above what the node has is refused and counted",
        90,
        |bench| Box::pin(more_than_the_node_has(bench)),
    ),
    Check::new("an early scrape shortens no window", 120, |bench| {
        Box::pin(no_window_is_shortened(bench))
    }),
    Check::new(
        "a pod without all its containers' numbers is absent",
        60,
        |bench| Box::pin(all_or_nothing(bench)),
    ),
];

async fn exact(bench: &Bench) -> Result<()> {
    let world = small_world();
    world.update_pod("a", "one-1", |pod| {
        if let Some(app) = pod.container_mut("app") {
            app.swap = 5 << 20;
        }
    });
    bench
        .beside(world, &[], async |stage| {
            stage.until_measured().await?;
            let first = stage.until_pod("a", "pair-2").await?.timestamp;
            let wanted = [("app", 0.6, 50.0), ("side", 0.04, 10.0)];
            until(RESOLUTION * 3, "the third window is served", async || {
                let pod = stage.pod("a", "pair-2").await?.context("gone")?;
                for (container, cores, mebibytes) in wanted {
                    ensure_close(container, pod.cpu(container)?, cores, EXACT)?;
                    let memory = pod.amount(container, "memory")?;
                    ensure_close(container, memory, mebibytes * 1_048_576.0, 0.0)?;
                }
                let window = pod.window_seconds();
                ensure!((1.0..25.0).contains(&window), "a window of {window} s");
                let node = stage.node("node-2").await?.context("no node")?;
                ensure_close("the node", node.cpu("")?, 1.0, EXACT)?;
                let memory = node.amount("", "memory")?;
                ensure_close("the node", memory, 3.0 * 1_073_741_824.0, 0.0)?;
                Ok((pod.timestamp >= first + 15).then_some(()))
            })
            .await
        })
        .await
}

async fn averaged(bench: &Bench) -> Result<()> {
    let wave = Load::Wave {
        mean: 0.5,
        swing: 0.4,
        period: Duration::from_secs(60),
        phase: 0.0,
    };
    let world = small_world();
    let pod = Pod::new("a", "wave").on("node-1");
    world.put_pod(pod.with(Container::new("app").load(wave)));
    bench
        .beside(world, &[], async |stage| {
            stage.until_measured().await?;
            let truth = stage.lab.world.pod("a", "wave").context("no such pod")?;
            let truth = truth.container("app").context("no container")?;
            throughout(RESOLUTION * 3, async || {
                let pod = stage.pod("a", "wave").await?.context("gone")?;
                // Only the second of the stamp is served, so it is half a second off on average.
                let to = Stamp(pod.timestamp * 1000 + 500);
                let from = Stamp(to.0 - pod.window / 1_000_000);
                let want = truth.cpu.average(from, to);
                let off = (pod.cpu("app")? - want).abs();
                ensure!(off < 0.03, "{} cores, not {want}", pod.cpu("app")?);
                Ok(())
            })
            .await
        })
        .await
}

/// Through `time` a pod is absent or has exactly this rate.
async fn never_anything_else(stage: &Stage, time: Duration, pod: &str, cores: f64) -> Result<()> {
    throughout(time, async || match stage.pod("a", pod).await? {
        Some(pod) => ensure_close("the rate", pod.cpu("app")?, cores, EXACT),
        None => Ok(()),
    })
    .await
}

async fn a_counter_that_falls(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            stage.lab.world.update_pod("a", "one-1", |pod| {
                if let Some(app) = pod.container_mut("app") {
                    app.cpu.reset(Stamp::now());
                }
            });
            never_anything_else(stage, RESOLUTION * 3, "one-1", 0.1).await?;
            stage.until_pod("a", "one-1").await?;
            Ok(())
        })
        .await
}

async fn a_restart(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            stage.lab.world.update_pod("a", "one-1", |pod| {
                if let Some(app) = pod.container_mut("app") {
                    app.restart();
                    app.cpu.follow(app.started, vec![Load::Constant(0.7)]);
                }
            });
            let started = Stamp::now().0.div_euclid(1000);
            // One scrape sees the new life, the next one measures it.
            let two = RESOLUTION * 2 + Duration::from_secs(5);
            let new = until(two, "the new life is measured", async || {
                let Some(pod) = stage.pod("a", "one-1").await? else {
                    return Ok(None);
                };
                let cores = pod.cpu("app")?;
                if ensure_close("", cores, 0.1, EXACT).is_ok() {
                    return Ok(None);
                }
                ensure_close("a rate of neither life", cores, 0.7, EXACT)?;
                Ok(Some(pod))
            })
            .await?;
            let began = new.timestamp - new.window.div_euclid(1_000_000_000);
            ensure!(began >= started - 1, "the window begins in the old life");
            Ok(())
        })
        .await
}

async fn stamps_that_repeat(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            let period = Duration::from_secs(17);
            stage
                .lab
                .kubelets
                .behave("node-1", |b| b.stamps = Stamps::Every(period))?;
            throughout(RESOLUTION * 4, async || {
                let pod = stage.pod("a", "one-1").await?.context("gone")?;
                ensure_close("the rate", pod.cpu("app")?, 0.1, EXACT)?;
                let node = stage.node("node-1").await?.context("the node is gone")?;
                ensure_close("the node", node.cpu("")?, 0.5, EXACT)
            })
            .await
        })
        .await
}

async fn a_stamp_that_goes_back(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            let past = Stamp::now().minus(Duration::from_secs(60));
            stage
                .lab
                .kubelets
                .behave("node-1", |b| b.stamps = Stamps::Fixed(past))?;
            let scrapes = || stage.lab.kubelets.scrapes("node-1").len();
            let before = scrapes();
            never_anything_else(stage, RESOLUTION * 2, "one-1", 0.1).await?;
            ensure!(scrapes() > before, "it was not scraped any more");
            stage
                .lab
                .kubelets
                .behave("node-1", |b| b.stamps = Stamps::OnDemand)?;
            never_anything_else(stage, RESOLUTION * 2, "one-1", 0.1).await?;
            stage.until_measured().await
        })
        .await
}

async fn more_than_the_node_has(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            stage.lab.world.update_pod("a", "one-1", |pod| {
                if let Some(app) = pod.container_mut("app") {
                    app.cpu.jump(Stamp::now(), 1e6);
                }
            });
            never_anything_else(stage, RESOLUTION * 3, "one-1", 0.1).await?;
            stage.until_pod("a", "one-1").await?;
            Ok(())
        })
        .await
}

async fn no_window_is_shortened(bench: &Bench) -> Result<()> {
    /// A window that was once this long, in seconds, never is shorter again: nine tenths of the resolution.
    const LONG: f64 = 8.9;
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            tokio::time::sleep(RESOLUTION * 2).await;
            let mut longest: BTreeMap<String, f64> = BTreeMap::new();
            let mut round = 0_u32;
            throughout(RESOLUTION * 4, async || {
                if round.is_multiple_of(20) {
                    let new = Pod::new("a", &format!("new-{round}")).on("node-1");
                    let app = Container::new("app").just_started();
                    stage.lab.world.put_pod(new.with(app));
                }
                round += 1;
                for pod in stage.pods().await? {
                    let window = pod.window_seconds();
                    let longest = longest.entry(pod.name.clone()).or_default();
                    ensure!(
                        *longest < LONG || window >= LONG,
                        "{}: from {longest} s to {window} s",
                        pod.name
                    );
                    *longest = longest.max(window);
                }
                Ok(())
            })
            .await?;
            let early = longest.contains_key("new-20");
            ensure!(early, "new pods were not measured early: {longest:?}");
            Ok(())
        })
        .await
}

async fn all_or_nothing(bench: &Bench) -> Result<()> {
    let world = small_world();
    let lab = crate::lab::Lab::start(world, crate::lab::LabConfig::default()).await?;
    lab.kubelets
        .behave("node-1", |b| b.leave_out("a", "pair-1", "side"))?;
    bench
        .on(lab, &[], async |stage| {
            stage.until_pod("a", "one-1").await?;
            throughout(RESOLUTION, async || {
                let pod = stage.pod("a", "pair-1").await?;
                ensure!(pod.is_none(), "half a pod is served: {pod:?}");
                Ok(())
            })
            .await?;
            let path = "/apis/metrics.k8s.io/v1/namespaces/a/pods/pair-1";
            stage.viewer.get(path).await?.expect_status(404)?;
            Ok(())
        })
        .await
}
