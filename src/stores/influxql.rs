//! Questions in InfluxQL.

use super::labels::{EVERYWHERE, Label, List, Named, resource_id};
use super::quote::{influxql_identifier as identifier, influxql_string as string};
use super::store::Stretch;
use crate::domain::EntityKey;
use crate::history::{Series, Subject};
use crate::sinks::InfluxdbLayout;

/// The points of one series of one subject, ascending.
pub(super) fn points(
    layout: &InfluxdbLayout,
    subject: &Subject,
    series: &Series,
    stretch: Stretch,
) -> String {
    let name = series.name();
    let (measurement, field) = layout.place(&name);
    let mut labels = Named::of(subject).all();
    labels.extend(resource_id(series));
    let Stretch { start, end } = stretch;
    format!(
        "SELECT {} FROM {} WHERE {} AND time >= {start}ms AND time <= {end}ms",
        identifier(field),
        source(layout, measurement),
        condition(layout, &labels),
    )
}

/// The names of a list.
pub(super) fn list(layout: &InfluxdbLayout, list: List<'_>) -> String {
    let (key, labels) = list.labels();
    let mut from: Vec<String> = EVERYWHERE
        .iter()
        .map(|metric| identifier(layout.place(metric.name()).0))
        .collect();
    from.dedup();
    format!(
        "SHOW TAG VALUES FROM {} WITH KEY = {} WHERE {}",
        from.join(", "),
        identifier(key),
        condition(layout, &labels),
    )
}

/// The measurements that have points of an entity.
pub(super) fn measurements(layout: &InfluxdbLayout, entity: &EntityKey) -> String {
    let labels = Named::of_entity(entity).all();
    format!("SHOW MEASUREMENTS WHERE {}", condition(layout, &labels))
}

/// The newest value of every field of a measurement an entity has.
pub(super) fn fields(layout: &InfluxdbLayout, measurement: &str, entity: &EntityKey) -> String {
    let labels = Named::of_entity(entity).all();
    format!(
        "SELECT LAST(*) FROM {} WHERE {}",
        source(layout, measurement),
        condition(layout, &labels),
    )
}

fn source(layout: &InfluxdbLayout, measurement: &str) -> String {
    let measurement = identifier(measurement);
    match layout.policy {
        Some(policy) => format!("{}.{measurement}", identifier(policy)),
        None => measurement,
    }
}

/// Tags of this cluster with these values.
fn condition(layout: &InfluxdbLayout, labels: &[Label<'_>]) -> String {
    let cluster = ("cluster_name", layout.cluster_name());
    let labels = labels.iter().copied().chain([cluster]);
    let terms = labels.map(|(name, value)| {
        let value = string(&layout.tag_value(value));
        format!("{} = {value}", identifier(name))
    });
    terms.collect::<Vec<_>>().join(" AND ")
}
