//! The checks behind the probes, by metrics-server's names where it has the same one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::incumbent::Incumbent;
use crate::cluster::Cluster;
use crate::coverage::Coverage;
use crate::domain::Clock;
use crate::kubelet::KubeletClient;
use crate::lifecycle::{Check, Health, Probe};
use crate::live::{FirstNumbers, Live};
use crate::scrape::Scraper;

/// How long readiness waits for a first number. A cluster whose kubelets cannot be reached is
/// served all the same: what is known, and why the rest is not.
const START_WINDOW: Duration = Duration::from_secs(60);
/// How long it waits after the first number for those of other nodes. A node's own takes 10 s, and
/// some more where its kubelet is late.
const STRAGGLERS: Duration = Duration::from_secs(20);

/// What readiness is decided by.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// Since the start.
    waited: Duration,
    /// Since a container had a number.
    since_first: Duration,
    numbers: FirstNumbers,
    /// Somebody else answers meanwhile.
    answered: bool,
}

pub(super) fn add_checks(
    health: &Health,
    clock: &Arc<dyn Clock>,
    cluster: &Cluster,
    live: &Arc<Live>,
    scraper: &Scraper<KubeletClient>,
    coverage: &Arc<Coverage>,
    incumbent: &Incumbent,
) {
    let all = &[Probe::Livez, Probe::Readyz, Probe::Healthz];
    health.add(Check::new("ping", all, || Ok(())));
    health.add(storage_ready(clock, live, coverage, incumbent));
    for check in cluster.checks() {
        health.add(check);
    }
    health.add(coverage.check());
    let timely = scraper.health();
    health.add(Check::new(
        "metric-collection-timely",
        &[Probe::Livez],
        move || timely.timely(),
    ));
}

/// Passes for good as soon as we are useful, or when the start window is over: readiness must never
/// be lost for lack of kubelets, or the HPA would lose what is known too.
///
/// Meanwhile the reason tells how the nodes fare. Only who may ask for this check alone sees it.
fn storage_ready(
    clock: &Arc<dyn Clock>,
    live: &Arc<Live>,
    coverage: &Arc<Coverage>,
    incumbent: &Incumbent,
) -> Check {
    let (clock, live) = (Arc::clone(clock), Arc::clone(live));
    let (coverage, incumbent) = (Arc::clone(coverage), incumbent.shared());
    let (began, passed) = (clock.monotonic(), AtomicBool::new(false));
    let first = OnceLock::new();
    Check::new("metric-storage-ready", &[Probe::Readyz], move || {
        if passed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let (now, numbers) = (clock.monotonic(), live.first_numbers());
        let first = numbers.any.then(|| *first.get_or_init(|| now));
        let waiting = Waiting {
            waited: now.saturating_duration_since(began),
            since_first: first.map_or(Duration::ZERO, |at| now.saturating_duration_since(at)),
            numbers,
            answered: incumbent.answers(),
        };
        if waiting.is_over() {
            passed.store(true, Ordering::Relaxed);
            incumbent.done();
            return Ok(());
        }
        let nodes = coverage.current().summary();
        Err(format!("no metrics to serve yet ({nodes})"))
    })
}

impl Waiting {
    /// Useful is who has the numbers of all pods of the nodes that answer: the HPA lives on them,
    /// and would take one that is missing for one that does not work. The nodes' own numbers come
    /// some 10 s later. They are waited for only where somebody else still answers, who has them.
    fn is_over(self) -> bool {
        let useful = self.numbers.pods && (self.numbers.nodes || !self.answered);
        useful || self.since_first >= STRAGGLERS || self.waited >= START_WINDOW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_waited_for_and_nodes_only_while_somebody_else_answers() {
        let numbers = |pods, nodes| FirstNumbers {
            any: pods,
            pods,
            nodes,
        };
        for (pods, nodes, answered, expected) in [
            (false, false, false, false),
            (false, true, false, false),
            (true, false, false, true),
            (true, false, true, false),
            (true, true, true, true),
        ] {
            let waiting = Waiting {
                waited: Duration::from_secs(30),
                since_first: Duration::ZERO,
                numbers: numbers(pods, nodes),
                answered,
            };
            assert_eq!(waiting.is_over(), expected, "{waiting:?}");
        }
    }

    #[test]
    fn nothing_is_waited_for_without_end() {
        for (waited, since_first, expected) in [(59, 19, false), (60, 0, true), (30, 20, true)] {
            let waiting = Waiting {
                waited: Duration::from_secs(waited),
                since_first: Duration::from_secs(since_first),
                numbers: FirstNumbers::default(),
                answered: true,
            };
            assert_eq!(waiting.is_over(), expected, "{waiting:?}");
        }
    }
}
