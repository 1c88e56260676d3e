//! Riemann's `Msg` and `Event`, by its `proto.proto`.

use super::super::chunks::{Encoder, Records};
use super::super::column::{Column, LabelSet, Sample};
use crate::apimachinery::protobuf::{Field, Malformed, Message, Writer};
use crate::domain::{MetricSet, Value};

/// How events are made.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Events {
    /// Seconds after which an event has expired.
    pub ttl: f32,
    pub state: String,
    pub tags: Vec<String>,
}

/// What a server answers.
#[derive(Debug, Default)]
pub(super) struct Reply<'a> {
    pub ok: bool,
    pub error: &'a str,
}

/// `Msg.events`.
pub(super) const EVENTS: u32 = 6;
/// The keys of `Event.metric_d`, a double, and of `Event.ttl`, a float: number and wire type in a
/// byte.
const METRIC_D: u8 = 14 << 3 | 1;
pub(super) const TTL: u8 = 8 << 3 | 5;

impl Encoder for Events {
    /// Each event as a field of `Msg`: fields one after the other are a message.
    fn encode<'a>(&self, column: Column<'a>, set: &'a MetricSet, records: &mut Records) {
        let labels = column.labels(set);
        let secs = column.timestamp().as_secs();
        for sample in column.samples(set) {
            let mut message = Writer::with_capacity(512);
            message.message(EVENTS, |event| self.event(event, &labels, &sample, secs));
            records.bytes().extend_from_slice(&message.finish());
            records.end();
        }
    }
}

impl Events {
    /// The fields of an event, from the last to the first, as the writer wants them.
    fn event(&self, event: &mut Writer, labels: &LabelSet<'_>, sample: &Sample<'_>, secs: i64) {
        match sample.value {
            Value::Float(value) => {
                event.raw(&value.to_le_bytes());
                event.raw(&[METRIC_D]);
            }
            // `sint64`: signs alternate.
            Value::Int(value) => event.varint(13, ((value << 1) ^ (value >> 63)).cast_unsigned()),
        }
        let resource = sample.resource.map(|resource| ("resource_id", resource));
        let labels_of = labels.iter().map(|(name, value)| (*name, value.as_ref()));
        for (name, value) in labels_of.chain(resource) {
            event.message(9, |attribute| {
                attribute.bytes(2, value.as_bytes());
                attribute.bytes(1, name.as_bytes());
            });
        }
        event.raw(&self.ttl.to_le_bytes());
        event.raw(&[TTL]);
        for tag in self.tags.iter().rev() {
            event.bytes(7, tag.as_bytes());
        }
        let host = labels.get("hostname").map_or("", |host| host.as_ref());
        event.bytes(4, host.as_bytes());
        event.bytes(3, sample.name.as_bytes());
        event.bytes(2, self.state.as_bytes());
        event.int(1, secs);
    }
}

impl<'a> Message<'a> for Reply<'a> {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        match field.number {
            2 => self.ok = field.int32()? != 0,
            3 => self.error = field.text()?,
            _ => {}
        }
        Ok(())
    }
}
