//! What every check stands on: a lab, a Loadline and the questions asked of it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use nix::sys::signal::Signal;
use tokio::time::Instant;

use super::reading::{Measured, from_json};
use crate::client::Client;
use crate::lab::{Container, Lab, LabConfig, Load, Node, Pod, Stamp, World};
use crate::loadline::{Loadline, Start};

/// The resolution most checks run with: the shortest there is.
pub(crate) const RESOLUTION: Duration = Duration::from_secs(10);
/// How old a number may be, in seconds, while all is well: a scrape that comes less than nine seconds after the last
/// number makes none, the next one is a resolution later, and stamps are cut to the second.
pub(crate) const OLDEST: f64 = 21.5;
/// How long until everything is measured, at the very most.
pub(crate) const MEASURED: Duration = Duration::from_secs(25);
/// How long Loadline may take to be ready beside a healthy cluster.
pub(crate) const READY: Duration = Duration::from_secs(30);
/// The paths of the newest version.
pub(crate) const PODS: &str = "/apis/metrics.k8s.io/v1/pods";
/// The paths of the newest version.
pub(crate) const NODES: &str = "/apis/metrics.k8s.io/v1/nodes";

const DRAIN: Duration = Duration::from_secs(15);

/// What checks are run with.
#[derive(Clone, Debug)]
pub struct Bench {
    /// The Loadline to check.
    pub binary: PathBuf,
}

/// A lab with a running Loadline.
pub(crate) struct Stage {
    pub(crate) lab: Lab,
    pub(crate) loadline: Loadline,
    /// Asks Loadline directly, as the aggregator does for a user of the group `viewers`.
    pub(crate) viewer: Client,
}

/// Flags that differ from the usual ones.
pub(crate) type Flags<'a> = &'a [(&'a str, &'a str)];

impl Bench {
    /// A start with the flags of most checks and these.
    pub(crate) fn start(&self, lab: &Lab, flags: Flags<'_>) -> Result<Start> {
        let mut start = Start::new(lab, &self.binary)?
            .with("metric-resolution", "10s")
            .with("kubelet-request-timeout", "3s");
        for (flag, value) in flags {
            start = start.with(flag, value);
        }
        Ok(start)
    }

    /// Runs `body` beside this world with a Loadline that is ready.
    pub(crate) async fn beside(
        &self,
        world: World,
        flags: Flags<'_>,
        body: impl AsyncFnOnce(&mut Stage) -> Result<()>,
    ) -> Result<()> {
        let lab = Lab::start(world, LabConfig::default()).await?;
        self.on(lab, flags, body).await
    }

    /// Runs `body` on this lab with a Loadline that is ready.
    pub(crate) async fn on(
        &self,
        lab: Lab,
        flags: Flags<'_>,
        body: impl AsyncFnOnce(&mut Stage) -> Result<()>,
    ) -> Result<()> {
        let loadline = self.start(&lab, flags)?.ready(&lab, READY).await?;
        let mut stage = Stage::new(lab, loadline)?;
        stage.hold(body).await
    }

    /// The same with a Loadline that answers lists, ready or not: where nothing can be measured it may never be.
    pub(crate) async fn on_unmeasured(
        &self,
        lab: Lab,
        flags: Flags<'_>,
        body: impl AsyncFnOnce(&mut Stage) -> Result<()>,
    ) -> Result<()> {
        let loadline = self.start(&lab, flags)?.launch(&lab)?;
        lab.api.register(loadline.backend(&lab))?;
        let mut stage = Stage::new(lab, loadline)?;
        stage
            .hold(async |stage| {
                until(READY, "a list is answered", async || {
                    stage.loadline.process.expect_running()?;
                    let answer = stage.viewer.get(PODS).await;
                    Ok(answer.is_ok_and(|a| a.status == 200).then_some(()))
                })
                .await?;
                body(stage).await
            })
            .await
    }
}

impl Stage {
    pub(crate) fn new(lab: Lab, loadline: Loadline) -> Result<Self> {
        let viewer = loadline.as_proxied(&lab, "viewer", &["viewers", "system:authenticated"])?;
        Ok(Self {
            lab,
            loadline,
            viewer,
        })
    }

    /// Runs `body`, then holds what must hold at all times and ends Loadline. A failure comes with the log's end.
    pub(crate) async fn hold<T>(
        &mut self,
        body: impl AsyncFnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let result = Box::pin(body(self)).await;
        let result = match result {
            Ok(value) => self.end().await.map(|()| value),
            Err(error) => Err(error),
        };
        result.map_err(|error| anyhow!("{error:#}\n{}", self.loadline.process.tail()))
    }

    async fn end(&mut self) -> Result<()> {
        if self.loadline.process.id().is_some() {
            self.loadline.process.expect_running()?;
            self.loadline.process.signal(Signal::SIGTERM)?;
            let status = self.loadline.process.wait(DRAIN).await?;
            ensure!(status.success(), "ended with {status} when asked to");
        }
        super::privilege::hold_always(self)
    }

    /// All pods that have a number.
    pub(crate) async fn pods(&self) -> Result<Vec<Measured>> {
        from_json(&self.viewer.get_json(PODS).await?)
    }

    /// All nodes that have a number.
    pub(crate) async fn nodes(&self) -> Result<Vec<Measured>> {
        from_json(&self.viewer.get_json(NODES).await?)
    }

    /// One pod's number.
    pub(crate) async fn pod(&self, namespace: &str, name: &str) -> Result<Option<Measured>> {
        let pods = self.pods().await?;
        let mut pods = pods.into_iter();
        Ok(pods.find(|p| p.namespace == namespace && p.name == name))
    }

    /// One node's number.
    pub(crate) async fn node(&self, name: &str) -> Result<Option<Measured>> {
        Ok(self.nodes().await?.into_iter().find(|n| n.name == name))
    }

    /// Waits until every running pod and every node of the world has its number.
    pub(crate) async fn until_measured(&self) -> Result<()> {
        let running = self.lab.world.pods();
        let running = running.iter().filter(|p| p.phase.as_str() == "Running");
        let (pods, nodes) = (running.count(), self.lab.world.nodes().len());
        until(MEASURED, "every pod and node is measured", async || {
            let measured = (self.pods().await?.len(), self.nodes().await?.len());
            Ok((measured == (pods, nodes)).then_some(()))
        })
        .await
    }

    /// Waits until a pod has a number.
    pub(crate) async fn until_pod(&self, namespace: &str, name: &str) -> Result<Measured> {
        let what = format!("{namespace}/{name} is measured");
        until(MEASURED, &what, async || self.pod(namespace, name).await).await
    }
}

/// Asks again and again until there is an answer; an error ends it.
pub(crate) async fn until<T>(
    deadline: Duration,
    what: &str,
    mut ask: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let ends = Instant::now() + deadline;
    loop {
        if let Some(found) = ask().await? {
            return Ok(found);
        }
        if Instant::now() > ends {
            return Err(anyhow!("not so within {deadline:?}")).with_context(|| what.to_owned());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Asks again and again for as long as `time`; every answer must be good.
pub(crate) async fn throughout(
    time: Duration,
    mut ask: impl AsyncFnMut() -> Result<()>,
) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < time {
        ask().await.with_context(|| {
            let after = began.elapsed().as_secs_f64();
            format!("{after:.1} s into {time:?}")
        })?;
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Ok(())
}

/// Two nodes at half a core each; on each two pods of one container and one of two, at loads of their own.
///
/// The pods are `a/one-N`, `a/pair-N` (containers `app` and `side`) and `b/two-N`, for the node `node-N`.
pub(crate) fn small_world() -> World {
    let world = World::new();
    for name in ["a", "b"] {
        world.put_namespace(crate::lab::Namespace::new(name));
    }
    for n in 1..=2_u8 {
        let node = format!("node-{n}");
        let load = f64::from(n);
        world.put_node(
            Node::new(&node)
                .cpu(vec![Load::Constant(0.5 * load)])
                .memory(3 << 30)
                .label("zone", if n == 1 { "a" } else { "b" }),
        );
        let pod = |namespace: &str, name: &str| {
            Pod::new(namespace, &format!("{name}-{n}"))
                .on(&node)
                .label("app", name)
        };
        let app = |cores: f64| Container::new("app").cpu(cores).memory(50 << 20);
        world.put_pod(pod("a", "one").with(app(0.1 * load)));
        world.put_pod(pod("b", "two").with(app(0.25 * load)));
        let side = Container::new("side").cpu(0.02 * load).memory(10 << 20);
        world.put_pod(pod("a", "pair").with(app(0.3 * load)).with(side));
    }
    world
}

/// Fails unless two amounts are the same up to a share of the wanted one.
pub(crate) fn ensure_close(what: &str, got: f64, want: f64, share: f64) -> Result<()> {
    let off = (got - want).abs();
    ensure!(off <= want.abs() * share, "{what}: {got}, not {want}");
    Ok(())
}

/// Seconds from a stamp in whole seconds to now.
pub(crate) fn age(timestamp: i64) -> f64 {
    Stamp::now().as_seconds() - Stamp(timestamp * 1000).as_seconds()
}
