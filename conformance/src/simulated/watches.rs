//! What a watch of `metrics.k8s.io` tells, and what it costs.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::stage::{MEASURED, NODES, PODS, READY, RESOLUTION, small_world, until};
use super::{Bench, Check};
use crate::client::{Client, Protocol, Streamed};
use crate::lab::{Container, Pod, World};

/// How long a watch may take to tell of what a list says already.
const TOLD: Duration = Duration::from_secs(6);
/// Clients that read nothing, and the most memory they may cost together with all the rest.
const STALLED: usize = 20;
const MEMORY: u64 = 128 << 20;
/// After this long without reading a client is cut.
const CUT: Duration = Duration::from_secs(30);

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "a watch tells of new numbers, of labels, of what comes and what goes",
        120,
        |bench| Box::pin(tells(bench)),
    ),
    Check::new(
        "a watch begins with what there is, marks its place and ends when it should",
        60,
        |bench| Box::pin(begins_and_ends(bench)),
    ),
    Check::new(
        "a watch from before a restart is told to list again",
        90,
        |bench| Box::pin(restarted(bench)),
    ),
    Check::new("ending ends watches well", 60, |bench| {
        Box::pin(drained(bench))
    }),
    Check::new(
        "clients that read nothing of their watches are cut and cost others nothing",
        180,
        |bench| Box::pin(stalled(bench)),
    ),
];

/// The events of a watch as they come.
struct Events {
    stream: Streamed,
    read: Vec<u8>,
}

impl Events {
    async fn open(client: &Client, path: &str) -> Result<Self> {
        let stream = client.stream(path).await?;
        let status = stream.status();
        ensure!(status == 200, "GET {path} answered {status}");
        let read = Vec::new();
        Ok(Self { stream, read })
    }

    /// The next event; `None` when the watch ended as it should.
    async fn next(&mut self, within: Duration) -> Result<Option<Value>> {
        let read = async {
            loop {
                if let Some(end) = self.read.iter().position(|b| *b == b'\n') {
                    let rest = self.read.split_off(end + 1);
                    let line = std::mem::replace(&mut self.read, rest);
                    return Ok(Some(serde_json::from_slice(&line)?));
                }
                match self.stream.next().await? {
                    Some(bytes) => self.read.extend_from_slice(&bytes),
                    None if self.read.is_empty() => return Ok(None),
                    None => bail!("it ended within an event"),
                }
            }
        };
        let read = tokio::time::timeout(within, read).await;
        read.with_context(|| format!("no event within {within:?}"))?
    }

    /// Reads on until an event of this type is about this object.
    async fn until(&mut self, kind: &str, name: &str, within: Duration) -> Result<Value> {
        let ends = Instant::now() + within;
        let what = || format!("{kind} of {name}");
        loop {
            let left = ends.saturating_duration_since(Instant::now());
            let event = self.next(left).await.with_context(what)?;
            let event = event.context("the watch ended").with_context(what)?;
            if event["type"] == kind && event["object"]["metadata"]["name"] == name {
                return Ok(event["object"].clone());
            }
        }
    }

    /// Everything up to the end.
    async fn rest(mut self, within: Duration) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        while let Some(event) = self.next(within).await? {
            all.push(event);
        }
        Ok(all)
    }
}

fn version(of: &Value) -> Result<u64> {
    let text = of["metadata"]["resourceVersion"].as_str();
    Ok(text.context("no resourceVersion")?.parse()?)
}

async fn tells(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            let list = stage.viewer.get_json(PODS).await?;
            let from = format!("watch=true&resourceVersion={}", version(&list)?);
            let mut all = Events::open(&stage.viewer, &format!("{PODS}?{from}")).await?;
            let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/a/pods?{from}");
            let chosen = format!("{path}&labelSelector=app%3Done");
            let mut chosen = Events::open(&stage.viewer, &chosen).await?;

            let before = stage.pod("a", "one-1").await?.context("gone")?;
            let moved = all.until("MODIFIED", "one-1", RESOLUTION * 3).await?;
            ensure!(
                version(&moved)? > version(&list)?,
                "no newer version: {moved}"
            );
            let now = stage.pod("a", "one-1").await?.context("gone")?;
            ensure!(now.timestamp > before.timestamp, "the list is behind");

            stage.lab.world.update_pod("a", "one-1", |pod| {
                pod.meta.labels.insert("app".to_owned(), "other".to_owned());
            });
            let left = chosen.until("DELETED", "one-1", TOLD * 2).await?;
            ensure!(left["metadata"]["labels"]["app"] == "one", "{left}");
            ensure!(left["apiVersion"] == "metrics.k8s.io/v1beta1", "{left}");
            let seen = all.until("MODIFIED", "one-1", TOLD).await?;
            ensure!(seen["metadata"]["labels"]["app"] == "other", "{seen}");

            let new = Pod::new("a", "new").on("node-1").label("app", "one");
            stage
                .lab
                .world
                .put_pod(new.with(Container::new("app").cpu(0.1)));
            all.until("ADDED", "new", MEASURED).await?;
            chosen.until("ADDED", "new", TOLD).await?;
            stage.lab.world.delete_pod("a", "new");
            let gone = all.until("DELETED", "new", TOLD * 2).await?;
            chosen.until("DELETED", "new", TOLD).await?;

            // What was told once is not told again to who goes on from there.
            let from = format!(
                "{PODS}?watch=true&timeoutSeconds=1&resourceVersion={}",
                version(&gone)?
            );
            let events = Events::open(&stage.viewer, &from).await?.rest(TOLD).await?;
            let again = events.iter().find(|event| event["type"] != "MODIFIED");
            ensure!(again.is_none(), "told again: {again:?}");
            Ok(())
        })
        .await
}

async fn begins_and_ends(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            let initial = "watch=true&allowWatchBookmarks=true&sendInitialEvents=true\
                           &resourceVersionMatch=NotOlderThan&timeoutSeconds=3";
            for path in [PODS, NODES] {
                let asked = Instant::now();
                let watch = Events::open(&stage.viewer, &format!("{path}?{initial}")).await?;
                let events = watch.rest(TOLD).await?;
                let took = asked.elapsed();
                ensure!(
                    took > Duration::from_millis(2900),
                    "it ended after {took:?}"
                );
                let names = events.iter().map_while(|event| {
                    let name = event["object"]["metadata"]["name"].as_str()?;
                    (event["type"] == "ADDED").then_some(name)
                });
                let names: Vec<&str> = names.collect();
                let sorted = if path == NODES {
                    vec!["node-1", "node-2"]
                } else {
                    vec!["one-1", "one-2", "pair-1", "pair-2", "two-1", "two-2"]
                };
                ensure!(names == sorted, "it began with {names:?}");
                let marks: Vec<&Value> =
                    events.iter().filter(|e| e["type"] == "BOOKMARK").collect();
                let [end, last] = marks.as_slice() else {
                    bail!("not two bookmarks: {marks:?}");
                };
                let annotations = &end["object"]["metadata"]["annotations"];
                ensure!(annotations["k8s.io/initial-events-end"] == "true", "{end}");
                ensure!(
                    last["object"]["metadata"].get("annotations").is_none(),
                    "{last}"
                );
                version(&last["object"])?;
            }
            Ok(())
        })
        .await
}

async fn restarted(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            let list = stage.viewer.get_json(NODES).await?;
            stage.loadline.process.signal(Signal::SIGTERM)?;
            stage.loadline.process.wait(Duration::from_secs(15)).await?;
            let next = bench
                .start(&stage.lab, &[])?
                .ready(&stage.lab, READY)
                .await?;
            stage.viewer = next.as_proxied(&stage.lab, "viewer", &["viewers"])?;
            stage.loadline = next;
            let path = format!("{NODES}?watch=true&resourceVersion={}", version(&list)?);
            let events = Events::open(&stage.viewer, &path).await?.rest(TOLD).await?;
            let [event] = events.as_slice() else {
                bail!("not one event: {events:?}");
            };
            ensure!(event["type"] == "ERROR", "{event}");
            ensure!(event["object"]["code"] == 410, "{event}");
            ensure!(event["object"]["reason"] == "Expired", "{event}");
            Ok(())
        })
        .await
}

async fn drained(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            let mut watches = Vec::new();
            for path in [NODES, PODS] {
                let path = format!("{path}?watch=true");
                watches.push(Events::open(&stage.viewer, &path).await?);
            }
            let asked = Instant::now();
            stage.loadline.process.signal(Signal::SIGTERM)?;
            for watch in watches {
                watch.rest(TOLD).await?;
            }
            let status = stage.loadline.process.wait(Duration::from_secs(15)).await?;
            ensure!(status.success(), "it ended with {status}");
            let took = asked.elapsed();
            ensure!(took < Duration::from_secs(5), "it ended after {took:?}");
            Ok(())
        })
        .await
}

/// Few pods that take many bytes to tell of: what nobody reads fills every buffer on the way within a minute.
fn wordy_world() -> World {
    let world = small_world();
    let value = "x".repeat(63);
    for n in 0..400 {
        let mut pod = Pod::new("b", &format!("wordy-{n}")).on("node-1");
        for label in 0..100 {
            pod = pod.label(&format!("label-{label:03}-{value}")[..63], &value);
        }
        world.put_pod(pod.with(Container::new("app").cpu(0.001)));
    }
    world
}

async fn stalled(bench: &Bench) -> Result<()> {
    bench
        .beside(wordy_world(), &[], async |stage| {
            stage.until_measured().await?;
            let masters = ["system:masters"];
            let master = stage.loadline.as_proxied(&stage.lab, "root", &masters)?;
            let open = async || {
                let metrics = master.get("/metrics").await?;
                let metrics = metrics.expect_status(200)?.whole_text();
                let line = metrics.lines().find_map(|line| {
                    line.strip_prefix("loadline_server_requests_in_flight{kind=\"Watch\"} ")
                });
                anyhow::Ok(line.unwrap_or("0").parse::<usize>()?)
            };
            let request = format!(
                "GET {PODS}?watch=true HTTP/1.1\r\nHost: x\r\nX-Remote-User: viewer\r\n\
                 X-Remote-Group: viewers\r\nX-Remote-Group: system:authenticated\r\n\r\n"
            );
            let front = Some(&*stage.lab.front_proxy);
            let deafs = stage.loadline.client(Protocol::Http1, front)?;
            let mut deaf = Vec::new();
            for _ in 0..STALLED {
                let mut connection = deafs.connect().await?;
                connection.write_all(request.as_bytes()).await?;
                deaf.push(connection);
            }
            let mut reading = Events::open(&stage.viewer, &format!("{NODES}?watch=true")).await?;
            until(TOLD, "all watches are open", async || {
                Ok((open().await? == STALLED + 1).then_some(()))
            })
            .await?;
            until(CUT * 3, "only the watch that is read is left", async || {
                let asked = Instant::now();
                reading.next(RESOLUTION * 2).await?.context("it ended")?;
                stage.viewer.get(NODES).await?.expect_status(200)?;
                let took = asked.elapsed();
                ensure!(took < RESOLUTION * 2, "others waited for {took:?}");
                Ok((open().await? == 1).then_some(()))
            })
            .await?;
            let peak = stage.loadline.process.footprint()?.peak;
            ensure!(peak < MEMORY, "it took {} MiB", peak >> 20);
            drop(deaf);
            Ok(())
        })
        .await
}
