//! Decimal numbers, read exactly: no float stands between the text and a counter.

/// A finite decimal number: `mantissa × 10^exponent`, never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    head: u64,
    tail: u64,
    tail_digits: u32,
    exponent: i32,
}

/// Why a text is no [`Decimal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotDecimal {
    /// It is not written as a number at all.
    Malformed,
    /// It is a number, but one below zero, infinite or `NaN`: nothing a kubelet could have
    /// measured.
    NoMeasurement,
}

/// How many decimal digits always fit into a `u64`.
const WORD_DIGITS: u32 = 19;

impl Decimal {
    /// Reads `text` as Go's `strconv.ParseFloat` reads plain decimal notation: an optional sign,
    /// digits with an optional point among them, an optional exponent.
    ///
    /// Keeps 38 significant digits, more than a value of 64 bits can have, and drops the rest.
    ///
    /// # Errors
    /// [`NotDecimal`].
    pub(super) fn parse(text: &[u8]) -> Result<Self, NotDecimal> {
        let (negative, digits) = match text {
            [b'-', digits @ ..] => (true, digits),
            [b'+', digits @ ..] => (false, digits),
            digits => (false, digits),
        };
        match digits {
            [b'0'..=b'9' | b'.', ..] => {}
            other if is_infinite_or_nan(other) => return Err(NotDecimal::NoMeasurement),
            _ => return Err(NotDecimal::Malformed),
        }
        let (number, rest) = match Self::short(digits) {
            Some(read) => read,
            None => Self::mantissa(digits)?,
        };
        let number = match rest {
            [] => number,
            [b'e' | b'E', exponent @ ..] => number.raised(signed(exponent)?),
            _ => return Err(NotDecimal::Malformed),
        };
        if negative && !number.is_zero() {
            return Err(NotDecimal::NoMeasurement);
        }
        Ok(number)
    }

    /// Whether the number is zero, however it was written.
    pub(super) const fn is_zero(self) -> bool {
        self.head == 0 && self.tail == 0
    }

    /// The number times `10^power`, cut off to a whole number; `None` when it is too large for 64
    /// bits.
    pub(super) fn scaled(self, power: i32) -> Option<u64> {
        if self.is_zero() {
            return Some(0);
        }
        let shift = self.exponent.saturating_add(power);
        let up = u32::try_from(shift).ok();
        let down = shift.unsigned_abs();
        // Nearly every number has at most 19 digits, for which words of the machine do.
        if self.tail_digits == 0 {
            return match up {
                Some(up) => power_of_ten(up)?.checked_mul(self.head),
                None => Some(power_of_ten(down).map_or(0, |by| self.head / by)),
            };
        }
        let whole = u128::from(self.head) * 10_u128.pow(self.tail_digits) + u128::from(self.tail);
        let scaled = match up {
            Some(up) => 10_u128.checked_pow(up)?.checked_mul(whole)?,
            None => 10_u128.checked_pow(down).map_or(0, |by| whole / by),
        };
        u64::try_from(scaled).ok()
    }

    /// Reads the number `text` begins with, if it is one of 1 to 19 digits written as Go prints
    /// most: `DIGITS`, `DIGITS.DIGITS`, either with an exponent like `e+06`. Returns what follows
    /// it, which may go on as a number.
    pub(super) fn leading(text: &[u8]) -> Option<(Self, &[u8])> {
        let (number, rest) = Self::short(text)?;
        let [
            b'e',
            sign,
            tens @ b'0'..=b'9',
            ones @ b'0'..=b'9',
            after @ ..,
        ] = rest
        else {
            return Some((number, rest));
        };
        let exponent = i32::from(tens - b'0') * 10 + i32::from(ones - b'0');
        match sign {
            b'+' => Some((number.raised(exponent), after)),
            b'-' => Some((number.raised(-exponent), after)),
            _ => None,
        }
    }

    /// Reads digits and the point among them when there are 1 to 19 in all, as in nearly every
    /// number: without a care for those that do not fit, this takes a third of the time.
    fn short(text: &[u8]) -> Option<(Self, &[u8])> {
        let (mut head, mut digits) = (0, 0);
        let mut rest = append_digits(text, &mut head, &mut digits)?;
        let whole = digits;
        if let [b'.', after @ ..] = rest {
            rest = append_digits(after, &mut head, &mut digits)?;
        }
        let number = Self {
            head,
            tail: 0,
            tail_digits: 0,
            exponent: -i32::try_from(digits - whole).ok()?,
        };
        (digits > 0).then_some((number, rest))
    }

    /// Reads digits and the point among them; returns what follows them.
    fn mantissa(text: &[u8]) -> Result<(Self, &[u8]), NotDecimal> {
        let mut number = Self {
            head: 0,
            tail: 0,
            tail_digits: 0,
            exponent: 0,
        };
        let (mut head_digits, mut point, mut any) = (0, false, false);
        let mut rest = text;
        while let [byte, after @ ..] = rest {
            match byte {
                b'0'..=b'9' => {
                    any = true;
                    let digit = u64::from(byte - b'0');
                    let kept = number.push(digit, &mut head_digits);
                    // A kept digit behind the point divides by ten, a dropped one before it
                    // multiplies.
                    match (kept, point) {
                        (true, true) => number.exponent = number.exponent.saturating_sub(1),
                        (false, false) => number.exponent = number.exponent.saturating_add(1),
                        (true, false) | (false, true) => {}
                    }
                }
                b'.' if !point => point = true,
                _ => break,
            }
            rest = after;
        }
        if any {
            Ok((number, rest))
        } else {
            Err(NotDecimal::Malformed)
        }
    }

    /// Appends one digit and tells whether there was room for it.
    fn push(&mut self, digit: u64, head_digits: &mut u32) -> bool {
        if *head_digits < WORD_DIGITS {
            self.head = self.head * 10 + digit;
            // Zeros in front are no significant digits.
            *head_digits += u32::from(self.head != 0);
        } else if self.tail_digits < WORD_DIGITS {
            self.tail = self.tail * 10 + digit;
            self.tail_digits += 1;
        } else {
            return false;
        }
        true
    }

    fn raised(self, exponent: i32) -> Self {
        Self {
            exponent: self.exponent.saturating_add(exponent),
            ..self
        }
    }
}

/// Appends the digits `text` begins with to `number`, which has `count` of them; returns what
/// follows them. `None` when they are more than always fit.
fn append_digits<'a>(text: &'a [u8], number: &mut u64, count: &mut u32) -> Option<&'a [u8]> {
    let mut rest = text;
    while let Some((value, digits)) = eight_digits(rest) {
        *count += digits;
        if *count > WORD_DIGITS {
            return None;
        }
        *number = *number * power_of_ten(digits)? + value;
        rest = rest.get(usize::try_from(digits).ok()?..)?;
        if digits < 8 {
            return Some(rest);
        }
    }
    while let [digit @ b'0'..=b'9', after @ ..] = rest {
        *count += 1;
        if *count > WORD_DIGITS {
            return None;
        }
        *number = *number * 10 + u64::from(digit - b'0');
        rest = after;
    }
    Some(rest)
}

/// Reads the digits that `text` begins with, eight at most; their number, and how many they are.
/// All bytes are looked at at once, which takes half as long as one after the other and does not
/// depend on where they end. `None` when there are not eight bytes to look at.
fn eight_digits(text: &[u8]) -> Option<(u64, u32)> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let word = u64::from_le_bytes(*text.first_chunk()?);
    // Digits become 0 to 9. The top bit of each byte that is more then is set in `others`: no sum
    // of seven bits and 0x76 reaches the next byte.
    let digits = word ^ (0x30 * ONES);
    let others = (((digits & (0x7f * ONES)) + 0x76 * ONES) | digits) & (0x80 * ONES);
    let count = others.trailing_zeros() / 8;
    // The first digit stands in the lowest byte. What follows the digits goes, zeros come in front.
    let digits = digits.checked_shl(64 - 8 * count).unwrap_or(0);
    // Neighbours are joined to pairs, pairs to fours, fours to one.
    let pairs = (digits.wrapping_mul(1 + (10 << 8)) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(1 + (100 << 16)) >> 16) & 0x0000_ffff_0000_ffff;
    let value = fours.wrapping_mul(1 + (10_000 << 32)) >> 32;
    Some((value, count))
}

/// Reads the thirteen digits that `text` begins with, as stamps in milliseconds have from 2001 to
/// 2286; returns what follows them.
pub(super) fn thirteen_digits(text: &[u8]) -> Option<(i64, &[u8])> {
    let ((front, 8), (end, 8)) = (eight_digits(text)?, eight_digits(text.get(5..)?)?) else {
        return None;
    };
    // Three digits are in both.
    let number = front / 1000 * 100_000_000 + end;
    Some((i64::try_from(number).ok()?, text.get(13..)?))
}

/// `10^exponent`, if that fits.
fn power_of_ten(exponent: u32) -> Option<u64> {
    const POWERS: [u64; 20] = [
        1,
        10,
        100,
        1_000,
        10_000,
        100_000,
        1_000_000,
        10_000_000,
        100_000_000,
        1_000_000_000,
        10_000_000_000,
        100_000_000_000,
        1_000_000_000_000,
        10_000_000_000_000,
        100_000_000_000_000,
        1_000_000_000_000_000,
        10_000_000_000_000_000,
        100_000_000_000_000_000,
        1_000_000_000_000_000_000,
        10_000_000_000_000_000_000,
    ];
    POWERS.get(usize::try_from(exponent).ok()?).copied()
}

/// Reads a whole number with an optional sign, held at the ends of its type.
fn signed(text: &[u8]) -> Result<i32, NotDecimal> {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    if digits.is_empty() {
        return Err(NotDecimal::Malformed);
    }
    let mut value = 0_i32;
    for byte in digits {
        if !byte.is_ascii_digit() {
            return Err(NotDecimal::Malformed);
        }
        value = value
            .saturating_mul(10)
            .saturating_add(i32::from(byte - b'0'));
    }
    Ok(value.saturating_mul(sign))
}

fn is_infinite_or_nan(text: &[u8]) -> bool {
    [&b"inf"[..], b"infinity", b"nan"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nanos(text: &str) -> Option<u64> {
        Decimal::parse(text.as_bytes()).ok()?.scaled(9)
    }

    #[test]
    fn cpu_seconds_become_nanoseconds_without_a_rounding_error() {
        for (text, expected) in [
            ("18.038340612", 18_038_340_612),
            ("0.010446973", 10_446_973),
            ("0.1", 100_000_000),
            ("0.3", 300_000_000),
            ("4.35", 4_350_000_000),
            ("1399.773545286", 1_399_773_545_286),
            ("1.2345678901e+06", 1_234_567_890_100_000),
            ("1e-09", 1),
            ("0.0000000019", 1),
            ("+7", 7_000_000_000),
            ("5.", 5_000_000_000),
            (".5", 500_000_000),
            ("-0", 0),
            ("0e999999999999", 0),
            ("1e-999999999999", 0),
            ("000000000000000000000000000001.5", 1_500_000_000),
            ("18446744073.709551615", u64::MAX),
            ("18446744073.7095516159999999999999999999999999", u64::MAX),
        ] {
            assert_eq!(nanos(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_counter_beyond_64_bits_is_no_number() {
        for text in ["18446744073.709551616", "1e11", "1e999999999999", "9e+307"] {
            assert!(Decimal::parse(text.as_bytes()).is_ok(), "{text}");
            assert_eq!(nanos(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_not_measured_differs_from_what_is_not_written_as_a_number() {
        for text in ["NaN", "nan", "+Inf", "-Inf", "inf", "-1", "-0.5", "-1e9"] {
            let read = Decimal::parse(text.as_bytes());
            assert_eq!(read, Err(NotDecimal::NoMeasurement), "{text}");
        }
        for text in [
            "", "-", "+", ".", "e5", "1e", "1e+", "1.2.3", "0x1p3", "1_000", "--1", "1 ",
        ] {
            let read = Decimal::parse(text.as_bytes());
            assert_eq!(read, Err(NotDecimal::Malformed), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whole_bytes_survive_every_notation_go_prints(bytes: u64) {
            let plain = bytes.to_string();
            let digits = plain.len() - 1;
            let (first, rest) = plain.split_at(1);
            let scientific = format!("{first}.{rest}e+{digits:02}");
            for text in [plain, scientific] {
                prop_assert_eq!(Decimal::parse(text.as_bytes()).unwrap().scaled(0), Some(bytes));
            }
        }

        #[test]
        fn short_numbers_are_read_as_long_ones(text in "[0-9]{0,12}\\.?[0-9]{0,9}[e ]?") {
            let long = Decimal::mantissa(text.as_bytes());
            match Decimal::short(text.as_bytes()) {
                Some(short) => prop_assert_eq!(Ok(short), long),
                None => {
                    let digits = text.bytes().filter(u8::is_ascii_digit).count();
                    prop_assert!(digits == 0 || digits > 19);
                }
            }
        }

        #[test]
        fn thirteen_digits_are_read_and_nothing_else_is_taken_for_one(
            number in 0_i64..10_000_000_000_000, at in 0_usize..13, byte: u8,
        ) {
            let mut text = format!("{number:013}\n").into_bytes();
            prop_assert_eq!(thirteen_digits(&text), Some((number, &b"\n"[..])));
            prop_assert_eq!(thirteen_digits(&text[..12]), None);
            text[at] = byte;
            prop_assert_eq!(thirteen_digits(&text).is_some(), byte.is_ascii_digit());
        }

        #[test]
        fn what_a_text_begins_with_is_what_all_of_it_says(text in "[0-9]{1,12}(\\.[0-9]{0,12})?(e[-+][0-9]{1,3})?") {
            if let Some((number, b" 7")) = Decimal::leading(format!("{text} 7").as_bytes()) {
                prop_assert_eq!(Ok(number), Decimal::parse(text.as_bytes()));
            } else {
                let digits = text.split('e').next().unwrap().bytes().filter(u8::is_ascii_digit);
                let exponent = text.split_once('e').map_or(2, |(_, exponent)| exponent.len() - 1);
                prop_assert!(digits.count() > 19 || exponent != 2, "{}", text);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(text: Vec<u8>, power in -20..20) {
            if let Ok(number) = Decimal::parse(&text) {
                let _ = number.scaled(power);
            }
        }
    }
}
