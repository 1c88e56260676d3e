//! The secure port: TLS, the filters every request passes, and what is answered beside the APIs.
//! And a port that asks Kubernetes nothing about its callers, as Heapster's: plain HTTP or TLS,
//! with the same bounds.
//!
//! A request passes, outermost first: audit ID, request info, panic recovery, deadline, what is for
//! our own replicas alone, authentication, impersonation, in-flight limit, authorization. That is the order of
//! `k8s.io/apiserver`, and so is what each answers when it refuses.

mod authority;
mod certificates;
mod connection;
mod endpoints;
mod filters;
mod health;
mod http_rules;
mod listener;
mod metrics;
mod pair_files;
mod seats;
mod self_signed;
mod stream;
mod serving_secret;
mod slis;
#[cfg(test)]
mod tests;
mod tls;
mod tls_policy;
mod version;
mod websocket;
mod words;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::request::Parts;

use crate::apimachinery::{Reply, RequestInfo};
use crate::auth::{AllowedUsers, Authentication, Authorization};
use crate::domain::Clock;
use crate::lifecycle::{Health, Tasks};
use crate::peer::Giver;
use crate::telemetry::Registry;

pub use certificates::{ServingCertificate, SniPair};
pub use health::shutdown_check;
pub use listener::{BindError, Bound, Server};
pub use metrics::Metrics;
pub use pair_files::{CertificateError, PairFiles};
pub use serving_secret::{
    APISERVICES, KeeperConfig, KeeperMetrics, SecretKeeper, judge as judge_serving_secret,
};
pub use tls_policy::{CipherSuite, KeyExchange, MinTlsVersion, TlsPolicy};

/// What flags decide about the secure port.
#[derive(Clone, Debug)]
pub struct Config {
    /// `--bind-address` and `--secure-port`. An unspecified address of either family means all
    /// addresses of both.
    pub address: SocketAddr,
    /// The certificate shown to clients that name no other.
    pub certificate: ServingCertificate,
    /// `--tls-sni-cert-key`.
    pub sni: Vec<SniPair>,
    /// Which TLS is spoken.
    pub tls: TlsPolicy,
    /// `--strict-transport-security-directives`: the header's value, when it is to be sent.
    pub strict_transport_security: Option<HeaderValue>,
    /// `--permit-port-sharing`: binds with `SO_REUSEPORT`.
    pub share_port: bool,
    /// Whether HTTP/2 is offered: not `--disable-http2-serving`.
    pub http2: bool,
    /// How long after the stop signal new requests are still served: `--shutdown-delay-duration`.
    pub shutdown_delay: Duration,
    /// The bounds that keep one client from harming the others.
    pub limits: Limits,
}

/// What flags decide about a port that asks Kubernetes nothing about its callers.
#[derive(Clone, Debug)]
pub struct OpenConfig {
    /// `--listen-ip` and `--heapster-port`. An unspecified address of either family means all
    /// addresses of both.
    pub address: SocketAddr,
    /// The flags that say so, for an error.
    pub flags: &'static str,
    /// `None` for plain HTTP.
    pub tls: Option<OpenTls>,
    /// How long after the stop signal new requests are still served: `--shutdown-delay-duration`.
    pub shutdown_delay: Duration,
    /// The bounds that keep one client from harming the others.
    pub limits: Limits,
}

/// TLS on such a port.
#[derive(Clone, Debug)]
pub struct OpenTls {
    /// `--tls-cert` and `--tls-key`.
    pub certificate: PairFiles,
    /// Which TLS is spoken.
    pub policy: TlsPolicy,
    /// Who may ask, health apart: `--tls-client-ca` and `--allowed-users`; `None` for anybody.
    pub clients: Option<Arc<AllowedUsers>>,
}

/// What such a port works with.
#[derive(Clone)]
pub struct OpenDeps {
    /// Answers for every path but `/metrics`.
    pub handler: Handler,
    /// What `/metrics` tells.
    pub registry: Arc<Registry>,
    /// The server's own metrics, shared with the secure port.
    pub metrics: Arc<Metrics>,
    /// Judges certificates and measures requests.
    pub clock: Arc<dyn Clock>,
    /// Where connections run.
    pub tasks: Tasks,
}

/// Bounds on what clients may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// `--request-timeout`: the longest a request may take; it may ask for less.
    pub request_timeout: Duration,
    /// `--max-requests-inflight`: reads under way, 0 for no limit; further ones get 429.
    pub reads_in_flight: usize,
    /// `--max-mutating-requests-inflight`: the same for all others.
    pub mutations_in_flight: usize,
    /// Watches under way; further ones get 429. `system:masters` have a fifth as many besides.
    pub watches: usize,
    /// How long the client of a watch may read nothing.
    pub stalled: Duration,
    /// Handlers running at once; further requests wait within their deadline.
    pub handlers: usize,
    /// Connections open at once; further ones wait in the kernel's queue.
    pub connections: usize,
    /// Connections one address may have open at once that have authenticated; further ones are
    /// closed at once. The API server, which asks for nearly everybody, needs a few.
    pub connections_of_one: usize,
    /// Connections one address may have open at once besides, which have not finished the TLS
    /// handshake or have not authenticated; for each further one the oldest of them is closed. On a
    /// port where nobody has to authenticate they may be as many as `connections_of_one`.
    pub newcomers_of_one: usize,
    /// `--http2-max-streams-per-connection`.
    pub streams: u32,
    /// The longest a TLS handshake may take.
    pub handshake: Duration,
    /// The longest the first request's header may take.
    pub header: Duration,
    /// How long a connection may be idle.
    pub idle: Duration,
    /// How long requests under way may take once their connection is closing.
    pub drain: Duration,
    /// How often files with certificates are read again.
    pub reload: Duration,
}

/// What the server works with.
#[derive(Clone)]
pub struct Deps {
    /// Who asks.
    pub authentication: Arc<Authentication>,
    /// May they.
    pub authorization: Arc<Authorization>,
    /// The APIs.
    pub routes: Vec<Route>,
    /// Answers other replicas of us; `None` to have none.
    pub giver: Option<Arc<Giver>>,
    /// The checks behind the probes.
    pub health: Health,
    /// What `/metrics` tells.
    pub registry: Arc<Registry>,
    /// The server's own metrics, registered in `registry`.
    pub metrics: Arc<Metrics>,
    /// Judges certificates and measures requests.
    pub clock: Arc<dyn Clock>,
    /// Where connections run.
    pub tasks: Tasks,
}

/// Answers a request that has passed all filters. Runs on a thread where it may compute for a
/// while, but may not wait. `None` means that the path is none of its own: the index of paths is
/// answered then. The [`User`](crate::auth::User) is in the extensions of the parts, as an `Arc`.
pub type Handler = Arc<dyn Fn(&RequestInfo, &Parts) -> Option<Reply> + Send + Sync>;

/// A part of the URL space with who answers for it.
#[derive(Clone)]
pub struct Route {
    /// The path that is answered for together with all below it, such as `/apis`.
    pub prefix: String,
    /// The paths that the index at `/` names.
    pub index: Vec<String>,
    /// What a caller must also be allowed to do, besides asking for the path itself, unless the
    /// path is open to everybody. Kubernetes'
    /// role `system:discovery` lets every authenticated user get whatever lies below `/api/` and
    /// `/apis/`, unless it is a resource.
    pub also: Option<Arc<RequestInfo>>,
    /// Who answers.
    pub handler: Handler,
}

impl Config {
    /// Kubernetes' defaults for this address and certificate.
    #[must_use]
    pub fn new(address: SocketAddr, certificate: ServingCertificate) -> Self {
        Self {
            address,
            certificate,
            sni: Vec::new(),
            tls: TlsPolicy::default(),
            strict_transport_security: None,
            share_port: false,
            http2: true,
            shutdown_delay: Duration::ZERO,
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(60),
            reads_in_flight: 400,
            mutations_in_flight: 200,
            watches: 100,
            stalled: Duration::from_secs(30),
            handlers: 2 * std::thread::available_parallelism().map_or(1, usize::from),
            connections: 1000,
            connections_of_one: 250,
            newcomers_of_one: 100,
            streams: 100,
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(32),
            idle: Duration::from_secs(90),
            drain: Duration::from_secs(60),
            reload: Duration::from_secs(5),
        }
    }
}

impl Route {
    fn covers(&self, path: &str) -> bool {
        let rest = path.strip_prefix(self.prefix.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Route")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for OpenDeps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenDeps").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps")
            .field("routes", &self.routes)
            .finish_non_exhaustive()
    }
}
