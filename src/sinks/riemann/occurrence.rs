//! Kubernetes' events as Riemann's.

use super::super::chunks::Records;
use super::super::events::json::micro_time;
use super::event::{EVENTS, Events, TTL};
use crate::apimachinery::protobuf::Writer;
use crate::domain::{Event, Timestamp};

impl Events {
    /// Writes one, in Heapster's form: `KIND.REASON`, how often it happened, and how it is.
    ///
    /// It bears the time of its batch: it expires a while after that.
    pub(super) fn occurrence(&self, event: &Event, at: Timestamp, records: &mut Records) {
        let mut message = Writer::with_capacity(512);
        message.message(EVENTS, |to| self.fields(to, event, at));
        records.bytes().extend_from_slice(&message.finish());
        records.end();
    }

    /// The fields from the last to the first, as the writer wants them.
    fn fields(&self, to: &mut Writer, event: &Event, at: Timestamp) {
        let about = &event.regarding;
        // `sint64`: signs alternate.
        to.varint(13, event.occurrences() << 1);
        let (first, last) = (event.first_seen(), event.last_seen());
        let times = [
            ("last-timestamp", last.map(micro_time).unwrap_or_default()),
            ("first-timestamp", first.map(micro_time).unwrap_or_default()),
        ];
        let texts = [
            ("component", event.component()),
            ("field-path", &about.field_path),
            ("resource-version", &about.resource_version),
            ("api-version", &about.api_version),
            ("name", &about.name),
            ("uid", &about.uid),
            ("namespace", &about.namespace),
        ];
        let times = times.iter().map(|(name, time)| (*name, time.as_str()));
        for (name, value) in times.chain(texts) {
            to.message(9, |attribute| {
                attribute.bytes(2, value.as_bytes());
                attribute.bytes(1, name.as_bytes());
            });
        }
        to.raw(&self.ttl.to_le_bytes());
        to.raw(&[TTL]);
        for tag in self.tags.iter().rev() {
            to.bytes(7, tag.as_bytes());
        }
        to.bytes(5, event.message.as_bytes());
        to.bytes(4, event.source.host.as_bytes());
        to.bytes(3, format!("{}.{}", about.kind, event.reason).as_bytes());
        let state: &[u8] = if event.kind == "Normal" {
            b"ok"
        } else {
            b"warning"
        };
        to.bytes(2, state);
        to.int(1, at.as_secs());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apimachinery::protobuf::{Field, Malformed, Message};
    use crate::domain::{EventSource, MicroTime, ObjectReference};

    /// What a server would see of a `Msg`.
    #[derive(Debug, Default)]
    struct Seen(Vec<(u32, String)>);

    impl<'a> Message<'a> for Seen {
        fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
            match field.number {
                6 => return self.merge(field.bytes()?),
                9 => {
                    let (name, value) = field.text_entry()?;
                    self.0.push((9, format!("{name}={value}")));
                }
                1 | 13 => self.0.push((field.number, field.int64()?.to_string())),
                8 => {}
                number => self.0.push((number, field.text()?.to_owned())),
            }
            Ok(())
        }
    }

    #[test]
    fn an_event_is_riemanns_with_heapsters_attributes() {
        let events = Events {
            ttl: 60.0,
            state: String::new(),
            tags: vec!["heapster".into()],
        };
        let event = Event {
            kind: "Warning".into(),
            reason: "BackOff".into(),
            message: "again".into(),
            count: 3,
            source: EventSource {
                component: "kubelet".into(),
                host: "n1".into(),
            },
            regarding: ObjectReference {
                kind: "Pod".into(),
                name: "web".into(),
                namespace: "a".into(),
                ..ObjectReference::default()
            },
            last_timestamp: Some(MicroTime::from_parts(60, 0)),
            ..Event::default()
        };
        let mut records = Records::default();
        events.occurrence(&event, Timestamp::from_millis(90_000), &mut records);
        let bytes = records.bytes().clone();
        let seen = Seen::read(&bytes).unwrap().0;
        let text = |number: u32, text: &str| (number, text.to_owned());
        assert_eq!(
            seen,
            [
                text(1, "90"),
                text(2, "warning"),
                text(3, "Pod.BackOff"),
                text(4, "n1"),
                text(5, "again"),
                text(7, "heapster"),
                text(9, "namespace=a"),
                text(9, "uid="),
                text(9, "name=web"),
                text(9, "api-version="),
                text(9, "resource-version="),
                text(9, "field-path="),
                text(9, "component=kubelet"),
                text(9, "first-timestamp="),
                text(9, "last-timestamp=1970-01-01T00:01:00.000000Z"),
                text(13, "6"),
            ]
        );
    }
}
