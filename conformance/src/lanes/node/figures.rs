//! How soon a pod has a number, and what Loadline itself costs.

use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::real::until;
use crate::report::Lane;

use super::{CALL, SOON, Scene, container_of};

/// What Loadline has used so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    at: Instant,
    cpu: f64,
    resident: f64,
    peak: f64,
}

/// Starts a pod and waits for its first number.
pub(super) async fn freshness(lane: &Lane, scene: &Scene) {
    lane.check(
        "a new pod has a number soon after it runs",
        SOON + CALL,
        async {
            scene
                .run_pod("fresh", "100m", "while :; do sleep 0.01; done")
                .await?;
            let running = Instant::now();
            until(SOON, async || scene.served("fresh").await).await?;
            let seconds = running.elapsed().as_secs_f64();
            lane.note(&format!("pod Running to its first number: {seconds:.1} s"));
            Ok(())
        },
    )
    .await;
}

/// What may be resident of Loadline on one node, in MiB.
const RESIDENT: f64 = 10.0;

/// Prints what Loadline used since `before`, and holds it to what is promised of its memory.
pub(super) async fn cost(lane: &Lane, scene: &Scene, before: Result<Cost>) {
    lane.check("loadline is resident with 10 MiB at most", CALL, async {
        let (before, now) = (before?, Cost::read(scene).await?);
        let seconds = now.at.duration_since(before.at).as_secs_f64();
        let millicores = (now.cpu - before.cpu) / seconds * 1000.0;
        ensure!(millicores >= 0.0 && now.resident > 0.0, "{before:?} {now:?}");
        let (resident, peak) = (now.resident / 1024.0, now.peak / 1024.0);
        lane.note(&format!(
            "loadline: {millicores:.1} mcore over {seconds:.0} s, {resident:.1} MiB resident, {peak:.1} MiB peak"
        ));
        ensure!(
            resident <= RESIDENT,
            "{resident:.1} MiB: if what it uses every day has changed, run deploy/image/learn"
        );
        Ok(())
    })
    .await;
}

impl Cost {
    pub(super) async fn read(scene: &Scene) -> Result<Self> {
        let pod = scene.loadline().await?;
        let (uid, id) = container_of(&pod)?;
        let counter = scene.node.cpu_counter(uid, id)?;
        let process = counter
            .processes()?
            .first()
            .copied()
            .context("no process")?;
        let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
        let kibibytes = |name: &str| -> Result<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let value = line.and_then(|line| line.split_whitespace().next());
            Ok(value.with_context(|| format!("no {name}"))?.parse()?)
        };
        Ok(Self {
            at: Instant::now(),
            cpu: counter.read()?,
            resident: kibibytes("VmRSS:")?,
            peak: kibibytes("VmHWM:")?,
        })
    }
}
