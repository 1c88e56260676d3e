//! Wall-clock time as the kubelet writes it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(pub i64);

impl Stamp {
    /// The machine's wall clock.
    #[must_use]
    pub fn now() -> Self {
        let elapsed = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self(millis(elapsed))
    }

    /// This stamp moved later.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0 + millis(by))
    }

    /// This stamp moved earlier.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0 - millis(by))
    }

    /// The latest stamp not after this one at which something with this period and phase happens.
    #[must_use]
    pub fn floor_to(self, period: Duration, phase: i64) -> Self {
        let period = millis(period).max(1);
        Self(self.0 - (self.0 - phase).rem_euclid(period))
    }

    /// Seconds from `earlier` to this stamp; negative when this one is earlier.
    #[must_use]
    pub fn seconds_since(self, earlier: Self) -> f64 {
        seconds(self.0 - earlier.0)
    }

    /// Seconds since the Unix epoch.
    #[must_use]
    pub fn as_seconds(self) -> f64 {
        seconds(self.0)
    }

    /// The stamp as the API server prints times: RFC 3339 in whole seconds.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        jiff::Timestamp::from_second(self.0.div_euclid(1000))
            .map_or_else(|_| String::new(), |at| at.to_string())
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of this era are far below 2^53"
)]
fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}
