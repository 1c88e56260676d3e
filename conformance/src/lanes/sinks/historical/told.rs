//! What Loadline tells of a series.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::super::expected::{Entity, Series};
use crate::client::Client;
use crate::databases::{Point, escape};

/// Before all of it.
pub(super) const START: &str = "2020-01-01T00:00:00Z";

/// A whole number that grows.
pub(super) fn counter() -> Series {
    Series::new("network/rx", Entity::Node("node-1"), 0.0, 0.0)
}

pub(super) fn place(of: Entity) -> String {
    match of {
        Entity::Cluster => String::new(),
        Entity::Namespace(name) => format!("/namespaces/{name}"),
        Entity::Node(name) => format!("/nodes/{name}"),
        Entity::System(node, name) => format!("/nodes/{node}/freecontainers/{name}"),
        Entity::Pod(_, namespace, name) => format!("/namespaces/{namespace}/pods/{name}"),
        Entity::Container(_, namespace, pod, name) => {
            format!("/namespaces/{namespace}/pods/{pod}/containers/{name}")
        }
    }
}

/// What an API of Heapster's tells of a series; nothing when it finds nothing.
pub(super) async fn tell(
    client: &Client,
    api: &str,
    place: &str,
    series: &Series,
) -> Result<Vec<Point>> {
    let labels = series
        .resource
        .map(|name| format!("&labels=resource_id:{}", escape(name)));
    let path = format!(
        "/api/v1/{api}{place}/metrics/{}?start={START}{}",
        series.metric,
        labels.unwrap_or_default()
    );
    let answer = client.get(&path).await?;
    if answer.status == 404 {
        return Ok(Vec::new());
    }
    ensure!(
        answer.status == 200,
        "{path}: {} {}",
        answer.status,
        answer.text()
    );
    let answer = answer.json()?;
    let points = answer["metrics"].as_array().context("no points")?;
    points.iter().map(point).collect()
}

fn point(point: &Value) -> Result<Point> {
    let at = point["timestamp"].as_str().context("no timestamp")?;
    let float = point["floatValue"].as_f64();
    let value = float
        .or_else(|| point["value"].as_f64())
        .context("no value")?;
    Ok((at.parse::<jiff::Timestamp>()?.as_second(), value))
}
