//! What a label selector selects, told a second time, to compare with.

use serde_json::{Map, Value};

/// One requirement of a selector; a selector holds when all of its requirements do.
#[derive(Clone, Debug)]
pub(super) enum Requirement {
    /// `key in (values)`, `key=value`.
    In(&'static str, &'static [&'static str]),
    /// `key notin (values)`, `key!=value`; holds for objects without the label too.
    NotIn(&'static str, &'static [&'static str]),
    /// `key`.
    Exists(&'static str),
    /// `!key`.
    Absent(&'static str),
    /// `key>number`.
    Above(&'static str, i64),
    /// `key<number`.
    Below(&'static str, i64),
}

impl Requirement {
    /// Whether an object's labels meet it.
    pub(super) fn holds(&self, labels: &Map<String, Value>) -> bool {
        let label = |key: &str| labels.get(key).and_then(Value::as_str);
        let number = |key: &str| label(key).and_then(|value| value.parse::<i64>().ok());
        match self {
            Self::In(key, values) => label(key).is_some_and(|v| values.contains(&v)),
            Self::NotIn(key, values) => label(key).is_none_or(|v| !values.contains(&v)),
            Self::Exists(key) => label(key).is_some(),
            Self::Absent(key) => label(key).is_none(),
            Self::Above(key, limit) => number(key).is_some_and(|n| n > *limit),
            Self::Below(key, limit) => number(key).is_some_and(|n| n < *limit),
        }
    }
}
