//! What JSON says to the bytes a Go server would send: empty strings and zeros are written, in order of their numbers.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::MAGIC;
use super::wire::{put_bytes, put_varint};
use crate::suite::values;
use crate::suite::verdict::{at, text};

type Encode = fn(&Value) -> Result<Vec<u8>>;

/// Encodes a NodeMetrics, a PodMetrics or a list of them, enveloped.
pub(crate) fn encode(object: &Value) -> Result<Vec<u8>> {
    let kind = text(object, "/kind");
    let raw = match kind {
        "NodeMetrics" => node_metrics(object),
        "PodMetrics" => pod_metrics(object),
        "NodeMetricsList" => list(object, node_metrics),
        "PodMetricsList" => list(object, pod_metrics),
        other => bail!("no encoder for {other:?}"),
    }?;
    let mut type_meta = Vec::new();
    put_bytes(&mut type_meta, 1, text(object, "/apiVersion").as_bytes());
    put_bytes(&mut type_meta, 2, kind.as_bytes());
    let mut out = MAGIC.to_vec();
    put_bytes(&mut out, 1, &type_meta);
    put_bytes(&mut out, 2, &raw);
    put_bytes(&mut out, 3, b"");
    put_bytes(&mut out, 4, b"");
    Ok(out)
}

fn list(list: &Value, item: Encode) -> Result<Vec<u8>> {
    let mut meta = Vec::new();
    for (number, name) in [(1, "selfLink"), (2, "resourceVersion"), (3, "continue")] {
        put_bytes(&mut meta, number, field(at(list, "/metadata"), name));
    }
    let mut out = Vec::new();
    put_bytes(&mut out, 1, &meta);
    for object in at(list, "/items").as_array().context("no items")? {
        put_bytes(&mut out, 2, &item(object)?);
    }
    Ok(out)
}

fn node_metrics(object: &Value) -> Result<Vec<u8>> {
    let mut out = sample(object)?;
    put_map(&mut out, 4, at(object, "/usage"), quantity)?;
    Ok(out)
}

fn pod_metrics(object: &Value) -> Result<Vec<u8>> {
    let mut out = sample(object)?;
    for container in at(object, "/containers").as_array().into_iter().flatten() {
        let mut bytes = Vec::new();
        put_bytes(&mut bytes, 1, field(container, "name"));
        put_map(&mut bytes, 2, at(container, "/usage"), quantity)?;
        put_bytes(&mut out, 4, &bytes);
    }
    Ok(out)
}

fn sample(object: &Value) -> Result<Vec<u8>> {
    let mut window = Vec::new();
    let shown = text(object, "/window");
    let nanos = values::parse_duration(shown);
    put_varint(
        &mut window,
        1,
        nanos.with_context(|| format!("window {shown:?}"))?,
    );
    let mut out = Vec::new();
    put_bytes(&mut out, 1, &object_meta(at(object, "/metadata"))?);
    put_bytes(&mut out, 2, &time(at(object, "/timestamp"))?);
    put_bytes(&mut out, 3, &window);
    Ok(out)
}

fn object_meta(meta: &Value) -> Result<Vec<u8>> {
    let strings = [
        (1, "name"),
        (2, "generateName"),
        (3, "namespace"),
        (4, "selfLink"),
        (5, "uid"),
        (6, "resourceVersion"),
    ];
    let mut out = Vec::new();
    for (number, name) in strings {
        put_bytes(&mut out, number, field(meta, name));
    }
    put_varint(&mut out, 7, at(meta, "/generation").as_i64().unwrap_or(0));
    put_bytes(&mut out, 8, &time(at(meta, "/creationTimestamp"))?);
    put_map(&mut out, 11, at(meta, "/labels"), |label| {
        Ok(label.as_str().unwrap_or_default().as_bytes().to_vec())
    })?;
    Ok(out)
}

fn time(value: &Value) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    if let Some(shown) = value.as_str() {
        let time: jiff::Timestamp = shown.parse().with_context(|| format!("time {shown:?}"))?;
        put_varint(&mut out, 1, time.as_second());
        put_varint(&mut out, 2, 0);
    }
    Ok(out)
}

fn quantity(value: &Value) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    put_bytes(
        &mut out,
        1,
        value.as_str().context("no quantity")?.as_bytes(),
    );
    Ok(out)
}

fn put_map(out: &mut Vec<u8>, number: u32, map: &Value, value: Encode) -> Result<()> {
    for (key, shown) in map.as_object().into_iter().flatten() {
        let mut entry = Vec::new();
        put_bytes(&mut entry, 1, key.as_bytes());
        put_bytes(&mut entry, 2, &value(shown)?);
        put_bytes(out, number, &entry);
    }
    Ok(())
}

fn field<'a>(object: &'a Value, name: &str) -> &'a [u8] {
    let value = object.get(name).and_then(Value::as_str);
    value.unwrap_or_default().as_bytes()
}
