//! One name, two things.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::stage::{RESOLUTION, ensure_close, small_world, throughout, until};
use super::{Bench, Check};
use crate::lab::{Container, Lab, LabConfig, Pod};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "of a pod that two nodes report, the one the API server names counts",
        90,
        |bench| Box::pin(two_nodes(bench)),
    ),
    Check::new(
        "a pod recreated under its name is another pod",
        90,
        |bench| Box::pin(recreated(bench)),
    ),
    Check::new(
        "a pod nobody but a kubelet knows is not served",
        60,
        |bench| Box::pin(unknown(bench)),
    ),
];

async fn two_nodes(bench: &Bench) -> Result<()> {
    let lab = Lab::start(small_world(), LabConfig::default()).await?;
    let ghost = |name: &str| Pod::new("a", name).with(Container::new("app").cpu(3.0));
    lab.kubelets
        .behave("node-2", |b| b.extra_pods.push(ghost("one-1")))?;
    lab.kubelets
        .behave("node-1", |b| b.extra_pods.push(ghost("one-2")))?;
    bench
        .on(lab, &[], async |stage| {
            stage.until_measured().await?;
            throughout(RESOLUTION * 3, async || {
                for (name, cores) in [("one-1", 0.1), ("one-2", 0.2)] {
                    let pod = stage.until_pod("a", name).await?;
                    ensure_close(name, pod.cpu("app")?, cores, 0.001)?;
                }
                Ok(())
            })
            .await
        })
        .await
}

async fn recreated(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            let world = &stage.lab.world;
            world.delete_pod("a", "one-1");
            let again = Pod::new("a", "one-1").on("node-2");
            let app = Container::new("app").cpu(0.9).just_started();
            world.put_pod(again.with(app));
            until(RESOLUTION * 2, "the new pod is measured", async || {
                let Some(pod) = stage.pod("a", "one-1").await? else {
                    return Ok(None);
                };
                // A moment may pass until the watch has told of the change.
                let cores = pod.cpu("app")?;
                let old = ensure_close("", cores, 0.1, 0.001).is_ok();
                if !old {
                    ensure_close("a mixture", cores, 0.9, 0.001)?;
                }
                Ok((!old).then_some(()))
            })
            .await
        })
        .await
}

async fn unknown(bench: &Bench) -> Result<()> {
    let lab = Lab::start(small_world(), LabConfig::default()).await?;
    let ghost = Pod::new("a", "ghost").with(Container::new("app"));
    lab.kubelets
        .behave("node-1", |b| b.extra_pods.push(ghost))?;
    bench
        .on(lab, &[], async |stage| {
            stage.until_measured().await?;
            throughout(RESOLUTION + Duration::from_secs(2), async || {
                let ghost = stage.pod("a", "ghost").await?;
                ensure!(ghost.is_none(), "{ghost:?}");
                Ok(())
            })
            .await
        })
        .await
}
