//! When a node is asked next: arithmetic only.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::{NodeName, Timestamp};

/// The regular moments of a node: once every resolution, at a moment that follows from its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Phase {
    offset: u64,
    resolution: u64,
}

/// The schedule of one node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    phase: Phase,
    /// The waits of the quick scrapes still to come.
    quick: &'static [Duration],
    /// A pod turned running whose containers were not seen yet.
    expecting: bool,
    /// Asked for while an attempt was under way.
    early: bool,
    /// There was a time when the node and all its containers had numbers.
    was_settled: bool,
    /// When the last attempt ended; of one under way, when it began.
    last: Option<Instant>,
    /// The regular moment that the attempt under way was brought forward from.
    instead_of: Option<Instant>,
}

/// What an attempt brought, as far as the schedule cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// The node and all its containers have numbers.
    pub settled: bool,
    /// There were containers that had not been there before.
    pub new_containers: bool,
}

/// The milliseconds of a second in which nodes are asked.
const MIDDLE: std::ops::Range<u64> = 150..750;

/// So long a node is left alone after an attempt: its stamps are then so far apart, too, however long
/// the answer took, and make a number.
pub(super) const SHORTEST_GAP: Duration = Duration::from_secs(2);

/// Regular moments in the same span of so many milliseconds may be brought forward to the first of
/// them; at a short resolution, in the same third of it. With spans of a second, of which each finds
/// the caches cold, a hundred nodes cost half as much CPU again.
const COMPANY_SPAN: u64 = 5000;

/// The waits after a node's first scrapes. Two stamps make a number from 2 s apart on; the quarter
/// second is for the time the answers are under way. The node's own stamp moves every 10 s only,
/// hence the later ones: one between, one when it must have moved, one when the kubelet was late.
const AFTER_FIRST: &[Duration] = &[
    Duration::from_millis(2250),
    Duration::from_secs(4),
    Duration::from_millis(4250),
    Duration::from_secs(4),
];

/// The waits after the scrape for a pod that turned running.
const AFTER_POD: &[Duration] = &[Duration::from_millis(2250), Duration::from_secs(4)];

impl Phase {
    /// The phase of the node of this name. The same in every process, of any version.
    ///
    /// Never near the end of a whole second: kubelets stamp what they measure when they are asked,
    /// and stamps are served in whole seconds. So two replicas that ask a few milliseconds apart
    /// tell the same one.
    pub(super) fn of(node: &NodeName, resolution: Duration) -> Self {
        let resolution = u64::try_from(resolution.as_millis())
            .unwrap_or(u64::MAX)
            .max(1);
        let offset = stable_hash(node.as_str()) % resolution;
        let (second, within) = (offset / 1000 * 1000, offset % 1000);
        let offset =
            (second + MIDDLE.start + within * (MIDDLE.end - MIDDLE.start) / 1000) % resolution;
        Self { offset, resolution }
    }

    /// Once every resolution, so long before its end.
    pub(super) fn before_end(lead: Duration, resolution: Duration) -> Self {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let resolution = millis(resolution).max(1);
        Self {
            offset: resolution.saturating_sub(millis(lead)) % resolution,
            resolution,
        }
    }

    /// How far into its span the regular moment lies.
    fn into_span(self) -> Duration {
        let span = COMPANY_SPAN.min(self.resolution / 3).max(1);
        Duration::from_millis(self.offset % span)
    }

    /// How long from `now` to the next regular moment; never zero.
    pub(super) fn wait(self, now: Timestamp) -> Duration {
        let now = u64::try_from(now.as_millis()).unwrap_or(0) % self.resolution;
        let wait = (self.offset + self.resolution - now) % self.resolution;
        Duration::from_millis(if wait == 0 { self.resolution } else { wait })
    }
}

impl Pace {
    /// The schedule of a node that was never asked: it is due at once.
    pub(super) const fn new(phase: Phase) -> Self {
        Self {
            phase,
            quick: AFTER_FIRST,
            expecting: false,
            early: false,
            was_settled: false,
            last: None,
            instead_of: None,
        }
    }

    /// The schedule of a node that has numbers already, as another replica left them: it is due at
    /// its regular moment, at which the other one asks it too.
    pub(super) fn going_on(phase: Phase) -> Self {
        Self {
            quick: &[],
            was_settled: true,
            ..Self::new(phase)
        }
    }

    /// The attempt begins that was set for `due`, in company perhaps before that.
    pub(super) fn started(&mut self, now: Instant, due: Instant) {
        self.last = Some(now);
        self.early = false;
        self.instead_of = Some(due).filter(|due| now < *due);
    }

    /// When to ask again after an attempt that brought `progress`, `None` if it failed. `wall` is
    /// the time of day.
    pub(super) fn finished(
        &mut self,
        now: Instant,
        wall: Timestamp,
        progress: Option<Progress>,
    ) -> Instant {
        let began = self.last.replace(now).unwrap_or(now);
        let earliest = now + SHORTEST_GAP;
        let resolution = Duration::from_millis(self.phase.resolution);
        let mut regular = now + self.phase.wait(wall);
        // Half a resolution of room for a clock that was set meanwhile.
        let made = self.instead_of.take().map(|due| due + resolution / 2);
        if regular < earliest || made.is_some_and(|made| regular < made) {
            regular += resolution;
        }
        if self.early {
            return earliest;
        }
        if progress.is_some_and(|progress| progress.new_containers) {
            self.expecting = false;
            // A container that restarted is seen by a regular scrape first.
            if self.quick.is_empty() {
                self.quick = AFTER_POD;
            }
        }
        self.was_settled |= progress.is_some_and(|progress| progress.settled);
        let settled = progress.is_some_and(|progress| progress.settled) && !self.expecting;
        match self.quick {
            [wait, later @ ..] if !settled => {
                let quick = earliest.max(began + *wait);
                // A regular moment that comes first takes no quick scrape away: with a long
                // resolution the node would wait a whole one for its second stamp.
                if quick < regular {
                    self.quick = later;
                }
                quick.min(regular)
            }
            _ => {
                self.quick = &[];
                self.expecting = false;
                regular
            }
        }
    }

    /// From when on the attempt just set for `due` may be made in the company of others: the begin
    /// of the span its regular moment lies in, so that every round has the same
    /// company. Any other attempt comes when it is due.
    pub(super) fn company_from(&self, due: Instant) -> Instant {
        // Moments are kept in whole milliseconds: one of room, so that the first of a span still
        // finds all others ready.
        let into = self.phase.into_span() + Duration::from_millis(2);
        let regular = self.quick.is_empty() && !self.early;
        let from = due.checked_sub(into).filter(|_| regular).unwrap_or(due);
        let last = self.last.map(|last| last + SHORTEST_GAP);
        last.map_or(from, |earliest| from.max(earliest)).min(due)
    }

    /// A pod on the node turned running: when to ask for it.
    pub(super) fn pod_running(&mut self, now: Instant) -> Instant {
        // At our own start pods and nodes become known at once: the node still needs its own time.
        self.quick = if self.was_settled {
            AFTER_POD
        } else {
            AFTER_FIRST
        };
        self.expecting = true;
        self.hurry(now)
    }

    /// Something changed that makes an early attempt worth while: when to make it.
    pub(super) fn hurry(&mut self, now: Instant) -> Instant {
        self.early = true;
        let last = self.last.map(|last| last + SHORTEST_GAP);
        last.map_or(now, |earliest| earliest.max(now))
    }
}

/// FNV-1a, then mixed so that names that differ in their last digit spread over the whole
/// resolution.
pub(super) fn stable_hash(text: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const R: Duration = Duration::from_secs(15);
    const SETTLED: Option<Progress> = Some(Progress {
        settled: true,
        new_containers: false,
    });
    const UNSETTLED: Option<Progress> = Some(Progress {
        settled: false,
        new_containers: false,
    });
    const NEW: Option<Progress> = Some(Progress {
        settled: false,
        new_containers: true,
    });

    fn phase(offset: u64) -> Phase {
        Phase {
            offset,
            resolution: 15_000,
        }
    }

    fn name(text: &str) -> NodeName {
        NodeName::new(text).unwrap()
    }

    /// The seconds at which a node is asked that takes no time to answer, with these results in
    /// turn.
    fn starts(mut pace: Pace, results: &[Option<Progress>]) -> Vec<f64> {
        let began = Instant::now();
        let mut due = began;
        let mut starts = Vec::new();
        for progress in results {
            starts.push((due - began).as_secs_f64());
            pace.started(due, due);
            let millis = i64::try_from((due - began).as_millis()).unwrap();
            due = pace.finished(due, Timestamp::from_millis(millis), *progress);
        }
        starts.push((due - began).as_secs_f64());
        starts
    }

    #[test]
    fn phases_are_the_same_in_every_process_and_spread() {
        assert_eq!(Phase::of(&name("node-1"), R), Phase::of(&name("node-1"), R));
        let mut taken = [0; 15];
        for n in 0..1500 {
            let offset = Phase::of(&name(&format!("ip-10-0-0-{n}")), R).offset;
            taken[usize::try_from(offset / 1000).unwrap()] += 1;
        }
        assert!(taken.iter().all(|n| (60..140).contains(n)), "{taken:?}");
        for n in 0..1500 {
            let offset = Phase::of(&name(&format!("ip-10-0-0-{n}")), R).offset;
            assert!(MIDDLE.contains(&(offset % 1000)), "{offset}");
        }
        // Replicas of different versions meet in a roll-out: the hash may not change. FNV-1a of "a"
        // is published.
        let fnv_of_a = 0xaf63_dc4c_8601_ec8c_u64;
        let mixed = (fnv_of_a ^ (fnv_of_a >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        assert_eq!(stable_hash("a"), mixed ^ (mixed >> 32));
    }

    #[test]
    fn the_wait_ends_at_the_phase_and_is_never_zero() {
        for (offset, now, wait) in [
            (4_000, 0, 4_000),
            (4_000, 3_999, 1),
            (4_000, 4_000, 15_000),
            (4_000, 14_999, 4_001),
            (0, 150_000, 15_000),
            (0, 1_795_253_480_000, 10_000),
        ] {
            let waited = phase(offset).wait(Timestamp::from_millis(now));
            assert_eq!(waited, Duration::from_millis(wait), "{offset} {now}");
        }
    }

    #[test]
    fn a_new_node_is_asked_quickly_until_it_has_numbers_then_at_its_phase() {
        let pace = Pace::new(phase(12_000));
        assert_eq!(
            starts(pace, &[UNSETTLED, SETTLED, SETTLED]),
            [0.0, 2.25, 12.0, 27.0]
        );
        let four = [UNSETTLED, UNSETTLED, UNSETTLED, UNSETTLED];
        assert_eq!(starts(pace, &four), [0.0, 2.25, 6.25, 10.5, 14.5]);
        assert_eq!(starts(pace, &[None; 4]), [0.0, 2.25, 6.25, 10.5, 14.5]);
    }

    #[test]
    fn a_regular_moment_soon_after_the_start_leaves_the_quick_scrapes_to_come() {
        let early = Phase {
            offset: 9_000,
            resolution: 60_000,
        };
        let four = [UNSETTLED, UNSETTLED, UNSETTLED, UNSETTLED];
        let starts = starts(Pace::new(early), &four);
        assert_eq!(starts, [0.0, 2.25, 6.25, 9.0, 13.25]);
    }

    #[test]
    fn a_slow_first_answer_is_followed_late_enough_to_make_a_pair() {
        let now = Instant::now();
        let at = |seconds: f64| now + Duration::from_secs_f64(seconds);
        let wall = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        for (regular, hurried) in [(12_000, false), (12_000, true), (2_300, false)] {
            let mut pace = Pace::new(phase(regular));
            pace.started(now, now);
            if hurried {
                pace.pod_running(at(0.1));
            }
            assert_eq!(pace.finished(at(1.0), wall(1), UNSETTLED), at(3.0));
        }
        let mut pace = Pace::new(phase(12_000));
        pace.started(now, now);
        pace.finished(at(1.0), wall(1), SETTLED);
        assert_eq!(pace.pod_running(at(1.5)), at(3.0));
    }

    #[test]
    fn a_moment_brought_forward_is_not_made_again() {
        let began = Instant::now();
        let at = |millis: i64| began + Duration::from_millis(millis.unsigned_abs());
        let mut pace = Pace::going_on(phase(14_600));
        let finished = |pace: &mut Pace, now: i64, due: i64| {
            pace.started(at(now), at(due));
            pace.finished(at(now + 50), Timestamp::from_millis(now + 50), SETTLED)
        };
        assert_eq!(finished(&mut pace, 10_200, 14_600), at(29_600));
        // So early that the moment is near still, or when it is over already.
        assert_eq!(finished(&mut pace, 25_100, 29_600), at(44_600));
        assert_eq!(finished(&mut pace, 44_590, 44_600), at(59_600));
        // One of its own before a regular moment does not stand for it.
        assert_eq!(finished(&mut pace, 55_000, 55_000), at(59_600));
    }

    #[test]
    fn regular_moments_have_the_company_of_their_third_of_the_resolution() {
        let due = Instant::now() + Duration::from_secs(60);
        for (offset, resolution, into) in [
            (4_600, 15_000, 4_602),
            (5_200, 15_000, 202),
            (14_600, 15_000, 4_602),
            (59_600, 60_000, 4_602),
            (2_600, 3_000, 602),
        ] {
            let pace = Pace::going_on(Phase { offset, resolution });
            let early = due - pace.company_from(due);
            assert_eq!(early, Duration::from_millis(into), "{offset} {resolution}");
        }
    }

    #[test]
    fn a_regular_moment_right_after_an_attempt_is_left_out() {
        let pace = Pace::new(phase(1_000));
        assert_eq!(starts(pace, &[SETTLED, SETTLED]), [0.0, 16.0, 31.0]);
        let pace = Pace::new(phase(2_000));
        assert_eq!(starts(pace, &[SETTLED, SETTLED]), [0.0, 2.0, 17.0]);
    }

    #[test]
    fn a_running_pod_is_asked_for_at_once_but_not_within_the_gap() {
        let now = Instant::now();
        let at = |seconds: f64| now + Duration::from_secs_f64(seconds);
        let mut pace = Pace::new(phase(12_000));
        pace.started(now, now);
        pace.finished(now, Timestamp::from_millis(0), SETTLED);
        assert_eq!(pace.pod_running(at(0.5)), at(2.0));
        assert_eq!(pace.pod_running(at(5.0)), at(5.0));
    }

    #[test]
    fn after_a_running_pod_two_more_scrapes_wait_for_its_containers() {
        let now = Instant::now();
        let at = |seconds: f64| now + Duration::from_secs_f64(seconds);
        let mut pace = Pace::new(phase(14_000));
        pace.was_settled = true;
        pace.pod_running(now);
        pace.started(now, now);
        let mut finish = |seconds: f64, progress| {
            let wall = Timestamp::from_millis(
                Duration::from_secs_f64(seconds)
                    .as_millis()
                    .try_into()
                    .unwrap(),
            );
            let due = pace.finished(at(seconds), wall, progress);
            pace.started(due, due);
            due
        };
        // The kubelet does not show the pod yet: nothing is settled, although all it names has
        // numbers.
        assert_eq!(finish(0.0, SETTLED), at(2.25));
        assert_eq!(finish(2.25, NEW), at(6.25));
        assert_eq!(finish(6.25, SETTLED), at(14.0));
    }

    #[test]
    fn a_container_first_seen_by_a_regular_scrape_gets_quick_ones_too() {
        let mut pace = Pace::new(phase(0));
        pace.quick = &[];
        pace.was_settled = true;
        let starts = starts(pace, &[SETTLED, NEW, SETTLED]);
        assert_eq!(starts, [0.0, 15.0, 17.25, 30.0]);
    }

    #[test]
    fn a_pod_that_turns_running_takes_no_quick_scrape_from_a_new_node() {
        let now = Instant::now();
        let late = Phase {
            offset: 59_000,
            resolution: 60_000,
        };
        let mut pace = Pace::new(late);
        pace.started(now, now);
        pace.finished(now, Timestamp::from_millis(0), UNSETTLED);
        let due = pace.pod_running(now + Duration::from_millis(500));
        let millis = i64::try_from((due - now).as_millis()).unwrap();
        let mut waits = Vec::new();
        let mut last = due;
        for _ in 0..4 {
            pace.started(last, last);
            let passed = i64::try_from((last - due).as_millis()).unwrap();
            let next = pace.finished(last, Timestamp::from_millis(millis + passed), UNSETTLED);
            waits.push((next - last).as_secs_f64());
            last = next;
        }
        assert_eq!(waits, [2.25, 4.0, 4.25, 4.0]);
    }

    #[test]
    fn a_pod_that_turns_running_during_an_attempt_is_asked_for_after_it() {
        let now = Instant::now();
        let mut pace = Pace::new(phase(14_000));
        pace.started(now, now);
        pace.pod_running(now + Duration::from_millis(100));
        let done = now + Duration::from_millis(300);
        let due = pace.finished(done, Timestamp::from_millis(300), SETTLED);
        assert_eq!(due, done + SHORTEST_GAP);
    }
}
