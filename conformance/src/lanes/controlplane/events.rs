//! The eventer beside a real control plane: two replicas with nothing but their own account, a burst of events, and
//! everything going away in the middle of it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use nix::sys::signal::Signal;
use parking_lot::Mutex;

use crate::client::get_plain;
use crate::databases::{GotEvent, Webhook};
use crate::process::{Launch, Process, free_address};
use crate::real::{Overlay, Recorder, Scratch, Tools, until};
use crate::report::Lane;

use super::{CALL, Scene, permissions};

/// How many events the burst has.
const EVENTS: usize = 5000;
/// How many are made at once.
const AT_ONCE: usize = 24;
const BURST: Duration = Duration::from_secs(300);
/// How long until something that takes seconds must have happened, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
const FOLDER: &str = "deploy/overlays/eventer";
const ACCOUNT: &str = "loadline-eventer";

/// What the checks share.
struct Stage {
    receiver: Webhook,
    recorder: Recorder,
    program: PathBuf,
    kubeconfig: PathBuf,
    logs: PathBuf,
}

/// One replica.
struct Replica {
    process: Process,
    health: SocketAddr,
}

pub(super) async fn checks(
    lane: &Lane,
    scene: &mut Scene,
    scratch: &Scratch,
    tools: &Tools,
    logs: &Path,
) {
    let name = "two replicas of the eventer start with nothing but their own account";
    let started = async {
        let stage = Stage::new(scene, scratch, tools, logs).await?;
        let first = stage.replica("a")?;
        first.ready().await?;
        placed(scene).await?;
        let second = stage.replica("b")?;
        second.ready().await?;
        Ok((stage, first, second))
    };
    let Some((stage, mut first, mut second)) = lane.value(name, PATIENCE * 2, started).await else {
        return;
    };
    let name = "the eventer may do what docs/permissions.md says";
    let account = format!("system:serviceaccount:kube-system:{ACCOUNT}");
    let documented = permissions::as_documented(scene, &account, "kube-system", "eventer");
    lane.check(name, CALL, documented).await;
    let name = "no event is lost when the eventer is killed, its receiver fails and the API server restarts";
    let survived = lane
        .check(name, BURST, async {
            stage.burst(scene, scratch, tools, &mut first).await
        })
        .await;
    if !survived {
        return;
    }
    let name = "a replica that is asked to stop hands over, and nothing is sent twice";
    lane.check(name, PATIENCE * 2, async {
        let third = stage.replica("c")?;
        third.ready().await?;
        stage.hand_over(&mut second, &third).await
    })
    .await;
}

impl Stage {
    async fn new(scene: &Scene, scratch: &Scratch, tools: &Tools, logs: &Path) -> Result<Self> {
        let manifests = Overlay::on(FOLDER).render(scratch, &scene.admin).await?;
        // Nothing here runs pods: the replicas are child processes.
        let objects = manifests.split("\n---\n");
        let objects: Vec<_> = objects
            .filter(|o| !o.contains("kind: Deployment"))
            .collect();
        scene.admin.apply(&objects.join("\n---\n")).await?;
        let cluster = &scene.cluster;
        let account = cluster.service_account(&scene.admin, "kube-system", ACCOUNT);
        Ok(Self {
            receiver: Webhook::start().await?,
            recorder: Recorder::new(cluster, BURST)?,
            program: tools.loadline().to_owned(),
            kubeconfig: account.await?.kubeconfig().clone(),
            logs: logs.to_owned(),
        })
    }

    fn replica(&self, name: &str) -> Result<Replica> {
        let health = free_address()?;
        let log = self.logs.join(format!("eventer-{name}.log"));
        let mut launch = Launch::new(&self.program, log);
        launch.arguments = vec![
            "eventer".to_owned(),
            format!("--kubeconfig={}", self.kubeconfig.display()),
            format!("--sink={}", self.receiver.sink()),
            "--frequency=5s".to_owned(),
            "--leader-elect".to_owned(),
            "--leader-elect-resource-namespace=kube-system".to_owned(),
            format!("--healthz-ip={}", health.ip()),
            format!("--healthz-port={}", health.port()),
        ];
        Ok(Replica {
            process: launch.start()?,
            health,
        })
    }

    /// Makes events, kills whoever sends them in the middle, fails whoever receives them, restarts whoever stores them,
    /// and waits for all of them.
    async fn burst(
        &self,
        scene: &mut Scene,
        scratch: &Scratch,
        tools: &Tools,
        first: &mut Replica,
    ) -> Result<()> {
        let made = AtomicUsize::new(0);
        let expected = Mutex::new(Vec::with_capacity(EVENTS));
        let make = async {
            let all = stream::iter(0..EVENTS).map(Ok);
            all.try_for_each_concurrent(AT_ONCE, async |at| {
                let id = self.recorder.make(at).await?;
                expected.lock().push(id);
                made.fetch_add(1, Ordering::Relaxed);
                anyhow::Ok(())
            })
            .await
        };
        let reached = async |part: usize| {
            until(BURST, async || {
                let made = made.load(Ordering::Relaxed);
                ensure!(made >= EVENTS * part / 10, "{made} are made");
                Ok(())
            })
            .await
        };
        let accidents = async {
            reached(2).await?;
            first.process.kill().await?;
            reached(5).await?;
            scene
                .cluster
                .restart_api_server(scratch, tools, &self.logs)
                .await?;
            reached(8).await?;
            self.receiver.set_down(true);
            tokio::time::sleep(Duration::from_secs(3)).await;
            self.receiver.set_down(false);
            anyhow::Ok(())
        };
        tokio::try_join!(make, accidents)?;
        let expected = expected.into_inner();
        until(PATIENCE, async || {
            self.receiver.faultless()?;
            let got = self.receiver.got();
            let missing: Vec<_> = expected
                .iter()
                .filter(|id| !got.contains_key(*id))
                .collect();
            let (missing, some) = (missing.len(), missing.first());
            ensure!(
                missing == 0,
                "{missing} of {EVENTS} have not come, one is {some:?}"
            );
            Ok(())
        })
        .await?;
        let got = self.receiver.got();
        let doubled = got.values().filter(|got| got.times > 1).count();
        let told = format!("{} events, {doubled} of them more than once\n", got.len());
        std::fs::write(self.logs.join("eventer-burst.txt"), told)?;
        Ok(())
    }

    async fn hand_over(&self, from: &mut Replica, to: &Replica) -> Result<()> {
        let before = self.receiver.got();
        from.process.signal(Signal::SIGTERM)?;
        let status = from.process.wait(PATIENCE).await?;
        ensure!(status.success(), "it ended with {status}");
        let id = self.recorder.make(EVENTS + 1).await?;
        until(PATIENCE, async || {
            self.receiver.faultless()?;
            ensure!(self.receiver.got().contains_key(&id), "{id} has not come");
            Ok(())
        })
        .await?;
        let got = self.receiver.got();
        let again = |(id, was): &(&String, &GotEvent)| {
            got.get(*id).is_none_or(|got| got.times != was.times)
        };
        let again: Vec<_> = before.iter().filter(again).map(|(id, _)| id).collect();
        ensure!(again.is_empty(), "sent again: {again:?}");
        let metrics = get_plain(to.health, "/metrics").await?.whole_text();
        for series in ["loadline_leader 1", "loadline_events_received_total 1"] {
            let there = metrics.lines().any(|line| line.starts_with(series));
            ensure!(there, "no {series} in\n{metrics}");
        }
        Ok(())
    }
}

impl Replica {
    async fn ready(&self) -> Result<()> {
        until(PATIENCE, async || {
            for path in ["/healthz", "/readyz"] {
                let answer = get_plain(self.health, path).await?;
                answer.expect_status(200)?;
            }
            Ok(())
        })
        .await
    }
}

/// Waits until there is a place to resume from: what happens from now on is sent.
async fn placed(scene: &Scene) -> Result<()> {
    until(PATIENCE, async || {
        let lease = scene
            .admin
            .json("get lease loadline-eventer -n kube-system")
            .await?;
        let place = &lease["metadata"]["annotations"]["loadline.io/events-resource-version"];
        ensure!(place.is_string(), "{lease}");
        Ok(())
    })
    .await
}
