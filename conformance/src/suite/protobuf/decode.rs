//! Bytes to the value that the same object has in JSON.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::MAGIC;
use super::object::{Decode, Object, read, unknown_field};
use super::wire::{Field, Reader};
use crate::suite::values;

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
        1..=3 => sample(object, number, field),
        4 => object.entry("usage", field, quantity),
        _ => unknown_field(number),
    })
}

/// Metadata, timestamp and window, which nodes and pods have in common.
fn sample(object: &mut Object, number: u32, field: Field<'_>) -> Result<()> {
    match number {
        1 => object.message(number, "metadata", field, object_meta),
        2 => object.message(number, "timestamp", field, time),
        3 => object.message(number, "window", field, duration),
        _ => unknown_field(number),
    }
}

fn pod_metrics(raw: &[u8]) -> Result<Value> {
    read(raw, |object, number, field| match number {
        1..=3 => sample(object, number, field),
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
