//! The reviews as the API server does them.

use std::error::Error;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use k8s_openapi::api::authorization::v1::{
    SubjectAccessReview, SubjectAccessReviewSpec, SubjectAccessReviewStatus,
};
use kube::Api;
use kube::api::PostParams;

use super::access::AccessReviewer;
use super::token::{BearerToken, TokenReviewer};
use super::verdicts::{ReviewError, ReviewFailure};
use crate::cluster::describe;
use crate::lifecycle::Backoff;

/// Token and access reviews through the API server.
///
/// A call takes 10 s at most. A lost connection, 429, 500, 504, or an answer that says when to come
/// back, is tried again, five times in all, after 500 ms and then half as long again each time
/// (client-go's webhook retry).
#[derive(Clone)]
pub struct KubeReviews {
    client: kube::Client,
}

const CALL_LIMIT: Duration = Duration::from_secs(10);
const TRIES: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

impl KubeReviews {
    /// Reviews with the rights of `client`, which need `system:auth-delegator`.
    #[must_use]
    pub const fn new(client: kube::Client) -> Self {
        Self { client }
    }
}

impl std::fmt::Debug for KubeReviews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KubeReviews").finish_non_exhaustive()
    }
}

impl TokenReviewer for KubeReviews {
    fn review<'a>(
        &'a self,
        token: &'a BearerToken,
    ) -> BoxFuture<'a, Result<TokenReviewStatus, ReviewError>> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: token.reveal().to_owned(),
                audiences: None,
            },
            ..TokenReview::default()
        };
        let api = Api::<TokenReview>::all(self.client.clone());
        async move {
            let params = PostParams::default();
            let answer = with_retries(|| api.create(&params, &review)).await?;
            answer
                .status
                .ok_or(ReviewError::Unusable("the token review has no status"))
        }
        .boxed()
    }
}

impl AccessReviewer for KubeReviews {
    fn review(
        &self,
        spec: SubjectAccessReviewSpec,
    ) -> BoxFuture<'_, Result<SubjectAccessReviewStatus, ReviewError>> {
        let review = SubjectAccessReview {
            spec,
            ..SubjectAccessReview::default()
        };
        let api = Api::<SubjectAccessReview>::all(self.client.clone());
        async move {
            let params = PostParams::default();
            let answer = with_retries(|| api.create(&params, &review)).await?;
            answer
                .status
                .ok_or(ReviewError::Unusable("the access review has no status"))
        }
        .boxed()
    }
}

async fn with_retries<T, A>(mut call: impl FnMut() -> A) -> Result<T, ReviewError>
where
    A: Future<Output = kube::Result<T>>,
{
    let mut backoff = Backoff::doubling(FIRST_WAIT, LONGEST_WAIT).with_factor(1.5);
    let mut tries = 1;
    loop {
        let error = match tokio::time::timeout(CALL_LIMIT, call()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error,
            Err(_) => return Err(ReviewError::Timeout),
        };
        let failure = ReviewFailure::new(describe(&error));
        let Some(delay) = retry_delay(&error).filter(|_| tries < TRIES) else {
            return Err(ReviewError::Failed(failure));
        };
        tracing::debug!(error = %failure, tries, "a review failed; trying again");
        tries += 1;
        tokio::time::sleep(backoff.wait().max(delay)).await;
    }
}

/// How long the failure asks us to wait at least; `None` when trying again is no use.
fn retry_delay(error: &kube::Error) -> Option<Duration> {
    if let kube::Error::Api(status) = error {
        let asked = status.details.as_ref().map_or(0, |d| d.retry_after_seconds);
        let again = matches!(status.code, 429 | 500 | 504) || asked > 0;
        return again.then(|| Duration::from_secs(u64::from(asked)));
    }
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(error) = cause {
        if is_lost_connection(error) {
            return Some(Duration::ZERO);
        }
        cause = error.source();
    }
    None
}

fn is_lost_connection(error: &(dyn Error + 'static)) -> bool {
    use std::io::ErrorKind as Kind;
    let lost = [
        Kind::ConnectionReset,
        Kind::ConnectionAborted,
        Kind::BrokenPipe,
        Kind::UnexpectedEof,
    ];
    let io = error.downcast_ref::<std::io::Error>();
    let http = error.downcast_ref::<hyper::Error>();
    io.is_some_and(|e| lost.contains(&e.kind()))
        || http.is_some_and(|e| e.is_incomplete_message() || e.is_canceled() || e.is_closed())
}
