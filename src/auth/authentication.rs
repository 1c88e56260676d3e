//! Who asks: the authenticators in Kubernetes' order.

use std::sync::Arc;

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName};

use super::ca_bundle::Untrusted;
use super::metrics::{Method, Metrics};
use super::peer::Peer;
use super::token::{BearerToken, TokenReviewer, Tokens, bears_token};
use super::trust::LiveTrust;
use super::user::User;
use super::verdicts::ReviewError;
use super::{Config, client_certificate, request_header};
use crate::apimachinery::retain_subprotocols;
use crate::domain::Clock;
use crate::lifecycle::Tasks;

/// Tells who sends a request: the front proxy's word first, then the client's own certificate, then
/// a bearer token, in a header of its own or among the subprotocols of a WebSocket.
///
/// The first that succeeds decides; one that fails does not stop the next. When none has an opinion
/// the caller is anonymous; when one failed and none succeeded nobody is.
#[derive(Debug)]
pub struct Authentication {
    trust: Arc<LiveTrust>,
    tokens: Tokens,
    anonymous: bool,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

/// Why one authenticator refused a credential. Says nothing of the credential itself.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum AuthenticationError {
    #[error(transparent)]
    UntrustedCertificate(Untrusted),
    #[error("{0}")]
    Certificate(String),
    #[error("invalid bearer token")]
    InvalidToken,
    #[error("the subprotocols have {0}")]
    Subprotocol(&'static str),
    #[error(transparent)]
    Review(ReviewError),
}

/// Nobody: answer 401 `Unauthorized`. The text is for our log, not for the caller.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unauthenticated(String);

impl Authentication {
    /// Authenticates by `trust` and `reviewer`.
    #[must_use]
    pub fn new(
        config: &Config,
        trust: Arc<LiveTrust>,
        reviewer: Arc<dyn TokenReviewer>,
        clock: Arc<dyn Clock>,
        tasks: Tasks,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            trust,
            tokens: Tokens::new(
                reviewer,
                config.token_ttl,
                Arc::clone(&clock),
                tasks,
                Arc::clone(&metrics),
            ),
            anonymous: config.anonymous,
            clock,
            metrics,
        }
    }

    /// What is believed: the server shows its subjects when it asks for a certificate.
    #[must_use]
    pub fn live_trust(&self) -> Arc<LiveTrust> {
        Arc::clone(&self.trust)
    }

    /// Tells who sends a request with these headers over `peer`'s connection.
    ///
    /// # Errors
    /// [`Unauthenticated`] when a credential was shown and none was good, or none was shown and
    /// that is not enough.
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        peer: Option<&Peer>,
    ) -> Result<User, Unauthenticated> {
        let outcome = self.first_success(headers, peer).await;
        let method = outcome.as_ref().map_or(Method::None, |(method, _)| *method);
        self.metrics.attempt(method);
        outcome.map(|(_, user)| user.with_authenticated_group())
    }

    async fn first_success(
        &self,
        headers: &HeaderMap,
        peer: Option<&Peer>,
    ) -> Result<(Method, User), Unauthenticated> {
        let (trust, now) = (self.trust.load(), self.clock.now());
        let mut errors = Vec::new();
        match request_header::authenticate(&trust, headers, peer, now) {
            Ok(Some(user)) => return Ok((Method::RequestHeader, user)),
            Ok(None) => {}
            Err(error) => errors.push(error.to_string()),
        }
        match client_certificate::authenticate(&trust, peer, now) {
            Ok(Some(user)) => return Ok((Method::ClientCertificate, user)),
            Ok(None) => {}
            Err(error) => errors.push(error.to_string()),
        }
        for token in [BearerToken::from_headers, BearerToken::from_subprotocols] {
            let user = match token(headers) {
                Ok(token) => self.tokens.authenticate(token).await,
                Err(error) => Err(error),
            };
            match user {
                Ok(Some(user)) => return Ok((Method::Token, user)),
                Ok(None) => {}
                Err(error) => errors.push(error.to_string()),
            }
        }
        if !errors.is_empty() {
            return Err(Unauthenticated(errors.join("; ")));
        }
        if self.anonymous {
            return Ok((Method::Anonymous, User::anonymous()));
        }
        Err(Unauthenticated("no credentials".into()))
    }

    /// Takes every credential and every claim of the proxy out of `headers`, before anything logs
    /// or forwards them.
    pub fn strip(&self, headers: &mut HeaderMap) {
        headers.remove(AUTHORIZATION);
        retain_subprotocols(headers, |subprotocol| !bears_token(subprotocol));
        for name in ["x-remote-user", "x-remote-uid", "x-remote-group"] {
            headers.remove(name);
        }
        let trust = self.trust.load();
        let proxy = trust.front_proxy().map(super::FrontProxy::headers);
        let prefixes = proxy.map_or(&[][..], |p| &p.extra_prefixes);
        if let Some(names) = proxy {
            for name in names.username.iter().chain(&names.uid).chain(&names.group) {
                headers.remove(name);
            }
        }
        let extra: Vec<HeaderName> = headers
            .keys()
            .filter(|name| {
                let is_extra = |prefix: &String| name.as_str().starts_with(prefix.as_str());
                name.as_str().starts_with("x-remote-extra-") || prefixes.iter().any(is_extra)
            })
            .cloned()
            .collect();
        for name in extra {
            headers.remove(name);
        }
    }
}
