//! What functions are known by from one build to the next.

use std::fmt;

/// FNV-1a of what was added, printed as eight digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digest(u32);

impl Digest {
    pub(crate) const fn new() -> Self {
        Self(0x811c_9dc5)
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    }

    /// That of a function with this symbol.
    pub(crate) fn of(symbol: &str) -> Self {
        let mut digest = Self::new();
        digest.add(Name(symbol).to_string().as_bytes());
        digest
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{:08x}", self.0)
    }
}

/// A symbol, written without the hashes of crates, which differ with profile and flags; and the crate that it was compiled
/// for, since each that needs a function of no crate's own has one.
pub(crate) struct Name<'s>(pub(crate) &'s str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Link-time optimisation marks with a hash what it moved between crates.
        let symbol = self.0.split(".llvm.").next().unwrap_or(self.0);
        write!(to, "{:#}", rustc_demangle::demangle(symbol))?;
        let (mangled, _) = symbol.split_once('.').unwrap_or((symbol, ""));
        match mangled.strip_prefix("_R").and_then(compiled_for) {
            Some(of) => write!(to, " for {of}"),
            None => Ok(()),
        }
    }
}

/// The crate that a generic function was compiled for: what a symbol ends with, as a crate's root or as the place in the
/// symbol where that stood before.
fn compiled_for(symbol: &str) -> Option<&str> {
    if let Some(reference) = symbol.strip_suffix('_') {
        let at = reference.rfind('B')?;
        let place = reference.get(at + 1..)?.bytes().try_fold(0, digit)?;
        let place = if at + 1 == reference.len() {
            0
        } else {
            place + 1
        };
        return root(symbol.get(place..)?).map(|(name, _)| name);
    }
    let roots = symbol.rmatch_indices("Cs");
    let mut roots = roots.filter_map(|(at, _)| root(&symbol[at..]));
    roots.find_map(|(name, rest)| rest.is_empty().then_some(name))
}

/// The name of the crate's root that `text` begins with, `Cs7f_3one`, and what follows.
fn root(text: &str) -> Option<(&str, &str)> {
    let (_, rest) = text.strip_prefix("Cs")?.split_once('_')?;
    let name = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let length: usize = rest.get(..rest.len() - name.len())?.parse().ok()?;
    name.split_at_checked(length)
}

/// `number` with one more digit to the base of 62.
fn digit(number: usize, digit: u8) -> Option<usize> {
    let digit = match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'z' => digit - b'a' + 10,
        b'A'..=b'Z' => digit - b'A' + 36,
        _ => return None,
    };
    number.checked_mul(62)?.checked_add(usize::from(digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_of_another_build_is_the_same() {
        let one = Digest::of("_RNvCs4fqI2P2rA04_1a3one");
        assert_eq!(one, Digest::of("_RNvCsa_1a3one.llvm.123"));
        assert_ne!(one, Digest::of("_RNvCsa_1a3two"));
        assert_ne!(one, Digest::of("_RNvCsa_1a3one.cold"));
    }

    #[test]
    fn a_function_compiled_for_two_crates_is_two() {
        let of = |symbol| Name(symbol).to_string();
        let one = of("_RINvNtCsgEm_4core3ptr13drop_in_placeNtCsjMa_3one1DECsjMa_3one");
        assert!(one.ends_with(" for one"), "{one}");
        assert_eq!(
            one,
            of("_RINvNtCsgEm_4core3ptr13drop_in_placeNtCsjMa_3one1DEBA_")
        );
        assert_ne!(
            one,
            of("_RINvNtCsgEm_4core3ptr13drop_in_placeNtCsjMa_3one1DECs9_3two")
        );
    }
}
