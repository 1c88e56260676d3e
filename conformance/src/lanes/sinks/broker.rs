//! What ails a Kafka broker: slow, a message it will never take, a full disk.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::kafka::{LOGIN, TOPIC};
use super::outage::stamps;
use super::told::{PATIENCE, logs, metric, more_columns, nothing_lost, reaches};
use super::{Check, Ground};
use crate::databases::{Consumer, Kafka, Pace, Peculiar, Proxy};
use crate::lab::{Container, Pod};
use crate::real::{SmallDisk, until};
use crate::simulated::{Stage, small_world};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "kafka: nothing is lost to a broker that is too slow",
        |ground| Box::pin(slow(ground)),
    ),
    Check::new(
        "kafka: messages a broker will never take are counted, and all others are there",
        |ground| Box::pin(refused(ground)),
    ),
    Check::new("kafka: nothing is lost to a full disk", |ground| {
        Box::pin(full(ground))
    })
    .mounting(),
];

/// Few messages, each of them by itself smaller than what the broker takes.
const FEW: &str = "metrics=memory/usage&queue=100";
/// The most bytes the broker takes: of four messages or so, and of none that has as many labels as the large pod's.
const LARGEST: u32 = 2000;
const LABELS: usize = 40;
/// Room for all that comes while it is well.
const DISK: usize = 4 << 20;

/// A broker that is up, and who reads what it takes.
async fn started(ground: &Ground, peculiar: Peculiar<'_>) -> Result<(Kafka, Consumer)> {
    let folder = ground.scratch.folder();
    let mut kafka = Kafka::peculiar(&ground.programs, folder, LOGIN, peculiar)?;
    kafka.format().await?;
    kafka.database.start().await?;
    let consumer = kafka.consume(&[TOPIC])?;
    Ok((kafka, consumer))
}

fn arrived(consumer: &Consumer) -> impl AsyncFn() -> Result<std::collections::BTreeSet<i64>> {
    async || Ok(stamps(&of_pod(consumer, None)?))
}

/// The points of the cluster, or of a pod.
fn of_pod(consumer: &Consumer, pod: Option<&'static str>) -> Result<Vec<(i64, f64)>> {
    let tags = match pod {
        None => vec![("type", "cluster")],
        Some(pod) => vec![("type", "pod"), ("pod_name", pod)],
    };
    consumer.points(TOPIC, "memory/usage", &tags)
}

async fn slow(ground: &Ground) -> Result<()> {
    let (kafka, consumer) = started(ground, Peculiar::default()).await?;
    let (address, behind) = kafka.by_proxy;
    let proxy = Proxy::at(address, behind, Pace::Free).await?;
    let sink = format!("kafka:?brokers={address}&{FEW}");
    let flags = [("sink-export-data-timeout", "3s")];
    ground
        .beside(&[sink], &flags, &[], async |stage| {
            nothing_lost(stage, &arrived(&consumer)).await?;
            // So late that it is in time: nothing but later.
            let tried = metric(stage, "retried_total", "kafka").await?;
            proxy.set(Pace::Late(Duration::from_millis(300)));
            more_columns(stage, 2).await?;
            nothing_lost(stage, &arrived(&consumer)).await?;
            let retried = metric(stage, "retried_total", "kafka").await?;
            ensure!(retried == tried, "it was tried again {retried} times");
            // Not in time.
            proxy.set(Pace::Held);
            reaches(stage, "retried_total", "kafka", tried + 1.0).await?;
            logs(stage, "kafka", "did not take the batch in time").await?;
            more_columns(stage, 2).await?;
            ensure!(metric(stage, "up", "kafka").await? == 0.0, "it is up");
            proxy.set(Pace::Free);
            nothing_lost(stage, &arrived(&consumer))
                .await
                .context("it caught up")?;
            whole(stage).await
        })
        .await
}

/// Nothing was dropped or refused.
async fn whole(stage: &Stage) -> Result<()> {
    for lost in ["dropped_total", "refused_points_total"] {
        let lost_points = metric(stage, lost, "kafka").await?;
        ensure!(lost_points == 0.0, "{lost} is {lost_points}");
    }
    Ok(())
}

async fn refused(ground: &Ground) -> Result<()> {
    let peculiar = Peculiar {
        largest: Some(LARGEST),
        ..Peculiar::default()
    };
    let (kafka, consumer) = started(ground, peculiar).await?;
    let world = small_world();
    let app = Container::new("app").cpu(0.1).memory(50 << 20);
    let mut large = Pod::new("a", "large").on("node-1").with(app);
    for number in 0..LABELS {
        large = large.label(&format!("label-{number}"), &"x".repeat(60));
    }
    world.put_pod(large);
    let sink = format!("kafka:?brokers={}&{FEW}", kafka.plain);
    ground
        .beside_world(world, &[sink], &[], &[], async |stage| {
            // Of the pod and of its container in each column.
            reaches(stage, "refused_points_total", "kafka", 4.0).await?;
            more_columns(stage, 2).await?;
            nothing_lost(stage, &arrived(&consumer)).await?;
            until(PATIENCE, async || {
                let sent = metric(stage, "sent_points_total", "kafka").await?;
                let count = f64::from(u32::try_from(consumer.count(TOPIC)?)?);
                ensure!(count == sent, "{count} messages of {sent}");
                Ok(())
            })
            .await?;
            let small = of_pod(&consumer, Some("one-1"))?;
            ensure!(small.len() >= 4, "{} of a small pod", small.len());
            let none = of_pod(&consumer, Some("large"))?;
            ensure!(none.is_empty(), "it took {none:?}");
            let retried = metric(stage, "retried_total", "kafka").await?;
            ensure!(retried == 0.0, "it was tried again {retried} times");
            ensure!(metric(stage, "up", "kafka").await? == 1.0, "it is not up");
            logs(stage, "kafka", "MessageTooLarge").await
        })
        .await
}

async fn full(ground: &Ground) -> Result<()> {
    let disk = SmallDisk::mount(DISK)?;
    let peculiar = Peculiar {
        data: Some(disk.folder()),
        ..Peculiar::default()
    };
    let (mut kafka, consumer) = started(ground, peculiar).await?;
    let sink = format!("kafka:?brokers={}&{FEW}", kafka.plain);
    let flags = [("sink-export-data-timeout", "10s")];
    ground
        .beside(&[sink], &flags, &[], async |stage| {
            nothing_lost(stage, &arrived(&consumer)).await?;
            let tried = metric(stage, "retried_total", "kafka").await?;
            until(PATIENCE, async || {
                disk.fill()?;
                let now = metric(stage, "retried_total", "kafka").await?;
                ensure!(now > tried, "it still takes messages");
                Ok(())
            })
            .await?;
            more_columns(stage, 2).await?;
            ensure!(metric(stage, "up", "kafka").await? == 0.0, "it is up");
            disk.empty()?;
            // Without a place to write to a broker ends, or waits for whoever starts it again.
            kafka.database.kill().await?;
            kafka.database.start().await?;
            nothing_lost(stage, &arrived(&consumer))
                .await
                .context("there is room again")?;
            whole(stage).await
        })
        .await
}
