//! Remote write to Prometheus and VictoriaMetrics, asked in PromQL.

use anyhow::{Context, Result, ensure};

use super::expected::{Series, hold};
use super::outage::{Going, outlast, stamps};
use super::told::{logs, metric, reaches};
use super::{Check, Ground};
use crate::databases::{Point, Prometheus, Promql, Victoria};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "prometheus: nothing is lost to a server that comes late and is killed",
        |ground| Box::pin(outage(ground)),
    ),
    Check::new(
        "prometheus: Prometheus and VictoriaMetrics take remote write, PromQL finds the closed form",
        |ground| Box::pin(values(ground)),
    ),
];

/// The name, and how many of its units are one of Heapster's, as `docs/sinks.md` has them.
fn name(metric: &str) -> Result<(&'static str, f64)> {
    Ok(match metric {
        "cpu/usage_rate" => ("cpu_usage_rate_cores", 1000.0),
        "cpu/node_allocatable" => ("cpu_node_allocatable_cores", 1000.0),
        "memory/usage" => ("memory_usage_bytes", 1.0),
        "memory/working_set" => ("memory_working_set_bytes", 1.0),
        "network/rx" => ("network_rx_bytes_total", 1.0),
        "network/rx_rate" => ("network_rx_bytes_per_second", 1.0),
        "network/tx_rate" => ("network_tx_bytes_per_second", 1.0),
        "filesystem/usage" => ("filesystem_usage_bytes", 1.0),
        _ => anyhow::bail!("{metric} has no name here"),
    })
}

pub(super) async fn points(promql: Promql, prefix: &str, series: &Series) -> Result<Vec<Point>> {
    let (name, units) = name(series.metric)?;
    let labels = series.labels().into_iter();
    let labels = labels.map(|(name, value)| format!("{name}=\"{value}\""));
    let labels = labels.collect::<Vec<_>>().join(",");
    let points = promql
        .points(&format!("{prefix}{name}{{{labels}}}"))
        .await?;
    let points = points.into_iter().map(|(at, value)| {
        let value = value * units;
        let off_whole = (value - value.round()).abs();
        // A thousandth of a core is not always a number of theirs.
        let value = if off_whole < 1e-6 {
            value.round()
        } else {
            value
        };
        (at, value)
    });
    Ok(points.collect())
}

async fn values(ground: &Ground) -> Result<()> {
    let folder = ground.scratch.folder();
    let mut prometheus = Prometheus::new(&ground.programs, folder)?;
    let mut victoria = Victoria::new(&ground.programs, folder)?;
    prometheus.database.start().await?;
    victoria.database.start().await?;
    let sinks = [
        format!("prometheus:http://{}", prometheus.address),
        format!("prometheus:http://{}?prefix=k8s_", victoria.http),
        // A server of version 1 answers as if it had taken what it does not know.
        format!(
            "prometheus:http://{}?prefix=never_&version=2",
            prometheus.address
        ),
    ];
    ground
        .beside(&sinks, &[], &[], async |stage| {
            let ask = prometheus.promql();
            hold(async |series| points(ask, "heapster_", series).await).await?;
            let ask_other = victoria.promql();
            hold(async |series| points(ask_other, "k8s_", series).await)
                .await
                .context("VictoriaMetrics")?;
            let of = |kind: &str| format!("heapster_memory_usage_bytes{{type=\"{kind}\"}}");
            let pods = ask.value(&format!("sum({})", of("pod"))).await?;
            let cluster = ask.value(&of("cluster")).await?;
            ensure!(pods == cluster, "{pods} in pods, {cluster} in all");
            for sink in ["prometheus", "prometheus-2"] {
                let refused = metric(stage, "refused_points_total", sink).await?;
                ensure!(refused == 0.0, "{refused} points of {sink} were refused");
            }
            reaches(stage, "retried_total", "prometheus-3", 1.0).await?;
            logs(stage, "prometheus-3", "the sink does not work").await?;
            let sent = metric(stage, "sent_points_total", "prometheus-3").await?;
            ensure!(sent == 0.0, "{sent} points nobody took were sent");
            let written = ask.ask("{__name__=~\"never_.*\"}").await?;
            ensure!(written.is_empty(), "{written:?}");
            Ok(())
        })
        .await
}

async fn outage(ground: &Ground) -> Result<()> {
    let mut prometheus = Prometheus::new(&ground.programs, ground.scratch.folder())?;
    let sink = format!("prometheus:http://{}?queue=100", prometheus.address);
    let ask = prometheus.promql();
    let arrived = async || {
        let selector = "heapster_memory_usage_bytes{type=\"cluster\"}";
        Ok(stamps(&ask.points(selector).await?))
    };
    ground
        .beside(&[sink], &[], &[], async |stage| {
            let server = &mut prometheus.database;
            outlast(stage, "prometheus", server, Going::Killed, arrived).await
        })
        .await
}
