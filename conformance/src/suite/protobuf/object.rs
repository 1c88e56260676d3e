//! One message on its way to becoming a JSON object.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};

use super::wire::{Field, Reader};

/// Decodes the bytes of a message.
pub(super) type Decode = fn(&[u8]) -> Result<Value>;

/// An object under construction.
#[derive(Default)]
pub(super) struct Object {
    fields: Map<String, Value>,
    seen: Vec<u32>,
}

/// Reads a message field by field.
pub(super) fn read<'a>(
    raw: &'a [u8],
    mut take: impl FnMut(&mut Object, u32, Field<'a>) -> Result<()>,
) -> Result<Value> {
    let mut reader = Reader::new(raw);
    let mut object = Object::default();
    while let Some((number, field)) = reader.next()? {
        take(&mut object, number, field).with_context(|| format!("field {number}"))?;
    }
    Ok(Value::Object(object.fields))
}

/// What is not in the message is an error.
pub(super) fn unknown_field(number: u32) -> Result<()> {
    bail!("field {number} is not part of the message")
}

impl Object {
    pub(super) fn set(&mut self, name: &str, value: Value) {
        self.fields.insert(name.to_owned(), value);
    }

    pub(super) fn once(&mut self, number: u32) -> Result<()> {
        ensure!(!self.seen.contains(&number), "field {number} twice");
        self.seen.push(number);
        Ok(())
    }

    /// A string; JSON leaves empty ones out.
    pub(super) fn string(&mut self, number: u32, name: &str, field: Field<'_>) -> Result<()> {
        self.once(number)?;
        let text = field.text()?;
        if !text.is_empty() {
            self.set(name, text.into());
        }
        Ok(())
    }

    /// A number; JSON leaves zero out.
    pub(super) fn number(&mut self, number: u32, name: &str, field: Field<'_>) -> Result<()> {
        self.once(number)?;
        let value = field.number()?;
        if value != 0 {
            self.set(name, value.into());
        }
        Ok(())
    }

    pub(super) fn message(
        &mut self,
        number: u32,
        name: &str,
        field: Field<'_>,
        decode: Decode,
    ) -> Result<()> {
        self.once(number)?;
        let value = decode(field.bytes()?).with_context(|| name.to_owned())?;
        self.set(name, value);
        Ok(())
    }

    pub(super) fn item(&mut self, name: &str, value: Value) -> Result<()> {
        let items = self.fields.entry(name).or_insert_with(|| json!([]));
        items.as_array_mut().context("not a list")?.push(value);
        Ok(())
    }

    /// One entry of a map, whose keys come in order.
    pub(super) fn entry(&mut self, name: &str, field: Field<'_>, decode: Decode) -> Result<()> {
        let (mut key, mut value) = (String::new(), None);
        read(field.bytes()?, |object, number, field| {
            object.once(number)?;
            match number {
                1 => field.text()?.clone_into(&mut key),
                2 => value = Some(decode(field.bytes()?)?),
                _ => return unknown_field(number),
            }
            Ok(())
        })?;
        let map = self.fields.entry(name).or_insert_with(|| json!({}));
        let map = map.as_object_mut().context("not a map")?;
        let sorted = map.keys().next_back().is_none_or(|last| *last < key);
        ensure!(sorted, "{name} key {key:?} out of order");
        map.insert(key, value.context("an entry without a value")?);
        Ok(())
    }
}
