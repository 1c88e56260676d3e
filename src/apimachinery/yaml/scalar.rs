//! How go-yaml v2 writes a string: plain where it reads back as the same string, quoted or literal
//! elsewhere.

use jiff::civil::Date;

/// The styles a string can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

/// What a look at every character of a string tells.
#[derive(Default)]
struct Shape {
    special: bool,
    space_before_break: bool,
    indicator: bool,
}

/// Chooses the style of `text`; a key is never of several lines.
pub(super) fn style(text: &str, is_key: bool) -> Style {
    let shape = Shape::of(text);
    if text.contains('\n') {
        let literal =
            !is_key && !text.ends_with(' ') && !shape.special && !shape.space_before_break;
        return if literal {
            Style::Literal
        } else {
            Style::DoubleQuoted
        };
    }
    if reads_as_other_type(text) || shape.special {
        return Style::DoubleQuoted;
    }
    let padded = text.starts_with(' ') || text.ends_with(' ');
    if padded || shape.indicator {
        return Style::SingleQuoted;
    }
    Style::Plain
}

/// Appends `c` as it stands in double quotes and tells how many columns it took.
pub(super) fn push_escaped(out: &mut String, c: char) -> usize {
    let before = out.len();
    match c {
        '"' | '\\' => out.extend(['\\', c]),
        '\0' => out.push_str("\\0"),
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\t' => out.push_str("\\t"),
        '\n' => out.push_str("\\n"),
        '\x0b' => out.push_str("\\v"),
        '\x0c' => out.push_str("\\f"),
        '\r' => out.push_str("\\r"),
        '\x1b' => out.push_str("\\e"),
        '\u{85}' => out.push_str("\\N"),
        '\u{2028}' => out.push_str("\\L"),
        '\u{2029}' => out.push_str("\\P"),
        c if is_printable(c) => {
            out.push(c);
            return 1;
        }
        c => {
            let code = u32::from(c);
            out.push_str(&match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            });
        }
    }
    out.len() - before
}

impl Shape {
    fn of(text: &str) -> Self {
        let mut shape = Self {
            indicator: text.starts_with("---") || text.starts_with("..."),
            ..Self::default()
        };
        let mut previous = ' ';
        let mut chars = text.chars().peekable();
        let mut first = true;
        while let Some(c) = chars.next() {
            let next = chars.peek().copied();
            let blank_follows = next.is_none_or(|next| matches!(next, ' ' | '\t' | '\n' | '\r'));
            shape.special |= !is_printable(c);
            shape.space_before_break |= c == '\n' && previous == ' ' && !first;
            shape.indicator |= match c {
                ':' => blank_follows,
                '#' => first || matches!(previous, ' ' | '\n'),
                '?' | '-' => first && blank_follows,
                ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
                | '@' | '`' => first,
                _ => false,
            };
            previous = c;
            first = false;
        }
        shape
    }
}

fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && !matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}')
}

/// Whether a plain `text` would be read as null, a boolean, a number or a time.
fn reads_as_other_type(text: &str) -> bool {
    let words = [
        "", "~", "null", "Null", "NULL", "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE",
        "on", "On", "ON", "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off",
        "OFF", ".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf",
        "-.Inf", "-.INF",
    ];
    words.contains(&text) || is_integer(text) || is_float(text) || is_base_60(text) || is_time(text)
}

/// What Go's `strconv.ParseInt` with base 0 reads, underscores removed.
fn is_integer(text: &str) -> bool {
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-')) {
        return false;
    }
    let text = text.replace('_', "");
    // go-yaml reads what follows `0b` by itself, and so with a sign of its own.
    if let Some(bits) = text.strip_prefix("0b")
        && i64::from_str_radix(bits, 2).is_ok()
    {
        return true;
    }
    let (digits, largest) = match text.split_at_checked(1) {
        Some(("+", digits)) => (digits, i64::MAX.unsigned_abs()),
        Some(("-", digits)) => (digits, i64::MIN.unsigned_abs()),
        _ => (text.as_str(), u64::MAX),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, digits.get(2..)),
        [b'0', b'o' | b'O', ..] => (8, digits.get(2..)),
        [b'0', b'b' | b'B', ..] => (2, digits.get(2..)),
        [b'0', _, ..] => (8, digits.get(1..)),
        _ => (10, Some(digits)),
    };
    let digits = digits.unwrap_or_default();
    let fits = u64::from_str_radix(digits, radix).is_ok_and(|number| number <= largest);
    fits && !digits.starts_with('+')
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, within the range of a `float64`;
/// underscores are removed, but not from what starts with a point.
fn is_float(text: &str) -> bool {
    if text.starts_with('_') || text.starts_with('.') && text.contains('_') {
        return false;
    }
    let text = text.replace('_', "");
    let number = text.strip_prefix(['+', '-']).unwrap_or(&text);
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (number, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    exponent
        && all_digits(whole)
        && all_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && number.parse().is_ok_and(f64::is_finite)
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// `[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`, which YAML 1.1 reads as a number of base 60.
fn is_base_60(text: &str) -> bool {
    let number = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (number, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let mut parts = number.split(':');
    let head = parts.next().unwrap_or_default();
    let sixtieth = |part: &str| match part.as_bytes() {
        [one] => one.is_ascii_digit(),
        [ten, one] => matches!(ten, b'0'..=b'5') && one.is_ascii_digit(),
        _ => false,
    };
    number.contains(':')
        && head.starts_with(|c: char| c.is_ascii_digit())
        && digits(head)
        && digits(fraction)
        && parts.all(sixtieth)
}

/// `YYYY-M-D`, alone or followed by a time of day: after `T` with an offset, after a space without.
fn is_time(text: &str) -> bool {
    match text.split_once(['T', 't', ' ']) {
        None => is_date(text),
        Some((date, time)) if text.contains(' ') => is_date(date) && is_time_of_day(time),
        Some((date, time)) => {
            let zulu = time.strip_suffix('Z');
            let time = zulu.or_else(|| {
                let (time, offset) = time.split_at_checked(time.len().checked_sub(6)?)?;
                is_offset(offset).then_some(time)
            });
            is_date(date) && time.is_some_and(is_time_of_day)
        }
    }
}

fn is_date(text: &str) -> bool {
    let [year, month, day] = *text.split('-').collect::<Vec<_>>().as_slice() else {
        return false;
    };
    let date = (year.parse(), two_digits(month), two_digits(day));
    match date {
        (Ok(year), Some(month), Some(day)) if all_digits(text.get(..4).unwrap_or("x")) => {
            text.find('-') == Some(4) && Date::new(year, month, day).is_ok()
        }
        _ => false,
    }
}

fn is_time_of_day(text: &str) -> bool {
    let (text, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let below = |text: &str, end: i8| two_digits(text).is_some_and(|number| number < end);
    match *text.split(':').collect::<Vec<_>>().as_slice() {
        [hour, minute, second] => {
            let clock = below(hour, 24) && below(minute, 60) && below(second, 60);
            clock && !fraction.is_empty() && all_digits(fraction)
        }
        _ => false,
    }
}

fn is_offset(text: &str) -> bool {
    match *text.as_bytes() {
        [b'+' | b'-', ref digits @ ..] => match *digits {
            [a, b, b':', c, d] => [a, b, c, d].iter().all(u8::is_ascii_digit),
            _ => false,
        },
        _ => false,
    }
}

fn two_digits(text: &str) -> Option<i8> {
    let fits = (1..=2).contains(&text.len()) && all_digits(text);
    fits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_as_another_type_is_in_double_quotes() {
        for text in [
            "",
            "~",
            "null",
            "yes",
            "y",
            "N",
            "true",
            "off",
            "1",
            "-5",
            "0x1f",
            "0o17",
            "017",
            "1_000",
            "1.5",
            ".5",
            "5.",
            "1e3",
            "-1.2E-4",
            ".inf",
            "12:30:45",
            "1:30",
            "2026-01-02",
            "2026-01-02T03:04:05Z",
            "0b-1",
            "-0x8000000000000000",
            "tab\there",
        ] {
            assert_eq!(style(text, false), Style::DoubleQuoted, "{text}");
        }
    }

    #[test]
    fn what_yaml_would_take_for_syntax_is_in_single_quotes() {
        for text in [
            "- a", "-", "a: b", "a:", "a #b", "#a", "*a", "&a", "!a", "@a", "`a", "%a", "{a", "[a",
            "'a'", "\"a\"", "? a", " a", "a ", "---", ", a", "> a", "|",
        ] {
            assert_eq!(style(text, false), Style::SingleQuoted, "{text}");
        }
    }

    #[test]
    fn everything_else_is_plain() {
        for text in [
            "a",
            "12056Ki",
            "250m",
            "15s",
            "a b",
            "a:b",
            "-a",
            "a#b",
            "1.2.3",
            "0b2",
            "08x",
            "metrics.k8s.io/v1",
            "größe",
            "it's",
            "n1",
            "?a",
            "2026-01",
            "1.5k",
            "0s",
            "1m0s",
            ".0_",
            "1e999",
            "-0x8000000000000001",
            "a\u{a0}b",
        ] {
            assert_eq!(style(text, false), Style::Plain, "{text}");
        }
    }

    #[test]
    fn several_lines_are_literal_unless_they_cannot_be() {
        assert_eq!(style("a\nb", false), Style::Literal);
        assert_eq!(style("a \nb", false), Style::DoubleQuoted);
        assert_eq!(style("a\nb ", false), Style::DoubleQuoted);
        assert_eq!(style("a\nb", true), Style::DoubleQuoted);
    }
}
