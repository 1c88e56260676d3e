//! JSON as Go's `encoding/json` writes it.

use std::io;

use serde::Serialize;
use serde_json::ser::Formatter;

/// Appends `value` in compact form. Fields stand in the order the type declares them.
///
/// A type that cannot be JSON (a map with keys that are no strings) is written as `null`; ours all
/// can.
pub fn write(out: &mut Vec<u8>, value: &impl Serialize) {
    let start = out.len();
    let mut serializer = serde_json::Serializer::with_formatter(&mut *out, GoFormatter);
    if value.serialize(&mut serializer).is_err() {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

/// Appends `text` as a JSON string, escaping as Go does: also `&`, `<`, `>`, U+2028 and U+2029.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    // Without a way out in the middle sixteen bytes are looked at at once.
    if text.bytes().fold(true, |plain, b| plain & is_plain(b)) {
        out.extend_from_slice(text.as_bytes());
    } else {
        text.chars().for_each(|c| write_char(out, c));
    }
    out.push(b'"');
}

/// `text` as a JSON string.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    write_string(&mut out, text);
    String::from_utf8(out).unwrap_or_default()
}

/// Indents compact JSON by two spaces as `json.MarshalIndent` does, without a newline at the end.
#[must_use]
pub fn indent(compact: &[u8]) -> Vec<u8> {
    indent_by(compact, 0, 2)
}

/// Indents compact JSON as `json.MarshalIndent` does with a prefix and an indent that are so many
/// spaces, without a newline at the end.
#[must_use]
pub fn indent_by(compact: &[u8], prefix: usize, width: usize) -> Vec<u8> {
    let new_line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.resize(out.len() + prefix + width * depth, b' ');
    };
    let mut out = Vec::with_capacity(compact.len() * 2);
    let mut depth = 0_usize;
    let mut bytes = compact.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                out.push(byte);
                copy_string(&mut bytes, &mut out);
            }
            b'{' | b'[' => {
                out.push(byte);
                if let Some(close) = bytes.next_if(|next| matches!(next, b'}' | b']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                new_line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            byte => out.push(byte),
        }
    }
    out
}

/// Copies the rest of a string with its closing quote.
fn copy_string(bytes: &mut impl Iterator<Item = u8>, out: &mut Vec<u8>) {
    let mut escaped = false;
    for byte in bytes {
        out.push(byte);
        match byte {
            b'"' if !escaped => return,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
}

const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\' | b'&' | b'<' | b'>')
}

fn write_char(out: &mut Vec<u8>, c: char) {
    match c {
        '"' | '\\' => out.extend([b'\\', u8::try_from(c).unwrap_or_default()]),
        '\x08' => out.extend_from_slice(b"\\b"),
        '\x0c' => out.extend_from_slice(b"\\f"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        '&' | '<' | '>' | '\u{2028}' | '\u{2029}' | '\0'..' ' => {
            out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes());
        }
        c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// A number as Go writes it: no fraction where there is none, an exponent only far from one.
fn go_float(value: f64) -> String {
    if value == 0.0 || (1e-6..1e21).contains(&value.abs()) {
        return value.to_string();
    }
    let text = format!("{value:e}");
    if value.abs() < 1.0 {
        return text;
    }
    text.replacen('e', "e+", 1)
}

/// The compact form of `serde_json` with the escapes Go adds, and Go's floats.
struct GoFormatter;

impl Formatter for GoFormatter {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(go_float(value).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if fragment.bytes().all(is_plain) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut out = Vec::with_capacity(fragment.len() + 8);
        fragment.chars().for_each(|c| write_char(&mut out, c));
        writer.write_all(&out)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn string(text: &str) -> String {
        let mut out = Vec::new();
        write_string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_are_escaped_as_go_does() {
        for (text, written) in [
            ("plain", r#""plain""#),
            ("<a&b>", r#""\u003ca\u0026b\u003e""#),
            ("\u{2028}ü\u{2029}", r#""\u2028ü\u2029""#),
            ("\"\\\n\r\t\u{8}\u{c}\u{1}", r#""\"\\\n\r\t\b\f\u0001""#),
            ("\u{7f}😀", "\"\u{7f}😀\""),
        ] {
            assert_eq!(string(text), written);
            let mut out = Vec::new();
            write(&mut out, &text);
            assert_eq!(String::from_utf8(out).unwrap(), written);
        }
    }

    #[test]
    fn indents_as_go_does() {
        let mut compact = Vec::new();
        let value = json!({"a": [], "b": {}, "c": [1, {"d": "x\\\",{[:"}], "e": null});
        write(&mut compact, &value);
        let expected = "{\n  \"a\": [],\n  \"b\": {},\n  \"c\": [\n    1,\n    {\n      \"d\": \"x\\\\\\\",{[:\"\n    }\n  ],\n  \"e\": null\n}";
        assert_eq!(String::from_utf8(indent(&compact)).unwrap(), expected);
    }

    #[test]
    fn a_prefix_stands_before_every_line_but_the_first() {
        let indented = indent_by(br#"{"a":["b"],"c":[]}"#, 1, 1);
        let expected = "{\n  \"a\": [\n   \"b\"\n  ],\n  \"c\": []\n }";
        assert_eq!(String::from_utf8(indented).unwrap(), expected);
    }

    #[test]
    fn floats_are_written_as_go_does() {
        for (value, written) in [
            (0.0, "0"),
            (1.0, "1"),
            (-2.5, "-2.5"),
            (0.1, "0.1"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.25e-9, "1.25e-9"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (123_456_789.125, "123456789.125"),
        ] {
            let mut out = Vec::new();
            write(&mut out, &value);
            assert_eq!(String::from_utf8(out).unwrap(), written);
        }
    }

    #[test]
    fn what_cannot_be_json_is_null() {
        let mut out = b"x".to_vec();
        write(&mut out, &std::collections::BTreeMap::from([((1, 2), 3)]));
        assert_eq!(out, b"xnull");
    }
}
