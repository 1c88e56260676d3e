//! What the room counts.

use std::sync::Arc;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::telemetry::Registry;

/// The room's own metrics.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    attempts: Family<AttemptLabels, Counter>,
    reviews: Family<ReviewLabels, Counter>,
    lookups: Family<LookupLabels, Counter>,
}

/// How a request was authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(super) enum Method {
    RequestHeader,
    ClientCertificate,
    Token,
    Anonymous,
    None,
}

/// Which review of the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(super) enum Review {
    Token,
    Access,
}

/// What came of a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(super) enum ReviewResult {
    Yes,
    No,
    Error,
}

/// How a memory of verdicts served one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum Lookup {
    Hit,
    Joined,
    Miss,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    method: Method,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReviewLabels {
    review: Review,
    result: ReviewResult,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LookupLabels {
    review: Review,
    lookup: Lookup,
}

/// The counters of one memory of verdicts.
#[derive(Clone, Debug)]
pub(super) struct Lookups {
    metrics: Arc<Metrics>,
    review: Review,
}

impl Metrics {
    /// Adds the room's metrics to `registry`.
    pub fn register(registry: &mut Registry) -> Arc<Self> {
        let metrics = Self::default();
        registry.register(
            "loadline_authentication_attempts",
            "Requests by the method that authenticated them; None when all failed",
            metrics.attempts.clone(),
        );
        registry.register(
            "loadline_reviews",
            "Token and access reviews the API server was asked for, retries not counted",
            metrics.reviews.clone(),
        );
        registry.register(
            "loadline_review_cache_lookups",
            "Questions by whether the answer was remembered, under way, or had to be asked for",
            metrics.lookups.clone(),
        );
        Arc::new(metrics)
    }

    pub(super) fn attempt(&self, method: Method) {
        self.attempts.get_or_create(&AttemptLabels { method }).inc();
    }

    pub(super) fn review(&self, review: Review, result: ReviewResult) {
        let labels = ReviewLabels { review, result };
        self.reviews.get_or_create(&labels).inc();
    }

    pub(super) fn lookups(self: &Arc<Self>, review: Review) -> Lookups {
        Lookups {
            metrics: Arc::clone(self),
            review,
        }
    }
}

impl Lookups {
    pub(super) fn hit(&self) {
        self.count(Lookup::Hit);
    }

    pub(super) fn joined(&self) {
        self.count(Lookup::Joined);
    }

    pub(super) fn miss(&self) {
        self.count(Lookup::Miss);
    }

    fn count(&self, lookup: Lookup) {
        let review = self.review;
        let labels = LookupLabels { review, lookup };
        self.metrics.lookups.get_or_create(&labels).inc();
    }
}
