//! The checks behind the probes, by metrics-server's names where it has the same one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::cluster::Cluster;
use crate::coverage::Coverage;
use crate::domain::Clock;
use crate::kubelet::KubeletClient;
use crate::lifecycle::{Check, Health, Probe};
use crate::live::Live;
use crate::scrape::Scraper;

/// How long readiness waits for a first number. A cluster whose kubelets cannot be reached is
/// served all the same: what is known, and why the rest is not.
const START_WINDOW: Duration = Duration::from_secs(60);

pub(super) fn add_checks(
    health: &Health,
    clock: &Arc<dyn Clock>,
    cluster: &Cluster,
    live: &Arc<Live>,
    scraper: &Scraper<KubeletClient>,
    coverage: &Arc<Coverage>,
) {
    let all = &[Probe::Livez, Probe::Readyz, Probe::Healthz];
    health.add(Check::new("ping", all, || Ok(())));
    health.add(storage_ready(clock, live, coverage));
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

/// Passes for good with the first number of a node and of a container, or when the start window is
/// over: readiness must never be lost for lack of kubelets, or the HPA would lose what is known
/// too.
///
/// Meanwhile the reason tells how the nodes fare. Only who may ask for this check alone sees it.
fn storage_ready(clock: &Arc<dyn Clock>, live: &Arc<Live>, coverage: &Arc<Coverage>) -> Check {
    let (clock, live) = (Arc::clone(clock), Arc::clone(live));
    let coverage = Arc::clone(coverage);
    let (began, passed) = (clock.monotonic(), AtomicBool::new(false));
    Check::new("metric-storage-ready", &[Probe::Readyz], move || {
        let waited = clock.monotonic().saturating_duration_since(began);
        if passed.load(Ordering::Relaxed) || live.has_numbers() || waited >= START_WINDOW {
            passed.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let nodes = coverage.current().summary();
        Err(format!("no metrics to serve yet ({nodes})"))
    })
}
