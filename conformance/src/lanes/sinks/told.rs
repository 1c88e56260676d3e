//! What Loadline tells of its sinks: metrics, log, and the columns it has made.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::real::until;
use crate::simulated::Stage;

/// How long until what must happen does, on a machine with other things to do.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// What is said of a wrong password.
pub(super) const DENIED: &str = "refuses our credentials";
/// What is said of a certificate nobody vouches for.
pub(super) const UNTRUSTED: &str = "invalid peer certificate";

/// A metric `loadline_sink_NAME` of a sink, without its other labels.
pub(super) async fn metric(stage: &Stage, name: &str, sink: &str) -> Result<f64> {
    let administrator = stage
        .loadline
        .as_proxied(&stage.lab, "root", &["system:masters"])?;
    let text = administrator.get("/metrics").await?;
    let text = text.expect_status(200)?.whole_text();
    let (name, sink) = (
        format!("loadline_sink_{name}{{"),
        format!("sink=\"{sink}\""),
    );
    let mut found = None;
    for line in text.lines() {
        if line.starts_with(&name) && line.contains(&sink) {
            let value = line.rsplit(' ').next().unwrap_or_default();
            found = Some(found.unwrap_or(0.0) + value.parse::<f64>()?);
        }
    }
    found.with_context(|| format!("no {name}{sink}}}"))
}

/// Waits until a metric is at least this.
pub(super) async fn reaches(stage: &Stage, name: &str, sink: &str, least: f64) -> Result<()> {
    until(PATIENCE, async || {
        let now = metric(stage, name, sink).await?;
        ensure!(now >= least, "loadline_sink_{name} of {sink} is {now}");
        Ok(())
    })
    .await
}

/// Waits until the log tells this of a sink.
pub(super) async fn logs(stage: &Stage, sink: &str, text: &str) -> Result<()> {
    until(PATIENCE, async || {
        let log = stage.loadline.process.log();
        let mut lines = log.lines();
        let told = lines.any(|line| line.contains(text) && line.contains(sink));
        ensure!(told, "the log does not say of {sink}: {text}");
        Ok(())
    })
    .await
}

/// Holds of sinks that are not let in, each by what the log says of it, that nothing of theirs was taken.
pub(super) async fn kept_out(stage: &Stage, sinks: &[(&str, &str)]) -> Result<()> {
    for (sink, text) in sinks {
        reaches(stage, "retried_total", sink, 1.0).await?;
        logs(stage, &format!("sink=\"{sink}\""), text).await?;
        let up = metric(stage, "up", sink).await?;
        ensure!(up == 0.0, "{sink} is up");
        let sent = metric(stage, "sent_points_total", sink).await?;
        ensure!(sent == 0.0, "{sent} points of {sink} were sent");
    }
    Ok(())
}

/// The seconds of all columns made so far.
pub(super) async fn columns(stage: &Stage) -> Result<BTreeSet<i64>> {
    let path = "/api/v1/model/metrics/memory/usage";
    let answer = stage.viewer.get_json(path).await?;
    let points = answer["metrics"].as_array().context("no points")?;
    let stamp = |point: &serde_json::Value| {
        let text = point["timestamp"].as_str().context("no timestamp")?;
        anyhow::Ok(text.parse::<jiff::Timestamp>()?.as_second())
    };
    points.iter().map(stamp).collect()
}

/// The columns made by now; waits for the first.
pub(super) async fn made_columns(stage: &Stage) -> Result<BTreeSet<i64>> {
    until(PATIENCE, async || {
        let made = columns(stage).await?;
        ensure!(!made.is_empty(), "there are no columns");
        Ok(made)
    })
    .await
}

/// Waits until there are this many more columns.
pub(super) async fn more_columns(stage: &Stage, more: usize) -> Result<()> {
    let before = columns(stage).await?;
    until(PATIENCE, async || {
        let now = columns(stage).await?;
        let new = now.difference(&before).count();
        ensure!(new >= more, "{new} columns");
        Ok(())
    })
    .await
}

/// Waits until a database has every column that is made by now, one at least, and none nobody made.
pub(super) async fn nothing_lost(
    stage: &Stage,
    arrived: &impl AsyncFn() -> Result<BTreeSet<i64>>,
) -> Result<()> {
    let made = made_columns(stage).await?;
    let there = until(PATIENCE, async || {
        let there = arrived().await?;
        let lost: Vec<_> = made.difference(&there).collect();
        ensure!(lost.is_empty(), "without {lost:?} of {made:?}");
        Ok(there)
    });
    let there = there.await?;
    // Asked for afterwards: what is there must have been made before.
    let made = columns(stage).await?;
    let odd: Vec<_> = there.difference(&made).collect();
    ensure!(odd.is_empty(), "{odd:?} were never made");
    Ok(())
}
