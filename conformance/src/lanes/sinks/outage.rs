//! Databases that are away when Loadline starts, and go away once more.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};

use super::told::{columns, logs, metric, more_columns, nothing_lost, reaches};
use super::{Check, Ground};
use crate::databases::{Carbon, Database, Influxdb, Point, Victoria};
use crate::simulated::Stage;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "influxdb: nothing is lost to a server that comes late and is killed",
        |ground| Box::pin(influxdb(ground)),
    ),
    Check::new(
        "graphite: nothing is lost to a carbon that comes late and is stopped",
        |ground| Box::pin(graphite(ground)),
    ),
    Check::new(
        "opentsdb: nothing is lost to a server that comes late and is stopped",
        |ground| Box::pin(opentsdb(ground)),
    ),
];

/// How a server goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Going {
    /// Killed: what it confirmed is on its disk.
    Killed,
    /// Asked to: it writes down what it has in memory.
    Asked,
}

/// Has the server come late and go for some columns, and holds that it has all of them at the end.
pub(super) async fn outlast(
    stage: &Stage,
    sink: &str,
    server: &mut Database,
    going: Going,
    arrived: impl AsyncFn() -> Result<BTreeSet<i64>>,
) -> Result<()> {
    reaches(stage, "retried_total", sink, 2.0).await?;
    logs(stage, sink, "cannot be reached").await?;
    more_columns(stage, 1).await?;
    ensure!(metric(stage, "up", sink).await? == 0.0, "it is up");
    server.start().await?;
    nothing_lost(stage, &arrived)
        .await
        .context("it came late")?;
    logs(stage, sink, "the sink works again").await?;
    ensure!(metric(stage, "up", sink).await? == 1.0, "it is not up");
    // Gone between two columns: what carbon was handed and had not read when it went is lost.
    more_columns(stage, 1).await?;
    nothing_lost(stage, &arrived).await?;
    match going {
        Going::Killed => server.kill().await?,
        Going::Asked => server.end().await?,
    }
    let tried = metric(stage, "retried_total", sink).await?;
    reaches(stage, "retried_total", sink, tried + 2.0).await?;
    reaches(stage, "queued", sink, 2.0).await?;
    server.start().await?;
    nothing_lost(stage, &arrived).await.context("it was gone")?;
    let dropped = metric(stage, "dropped_total", sink).await?;
    ensure!(dropped == 0.0, "{dropped} batches were dropped");
    let refused = metric(stage, "refused_points_total", sink).await?;
    ensure!(refused == 0.0, "{refused} points were refused");
    let made = columns(stage).await?.len();
    ensure!(made >= 4, "only {made} columns");
    Ok(())
}

pub(super) fn stamps(points: &[Point]) -> BTreeSet<i64> {
    points.iter().map(|(at, _)| *at).collect()
}

async fn influxdb(ground: &Ground) -> Result<()> {
    let mut influxdb = Influxdb::new(&ground.programs, ground.scratch.folder(), false)?;
    let sink = format!("influxdb:http://{}?queue=100", influxdb.address);
    let ask = influxdb.as_user(None);
    let arrived = async || {
        let statement = "SELECT value FROM \"memory/usage\" WHERE type = 'cluster'";
        Ok(stamps(&ask.points("k8s", statement).await?))
    };
    ground
        .beside(&[sink], &[], &[], async |stage| {
            let server = &mut influxdb.database;
            outlast(stage, "influxdb", server, Going::Killed, arrived).await
        })
        .await
}

async fn graphite(ground: &Ground) -> Result<()> {
    let mut carbon = Carbon::new(&ground.programs, ground.scratch.folder())?;
    let sink = format!("graphite:tcp://{}?queue=100", carbon.address);
    let whisper = carbon.whisper.clone();
    let arrived = async || {
        let series = whisper.read().await?;
        let points = series.get("kubernetes.cluster.memory.usage");
        Ok(points.map(|points| stamps(points)).unwrap_or_default())
    };
    ground
        .beside(&[sink], &[], &[], async |stage| {
            let server = &mut carbon.database;
            outlast(stage, "graphite", server, Going::Asked, arrived).await
        })
        .await
}

async fn opentsdb(ground: &Ground) -> Result<()> {
    let mut victoria = Victoria::new(&ground.programs, ground.scratch.folder())?;
    let sink = format!("opentsdb:http://{}?queue=100", victoria.opentsdb);
    let promql = victoria.promql();
    let arrived = async || {
        let selector = "memory_usage_gauge{type=\"cluster\"}";
        Ok(stamps(&promql.points(selector).await?))
    };
    ground
        .beside(&[sink], &[], &[], async |stage| {
            let server = &mut victoria.database;
            outlast(stage, "opentsdb", server, Going::Asked, arrived).await
        })
        .await
}
