//! How long to wait before trying again.

use std::time::Duration;

/// Where randomness for spreading comes from: returns a number in `0.0..1.0`. Tests pass a
/// constant.
pub type Jitter = fn() -> f64;

/// Waits that grow by a factor up to a cap, each shortened by up to a fifth so that replicas do not
/// march in step.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    factor: f64,
    next: Duration,
    jitter: Jitter,
}

/// The part of each wait that is left to chance.
const SPREAD: f64 = 0.2;

impl Backoff {
    /// Waits of `first`, then twice as long each time, never longer than `cap`.
    #[must_use]
    pub fn doubling(first: Duration, cap: Duration) -> Self {
        Self {
            first,
            cap,
            factor: 2.0,
            next: first,
            jitter: random,
        }
    }

    /// The same waits growing by another factor.
    #[must_use]
    pub fn with_factor(self, factor: f64) -> Self {
        Self { factor, ..self }
    }

    /// The same waits with another source of randomness.
    #[must_use]
    pub fn with_jitter(self, jitter: Jitter) -> Self {
        Self { jitter, ..self }
    }

    /// The next wait.
    pub fn wait(&mut self) -> Duration {
        let base = self.next;
        self.next = base.mul_f64(self.factor).min(self.cap);
        base.mul_f64(1.0 - SPREAD * (self.jitter)())
    }

    /// Starts over with the first wait, after something went well.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

/// A number in `0.0..1.0` from the hash keys the standard library seeds each map with: no crate for
/// one number.
#[must_use]
pub fn random() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    let bits = u32::try_from(RandomState::new().hash_one(0_u8) >> 32).unwrap_or(0);
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_start_over() {
        let secs = Duration::from_secs;
        let mut backoff = Backoff::doubling(secs(1), secs(5)).with_jitter(|| 0.0);
        let waits: Vec<_> = (0..5).map(|_| backoff.wait()).collect();
        assert_eq!(waits, [secs(1), secs(2), secs(4), secs(5), secs(5)]);
        backoff.reset();
        assert_eq!(backoff.wait(), secs(1));
    }

    #[test]
    fn chance_shortens_a_wait_by_a_fifth_at_most() {
        let mut backoff = Backoff::doubling(Duration::from_secs(1), Duration::from_secs(1));
        for _ in 0..100 {
            let wait = backoff.wait();
            assert!(wait <= Duration::from_secs(1) && wait >= Duration::from_millis(800));
        }
    }
}
