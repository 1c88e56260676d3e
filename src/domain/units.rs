//! Units that cannot be mixed up.

use std::time::Duration;

/// A rate of CPU use in billionths of a core (the `n` of a Kubernetes quantity).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanocores(u64);

/// An amount of memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(u64);

/// CPU time a life has consumed since it began, in nanoseconds: a counter, from which two samples
/// make a rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CpuTime(u64);

impl Nanocores {
    /// One whole core.
    pub const CORE: Self = Self(1_000_000_000);

    /// A rate of `n` billionths of a core.
    #[must_use]
    pub const fn new(n: u64) -> Self {
        Self(n)
    }

    /// The rate in billionths of a core.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sum of both, held at the largest rate there is instead of wrapping.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Bytes {
    /// An amount of `n` bytes.
    #[must_use]
    pub const fn new(n: u64) -> Self {
        Self(n)
    }

    /// The amount in bytes.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sum of both, held at the largest amount there is instead of wrapping.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl CpuTime {
    /// A counter that stands at `nanoseconds`.
    #[must_use]
    pub const fn from_nanos(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// Where the counter stands, in nanoseconds.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The average rate between an earlier reading and this one, truncated to whole nanocores as
    /// metrics-server does.
    ///
    /// `None` when the counter fell or no time passed: such a pair says nothing about a rate.
    #[must_use]
    pub fn rate_since(self, earlier: Self, window: Duration) -> Option<Nanocores> {
        let used = u128::from(self.0.checked_sub(earlier.0)?);
        let nanocores = (used * 1_000_000_000).checked_div(window.as_nanos())?;
        u64::try_from(nanocores).ok().map(Nanocores)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_cpu_seconds_in_fifteen_are_200m() {
        let (a, b) = (
            CpuTime::from_nanos(7_000_000_000),
            CpuTime::from_nanos(10_000_000_000),
        );
        assert_eq!(
            b.rate_since(a, Duration::from_secs(15)),
            Some(Nanocores::new(200_000_000))
        );
    }

    #[test]
    fn a_falling_counter_or_an_empty_window_is_no_rate() {
        let (a, b) = (CpuTime::from_nanos(2), CpuTime::from_nanos(1));
        assert_eq!(b.rate_since(a, Duration::from_secs(1)), None);
        assert_eq!(a.rate_since(b, Duration::ZERO), None);
    }

    #[test]
    fn a_rate_beyond_the_type_is_none_not_a_wrap() {
        let (zero, most) = (CpuTime::default(), CpuTime::from_nanos(u64::MAX));
        assert_eq!(most.rate_since(zero, Duration::from_nanos(1)), None);
    }
}
