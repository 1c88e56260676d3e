//! Kubernetes quantities, read as numbers.

/// A quantity such as `12345678n`, `250m`, `12056Ki` or `2` as a number; `None` when it is not one.
#[must_use]
pub fn parse_quantity(text: &str) -> Option<f64> {
    let digits = text
        .find(|c: char| c.is_ascii_alphabetic() && !matches!(c, 'e' | 'E'))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    // `E` is both exa and an exponent; alone at the end it is exa.
    let (number, suffix) = match number.strip_suffix('E') {
        Some(number) if suffix.is_empty() || suffix == "i" => (number, format!("E{suffix}")),
        _ => (number, suffix.to_owned()),
    };
    let factor = match suffix.as_str() {
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024_f64.powi(2),
        "Gi" => 1024_f64.powi(3),
        "Ti" => 1024_f64.powi(4),
        "Pi" => 1024_f64.powi(5),
        "Ei" => 1024_f64.powi(6),
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_powers_of_a_thousand_or_of_1024() {
        let cases = [
            ("250m", 0.25),
            ("12345678n", 0.012_345_678),
            ("20u", 0.000_02),
            ("2", 2.0),
            ("1k", 1000.0),
            ("1Mi", 1_048_576.0),
            ("12056Ki", 12_345_344.0),
            ("1E", 1e18),
            ("1Ei", 1_152_921_504_606_846_976.0),
            ("1e3", 1000.0),
            ("0", 0.0),
        ];
        for (text, want) in cases {
            let got = parse_quantity(text).unwrap();
            assert!((got - want).abs() <= want * 1e-12, "{text}: {got}");
        }
        for text in ["", "x", "1Zi", "m"] {
            assert_eq!(parse_quantity(text), None, "{text}");
        }
    }
}
