//! `resource.Quantity`: the canonical text we serve and the texts we read.

mod canonical;
mod parse;
#[cfg(test)]
mod tests;

pub use canonical::CanonicalQuantity;
pub use parse::{InvalidQuantity, Quantity};

/// The suffixes of powers of 1000, from a billionth up.
const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
/// The suffixes of powers of 1024.
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
