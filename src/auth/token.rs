//! Bearer tokens, which the API server reviews for us.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use k8s_openapi::api::authentication::v1::{TokenReviewStatus, UserInfo};

use super::authentication::AuthenticationError;
use super::metrics::{Metrics, Review, ReviewResult};
use super::user::User;
use super::verdicts::{Answer, ReviewError, Verdicts};
use crate::apimachinery::{is_websocket_request, subprotocols};
use crate::domain::{Clock, Timestamp};
use crate::lifecycle::Tasks;

/// A secret somebody sent us. Prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct BearerToken(String);

/// Asks whether a token is genuine: `authentication.k8s.io/v1` TokenReview.
pub trait TokenReviewer: fmt::Debug + Send + Sync {
    /// Reviews `token`, with retries and a deadline of its own.
    fn review<'a>(
        &'a self,
        token: &'a BearerToken,
    ) -> BoxFuture<'a, Result<TokenReviewStatus, ReviewError>>;
}

/// Authenticates bearer tokens, remembering what was said of them.
#[derive(Debug)]
pub(super) struct Tokens {
    reviewer: Arc<dyn TokenReviewer>,
    verdicts: Verdicts<Option<User>>,
    success_ttl: Duration,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

/// What stands before a token in a subprotocol; what follows is base64url without padding.
const SUBPROTOCOL: &str = "base64url.bearer.authorization.k8s.io.";
/// How long a refusal is remembered.
const FAILURE_TTL: Duration = Duration::from_secs(10);
/// The most tokens remembered; the least recently used is forgotten first.
const CAPACITY: u64 = 4096;

/// Whether a subprotocol is none, but carries a token.
pub(super) fn bears_token(subprotocol: &str) -> bool {
    subprotocol.starts_with(SUBPROTOCOL)
}

impl BearerToken {
    /// Takes the token out of the `Authorization` header. `Ok(None)` when there is none, or it is
    /// of another scheme.
    ///
    /// # Errors
    /// [`AuthenticationError::InvalidToken`] when the header's bytes are no text.
    pub(super) fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, AuthenticationError> {
        let Some(value) = headers.get(AUTHORIZATION) else {
            return Ok(None);
        };
        let value = value
            .to_str()
            .map_err(|_| AuthenticationError::InvalidToken)?;
        let mut words = value.trim().split(' ');
        let bearer = words
            .next()
            .is_some_and(|w| w.eq_ignore_ascii_case("bearer"));
        let token = words.next().filter(|token| bearer && !token.is_empty());
        Ok(token.map(|token| Self(token.to_owned())))
    }

    /// Takes the token out of the subprotocols a browser offers for a WebSocket, whose scripts cannot
    /// set other headers. `Ok(None)` when there is none, or no WebSocket is asked for.
    ///
    /// # Errors
    /// [`AuthenticationError::Subprotocol`].
    pub(super) fn from_subprotocols(
        headers: &HeaderMap,
    ) -> Result<Option<Self>, AuthenticationError> {
        use AuthenticationError::Subprotocol;
        if !is_websocket_request(headers) {
            return Ok(None);
        }
        let (bearing, others): (Vec<&str>, Vec<&str>) =
            subprotocols(headers).partition(|one| bears_token(one));
        let encoded = match *bearing.as_slice() {
            [] => return Ok(None),
            [one] => one.strip_prefix(SUBPROTOCOL).unwrap_or_default(),
            _ => return Err(Subprotocol("several bearer tokens")),
        };
        let decoded = URL_SAFE_NO_PAD.decode(encoded).ok();
        let token = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let token = token.ok_or(Subprotocol("a bearer token that cannot be decoded"))?;
        // One is needed to be named in the answer.
        if others.is_empty() {
            return Err(Subprotocol("no subprotocol besides a bearer token"));
        }
        Ok((!token.is_empty()).then_some(Self(token)))
    }

    /// The secret itself, for the review alone.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// When the token says of itself that it ends, unverified; `None` when it is no JWT or does not
    /// say.
    fn expiry(&self) -> Option<Timestamp> {
        #[derive(serde::Deserialize)]
        struct Claims {
            exp: serde_json::Number,
        }
        let claims: Claims = jsonwebtoken::dangerous::insecure_decode_claims(&self.0).ok()?;
        let seconds = claims.exp.as_i64().or_else(|| {
            let text = claims.exp.to_string();
            text.split('.').next().and_then(|whole| whole.parse().ok())
        });
        Some(Timestamp::from_millis(seconds?.saturating_mul(1000)))
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Tokens {
    pub(super) fn new(
        reviewer: Arc<dyn TokenReviewer>,
        success_ttl: Duration,
        clock: Arc<dyn Clock>,
        tasks: Tasks,
        metrics: Arc<Metrics>,
    ) -> Self {
        let lookups = metrics.lookups(Review::Token);
        let longest = success_ttl.max(FAILURE_TTL);
        Self {
            reviewer,
            verdicts: Verdicts::new(CAPACITY, longest, Arc::clone(&clock), tasks, lookups),
            success_ttl,
            clock,
            metrics,
        }
    }

    /// Who holds the token; `Ok(None)`, no opinion, when there is none.
    pub(super) async fn authenticate(
        &self,
        token: Option<BearerToken>,
    ) -> Result<Option<User>, AuthenticationError> {
        let Some(token) = token else {
            return Ok(None);
        };
        let question = token.clone();
        let ask = || self.ask(token);
        match self
            .verdicts
            .get_or_ask(question.reveal().as_bytes(), ask)
            .await
        {
            Ok(Some(user)) => Ok(Some(user)),
            Ok(None) => Err(AuthenticationError::InvalidToken),
            Err(error) => Err(AuthenticationError::Review(error)),
        }
    }

    fn ask(
        &self,
        token: BearerToken,
    ) -> impl Future<Output = Result<Answer<Option<User>>, ReviewError>> + Send + 'static {
        let reviewer = Arc::clone(&self.reviewer);
        let (clock, metrics) = (Arc::clone(&self.clock), Arc::clone(&self.metrics));
        let success_ttl = self.success_ttl;
        async move {
            let reviewed = reviewer.review(&token).await;
            let count = |result| metrics.review(Review::Token, result);
            let status = reviewed.inspect_err(|_| count(ReviewResult::Error))?;
            if status.authenticated != Some(true) {
                count(ReviewResult::No);
                return Ok(Answer {
                    verdict: None,
                    keep: FAILURE_TTL,
                });
            }
            count(ReviewResult::Yes);
            let left = token
                .expiry()
                .map(|end| end.since(clock.now()).unwrap_or_default());
            Ok(Answer {
                verdict: Some(status.user.unwrap_or_default().into()),
                keep: left.map_or(success_ttl, |left| left.min(success_ttl)),
            })
        }
    }
}

impl From<UserInfo> for User {
    fn from(info: UserInfo) -> Self {
        Self {
            name: info.username.unwrap_or_default(),
            uid: info.uid.unwrap_or_default(),
            groups: info.groups.unwrap_or_default(),
            extra: info.extra.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(value: &'static str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, http::HeaderValue::from_static(value));
        let token = BearerToken::from_headers(&headers).unwrap();
        token.map(|t| t.reveal().to_owned())
    }

    #[test]
    fn the_bearer_scheme_is_told_from_others_as_in_kubernetes() {
        for (header, expected) in [
            ("Bearer abc", Some("abc")),
            ("bearer abc", Some("abc")),
            ("  BEARER abc  ", Some("abc")),
            ("Bearer abc def", Some("abc")),
            ("Bearer  abc", None),
            ("Bearer", None),
            ("Bearer ", None),
            ("Basic abc", None),
            ("", None),
        ] {
            assert_eq!(token(header).as_deref(), expected, "{header:?}");
        }
    }

    #[test]
    fn a_token_never_prints() {
        assert_eq!(format!("{:?}", BearerToken("secret".into())), "***");
    }

    #[test]
    fn the_end_of_a_jwt_is_read_without_its_key() {
        // {"alg":"none"} . {"exp":1893456000} and {"sub":"x"}
        let expiry = |t: &str| BearerToken(t.into()).expiry();
        assert_eq!(
            expiry("eyJhbGciOiJub25lIn0.eyJleHAiOjE4OTM0NTYwMDB9.sig"),
            Some(Timestamp::from_millis(1_893_456_000_000))
        );
        assert_eq!(expiry("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.sig"), None);
        assert_eq!(expiry("opaque"), None);
    }
}
