//! The room against the contract of delegated authentication and authorization.

mod access;
mod identity;
mod impersonation;
mod reviews;
mod token;
mod trust;

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::testing::{Authority, FakeTokens, Subject, TestClock, config_map};
use super::*;
use crate::lifecycle::{Stop, Tasks};

/// A cluster's trust with a client CA and a front proxy CA, and one good token `T` of `tina`.
struct World {
    client_ca: Authority,
    proxy_ca: Authority,
    trust: Arc<LiveTrust>,
    tokens: Arc<FakeTokens>,
    clock: Arc<TestClock>,
    auth: Arc<Authentication>,
}

impl World {
    fn new() -> Self {
        Self::with(Config::default(), r#"["front-proxy-client"]"#)
    }

    fn with(config: Config, allowed_names: &str) -> Self {
        let (client_ca, proxy_ca) = (Authority::new("client-ca"), Authority::new("proxy-ca"));
        let trust = LiveTrust::new(TrustConfig::default()).unwrap();
        trust.apply_config_map(&config_map(&client_ca, &proxy_ca, allowed_names));
        let tokens = FakeTokens::knowing(&[("T", "tina")]);
        let clock = TestClock::new();
        let auth = Arc::new(Authentication::new(
            &config,
            Arc::clone(&trust),
            Arc::clone(&tokens) as _,
            Arc::clone(&clock) as _,
            Tasks::new(Stop::channel().0),
            Arc::default(),
        ));
        Self {
            client_ca,
            proxy_ca,
            trust,
            tokens,
            clock,
            auth,
        }
    }

    fn proxy(&self) -> Peer {
        peer(&self.proxy_ca, Subject::new("front-proxy-client"))
    }

    async fn ask(
        &self,
        list: &[(&str, &str)],
        peer: Option<&Peer>,
    ) -> Result<User, Unauthenticated> {
        self.auth.authenticate(&headers(list), peer).await
    }

    async fn name(&self, list: &[(&str, &str)], peer: Option<&Peer>) -> String {
        let user = self.ask(list, peer).await;
        user.map_or_else(|_| "401".to_owned(), |user| user.name)
    }
}

fn peer(authority: &Authority, subject: Subject) -> Peer {
    Peer::new(authority.issue(subject).chain).unwrap()
}

fn headers(list: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in list {
        let name = HeaderName::try_from(*name).unwrap();
        headers.append(name, HeaderValue::try_from(*value).unwrap());
    }
    headers
}
