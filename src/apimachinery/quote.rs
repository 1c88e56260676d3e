//! Go's quoting of text inside messages.

use std::fmt::{self, Write};

/// Prints a text as Go's `%q` does: in double quotes, with what cannot be printed escaped.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c => printable(f, c)?,
            }
        }
        f.write_char('"')
    }
}

/// Prints a text as it is, but what cannot be printed as [`Quoted`] does: for texts of Go's that
/// quote nothing.
#[derive(Clone, Copy, Debug)]
pub struct Unquoted<'a>(pub &'a str);

impl fmt::Display for Unquoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| printable(f, c))
    }
}

fn printable(f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    match c {
        '\x07' => f.write_str("\\a"),
        '\x08' => f.write_str("\\b"),
        '\x0c' => f.write_str("\\f"),
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        '\x0b' => f.write_str("\\v"),
        c if is_printable(c) => f.write_char(c),
        c if c.is_ascii() => write!(f, "\\x{:02x}", u32::from(c)),
        c if u32::from(c) <= 0xffff => write!(f, "\\u{:04x}", u32::from(c)),
        c => write!(f, "\\U{:08x}", u32::from(c)),
    }
}

/// Near enough to `strconv.IsPrint`: no control, space (but U+0020), format or private character.
fn is_printable(c: char) -> bool {
    let hidden = matches!(c,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}'..='\u{ffff}'
        | '\u{e0000}'..='\u{10ffff}');
    c == ' ' || !(hidden || c.is_control() || c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_go_does() {
        for (text, quoted) in [
            ("n1", r#""n1""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("a\n\t\u{1}\u{7f}", r#""a\n\t\x01\x7f""#),
            ("größe", r#""größe""#),
            ("\u{2028}\u{a0}", r#""\u2028\u00a0""#),
        ] {
            assert_eq!(Quoted(text).to_string(), quoted);
        }
    }

    #[test]
    fn without_quotes_only_what_cannot_be_printed_is_escaped() {
        let text = "a=\"b\\c\" \0\u{2028}";
        assert_eq!(Unquoted(text).to_string(), r#"a="b\c" \x00\u2028"#);
    }
}
