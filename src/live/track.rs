//! The last two points of one life, and the rate between them.

use std::time::{Duration, Instant};

use crate::domain::{Bytes, CpuTime, Nanocores, Timestamp, Usage};

/// One sample of a container or node, complete enough to be half of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) cpu: CpuTime,
    pub(super) memory: Bytes,
    pub(super) swap: Option<Bytes>,
    /// When the kubelet took the CPU sample, by its clock.
    pub(super) at: Timestamp,
    /// When its answer arrived, by our monotonic clock.
    pub(super) received: Instant,
}

/// A finished number and when its stamp was first received, from which its age is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) usage: Usage,
    pub(super) received: Instant,
}

/// The points of one life: the newest, and the rate to it from an older one.
///
/// The older point lives on inside the rate: its stamp is that of the newest less the window, its
/// counter is [`Track::base`]. There is one of these for each container of the cluster.
#[derive(Clone, Copy, Debug)]
pub(super) struct Track {
    last: Point,
    base: CpuTime,
    rate: Option<Rate>,
}

/// How fast the CPU counter grew, and how long that was looked at.
#[derive(Clone, Copy, Debug)]
struct Rate {
    cpu: Nanocores,
    window: Duration,
}

/// What a new point did to a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It made a pair: there is a new number.
    Paired,
    /// Its stamp is one already seen, or an older one: nothing changed.
    Unmoved,
    /// It came too soon after the last one to make an honest window: nothing changed.
    TooSoon,
    /// The counter fell, or the kubelet's clock was set back: a new life began with this point.
    Restarted,
    /// The rate was above what the node has: it was refused, and a new life began with this point.
    Refused,
}

/// The rules points are paired by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// An existing window is never made shorter than this by a sample that comes early.
    pub(super) steady_window: Duration,
    /// A sample that comes early makes the window longer instead, but not beyond this.
    pub(super) longest_window: Duration,
    /// How long a stamp is served after it was first received.
    pub(super) expiry: Duration,
}

/// The shortest window a first number may have: below it the kubelet's own sampling shows.
const FIRST_WINDOW: Duration = Duration::from_secs(2);

/// The longest steady window asked for, whatever the resolution.
const LONGEST_STEADY_WINDOW: Duration = Duration::from_secs(10);

impl Rules {
    /// The rules for a scrape every `resolution`.
    ///
    /// The steady window is 10 s, or nine tenths of a resolution near that, so that a regular
    /// scrape that comes a little early still counts. A stamp is served for three resolutions.
    pub(super) fn new(resolution: Duration) -> Self {
        Self {
            steady_window: LONGEST_STEADY_WINDOW.min(resolution.mul_f64(0.9)),
            longest_window: resolution.saturating_mul(2),
            expiry: resolution.saturating_mul(3),
        }
    }

    /// Tells whether a stamp received at `received` may still be served at `now`.
    pub(super) fn is_fresh(&self, received: Instant, now: Instant) -> bool {
        now.saturating_duration_since(received) <= self.expiry
    }
}

impl Track {
    /// A life of which one point is known.
    pub(super) const fn begin(first: Point) -> Self {
        Self {
            last: first,
            base: first.cpu,
            rate: None,
        }
    }

    /// A life as another replica knows it: its newest point, the counter of the one before it and
    /// the time between them. `None` when no kubelet's answers could have made such a number.
    pub(super) fn paired(
        last: Point,
        base: CpuTime,
        window: Duration,
        capacity: Option<Nanocores>,
    ) -> Option<Self> {
        let mut track = Self::begin(last);
        let made = window >= FIRST_WINDOW && base <= last.cpu;
        let paired = made && track.pair(base, window, last, capacity) == Outcome::Paired;
        paired.then_some(track)
    }

    /// The counter of the older point.
    pub(super) const fn base(&self) -> CpuTime {
        self.base
    }

    /// The number the last two points made, if there are two.
    pub(super) fn measured(&self) -> Option<Measured> {
        let Rate { cpu, window } = self.rate?;
        let Point {
            at: timestamp,
            memory,
            swap,
            received,
            ..
        } = self.last;
        let usage = Usage {
            timestamp,
            window,
            cpu,
            memory,
            swap,
        };
        Some(Measured { usage, received })
    }

    /// Whether the last two points made a number.
    pub(super) const fn has_number(&self) -> bool {
        self.rate.is_some()
    }

    /// The newest point.
    pub(super) const fn last(&self) -> &Point {
        &self.last
    }

    /// Our clock when the newest stamp was first received.
    pub(super) const fn received(&self) -> Instant {
        self.last.received
    }

    /// Takes a further point of the same life; `capacity` is what the node has, if that is known.
    pub(super) fn observe(
        &mut self,
        point: Point,
        rules: &Rules,
        capacity: Option<Nanocores>,
    ) -> Outcome {
        let Some(step) = point.at.since(self.last.at) else {
            return self.observe_unmoved(point, rules);
        };
        if point.cpu < self.last.cpu {
            *self = Self::begin(point);
            return Outcome::Restarted;
        }
        match self.rate {
            None if step < FIRST_WINDOW => Outcome::TooSoon,
            Some(old) if step < rules.steady_window => {
                let window = old.window + step;
                if window > rules.longest_window {
                    return Outcome::TooSoon;
                }
                self.pair(self.base, window, point, capacity)
            }
            None | Some(_) => self.pair(self.last.cpu, step, point, capacity),
        }
    }

    /// A stamp that did not move says nothing new. One that went back and stays back, after all we
    /// had is too old to serve, means that the kubelet's clock was set back: waiting for it to
    /// catch up could take for ever.
    fn observe_unmoved(&mut self, point: Point, rules: &Rules) -> Outcome {
        let went_back = point.at < self.last.at;
        if went_back && !rules.is_fresh(self.last.received, point.received) {
            *self = Self::begin(point);
            return Outcome::Restarted;
        }
        Outcome::Unmoved
    }

    fn pair(
        &mut self,
        base: CpuTime,
        window: Duration,
        point: Point,
        capacity: Option<Nanocores>,
    ) -> Outcome {
        let Some(cpu) = point
            .cpu
            .rate_since(base, window)
            .and_then(|cpu| bounded(cpu, capacity))
        else {
            *self = Self::begin(point);
            return Outcome::Refused;
        };
        *self = Self {
            last: point,
            base,
            rate: Some(Rate { cpu, window }),
        };
        Outcome::Paired
    }
}

/// Holds a rate to what the node has.
///
/// Counter and stamp are not read in the same instant, so a fully loaded node can seem a few
/// percent busier than it can be: up to a tenth over counts as all of it. More is no measurement.
fn bounded(rate: Nanocores, capacity: Option<Nanocores>) -> Option<Nanocores> {
    let Some(capacity) = capacity else {
        return Some(rate);
    };
    let most = capacity.get().saturating_add(capacity.get() / 10);
    (rate.get() <= most).then(|| rate.min(capacity))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: Option<Nanocores> = Some(Nanocores::new(4_000_000_000));

    /// Points of one life on one clock: `(seconds, CPU milliseconds)`.
    struct Kubelet {
        began: Instant,
    }

    impl Kubelet {
        #[expect(
            clippy::disallowed_methods,
            reason = "any instant will do to count from"
        )]
        fn new() -> Self {
            Self {
                began: Instant::now(),
            }
        }

        fn point(&self, seconds: f64, cpu_millis: u64) -> Point {
            self.point_received(seconds, seconds, cpu_millis)
        }

        fn point_received(&self, stamp: f64, received: f64, cpu_millis: u64) -> Point {
            #[expect(clippy::cast_possible_truncation, reason = "small numbers of a test")]
            let at = Timestamp::from_millis((stamp * 1000.0) as i64);
            Point {
                cpu: CpuTime::from_nanos(cpu_millis * 1_000_000),
                memory: Bytes::new(1024),
                swap: None,
                at,
                received: self.began + Duration::from_secs_f64(received),
            }
        }
    }

    fn rules() -> Rules {
        Rules::new(Duration::from_secs(15))
    }

    fn window(track: &Track) -> Option<f64> {
        track.measured().map(|m| m.usage.window.as_secs_f64())
    }

    #[test]
    fn two_points_make_a_rate_over_their_own_window() {
        let kubelet = Kubelet::new();
        let mut track = Track::begin(kubelet.point(100.0, 7_000));
        assert_eq!(track.measured(), None);
        let outcome = track.observe(kubelet.point(115.237, 10_000), &rules(), CAPACITY);
        let usage = track.measured().unwrap().usage;
        assert_eq!(outcome, Outcome::Paired);
        assert_eq!(usage.timestamp, Timestamp::from_millis(115_237));
        assert_eq!(usage.window, Duration::from_millis(15_237));
        assert_eq!(
            usage.cpu,
            Nanocores::new(3_000_000_000_000_000_000 / 15_237_000_000)
        );
    }

    #[test]
    fn a_repeated_or_older_stamp_changes_nothing() {
        let kubelet = Kubelet::new();
        let mut track = Track::begin(kubelet.point(100.0, 0));
        track.observe(kubelet.point(115.0, 3_000), &rules(), CAPACITY);
        let before = track.measured();
        for stamp in [115.0, 110.0, 99.0] {
            let late = kubelet.point_received(stamp, 130.0, 9_000);
            assert_eq!(track.observe(late, &rules(), CAPACITY), Outcome::Unmoved);
            assert_eq!(track.measured(), before);
        }
    }

    #[test]
    fn a_falling_counter_ends_the_life() {
        let kubelet = Kubelet::new();
        let mut track = Track::begin(kubelet.point(100.0, 5_000));
        track.observe(kubelet.point(115.0, 8_000), &rules(), CAPACITY);
        let outcome = track.observe(kubelet.point(130.0, 100), &rules(), CAPACITY);
        assert_eq!((outcome, track.measured()), (Outcome::Restarted, None));
        track.observe(kubelet.point(145.0, 1_600), &rules(), CAPACITY);
        assert_eq!(
            track.measured().unwrap().usage.cpu,
            Nanocores::new(100_000_000)
        );
    }

    #[test]
    fn a_first_pair_is_at_least_two_seconds_long() {
        let kubelet = Kubelet::new();
        let mut track = Track::begin(kubelet.point(100.0, 0));
        let soon = track.observe(kubelet.point(101.9, 100), &rules(), CAPACITY);
        assert_eq!((soon, window(&track)), (Outcome::TooSoon, None));
        track.observe(kubelet.point(102.0, 200), &rules(), CAPACITY);
        assert_eq!(window(&track), Some(2.0));
    }

    #[test]
    fn a_short_window_grows_until_it_is_steady() {
        let kubelet = Kubelet::new();
        let mut track = Track::begin(kubelet.point(100.0, 0));
        let mut windows = Vec::new();
        for at in [102.0, 106.0, 114.0, 129.0] {
            track.observe(kubelet.point(at, 1_000), &rules(), CAPACITY);
            windows.push(window(&track).unwrap());
        }
        assert_eq!(windows, [2.0, 6.0, 14.0, 15.0]);
    }

    #[test]
    fn an_early_sample_never_shortens_a_steady_window() {
        let kubelet = Kubelet::new();
        let mut track = Track::begin(kubelet.point(100.0, 0));
        track.observe(kubelet.point(115.0, 3_000), &rules(), CAPACITY);
        let early = track.observe(kubelet.point(119.0, 3_800), &rules(), CAPACITY);
        assert_eq!((early, window(&track)), (Outcome::Paired, Some(19.0)));
        assert_eq!(
            track.measured().unwrap().usage.cpu,
            Nanocores::new(200_000_000)
        );
        track.observe(kubelet.point(130.0, 6_000), &rules(), CAPACITY);
        assert_eq!(window(&track), Some(11.0));
    }

    #[test]
    fn early_samples_do_not_lengthen_a_window_without_end() {
        let kubelet = Kubelet::new();
        let mut track = Track::begin(kubelet.point(100.0, 0));
        let mut windows = Vec::new();
        for at in [115.0, 119.0, 123.0, 127.0, 131.0, 135.0, 137.0] {
            track.observe(kubelet.point(at, 1_000), &rules(), CAPACITY);
            windows.push(window(&track).unwrap());
        }
        assert_eq!(windows, [15.0, 19.0, 23.0, 27.0, 27.0, 27.0, 10.0]);
    }

    #[test]
    fn a_rate_above_what_the_node_has_is_refused() {
        let kubelet = Kubelet::new();
        let mut track = Track::begin(kubelet.point(100.0, 0));
        let outcome = track.observe(kubelet.point(110.0, 45_000), &rules(), CAPACITY);
        assert_eq!((outcome, track.measured()), (Outcome::Refused, None));
        track.observe(kubelet.point(120.0, 46_000), &rules(), CAPACITY);
        assert_eq!(
            track.measured().unwrap().usage.cpu,
            Nanocores::new(100_000_000)
        );
    }

    #[test]
    fn a_hair_above_the_capacity_is_all_of_it() {
        let kubelet = Kubelet::new();
        let mut track = Track::begin(kubelet.point(100.0, 0));
        track.observe(kubelet.point(110.0, 40_200), &rules(), CAPACITY);
        assert_eq!(track.measured().map(|m| m.usage.cpu), CAPACITY);
    }

    #[test]
    fn a_clock_set_back_for_good_begins_anew_once_nothing_is_left_to_serve() {
        let kubelet = Kubelet::new();
        let mut track = Track::begin(kubelet.point(1_000.0, 0));
        track.observe(kubelet.point(1_015.0, 3_000), &rules(), CAPACITY);
        let soon = kubelet.point_received(500.0, 1_030.0, 6_000);
        assert_eq!(track.observe(soon, &rules(), CAPACITY), Outcome::Unmoved);
        let later = kubelet.point_received(531.0, 1_061.0, 12_000);
        assert_eq!(track.observe(later, &rules(), CAPACITY), Outcome::Restarted);
    }

    proptest::proptest! {
        /// Promise 3 for any sequence of points: no window of zero, none below two seconds, no rate
        /// above the node, and stamps that never go back while a number is served.
        #[test]
        fn whatever_a_kubelet_says_the_number_stays_honest(
            points in proptest::collection::vec((0_u32..200_000, 0_u64..1_000_000), 1..40)
        ) {
            let kubelet = Kubelet::new();
            let mut track = Track::begin(kubelet.point(0.0, 0));
            let mut shown: Option<Usage> = None;
            for (n, (stamp, cpu)) in points.into_iter().enumerate() {
                let received = f64::from(u32::try_from(n).unwrap());
                let point = kubelet.point_received(f64::from(stamp) / 1000.0, received, cpu);
                let outcome = track.observe(point, &rules(), CAPACITY);
                let now = track.measured().map(|m| m.usage);
                if let Some(usage) = now {
                    proptest::prop_assert!(usage.window >= FIRST_WINDOW);
                    proptest::prop_assert!(Some(usage.cpu) <= CAPACITY);
                    if let Some(before) = shown {
                        proptest::prop_assert!(usage.timestamp >= before.timestamp);
                        proptest::prop_assert_eq!(outcome == Outcome::Paired, usage != before);
                    }
                }
                shown = now;
            }
        }
    }
}
