//! Events as Heapster's documents of the family `events`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::chunks::Records;
use super::super::events::json::{Metadata, Reference, Source, rfc3339};
use super::document::{Action, Documents, Target};
use crate::domain::{Event, Timestamp};

/// The field that tells a document of this family.
pub(super) const LAST: &str = "LastOccurrenceTimestamp";
pub(super) const FIRST: &str = "FirstOccurrenceTimestamp";
/// How the family stands in the name of an alias.
pub(super) const NAME: &str = "events";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document<'a> {
    count: u64,
    metadata: Metadata<'a>,
    involved_object: Reference<'a>,
    source: Source<'a>,
    first_occurrence_timestamp: &'a str,
    last_occurrence_timestamp: &'a str,
    message: &'a str,
    reason: &'a str,
    #[serde(rename = "Type")]
    kind: &'a str,
    event_tags: BTreeMap<&'a str, &'a str>,
}

impl Documents {
    /// Writes one event. One that is sent twice is there once.
    pub(super) fn event(&self, event: &Event, at: Timestamp, records: &mut Records) {
        let last = rfc3339(event, at);
        let first = event.first_seen().map(|time| time.to_timestamp());
        let first = crate::apimachinery::Rfc3339::from(first.unwrap_or(at));
        let day = last.get(..10).unwrap_or_default().replace('-', ".");
        let about = &event.regarding;
        let mut tags = BTreeMap::from([
            ("eventID", event.uid.as_str()),
            ("cluster_name", self.cluster_name.as_str()),
            ("hostname", event.source.host.as_str()),
        ]);
        if about.kind == "Pod" {
            tags.insert("pod_id", &about.uid);
            tags.insert("pod_name", &about.name);
        }
        let action = Action {
            create: Target {
                index: &format!("{}-{day}", self.index),
                id: &event.id().to_string(),
            },
        };
        let document = Document {
            count: event.occurrences(),
            metadata: Metadata::without_maps(event),
            involved_object: Reference::of(about),
            source: Source::of(event),
            first_occurrence_timestamp: first.as_str(),
            last_occurrence_timestamp: &last,
            message: &event.message,
            reason: &event.reason,
            kind: &event.kind,
            event_tags: tags,
        };
        let line = records.bytes();
        // Writing to memory what has text for keys cannot fail.
        let _ = serde_json::to_writer(&mut *line, &action);
        line.push(b'\n');
        let _ = serde_json::to_writer(&mut *line, &document);
        line.push(b'\n');
        records.end();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::domain::{EventSource, MicroTime, ObjectReference};

    #[test]
    fn an_event_is_a_document_of_its_day_under_its_own_id() {
        let event = Event {
            name: "web.1".into(),
            namespace: "a".into(),
            uid: "u".into(),
            kind: "Warning".into(),
            reason: "BackOff".into(),
            message: "again".into(),
            count: 3,
            labels: [("a.b".to_owned(), "c".to_owned())].into(),
            source: EventSource {
                component: "kubelet".into(),
                host: "n1".into(),
            },
            regarding: ObjectReference {
                kind: "Pod".into(),
                name: "web".into(),
                uid: "p".into(),
                ..ObjectReference::default()
            },
            first_timestamp: Some(MicroTime::from_parts(1_767_323_045, 0)),
            last_timestamp: Some(MicroTime::from_parts(1_767_400_000, 0)),
            ..Event::default()
        };
        let documents = Documents {
            index: "heapster".into(),
            cluster_name: "c".into(),
        };
        let mut records = Records::default();
        documents.event(&event, Timestamp::default(), &mut records);
        let text = String::from_utf8(records.bytes().clone()).unwrap();
        let lines: Vec<Json> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(
            lines,
            [
                json!({"create": {"_index": "heapster-2026.01.03", "_id": "u.3"}}),
                json!({
                    "Count": 3,
                    "Metadata": {"name": "web.1", "namespace": "a", "uid": "u",
                        "creationTimestamp": null},
                    "InvolvedObject": {"kind": "Pod", "name": "web", "uid": "p"},
                    "Source": {"component": "kubelet", "host": "n1"},
                    "FirstOccurrenceTimestamp": "2026-01-02T03:04:05Z",
                    "LastOccurrenceTimestamp": "2026-01-03T00:26:40Z",
                    "Message": "again", "Reason": "BackOff", "Type": "Warning",
                    "EventTags": {"eventID": "u", "cluster_name": "c", "hostname": "n1",
                        "pod_id": "p", "pod_name": "web"},
                }),
            ]
        );
    }
}
