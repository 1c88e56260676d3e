//! Questions in PromQL.

use super::labels::{EVERYWHERE, Label, List, Named, resource_id};
use super::quote::{promql_pattern, promql_string};
use super::store::Stretch;
use crate::domain::{EntityKey, Metric};
use crate::history::Series;
use crate::sinks::PrometheusLayout;

/// The samples of one series of these subjects, which share all labels but their own.
pub(super) fn samples(
    layout: &PrometheusLayout,
    subjects: &[Named<'_>],
    series: &Series,
    stretch: Stretch,
) -> Option<String> {
    let shared = &subjects.first()?.shared;
    let mut matchers: Vec<String> = shared.iter().copied().map(equal).collect();
    let own: Vec<Label<'_>> = subjects.iter().filter_map(|named| named.own).collect();
    match own.as_slice() {
        [] => {}
        [one] => matchers.push(equal(*one)),
        several @ [(name, _), ..] => {
            let values = several.iter().map(|(_, value)| *value);
            matchers.push(format!("{name}=~{}", promql_pattern(values)));
        }
    }
    matchers.extend(resource_id(series).map(equal));
    if series.metric == Metric::ResourceRequest {
        let resource = series.by.as_deref().unwrap_or_default();
        matchers.push(equal(("resource", resource)));
    }
    let name = layout.name(series.metric)?;
    // A range begins with its first instant or after it, depending on the store's version.
    let Stretch { start, end } = stretch;
    let length = end.saturating_sub(start).saturating_add(1);
    Some(format!("{}[{length}ms]", selector(layout, name, matchers)))
}

/// What finds the series whose values of a label make a list, and that label.
pub(super) fn list(layout: &PrometheusLayout, list: List<'_>) -> (&'static str, Vec<String>) {
    let (key, labels) = list.labels();
    let names = EVERYWHERE.iter().filter_map(|metric| layout.name(*metric));
    let selectors = names.map(|name| {
        let matchers = labels.iter().copied().map(equal).collect();
        selector(layout, name, matchers)
    });
    (key, selectors.collect())
}

/// What finds all series of an entity, of one metric or of all.
pub(super) fn of_entity(
    layout: &PrometheusLayout,
    entity: &EntityKey,
    metric: Option<Metric>,
) -> String {
    let labels = Named::of_entity(entity).all();
    let name = metric.and_then(|metric| layout.name(metric));
    let matchers = labels.into_iter().map(equal).collect();
    selector(layout, name.unwrap_or_default(), matchers)
}

fn selector(layout: &PrometheusLayout, name: &str, mut matchers: Vec<String>) -> String {
    let always = layout.labels().iter();
    matchers.extend(always.map(|(name, value)| format!("{name}={}", promql_string(value))));
    format!("{name}{{{}}}", matchers.join(","))
}

fn equal((name, value): Label<'_>) -> String {
    format!("{name}={}", promql_string(value))
}
