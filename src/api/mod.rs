//! The Kubernetes APIs we serve: groups of resources, discovery of them, and their description in
//! OpenAPI.
//!
//! Pure functions from a request's head to a response, whole or bit by bit. Authentication,
//! authorization, limits and the headers every response has lie in front of this.

mod compress;
mod conditional;
pub mod coverage;
pub mod discovery;
pub mod metrics;
pub mod openapi;
mod resource;
mod route;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;

use crate::apimachinery::{Reply, RequestInfo};
use crate::coverage::Coverage;
use crate::domain::{Clock, Inventory};
use crate::lifecycle::MemoryLimit;
use crate::telemetry::Registry;
use coverage::CoverageApi;
use discovery::Discovery;
use metrics::{Commits, MetricsApi, Views};
use openapi::OpenApi;

pub use resource::{Group, Resource, Scope};

/// Everything below `/apis` and `/openapi`.
#[derive(Debug)]
pub struct Api {
    metrics: MetricsApi,
    coverage: CoverageApi,
    discovery: Discovery,
    openapi: OpenApi,
}

/// The groups we serve.
const GROUPS: [Group; 2] = [metrics::GROUP, coverage::GROUP];

impl Api {
    /// Serves what `views` show, of which `commits` tells when it is new; `release` is the version
    /// of this program, and what it says of itself goes to `registry`.
    #[must_use]
    pub fn new(
        views: Arc<dyn Views>,
        commits: Commits,
        inventory: Arc<Inventory>,
        coverage: Arc<Coverage>,
        clock: Arc<dyn Clock>,
        release: &str,
        registry: &mut Registry,
    ) -> Self {
        Self {
            metrics: MetricsApi::new(views, commits, inventory, Arc::clone(&clock), registry),
            coverage: CoverageApi::new(coverage, Arc::clone(&clock)),
            discovery: Discovery::new(&GROUPS),
            openapi: OpenApi::new(&GROUPS, release, clock),
        }
    }

    /// The same, where watches that ask for no time last `shortest` to twice as long:
    /// `--min-request-timeout`.
    #[must_use]
    pub fn with_shortest_watch(mut self, shortest: Duration) -> Self {
        self.metrics = self.metrics.with_shortest_watch(shortest);
        self.coverage = self.coverage.with_shortest_watch(shortest);
        self
    }

    /// The same in a process that may take so much memory, `--memory-limit`: near it, long lists
    /// are made piece by piece.
    #[must_use]
    pub fn with_memory_limit(mut self, limit: Option<MemoryLimit>) -> Self {
        self.metrics = self.metrics.with_memory_limit(limit);
        self
    }

    /// Answers a request; `None` when its path is none of ours, and then the server answers with
    /// the index of paths.
    ///
    /// The whole list of a large cluster takes tens of milliseconds of work, so this does not
    /// belong on a thread that must stay responsive. Large bodies are compressed for who takes it.
    #[must_use]
    pub fn respond(&self, info: &RequestInfo, parts: &Parts) -> Option<Reply> {
        let whole = || {
            let response = self.discovery.answer(&info.path, parts);
            let response = response.or_else(|| self.openapi.answer(&info.path, parts))?;
            Some(Reply::Whole(response))
        };
        let coverage = || self.coverage.respond(info, parts);
        let reply = self.metrics.respond(info, parts).or_else(coverage);
        match reply.or_else(whole)? {
            Reply::Whole(response) => {
                let response = compress::compress(parts, response);
                Some(Reply::Whole(response))
            }
            other @ (Reply::Stream(_) | Reply::Later(_)) => Some(other),
        }
    }

    /// The paths of ours that the index of paths lists, sorted.
    #[must_use]
    pub fn paths() -> Vec<String> {
        let mut paths = vec![
            "/apis".to_owned(),
            "/openapi/v2".to_owned(),
            "/openapi/v3".to_owned(),
        ];
        for group in GROUPS {
            paths.push(format!("/apis/{}", group.name));
            for version in group.versions {
                paths.push(format!("/apis/{}", group.api_version(version)));
            }
        }
        paths.sort_unstable();
        paths
    }
}
