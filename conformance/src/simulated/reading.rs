//! The lists of `metrics.k8s.io` read from any of their forms.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::wire::{Field, fields};
use crate::quantity::parse_quantity;

/// One NodeMetrics or PodMetrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Measured {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    /// Whole seconds since the epoch.
    pub(crate) timestamp: i64,
    /// Nanoseconds.
    pub(super) window: i64,
    /// Quantities as written, by container (empty for a node) and resource.
    pub(super) usage: BTreeMap<String, BTreeMap<String, String>>,
}

impl Measured {
    /// Cores used by a container; the node's own for an empty name.
    pub(super) fn cpu(&self, container: &str) -> Result<f64> {
        self.amount(container, "cpu")
    }

    /// An amount of any resource.
    pub(super) fn amount(&self, container: &str, resource: &str) -> Result<f64> {
        let usage = self.usage.get(container);
        let quantity = usage.and_then(|u| u.get(resource));
        quantity
            .and_then(|q| parse_quantity(q))
            .with_context(|| format!("no {resource} of {container:?} in {self:?}"))
    }

    /// The window in seconds.
    #[expect(
        clippy::cast_precision_loss,
        reason = "windows are far below 2^53 nanoseconds"
    )]
    pub(super) fn window_seconds(&self) -> f64 {
        self.window as f64 / 1e9
    }
}

/// Reads a list from its JSON (or from YAML read as JSON).
pub(super) fn from_json(list: &Value) -> Result<Vec<Measured>> {
    let items = list.get("items").and_then(Value::as_array);
    let items = items.with_context(|| format!("no items in {list}"))?;
    items.iter().map(item_from_json).collect()
}

fn item_from_json(item: &Value) -> Result<Measured> {
    let text = |pointer: &str| item.pointer(pointer).and_then(Value::as_str);
    let mut usage = BTreeMap::new();
    if let Some(containers) = item.get("containers").and_then(Value::as_array) {
        for container in containers {
            let name = container.get("name").and_then(Value::as_str);
            let name = name.context("a container without a name")?;
            usage.insert(name.to_owned(), strings(container.get("usage")));
        }
    } else {
        usage.insert(String::new(), strings(item.get("usage")));
    }
    let timestamp = text("/timestamp").context("no timestamp")?;
    let timestamp: jiff::Timestamp = timestamp.parse()?;
    Ok(Measured {
        namespace: text("/metadata/namespace").unwrap_or_default().to_owned(),
        name: text("/metadata/name").context("no name")?.to_owned(),
        labels: strings(item.pointer("/metadata/labels")),
        timestamp: timestamp.as_second(),
        window: parse_duration(text("/window").context("no window")?)?,
        usage,
    })
}

fn strings(map: Option<&Value>) -> BTreeMap<String, String> {
    let map = map.and_then(Value::as_object);
    map.into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// A Go duration in nanoseconds, as far as windows need it.
pub(super) fn parse_duration(text: &str) -> Result<i64> {
    const UNITS: [(&str, i64); 6] = [
        ("ns", 1),
        ("µs", 1_000),
        ("ms", 1_000_000),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
    ];
    let mut rest = text;
    let mut total = 0_i64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, tail) = rest.split_at(digits.context("a number without a unit")?);
        let unit = UNITS.iter().find(|(unit, _)| tail.starts_with(unit));
        let Some((unit, factor)) = unit else {
            bail!("{text:?} is no duration");
        };
        total += scaled(number, *factor)?;
        rest = tail.get(unit.len()..).unwrap_or_default();
    }
    Ok(total)
}

fn scaled(number: &str, factor: i64) -> Result<i64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut total = whole.parse::<i64>()? * factor;
    let mut place = factor;
    for digit in fraction.bytes() {
        place /= 10;
        total += i64::from(digit - b'0') * place;
    }
    Ok(total)
}

/// Reads a list from Kubernetes' protobuf: the magic, the envelope, the list.
pub(super) fn from_protobuf(body: &[u8], has_containers: bool) -> Result<Vec<Measured>> {
    let envelope = body.strip_prefix(b"k8s\0").context("no magic")?;
    let raw = fields(envelope)?
        .into_iter()
        .find_map(|(number, field)| (number == 2).then_some(field))
        .context("no raw object")?;
    let items = fields(raw.bytes()?)?.into_iter();
    items
        .filter(|(number, _)| *number == 2)
        .map(|(_, item)| item_from_protobuf(item.bytes()?, has_containers))
        .collect()
}

fn item_from_protobuf(item: &[u8], has_containers: bool) -> Result<Measured> {
    let mut measured = Measured {
        namespace: String::new(),
        name: String::new(),
        labels: BTreeMap::new(),
        timestamp: 0,
        window: 0,
        usage: BTreeMap::new(),
    };
    if !has_containers {
        measured.usage.insert(String::new(), BTreeMap::new());
    }
    for (number, field) in fields(item)? {
        match number {
            1 => read_metadata(field.bytes()?, &mut measured)?,
            2 => measured.timestamp = number_in(field.bytes()?, 1)?,
            3 => measured.window = number_in(field.bytes()?, 1)?,
            4 if has_containers => {
                let (name, usage) = container(field.bytes()?)?;
                measured.usage.insert(name, usage);
            }
            4 => {
                let (resource, quantity) = quantity_entry(field.bytes()?)?;
                let usage = measured.usage.entry(String::new()).or_default();
                usage.insert(resource, quantity);
            }
            _ => {}
        }
    }
    Ok(measured)
}

fn read_metadata(metadata: &[u8], measured: &mut Measured) -> Result<()> {
    for (number, field) in fields(metadata)? {
        match number {
            1 => measured.name = field.text()?,
            3 => measured.namespace = field.text()?,
            11 => {
                let entry = fields(field.bytes()?)?;
                measured
                    .labels
                    .insert(text_in(&entry, 1)?, text_in(&entry, 2)?);
            }
            _ => {}
        }
    }
    Ok(())
}

fn container(bytes: &[u8]) -> Result<(String, BTreeMap<String, String>)> {
    let mut name = String::new();
    let mut usage = BTreeMap::new();
    for (number, field) in fields(bytes)? {
        match number {
            1 => name = field.text()?,
            2 => {
                let (resource, quantity) = quantity_entry(field.bytes()?)?;
                usage.insert(resource, quantity);
            }
            _ => {}
        }
    }
    Ok((name, usage))
}

fn quantity_entry(entry: &[u8]) -> Result<(String, String)> {
    let entry = fields(entry)?;
    let value = entry.iter().find(|(number, _)| *number == 2);
    let (_, value) = value.context("a usage without a quantity")?;
    Ok((text_in(&entry, 1)?, text_in(&fields(value.bytes()?)?, 1)?))
}

fn text_in(fields: &[(u64, Field<'_>)], wanted: u64) -> Result<String> {
    let found = fields.iter().find(|(number, _)| *number == wanted);
    found.map_or_else(|| Ok(String::new()), |(_, field)| field.text())
}

fn number_in(message: &[u8], wanted: u64) -> Result<i64> {
    let fields = fields(message)?;
    let found = fields.iter().find(|(number, _)| *number == wanted);
    found.map_or(Ok(0), |(_, field)| field.number())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_as_go_writes_them() {
        let cases = [
            ("15s", 15_000_000_000),
            ("15.237s", 15_237_000_000),
            ("1m0.5s", 60_500_000_000),
            ("500ms", 500_000_000),
            ("0s", 0),
        ];
        for (text, want) in cases {
            assert_eq!(parse_duration(text).unwrap(), want, "{text}");
        }
        assert!(parse_duration("15").is_err());
    }

    /// What kubectl 1.32 decoded as n1 at 2026-01-02T03:04:05Z over 15 s with 250m and 12056Ki.
    const NODE_LIST: &str = "6b3873000a290a166d6574726963732e6b38732e696f2f76316265746131120f4e6f\
        64654d6574726963734c697374125c0a060a0012001a0012520a1a0a026e3112001a0022002a0032003800420808aa\
        ebdcca061000120808a5ebdcca0610001a060880acc7f037220d0a0363707512060a043235306d22130a066d656d6f\
        727912090a0731323035364b691a002200";

    #[test]
    fn a_list_is_read_from_kubernetes_protobuf() {
        let body: Vec<u8> = (0..NODE_LIST.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&NODE_LIST[at..at + 2], 16).unwrap())
            .collect();
        let list = from_protobuf(&body, false).unwrap();
        let json = serde_json::json!({ "items": [{
            "metadata": { "name": "n1" }, "timestamp": "2026-01-02T03:04:05Z", "window": "15s",
            "usage": { "cpu": "250m", "memory": "12056Ki" } }] });
        assert_eq!(list, from_json(&json).unwrap());
    }
}
