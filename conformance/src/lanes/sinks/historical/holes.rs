//! A time when we were away and another replica was not.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};

use super::super::outage::stamps;
use super::super::told::{PATIENCE, columns, more_columns};
use super::super::{Ground, RESOLUTION};
use super::compare::aggregations;
use super::told::{counter, place, tell};
use crate::client::Client;
use crate::databases::{Influxdb, Point};
use crate::loadline::Loadline;
use crate::real::until;
use crate::simulated::READY;

/// Columns we were not here for: more than two resolutions, whenever we ended.
const AWAY: usize = 4;

/// One with its history on disk ends, another sends on meanwhile, and the first one comes back: the columns between come
/// from the store, as often as any other.
pub(super) async fn filled(ground: &Ground) -> Result<()> {
    let mut influxdb = Influxdb::new(&ground.programs, ground.scratch.folder(), false)?;
    influxdb.database.start().await?;
    let ask = influxdb.as_user(None);
    let uri = format!("influxdb:http://{}?queue=100", influxdb.address);
    let folder = ground.scratch.folder().join("history");
    let folder = folder.display().to_string();
    let resolution = format!("{RESOLUTION}s");
    let own = async || -> Result<Vec<Point>> {
        let statement =
            "SELECT value FROM \"network/rx\" WHERE type = 'node' AND nodename = 'node-1'";
        ask.points("k8s", statement).await
    };
    let sinks = std::slice::from_ref(&uri);
    ground
        .beside(sinks, &[], &[], async |stage| {
            // Who stays here all the time is the stage's; it sends what each of them would.
            let start = ground.bench.start(&stage.lab, &[])?;
            let start = start
                .with("rollup-resolution", &resolution)
                .with("history-dir", &folder)
                .with("historical-source", &uri);
            let mut first = start.ready(&stage.lab, READY).await?;
            let series = counter();
            let viewer = |loadline: &Loadline| {
                loadline.as_proxied(&stage.lab, "viewer", &["viewers", "system:authenticated"])
            };
            let told =
                async |viewer: &Client, api| tell(viewer, api, &place(series.of), &series).await;
            let asks = viewer(&first)?;
            until(PATIENCE, async || {
                let kept = told(&asks, "model").await?.len();
                ensure!(kept >= 3, "{kept} columns are kept");
                Ok(())
            })
            .await?;
            first.process.signal(nix::sys::signal::Signal::SIGTERM)?;
            first.process.wait(PATIENCE).await?;
            let before = columns(stage).await?;
            more_columns(stage, AWAY + 1).await?;
            let log = ground.scratch.folder().join("second.log");
            let second = start.log(&log).ready(&stage.lab, READY).await?;
            let asks = viewer(&second)?;
            until(PATIENCE, async || {
                let there = stamps(&own().await?);
                let all = told(&asks, "historical").await?;
                ensure!(all.is_sorted_by(|a, b| a.0 < b.0), "{all:?}");
                let kept = stamps(&told(&asks, "model").await?);
                complete(&there, &stamps(&all), &kept, &before)
            })
            .await?;
            // Buckets are made of the points that are told one by one.
            let all = async || told(&asks, "historical").await;
            aggregations(&asks, &all).await.context("aggregations")
        })
        .await
}

/// Of the stamps that are in the store all are told, though those from when we were away are not kept.
fn complete(
    there: &BTreeSet<i64>,
    all: &BTreeSet<i64>,
    kept: &BTreeSet<i64>,
    before: &BTreeSet<i64>,
) -> Result<()> {
    // Who misses one column was there all the time; and who has just begun has columns without all nodes.
    let alone = |at: &i64| kept.range(at..=&(at + 2 * RESOLUTION)).next().is_some();
    let lost: Vec<_> = there.difference(all).filter(|at| !alone(at)).collect();
    ensure!(lost.is_empty(), "without {lost:?} of {there:?}");
    let old = kept.iter().any(|at| before.contains(at));
    let new = kept.iter().any(|at| Some(at) > before.last());
    ensure!(old && new, "{before:?}, and then {kept:?} are kept");
    let holes: Vec<_> = all.difference(kept).collect();
    let within = holes.iter().filter(|at| Some(**at) > kept.first());
    ensure!(within.count() >= AWAY, "of the holes come {holes:?}");
    Ok(())
}
