//! The protobuf forms of OpenAPI documents, as the gnostic project's `.proto` files define them.
//!
//! A document is JSON first; tables say which number each member has in which message, and one
//! walk writes them all.

mod v2;
mod v3;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use crate::apimachinery::protobuf::Writer;

pub(super) use v2::DOCUMENT as V2_DOCUMENT;
pub(super) use v3::DOCUMENT as V3_DOCUMENT;

/// A message: a JSON object with known members.
#[derive(Debug)]
pub(super) struct Message {
    members: &'static [(&'static str, u32, Shape)],
    /// The field of members that begin with `x-`, as `NamedAny`.
    extensions: u32,
}

/// How a JSON value is written.
#[derive(Debug)]
enum Shape {
    /// A string.
    Text,
    /// A boolean.
    Flag,
    /// An object, as this message.
    Of(&'static Message),
    /// An array, as a repeated field.
    Each(&'static Self),
    /// An object with names of its own, as a repeated field of (1 name, 2 value).
    Named(&'static Self),
    /// A message whose only field, of this number, holds the value.
    Within(u32, &'static Self),
    /// OpenAPI 3's "... or reference": 1 the message, 2 a reference.
    OrReference(&'static Message),
    /// OpenAPI 2's parameters, whose message depends on where they stand.
    Parameter,
}

/// Writes the document `value` as this message, and tells the members no table knows.
pub(super) fn encode(message: &Message, value: &Value) -> (bytes::Bytes, Vec<String>) {
    let mut encoder = Encoder::default();
    let mut writer = Writer::with_capacity(64 * 1024);
    encoder.object(&mut writer, message, value);
    (writer.finish(), encoder.unknown)
}

#[derive(Debug, Default)]
struct Encoder {
    unknown: Vec<String>,
}

impl Encoder {
    /// Writes the members from the last to the first, as the writer wants them.
    fn object(&mut self, writer: &mut Writer, message: &Message, value: &Value) {
        for (name, value) in members(value).rev() {
            let known = message.members.iter().find(|(known, ..)| known == name);
            match known {
                Some((_, field, shape)) => self.value(writer, *field, shape, value),
                None if name.starts_with("x-") => {
                    extension(writer, message.extensions, name, value)
                }
                None => self.unknown.push(name.clone()),
            }
        }
    }

    fn value(&mut self, writer: &mut Writer, field: u32, shape: &Shape, value: &Value) {
        match shape {
            Shape::Text => writer.bytes(field, value.as_str().unwrap_or_default().as_bytes()),
            Shape::Flag => writer.varint(field, u64::from(value.as_bool().unwrap_or_default())),
            Shape::Of(message) => writer.message(field, |w| self.object(w, message, value)),
            Shape::Each(shape) => {
                for element in value.as_array().into_iter().flatten().rev() {
                    self.value(writer, field, shape, element);
                }
            }
            Shape::Named(shape) => {
                for (name, value) in members(value).rev() {
                    writer.message(field, |w| {
                        self.value(w, 2, shape, value);
                        w.bytes(1, name.as_bytes());
                    });
                }
            }
            Shape::Within(inner, shape) => {
                writer.message(field, |w| self.value(w, *inner, shape, value));
            }
            Shape::OrReference(message) => writer.message(field, |w| match value.get("$ref") {
                Some(_) => w.message(2, |w| self.object(w, &v3::REFERENCE, value)),
                None => w.message(1, |w| self.object(w, message, value)),
            }),
            Shape::Parameter => self.value(writer, field, v2::parameter(value), value),
        }
    }
}

fn members(value: &Value) -> impl DoubleEndedIterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

/// A `NamedAny`: the value is YAML text, of which JSON is a part.
fn extension(writer: &mut Writer, field: u32, name: &str, value: &Value) {
    writer.message(field, |named| {
        named.message(2, |any| any.bytes(2, value.to_string().as_bytes()));
        named.bytes(1, name.as_bytes());
    });
}
