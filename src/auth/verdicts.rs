//! Remembers what the API server said, and asks it once where many wait for the same answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use moka::future::Cache;
use moka::policy::EvictionPolicy;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::metrics::Lookups;
use crate::domain::Clock;
use crate::lifecycle::Tasks;

/// Answers kept for a while by the keyed digest of their question.
///
/// Bounds: at most `capacity` answers, the least recently used goes first; at most [`MAX_FLIGHTS`]
/// questions under way, further ones fail with [`ReviewError::Overloaded`]; each question ends
/// after [`FLIGHT_LIMIT`].
pub(super) struct Verdicts<V>(Arc<Inner<V>>);

struct Inner<V> {
    key: hmac::Key,
    kept: Cache<Digest, Kept<V>>,
    flights: Mutex<HashMap<Digest, watch::Receiver<Option<Outcome<V>>>>>,
    clock: Arc<dyn Clock>,
    tasks: Tasks,
    lookups: Lookups,
}

/// An answer and how long it may be repeated; zero when it may not.
pub(super) struct Answer<V> {
    pub(super) verdict: V,
    pub(super) keep: Duration,
}

/// Why the API server gave no usable answer. Its text may reach the caller.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReviewError {
    /// It could not be reached, or refused the question.
    #[error("the API server could not be asked")]
    Failed(#[source] ReviewFailure),
    /// It took too long.
    #[error("the API server did not answer in time")]
    Timeout,
    /// Too many questions are under way.
    #[error("too many reviews are under way")]
    Overloaded,
    /// It answered without a verdict, or with two.
    #[error("{0}")]
    Unusable(&'static str),
}

/// What went wrong between us and the API server, in words and without secrets. For our log alone.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ReviewFailure(String);

pub(super) type Outcome<V> = Result<V, ReviewError>;
type Digest = [u8; 32];

#[derive(Clone, Debug)]
struct Kept<V> {
    verdict: V,
    until: Instant,
}

/// The most questions under way at once: more than the server lets requests in, so that it is
/// seldom the first to refuse.
const MAX_FLIGHTS: usize = 1024;
/// The longest a question may take with all its retries, as in Kubernetes.
const FLIGHT_LIMIT: Duration = Duration::from_secs(30);

impl ReviewFailure {
    /// `words` come from somebody who knows what is secret.
    pub(super) const fn new(words: String) -> Self {
        Self(words)
    }
}

impl<V: Clone + Send + Sync + 'static> Verdicts<V> {
    /// An empty memory for `capacity` answers that are kept for `longest` at most.
    pub(super) fn new(
        capacity: u64,
        longest: Duration,
        clock: Arc<dyn Clock>,
        tasks: Tasks,
        lookups: Lookups,
    ) -> Self {
        let kept = Cache::builder()
            .max_capacity(capacity)
            .eviction_policy(EvictionPolicy::lru())
            // Only frees memory: whether an answer is fresh is decided by our clock.
            .time_to_live(longest.max(Duration::from_secs(1)))
            .build();
        Self(Arc::new(Inner {
            key: random_key(),
            kept,
            flights: Mutex::default(),
            clock,
            tasks,
            lookups,
        }))
    }

    /// The answer to `question`: remembered, or that of the question under way, or of a new one.
    ///
    /// The question goes on when the caller gives up, so that the next one finds its answer.
    pub(super) async fn get_or_ask<F, A>(&self, question: &[u8], ask: F) -> Outcome<V>
    where
        F: FnOnce() -> A,
        A: Future<Output = Result<Answer<V>, ReviewError>> + Send + 'static,
    {
        let digest = self.0.digest(question);
        if let Some(verdict) = self.0.fresh(&digest).await {
            self.0.lookups.hit();
            return Ok(verdict);
        }
        let mut flight = self.join_or_start(digest, ask)?;
        let landed = flight.wait_for(Option::is_some).await;
        // A flight without a landing has panicked.
        landed
            .ok()
            .and_then(|outcome| outcome.clone())
            .unwrap_or(Err(ReviewError::Unusable("the review was lost")))
    }

    fn join_or_start<F, A>(
        &self,
        digest: Digest,
        ask: F,
    ) -> Result<watch::Receiver<Option<Outcome<V>>>, ReviewError>
    where
        F: FnOnce() -> A,
        A: Future<Output = Result<Answer<V>, ReviewError>> + Send + 'static,
    {
        let mut flights = self.0.flights.lock();
        if let Some(flight) = flights.get(&digest) {
            self.0.lookups.joined();
            return Ok(flight.clone());
        }
        if flights.len() >= MAX_FLIGHTS {
            return Err(ReviewError::Overloaded);
        }
        self.0.lookups.miss();
        let (land, flight) = watch::channel(None);
        flights.insert(digest, flight.clone());
        drop(flights);
        let (inner, asking) = (Arc::clone(&self.0), ask());
        self.0.tasks.spawn_passing("review", async move {
            let airborne = Airborne {
                inner: Arc::clone(&inner),
                digest,
            };
            let outcome = inner.fly(digest, asking).await;
            // From here on whoever comes finds the kept answer, or asks anew.
            drop(airborne);
            let _ = land.send(Some(outcome));
        });
        Ok(flight)
    }
}

impl<V: Clone + Send + Sync + 'static> Inner<V> {
    async fn fly<A>(&self, digest: Digest, asking: A) -> Outcome<V>
    where
        A: Future<Output = Result<Answer<V>, ReviewError>>,
    {
        // Another flight may have landed between the caller's look and its start.
        if let Some(verdict) = self.fresh(&digest).await {
            return Ok(verdict);
        }
        let answer = tokio::time::timeout(FLIGHT_LIMIT, asking)
            .await
            .map_err(|_| ReviewError::Timeout)??;
        if !answer.keep.is_zero() {
            let kept = Kept {
                verdict: answer.verdict.clone(),
                until: self.clock.monotonic() + answer.keep,
            };
            self.kept.insert(digest, kept).await;
        }
        Ok(answer.verdict)
    }

    async fn fresh(&self, digest: &Digest) -> Option<V> {
        let kept = self.kept.get(digest).await?;
        (self.clock.monotonic() < kept.until).then_some(kept.verdict)
    }

    /// Questions hold tokens: only a digest that means nothing outside this process is kept.
    fn digest(&self, question: &[u8]) -> Digest {
        let mut digest = Digest::default();
        let tag = hmac::sign(&self.key, question);
        for (to, from) in digest.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        digest
    }
}

impl<V> std::fmt::Debug for Verdicts<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verdicts").finish_non_exhaustive()
    }
}

/// Takes the flight off the board when it ends, also by a panic.
struct Airborne<V> {
    inner: Arc<Inner<V>>,
    digest: Digest,
}

impl<V> Drop for Airborne<V> {
    fn drop(&mut self) {
        self.inner.flights.lock().remove(&self.digest);
    }
}

#[expect(
    clippy::expect_used,
    reason = "a machine without randomness cannot serve TLS either"
)]
fn random_key() -> hmac::Key {
    hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
        .expect("the system gives randomness")
}
