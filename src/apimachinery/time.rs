//! `metav1.Time`: RFC 3339 in whole seconds, always UTC.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::domain::Timestamp;

/// A stamp as `metav1.Time` prints it: `2026-01-02T03:04:05Z`, whole seconds, rounded down.
///
/// What lies before the year 0 or after the last second `jiff` knows (late on 9999-12-30) is held
/// there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rfc3339([u8; 20]);

const FIRST_SECOND: i64 = -62_167_219_200;

impl Rfc3339 {
    /// The text as bytes, all ASCII.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl From<Timestamp> for Rfc3339 {
    fn from(stamp: Timestamp) -> Self {
        let seconds = stamp
            .as_secs()
            .clamp(FIRST_SECOND, jiff::Timestamp::MAX.as_second());
        let at = jiff::Timestamp::from_second(seconds).unwrap_or_default();
        let at: DateTime = Offset::UTC.to_datetime(at);
        let year = at.year().unsigned_abs();
        let pairs = [
            (0, year / 100),
            (2, year % 100),
            (5, at.month().unsigned_abs().into()),
            (8, at.day().unsigned_abs().into()),
            (11, at.hour().unsigned_abs().into()),
            (14, at.minute().unsigned_abs().into()),
            (17, at.second().unsigned_abs().into()),
        ];
        let mut text = *b"0000-00-00T00:00:00Z";
        for (place, value) in pairs {
            if let Some([tens, ones]) = text.get_mut(place..place + 2) {
                *tens += u8::try_from(value / 10).unwrap_or_default();
                *ones += u8::try_from(value % 10).unwrap_or_default();
            }
        }
        Self(text)
    }
}

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(millis: i64) -> String {
        Rfc3339::from(Timestamp::from_millis(millis)).to_string()
    }

    #[test]
    fn a_stamp_is_printed_in_whole_seconds_of_utc() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_767_323_045_000, "2026-01-02T03:04:05Z"),
            (1_767_323_045_999, "2026-01-02T03:04:05Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(text(millis), expected);
        }
    }

    #[test]
    fn a_stamp_beyond_the_calendar_is_held_at_its_end() {
        assert_eq!(text(i64::MAX), "9999-12-30T22:00:00Z");
        assert_eq!(text(i64::MIN), "0000-01-01T00:00:00Z");
    }
}
