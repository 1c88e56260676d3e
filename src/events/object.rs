//! Event objects as the API server sends them: in two APIs, each as JSON and as protobuf.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::apimachinery::protobuf::{Field, Malformed, Message};
use crate::cluster::{Object, Target, Unreadable};
use crate::domain::{self, Event, MicroTime};

/// The two APIs that have the same events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    /// `events.k8s.io/v1`.
    Events,
    /// `v1`, for API servers and roles that know only this one.
    Core,
}

impl Api {
    /// What to watch.
    pub(super) const fn target(self) -> Target {
        let path = match self {
            Self::Events => "/apis/events.k8s.io/v1/events",
            Self::Core => "/api/v1/events",
        };
        Target {
            resource: "events",
            path,
            field_selector: None,
        }
    }

    /// Reads an event that came from this API.
    pub(super) fn read(self, object: Object<'_>) -> Result<Event, Unreadable> {
        Ok(match self {
            Self::Events => object.read::<FromEvents>()?.0.into(),
            Self::Core => object.read::<FromCore>()?.0.into(),
        })
    }
}

/// In JSON the fields of the two have different names where they differ, so one form reads both.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Read {
    metadata: Metadata,
    #[serde(alias = "involvedObject")]
    regarding: Reference,
    related: Option<Reference>,
    #[serde(rename = "type")]
    kind: String,
    reason: String,
    #[serde(alias = "message")]
    note: String,
    action: String,
    #[serde(alias = "source")]
    deprecated_source: Source,
    #[serde(alias = "reportingComponent")]
    reporting_controller: String,
    reporting_instance: String,
    event_time: Time,
    series: Option<Series>,
    #[serde(alias = "firstTimestamp")]
    deprecated_first_timestamp: Time,
    #[serde(alias = "lastTimestamp")]
    deprecated_last_timestamp: Time,
    #[serde(alias = "count")]
    deprecated_count: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
struct FromEvents(Read);

#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
struct FromCore(Read);

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    name: String,
    namespace: String,
    uid: String,
    resource_version: String,
    creation_timestamp: Time,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Reference {
    kind: String,
    namespace: String,
    name: String,
    uid: String,
    api_version: String,
    resource_version: String,
    field_path: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Source {
    component: String,
    host: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Series {
    count: i64,
    last_observed_time: Time,
}

/// A time; `null`, and in protobuf an empty message, is none.
#[derive(Clone, Copy, Debug, Default)]
struct Time(Option<MicroTime>);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text: Option<String> = Deserialize::deserialize(deserializer)?;
        // A time that is none must not cost the whole event.
        let time = text.and_then(|text| text.parse::<jiff::Timestamp>().ok());
        let micros = time.map(|time| MicroTime::from_micros(time.as_microsecond()));
        Ok(Self(micros))
    }
}

/// Field numbers here and below are those of Kubernetes' `generated.proto`.
impl<'a> Message<'a> for FromEvents {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        let Self(event) = self;
        match field.number {
            1 => event.metadata.merge(field.bytes()?)?,
            2 => event.event_time = field.message()?,
            3 => event.series = Some(field.message()?),
            4 => event.reporting_controller = field.text()?.into(),
            5 => event.reporting_instance = field.text()?.into(),
            6 => event.action = field.text()?.into(),
            7 => event.reason = field.text()?.into(),
            8 => event.regarding.merge(field.bytes()?)?,
            9 => event.related = Some(field.message()?),
            10 => event.note = field.text()?.into(),
            11 => event.kind = field.text()?.into(),
            12 => event.deprecated_source.merge(field.bytes()?)?,
            13 => event.deprecated_first_timestamp = field.message()?,
            14 => event.deprecated_last_timestamp = field.message()?,
            15 => event.deprecated_count = field.int32()?.into(),
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Message<'a> for FromCore {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        let Self(event) = self;
        match field.number {
            1 => event.metadata.merge(field.bytes()?)?,
            2 => event.regarding.merge(field.bytes()?)?,
            3 => event.reason = field.text()?.into(),
            4 => event.note = field.text()?.into(),
            5 => event.deprecated_source.merge(field.bytes()?)?,
            6 => event.deprecated_first_timestamp = field.message()?,
            7 => event.deprecated_last_timestamp = field.message()?,
            8 => event.deprecated_count = field.int32()?.into(),
            9 => event.kind = field.text()?.into(),
            10 => event.event_time = field.message()?,
            11 => event.series = Some(field.message()?),
            12 => event.action = field.text()?.into(),
            13 => event.related = Some(field.message()?),
            14 => event.reporting_controller = field.text()?.into(),
            15 => event.reporting_instance = field.text()?.into(),
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Message<'a> for Metadata {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        let insert = |map: &mut BTreeMap<String, String>| {
            let (key, value) = field.text_entry()?;
            map.insert(key.into(), value.into());
            Ok(())
        };
        match field.number {
            1 => self.name = field.text()?.into(),
            3 => self.namespace = field.text()?.into(),
            5 => self.uid = field.text()?.into(),
            6 => self.resource_version = field.text()?.into(),
            8 => self.creation_timestamp = field.message()?,
            11 => insert(&mut self.labels)?,
            12 => insert(&mut self.annotations)?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Message<'a> for Reference {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        match field.number {
            1 => self.kind = field.text()?.into(),
            2 => self.namespace = field.text()?.into(),
            3 => self.name = field.text()?.into(),
            4 => self.uid = field.text()?.into(),
            5 => self.api_version = field.text()?.into(),
            6 => self.resource_version = field.text()?.into(),
            7 => self.field_path = field.text()?.into(),
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Message<'a> for Source {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        match field.number {
            1 => self.component = field.text()?.into(),
            2 => self.host = field.text()?.into(),
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Message<'a> for Series {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        match field.number {
            1 => self.count = field.int32()?.into(),
            2 => self.last_observed_time = field.message()?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Message<'a> for Time {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        let micros = self.0.map_or(0, MicroTime::as_micros);
        match field.number {
            1 => self.0 = Some(MicroTime::from_parts(field.int64()?, 0)),
            2 => {
                let beyond = i64::from(field.int32()?) / 1000;
                let time = MicroTime::from_micros(micros.saturating_add(beyond));
                self.0 = self.0.map(|_| time);
            }
            _ => {}
        }
        Ok(())
    }
}

impl From<Read> for Event {
    fn from(read: Read) -> Self {
        let count = |count: i64| u64::try_from(count).unwrap_or_default();
        Self {
            name: read.metadata.name,
            namespace: read.metadata.namespace,
            uid: read.metadata.uid,
            resource_version: read.metadata.resource_version,
            created: read.metadata.creation_timestamp.0,
            labels: read.metadata.labels,
            annotations: read.metadata.annotations,
            regarding: read.regarding.into(),
            related: read.related.map(Into::into),
            kind: read.kind,
            reason: read.reason,
            message: read.note,
            action: read.action,
            source: domain::EventSource {
                component: read.deprecated_source.component,
                host: read.deprecated_source.host,
            },
            reporting_controller: read.reporting_controller,
            reporting_instance: read.reporting_instance,
            event_time: read.event_time.0,
            series: read.series.map(|series| domain::EventSeries {
                count: count(series.count),
                last_observed: series.last_observed_time.0,
            }),
            first_timestamp: read.deprecated_first_timestamp.0,
            last_timestamp: read.deprecated_last_timestamp.0,
            count: count(read.deprecated_count),
        }
    }
}

impl From<Reference> for domain::ObjectReference {
    fn from(read: Reference) -> Self {
        Self {
            kind: read.kind,
            namespace: read.namespace,
            name: read.name,
            uid: read.uid,
            api_version: read.api_version,
            resource_version: read.resource_version,
            field_path: read.field_path,
        }
    }
}
