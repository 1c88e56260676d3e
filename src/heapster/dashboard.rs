//! The API of `dashboard-metrics-scraper`, which Dashboard v2 to v7 read sparklines from.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::Response;
use serde::Serialize;

use super::answer::{self, ResultList};
use super::go_time::Stamp;
use super::names;
use super::parameters::{self, Refusal};
use crate::domain::{EntityKey, Metric};
use crate::history::{Series, Span, Subject, Values, View};

/// The points of one node or pod.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SidecarMetric {
    /// Always empty; Dashboard fills it.
    data_points: [(); 0],
    metric_points: Vec<SidecarPoint>,
    /// The first segment of the metric asked for.
    metric_name: String,
    /// The name of the node or pod, in spite of its name; Dashboard joins on it.
    uids: [String; 1],
}

#[derive(Debug, Serialize)]
struct SidecarPoint {
    timestamp: Stamp,
    value: u64,
}

/// Answers `segments` behind `/api/v1/dashboard`; `None` when no route has that form. As the
/// original, takes any metric that is not `cpu` for memory, and means the working set by that.
pub(super) fn answer(view: &View<'_>, segments: &[&str]) -> Option<Response<Bytes>> {
    let (entities, metric) = match *segments {
        ["nodes", node, "metrics", metric, _] => {
            let node = names::node(node).ok().map(EntityKey::Node);
            (Ok(node.into_iter().collect()), metric)
        }
        [
            "namespaces",
            namespace,
            "pod-list",
            names,
            "metrics",
            metric,
            _,
        ] => {
            let listed = parameters::pod_list(names);
            (listed.map(|listed| pods(namespace, &listed)), metric)
        }
        _ => return None,
    };
    let points = entities.and_then(|entities| points(view, &entities, metric));
    Some(points.unwrap_or_else(|refusal| answer::refused(&refusal)))
}

/// The pods of this name, each once and sorted, as a `WHERE name IN (…) ORDER BY name` gave them.
fn pods(namespace: &str, listed: &[&str]) -> Vec<EntityKey> {
    let names: BTreeSet<&str> = listed.iter().copied().collect();
    let pods = names.into_iter();
    let pods = pods.filter_map(|name| names::pod(namespace, name).ok());
    pods.map(EntityKey::Pod).collect()
}

/// What has no points has no item; without any item, there is `null` instead of a list.
fn points(
    view: &View<'_>,
    entities: &[EntityKey],
    metric: &str,
) -> Result<Response<Bytes>, Refusal> {
    let series = Series::of(match metric {
        "cpu" => Metric::CpuUsageRate,
        _ => Metric::MemoryWorkingSet,
    });
    let mut values = Values::default();
    let mut items = Vec::new();
    for entity in entities {
        let points = view.points(&Subject::Entity(entity.clone()), &series, Span::ALL);
        if points.is_empty() {
            continue;
        }
        values.add(points.len())?;
        let points = points.into_iter().map(|(at, value)| SidecarPoint {
            timestamp: Stamp(Some(at)),
            value: answer::whole(value),
        });
        items.push(SidecarMetric {
            data_points: [],
            metric_points: points.collect(),
            metric_name: metric.to_owned(),
            uids: [name_of(entity)],
        });
    }
    Ok(match items.is_empty() {
        true => answer::compact(&serde_json::json!({ "items": null })),
        false => answer::compact(&ResultList { items }),
    })
}

fn name_of(entity: &EntityKey) -> String {
    match entity {
        EntityKey::Node(node) => node.to_string(),
        EntityKey::Pod(pod) => pod.name.to_string(),
        EntityKey::Cluster
        | EntityKey::SystemContainer(..)
        | EntityKey::Namespace(_)
        | EntityKey::Container(..) => String::new(),
    }
}
