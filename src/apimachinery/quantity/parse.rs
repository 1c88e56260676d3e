//! The texts of quantities we read.

use std::str::FromStr;

use super::{BINARY, DECIMAL};
use crate::domain::{Bytes, Nanocores};

/// A quantity read from text, exact to a billionth.
///
/// As in Go, what is finer than a billionth was rounded away from zero, and what is larger than
/// 2⁶³−1 was held there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity {
    nanos: i128,
}

/// A text that is no quantity, with Go's words for what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQuantity {
    /// Not a number followed by a suffix.
    #[error(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )]
    Format,
    /// The number has no digit.
    #[error("unable to parse numeric part of quantity")]
    Numeric,
    /// A suffix nobody knows.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// What a suffix multiplies by: a power of ten or a power of two.
#[derive(Clone, Copy)]
enum Multiplier {
    Ten(i64),
    Two(u32),
}

/// The digits of a quantity: `mantissa × 10^exponent`, and whether digits other than zero were
/// dropped after it.
#[derive(Default)]
struct Digits {
    mantissa: u128,
    exponent: i64,
    dropped: bool,
}

/// 2⁶³−1 in billionths: the largest quantity Go holds.
const MOST: i128 = i64::MAX as i128 * NANOS;
const NANOS: i128 = 1_000_000_000;

impl Quantity {
    /// The amount in billionths (nanocores of a CPU quantity); a negative one is 0, a too large one
    /// `u64::MAX`.
    #[must_use]
    pub fn nano(self) -> u64 {
        self.per(1)
    }

    /// The amount in thousandths, rounded up as `Quantity.MilliValue`; a negative one is 0, a too
    /// large one `u64::MAX`.
    #[must_use]
    pub fn milli(self) -> u64 {
        self.per(1_000_000)
    }

    /// The whole amount, rounded up as `Quantity.Value`; a negative one is 0, a too large one
    /// `u64::MAX`.
    #[must_use]
    pub fn whole(self) -> u64 {
        self.per(NANOS)
    }

    /// The amount as a CPU rate.
    #[must_use]
    pub fn as_nanocores(self) -> Nanocores {
        Nanocores::new(self.nano())
    }

    /// The amount as bytes, rounded up.
    #[must_use]
    pub fn as_bytes(self) -> Bytes {
        Bytes::new(self.whole())
    }

    fn per(self, nanos: i128) -> u64 {
        // MOST plus a divisor is far below the end of the type.
        let up = (self.nanos.clamp(0, MOST) + nanos - 1) / nanos;
        u64::try_from(up).unwrap_or(u64::MAX)
    }
}

impl FromStr for Quantity {
    type Err = InvalidQuantity;

    /// Reads what `resource.ParseQuantity` reads, but for a number without a digit (`k`), which Go
    /// takes for 0 or refuses, depending on the suffix: it is refused.
    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let (negative, rest) = match text.as_bytes() {
            [b'-', ..] => (true, text.get(1..)),
            [b'+', ..] => (false, text.get(1..)),
            [] => return Err(InvalidQuantity::Format),
            _ => (false, Some(text)),
        };
        let rest = rest.unwrap_or_default();
        let whole_len = digits_at_start(rest);
        let (whole, rest) = rest.split_at(whole_len);
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at(digits_at_start(rest)),
            None => ("", rest),
        };
        let multiplier = Multiplier::parse(suffix)?;
        if whole.is_empty() && fraction.is_empty() {
            return Err(InvalidQuantity::Numeric);
        }
        let nanos = Digits::read(whole, fraction, multiplier).nanos(multiplier);
        Ok(Self {
            nanos: if negative { -nanos } else { nanos },
        })
    }
}

fn digits_at_start(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

impl Multiplier {
    fn parse(suffix: &str) -> Result<Self, InvalidQuantity> {
        if let Some(at) = DECIMAL.iter().position(|s| *s == suffix) {
            return Ok(Self::Ten(i64::try_from(at).unwrap_or(3) * 3 - 9));
        }
        if let Some(at) = BINARY.iter().position(|s| *s == suffix) {
            return Ok(Self::Two(u32::try_from(at).unwrap_or(0) * 10));
        }
        let letters = suffix
            .bytes()
            .take_while(|b| b"eEinumkKMGTP".contains(b))
            .count();
        let number = suffix.get(letters..).unwrap_or_default();
        let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidQuantity::Format);
        }
        let exponent = suffix
            .strip_prefix(['e', 'E'])
            .ok_or(InvalidQuantity::Suffix)?;
        let exponent: i64 = exponent.parse().map_err(|_| InvalidQuantity::Suffix)?;
        Ok(Self::Ten(exponent.clamp(-1_000_000, 1_000_000)))
    }
}

impl Digits {
    /// Keeps as many leading digits as the arithmetic can hold without overflow: 28 (2⁶³−1 in
    /// billionths), or 20 when a power of two up to 2⁶⁰ is still to come.
    fn read(whole: &str, fraction: &str, multiplier: Multiplier) -> Self {
        let most = match multiplier {
            Multiplier::Ten(_) => 10_u128.pow(27),
            Multiplier::Two(_) => 10_u128.pow(19),
        };
        let mut digits = Self::default();
        for digit in whole.bytes() {
            if !digits.push(digit, most) {
                digits.exponent += 1;
            }
        }
        for digit in fraction.bytes() {
            if digits.push(digit, most) {
                digits.exponent -= 1;
            }
        }
        digits
    }

    fn push(&mut self, digit: u8, most: u128) -> bool {
        let digit = u128::from(digit - b'0');
        if self.mantissa < most {
            self.mantissa = self.mantissa * 10 + digit;
            return true;
        }
        self.dropped |= digit != 0;
        false
    }

    /// The amount in billionths, rounded up and held at [`MOST`].
    fn nanos(&self, multiplier: Multiplier) -> i128 {
        if self.mantissa == 0 {
            return 0;
        }
        let (factor, exponent) = match multiplier {
            Multiplier::Ten(exponent) => (1, self.exponent + exponent + 9),
            Multiplier::Two(bits) => (1_u128 << bits, self.exponent + 9),
        };
        let amount = self.mantissa.saturating_mul(factor);
        let power = u32::try_from(exponent.unsigned_abs())
            .ok()
            .and_then(|power| 10_u128.checked_pow(power));
        let nanos = match (exponent < 0, power) {
            (false, Some(power)) => amount
                .saturating_mul(power)
                .saturating_add(u128::from(self.dropped)),
            (false, None) => u128::MAX,
            (true, Some(power)) if self.dropped => amount / power + 1,
            (true, Some(power)) => amount.div_ceil(power),
            (true, None) => 1,
        };
        i128::try_from(nanos).unwrap_or(MOST).min(MOST)
    }
}
