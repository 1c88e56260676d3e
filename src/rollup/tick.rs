//! When the next column is due: epoch-aligned time that follows the wall clock.

use std::time::Duration;

use crate::domain::Timestamp;

/// Hands out each multiple of the resolution once, a grace after it has passed, and never an
/// earlier one after a later one, except as [`Due::Anew`].
#[derive(Debug)]
pub(super) struct Ticks {
    resolution: i64,
    grace: i64,
    last: i64,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing; ask again after so long at most.
    Wait(Duration),
    /// The column of this timestamp.
    Tick {
        /// The column's timestamp.
        timestamp: Timestamp,
        /// How many before it got none: the clock stepped forward, or the process stood still.
        skipped: u64,
        /// How much later than it should this is done.
        late: Duration,
    },
    /// The wall clock stepped back by more than is waited out: columns handed out are in the
    /// future.
    Anew,
}

/// The wall clock is looked at this often at least, so a step of it is followed that soon.
const LONGEST_SLEEP: i64 = 5_000;
/// A clock that steps back by no more than this is waited for, so that every timestamp is later
/// than the one before. Or one resolution, if that is longer.
const WAITED_OUT: i64 = 300_000;

impl Ticks {
    /// The first tick is the first multiple of `resolution` after `now`.
    pub(super) fn new(resolution: Duration, grace: Duration, now: Timestamp) -> Self {
        let resolution = millis(resolution).max(1);
        Self {
            resolution,
            grace: millis(grace),
            last: trunc(now.as_millis(), resolution),
        }
    }

    /// The first tick follows `newest`, which another replica made, if that is not in the future.
    pub(super) fn after(self, newest: Option<Timestamp>) -> Self {
        let newest = newest.map(Timestamp::as_millis);
        let newest = newest.filter(|newest| *newest <= self.last);
        Self {
            last: newest.map_or(self.last, |newest| trunc(newest, self.resolution)),
            ..self
        }
    }

    /// What is to be done at this wall time.
    pub(super) fn due(&mut self, now: Timestamp) -> Due {
        let now = now.as_millis();
        let newest = trunc(now.saturating_sub(self.grace), self.resolution);
        if newest > self.last {
            let steps = (newest - self.last) / self.resolution;
            self.last = newest;
            return Due::Tick {
                timestamp: Timestamp::from_millis(newest),
                skipped: u64::try_from(steps - 1).unwrap_or(0),
                late: duration(now.saturating_sub(newest).saturating_sub(self.grace)),
            };
        }
        let behind = self.last.saturating_sub(now);
        if behind > WAITED_OUT.max(self.resolution) {
            self.last = trunc(now, self.resolution);
            return Due::Anew;
        }
        let next = self.last.saturating_add(self.resolution + self.grace);
        Due::Wait(duration(next.saturating_sub(now).clamp(1, LONGEST_SLEEP)))
    }
}

/// The greatest multiple of `step` that is not later.
const fn trunc(at: i64, step: i64) -> i64 {
    at.saturating_sub(at.rem_euclid(step))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

fn duration(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: i64 = 60_000;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn ticks(now: i64) -> Ticks {
        Ticks::new(Duration::from_secs(60), Duration::from_secs(5), at(now))
    }

    fn tick(millis: i64, skipped: u64, late: u64) -> Due {
        Due::Tick {
            timestamp: at(millis),
            skipped,
            late: Duration::from_millis(late),
        }
    }

    fn wait(millis: u64) -> Due {
        Due::Wait(Duration::from_millis(millis))
    }

    #[test]
    fn the_first_tick_is_the_next_multiple_and_waits_for_late_answers() {
        for start in [0, 1, 4_999, 5_000, 30_000, 59_999] {
            let mut ticks = ticks(10 * MINUTE + start);
            assert!(matches!(ticks.due(at(10 * MINUTE + start)), Due::Wait(_)));
            assert_eq!(ticks.due(at(11 * MINUTE + 4_999)), wait(1), "{start}");
            assert_eq!(ticks.due(at(11 * MINUTE + 5_000)), tick(11 * MINUTE, 0, 0));
            assert_eq!(ticks.due(at(11 * MINUTE + 5_000)), wait(5_000));
            assert_eq!(
                ticks.due(at(12 * MINUTE + 5_250)),
                tick(12 * MINUTE, 0, 250)
            );
        }
    }

    #[test]
    fn the_first_tick_follows_the_newest_of_another_replica() {
        let began = 11 * MINUTE + 2_000;
        let mut after = ticks(began).after(Some(at(10 * MINUTE)));
        assert_eq!(after.due(at(began)), wait(3_000));
        assert_eq!(after.due(at(11 * MINUTE + 5_000)), tick(11 * MINUTE, 0, 0));
        let mut late = ticks(began + 4_000).after(Some(at(10 * MINUTE)));
        let due = late.due(at(began + 4_000));
        assert_eq!(due, tick(11 * MINUTE, 0, 1_000));
        for newest in [None, Some(at(11 * MINUTE)), Some(at(12 * MINUTE))] {
            let mut ticks = ticks(began).after(newest);
            assert_eq!(ticks.due(at(began)), wait(5_000));
            assert_eq!(ticks.due(at(12 * MINUTE + 5_000)), tick(12 * MINUTE, 0, 0));
        }
    }

    #[test]
    fn what_was_slept_through_is_counted() {
        let mut ticks = ticks(10 * MINUTE);
        assert_eq!(
            ticks.due(at(14 * MINUTE + 6_000)),
            tick(14 * MINUTE, 3, 1_000)
        );
        assert_eq!(ticks.due(at(15 * MINUTE + 5_000)), tick(15 * MINUTE, 0, 0));
    }

    #[test]
    fn a_small_step_back_is_waited_out() {
        let mut ticks = ticks(10 * MINUTE);
        assert_eq!(ticks.due(at(11 * MINUTE + 5_000)), tick(11 * MINUTE, 0, 0));
        for back in [11 * MINUTE + 4_999, 11 * MINUTE, 9 * MINUTE, 6 * MINUTE] {
            assert_eq!(ticks.due(at(back)), wait(5_000), "{back}");
        }
        assert_eq!(ticks.due(at(12 * MINUTE + 5_000)), tick(12 * MINUTE, 0, 0));
    }

    #[test]
    fn a_large_step_back_begins_anew() {
        let mut ticks = ticks(100 * MINUTE);
        assert_eq!(ticks.due(at(10 * MINUTE + 7)), Due::Anew);
        assert_eq!(ticks.due(at(10 * MINUTE + 8)), wait(5_000));
        assert_eq!(ticks.due(at(11 * MINUTE + 5_000)), tick(11 * MINUTE, 0, 0));
    }

    proptest! {
        #[test]
        fn no_two_columns_have_one_timestamp(steps in prop::collection::vec(-90_000_i64..200_000, 1..60)) {
            let mut now = 1_000_000_000;
            let (mut ticks, mut last) = (ticks(now), i64::MIN);
            for step in steps {
                now += step;
                match ticks.due(at(now)) {
                    Due::Tick { timestamp, .. } => {
                        let this = timestamp.as_millis();
                        prop_assert!(this > last && this % MINUTE == 0 && this + 5_000 <= now);
                        last = this;
                    }
                    Due::Wait(wait) => prop_assert!(wait.as_millis() > 0),
                    Due::Anew => last = i64::MIN,
                }
            }
        }
    }
}
