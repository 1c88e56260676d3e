//! A batch of events as it lies on disk: all that is known of each.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::batch::EventBatch;
use crate::domain::{Event, EventSeries, EventSource, MicroTime, ObjectReference, Timestamp};

#[derive(Serialize)]
struct Packed<'a> {
    millis: i64,
    events: Vec<Told<'a>>,
}

#[derive(Deserialize)]
struct Unpacked {
    millis: i64,
    events: Vec<Heard>,
}

struct Told<'a>(&'a Event);

struct Heard(Event);

/// The fields of an [`Event`].
#[derive(Serialize, Deserialize)]
#[serde(remote = "Event")]
struct OfEvent {
    name: String,
    namespace: String,
    uid: String,
    resource_version: String,
    #[serde(with = "micros")]
    created: Option<MicroTime>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    #[serde(with = "OfReference")]
    regarding: ObjectReference,
    #[serde(with = "related")]
    related: Option<ObjectReference>,
    kind: String,
    reason: String,
    message: String,
    action: String,
    #[serde(with = "OfSource")]
    source: EventSource,
    reporting_controller: String,
    reporting_instance: String,
    #[serde(with = "micros")]
    event_time: Option<MicroTime>,
    #[serde(with = "series")]
    series: Option<EventSeries>,
    #[serde(with = "micros")]
    first_timestamp: Option<MicroTime>,
    #[serde(with = "micros")]
    last_timestamp: Option<MicroTime>,
    count: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "ObjectReference")]
struct OfReference {
    kind: String,
    namespace: String,
    name: String,
    uid: String,
    api_version: String,
    resource_version: String,
    field_path: String,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "EventSource")]
struct OfSource {
    component: String,
    host: String,
}

/// The batch as bytes.
pub(super) fn pack(batch: &EventBatch) -> Vec<u8> {
    let packed = Packed {
        millis: batch.timestamp.as_millis(),
        events: batch.events.iter().map(Told).collect(),
    };
    // Writing to memory what has text for keys cannot fail.
    serde_json::to_vec(&packed).unwrap_or_default()
}

/// The batch that was packed; nobody waits for what becomes of it. `None` when the bytes are none.
pub(super) fn unpack(bytes: &[u8]) -> Option<EventBatch> {
    let unpacked: Unpacked = serde_json::from_slice(bytes).ok()?;
    let events = unpacked.events.into_iter().map(|Heard(event)| event);
    let at = Timestamp::from_millis(unpacked.millis);
    Some(EventBatch::alone(at, events.collect()))
}

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        OfEvent::serialize(self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Heard {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        OfEvent::deserialize(deserializer).map(Self)
    }
}

/// A time as its microseconds.
mod micros {
    use super::{Deserialize, Deserializer, MicroTime, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "the form serde calls it in")]
    pub(super) fn serialize<S: Serializer>(
        time: &Option<MicroTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(MicroTime::as_micros).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<MicroTime>, D::Error> {
        let micros: Option<i64> = Deserialize::deserialize(deserializer)?;
        Ok(micros.map(MicroTime::from_micros))
    }
}

/// A series as its count and the microseconds of its time.
mod series {
    use super::{Deserialize, Deserializer, EventSeries, MicroTime, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "the form serde calls it in")]
    pub(super) fn serialize<S: Serializer>(
        series: &Option<EventSeries>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let pair = |one: EventSeries| (one.count, one.last_observed.map(MicroTime::as_micros));
        series.map(pair).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<EventSeries>, D::Error> {
        let pair: Option<(u64, Option<i64>)> = Deserialize::deserialize(deserializer)?;
        Ok(pair.map(|(count, micros)| EventSeries {
            count,
            last_observed: micros.map(MicroTime::from_micros),
        }))
    }
}

/// A reference that may be missing.
mod related {
    use super::{Deserialize, Deserializer, ObjectReference, OfReference, Serialize, Serializer};

    #[derive(Serialize)]
    struct Told<'a>(#[serde(with = "OfReference")] &'a ObjectReference);

    #[derive(Deserialize)]
    struct Heard(#[serde(with = "OfReference")] ObjectReference);

    #[expect(clippy::ref_option, reason = "the form serde calls it in")]
    pub(super) fn serialize<S: Serializer>(
        related: &Option<ObjectReference>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        related.as_ref().map(Told).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<ObjectReference>, D::Error> {
        let heard: Option<Heard> = Deserialize::deserialize(deserializer)?;
        Ok(heard.map(|Heard(related)| related))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::tests::events::event;

    #[test]
    fn nothing_of_an_event_is_lost() {
        let time = |secs| Some(MicroTime::from_parts(secs, 5_000));
        let full = Event {
            labels: [("a".to_owned(), "b".to_owned())].into(),
            annotations: [("c".to_owned(), "d".to_owned())].into(),
            related: Some(ObjectReference {
                resource_version: "9".into(),
                ..event().regarding
            }),
            action: "Binding".into(),
            reporting_controller: "x/y".into(),
            reporting_instance: "z".into(),
            event_time: time(7),
            series: Some(EventSeries {
                count: 4,
                last_observed: time(8),
            }),
            ..event()
        };
        let events = vec![full, Event::default()];
        let batch = EventBatch::alone(Timestamp::from_millis(1_234), events.clone());
        let read = unpack(&pack(&batch)).unwrap();
        assert_eq!((read.timestamp, read.events), (batch.timestamp, events));
        assert!(unpack(b"{}").is_none() && unpack(b"").is_none());
    }
}
