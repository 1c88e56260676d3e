//! YAML as `sigs.k8s.io/yaml` prints it: the JSON of a value, keys sorted, in block style.

mod order;
mod scalar;

use serde_json::Value;

use scalar::Style;

/// Prints JSON as YAML. JSON that cannot be read, which ours never is, prints as `null`.
#[must_use]
pub fn from_json(json: &[u8]) -> Vec<u8> {
    let value = serde_json::from_slice(json).unwrap_or(Value::Null);
    let mut printer = Printer::default();
    printer.value(&value, 0, Place::Root);
    printer.end_line();
    printer.out.into_bytes()
}

/// Where a value stands, which decides what comes before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    AfterKey,
    AfterDash,
}

#[derive(Default)]
struct Printer {
    out: String,
}

/// Plain and quoted text is folded at the first space after this column, as libyaml does.
const BEST_WIDTH: usize = 80;

/// A longer key is marked by a `?`, as libyaml does.
const LONGEST_SIMPLE_KEY: usize = 128;

impl Printer {
    fn value(&mut self, value: &Value, indent: usize, place: Place) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                let entries = order::sorted(map.iter());
                let indent = if place == Place::Root { 0 } else { indent + 2 };
                for (at, (key, value)) in entries.into_iter().enumerate() {
                    if at > 0 || place == Place::AfterKey {
                        self.new_line(indent);
                    }
                    self.entry(key, value, indent);
                }
            }
            Value::Array(list) if !list.is_empty() => {
                // A list under a key starts in the column of the key.
                let indent = if place == Place::AfterDash {
                    indent + 2
                } else {
                    indent
                };
                for (at, value) in list.iter().enumerate() {
                    if at > 0 || place == Place::AfterKey {
                        self.new_line(indent);
                    }
                    self.out.push_str("- ");
                    self.value(value, indent, Place::AfterDash);
                }
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => {
                if place == Place::AfterKey {
                    self.out.push(' ');
                }
                self.leaf(value, indent);
            }
        }
    }

    fn entry(&mut self, key: &str, value: &Value, indent: usize) {
        if key.len() <= LONGEST_SIMPLE_KEY && !key.contains('\n') {
            self.scalar(key, indent, true);
            self.out.push(':');
            self.value(value, indent, Place::AfterKey);
        } else {
            self.out.push_str("? ");
            self.scalar(key, indent, false);
            self.new_line(indent);
            self.out.push_str(": ");
            self.value(value, indent, Place::AfterDash);
        }
    }

    fn leaf(&mut self, leaf: &Value, indent: usize) {
        match leaf {
            Value::String(text) => self.scalar(text, indent, false),
            Value::Object(_) => self.out.push_str("{}"),
            Value::Array(_) => self.out.push_str("[]"),
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                self.out.push_str(&leaf.to_string());
            }
        }
    }

    fn scalar(&mut self, text: &str, indent: usize, is_key: bool) {
        match scalar::style(text, is_key) {
            Style::Plain => self.folded(text, indent, is_key),
            Style::SingleQuoted => {
                self.out.push('\'');
                self.folded(&text.replace('\'', "''"), indent, is_key);
                self.out.push('\'');
            }
            Style::DoubleQuoted => self.double_quoted(text, indent, is_key),
            Style::Literal => self.literal(text, indent),
        }
    }

    fn folded(&mut self, text: &str, indent: usize, is_key: bool) {
        let mut column = self.column();
        let mut after_space = true;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let inner = !after_space && chars.peek().is_some_and(|next| *next != ' ');
            if c == ' ' && !is_key && column > BEST_WIDTH && inner {
                self.new_line(indent + 2);
                column = indent + 2;
            } else {
                self.out.push(c);
                column += 1;
            }
            after_space = c == ' ';
        }
    }

    fn double_quoted(&mut self, text: &str, indent: usize, is_key: bool) {
        self.out.push('"');
        let mut column = self.column();
        let mut after_space = true;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let next = chars.peek();
            if c == ' ' && !is_key && !after_space && column > BEST_WIDTH && next.is_some() {
                self.new_line(indent + 2);
                column = indent + 2;
                if next == Some(&' ') {
                    self.out.push('\\');
                }
            } else {
                column += scalar::push_escaped(&mut self.out, c);
            }
            after_space = c == ' ';
        }
        self.out.push('"');
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.out.push('|');
        if text.starts_with([' ', '\n']) {
            self.out.push('2');
        }
        if !text.ends_with('\n') {
            self.out.push('-');
        } else if text.ends_with("\n\n") || text == "\n" {
            self.out.push('+');
        }
        for line in text.split_inclusive('\n') {
            if line == "\n" {
                self.end_line();
                self.out.push('\n');
            } else {
                self.new_line(indent + 2);
                self.out.push_str(line);
            }
        }
    }

    /// Starts a line unless one has just begun, and indents it.
    fn new_line(&mut self, indent: usize) {
        self.end_line();
        self.out.extend(std::iter::repeat_n(' ', indent));
    }

    fn end_line(&mut self) {
        if !self.out.ends_with('\n') {
            self.out.push('\n');
        }
    }

    fn column(&self) -> usize {
        self.out.chars().rev().take_while(|c| *c != '\n').count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yaml(json: &str) -> String {
        String::from_utf8(from_json(json.as_bytes())).unwrap()
    }

    #[test]
    fn keys_are_sorted_and_lists_start_in_their_keys_column() {
        let json = r#"{"kind":"L","metadata":{},"items":[{"usage":{"memory":"1Mi","cpu":"5m"},"a":[]},[1,true],[{"x":null}]],"apiVersion":"v1"}"#;
        let expected = "apiVersion: v1
items:
- a: []
  usage:
    cpu: 5m
    memory: 1Mi
- - 1
  - true
- - x: null
kind: L
metadata: {}
";
        assert_eq!(yaml(json), expected);
    }

    #[test]
    fn empty_documents_are_in_flow_style() {
        assert_eq!(yaml("{}"), "{}\n");
        assert_eq!(yaml("[]"), "[]\n");
        assert_eq!(yaml("\"a\""), "a\n");
    }

    #[test]
    fn keys_are_quoted_where_values_would_be() {
        assert_eq!(
            yaml(r#"{"y":1,"true":2,"a b":3,"1":4}"#),
            "\"1\": 4\na b: 3\n\"true\": 2\n\"y\": 1\n"
        );
    }

    #[test]
    fn text_of_several_lines_is_literal() {
        assert_eq!(
            yaml(r#"{"a":"x\ny","b":"x\n","c":"x\n\ny\n\n"}"#),
            "a: |-\n  x\n  y\nb: |\n  x\nc: |+\n  x\n\n  y\n\n"
        );
        assert_eq!(yaml(r#"{"a":" x\ny"}"#), "a: |2-\n   x\n  y\n");
    }

    #[test]
    fn long_text_is_folded_after_column_eighty() {
        let long = "0123456789 ".repeat(10);
        let json = format!(r#"{{"m":"{}"}}"#, long.trim_end());
        let (first, rest) = (long[..87].trim_end(), long[88..].trim_end());
        assert_eq!(yaml(&json), format!("m: {first}\n  {rest}\n"));
    }
}
