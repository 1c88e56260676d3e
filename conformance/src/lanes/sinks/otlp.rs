//! The receiver of an OpenTelemetry collector: what it understood of the numbers.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::expected::{Series, hold};
use super::outage::{Going, outlast};
use super::told::metric;
use super::{Check, Ground};
use crate::databases::{Book, Collector, Number, Point};
use crate::real::Tools;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "otlp: nothing is lost to a collector that comes late and is killed",
        |ground| Box::pin(outage(ground)),
    ),
    Check::new(
        "otlp: a collector's receiver reads the closed form, by OpenTelemetry's names and units",
        |ground| Box::pin(values(ground)),
    ),
];

const SECOND: u64 = 1_000_000_000;

/// The unit, and how many of its units are one of Heapster's, as `docs/sinks.md` has them.
fn unit(metric: &str) -> Result<(&'static str, f64)> {
    Ok(match metric {
        "cpu/usage_rate" | "cpu/node_allocatable" => ("{cpu}", 1000.0),
        "memory/usage" | "memory/working_set" | "filesystem/usage" => ("By", 1.0),
        "network/rx_rate" | "network/tx_rate" => ("By/s", 1.0),
        _ => anyhow::bail!("{metric} has no unit here"),
    })
}

/// The attribute a label of Heapster's is.
fn attribute(label: &str) -> &str {
    match label {
        "type" => "heapster.type",
        "namespace_name" => "k8s.namespace.name",
        "nodename" => "k8s.node.name",
        "pod_name" => "k8s.pod.name",
        "container_name" => "k8s.container.name",
        other => other,
    }
}

fn is_of(number: &Number, series: &Series) -> bool {
    let text = |value: &str| Value::from(value);
    let mut labels = series.of.labels().into_iter();
    let same =
        |(name, value): (&str, &str)| number.resource.get(attribute(name)) == Some(&text(value));
    let resource = number.attributes.get("resource_id");
    labels.all(same) && resource == series.resource.map(text).as_ref()
}

fn points(book: &Book, prefix: &str, series: &Series) -> Result<Vec<Point>> {
    let (unit, units) = unit(series.metric)?;
    let name = format!("{prefix}{}", series.metric.replace('/', "."));
    let numbers = book.numbers(&name)?;
    let mut points = Vec::new();
    for number in numbers.iter().filter(|number| is_of(number, series)) {
        ensure!(number.unit == unit, "{name} is in {}", number.unit);
        ensure!(number.kind == "Gauge", "{name} is a {}", number.kind);
        ensure!(number.time % SECOND == 0, "{}", number.time);
        // A thousandth of a core is not always a number of theirs.
        let value = (number.value * units * 1e6).round() / 1e6;
        points.push((i64::try_from(number.time / SECOND)?, value));
    }
    Ok(points)
}

/// A counter is a sum that only grows, since a time before its own.
fn counters(book: &Book) -> Result<()> {
    let numbers = book.numbers("heapster.cpu.usage")?;
    let nodes = numbers.iter();
    let nodes: Vec<_> = nodes
        .filter(|number| number.resource.get("heapster.type") == Some(&Value::from("node")))
        .collect();
    let last = nodes.last().context("no node's counter came")?;
    ensure!(last.unit == "s" && last.kind == "Sum", "{last:?}");
    ensure!(
        last.monotonic && last.temporality == "Cumulative",
        "{last:?}"
    );
    ensure!(0 < last.start && last.start < last.time, "{last:?}");
    let first = nodes.iter().find(|one| one.resource == last.resource);
    let first = first.context("no first")?;
    let seconds = Duration::from_nanos(last.time - first.time).as_secs_f64();
    ensure!(seconds > 0.0, "one point: {last:?}");
    // The measurement is a little older than the column; the rate is exact only over many.
    let (rate, cores) = ((last.value - first.value) / seconds, 0.1..8.0);
    ensure!(cores.contains(&rate), "{rate} cores");
    Ok(())
}

async fn values(ground: &Ground) -> Result<()> {
    let collector = Tools::find()?.collector();
    let mut collector = Collector::new(&collector, ground.scratch.folder())?;
    collector.database.start().await?;
    let (address, book) = (collector.address, collector.book.clone());
    let sinks = [
        format!("otlp:http://{address}"),
        format!(
            "otlp:http://{address}?prefix=small.&compression=gzip&cluster_name=c&concurrency=4"
        ),
    ];
    ground
        .beside(&sinks, &[], &[], async |stage| {
            hold(async |series| points(&book, "heapster.", series)).await?;
            hold(async |series| points(&book, "small.", series))
                .await
                .context("compressed")?;
            counters(&book)?;
            let named = book.numbers("small.memory.usage")?;
            let cluster = Some(&Value::from("c"));
            let all = named
                .iter()
                .all(|n| n.resource.get("k8s.cluster.name") == cluster);
            ensure!(all && !named.is_empty(), "a cluster without its name");
            for sink in ["otlp", "otlp-2"] {
                let refused = metric(stage, "refused_points_total", sink).await?;
                let retried = metric(stage, "retried_total", sink).await?;
                ensure!(refused == 0.0, "{refused} points of {sink} were refused");
                ensure!(retried == 0.0, "{sink} was tried again {retried} times");
            }
            Ok(())
        })
        .await
}

async fn outage(ground: &Ground) -> Result<()> {
    let collector = Tools::find()?.collector();
    let mut collector = Collector::new(&collector, ground.scratch.folder())?;
    let sink = format!("otlp:http://{}?queue=100", collector.address);
    let book = collector.book.clone();
    let arrived = async || {
        let numbers = book.numbers("heapster.memory.usage")?;
        let of_cluster = numbers.iter();
        let of_cluster =
            of_cluster.filter(|n| n.resource.get("heapster.type") == Some(&Value::from("cluster")));
        let second = |number: &Number| Ok(i64::try_from(number.time / SECOND)?);
        of_cluster.map(second).collect()
    };
    ground
        .beside(&[sink], &[], &[], async |stage| {
            let server = &mut collector.database;
            outlast(stage, "otlp", server, Going::Killed, arrived).await
        })
        .await
}
