//! A strict receiver of statsd's gauges, in both forms, that goes away and comes back.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::expected::{COLUMNS, Entity, Series, all};
use super::told::{PATIENCE, more_columns, reaches};
use super::{Check, Ground};
use crate::databases::{Gauge, Statsd};
use crate::real::until;

pub(super) const CHECKS: &[Check] = &[Check::new(
    "statsd: a strict receiver gets the closed form, in both forms, also after it was away",
    |ground| Box::pin(receivers(ground)),
)];

/// Lines of a datagram, by option.
const LINES: usize = 3;

/// The name in etsy's form, as `docs/sinks.md` has it; pods of the small world have the label `app`, nodes two.
fn etsy(series: &Series) -> String {
    let host = |node: &str| format!("node.{node}");
    let labels_of_node = |node: &str| {
        let zone = if node == "node-1" { "a" } else { "b" };
        format!("kubernetes_io/hostname.{node}.zone.{zone}")
    };
    let app = |pod: &str| format!("app.{}", pod.split('-').next().unwrap_or_default());
    let entity = match series.of {
        Entity::Cluster => "cluster".to_owned(),
        Entity::Namespace(name) => format!("namespace.{name}"),
        Entity::Node(name) => format!("{}.{}", host(name), labels_of_node(name)),
        Entity::System(node, name) => format!("{}.sys-container.{name}", host(node)),
        Entity::Pod(node, namespace, pod) => {
            format!(
                "{}.namespace.{namespace}.pod.{pod}.{}",
                host(node),
                app(pod)
            )
        }
        Entity::Container(node, namespace, pod, name) => {
            let app = app(pod);
            format!(
                "{}.namespace.{namespace}.pod.{pod}.container.{name}.{app}",
                host(node)
            )
        }
    };
    let resource = series.resource.map(|resource| format!(".{resource}"));
    format!(
        "loadline.{entity}.{}{}",
        series.metric,
        resource.unwrap_or_default()
    )
}

/// The one gauge of influx's form whose tags hold these labels, in any place.
fn tagged<'a>(gauges: &'a BTreeMap<String, Gauge>, series: &Series) -> Option<&'a Gauge> {
    let mut found = gauges.iter().filter(|(name, _)| {
        let mut parts = name.split(',');
        let metric = parts.next() == Some(&format!("l.{}", series.metric));
        let tags: Vec<&str> = parts.collect();
        let mut labels = series.labels().into_iter();
        metric && labels.all(|(name, value)| tags.contains(&format!("{name}={value}").as_str()))
    });
    found.next().map(|(_, gauge)| gauge)
}

/// Enough values since a time, all that came behind the first right one right.
fn judge(series: &Series, gauge: Option<&Gauge>, since: Instant) -> Result<()> {
    let values = &gauge.context("it never came")?.values;
    let values = values.iter().filter(|(at, _)| *at >= since);
    let values: Vec<f64> = values.map(|(_, value)| *value).collect();
    let right: Vec<f64> = values
        .iter()
        .copied()
        .skip_while(|value| !series.holds(*value))
        .collect();
    ensure!(right.len() >= COLUMNS, "{values:?}");
    ensure!(right.iter().all(|value| series.holds(*value)), "{values:?}");
    Ok(())
}

async fn receivers(ground: &Ground) -> Result<()> {
    let (mut one, mut other) = (Statsd::new(LINES)?, Statsd::new(5)?);
    one.start().await?;
    other.start().await?;
    let sinks = [
        format!(
            "statsd:udp://{}?prefix=loadline&numMetricsPerMsg={LINES}",
            one.address
        ),
        format!(
            "statsd:udp://{}?prefix=l.&protocolType=influxstatsd",
            other.address
        ),
    ];
    ground
        .beside(&sinks, &[], &[], async |stage| {
            let begin = Instant::now();
            right(&one, &other, begin).await?;
            one.stop();
            // The host says that nobody listens.
            reaches(stage, "retried_total", "statsd", 1.0).await?;
            let gone = Instant::now();
            more_columns(stage, 1).await?;
            one.start().await?;
            right(&one, &other, gone).await?;
            let retried = super::told::metric(stage, "retried_total", "statsd-2").await?;
            ensure!(retried == 0.0, "the other was tried again {retried} times");
            Ok(())
        })
        .await
}

/// Waits until both have enough right values since a time.
async fn right(etsy_form: &Statsd, influx_form: &Statsd, since: Instant) -> Result<()> {
    until(PATIENCE, async || {
        let (etsys, influxes) = (etsy_form.gauges()?, influx_form.gauges()?);
        for series in &all() {
            let name = etsy(series);
            judge(series, etsys.get(&name), since).with_context(|| {
                let like = etsys.keys().filter(|key| key.ends_with(series.metric));
                format!("{name}; there are {:?}", like.take(3).collect::<Vec<_>>())
            })?;
            judge(series, tagged(&influxes, series), since)
                .with_context(|| format!("{} of {:?}", series.metric, series.labels()))?;
        }
        Ok(())
    })
    .await
}
