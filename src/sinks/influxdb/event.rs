//! Events in the line protocol.

use std::io::Write as _;

use super::super::chunks::Records;
use super::line::{Lines, escape, tag};
use crate::domain::{Event, Timestamp};

impl Lines {
    /// Writes one event. `json` is the whole of it, for `log/events value=…`; with fields only the
    /// message is written, as `events message=…`.
    ///
    /// An event without any time gets that of its batch.
    pub(super) fn event(&self, event: &Event, json: &str, at: Timestamp, records: &mut Records) {
        let about = &event.regarding;
        let pod = |text| if about.kind == "Pod" { text } else { "" };
        let (measurement, field, text, mut tags) = if self.with_fields {
            let tags = vec![
                ("component", event.component()),
                ("kind", about.kind.as_str()),
                ("namespace_name", event.namespace.as_str()),
                ("object_name", about.name.as_str()),
                ("reason", event.reason.as_str()),
                ("type", event.kind.as_str()),
            ];
            ("events", "message", event.message.as_str(), tags)
        } else {
            let tags = vec![("pod_name", pod(about.name.as_str()))];
            ("log/events", "value", json, tags)
        };
        tags.extend([
            ("cluster_name", self.cluster_name.as_str()),
            ("hostname", event.source.host.as_str()),
            ("pod_id", pod(about.uid.as_str())),
            ("uid", event.uid.as_str()),
        ]);
        tags.sort_unstable();
        let line = records.bytes();
        escape(measurement, ", ", line);
        for (name, value) in tags {
            tag(name, value, line);
        }
        let _ = write!(line, " {field}=\"");
        for c in text.chars() {
            if matches!(c, '"' | '\\') {
                line.push(b'\\');
            }
            line.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        let micros = event.last_seen().map(|time| i128::from(time.as_micros()));
        let micros = micros.unwrap_or_else(|| i128::from(at.as_millis()) * 1000);
        let _ = writeln!(line, "\" {}", micros * 1000);
        records.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{EventSource, MicroTime, ObjectReference};

    fn text(lines: &Lines, event: &Event) -> String {
        let mut records = Records::default();
        let at = Timestamp::from_millis(7000);
        lines.event(event, "{\n \"a\": \"b\\n\"\n}", at, &mut records);
        String::from_utf8(records.bytes().clone()).unwrap()
    }

    #[test]
    fn an_event_is_its_json_or_its_message_with_heapsters_tags() {
        let event = Event {
            namespace: "a b".into(),
            uid: "u".into(),
            kind: "Warning".into(),
            reason: "BackOff".into(),
            message: "say \"no\"\\".into(),
            source: EventSource {
                component: "kubelet".into(),
                host: "n1".into(),
            },
            regarding: ObjectReference {
                kind: "Pod".into(),
                name: "p".into(),
                uid: "pu".into(),
                ..ObjectReference::default()
            },
            last_timestamp: Some(MicroTime::from_parts(60, 0)),
            ..Event::default()
        };
        let mut lines = Lines {
            cluster_name: "c".into(),
            with_fields: false,
            pod_ids: false,
            counters: true,
        };
        assert_eq!(
            text(&lines, &event),
            "log/events,cluster_name=c,hostname=n1,pod_id=pu,pod_name=p,uid=u \
             value=\"{\n \\\"a\\\": \\\"b\\\\n\\\"\n}\" 60000000000\n"
        );
        lines.with_fields = true;
        assert_eq!(
            text(&lines, &event),
            "events,cluster_name=c,component=kubelet,hostname=n1,kind=Pod,namespace_name=a\\ b,\
             object_name=p,pod_id=pu,reason=BackOff,type=Warning,uid=u \
             message=\"say \\\"no\\\"\\\\\" 60000000000\n"
        );
    }

    #[test]
    fn what_is_about_no_pod_has_no_pods_tags_and_without_a_time_the_batchs() {
        let event = Event {
            uid: "u".into(),
            reporting_controller: "karpenter".into(),
            regarding: ObjectReference {
                kind: "Node".into(),
                name: "n1".into(),
                uid: "n1".into(),
                ..ObjectReference::default()
            },
            ..Event::default()
        };
        let lines = Lines {
            cluster_name: String::new(),
            with_fields: true,
            pod_ids: false,
            counters: true,
        };
        assert_eq!(
            text(&lines, &event),
            "events,component=karpenter,kind=Node,object_name=n1,uid=u message=\"\" 7000000000\n"
        );
    }
}
