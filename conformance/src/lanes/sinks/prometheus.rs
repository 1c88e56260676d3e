//! Remote write to Prometheus and VictoriaMetrics, asked in PromQL.

use anyhow::{Context, Result, ensure};

use super::expected::{Series, hold};
use super::outage::{Going, outlast, stamps};
use super::told::{DENIED, UNTRUSTED, kept_out, logs, metric, reaches};
use super::{Check, Ground};
use crate::databases::{Guard, LOGIN, Point, Prometheus, Promql, Victoria, WRONG};
use crate::simulated::Stage;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "prometheus: nothing is lost to a server that comes late and is killed",
        |ground| Box::pin(outage(ground)),
    ),
    Check::new(
        "prometheus: Prometheus and VictoriaMetrics take remote write over HTTPS from who has the password and their authority, PromQL finds the closed form",
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

pub(super) async fn points(promql: &Promql, prefix: &str, series: &Series) -> Result<Vec<Point>> {
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
    let guard = Guard::new(folder)?;
    let mut prometheus = Prometheus::guarded(&ground.programs, folder, &guard)?;
    let mut victoria = Victoria::guarded(&ground.programs, folder, &guard)?;
    prometheus.database.start().await?;
    victoria.database.start().await?;
    let (user, ca, stranger) = (LOGIN.0, guard.ca.display(), guard.stranger.display());
    let to = |login: &str, address, options: &str| {
        format!("prometheus:https://{login}@{address}?{options}")
    };
    let (right, wrong) = (format!("{user}:$RIGHT"), format!("{user}:$WRONG"));
    let (its, others) = (prometheus.address, victoria.http);
    let sinks = [
        to(&right, its, &format!("cacert={ca}")),
        to("$LOGIN", others, &format!("cacert={ca}&prefix=k8s_")),
        // A server of version 1 answers as if it had taken what it does not know.
        to(&right, its, &format!("cacert={ca}&prefix=never_&version=2")),
        to(&wrong, its, &format!("cacert={ca}&prefix=never_")),
        to(&wrong, others, &format!("cacert={ca}&prefix=never_")),
        to(&right, its, &format!("cacert={stranger}&prefix=never_")),
        to(&right, others, "prefix=never_"),
    ];
    let login = format!("{user}:{}", LOGIN.1);
    let variables = [("RIGHT", LOGIN.1), ("LOGIN", &login), ("WRONG", WRONG)];
    ground
        .beside(&sinks, &[], &variables, async |stage| {
            let ask = prometheus.promql();
            hold(async |series| points(&ask, "heapster_", series).await).await?;
            let ask_other = victoria.promql();
            hold(async |series| points(&ask_other, "k8s_", series).await)
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
            outside(stage, &[&ask, &ask_other]).await
        })
        .await
}

/// Who has not the password, or not the authority, writes nothing.
async fn outside(stage: &Stage, servers: &[&Promql]) -> Result<()> {
    let outside = [
        ("prometheus-4", DENIED),
        ("prometheus-5", DENIED),
        ("prometheus-6", UNTRUSTED),
        ("prometheus-7", UNTRUSTED),
    ];
    kept_out(stage, &outside).await?;
    for ask in servers {
        let written = ask.ask("{__name__=~\"never_.*\"}").await?;
        ensure!(written.is_empty(), "{written:?}");
    }
    let log = stage.loadline.process.log();
    for password in [WRONG, LOGIN.1] {
        ensure!(!log.contains(password), "the log holds a password");
    }
    Ok(())
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
