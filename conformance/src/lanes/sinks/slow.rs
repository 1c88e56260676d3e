//! A database that is slow, beside one that is not.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::outage::stamps;
use super::told::{PATIENCE, columns, logs, metric, more_columns, nothing_lost, reaches};
use super::{Check, Ground, RESOLUTION};
use crate::databases::{Influxdb, Pace, Proxy};
use crate::real::until;
use crate::simulated::Stage;

pub(super) const CHECKS: &[Check] = &[Check::new(
    "a sink that is slow holds up neither another nor the live numbers, and catches up",
    |ground| Box::pin(slow(ground)),
)];

/// Columns while a sink is slow.
const MEANWHILE: usize = 4;

async fn slow(ground: &Ground) -> Result<()> {
    let mut influxdb = Influxdb::new(&ground.programs, ground.scratch.folder(), false)?;
    influxdb.database.start().await?;
    let proxy = Proxy::start(influxdb.address, Pace::Free).await?;
    let sinks = [
        format!("influxdb:http://{}", proxy.address),
        format!("influxdb:http://{}?db=other", influxdb.address),
    ];
    let ask = influxdb.as_user(None);
    let arrived = async |database: &str| {
        let statement = "SELECT value FROM \"memory/usage\" WHERE type = 'cluster'";
        anyhow::Ok(stamps(&ask.points(database, statement).await?))
    };
    let flags = [("sink-export-data-timeout", "3s")];
    ground
        .beside(&sinks, &flags, &[], async |stage| {
            reaches(stage, "sent_total", "influxdb", 1.0).await?;
            // So late that it is in time: nothing but later.
            proxy.set(Pace::Late(Duration::from_millis(700)));
            more_columns(stage, 2).await?;
            nothing_lost(stage, &async || arrived("k8s").await).await?;
            let retried = metric(stage, "retried_total", "influxdb").await?;
            ensure!(retried == 0.0, "it was tried again {retried} times");
            // Not in time.
            proxy.set(Pace::Held);
            reaches(stage, "retried_total", "influxdb", 1.0).await?;
            logs(stage, "influxdb", "did not take the batch in time").await?;
            meanwhile(stage, &async || arrived("other").await).await?;
            let up = metric(stage, "up", "influxdb").await?;
            ensure!(up == 0.0, "a sink without an answer is up");
            proxy.set(Pace::Free);
            nothing_lost(stage, &async || arrived("k8s").await)
                .await
                .context("it caught up")?;
            let dropped = metric(stage, "dropped_total", "influxdb").await?;
            ensure!(dropped == 0.0, "{dropped} batches were dropped");
            Ok(())
        })
        .await
}

/// While one sink waits, the other has each column before the next is made, and live numbers come.
async fn meanwhile(
    stage: &Stage,
    other: &impl AsyncFn() -> Result<std::collections::BTreeSet<i64>>,
) -> Result<()> {
    let before = live_stamp(stage).await?;
    for _ in 0..MEANWHILE {
        more_columns(stage, 1).await?;
        let made = columns(stage).await?;
        let there = other().await?;
        let missing = made.difference(&there).count();
        ensure!(missing <= 1, "{missing} of {made:?} wait for another sink");
    }
    nothing_lost(stage, other).await?;
    let retried = metric(stage, "retried_total", "influxdb-2").await?;
    ensure!(retried == 0.0, "the other was tried again {retried} times");
    until(PATIENCE, async || {
        let now = live_stamp(stage).await?;
        ensure!(now >= before + RESOLUTION, "live numbers of {now}");
        Ok(())
    })
    .await
}

/// The oldest of the nodes' stamps.
pub(super) async fn live_stamp(stage: &Stage) -> Result<i64> {
    let nodes = stage.nodes().await?;
    let stamps = nodes.iter().map(|node| node.timestamp);
    stamps.min().context("no node is measured")
}
