//! `resource.Quantity`: the canonical text we serve and the texts we read.

use std::fmt;
use std::str::FromStr;

use crate::domain::{Bytes, Nanocores};

/// A quantity as Kubernetes prints it: a whole number and one suffix.
///
/// Follows `Quantity.CanonicalizeBytes` of `k8s.io/apimachinery`: DecimalSI strips factors of 1000, BinarySI strips
/// factors of 1024, and a BinarySI amount below 1024 is printed as DecimalSI (`1000` is `1k`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanonicalQuantity {
    mantissa: u64,
    suffix: &'static str,
}

/// A quantity read from text, exact to a billionth.
///
/// As in Go, what is finer than a billionth was rounded away from zero, and what is larger than 2⁶³−1 was held there.
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

/// The digits of a quantity: `mantissa × 10^exponent`, and whether digits other than zero were dropped after it.
#[derive(Default)]
struct Digits {
    mantissa: u128,
    exponent: i64,
    dropped: bool,
}

const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
const DECIMAL_WHOLE: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// 2⁶³−1 in billionths: the largest quantity Go holds.
const MOST: i128 = i64::MAX as i128 * NANOS;
const NANOS: i128 = 1_000_000_000;

impl CanonicalQuantity {
    /// A CPU rate: nanocores in DecimalSI (`12345678n`, `20u`, `250m`, `1`, `0`).
    #[must_use]
    pub fn cpu(rate: Nanocores) -> Self {
        Self::strip(rate.get(), 1000, &DECIMAL)
    }

    /// An amount of memory or swap: bytes in BinarySI (`12056Ki`, `50Mi`, `1048577`; below 1024 decimal: `1k`).
    #[must_use]
    pub fn memory(amount: Bytes) -> Self {
        match amount.get() {
            few @ 0..1024 => Self::strip(few, 1000, &DECIMAL_WHOLE),
            many => Self::strip(many, 1024, &BINARY),
        }
    }

    /// The number before the suffix.
    #[must_use]
    pub const fn mantissa(self) -> u64 {
        self.mantissa
    }

    /// The suffix: `n` to `E`, `Ki` to `Ei`, or nothing.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        self.suffix
    }

    /// Appends the text to `out`; allocates only what `out` must grow.
    pub fn write_to(self, out: &mut Vec<u8>) {
        out.extend_from_slice(itoa::Buffer::new().format(self.mantissa).as_bytes());
        out.extend_from_slice(self.suffix.as_bytes());
    }

    fn strip(value: u64, factor: u64, suffixes: &[&'static str]) -> Self {
        let mut mantissa = value;
        let mut suffixes = suffixes.iter();
        let mut suffix = suffixes.next().copied().unwrap_or_default();
        if value == 0 {
            return Self {
                mantissa,
                suffix: "",
            };
        }
        while mantissa.is_multiple_of(factor) {
            let Some(next) = suffixes.next() else { break };
            mantissa /= factor;
            suffix = next;
        }
        Self { mantissa, suffix }
    }
}

impl fmt::Display for CanonicalQuantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.mantissa, self.suffix)
    }
}

impl Quantity {
    /// The amount in billionths (nanocores of a CPU quantity); a negative one is 0, a too large one `u64::MAX`.
    #[must_use]
    pub fn nano(self) -> u64 {
        self.per(1)
    }

    /// The amount in thousandths, rounded up as `Quantity.MilliValue`; a negative one is 0, a too large one `u64::MAX`.
    #[must_use]
    pub fn milli(self) -> u64 {
        self.per(1_000_000)
    }

    /// The whole amount, rounded up as `Quantity.Value`; a negative one is 0, a too large one `u64::MAX`.
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

    /// Reads what `resource.ParseQuantity` reads.
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
    /// Keeps as many leading digits as the arithmetic can hold without overflow: 28 (2⁶³−1 in billionths), or 20 when
    /// a power of two up to 2⁶⁰ is still to come.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cpu(n: u64) -> String {
        CanonicalQuantity::cpu(Nanocores::new(n)).to_string()
    }

    fn memory(n: u64) -> String {
        CanonicalQuantity::memory(Bytes::new(n)).to_string()
    }

    #[test]
    fn cpu_is_printed_in_decimal_si_from_nano_upwards() {
        for (nanocores, text) in [
            (0, "0"),
            (1, "1n"),
            (12_345_678, "12345678n"),
            (20_000, "20u"),
            (250_000_000, "250m"),
            (500_000_000, "500m"),
            (1_000_000_000, "1"),
            (1_500_000_000, "1500m"),
            (1_000_000_000_000, "1k"),
            (u64::MAX, "18446744073709551615n"),
        ] {
            assert_eq!(cpu(nanocores), text);
        }
    }

    #[test]
    fn memory_is_printed_in_binary_si_and_below_1024_in_decimal() {
        for (bytes, text) in [
            (0, "0"),
            (1, "1"),
            (1000, "1k"),
            (1023, "1023"),
            (1024, "1Ki"),
            (5000, "5000"),
            (1_048_576, "1Mi"),
            (1_048_577, "1048577"),
            (12_345_344, "12056Ki"),
            (52_428_800, "50Mi"),
            (1 << 60, "1Ei"),
            (u64::MAX, "18446744073709551615"),
        ] {
            assert_eq!(memory(bytes), text);
        }
    }

    #[test]
    fn the_written_bytes_are_the_displayed_text() {
        let mut out = b"x".to_vec();
        CanonicalQuantity::memory(Bytes::new(12_345_344)).write_to(&mut out);
        assert_eq!(out, b"x12056Ki");
    }

    #[test]
    fn reads_every_form_the_api_server_admits() {
        for (text, nano) in [
            ("4", 4_000_000_000),
            ("3900m", 3_900_000_000),
            ("0.5", 500_000_000),
            (".5", 500_000_000),
            ("5.", 5_000_000_000),
            ("+1", 1_000_000_000),
            ("007", 7_000_000_000),
            ("1e3", 1_000_000_000_000),
            ("1E3", 1_000_000_000_000),
            ("12e-3", 12_000_000),
            ("1E+1", 10_000_000_000),
            ("250u", 250_000),
            ("7n", 7),
            ("0.1n", 1),
            ("1k", 1_000_000_000_000),
            ("1.5Ki", 1_536_000_000_000),
            ("0", 0),
            ("0e99", 0),
            ("-4", 0),
        ] {
            assert_eq!(text.parse::<Quantity>().unwrap().nano(), nano, "{text}");
        }
    }

    #[test]
    fn whole_and_milli_round_up_as_in_go() {
        let q = |text: &str| text.parse::<Quantity>().unwrap();
        assert_eq!((q("1n").milli(), q("1n").whole()), (1, 1));
        assert_eq!((q("1001m").milli(), q("1001m").whole()), (1001, 2));
        assert_eq!(q("128Mi").whole(), 134_217_728);
        assert_eq!(q("1E").whole(), 1_000_000_000_000_000_000);
        assert_eq!(q("1Ei").whole(), 1 << 60);
        assert_eq!(q("0.00000000000000000000001Ki").nano(), 1);
    }

    #[test]
    fn what_is_larger_than_go_holds_stays_at_the_most() {
        for text in ["1e30", "99999999999999999999999999999999999999999", "100Ei"] {
            let q: Quantity = text.parse().unwrap();
            assert_eq!(q.whole(), i64::MAX.unsigned_abs(), "{text}");
        }
        assert_eq!(
            "100000000000000000000000000000000000000000e-41"
                .parse::<Quantity>()
                .unwrap()
                .whole(),
            1
        );
    }

    #[test]
    fn says_in_gos_words_what_is_no_quantity() {
        for (text, error) in [
            ("", InvalidQuantity::Format),
            ("1 ", InvalidQuantity::Format),
            ("1e3x", InvalidQuantity::Format),
            ("ü", InvalidQuantity::Format),
            ("m", InvalidQuantity::Numeric),
            (".", InvalidQuantity::Numeric),
            ("-", InvalidQuantity::Numeric),
            ("1K", InvalidQuantity::Suffix),
            ("1e", InvalidQuantity::Suffix),
            ("1mm", InvalidQuantity::Suffix),
            ("1m3", InvalidQuantity::Suffix),
        ] {
            assert_eq!(text.parse::<Quantity>(), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-+]?[0-9.]{0,50}[eEinumkKMGTP]{0,3}[-+]?[0-9]{0,25}|\\PC*") {
            let _ = text.parse::<Quantity>().map(|q| (q.nano(), q.milli(), q.whole()));
        }

        #[test]
        fn what_is_printed_reads_back_as_the_same(n in 0..=i64::MAX.unsigned_abs()) {
            prop_assert_eq!(cpu(n).parse::<Quantity>().unwrap().nano(), n);
            prop_assert_eq!(memory(n).parse::<Quantity>().unwrap().whole(), n);
        }
    }
}
