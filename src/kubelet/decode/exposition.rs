//! The text exposition format of Prometheus (0.0.4), line by line, without copying anything.
//!
//! Lenient where a kubelet or a proxy in between may differ (OpenMetrics stamps in seconds and
//! exemplars, CRLF, blanks around tokens), strict where a wrong guess would make a wrong number.

use std::str;

use memchr::{memchr, memchr2};

use super::lives::Key;
use super::number::{Decimal, NotDecimal};
use crate::domain::{ContainerName, Namespace, PodName, Timestamp};

/// What follows the name and labels of a sample line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    /// The value, if it is one a kubelet can have measured: finite and not negative.
    pub value: Option<Decimal>,
    /// The line's own stamp, if it carries one.
    pub at: Option<Timestamp>,
}

/// A line that does not follow the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// The last millisecond of the year 9999: RFC 3339 has no stamp beyond it.
const LAST_MILLI: i64 = 253_402_300_799_999;

/// Takes the next line off `body`, without its line end (`\n` or `\r\n`) and the blanks before it.
pub(super) fn next_line<'a>(body: &mut &'a [u8]) -> Option<&'a [u8]> {
    if body.is_empty() {
        return None;
    }
    let end = memchr(b'\n', body).unwrap_or(body.len());
    let (line, rest) = body.split_at_checked(end)?;
    *body = rest.strip_prefix(b"\n").unwrap_or(rest);
    Some(skip_blanks(line.strip_suffix(b"\r").unwrap_or(line)))
}

/// Splits a sample line behind the name of its series.
///
/// # Errors
/// [`Unreadable`] when the line does not begin with a metric name.
pub(super) fn split_name(line: &[u8]) -> Result<(&[u8], &[u8]), Unreadable> {
    let end = line
        .iter()
        .position(|b| !matches!(b, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b':'))
        .unwrap_or(line.len());
    let (name, rest) = line.split_at_checked(end).ok_or(Unreadable)?;
    match (name.first(), rest.first()) {
        (None | Some(b'0'..=b'9'), _) => Err(Unreadable),
        (_, None | Some(b'{' | b' ' | b'\t')) => Ok((name, rest)),
        _ => Err(Unreadable),
    }
}

/// What stands next among the labels of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Label<'a> {
    /// One label: its name, and its value as written, still escaped.
    Pair(&'a [u8], &'a [u8]),
    /// The closing brace, and what follows it.
    End(&'a [u8]),
}

/// The labels of a line, from behind the opening brace.
#[derive(Clone, Copy, Debug)]
struct Labels<'a> {
    rest: &'a [u8],
}

impl<'a> Labels<'a> {
    /// Begins behind the opening brace.
    const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// The next label, or the end of them.
    ///
    /// # Errors
    /// [`Unreadable`] when neither a label nor the closing brace stands here.
    fn next(&mut self) -> Result<Label<'a>, Unreadable> {
        let rest = skip_blanks(self.rest);
        if let [b'}', after @ ..] = rest {
            return Ok(Label::End(after));
        }
        let equals = memchr(b'=', rest).ok_or(Unreadable)?;
        let (name, rest) = rest.split_at_checked(equals).ok_or(Unreadable)?;
        let name = name.trim_ascii_end();
        let plain = |b: &u8| matches!(b, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_');
        if name.is_empty() || !name.iter().all(plain) {
            return Err(Unreadable);
        }
        let rest = skip_blanks(rest.strip_prefix(b"=").ok_or(Unreadable)?);
        let (value, rest) = quoted(rest.strip_prefix(b"\"").ok_or(Unreadable)?)?;
        let rest = skip_blanks(rest);
        self.rest = match rest {
            [b',', after @ ..] => after,
            [b'}', ..] => rest,
            _ => return Err(Unreadable),
        };
        Ok(Label::Pair(name, value))
    }
}

/// A sample of the node: labels are neither expected nor harmful.
pub(super) fn node_sample(rest: &[u8]) -> Result<Sample, Unreadable> {
    let Some(labels) = skip_blanks(rest).strip_prefix(b"{") else {
        return sample(rest);
    };
    let mut labels = Labels::new(labels);
    loop {
        if let Label::End(rest) = labels.next()? {
            return sample(rest);
        }
    }
}

/// Which container the labels speak of, and what follows the closing brace. Each of the three
/// labels must be there once; others may be.
pub(super) fn container_key(labels: &[u8]) -> Result<(Key<'_>, &[u8]), Unreadable> {
    let (mut namespace, mut pod, mut container) = (None, None, None);
    let mut labels = Labels::new(labels);
    let rest = loop {
        let (name, value) = match labels.next()? {
            Label::Pair(name, value) => (name, value),
            Label::End(rest) => break rest,
        };
        let place = match name {
            b"namespace" => &mut namespace,
            b"pod" => &mut pod,
            b"container" => &mut container,
            _ => continue,
        };
        if place.replace(value).is_some() {
            return Err(Unreadable);
        }
    };
    let key = Key {
        namespace: named(namespace, Namespace::is_valid)?,
        pod: named(pod, PodName::is_valid)?,
        container: named(container, ContainerName::is_valid)?,
    };
    Ok((key, rest))
}

/// A label's value as a name. An escaped value needs no unescaping: what is escaped (backslash,
/// quote, line end) stands in no name.
fn named(value: Option<&[u8]>, is_valid: fn(&str) -> bool) -> Result<&str, Unreadable> {
    let name = value.and_then(|value| str::from_utf8(value).ok());
    name.filter(|name| is_valid(name)).ok_or(Unreadable)
}

/// Reads value, stamp and exemplar from behind the name and labels of a line.
///
/// # Errors
/// [`Unreadable`] when there is no number, or a stamp that is none, or something unknown behind.
pub(super) fn sample(rest: &[u8]) -> Result<Sample, Unreadable> {
    let (value, rest) = token(rest);
    let value = match Decimal::parse(value) {
        Ok(value) => Some(value),
        Err(NotDecimal::NoMeasurement) => None,
        Err(NotDecimal::Malformed) => return Err(Unreadable),
    };
    let (stamp, rest) = token(rest);
    let (at, rest) = match stamp {
        [] | [b'#', ..] => return Ok(Sample { value, at: None }),
        stamp => (timestamp(stamp)?, rest),
    };
    match skip_blanks(rest) {
        [] | [b'#', ..] => Ok(Sample {
            value,
            at: Some(at),
        }),
        _ => Err(Unreadable),
    }
}

/// Whole milliseconds (Prometheus), or seconds with a fraction or exponent (OpenMetrics).
fn timestamp(text: &[u8]) -> Result<Timestamp, Unreadable> {
    if let Some(millis) = whole(text) {
        return stamp(millis).ok_or(Unreadable);
    }
    let in_seconds = text.iter().any(|b| matches!(b, b'.' | b'e' | b'E'));
    let number = Decimal::parse(text).map_err(|_| Unreadable)?;
    millis(number, if in_seconds { 3 } else { 0 }).ok_or(Unreadable)
}

/// The stamp `number × 10^power` milliseconds after the epoch, up to the end of the year 9999.
pub(super) fn millis(number: Decimal, power: i32) -> Option<Timestamp> {
    number.scaled(power).and_then(stamp)
}

fn stamp(millis: u64) -> Option<Timestamp> {
    let millis = i64::try_from(millis).ok().filter(|m| *m <= LAST_MILLI)?;
    Some(Timestamp::from_millis(millis))
}

/// A number written in 1 to 18 digits and nothing else, as nearly every stamp is.
fn whole(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    text.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + u64::from(byte - b'0'))
    })
}

/// Splits behind the closing quote; the value stays escaped.
fn quoted(text: &[u8]) -> Result<(&[u8], &[u8]), Unreadable> {
    let mut at = 0;
    loop {
        let from = text.get(at..).ok_or(Unreadable)?;
        let found = memchr2(b'"', b'\\', from).ok_or(Unreadable)?;
        at += found;
        if text.get(at) == Some(&b'"') {
            let value = text.get(..at).ok_or(Unreadable)?;
            return Ok((value, text.get(at + 1..).ok_or(Unreadable)?));
        }
        // The escaped byte is part of the value, whatever it is.
        at += 2;
    }
}

/// The next run of bytes without a blank, and what follows it.
fn token(text: &[u8]) -> (&[u8], &[u8]) {
    let text = skip_blanks(text);
    let end = text
        .iter()
        .position(|b| matches!(b, b' ' | b'\t'))
        .unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, b""))
}

pub(super) const fn skip_blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    text
}
