//! A list cut into pieces, in every form of text.

use super::negotiate::MediaType;
use super::{json, yaml};

/// What stands around the items of a list, and how items are written between it.
///
/// Whatever pieces the items are given in, frame and pieces together are byte for byte what the
/// whole list is when it is encoded at once. Indented JSON and YAML are derived from compact JSON
/// here, too.
#[derive(Clone, Debug)]
pub struct ListFrame {
    form: Form,
    /// How much of the compact list stands before its items.
    before: usize,
    head: Vec<u8>,
    tail: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Compact,
    Indented,
    Yaml,
}

/// What a compact list ends with behind its items, which stand last in it.
const CLOSE: &[u8] = b"]}";

impl ListFrame {
    /// The frame of a list that has an item or more; `empty` is the same without any, as compact
    /// JSON in which the items stand last. Of media types without text it is that of JSON.
    #[must_use]
    pub fn new(empty: &[u8], media_type: MediaType, pretty: bool) -> Self {
        let before = empty.strip_suffix(CLOSE).unwrap_or(empty);
        let form = match (media_type, pretty) {
            (MediaType::Yaml, _) => Form::Yaml,
            (MediaType::Json | MediaType::Protobuf, true) => Form::Indented,
            (MediaType::Json | MediaType::Protobuf, false) => Form::Compact,
        };
        let (head, tail) = match form {
            Form::Compact => (before.to_vec(), b"]}\n".to_vec()),
            Form::Indented => {
                let indented = json::indent(empty);
                let head = indented.strip_suffix(b"]\n}").unwrap_or(&indented);
                (head.to_vec(), b"\n  ]\n}".to_vec())
            }
            Form::Yaml => around_in_yaml(empty),
        };
        Self {
            form,
            before: before.len(),
            head,
            tail,
        }
    }

    /// What stands before the first item.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// What stands behind the last one.
    #[must_use]
    pub fn tail(&self) -> &[u8] {
        &self.tail
    }

    /// Appends the items of `list`, which is the compact list with some of the items and nothing
    /// else different; `first` when none came before them.
    pub fn write_items(&self, list: &[u8], first: bool, out: &mut Vec<u8>) {
        let end = list.len().saturating_sub(CLOSE.len());
        let items = list.get(self.before..end).unwrap_or_default();
        if items.is_empty() {
            return;
        }
        if !first && self.form != Form::Yaml {
            out.push(b',');
        }
        let array = || [b"[", items, b"]"].concat();
        match self.form {
            Form::Compact => out.extend_from_slice(items),
            // They are two levels deep, an array of them alone is one.
            Form::Indented => {
                let indented = json::indent_by(&array(), 2, 2);
                let inner = indented.strip_prefix(b"[").unwrap_or(&indented);
                out.extend_from_slice(inner.strip_suffix(b"\n  ]").unwrap_or(inner));
            }
            // A list under a key starts in the column of the key, as one alone does.
            Form::Yaml => out.extend_from_slice(&yaml::from_json(&array())),
        }
    }
}

/// The keys are sorted, so that some may stand behind the items.
fn around_in_yaml(empty: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let text = yaml::from_json(empty);
    let nothing = b"s: []\n";
    let at = text.windows(nothing.len()).position(|part| part == nothing);
    let at = at.unwrap_or(text.len());
    let (head, tail) = text.split_at(at);
    let tail = tail.strip_prefix(nothing).unwrap_or(tail);
    ([head, b"s:\n"].concat(), tail.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list of so many items under a name, as compact JSON.
    fn list(member: &str, items: std::ops::Range<usize>) -> Vec<u8> {
        let item = |n| match n % 3 {
            0 => format!(r#"{{"name":"p{n}","b":[],"a":{{"x":"items: []"}}}}"#),
            1 => format!(r#"{{"cells":["{n}","]}}"],"object":null}}"#),
            _ => format!(r#"{{"text":"two\nlines","n":"{n}"}}"#),
        };
        let items: Vec<String> = items.map(item).collect();
        let kind = r#""kind":"L","apiVersion":"g/v1","metadata":{"resourceVersion":"7"}"#;
        format!(r#"{{{kind},"{member}":[{}]}}"#, items.join(",")).into_bytes()
    }

    fn whole(list: &[u8], media_type: MediaType, pretty: bool) -> Vec<u8> {
        match (media_type, pretty) {
            (MediaType::Yaml, _) => yaml::from_json(list),
            (MediaType::Json | MediaType::Protobuf, true) => json::indent(list),
            (MediaType::Json | MediaType::Protobuf, false) => [list, b"\n"].concat(),
        }
    }

    #[test]
    fn a_list_is_the_same_in_whatever_pieces_it_comes() {
        for (media_type, pretty) in [
            (MediaType::Json, false),
            (MediaType::Json, true),
            (MediaType::Yaml, false),
        ] {
            for (member, step) in [("items", 1), ("items", 4), ("rows", 3), ("rows", 100)] {
                let frame = ListFrame::new(&list(member, 0..0), media_type, pretty);
                let mut out = frame.head().to_vec();
                for from in (0..11).step_by(step) {
                    let some = list(member, from..(from + step).min(11));
                    frame.write_items(&some, from == 0, &mut out);
                }
                frame.write_items(&list(member, 0..0), false, &mut out);
                out.extend_from_slice(frame.tail());
                let expected = whole(&list(member, 0..11), media_type, pretty);
                let texts = [out, expected].map(|text| String::from_utf8(text).unwrap());
                assert_eq!(
                    texts[0], texts[1],
                    "{media_type:?} {pretty} {member} {step}"
                );
            }
        }
    }
}
