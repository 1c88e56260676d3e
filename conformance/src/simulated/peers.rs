//! Replicas that agree: what a new one takes over before it is ready, and what one is worth when the other is gone.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::reading::{Measured, from_json};
use super::stage::{NODES, OLDEST, PODS, READY, RESOLUTION, age, small_world, throughout, until};
use super::{Bench, Check};
use crate::client::{Client, Protocol, Target, Trust};
use crate::lab::{Lab, LabConfig, Leaf};
use crate::loadline::{Loadline, SERVER_NAME, Start};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "a new replica has its peer's numbers and past before it is ready, and is enough alone",
        150,
        |bench| Box::pin(takes_over(bench)),
    ),
    Check::new(
        "a hand-off is for replicas alone, and a bad peer costs nothing but that",
        120,
        |bench| Box::pin(strangers(bench)),
    ),
];

const SECRET: &str = "loadline-serving";
/// The small world's.
const COUNTS: (usize, usize) = (6, 2);
/// Every list a client of both asks for must come within this.
const PATIENCE: Duration = Duration::from_secs(3);

/// A replica, and somebody who asks it as the aggregator does.
struct Replica {
    loadline: Loadline,
    viewer: Client,
}

/// The stamps of pods and nodes a client was told last, and how often they went back.
#[derive(Debug, Default)]
struct Told {
    last: BTreeMap<String, i64>,
    answers: u32,
    back: u32,
    furthest: i64,
}

impl Replica {
    fn launch(lab: &Lab, start: &Start) -> Result<Self> {
        let loadline = start.launch(lab)?;
        let viewer = client(&loadline, Some(&lab.front_proxy))?
            .with_header("x-remote-user", "viewer")?
            .with_header("x-remote-group", "viewers")?
            .with_header("x-remote-group", "system:authenticated")?
            .with_deadline(PATIENCE);
        Ok(Self { loadline, viewer })
    }

    async fn is_ready(&mut self) -> Result<bool> {
        self.loadline.process.expect_running()?;
        let answer = client(&self.loadline, None)?.get("/readyz").await;
        Ok(answer.is_ok_and(|answer| answer.status == 200))
    }

    async fn until_ready(&mut self) -> Result<()> {
        until(READY, "it is ready", async || {
            Ok(self.is_ready().await?.then_some(()))
        })
        .await
    }

    async fn pods(&self) -> Result<Vec<Measured>> {
        from_json(&self.viewer.get_json(PODS).await?)
    }

    async fn nodes(&self) -> Result<Vec<Measured>> {
        from_json(&self.viewer.get_json(NODES).await?)
    }

    /// Whether every pod and node has a number.
    async fn is_full(&self) -> Result<bool> {
        Ok((self.pods().await?.len(), self.nodes().await?.len()) == COUNTS)
    }

    /// The timestamps of a metric of the cluster in the ring.
    async fn column_times(&self, metric: &str) -> Result<Vec<String>> {
        let path = format!("/api/v1/model/metrics/{metric}");
        let answer = self.viewer.get_json(&path).await?;
        let points = answer["metrics"].as_array().cloned().unwrap_or_default();
        let times = points
            .iter()
            .filter_map(|point| point["timestamp"].as_str());
        Ok(times.map(str::to_owned).collect())
    }
}

impl Told {
    /// Takes what one replica says now.
    async fn ask(&mut self, replica: &Replica) -> Result<()> {
        let (pods, nodes) = (replica.pods().await?, replica.nodes().await?);
        ensure!(
            (pods.len(), nodes.len()) == COUNTS,
            "{} pods, {} nodes",
            pods.len(),
            nodes.len()
        );
        for one in pods.iter().chain(&nodes) {
            let old = age(one.timestamp);
            ensure!(old < OLDEST, "{} is {old:.1} s old", one.name);
            let name = format!("{}/{}", one.namespace, one.name);
            let last = self.last.insert(name, one.timestamp);
            let back = last.map_or(0, |last| last - one.timestamp);
            self.answers += 1;
            self.back += u32::from(back > 0);
            self.furthest = self.furthest.max(back);
        }
        Ok(())
    }
}

/// How Loadline runs with a peer: a certificate all replicas share, columns of five seconds.
fn start(bench: &Bench, lab: &Lab) -> Result<Start> {
    let flags = [("serving-secret", SECRET), ("rollup-resolution", "5s")];
    Ok(bench
        .start(lab, &flags)?
        .without("tls-cert-file")
        .without("tls-private-key-file"))
}

fn peer(of: &Start) -> String {
    format!("127.0.0.1:{}", of.port())
}

async fn takes_over(bench: &Bench) -> Result<()> {
    let lab = Lab::start(small_world(), LabConfig::default()).await?;
    let (first, second) = (start(bench, &lab)?, start(bench, &lab)?);
    let (first, second) = (
        first.clone().with("peers", &peer(&second)),
        second.with("peers", &peer(&first)),
    );
    let mut a = Replica::launch(&lab, &first)?;
    a.until_ready().await?;
    until(
        READY * 2,
        "the first replica has all numbers and a past",
        async || {
            let rates = a.column_times("cpu/usage_rate").await?.len();
            Ok((a.is_full().await? && rates >= 2).then_some(()))
        },
    )
    .await?;

    let past = a.column_times("cpu/usage_rate").await?;
    let mut b = started_with_all(&lab, &second, &a, &past).await?;
    let mut told = Told::default();
    let until_then = Instant::now() + RESOLUTION + Duration::from_secs(2);
    while Instant::now() < until_then {
        told.ask(&a).await?;
        told.ask(&b).await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let most = i64::try_from(RESOLUTION.as_secs())? + 1;
    ensure!(
        told.furthest <= most,
        "a stamp went back by {} s",
        told.furthest
    );
    ensure!(
        told.back * 5 <= told.answers,
        "{} of {} stamps went back",
        told.back,
        told.answers
    );

    // Nobody is asked to agree: it is gone between two requests.
    a.loadline.process.signal(Signal::SIGKILL)?;
    throughout(Duration::from_secs(3), async || {
        told.ask(&b).await?;
        ensure!(b.is_ready().await?, "it is not ready any more");
        Ok(())
    })
    .await?;
    let past = b.column_times("cpu/usage_rate").await?;
    let back = started_with_all(&lab, &first, &b, &past).await?;
    told.ask(&back).await?;
    for replica in [&a, &b, &back] {
        let log = replica.loadline.process.log();
        ensure!(
            !log.contains("panicked at") && !log.contains("PRIVATE KEY"),
            "{log}"
        );
    }
    Ok(())
}

/// Starts a replica beside another one: with its first ready answer it knows what that one knows, the past too, and
/// has asked no kubelet for it.
async fn started_with_all(
    lab: &Lab,
    start: &Start,
    other: &Replica,
    past: &[String],
) -> Result<Replica> {
    let asked = || -> usize {
        let nodes = lab.world.nodes();
        nodes
            .iter()
            .map(|node| lab.kubelets.scrapes(&node.meta.name).len())
            .sum()
    };
    let (before, began) = (other.pods().await?, Instant::now());
    let scrapes = asked();
    let mut replica = Replica::launch(lab, start)?;
    let result = async {
        while !replica.is_ready().await? {
            ensure!(began.elapsed() < READY, "not ready");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let took = began.elapsed();
        let (pods, nodes) = (replica.pods().await?, replica.nodes().await?);
        ensure!(
            (pods.len(), nodes.len()) == COUNTS,
            "ready with {} pods, {} nodes",
            pods.len(),
            nodes.len()
        );
        for (pod, before) in pods.iter().zip(&before) {
            ensure!(
                pod.name == before.name && pod.timestamp >= before.timestamp,
                "{} went back",
                pod.name
            );
            ensure!(!pod.usage.is_empty(), "{} without numbers", pod.name);
        }
        let times = replica.column_times("cpu/usage_rate").await?;
        let missing: Vec<_> = past.iter().filter(|time| !times.contains(time)).collect();
        // The oldest may have aged out meanwhile: a quarter of an hour is kept.
        ensure!(
            missing.is_empty(),
            "columns {missing:?} are missing of {times:?}"
        );
        // The other replica's own regular scrapes go on meanwhile.
        let more = asked() - scrapes;
        ensure!(
            took > RESOLUTION || more <= 2 * COUNTS.1,
            "{more} scrapes in {took:?}"
        );
        let log = replica.loadline.process.log();
        ensure!(
            log.contains("took over from another replica"),
            "nothing taken over"
        );
        Ok(())
    };
    let result: Result<()> = result.await;
    result.with_context(|| replica.loadline.process.tail())?;
    Ok(replica)
}

async fn strangers(bench: &Bench) -> Result<()> {
    let lab = Lab::start(small_world(), LabConfig::default()).await?;
    // One that never says a word, and one that says the wrong ones.
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let babbling = TcpListener::bind("127.0.0.1:0").await?;
    let peers = format!(
        "no-such-host.invalid,{},{}",
        silent.local_addr()?,
        babbling.local_addr()?
    );
    let start = start(bench, &lab)?.with("peers", &peers);
    let mut replica = Replica::launch(&lab, &start)?;
    let babble = async {
        loop {
            if let Ok((mut stream, _)) = babbling.accept().await {
                let _ = stream.write_all(&[0x55; 4096]).await;
            }
        }
    };
    let checked = async {
        until(READY, "it serves everything all the same", async || {
            let ready = replica.is_ready().await?;
            Ok((ready && replica.is_full().await.is_ok_and(|full| full)).then_some(()))
        })
        .await?;
        refuses(&lab, &replica.loadline).await
    };
    let checked = tokio::select! {
        () = babble => Ok(()),
        checked = checked => checked,
    };
    checked.with_context(|| replica.loadline.process.tail())?;
    let log = replica.loadline.process.log();
    let said = log.matches("cannot take over from another replica").count();
    ensure!(said == 1, "said {said} times:\n{log}");
    ensure!(!log.contains("panicked at"), "something panicked");
    replica.loadline.process.signal(Signal::SIGTERM)?;
    let status = replica.loadline.process.wait(READY).await?;
    ensure!(status.success(), "ended with {status}");
    Ok(())
}

/// Nobody but a replica gets a hand-off: not even who may do everything.
async fn refuses(lab: &Lab, loadline: &Loadline) -> Result<()> {
    let administrator = lab.issue_user("admin", &["system:masters"])?;
    let callers: [(&str, Option<&Leaf>); 3] = [
        ("nobody", None),
        ("the front proxy", Some(&lab.front_proxy)),
        ("an administrator", Some(&administrator)),
    ];
    for (who, certificate) in callers {
        let client = client(loadline, certificate)?
            .with_header("x-remote-user", "admin")?
            .with_header("x-remote-group", "system:masters")?;
        for path in ["/peer/v1/live", "/peer/v1/history", "/peer/v2"] {
            let answer = client
                .get(path)
                .await
                .with_context(|| format!("{who} at {path}"))?;
            ensure!(answer.status == 403, "{who} at {path}: {}", answer.status);
            ensure!(
                answer.text().trim() == "Forbidden",
                "{who} at {path}: {}",
                answer.text()
            );
        }
    }
    Ok(())
}

fn client(loadline: &Loadline, certificate: Option<&Leaf>) -> Result<Client> {
    Client::new(&Target {
        address: loadline.address,
        name: SERVER_NAME,
        trust: Trust::Anything,
        certificate,
        protocol: Protocol::Http1,
    })
}
