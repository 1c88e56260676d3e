//! How long InfluxDB keeps what it is sent.

use std::fmt;
use std::str::FromStr;

/// A time in InfluxQL's form: `30d`, `1w2d`, `0` and `INF` for ever. At least an hour, which is the
/// least InfluxDB takes, and at most what it can count in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retention {
    /// 0 for ever.
    secs: u64,
}

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
/// The most whole days of which the nanoseconds are an `int64`.
const LONGEST: u64 = 106_751 * DAY;

impl Retention {
    pub(super) const fn is_unlimited(self) -> bool {
        self.secs == 0
    }

    /// How long one shard is, by InfluxDB's own rule; it has to be shorter than the whole.
    pub(super) const fn shard(self) -> &'static str {
        match self.secs {
            secs if secs < 2 * DAY => "1h",
            secs if secs <= 180 * DAY => "1d",
            _ => "7d",
        }
    }
}

impl FromStr for Retention {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if matches!(text, "0" | "INF" | "inf") {
            return Ok(Self { secs: 0 });
        }
        let (mut rest, mut secs) = (text, 0_u64);
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or(())?;
            let (number, after) = rest.split_at(digits);
            let letters = after.find(|c: char| c.is_ascii_digit());
            let (unit, after) = after.split_at(letters.unwrap_or(after.len()));
            let unit = match unit {
                "s" => 1,
                "m" => 60,
                "h" => HOUR,
                "d" => DAY,
                "w" => 7 * DAY,
                _ => return Err(()),
            };
            let part = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit));
            secs = part.and_then(|part| secs.checked_add(part)).ok_or(())?;
            rest = after;
        }
        match secs {
            0 => Ok(Self { secs }),
            HOUR..=LONGEST => Ok(Self { secs }),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_influxql_writes_them() {
        for (text, secs) in [
            ("0", 0),
            ("0d", 0),
            ("INF", 0),
            ("1h30m", 5400),
            ("1w1d", 8 * DAY),
            ("106751d", LONGEST),
        ] {
            assert_eq!(text.parse(), Ok(Retention { secs }), "{text}");
        }
        for text in [
            "30",
            "59m",
            "d",
            "1y",
            "-1d",
            "99999999999999999w",
            "106752d",
            "30501w",
        ] {
            assert_eq!(text.parse::<Retention>(), Err(()), "{text}");
        }
        assert_eq!(Retention { secs: 30 * DAY }.shard(), "1d");
    }
}
