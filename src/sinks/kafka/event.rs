//! Events in Heapster's form.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::chunks::Records;
use super::super::events::json::{indented, rfc3339};
use super::message::END;
use crate::domain::{Event, Timestamp};

/// The names and their order are Heapster's `KafkaSinkPoint` of events.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Message<'a> {
    event_value: &'a str,
    event_timestamp: &'a str,
    event_tags: BTreeMap<&'a str, &'a str>,
}

/// Writes one message. Its line breaks are escaped inside.
pub(super) fn write(event: &Event, at: Timestamp, records: &mut Records) {
    let about = &event.regarding;
    let mut tags = BTreeMap::from([
        ("eventID", event.uid.as_str()),
        ("hostname", event.source.host.as_str()),
    ]);
    if about.kind == "Pod" {
        tags.insert("pod_id", &about.uid);
        tags.insert("pod_name", &about.name);
    }
    let message = Message {
        event_value: &indented(event),
        event_timestamp: &rfc3339(event, at),
        event_tags: tags,
    };
    // Writing to memory what has text for keys cannot fail.
    if serde_json::to_writer(records.bytes(), &message).is_ok() {
        records.bytes().push(END);
        records.end();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::domain::{MicroTime, ObjectReference};

    #[test]
    fn an_event_is_one_line_with_heapsters_names() {
        let event = Event {
            uid: "u".into(),
            message: "a\nb".into(),
            regarding: ObjectReference {
                kind: "Pod".into(),
                name: "web".into(),
                uid: "p".into(),
                ..ObjectReference::default()
            },
            last_timestamp: Some(MicroTime::from_parts(1_767_323_045, 0)),
            ..Event::default()
        };
        let mut records = Records::default();
        write(&event, Timestamp::default(), &mut records);
        let text = String::from_utf8(records.bytes().clone()).unwrap();
        assert_eq!(text.find('\n'), Some(text.len() - 1));
        let tags = "{\"eventID\":\"u\",\"hostname\":\"\",\"pod_id\":\"p\",\"pod_name\":\"web\"}";
        let end = format!(",\"EventTimestamp\":\"2026-01-02T03:04:05Z\",\"EventTags\":{tags}}}\n");
        assert!(
            text.starts_with("{\"EventValue\":\"{\\n") && text.ends_with(&end),
            "{text}"
        );
        let message: Value = serde_json::from_str(&text).unwrap();
        let inside: Value = serde_json::from_str(message["EventValue"].as_str().unwrap()).unwrap();
        assert_eq!(inside["message"], "a\nb");
    }
}
