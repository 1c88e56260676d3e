//! The dashboards in `deploy/monitoring/sinks`: every question of theirs has an answer.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::told::PATIENCE;
use super::{Check, Ground};
use crate::databases::{Influxdb, Influxql, Prometheus, Promql};
use crate::real::{repository, until};

pub(super) const CHECKS: &[Check] = &[Check::new(
    "dashboards: every question of both finds numbers in the real database",
    |ground| Box::pin(both(ground)),
)];

/// What Grafana puts in the place of its variables.
const VARIABLES: [(&str, &str); 5] = [
    ("$timeFilter", "time > now() - 1h"),
    ("$__interval", "5s"),
    ("$cluster", "lab"),
    ("$namespace", "(a|b)"),
    ("$pod", ".*"),
];
/// Questions of panels in each, at least.
const PANELS: usize = 25;
/// The cores of the small world's nodes, whose numbers are cut down to thousandths before they are added.
const CORES: std::ops::RangeInclusive<f64> = 2.0..=2.01;

/// What a dashboard asks.
struct Dashboard {
    /// Those of its variables.
    variables: Vec<String>,
    /// Those of its panels, with the panel's title.
    panels: Vec<(String, String)>,
}

impl Dashboard {
    /// Reads one, whose targets hold their question under this name.
    fn read(file: &str, question: &str) -> Result<Self> {
        let file = repository()?.join("deploy/monitoring/sinks").join(file);
        let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
        let list = |value: &Value| value.as_array().cloned().context("no list");
        let (mut variables, mut panels) = (Vec::new(), Vec::new());
        for variable in list(&dashboard["templating"]["list"])? {
            if variable["type"] == "query" {
                let query = &variable["query"];
                let query = query.as_str().or_else(|| query["query"].as_str());
                variables.push(filled(query.context("no question")?)?);
            }
        }
        for panel in list(&dashboard["panels"])? {
            let title = panel["title"].as_str().context("no title")?;
            for target in panel["targets"].as_array().into_iter().flatten() {
                let query = target[question].as_str().context("no question")?;
                panels.push((title.to_owned(), filled(query)?));
            }
        }
        ensure!(panels.len() >= PANELS, "{} questions", panels.len());
        ensure!(variables.len() == 3, "{variables:?}");
        Ok(Self { variables, panels })
    }
}

/// A question as Grafana sends it.
fn filled(question: &str) -> Result<String> {
    let mut filled = question.to_owned();
    for (variable, value) in VARIABLES {
        filled = filled.replace(variable, value);
    }
    let mut after = filled.split('$').skip(1);
    let left =
        after.any(|text| text.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '{'));
    ensure!(!left, "{question} has another variable");
    Ok(filled)
}

async fn both(ground: &Ground) -> Result<()> {
    let folder = ground.scratch.folder();
    let mut influxdb = Influxdb::new(&ground.programs, folder, false)?;
    let mut prometheus = Prometheus::new(&ground.programs, folder)?;
    influxdb.database.start().await?;
    prometheus.database.start().await?;
    let sinks = [
        format!("influxdb:http://{}?cluster_name=lab", influxdb.address),
        format!("prometheus:http://{}?cluster_name=lab", prometheus.address),
    ];
    let (influxql, promql) = (influxdb.as_user(None), prometheus.promql());
    ground
        .beside(&sinks, &[], &[], async |_| {
            let dashboard = Dashboard::read("influxdb.json", "query")?;
            until(PATIENCE, async || in_influxql(&influxql, &dashboard).await)
                .await
                .context("InfluxDB")?;
            let dashboard = Dashboard::read("prometheus.json", "expr")?;
            until(PATIENCE, async || in_promql(&promql, &dashboard).await)
                .await
                .context("Prometheus")
        })
        .await
}

async fn in_influxql(influxql: &Influxql, dashboard: &Dashboard) -> Result<()> {
    for query in &dashboard.variables {
        let values = influxql.rows("k8s", query).await?;
        ensure!(!values.is_empty(), "{query} finds nothing");
    }
    for (at, (title, query)) in dashboard.panels.iter().enumerate() {
        let series = influxql.ask("k8s", query).await?;
        let rows = series.iter().filter_map(|one| one["values"].as_array());
        let mut values = rows.flatten().filter_map(|row| row[1].as_f64());
        let last = values.next_back();
        let last = last.with_context(|| format!("{title}: {query} finds nothing"))?;
        ensure!(at > 0 || CORES.contains(&last), "{last} cores");
    }
    Ok(())
}

async fn in_promql(promql: &Promql, dashboard: &Dashboard) -> Result<()> {
    for query in &dashboard.variables {
        let inside = query
            .strip_prefix("label_values(")
            .and_then(|q| q.strip_suffix(')'));
        let (selector, label) = inside
            .and_then(|q| q.rsplit_once(", "))
            .context("no label_values")?;
        let series = promql.ask(selector).await?;
        let found = series.iter().any(|one| one["metric"][label].is_string());
        ensure!(found, "{query} finds nothing");
    }
    for (at, (title, query)) in dashboard.panels.iter().enumerate() {
        let series = promql.ask(query).await?;
        let value = series.first().and_then(|one| one["value"][1].as_str());
        let value = value.with_context(|| format!("{title}: {query} finds nothing"))?;
        ensure!(at > 0 || CORES.contains(&value.parse()?), "{value} cores");
    }
    Ok(())
}
