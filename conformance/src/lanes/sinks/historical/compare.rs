//! What Loadline tells beside what the store itself says.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::super::expected::{Entity, Series};
use super::super::told::PATIENCE;
use super::FORGOTTEN;
use super::told::{counter, place, tell};
use crate::client::Client;
use crate::databases::Point;
use crate::real::until;
use crate::simulated::Stage;

/// Every column is there once, whoever has it, with the number the store has of it.
pub(super) async fn seam(stage: &Stage, own: &impl AsyncFn() -> Result<Vec<Point>>) -> Result<()> {
    let series = counter();
    let place = place(series.of);
    until(PATIENCE, async || {
        let before: BTreeMap<i64, f64> = own().await?.into_iter().collect();
        let told = tell(&stage.viewer, "historical", &place, &series).await?;
        let after: BTreeMap<i64, f64> = own().await?.into_iter().collect();
        let kept = tell(&stage.viewer, "model", &place, &series).await?;
        let stamps: Vec<i64> = told.iter().map(|(at, _)| *at).collect();
        ensure!(stamps.is_sorted_by(|a, b| a < b), "{stamps:?}");
        let told: BTreeMap<i64, f64> = told.into_iter().collect();
        for (at, value) in &before {
            ensure!(
                told.get(at) == Some(value),
                "{at}: {value}, not {:?}",
                told.get(at)
            );
        }
        let oldest = kept.first().context("nothing is kept")?.0;
        for (at, value) in &told {
            ensure!(
                *at >= oldest || after.get(at) == Some(value),
                "{at} is nobody's"
            );
        }
        for (at, value) in kept {
            let same = told.get(&at) == Some(&value);
            ensure!(
                same || at > *stamps.last().unwrap_or(&0),
                "{at} is kept and not told"
            );
        }
        let forgotten = stamps.iter().filter(|at| **at < oldest).count();
        ensure!(forgotten >= FORGOTTEN, "{forgotten} columns are forgotten");
        ensure!(stamps.len() > forgotten, "nothing of the ring");
        Ok(())
    })
    .await
}

/// Aggregations over a time that begins in the store and ends in the ring, and over one that is in the store alone,
/// by the points themselves.
pub(super) async fn aggregations(
    viewer: &Client,
    own: &impl AsyncFn() -> Result<Vec<Point>>,
) -> Result<()> {
    let all = own().await?;
    let names = "average,max,min,count,median,50-perc,95-perc";
    for (from, to) in [(0, 4), (0, all.len()), (1, all.len())] {
        let points = all.get(from..to).context("too few points")?;
        let (first, last) = points.first().zip(points.last()).context("no points")?;
        let start = jiff::Timestamp::from_second(first.0)?;
        let end = jiff::Timestamp::from_second(last.0)?;
        for bucket in [0, 10] {
            let path = format!(
                "/api/v1/historical{}/metrics-aggregated/{names}/{}?start={}&end={}{}",
                place(counter().of),
                counter().metric,
                start,
                end,
                if bucket == 0 {
                    String::new()
                } else {
                    format!("&bucket={bucket}s")
                },
            );
            let answer = viewer.get_json(&path).await?;
            let mut wanted = BTreeMap::<i64, Vec<f64>>::new();
            for (at, value) in points {
                let start = if bucket == 0 {
                    first.0
                } else {
                    at - at.rem_euclid(bucket)
                };
                wanted.entry(start).or_default().push(*value);
            }
            let buckets = answer["buckets"].as_array().context("no buckets")?;
            ensure!(
                buckets.len() == wanted.len(),
                "{path}: {} buckets",
                buckets.len()
            );
            for (bucket, (at, values)) in buckets.iter().zip(wanted) {
                compare(bucket, at, &values).with_context(|| path.clone())?;
            }
        }
    }
    Ok(())
}

fn compare(bucket: &Value, at: i64, values: &[f64]) -> Result<()> {
    let stamp = bucket["timestamp"].as_str().context("no timestamp")?;
    ensure!(
        stamp.parse::<jiff::Timestamp>()?.as_second() == at,
        "{stamp}, not {at}"
    );
    let number = |value: &Value| {
        let float = value["floatValue"].as_f64();
        float
            .or_else(|| value["intValue"].as_f64())
            .context("no number")
    };
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let count = u32::try_from(sorted.len())?;
    let ranked = |index: usize| sorted.get(index).copied().context("no rank");
    let middle = (ranked((sorted.len() - 1) / 2)? + ranked(sorted.len() / 2)?) / 2.0;
    let rank = |percent: f64| {
        let index = (f64::from(count) * percent / 100.0 + 0.5).floor().max(1.0);
        sorted
            .iter()
            .zip(1_u32..)
            .find(|(_, at)| f64::from(*at) >= index)
    };
    ensure!(
        bucket["count"] == count,
        "{} points, not {count}",
        bucket["count"]
    );
    for (name, want) in [
        ("average", sorted.iter().sum::<f64>() / f64::from(count)),
        ("maximum", ranked(sorted.len() - 1)?),
        ("minimum", ranked(0)?),
        ("median", middle),
    ] {
        let got = number(&bucket[name])?;
        ensure!(
            (got - want).abs() <= want.abs() * 1e-9,
            "{name}: {got}, not {want}"
        );
    }
    for percent in [50.0, 95.0] {
        let got = number(&bucket["percentiles"][percent.to_string()])?;
        let (want, _) = rank(percent).context("no rank")?;
        ensure!((got - want).abs() < 0.5, "{percent}: {got}, not {want}");
    }
    Ok(())
}

/// A pod's points by its UID are those by its name.
pub(super) async fn by_uid(stage: &Stage) -> Result<()> {
    let export = stage.viewer.get_json("/api/v1/metric-export").await?;
    let sets = export.as_array().context("no export")?;
    let is_pod = |set: &&Value| {
        set["labels"]["pod_name"] == "pair-2" && set["labels"]["container_name"] == "/pod"
    };
    let uid = sets.iter().find(is_pod).context("no pod-2")?["labels"]["pod_id"].clone();
    let uid = uid.as_str().context("no UID")?;
    let pod = Entity::Pod("node-2", "a", "pair-2");
    let series = Series::new("memory/usage", pod, 0.0, 0.0);
    until(PATIENCE, async || {
        let by_uid = tell(
            &stage.viewer,
            "historical",
            &format!("/pod-id/{uid}"),
            &series,
        )
        .await?;
        let by_name = tell(&stage.viewer, "historical", &place(pod), &series).await?;
        ensure!(
            by_uid.len() > FORGOTTEN && by_name.starts_with(&by_uid),
            "{by_uid:?}"
        );
        Ok(())
    })
    .await
}
