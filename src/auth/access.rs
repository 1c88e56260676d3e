//! May they: the API server's SubjectAccessReview, and what needs none.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use k8s_openapi::api::authorization::v1::{SubjectAccessReviewSpec, SubjectAccessReviewStatus};

use super::Config;
use super::metrics::{Metrics, Review, ReviewResult};
use super::question::{chosen_bytes, question};
use super::user::User;
use super::verdicts::{Answer, ReviewError, Verdicts};
use crate::apimachinery::RequestInfo;
use crate::domain::Clock;
use crate::lifecycle::Tasks;

/// Asks what a user may do: `authorization.k8s.io/v1` SubjectAccessReview.
pub trait AccessReviewer: fmt::Debug + Send + Sync {
    /// Reviews the question, with retries and a deadline of its own.
    fn review(
        &self,
        spec: SubjectAccessReviewSpec,
    ) -> BoxFuture<'_, Result<SubjectAccessReviewStatus, ReviewError>>;
}

/// Tells whether a user may do what a request asks for.
///
/// `system:masters` may do everything and anybody may ask for the always-allowed paths; the rest is
/// for the API server to say, and its word is remembered for a while.
#[derive(Debug)]
pub struct Authorization {
    reviewer: Arc<dyn AccessReviewer>,
    verdicts: Verdicts<Decision>,
    paths: AlwaysAllowPaths,
    allow_ttl: Duration,
    deny_ttl: Duration,
    metrics: Arc<Metrics>,
}

/// Whether a user may do what a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Yes.
    Allow,
    /// No, or nobody said yes.
    Deny {
        /// Why, in the authorizer's words; often empty.
        reason: String,
    },
}

/// Paths that need no permission: exact ones, and prefixes that were written with a trailing `*`.
///
/// They cover non-resource requests alone, whatever the method. The default is `/healthz`,
/// `/readyz` and `/livez`; what lies below them is not covered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlwaysAllowPaths {
    exact: Vec<String>,
    prefixes: Vec<String>,
}

/// A rule with `*` anywhere but at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("only trailing * allowed in a path that is always allowed")]
pub struct InvalidPathRule;

/// The most answers remembered; the least recently used is forgotten first.
const CAPACITY: u64 = 8192;
/// A question with this many bytes of the caller's choosing is asked each time, so that none can
/// fill the memory.
const SMALL: usize = 10_000;

impl Authorization {
    /// Decides by `reviewer`'s word.
    #[must_use]
    pub fn new(
        config: &Config,
        reviewer: Arc<dyn AccessReviewer>,
        clock: Arc<dyn Clock>,
        tasks: Tasks,
        metrics: Arc<Metrics>,
    ) -> Self {
        let longest = config.allow_ttl.max(config.deny_ttl);
        let lookups = metrics.lookups(Review::Access);
        Self {
            reviewer,
            verdicts: Verdicts::new(CAPACITY, longest, clock, tasks, lookups),
            paths: config.always_allow_paths.clone(),
            allow_ttl: config.allow_ttl,
            deny_ttl: config.deny_ttl,
            metrics,
        }
    }

    /// Tells whether anybody may ask for the path: `--authorization-always-allow-paths`.
    #[must_use]
    pub fn is_open(&self, request: &RequestInfo) -> bool {
        !request.is_resource_request() && self.paths.cover(&request.path)
    }

    /// Tells whether `user` may do what `request` asks for.
    ///
    /// # Errors
    /// [`ReviewError`] when the API server gave no usable answer: say 500, and ask again next time.
    pub async fn decide(
        &self,
        user: &User,
        request: &RequestInfo,
    ) -> Result<Decision, ReviewError> {
        if user.is_master() || self.is_open(request) {
            return Ok(Decision::Allow);
        }
        let spec = question(user, request);
        let key = serde_json::to_vec(&spec)
            .map_err(|_| ReviewError::Unusable("the question cannot be written"))?;
        let may_keep = chosen_bytes(request) < SMALL;
        self.verdicts
            .get_or_ask(&key, || self.ask(spec, may_keep))
            .await
    }

    fn ask(
        &self,
        spec: SubjectAccessReviewSpec,
        may_keep: bool,
    ) -> impl Future<Output = Result<Answer<Decision>, ReviewError>> + Send + 'static {
        let reviewer = Arc::clone(&self.reviewer);
        let metrics = Arc::clone(&self.metrics);
        let (allow_ttl, deny_ttl) = (self.allow_ttl, self.deny_ttl);
        async move {
            let reviewed = reviewer.review(spec).await.and_then(Decision::from_status);
            let (result, ttl) = match &reviewed {
                Ok(Decision::Allow) => (ReviewResult::Yes, allow_ttl),
                Ok(Decision::Deny { .. }) => (ReviewResult::No, deny_ttl),
                Err(_) => (ReviewResult::Error, Duration::ZERO),
            };
            metrics.review(Review::Access, result);
            Ok(Answer {
                verdict: reviewed?,
                keep: if may_keep { ttl } else { Duration::ZERO },
            })
        }
    }
}

impl Decision {
    /// Reads a review's status: `allowed` allows even with an evaluation error, neither `allowed`
    /// nor `denied` denies, and both together mean nothing.
    fn from_status(status: SubjectAccessReviewStatus) -> Result<Self, ReviewError> {
        let contradiction = "webhook subject access review returned both allow and deny response";
        match (status.allowed, status.denied.unwrap_or(false)) {
            (true, true) => Err(ReviewError::Unusable(contradiction)),
            (true, false) => Ok(Self::Allow),
            (false, _) => Ok(Self::Deny {
                reason: status.reason.unwrap_or_default(),
            }),
        }
    }
}

impl AlwaysAllowPaths {
    fn cover(&self, path: &str) -> bool {
        let path = path.strip_prefix('/').unwrap_or(path);
        self.exact.iter().any(|p| p == path) || self.prefixes.iter().any(|p| path.starts_with(p))
    }
}

impl Default for AlwaysAllowPaths {
    fn default() -> Self {
        Self {
            exact: ["healthz", "readyz", "livez"].map(String::from).into(),
            prefixes: Vec::new(),
        }
    }
}

impl AlwaysAllowPaths {
    /// Reads rules as the flag takes them.
    ///
    /// # Errors
    /// [`InvalidPathRule`] when a rule has `*` anywhere but at its end.
    pub fn new<'a>(rules: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidPathRule> {
        let (mut exact, mut prefixes) = (Vec::new(), Vec::new());
        for rule in rules {
            let rule = rule.strip_prefix('/').unwrap_or(rule);
            let (kind, path) = match rule.strip_suffix('*') {
                Some(prefix) => (&mut prefixes, prefix),
                None => (&mut exact, rule),
            };
            if path.contains('*') {
                return Err(InvalidPathRule);
            }
            kind.push(path.to_owned());
        }
        Ok(Self { exact, prefixes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn always_allowed_paths_match_exactly_or_by_a_trailing_star() {
        let default = AlwaysAllowPaths::default();
        for (path, covered) in [
            ("/healthz", true),
            ("/livez", true),
            ("/readyz", true),
            ("healthz", true),
            ("/livez/ping", false),
            ("/livez/", false),
            ("/metrics", false),
            ("/", false),
        ] {
            assert_eq!(default.cover(path), covered, "{path}");
        }
        let custom = AlwaysAllowPaths::new(["/metrics", "healthz*"]).unwrap();
        assert!(custom.cover("/metrics") && custom.cover("/healthz/ping"));
        assert!(!custom.cover("/livez") && !custom.cover("/metrics/slis"));
        assert_eq!(AlwaysAllowPaths::new(["/a*b"]), Err(InvalidPathRule));
    }

    #[test]
    fn a_review_allows_denies_or_means_nothing() {
        let read = |allowed, denied, reason: Option<&str>| {
            Decision::from_status(SubjectAccessReviewStatus {
                allowed,
                denied,
                reason: reason.map(String::from),
                evaluation_error: Some("some rule is broken".into()),
            })
        };
        let deny = |reason: &str| Decision::Deny {
            reason: reason.into(),
        };
        assert_eq!(read(true, None, None).unwrap(), Decision::Allow);
        assert_eq!(read(false, Some(true), Some("no")).unwrap(), deny("no"));
        assert_eq!(read(false, None, None).unwrap(), deny(""));
        assert!(read(true, Some(true), None).is_err());
    }
}
