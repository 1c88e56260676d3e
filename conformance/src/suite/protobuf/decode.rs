//! Bytes to the value that the same object has in JSON.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};

use super::MAGIC;
use super::wire::{Field, Reader};
use crate::suite::values;

type Decode = fn(&[u8]) -> Result<Value>;

/// An object under construction.
#[derive(Default)]
struct Object {
    fields: Map<String, Value>,
    seen: Vec<u32>,
}

/// Decodes an enveloped object, with its kind and apiVersion.
pub(crate) fn decode(bytes: &[u8]) -> Result<Value> {
    let unknown = bytes
        .strip_prefix(MAGIC)
        .with_context(|| format!("no k8s\\0 at the beginning of {} bytes", bytes.len()))?;
    let (mut kind, mut version, mut raw) = (None, None, None);
    read(unknown, |object, number, field| {
        object.once(number)?;
        match number {
            1 => read(field.bytes()?, |object, number, field| {
                object.once(number)?;
                match number {
                    1 => version = Some(field.text()?.to_owned()),
                    2 => kind = Some(field.text()?.to_owned()),
                    _ => return unknown_field(number),
                }
                Ok(())
            })
            .map(drop)?,
            2 => raw = Some(field.bytes()?.to_vec()),
            3 | 4 => ensure!(field.bytes()?.is_empty(), "a content encoding or type"),
            _ => return unknown_field(number),
        }
        Ok(())
    })
    .context("runtime.Unknown")?;
    let kind = kind.context("no kind")?;
    let message: Decode = match kind.as_str() {
        "NodeMetrics" => node_metrics,
        "PodMetrics" => pod_metrics,
        "NodeMetricsList" => |raw| list(raw, node_metrics),
        "PodMetricsList" => |raw| list(raw, pod_metrics),
        "PartialObjectMetadata" => partial,
        "PartialObjectMetadataList" => |raw| list(raw, partial),
        "Status" => status,
        "APIResourceList" => resource_list,
        "APIGroup" => group,
        "APIGroupList" => group_list,
        other => bail!("no decoder for {other}"),
    };
    let raw = raw.context("no raw object")?;
    let mut value = message(&raw).with_context(|| kind.clone())?;
    if let Some(fields) = value.as_object_mut() {
        fields.insert("kind".to_owned(), kind.into());
        fields.insert(
            "apiVersion".to_owned(),
            version.context("no apiVersion")?.into(),
        );
    }
    Ok(value)
}

/// The bytes of a field of a bare message that is read whole; `None` when the field is not there.
pub(crate) fn field(message: &[u8], wanted: u32) -> Result<Option<Vec<u8>>> {
    let mut reader = Reader::new(message);
    let mut found = None;
    while let Some((number, field)) = reader.next()? {
        if number == wanted {
            found = Some(field.bytes()?.to_vec());
        }
    }
    Ok(found)
}

fn node_metrics(raw: &[u8]) -> Result<Value> {
    read(raw, |object, number, field| match number {
        1..=3 => object.sample(number, field),
        4 => object.entry("usage", field, quantity),
        _ => unknown_field(number),
    })
}

fn pod_metrics(raw: &[u8]) -> Result<Value> {
    read(raw, |object, number, field| match number {
        1..=3 => object.sample(number, field),
        4 => object.item("containers", container(field.bytes()?)?),
        _ => unknown_field(number),
    })
}

fn container(raw: &[u8]) -> Result<Value> {
    read(raw, |object, number, field| match number {
        1 => object.string(number, "name", field),
        2 => object.entry("usage", field, quantity),
        _ => unknown_field(number),
    })
}

fn partial(raw: &[u8]) -> Result<Value> {
    read(raw, |object, number, field| match number {
        1 => object.message(number, "metadata", field, object_meta),
        _ => unknown_field(number),
    })
}

fn list(raw: &[u8], item: Decode) -> Result<Value> {
    let mut list = read(raw, |object, number, field| match number {
        1 => object.message(number, "metadata", field, list_meta),
        2 => object.item("items", item(field.bytes()?)?),
        _ => unknown_field(number),
    })?;
    if let Some(fields) = list.as_object_mut() {
        fields.entry("items").or_insert_with(|| json!([]));
    }
    Ok(list)
}

fn list_meta(raw: &[u8]) -> Result<Value> {
    read(raw, |object, number, field| match number {
        1 => object.string(number, "selfLink", field),
        2 => object.string(number, "resourceVersion", field),
        3 => object.string(number, "continue", field),
        4 => object.number(number, "remainingItemCount", field),
        _ => unknown_field(number),
    })
}

fn object_meta(raw: &[u8]) -> Result<Value> {
    read(raw, |object, number, field| match number {
        1 => object.string(number, "name", field),
        2 => object.string(number, "generateName", field),
        3 => object.string(number, "namespace", field),
        4 => object.string(number, "selfLink", field),
        5 => object.string(number, "uid", field),
        6 => object.string(number, "resourceVersion", field),
        7 => object.number(number, "generation", field),
        8 => object.message(number, "creationTimestamp", field, time),
        11 => object.entry("labels", field, |raw| {
            Ok(std::str::from_utf8(raw).context("not UTF-8")?.into())
        }),
        _ => unknown_field(number),
    })
}

fn status(raw: &[u8]) -> Result<Value> {
    read(raw, |object, number, field| match number {
        1 => object.message(number, "metadata", field, list_meta),
        2 => object.string(number, "status", field),
        3 => object.string(number, "message", field),
        4 => object.string(number, "reason", field),
        5 => object.message(number, "details", field, status_details),
        6 => object.number(number, "code", field),
        _ => unknown_field(number),
    })
}

fn status_details(raw: &[u8]) -> Result<Value> {
    read(raw, |object, number, field| match number {
        1 => object.string(number, "name", field),
        2 => object.string(number, "group", field),
        3 => object.string(number, "kind", field),
        4 => object.item("causes", status_cause(field.bytes()?)?),
        5 => object.number(number, "retryAfterSeconds", field),
        6 => object.string(number, "uid", field),
        _ => unknown_field(number),
    })
}

fn status_cause(raw: &[u8]) -> Result<Value> {
    read(raw, |object, number, field| match number {
        1 => object.string(number, "reason", field),
        2 => object.string(number, "message", field),
        3 => object.string(number, "field", field),
        _ => unknown_field(number),
    })
}

fn resource_list(raw: &[u8]) -> Result<Value> {
    read(raw, |object, number, field| match number {
        1 => object.string(number, "groupVersion", field),
        2 => object.item("resources", resource(field.bytes()?)?),
        _ => unknown_field(number),
    })
}

fn resource(raw: &[u8]) -> Result<Value> {
    let mut resource = read(raw, |object, number, field| match number {
        1 => object.string(number, "name", field),
        2 => {
            object.once(number)?;
            object.set("namespaced", (field.number()? != 0).into());
            Ok(())
        }
        3 => object.string(number, "kind", field),
        4 => {
            object.once(number)?;
            let verbs = read(field.bytes()?, |verbs, number, field| match number {
                1 => verbs.item("verbs", field.text()?.into()),
                _ => unknown_field(number),
            })?;
            object.set("verbs", verbs.get("verbs").cloned().unwrap_or_default());
            Ok(())
        }
        5 => object.item("shortNames", field.text()?.into()),
        6 => object.string(number, "singularName", field),
        8 => object.string(number, "group", field),
        9 => object.string(number, "version", field),
        10 => object.string(number, "storageVersionHash", field),
        _ => unknown_field(number),
    })?;
    if let Some(fields) = resource.as_object_mut() {
        // JSON always writes these two.
        fields.entry("singularName").or_insert_with(|| "".into());
        fields.entry("namespaced").or_insert_with(|| false.into());
    }
    Ok(resource)
}

fn group(raw: &[u8]) -> Result<Value> {
    read(raw, |object, number, field| match number {
        1 => object.string(number, "name", field),
        2 => object.item("versions", group_version(field.bytes()?)?),
        3 => object.message(number, "preferredVersion", field, group_version),
        _ => unknown_field(number),
    })
}

fn group_list(raw: &[u8]) -> Result<Value> {
    read(raw, |object, number, field| match number {
        1 => object.item("groups", group(field.bytes()?)?),
        _ => unknown_field(number),
    })
}

fn group_version(raw: &[u8]) -> Result<Value> {
    read(raw, |object, number, field| match number {
        1 => object.string(number, "groupVersion", field),
        2 => object.string(number, "version", field),
        _ => unknown_field(number),
    })
}

/// A Time: RFC 3339 in whole seconds; an empty message is the zero time, null in JSON.
fn time(raw: &[u8]) -> Result<Value> {
    if raw.is_empty() {
        return Ok(Value::Null);
    }
    let (mut seconds, mut nanos) = (0, 0);
    read(raw, |object, number, field| {
        object.once(number)?;
        match number {
            1 => seconds = field.number()?,
            2 => nanos = field.number()?,
            _ => return unknown_field(number),
        }
        Ok(())
    })?;
    ensure!(nanos == 0, "a time with {nanos} nanoseconds");
    Ok(jiff::Timestamp::from_second(seconds)?.to_string().into())
}

fn duration(raw: &[u8]) -> Result<Value> {
    let mut nanos = 0;
    read(raw, |object, number, field| {
        object.once(number)?;
        match number {
            1 => nanos = field.number()?,
            _ => return unknown_field(number),
        }
        Ok(())
    })?;
    Ok(values::duration(nanos).into())
}

fn quantity(raw: &[u8]) -> Result<Value> {
    let mut text = Value::Null;
    read(raw, |object, number, field| {
        object.once(number)?;
        match number {
            1 => text = field.text()?.into(),
            _ => return unknown_field(number),
        }
        Ok(())
    })?;
    ensure!(text.is_string(), "an empty quantity");
    Ok(text)
}

fn read<'a>(
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

fn unknown_field(number: u32) -> Result<()> {
    bail!("field {number} is not part of the message")
}

impl Object {
    fn set(&mut self, name: &str, value: Value) {
        self.fields.insert(name.to_owned(), value);
    }

    fn once(&mut self, number: u32) -> Result<()> {
        ensure!(!self.seen.contains(&number), "field {number} twice");
        self.seen.push(number);
        Ok(())
    }

    /// A string; JSON leaves empty ones out.
    fn string(&mut self, number: u32, name: &str, field: Field<'_>) -> Result<()> {
        self.once(number)?;
        let text = field.text()?;
        if !text.is_empty() {
            self.set(name, text.into());
        }
        Ok(())
    }

    /// A number; JSON leaves zero out.
    fn number(&mut self, number: u32, name: &str, field: Field<'_>) -> Result<()> {
        self.once(number)?;
        let value = field.number()?;
        if value != 0 {
            self.set(name, value.into());
        }
        Ok(())
    }

    fn message(&mut self, number: u32, name: &str, field: Field<'_>, decode: Decode) -> Result<()> {
        self.once(number)?;
        let value = decode(field.bytes()?).with_context(|| name.to_owned())?;
        self.set(name, value);
        Ok(())
    }

    fn item(&mut self, name: &str, value: Value) -> Result<()> {
        let items = self.fields.entry(name).or_insert_with(|| json!([]));
        items.as_array_mut().context("not a list")?.push(value);
        Ok(())
    }

    /// One entry of a map, whose keys come in order.
    fn entry(&mut self, name: &str, field: Field<'_>, decode: Decode) -> Result<()> {
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

    /// Metadata, timestamp and window, which nodes and pods have in common.
    fn sample(&mut self, number: u32, field: Field<'_>) -> Result<()> {
        match number {
            1 => self.message(number, "metadata", field, object_meta),
            2 => self.message(number, "timestamp", field, time),
            3 => self.message(number, "window", field, duration),
            _ => unknown_field(number),
        }
    }
}
