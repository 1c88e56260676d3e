//! Which label keys and values Kubernetes admits, and its words for those it does not.

use super::InvalidLabelSelector;
use crate::apimachinery::quote::Quoted;

const NAME_FORMAT: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const SUBDOMAIN_FORMAT: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";

/// Checks a label key: a qualified name with an optional DNS subdomain before a slash.
pub(super) fn check_key(key: &str) -> Result<(), InvalidLabelSelector> {
    let wrong = wrong_in_key(key);
    if wrong.is_empty() {
        return Ok(());
    }
    // Go reports the key of a parsed selector under a path that is nil.
    Err(InvalidLabelSelector::new(format!(
        "<nil>: Invalid value: {}: {}",
        Quoted(key),
        wrong.join("; ")
    )))
}

/// What is wrong with the value at `index` of the requirement on `key`, as Go's field error;
/// nothing if it is valid.
pub(super) fn wrong_value(key: &str, index: usize, value: &str) -> Option<String> {
    let mut wrong = Vec::new();
    if value.len() > 63 {
        wrong.push("must be no more than 63 bytes".to_owned());
    }
    if !value.is_empty() && !is_name(value) {
        wrong.push(format!(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and \
             must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex \
             used for validation is '({NAME_FORMAT})?')"
        ));
    }
    let value = Quoted(value);
    (!wrong.is_empty()).then(|| {
        format!(
            "values[{index}][{key}]: Invalid value: {value}: {}",
            wrong.join("; ")
        )
    })
}

fn wrong_in_key(key: &str) -> Vec<String> {
    let name_rule = format!(
        "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
         character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{NAME_FORMAT}')"
    );
    let mut wrong = Vec::new();
    let name = match key.split_once('/') {
        None => key,
        Some((_, name)) if name.contains('/') => {
            return vec![format!(
                "a valid label key {name_rule} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
        Some((prefix, name)) => {
            wrong_in_prefix(prefix, &mut wrong);
            name
        }
    };
    if name.is_empty() {
        wrong.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        wrong.push("name part must be no more than 63 bytes".to_owned());
    }
    if !is_name(name) {
        wrong.push(format!("name part {name_rule}"));
    }
    wrong
}

fn wrong_in_prefix(prefix: &str, wrong: &mut Vec<String>) {
    if prefix.is_empty() {
        wrong.push("prefix part must be non-empty".to_owned());
        return;
    }
    if prefix.len() > 253 {
        wrong.push("prefix part must be no more than 253 bytes".to_owned());
    }
    if !prefix.split('.').all(is_dns_label) {
        wrong.push(format!(
            "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or \
             '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for \
             validation is '{SUBDOMAIN_FORMAT}')"
        ));
    }
}

fn is_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    ends_with(text, |b| b.is_ascii_alphanumeric()) && text.bytes().all(inner)
}

fn is_dns_label(text: &str) -> bool {
    let outer = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    ends_with(text, outer) && text.bytes().all(|b| outer(b) || b == b'-')
}

/// Whether the first and the last byte are such; false for the empty text.
fn ends_with(text: &str, outer: impl Fn(u8) -> bool) -> bool {
    text.bytes().next().is_some_and(&outer) && text.bytes().next_back().is_some_and(&outer)
}
