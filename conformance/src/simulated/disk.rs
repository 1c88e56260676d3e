//! The history on disk: it outlives a process that is killed, and a full disk disturbs nothing else.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::unistd::geteuid;
use serde_json::Value;

use super::stage::{OLDEST, READY, RESOLUTION, Stage, age, small_world, throughout, until};
use super::{Bench, Check};
use crate::lab::{Lab, LabConfig};
use crate::real::SmallDisk;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "what was answered of the past is answered after a kill, each tick once",
        300,
        |bench| Box::pin(outlives_a_kill(bench)),
    ),
    Check::new(
        "a full disk costs no column that is there, and is told and counted (root may mount one)",
        300,
        |bench| Box::pin(full(bench)),
    ),
];

/// The time between two columns, in seconds.
const STEP: i64 = 5;
/// How long some columns may take.
const COLUMNS: Duration = Duration::from_secs(120);
/// More than memory holds.
const MANY: usize = 7;
/// Of the cluster, a node, a pod and a container.
const PATHS: [&str; 4] = [
    "metrics/memory/usage",
    "nodes/node-1/metrics/cpu/usage",
    "namespaces/a/pods/one-1/metrics/cpu/usage",
    "namespaces/a/pods/pair-2/containers/side/metrics/cpu/usage",
];
const COLUMNS_KEPT: &str = "loadline_history_dir_columns";
const REFUSED: &str = "loadline_history_dir_errors_total{operation=\"write\"}";
/// A few segments of the small world.
const SIZE: usize = 256 << 10;
const UNWELL: &str = "the history on disk is unwell";

/// When, in seconds, and what.
type Points = Vec<(i64, Value)>;

async fn outlives_a_kill(bench: &Bench) -> Result<()> {
    let lab = Lab::start(small_world(), LabConfig::default()).await?;
    let folder = lab.file("history").display().to_string();
    let flags = [
        ("rollup-resolution", "5s"),
        ("history-length", "15s"),
        ("history-dir", &folder),
    ];
    let start = jiff::Timestamp::now().as_second() - 60;
    bench
        .on(lab, &flags, async |stage| {
            let before = until(COLUMNS, "more is answered than memory holds", async || {
                let past = all(stage, start).await?;
                Ok(past.iter().all(|p| p.len() >= MANY).then_some(past))
            })
            .await?;
            let newest = before.iter().filter_map(|p| p.last()).map(|p| p.0).max();
            until(COLUMNS, "all of that is on disk", async || {
                Ok((newest <= Some(surely_on_disk(stage).await?)).then_some(()))
            })
            .await?;
            stage.loadline.process.kill().await?;
            let again = bench.start(&stage.lab, &flags)?;
            stage.loadline = again.ready(&stage.lab, READY).await?;
            let viewers = ["viewers", "system:authenticated"];
            stage.viewer = stage.loadline.as_proxied(&stage.lab, "viewer", &viewers)?;
            let after = until(COLUMNS, "the past goes on", async || {
                let past = all(stage, start).await?;
                let more = before
                    .iter()
                    .zip(&past)
                    .all(|(b, p)| p.len() >= b.len() + 3);
                Ok(more.then_some(past))
            })
            .await?;
            for ((path, before), after) in PATHS.iter().zip(&before).zip(&after) {
                let kept = after.get(..before.len());
                ensure!(
                    kept == Some(before.as_slice()),
                    "{path}: {before:?} became {after:?}"
                );
            }
            Ok(())
        })
        .await
}

/// The past of every path since this second; each tick once.
async fn all(stage: &Stage, start: i64) -> Result<Vec<Points>> {
    let start = jiff::Timestamp::from_second(start)?;
    let mut all = Vec::new();
    for path in PATHS {
        let asked = format!("/api/v1/historical/{path}?start={start}");
        let answer = stage.viewer.get(&asked).await?;
        if answer.status == 404 {
            all.push(Points::new());
            continue;
        }
        let answer = answer.expect_status(200)?.json()?;
        let points = answer["metrics"].as_array().context("no points")?;
        let point = |point: &Value| {
            let tick = point["timestamp"].as_str().context("no timestamp")?;
            let tick = tick.parse::<jiff::Timestamp>()?.as_second();
            anyhow::Ok((tick, point["value"].clone()))
        };
        let points = points.iter().map(point).collect::<Result<Points>>()?;
        let once = points.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let aligned = points.iter().all(|(tick, _)| tick % STEP == 0);
        ensure!(once && aligned, "{path}: {answer}");
        all.push(points);
    }
    Ok(all)
}

/// A tick that is on disk, with all that were before it, where no process has been before this one.
async fn surely_on_disk(stage: &Stage) -> Result<i64> {
    let oldest = metric(stage, "loadline_history_dir_oldest_timestamp_seconds").await?;
    let columns = metric(stage, COLUMNS_KEPT).await?;
    Ok(oldest + (columns - 1) * STEP)
}

async fn metric(stage: &Stage, name: &str) -> Result<i64> {
    let masters = ["system:masters"];
    let administrator = stage.loadline.as_proxied(&stage.lab, "root", &masters)?;
    let metrics = administrator.get("/metrics").await?;
    let metrics = metrics.expect_status(200)?.whole_text();
    let found = metrics.lines().find_map(|line| line.strip_prefix(name));
    Ok(found
        .with_context(|| format!("no {name}"))?
        .trim()
        .parse()?)
}

/// Where only root may mount, and nobody else is asked to.
async fn full(bench: &Bench) -> Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let disk = SmallDisk::mount(SIZE)?;
    let folder = disk.folder().display().to_string();
    let flags = [("rollup-resolution", "5s"), ("history-dir", &folder)];
    bench
        .beside(small_world(), &flags, async |stage| {
            stage.until_measured().await?;
            until(COLUMNS, "columns are on disk", async || {
                let columns = metric(stage, COLUMNS_KEPT).await?;
                Ok((columns >= 2).then_some(()))
            })
            .await?;
            until(COLUMNS, "a column is refused", async || {
                disk.fill()?;
                Ok((metric(stage, REFUSED).await? > 0).then_some(()))
            })
            .await?;
            let kept = metric(stage, COLUMNS_KEPT).await?;
            undisturbed(stage).await?;
            let there = metric(stage, COLUMNS_KEPT).await?;
            ensure!(there >= kept, "of {kept} columns {there} are left");
            let log = stage.loadline.process.log();
            let told: Vec<_> = log.lines().filter(|line| line.contains(UNWELL)).collect();
            let [line] = told.as_slice() else {
                anyhow::bail!("told {} times: {told:?}", told.len());
            };
            ensure!(line.contains("No space left on device"), "{line}");
            disk.empty()?;
            until(COLUMNS, "it is well again", async || {
                let log = stage.loadline.process.log();
                Ok(log
                    .contains("the history on disk is well again")
                    .then_some(()))
            })
            .await?;
            let dropped = metric(stage, "loadline_history_dir_dropped_ticks_total").await?;
            ensure!(dropped == 0, "{dropped} ticks never came to disk");
            Ok(())
        })
        .await
}

/// Both live APIs go on for some columns, of which none comes to disk.
async fn undisturbed(stage: &Stage) -> Result<()> {
    let newest = async || {
        let model = stage.viewer.get_json("/api/v1/model/metrics/memory/usage");
        let model = model.await?;
        let newest = model["latestTimestamp"].as_str().context("no timestamp")?;
        anyhow::Ok(newest.parse::<jiff::Timestamp>()?)
    };
    let (began, refused) = (newest().await?, metric(stage, REFUSED).await?);
    throughout(RESOLUTION * 2, async || {
        let (pods, nodes) = (stage.pods().await?, stage.nodes().await?);
        ensure!((pods.len(), nodes.len()) == (6, 2), "blanked: {pods:?}");
        for one in pods.iter().chain(&nodes) {
            let age = age(one.timestamp);
            ensure!(age < OLDEST, "{} is {age:.1} s old", one.name);
        }
        ensure!(newest().await? >= began, "the model went back");
        Ok(())
    })
    .await?;
    until(COLUMNS, "two more columns are refused", async || {
        let told = newest().await?.as_second() >= began.as_second() + 2 * STEP;
        let counted = metric(stage, REFUSED).await? >= refused + 2;
        Ok((told && counted).then_some(()))
    })
    .await
}
