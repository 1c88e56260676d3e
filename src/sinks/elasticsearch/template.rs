//! How the daily indices are to be made: what Heapster said of its fields, without types.

use serde_json::{Map, Value as Json, json};

use super::document::Family;
use super::event;
use crate::domain::Metric;

/// Tags that were whole words in Heapster, not analyzed texts.
const WORDS: [&str; 5] = ["host_id", "namespace_id", "pod_id", "type", "cluster_name"];

/// The body of a composable index template for `INDEX-*`: the fields' types, and an alias a family
/// that shows its documents alone, as the types did.
pub(super) fn template(index: &str) -> Json {
    let mut aliases = Map::new();
    for family in Family::ALL {
        let filter = json!({"exists": {"field": family.timestamp()}});
        aliases.insert(
            format!("{index}-{}", family.name()),
            json!({"filter": filter}),
        );
    }
    let events = json!({"exists": {"field": event::LAST}});
    aliases.insert(
        format!("{index}-{}", event::NAME),
        json!({"filter": events}),
    );
    json!({
        "index_patterns": [format!("{index}-*")],
        "priority": PRIORITY,
        "template": {"aliases": aliases, "mappings": mappings()},
    })
}

/// Above what comes with the server for `metrics-*` and `logs-*`.
const PRIORITY: u32 = 200;

fn mappings() -> Json {
    let mut properties = Map::new();
    for family in Family::ALL {
        properties.insert(family.timestamp().to_owned(), json!({"type": "date"}));
    }
    for name in [event::FIRST, event::LAST] {
        properties.insert(name.to_owned(), json!({"type": "date"}));
    }
    properties.insert("MetricsName".to_owned(), text());
    let number = json!({"properties": {"value": {"type": "double"}}});
    properties.insert("MetricsValue".to_owned(), number);
    properties.insert("Metrics".to_owned(), json!({"properties": metrics()}));
    let words = WORDS.map(|word| (word.to_owned(), json!({"type": "keyword"})));
    let words = Map::from_iter(words);
    properties.insert("MetricsTags".to_owned(), json!({"properties": words}));
    json!({
        "dynamic_templates": [
            {"tags": {
                "path_match": "MetricsTags.*",
                "match_mapping_type": "string",
                "mapping": text(),
            }},
            {"values": {"path_match": "Metrics.*.value", "mapping": {"type": "double"}}},
        ],
        "properties": properties,
    })
}

/// The metrics that share documents: whole numbers as such, since doubles would round them.
fn metrics() -> Map<String, Json> {
    let named = Metric::all().filter(|metric| Family::of(metric.name()) != Family::General);
    named
        .map(|metric| {
            let number = if metric.is_float() { "double" } else { "long" };
            let value = json!({"properties": {"value": {"type": number}}});
            (metric.name().to_owned(), value)
        })
        .collect()
}

/// A text that can be searched, and under `raw` compared.
fn text() -> Json {
    json!({"type": "text", "fields": {"raw": {"type": "keyword", "ignore_above": LONGEST}}})
}

/// Lucene refuses words of more than 32766 bytes; a character has up to four.
const LONGEST: u32 = 8191;
