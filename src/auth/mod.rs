//! Who asks, and may they: Kubernetes' delegated authentication and authorization.
//!
//! Identities come from the front proxy's headers, client certificates and bearer tokens; what they
//! may do is asked of the API server. Both are remembered for seconds, and both work as in
//! `k8s.io/apiserver`, whose rules the modules state one by one.

mod access;
mod allowed_users;
mod authentication;
mod ca_bundle;
mod certificate_subject;
mod client_certificate;
mod impersonation;
mod kube_reviews;
mod metrics;
mod peer;
mod proxy_headers;
mod question;
mod request_header;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod token;
mod trust;
mod trust_lookup;
mod user;
mod verdicts;

use std::time::Duration;

pub use access::{AccessReviewer, AlwaysAllowPaths, Authorization, Decision, InvalidPathRule};
pub use allowed_users::{AllowedUsers, NotAllowed};
pub use authentication::{Authentication, Unauthenticated};
pub use ca_bundle::{CaBundle, InvalidBundle, Untrusted};
pub use impersonation::ImpersonationError;
pub use kube_reviews::KubeReviews;
pub use metrics::Metrics;
pub use peer::Peer;
pub use proxy_headers::ProxyHeaders;
pub use token::{BearerToken, TokenReviewer};
pub use trust::{FrontProxy, LiveTrust, Trust, TrustConfig, TrustFileError};
pub use trust_lookup::TrustLookup;
pub use user::{ALL_AUTHENTICATED, ALL_UNAUTHENTICATED, ANONYMOUS, MASTERS, User};
pub use verdicts::{ReviewError, ReviewFailure};

/// What flags decide about authentication and authorization, but for [`TrustConfig`].
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether a caller without credentials is `system:anonymous` rather than refused.
    pub anonymous: bool,
    /// How long a good token is believed: `--authentication-token-webhook-cache-ttl`.
    pub token_ttl: Duration,
    /// How long a permission is believed: `--authorization-webhook-cache-authorized-ttl`.
    pub allow_ttl: Duration,
    /// How long a refusal is believed: `--authorization-webhook-cache-unauthorized-ttl`.
    pub deny_ttl: Duration,
    /// What anybody may ask: `--authorization-always-allow-paths`.
    pub always_allow_paths: AlwaysAllowPaths,
}

impl Default for Config {
    fn default() -> Self {
        let ttl = Duration::from_secs(10);
        Self {
            anonymous: true,
            token_ttl: ttl,
            allow_ttl: ttl,
            deny_ttl: ttl,
            always_allow_paths: AlwaysAllowPaths::default(),
        }
    }
}
