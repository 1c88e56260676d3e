//! The canonical text of a quantity.

use std::fmt;

use super::{BINARY, DECIMAL};
use crate::domain::{Bytes, Nanocores};

/// A quantity as Kubernetes prints it: a whole number and one suffix.
///
/// Follows `Quantity.CanonicalizeBytes` of `k8s.io/apimachinery`: DecimalSI strips factors of 1000,
/// BinarySI strips factors of 1024, and a BinarySI amount below 1024 is printed as DecimalSI
/// (`1000` is `1k`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanonicalQuantity {
    mantissa: u64,
    suffix: &'static str,
}

const DECIMAL_WHOLE: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];

impl CanonicalQuantity {
    /// A CPU rate: nanocores in DecimalSI (`12345678n`, `20u`, `250m`, `1`, `0`).
    #[must_use]
    pub fn cpu(rate: Nanocores) -> Self {
        Self::strip(rate.get(), 1000, &DECIMAL)
    }

    /// An amount of memory or swap: bytes in BinarySI (`12056Ki`, `50Mi`, `1048577`; below 1024
    /// decimal: `1k`).
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
