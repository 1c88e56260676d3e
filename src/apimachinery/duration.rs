//! `time.Duration` of Go: its text form, printed and read.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A duration as Go holds it: signed nanoseconds in 64 bits.
///
/// Prints as `Duration.String` (`15s`, `1m0.5s`, `15.237s`, `500ms`, `0s`) and reads what
/// `time.ParseDuration` reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration {
    nanos: i64,
}

/// A text that is no duration, in Go's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDuration {
    /// Not a number, or larger than the type holds.
    #[error("time: invalid duration {}", quoted(.0))]
    Malformed(Box<str>),
    /// A number without a unit.
    #[error("time: missing unit in duration {}", quoted(.0))]
    MissingUnit(Box<str>),
    /// A unit Go does not know: the unit, and the whole text.
    #[error("time: unknown unit {} in duration {}", quoted(.0), quoted(.1))]
    UnknownUnit(Box<str>, Box<str>),
}

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// The magnitude of the most negative duration.
const MOST: u64 = 1 << 63;

impl GoDuration {
    /// A duration of this many nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self { nanos }
    }

    /// Nanoseconds.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.nanos
    }

    /// The duration, unless it is negative.
    #[must_use]
    pub fn to_std(self) -> Option<Duration> {
        u64::try_from(self.nanos).ok().map(Duration::from_nanos)
    }
}

impl From<Duration> for GoDuration {
    /// Holds what is longer than 292 years at the longest Go has.
    fn from(duration: Duration) -> Self {
        Self {
            nanos: i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX),
        }
    }
}

impl GoDuration {
    /// Appends the text to `out`; allocates only what `out` must grow.
    pub fn write_to(self, out: &mut Vec<u8>) {
        let total = self.nanos.unsigned_abs();
        if self.nanos < 0 {
            out.push(b'-');
        }
        match total {
            0 => out.extend_from_slice(b"0s"),
            1..MICROSECOND => decimal(out, total, 1, "ns"),
            MICROSECOND..MILLISECOND => decimal(out, total, MICROSECOND, "µs"),
            MILLISECOND..SECOND => decimal(out, total, MILLISECOND, "ms"),
            _ => {
                if total >= HOUR {
                    decimal(out, total / HOUR, 1, "h");
                }
                if total >= MINUTE {
                    decimal(out, total / MINUTE % 60, 1, "m");
                }
                decimal(out, total % MINUTE, SECOND, "s");
            }
        }
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::with_capacity(24);
        self.write_to(&mut out);
        f.write_str(str::from_utf8(&out).unwrap_or_default())
    }
}

/// Writes `nanos / unit` with as many decimals as it has, none of them a trailing zero.
fn decimal(out: &mut Vec<u8>, nanos: u64, unit: u64, name: &str) {
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(digits.format(nanos / unit).as_bytes());
    let (mut rest, mut place) = (nanos % unit, unit / 10);
    if rest > 0 {
        out.push(b'.');
    }
    while rest > 0 {
        out.extend_from_slice(digits.format(rest / place).as_bytes());
        rest %= place;
        place /= 10;
    }
    out.extend_from_slice(name.as_bytes());
}

impl FromStr for GoDuration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        let malformed = || InvalidDuration::Malformed(text.into());
        let (negative, mut rest) = match text.strip_prefix(['-', '+']) {
            Some(rest) => (text.starts_with('-'), rest),
            None => (false, text),
        };
        if rest == "0" {
            return Ok(Self::default());
        }
        if rest.is_empty() {
            return Err(malformed());
        }
        let mut total = 0_u64;
        while !rest.is_empty() {
            let (nanos, next) = term(rest, text)?;
            total = total
                .checked_add(nanos)
                .filter(|total| *total <= MOST)
                .ok_or_else(malformed)?;
            rest = next;
        }
        let nanos = match (negative, i64::try_from(total)) {
            (true, Ok(nanos)) => -nanos,
            (true, Err(_)) => i64::MIN,
            (false, Ok(nanos)) => nanos,
            (false, Err(_)) => return Err(malformed()),
        };
        Ok(Self { nanos })
    }
}

/// Reads one number with its unit from the start of `rest`; `whole` is the text errors quote.
fn term<'a>(rest: &'a str, whole: &str) -> Result<(u64, &'a str), InvalidDuration> {
    let malformed = || InvalidDuration::Malformed(whole.into());
    let (integer, after) = split_digits(rest);
    let (fraction, after) = match after.strip_prefix('.') {
        Some(after) => split_digits(after),
        None => ("", after),
    };
    if integer.is_empty() && fraction.is_empty() {
        return Err(malformed());
    }
    let value = if integer.is_empty() {
        0
    } else {
        integer.parse::<u64>().map_err(|_| malformed())?
    };
    let unit_len = after
        .bytes()
        .take_while(|b| !matches!(b, b'.' | b'0'..=b'9'))
        .count();
    let (name, next) = after.split_at(unit_len);
    let unit = match name {
        "" => return Err(InvalidDuration::MissingUnit(whole.into())),
        "ns" => 1,
        "us" | "µs" | "μs" => MICROSECOND,
        "ms" => MILLISECOND,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        _ => return Err(InvalidDuration::UnknownUnit(name.into(), whole.into())),
    };
    let nanos = value
        .checked_mul(unit)
        .and_then(|nanos| nanos.checked_add(part_of(fraction, unit)))
        .filter(|nanos| *nanos <= MOST)
        .ok_or_else(malformed)?;
    Ok((nanos, next))
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

/// `0.fraction × unit` in nanoseconds, with the rounding of Go's floating point.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "Go computes it in float64 and drops the rest; the result is between 0 and 3.6e12"
)]
fn part_of(fraction: &str, unit: u64) -> u64 {
    let (mut digits, mut scale) = (0_u64, 1_f64);
    for byte in fraction.bytes() {
        let longer = digits
            .checked_mul(10)
            .and_then(|digits| digits.checked_add(u64::from(byte.wrapping_sub(b'0'))));
        match longer {
            Some(longer) if longer <= MOST => {
                digits = longer;
                scale *= 10.0;
            }
            // Go ignores the digits its integer cannot hold.
            _ => break,
        }
    }
    (digits as f64 * (unit as f64 / scale)) as u64
}

/// Quotes as Go's `time` package does: bytes outside printable ASCII as `\xNN`.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b' '..0x80 => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<i64, String> {
        text.parse::<GoDuration>()
            .map(GoDuration::as_nanos)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn prints_as_go_does() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (500_000_000, "500ms"),
            (3_300_000_000, "3.3s"),
            (15_000_000_000, "15s"),
            (15_237_000_000, "15.237s"),
            (60_000_000_000, "1m0s"),
            (60_500_000_000, "1m0.5s"),
            (245_000_000_000, "4m5s"),
            (18_367_000_000_000, "5h6m7s"),
            (-1_500_000_000, "-1.5s"),
            (i64::MAX, "2562047h47m16.854775807s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(GoDuration::from_nanos(nanos).to_string(), text);
        }
    }

    #[test]
    fn reads_every_form_go_reads() {
        for (text, nanos) in [
            ("0", 0),
            ("-0", 0),
            ("5s", 5_000_000_000),
            ("+5s", 5_000_000_000),
            ("5.s", 5_000_000_000),
            (".5s", 500_000_000),
            ("-1.5h", -5_400_000_000_000),
            ("1m0.5s", 60_500_000_000),
            ("100µs", 100_000),
            ("12μs", 12_000),
            ("12us", 12_000),
            ("14ns", 14),
            ("39h9m14.425s", 140_954_425_000_000),
            ("0.3333333333333333333h", 1_200_000_000_000),
            ("0.100000000000000000000h", 360_000_000_000),
            ("9007199254740993ns", 9_007_199_254_740_993),
            ("9223372036854775807ns", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
        ] {
            assert_eq!(read(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest_in_gos_words() {
        for (text, error) in [
            ("", r#"time: invalid duration """#),
            ("3", r#"time: missing unit in duration "3""#),
            ("-", r#"time: invalid duration "-""#),
            ("s", r#"time: invalid duration "s""#),
            (".", r#"time: invalid duration ".""#),
            ("-.s", r#"time: invalid duration "-.s""#),
            ("1x", r#"time: unknown unit "x" in duration "1x""#),
            ("1d", r#"time: unknown unit "d" in duration "1d""#),
            ("1s 2s", r#"time: unknown unit "s " in duration "1s 2s""#),
            (
                "9223372036854775808ns",
                r#"time: invalid duration "9223372036854775808ns""#,
            ),
            ("3000000h", r#"time: invalid duration "3000000h""#),
            (
                "1\u{ff}\"",
                r#"time: unknown unit "\xc3\xbf\"" in duration "1\xc3\xbf\"""#,
            ),
        ] {
            assert_eq!(read(text), Err(error.to_owned()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-+]?([0-9]{0,25}[.]?[0-9]{0,25}(ns|us|µs|ms|s|m|h)?){0,4}|\\PC*") {
            let _ = text.parse::<GoDuration>();
        }

        #[test]
        fn what_is_printed_reads_back_to_the_microsecond(nanos in any::<i64>()) {
            let text = GoDuration::from_nanos(nanos).to_string();
            let back = text.parse::<GoDuration>().unwrap().as_nanos();
            prop_assert!(back.abs_diff(nanos) <= 1, "{nanos} {back}");
        }
    }
}
