//! Promise 2: what misbehaves harms only itself.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::net::TcpSocket;
use tokio::time::Instant;

use super::stage::{OLDEST, RESOLUTION, age, ensure_close, small_world, throughout, until};
use super::{Bench, Check};
use crate::lab::{Answer, Behaviour, Container, Lab, LabConfig, Load, Node, Pod, World};

/// More than a whole Loadline with a dozen nodes may ever need, in bytes.
const MEMORY: u64 = 128 << 20;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "kubelets that misbehave harm only themselves",
        120,
        |bench| Box::pin(bad_kubelets(bench)),
    ),
    Check::new("a malformed line costs that line alone", 90, |bench| {
        Box::pin(malformed_lines(bench))
    }),
    Check::new(
        "a kubelet that is slow but in time is measured",
        90,
        |bench| Box::pin(a_slow_kubelet(bench)),
    ),
    Check::new(
        "clients that stall do not keep others waiting",
        90,
        |bench| Box::pin(stalling_clients(bench)),
    ),
    Check::new("a kubelet that recovers is measured again", 90, |bench| {
        Box::pin(recovery(bench))
    }),
];

type Fault = fn(&mut Behaviour);

const FAULTS: [(&str, Fault); 9] = [
    ("hangs", |b| b.answer = Answer::Hang),
    ("silent", |b| b.silent = true),
    ("closes", |b| b.closes = true),
    ("drips", |b| {
        b.answer = Answer::Drip(Duration::from_millis(400))
    }),
    ("endless", |b| b.answer = Answer::Oversize(1 << 30)),
    ("breaks-off", |b| b.answer = Answer::BreakOff),
    ("forbids", |b| b.answer = Answer::Status(403)),
    ("babbles", |b| {
        b.answer = Answer::Text("<html>hello</html>".repeat(100))
    }),
    ("empty", |b| b.answer = Answer::Text(String::new())),
];

async fn bad_kubelets(bench: &Bench) -> Result<()> {
    let world = World::new();
    let names = FAULTS.iter().map(|(name, _)| *name);
    for node in names.chain(["refuses", "healthy"]) {
        world.put_node(Node::new(node).cpu(vec![Load::Constant(0.5)]));
        let pod = Pod::new("a", &format!("on-{node}")).on(node);
        world.put_pod(pod.with(Container::new("app")));
    }
    let lab = Lab::start(world, LabConfig::default()).await?;
    for (node, fault) in FAULTS {
        lab.kubelets.behave(node, fault)?;
    }
    lab.kubelets.refuse("refuses").await;
    bench
        .on(lab, &[], async |stage| {
            stage.until_pod("a", "on-healthy").await?;
            throughout(RESOLUTION * 3, async || {
                let pods = stage.pods().await?;
                let [pod] = pods.as_slice() else {
                    anyhow::bail!("not one pod: {pods:?}");
                };
                ensure_close("the rate", pod.cpu("app")?, 0.1, 0.001)?;
                let age = age(pod.timestamp);
                ensure!(age < OLDEST, "the healthy node's number is {age:.1} s old");
                Ok(())
            })
            .await?;
            let ready = stage.viewer.get("/readyz").await?;
            ready.expect_status(200)?;
            let peak = stage.loadline.process.footprint()?.peak;
            ensure!(peak < MEMORY, "it took {} MiB", peak >> 20);
            Ok(())
        })
        .await
}

async fn malformed_lines(bench: &Bench) -> Result<()> {
    let lines = [
        "container_cpu_usage_seconds_total{container=\"x\",namespace=\"a\"} 1 1",
        "container_cpu_usage_seconds_total{container=\"x",
        "container_cpu_usage_seconds_total{} NaN 1795253478546",
        "container_cpu_usage_seconds_total{container=\"x\",namespace=\"a\",pod=\"y\"} -Inf",
        "container_memory_working_set_bytes{container=\"\",namespace=\"\",pod=\"\"} 1e999",
        "node_cpu_usage_seconds_total one",
        "}{",
        "\u{1F4A5} 1",
    ];
    let lab = Lab::start(small_world(), LabConfig::default()).await?;
    lab.kubelets.behave("node-1", |b| {
        b.extra_lines = lines.map(str::to_owned).to_vec();
    })?;
    bench
        .on(lab, &[], async |stage| {
            stage.until_measured().await?;
            throughout(RESOLUTION * 2, async || {
                let pods = stage.pods().await?;
                ensure!(pods.len() == 6, "{} pods in place of 6", pods.len());
                let pod = stage.pod("a", "one-1").await?.context("gone")?;
                ensure_close("the rate", pod.cpu("app")?, 0.1, 0.001)
            })
            .await
        })
        .await
}

async fn a_slow_kubelet(bench: &Bench) -> Result<()> {
    let lab = Lab::start(small_world(), LabConfig::default()).await?;
    let slow = Answer::Slow(Duration::from_millis(2200));
    lab.kubelets.behave("node-1", |b| b.answer = slow)?;
    bench
        .on(lab, &[], async |stage| {
            stage.until_measured().await?;
            throughout(RESOLUTION * 2, async || {
                let pod = stage.pod("a", "one-1").await?.context("gone")?;
                ensure_close("the rate", pod.cpu("app")?, 0.1, 0.001)
            })
            .await
        })
        .await
}

async fn stalling_clients(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            // One address of their own, and that of everybody here: what they hold there must not keep others out.
            let mut stalled = Vec::new();
            for n in 0..600_u16 {
                let socket = TcpSocket::new_v4()?;
                let from = if n % 2 == 0 {
                    Ipv4Addr::new(127, 0, 7, 1)
                } else {
                    Ipv4Addr::LOCALHOST
                };
                socket.bind(SocketAddr::from((from, 0)))?;
                stalled.push(socket.connect(stage.loadline.address).await?);
            }
            let masters = ["system:masters"];
            let administrator = stage.loadline.as_proxied(&stage.lab, "root", &masters)?;
            until(
                RESOLUTION,
                "of what has not authenticated 100 of one address stay",
                async || {
                    let metrics = administrator.get("/metrics").await?.whole_text();
                    let refused = metrics.lines().find_map(|line| {
                        line.strip_prefix("loadline_server_connections_refused_total ")
                    });
                    let refused: u32 = refused.context("no such metric")?.parse()?;
                    // On a slow machine some were given up before, for want of a handshake.
                    Ok((refused >= 300).then_some(()))
                },
            )
            .await?;
            for _ in 0..50 {
                let asked = Instant::now();
                ensure!(stage.pods().await?.len() == 6, "pods are missing");
                let took = asked.elapsed();
                ensure!(took < Duration::from_secs(1), "a list took {took:?}");
            }
            // A new connection is served, too.
            let fresh = stage
                .loadline
                .as_proxied(&stage.lab, "viewer", &["viewers"])?;
            let fresh = fresh.with_deadline(Duration::from_secs(2));
            fresh.get("/readyz").await?.expect_status(200)?;
            drop(stalled);
            Ok(())
        })
        .await
}

async fn recovery(bench: &Bench) -> Result<()> {
    let lab = Lab::start(small_world(), LabConfig::default()).await?;
    lab.kubelets.refuse("node-1").await;
    lab.kubelets.behave("node-2", |b| b.silent = true)?;
    bench
        .on_unmeasured(lab, &[], async |stage| {
            throughout(Duration::from_secs(5), async || {
                ensure!(stage.pods().await?.is_empty(), "measured by nobody");
                Ok(())
            })
            .await?;
            stage.lab.kubelets.accept("node-1").await?;
            stage.lab.kubelets.behave("node-2", |b| b.silent = false)?;
            stage.until_measured().await
        })
        .await
}
