//! An event in the form of the core API, as Go's `encoding/json` wrote Heapster's copy of it:
//! without `kind` and `apiVersion`, a time that is not set as `null`.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::apimachinery::{Rfc3339, json};
use crate::domain::{self, Event, MicroTime, Timestamp};

/// Appends the event in compact form.
pub(in crate::sinks) fn write(out: &mut Vec<u8>, event: &Event) {
    json::write(out, &CoreEvent::of(event));
}

/// The event indented by one space.
pub(in crate::sinks) fn indented(event: &Event) -> String {
    let mut compact = Vec::with_capacity(1024);
    write(&mut compact, event);
    String::from_utf8(json::indent_by(&compact, 0, 1)).unwrap_or_default()
}

/// A time with six digits behind the second: `metav1.MicroTime`.
pub(in crate::sinks) fn micro_time(time: MicroTime) -> String {
    let whole = Rfc3339::from(time.to_timestamp());
    let micros = time.subsec_micros();
    format!("{}.{micros:06}Z", whole.as_str().trim_end_matches('Z'))
}

/// When the event happened last, in whole seconds; without any time, when its batch was made.
pub(in crate::sinks) fn rfc3339(event: &Event, at: Timestamp) -> String {
    let last = event.last_seen().map(MicroTime::to_timestamp);
    Rfc3339::from(last.unwrap_or(at)).to_string()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CoreEvent<'a> {
    metadata: Metadata<'a>,
    involved_object: Reference<'a>,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    source: Source<'a>,
    first_timestamp: Seconds,
    last_timestamp: Seconds,
    #[serde(skip_serializing_if = "is_zero")]
    count: u64,
    #[serde(rename = "type", skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    event_time: Micros,
    #[serde(skip_serializing_if = "Option::is_none")]
    series: Option<Series>,
    #[serde(skip_serializing_if = "str::is_empty")]
    action: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    related: Option<Reference<'a>>,
    reporting_component: &'a str,
    reporting_instance: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::sinks) struct Metadata<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    uid: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    resource_version: &'a str,
    creation_timestamp: Seconds,
    #[serde(skip_serializing_if = "is_empty")]
    labels: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "is_empty")]
    annotations: Option<&'a BTreeMap<String, String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::sinks) struct Reference<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    uid: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    api_version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    resource_version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    field_path: &'a str,
}

#[derive(Serialize)]
pub(in crate::sinks) struct Source<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    component: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    host: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Series {
    #[serde(skip_serializing_if = "is_zero")]
    count: u64,
    last_observed_time: Micros,
}

/// `metav1.Time`.
struct Seconds(Option<MicroTime>);

/// `metav1.MicroTime`.
struct Micros(Option<MicroTime>);

fn is_empty(map: &Option<&BTreeMap<String, String>>) -> bool {
    map.is_none_or(BTreeMap::is_empty)
}

const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl<'a> CoreEvent<'a> {
    fn of(event: &'a Event) -> Self {
        Self {
            metadata: Metadata {
                labels: Some(&event.labels),
                annotations: Some(&event.annotations),
                ..Metadata::without_maps(event)
            },
            involved_object: Reference::of(&event.regarding),
            reason: &event.reason,
            message: &event.message,
            source: Source::of(event),
            first_timestamp: Seconds(event.first_timestamp),
            last_timestamp: Seconds(event.last_timestamp),
            count: event.count,
            kind: &event.kind,
            event_time: Micros(event.event_time),
            series: event.series.map(|series| Series {
                count: series.count,
                last_observed_time: Micros(series.last_observed),
            }),
            action: &event.action,
            related: event.related.as_ref().map(Reference::of),
            reporting_component: &event.reporting_controller,
            reporting_instance: &event.reporting_instance,
        }
    }
}

impl<'a> Metadata<'a> {
    /// All but labels and annotations, whose keys anybody may choose.
    pub(in crate::sinks) fn without_maps(event: &'a Event) -> Self {
        Self {
            name: &event.name,
            namespace: &event.namespace,
            uid: &event.uid,
            resource_version: &event.resource_version,
            creation_timestamp: Seconds(event.created),
            labels: None,
            annotations: None,
        }
    }
}

impl<'a> Source<'a> {
    pub(in crate::sinks) fn of(event: &'a Event) -> Self {
        Self {
            component: &event.source.component,
            host: &event.source.host,
        }
    }
}

impl<'a> Reference<'a> {
    pub(in crate::sinks) fn of(object: &'a domain::ObjectReference) -> Self {
        Self {
            kind: &object.kind,
            namespace: &object.namespace,
            name: &object.name,
            uid: &object.uid,
            api_version: &object.api_version,
            resource_version: &object.resource_version,
            field_path: &object.field_path,
        }
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(time) => serializer.serialize_str(Rfc3339::from(time.to_timestamp()).as_str()),
            None => serializer.serialize_none(),
        }
    }
}

impl Serialize for Micros {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(time) => serializer.serialize_str(&micro_time(time)),
            None => serializer.serialize_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{EventSeries, ObjectReference};
    use crate::sinks::tests::events::event;

    /// As Go's `json.MarshalIndent(event, "", " ")` writes such a `v1.Event`.
    #[test]
    fn an_event_is_written_as_heapster_wrote_it() {
        let expected = r#"{
 "metadata": {
  "name": "web.1",
  "namespace": "team-a",
  "uid": "u-1",
  "resourceVersion": "7",
  "creationTimestamp": "2026-01-02T03:04:05Z"
 },
 "involvedObject": {
  "kind": "Pod",
  "namespace": "team-a",
  "name": "web",
  "uid": "p-1",
  "apiVersion": "v1",
  "fieldPath": "spec.containers{web}"
 },
 "reason": "BackOff",
 "message": "\u003crestarting\u003e \"web\"",
 "source": {
  "component": "kubelet",
  "host": "n1"
 },
 "firstTimestamp": "2026-01-02T03:04:00Z",
 "lastTimestamp": "2026-01-02T03:04:05Z",
 "count": 3,
 "type": "Warning",
 "eventTime": null,
 "reportingComponent": "",
 "reportingInstance": ""
}"#;
        assert_eq!(indented(&event()), expected);
    }

    #[test]
    fn a_new_event_has_its_series_and_no_old_times() {
        let event = Event {
            series: Some(EventSeries {
                count: 2,
                last_observed: Some(MicroTime::from_parts(1_767_323_045, 5_000)),
            }),
            event_time: Some(MicroTime::from_parts(1_767_323_044, 0)),
            related: Some(ObjectReference::default()),
            action: "Binding".into(),
            ..Event::default()
        };
        let mut out = Vec::new();
        write(&mut out, &event);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"metadata\":{\"creationTimestamp\":null},\"involvedObject\":{},\"source\":{},\
             \"firstTimestamp\":null,\"lastTimestamp\":null,\
             \"eventTime\":\"2026-01-02T03:04:04.000000Z\",\
             \"series\":{\"count\":2,\"lastObservedTime\":\"2026-01-02T03:04:05.000005Z\"},\
             \"action\":\"Binding\",\"related\":{},\"reportingComponent\":\"\",\
             \"reportingInstance\":\"\"}"
        );
    }
}
