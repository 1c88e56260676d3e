//! Texts as they stand in a question, whatever they hold.

use std::fmt::Write as _;

/// A text between single quotes, as InfluxQL reads it: a value.
///
/// A control character is `_`, as it is in what the sink writes; none may stand there (NUL ends the
/// statement).
#[must_use]
pub fn influxql_string(text: &str) -> String {
    influxql(text, '\'')
}

/// A text between double quotes, as InfluxQL reads it: the name of a measurement, a field, a tag.
/// Control characters are as in [`influxql_string`].
#[must_use]
pub fn influxql_identifier(name: &str) -> String {
    influxql(name, '"')
}

/// A text between double quotes, as PromQL reads it: the value a label must have.
#[must_use]
pub fn promql_string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '\\' | '"' => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// An expression between double quotes, as PromQL reads it, that matches these texts and no others.
#[must_use]
pub fn promql_pattern<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut pattern = String::new();
    for (at, text) in texts.into_iter().enumerate() {
        if at > 0 {
            pattern.push('|');
        }
        for c in text.chars() {
            if META.contains(c) {
                pattern.push('\\');
            }
            pattern.push(c);
        }
    }
    promql_string(&pattern)
}

/// What has a meaning in RE2's syntax, as Go's `regexp.QuoteMeta` has it.
const META: &str = r"\.+*?()|[]{}^$";

fn influxql(text: &str, mark: char) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push(mark);
    for c in text.chars() {
        match c {
            c if c == '\\' || c == mark => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if c.is_control() => quoted.push('_'),
            c => quoted.push(c),
        }
    }
    quoted.push(mark);
    quoted
}
