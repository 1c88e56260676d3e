//! CPU load that varies with time and whose counter is known exactly at every instant.

use std::f64::consts::TAU;
use std::time::Duration;

use super::stamp::Stamp;

/// A rate of CPU use over time, in cores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// Always the same.
    Constant(f64),
    /// A sine around `mean`; `swing` is at most `mean`, so that the counter never falls.
    Wave {
        /// The middle, in cores.
        mean: f64,
        /// How far it goes to either side, in cores.
        swing: f64,
        /// How long one turn takes.
        period: Duration,
        /// Where in the turn it begins, as a fraction of it.
        phase: f64,
    },
}

impl Load {
    /// The rate at one instant.
    #[must_use]
    pub fn rate(&self, at: Stamp) -> f64 {
        match *self {
            Self::Constant(cores) => cores,
            Self::Wave {
                mean,
                swing,
                period,
                phase,
            } => mean + swing * angle(at, period, phase).sin(),
        }
    }

    /// Core-seconds used from one instant to a later one.
    #[must_use]
    pub fn integral(&self, from: Stamp, to: Stamp) -> f64 {
        let elapsed = to.seconds_since(from);
        match *self {
            Self::Constant(cores) => cores * elapsed,
            Self::Wave {
                mean,
                swing,
                period,
                phase,
            } => {
                let turned = angle(from, period, phase).cos() - angle(to, period, phase).cos();
                mean * elapsed + swing * turned * period.as_secs_f64() / TAU
            }
        }
    }
}

fn angle(at: Stamp, period: Duration, phase: f64) -> f64 {
    let period = period.as_secs_f64();
    TAU * ((at.as_seconds() % period) / period + phase)
}

/// A cumulative CPU counter in core-seconds, as a list of loads that followed one another.
#[derive(Clone, Debug, PartialEq)]
pub struct Counter {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq)]
struct Segment {
    since: Stamp,
    base: f64,
    loads: Vec<Load>,
}

impl Counter {
    /// A counter that is zero at `since` and grows by the sum of `loads`.
    #[must_use]
    pub fn new(since: Stamp, loads: Vec<Load>) -> Self {
        let segment = Segment {
            since,
            base: 0.0,
            loads,
        };
        Self {
            segments: vec![segment],
        }
    }

    /// The counter at one instant; before it began it is what it began with.
    #[must_use]
    pub fn at(&self, at: Stamp) -> f64 {
        let mut segments = self.segments.iter();
        segments
            .rfind(|s| s.since <= at)
            .or_else(|| self.segments.first())
            .map_or(0.0, |s| s.at(at))
    }

    /// The average rate between two instants, in cores: what is to be served for that window.
    #[must_use]
    pub fn average(&self, from: Stamp, to: Stamp) -> f64 {
        (self.at(to) - self.at(from)) / to.seconds_since(from)
    }

    /// From `at` on the counter grows by other loads.
    pub fn follow(&mut self, at: Stamp, loads: Vec<Load>) {
        let base = self.at(at);
        self.push(at, base, loads);
    }

    /// At `at` the counter jumps by so many core-seconds; a negative jump is what a reset looks like.
    pub fn jump(&mut self, at: Stamp, core_seconds: f64) {
        let base = (self.at(at) + core_seconds).max(0.0);
        let loads = self.loads();
        self.push(at, base, loads);
    }

    /// At `at` the counter begins again at zero.
    pub fn reset(&mut self, at: Stamp) {
        let loads = self.loads();
        self.push(at, 0.0, loads);
    }

    /// The loads it grows by now.
    #[must_use]
    pub fn loads(&self) -> Vec<Load> {
        self.segments
            .last()
            .map_or_else(Vec::new, |s| s.loads.clone())
    }

    fn push(&mut self, since: Stamp, base: f64, loads: Vec<Load>) {
        self.segments.push(Segment { since, base, loads });
    }
}

impl Segment {
    fn at(&self, at: Stamp) -> f64 {
        if at <= self.since {
            return self.base;
        }
        let used: f64 = self.loads.iter().map(|l| l.integral(self.since, at)).sum();
        self.base + used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Stamp = Stamp(1_795_000_000_000);

    fn wave() -> Load {
        Load::Wave {
            mean: 0.5,
            swing: 0.4,
            period: Duration::from_secs(60),
            phase: 0.3,
        }
    }

    #[test]
    fn a_wave_integrates_to_its_mean_over_a_whole_turn() {
        let used = wave().integral(START, START.plus(Duration::from_secs(60)));
        assert!((used - 30.0).abs() < 1e-6, "{used}");
    }

    #[test]
    fn a_wave_integrates_to_the_sum_of_its_rates() {
        let mut summed = 0.0;
        for ms in 0..15_000 {
            summed += wave().rate(Stamp(START.0 + ms)) / 1000.0;
        }
        let used = wave().integral(START, Stamp(START.0 + 15_000));
        assert!((used - summed).abs() < 1e-3, "{used} {summed}");
    }

    #[test]
    fn a_counter_keeps_its_value_when_the_load_changes_and_loses_it_on_a_reset() {
        let mut counter = Counter::new(START, vec![Load::Constant(0.2), Load::Constant(0.3)]);
        let t10 = START.plus(Duration::from_secs(10));
        let t20 = START.plus(Duration::from_secs(20));
        counter.follow(t10, vec![Load::Constant(1.0)]);
        assert!((counter.at(t10) - 5.0).abs() < 1e-9);
        assert!((counter.at(t20) - 15.0).abs() < 1e-9);
        assert!((counter.at(START.plus(Duration::from_secs(4))) - 2.0).abs() < 1e-9);
        assert!((counter.average(t10, t20) - 1.0).abs() < 1e-9);
        counter.reset(t20);
        let t25 = START.plus(Duration::from_secs(25));
        assert!((counter.at(t25) - 5.0).abs() < 1e-9);
        counter.jump(t25, 100.0);
        assert!((counter.at(t25) - 105.0).abs() < 1e-9);
    }

    #[test]
    fn a_stamp_floors_to_its_period_and_phase() {
        assert_eq!(
            Stamp(12_345).floor_to(Duration::from_secs(10), 300),
            Stamp(10_300)
        );
        assert_eq!(
            Stamp(10_299).floor_to(Duration::from_secs(10), 300),
            Stamp(300)
        );
        assert_eq!(
            Stamp(1_795_000_000_999).to_rfc3339(),
            "2026-11-18T11:06:40Z"
        );
    }
}
