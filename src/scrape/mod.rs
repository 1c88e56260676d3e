//! When each node is asked, and what becomes of its answer.
//!
//! Every node has a schedule of its own; a slow or failing one delays nobody else. One task keeps
//! all schedules and all attempts, each of which gets, decodes and commits to `live` for its node
//! alone. That keeps the memory of an attempt (TLS handshake, parsing) to those that are under way,
//! needs no lock for the schedules, and wakes no second thread: a scrape costs so little CPU that
//! handing it to another would be the larger part.
//!
//! - A new node is asked at once, again some 2, 6, 10 and 14 s later until it has numbers, then once
//!   every resolution, at a moment that follows from its name, so that all replicas ask it at the
//!   same time and see the same.
//! - A node that has numbers when it becomes known, because another replica handed them over, is asked
//!   at its regular moment, and at once if a pod of it has none.
//! - A pod that turned running has its node asked at once (but not twice within 2 s), and again
//!   after some 2 and 4 s until the new containers have numbers.
//! - Beside that every node is asked for its summary, shortly before each tick of the roll-up, by a
//!   task of its own with places of its own: a kubelet that is slow in that, or refuses, costs the
//!   resource metrics nothing.

mod connections;
mod driver;
mod getter;
mod health;
mod metrics;
mod node;
mod queue;
mod report;
mod schedule;
mod summary;
mod worker;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;

use crate::domain::{Clock, Inventory, NodeRecord};
use crate::kubelet::Limits;
use crate::lifecycle::Stop;
use crate::live::Live;
use crate::telemetry::Registry;

use driver::Driver;
use metrics::Metrics;
use worker::Worker;

pub use getter::KubeletMetricsGetter;
pub use health::{NodeHealth, ScrapeFailure, ScrapeHealth};
pub use summary::Config as SummaryConfig;

/// Which nodes are asked, and how often.
#[derive(Clone)]
pub struct Config {
    /// The time between two regular scrapes of a node.
    pub resolution: Duration,
    /// The most attempts under way at once. Nodes beyond it wait for their turn, the longest due
    /// first. Nodes that took long last time get at most half of them, so that many hanging nodes
    /// delay each other and not the others.
    pub concurrency: usize,
    /// What one answer may contain.
    pub limits: Limits,
    /// How nodes are asked for their summaries.
    pub summary: SummaryConfig,
    /// Tells whether a node is to be asked at all (`--node-selector`).
    pub selects: Arc<dyn Fn(&NodeRecord) -> bool + Send + Sync>,
}

/// Keeps the schedules of all nodes of the inventory.
#[derive(Debug)]
pub struct Scraper<G: KubeletMetricsGetter> {
    driver: Driver<G>,
    summaries: summary::Driver<G>,
    health: ScrapeHealth,
}

impl Config {
    /// Asks every node at this resolution, 256 at once.
    #[must_use]
    pub fn new(resolution: Duration) -> Self {
        Self {
            resolution,
            concurrency: 256,
            limits: Limits::default(),
            summary: SummaryConfig::default(),
            selects: Arc::new(|_| true),
        }
    }
}

impl<G: KubeletMetricsGetter> Scraper<G> {
    /// A scraper of the nodes in `inventory`, which commits to `live`.
    pub fn new(
        config: Config,
        getter: G,
        inventory: Arc<Inventory>,
        live: Arc<Live>,
        clock: Arc<dyn Clock>,
        registry: &mut Registry,
    ) -> Self {
        let metrics = Metrics::register(registry, config.resolution);
        let health = ScrapeHealth::new(Arc::clone(&clock), config.resolution);
        let worker = Arc::new(Worker::new(getter, live, clock, config.limits));
        let summary = summary::Metrics::register(registry);
        let driver = Driver::new(
            config.clone(),
            Arc::clone(&worker),
            Arc::clone(&inventory),
            metrics,
            health.clone(),
        );
        let connections = driver.connections();
        let summaries = summary::Driver::new(&config, worker, connections, inventory, summary);
        Self {
            driver,
            summaries,
            health,
        }
    }

    /// How each node fares; stays readable while [`Scraper::run`] runs.
    #[must_use]
    pub fn health(&self) -> ScrapeHealth {
        self.health.clone()
    }

    /// Keeps the schedules until `stop`. Attempts under way are dropped then.
    pub async fn run(self, stop: Stop) {
        let summaries = self.summaries.run(stop.clone());
        join(self.driver.run(stop), summaries).await;
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("resolution", &self.resolution)
            .field("concurrency", &self.concurrency)
            .field("limits", &self.limits)
            .field("summary", &self.summary)
            .finish_non_exhaustive()
    }
}
