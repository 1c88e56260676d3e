//! Time: the kubelet's stamps, and our own two clocks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A point in time in whole milliseconds since the Unix epoch, which is what a kubelet stamps its
/// samples with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Where components take the time from, so that tests can turn it.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The wall clock. May step either way; used only where a stamp must be shown or a certificate
    /// judged.
    fn now(&self) -> Timestamp;
    /// The monotonic clock. All ages and deadlines are measured with this one.
    fn monotonic(&self) -> Instant;
}

/// The clocks of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Timestamp {
    /// The stamp `millis` milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Seconds since the Unix epoch, rounded down: the precision `metav1.Time` is served with.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The time from `earlier` to this stamp; `None` when this one is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Option<Duration> {
        let millis = self.0.checked_sub(earlier.0)?;
        u64::try_from(millis)
            .ok()
            .filter(|m| *m > 0)
            .map(Duration::from_millis)
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the time comes from"
    )]
    fn now(&self) -> Timestamp {
        let millis = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_millis());
        Timestamp(i64::try_from(millis).unwrap_or(i64::MAX))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the time comes from"
    )]
    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_round_down_also_before_the_epoch() {
        assert_eq!(Timestamp::from_millis(1_999).as_secs(), 1);
        assert_eq!(Timestamp::from_millis(-1).as_secs(), -1);
    }

    #[test]
    fn only_a_later_stamp_has_a_distance() {
        let (a, b) = (
            Timestamp::from_millis(1_000),
            Timestamp::from_millis(16_237),
        );
        assert_eq!(b.since(a), Some(Duration::from_millis(15_237)));
        assert_eq!(a.since(b), None);
        assert_eq!(a.since(a), None);
    }
}
