//! Times in a query, read as Go's `time.Parse(time.RFC3339, …)` reads them, with its errors.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::domain::Timestamp;

/// An instant of Go's `time.Time`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GoTime {
    /// Seconds since the Unix epoch.
    pub(super) seconds: i64,
    /// Nanoseconds after that second.
    pub(super) nanos: u32,
}

/// Why a text is no RFC 3339 time, in Go's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parsing time {text}{why}")]
pub(super) struct InvalidTime {
    text: String,
    why: String,
}

impl GoTime {
    /// Go's zero time, the first instant of year 1.
    pub(super) const ZERO: Self = Self {
        seconds: -62_135_596_800,
        nanos: 0,
    };

    /// Reads an RFC 3339 time. Like Go, takes an hour of one digit, a comma before the fraction,
    /// and any length of it.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidTime> {
        let mut reader = Reader {
            text,
            rest: text.as_bytes(),
        };
        let year = reader.year()?;
        reader.literal(b'-', "-")?;
        let month = reader.number("01", 2, 1..=12, "month")?;
        reader.literal(b'-', "-")?;
        let day = reader.number("02", 2, 0..=99, "day")?;
        reader.literal(b'T', "T")?;
        let hour = reader.number("15", 1, 0..=23, "hour")?;
        reader.literal(b':', ":")?;
        let minute = reader.number("04", 2, 0..=59, "minute")?;
        reader.literal(b':', ":")?;
        let second = reader.number("05", 2, 0..=59, "second")?;
        let nanos = reader.fraction();
        let offset = reader.zone()?;
        if !reader.rest.is_empty() {
            let extra = quote(reader.rest);
            return Err(reader.error(format!(": extra text: {extra}")));
        }
        let at = DateTime::new(year, month, day, hour, minute, second, 0)
            .map_err(|_| reader.error(": day out of range".to_owned()))?;
        // Only the last day of year 9999 is beyond what `jiff` counts.
        let at = Offset::UTC.to_timestamp(at).unwrap_or(jiff::Timestamp::MAX);
        let seconds = at.as_second() - offset;
        Ok(Self { seconds, nanos })
    }

    /// The first whole millisecond that is not before this instant.
    pub(super) fn ceil(self) -> Timestamp {
        self.millis(self.nanos.div_ceil(1_000_000))
    }

    /// The last whole millisecond that is not after this instant.
    pub(super) fn floor(self) -> Timestamp {
        self.millis(self.nanos / 1_000_000)
    }

    fn millis(self, of_second: u32) -> Timestamp {
        Timestamp::from_millis(self.seconds * 1000 + i64::from(of_second))
    }
}

/// The text that is left, and the whole of it for the error.
struct Reader<'t> {
    text: &'t str,
    rest: &'t [u8],
}

impl Reader<'_> {
    fn literal(&mut self, byte: u8, element: &str) -> Result<(), InvalidTime> {
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                Ok(())
            }
            _ => Err(self.unexpected(element)),
        }
    }

    fn year(&mut self) -> Result<i16, InvalidTime> {
        let head = self.rest.split_first_chunk::<4>();
        let Some((digits, rest)) = head.filter(|(head, _)| head.iter().all(u8::is_ascii_digit))
        else {
            return Err(self.unexpected("2006"));
        };
        self.rest = rest;
        Ok(digits.iter().fold(0, |n, d| n * 10 + i16::from(d - b'0')))
    }

    /// A number of two digits, or of `least` if fewer are there.
    fn number(
        &mut self,
        element: &str,
        least: usize,
        range: std::ops::RangeInclusive<i8>,
        name: &str,
    ) -> Result<i8, InvalidTime> {
        let digits = self.rest.iter().take(2).take_while(|b| b.is_ascii_digit());
        let (count, value) = digits.fold((0, 0_u8), |(count, n), d| (count + 1, n * 10 + d - b'0'));
        if count < least {
            return Err(self.unexpected(element));
        }
        self.rest = self.rest.get(count..).unwrap_or_default();
        let value = i8::try_from(value).unwrap_or(i8::MAX);
        if !range.contains(&value) {
            return Err(self.error(format!(": {name} out of range")));
        }
        Ok(value)
    }

    /// The fraction of a second, if one follows, in nanoseconds; further digits are dropped.
    fn fraction(&mut self) -> u32 {
        let Some((b'.' | b',', rest)) = self.rest.split_first() else {
            return 0;
        };
        let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = rest.split_at_checked(count).unwrap_or_default();
        if count == 0 {
            return 0;
        }
        self.rest = rest;
        let nine = digits.iter().map(|d| u32::from(d - b'0'));
        let nine = nine.chain(std::iter::repeat(0)).take(9);
        nine.fold(0, |n, digit| n * 10 + digit)
    }

    /// `Z` or an offset, in seconds. Go takes 24 hours and 60 minutes for an offset, and judges
    /// their range before anything else.
    fn zone(&mut self) -> Result<i64, InvalidTime> {
        if let Some((b'Z', rest)) = self.rest.split_first() {
            self.rest = rest;
            return Ok(0);
        }
        let Some((&[sign, h0, h1, b':', m0, m1], rest)) = self.rest.split_first_chunk() else {
            return Err(self.unexpected("Z07:00"));
        };
        let hours = two_digits(h0, h1);
        let minutes = hours.and_then(|_| two_digits(m0, m1));
        if minutes.is_some_and(|minutes| minutes > 60) {
            return Err(self.error(": time zone offset minute out of range".to_owned()));
        }
        if hours.is_some_and(|hours| hours > 24) {
            return Err(self.error(": time zone offset hour out of range".to_owned()));
        }
        let (Some(hours), Some(minutes)) = (hours, minutes) else {
            return Err(self.unexpected("Z07:00"));
        };
        let seconds = (hours * 60 + minutes) * 60;
        let offset = match sign {
            b'+' => seconds,
            b'-' => -seconds,
            _ => return Err(self.unexpected("Z07:00")),
        };
        self.rest = rest;
        Ok(offset)
    }

    fn unexpected(&self, element: &str) -> InvalidTime {
        let found = quote(self.rest);
        self.error(format!(
            " as \"2006-01-02T15:04:05Z07:00\": cannot parse {found} as \"{element}\""
        ))
    }

    fn error(&self, why: String) -> InvalidTime {
        let text = quote(self.text.as_bytes());
        InvalidTime { text, why }
    }
}

fn two_digits(tens: u8, ones: u8) -> Option<i64> {
    let digit = |byte: u8| char::from(byte).to_digit(10).map(i64::from);
    Some(digit(tens)? * 10 + digit(ones)?)
}

/// The quoting of package `time`, which is not `%q`: what is not printable ASCII becomes `\xNN`.
fn quote(text: &[u8]) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b' '..=0x7f => quoted.push(char::from(byte)),
            _ => quoted.push_str(&format!("\\x{byte:02x}")),
        }
    }
    quoted.push('"');
    quoted
}

/// A stamp as Go's `time.Time` marshals in UTC: RFC 3339 with as much of a fraction as there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp(pub(super) Option<Timestamp>);

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(at) = self.0 else {
            return f.write_str("0001-01-01T00:00:00Z");
        };
        let seconds = crate::apimachinery::Rfc3339::from(at);
        let whole = seconds.as_str().trim_end_matches('Z');
        match at.as_millis().rem_euclid(1000) {
            0 => write!(f, "{whole}Z"),
            millis => {
                let fraction = format!("{millis:03}");
                write!(f, "{whole}.{}Z", fraction.trim_end_matches('0'))
            }
        }
    }
}

impl serde::Serialize for Stamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
