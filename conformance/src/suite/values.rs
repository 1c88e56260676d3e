//! Durations and quantities as Go and Kubernetes print them.

const UNITS: [(&str, i64); 6] = [
    ("h", 3_600_000_000_000),
    ("ms", 1_000_000),
    ("m", 60_000_000_000),
    ("µs", 1_000),
    ("ns", 1),
    ("s", 1_000_000_000),
];

/// A duration as Go's `time.Duration` prints it, from nanoseconds.
pub(crate) fn duration(nanos: i64) -> String {
    if nanos == 0 {
        return "0s".to_owned();
    }
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    let (unit, name) = match nanos {
        0..1_000 => (1, "ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => {
            let seconds = nanos / 1_000_000_000;
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            let rest = decimal(nanos % 60_000_000_000, 1_000_000_000);
            return match (hours, minutes) {
                (0, 0) => format!("{sign}{rest}s"),
                (0, minutes) => format!("{sign}{minutes}m{rest}s"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{rest}s"),
            };
        }
    };
    format!("{sign}{}{name}", decimal(nanos, unit))
}

fn decimal(value: u64, unit: u64) -> String {
    let (whole, fraction) = (value / unit, value % unit);
    if fraction == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    let fraction = format!("{fraction:0width$}");
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

/// The nanoseconds of a duration as Go prints it; `None` when it is none.
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    if text == "0s" {
        return Some(0);
    }
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let mut nanos: i64 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let (name, unit) = UNITS.iter().find(|(name, _)| tail.starts_with(name))?;
        nanos = nanos.checked_add(scaled(number, *unit)?)?;
        rest = tail.strip_prefix(name)?;
    }
    Some(sign * nanos)
}

fn scaled(number: &str, unit: i64) -> Option<i64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut nanos = whole.parse::<i64>().ok()?.checked_mul(unit)?;
    let mut place = unit;
    for digit in fraction.chars() {
        place /= 10;
        nanos += i64::from(digit.to_digit(10)?) * place;
    }
    Some(nanos)
}

/// Nanocores as a canonical DecimalSI quantity.
pub(crate) fn cpu(nanocores: i128) -> String {
    let suffixes = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
    fold(nanocores, 1000, &suffixes)
}

/// Bytes as a canonical BinarySI quantity, which below 1024 prints as DecimalSI.
pub(crate) fn memory(bytes: i128) -> String {
    if bytes.abs() < 1024 {
        return fold(bytes, 1000, &["", "k"]);
    }
    fold(bytes, 1024, &["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"])
}

fn fold(value: i128, base: i128, suffixes: &[&str]) -> String {
    let mut value = value;
    if value == 0 {
        return "0".to_owned();
    }
    let mut suffixes = suffixes.iter();
    let mut suffix = suffixes.next().copied().unwrap_or_default();
    while value % base == 0 {
        let Some(next) = suffixes.next() else { break };
        suffix = next;
        value /= base;
    }
    format!("{value}{suffix}")
}

/// A quantity in nano-units; `None` when it is none.
pub(crate) fn parse_quantity(text: &str) -> Option<i128> {
    let digits = text.trim_start_matches('-');
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    let (number, suffix) = text.split_at(end + text.len() - digits.len());
    let number: i128 = number.parse().ok()?;
    let decimal = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
    let binary = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    if let Some(power) = decimal.iter().position(|s| *s == suffix) {
        return Some(number * 1000_i128.pow(u32::try_from(power).ok()?));
    }
    let power = binary.iter().position(|s| *s == suffix)?;
    Some(number * 1_000_000_000 * 1024_i128.pow(u32::try_from(power).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        let cases = [
            (0, "0s"),
            (500_000_000, "500ms"),
            (1_500_000, "1.5ms"),
            (15_000_000_000, "15s"),
            (15_237_000_000, "15.237s"),
            (60_000_000_000, "1m0s"),
            (60_500_000_000, "1m0.5s"),
            (3_600_000_000_000, "1h0m0s"),
            (-15_000_000_000, "-15s"),
            (1_000, "1µs"),
            (999, "999ns"),
        ];
        for (nanos, text) in cases {
            assert_eq!(duration(nanos), text);
            assert_eq!(parse_duration(text), Some(nanos), "{text}");
        }
        for text in ["", "15", "s", "15x", "1.2.3s", "x15s"] {
            assert!(matches!(parse_duration(text), None | Some(0)), "{text}");
        }
    }

    #[test]
    fn quantities_are_canonical() {
        let cpus = [
            (250_000_000, "250m"),
            (1_000_000_000, "1"),
            (12_345_678, "12345678n"),
            (20_000, "20u"),
            (0, "0"),
            (1_000_000_000_000, "1k"),
        ];
        for (nanocores, text) in cpus {
            assert_eq!(cpu(nanocores), text);
            assert_eq!(parse_quantity(text), Some(nanocores), "{text}");
        }
        let memories = [
            (1_048_576, "1Mi"),
            (12_345_344, "12056Ki"),
            (1_048_577, "1048577"),
            (1000, "1k"),
            (1, "1"),
            (0, "0"),
            (1 << 30, "1Gi"),
        ];
        for (bytes, text) in memories {
            assert_eq!(memory(bytes), text);
            assert_eq!(parse_quantity(text), Some(bytes * 1_000_000_000), "{text}");
        }
        assert_eq!(parse_quantity("1Xi"), None);
        assert_eq!(parse_quantity(""), None);
    }
}
