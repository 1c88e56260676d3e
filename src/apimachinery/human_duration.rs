//! How old something is, for people: what `kubectl get` shows under AGE.

use std::fmt;
use std::time::Duration;

/// A duration as `duration.HumanDuration` of apimachinery writes it: two units at most, the smaller
/// one only while it says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HumanDuration(pub Duration);

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const YEAR: u64 = 365 * DAY;

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let two = |f: &mut fmt::Formatter<'_>, large: (u64, char), small: (u64, char)| {
            let (unit, letter) = large;
            write!(f, "{}{letter}", seconds / unit)?;
            match seconds % unit / small.0 {
                0 => Ok(()),
                rest => write!(f, "{rest}{}", small.1),
            }
        };
        match seconds {
            0..120 => write!(f, "{seconds}s"),
            120..600 => two(f, (MINUTE, 'm'), (1, 's')),
            600..10_800 => write!(f, "{}m", seconds / MINUTE),
            10_800..28_800 => two(f, (HOUR, 'h'), (MINUTE, 'm')),
            28_800..172_800 => write!(f, "{}h", seconds / HOUR),
            172_800..691_200 => two(f, (DAY, 'd'), (HOUR, 'h')),
            691_200..63_072_000 => write!(f, "{}d", seconds / DAY),
            63_072_000..252_288_000 => two(f, (YEAR, 'y'), (DAY, 'd')),
            _ => write!(f, "{}y", seconds / YEAR),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cases of apimachinery's own test of `HumanDuration`.
    #[test]
    fn durations_read_as_kubectl_writes_them() {
        for (seconds, text) in [
            (0, "0s"),
            (1, "1s"),
            (70, "70s"),
            (190, "3m10s"),
            (600, "10m"),
            (2_820, "47m"),
            (3 * HOUR, "3h"),
            (7 * HOUR + 59 * MINUTE, "7h59m"),
            (8 * HOUR, "8h"),
            (47 * HOUR, "47h"),
            (2 * DAY, "2d"),
            (3 * DAY + HOUR, "3d1h"),
            (8 * DAY, "8d"),
            (2 * YEAR, "2y"),
            (2 * YEAR + DAY, "2y1d"),
            (8 * YEAR, "8y"),
        ] {
            let human = HumanDuration(Duration::from_secs(seconds));
            assert_eq!(human.to_string(), text);
        }
    }
}
