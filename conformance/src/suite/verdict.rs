//! How a check ends before its end: it saw something else, or it cannot be made here.

use std::fmt::{Debug, Display};

use serde_json::Value;

/// What a check returns: nothing when the server kept the promise.
pub(crate) type Verdict = Result<(), Stop>;

/// Why a check ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The server did something else.
    Failed {
        /// What it should have done.
        expected: String,
        /// What it did.
        seen: String,
    },
    /// The check cannot be made against this target.
    Skipped(String),
    /// The check could not be carried through: no connection, no answer, not JSON.
    Broken(anyhow::Error),
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Broken(error)
    }
}

/// A failure in words.
pub(crate) fn failed(expected: impl Display, seen: impl Display) -> Stop {
    Stop::Failed {
        expected: expected.to_string(),
        seen: seen.to_string(),
    }
}

/// The check cannot be made, and why.
pub(crate) fn skipped(why: impl Display) -> Stop {
    Stop::Skipped(why.to_string())
}

/// Fails unless `holds`.
pub(crate) fn ensure(holds: bool, expected: impl Display, seen: impl Display) -> Verdict {
    if holds {
        return Ok(());
    }
    Err(failed(expected, seen))
}

/// Fails unless both are the same.
pub(crate) fn equal<T: PartialEq + Debug>(what: &str, seen: T, want: T) -> Verdict {
    if seen == want {
        return Ok(());
    }
    Err(failed(
        format!("{what} {want:?}"),
        format!("{what} {seen:?}"),
    ))
}

/// The value at a JSON pointer, null when there is none.
pub(crate) fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

/// The string at a JSON pointer, empty when there is none.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    at(value, pointer).as_str().unwrap_or_default()
}

/// The array at a JSON pointer.
pub(crate) fn array<'a>(value: &'a Value, pointer: &str) -> Result<&'a [Value], Stop> {
    let there = at(value, pointer);
    let items = there.as_array().map(Vec::as_slice);
    items.ok_or_else(|| failed(format!("an array at {pointer}"), there))
}

/// The strings of an array at a JSON pointer; whatever is no string is left out.
pub(crate) fn strings(value: &Value, pointer: &str) -> Vec<String> {
    at(value, pointer)
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| item.as_str().map(ToOwned::to_owned))
        .collect()
}

/// Fails with the first place where two values differ.
pub(crate) fn same(what: &str, seen: &Value, want: &Value) -> Verdict {
    match difference(what.to_owned(), seen, want) {
        None => Ok(()),
        Some((place, seen, want)) => Err(failed(
            format!("{want} at {place}"),
            format!("{seen} at {place}"),
        )),
    }
}

fn difference(place: String, seen: &Value, want: &Value) -> Option<(String, Value, Value)> {
    match (seen, want) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            keys.filter_map(|key| {
                let of = |map: &'_ serde_json::Map<String, Value>| {
                    map.get(key).cloned().unwrap_or_default()
                };
                difference(format!("{place}/{key}"), &of(a), &of(b))
            })
            .next()
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let pairs = a.iter().zip(b).enumerate();
            pairs
                .filter_map(|(n, (a, b))| difference(format!("{place}/{n}"), a, b))
                .next()
        }
        (seen, want) => (seen != want).then(|| (place, seen.clone(), want.clone())),
    }
}
