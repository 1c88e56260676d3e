//! Loadline's promises, each a check beside a simulated cluster.
//!
//! A check starts its own [`Lab`](crate::lab::Lab) and its own Loadline, so that checks run side by side and none
//! knows of another. Every one of them also holds what must hold at all times: no credential in the log, no panic,
//! no request the manifests do not allow.

mod bounds;
mod churn;
mod configuration;
mod coverage;
mod disk;
mod duplicates;
mod faults;
mod first;
mod forms;
mod heapster;
mod identity;
mod keeps;
mod load;
mod memory;
mod outages;
mod peers;
mod pinning;
mod privilege;
mod rates;
mod reading;
mod rotation;
mod selectors;
mod serving;
mod shutdown;
mod stage;
mod summaries;
mod watches;
mod wire;

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use anyhow::Result;
use futures_util::{StreamExt, stream};

use crate::report::Lane;

pub use churn::Churn;
pub use stage::Bench;
pub(crate) use stage::{READY, Stage, small_world};

/// Checks that run at a time; they wait more than they work.
const AT_A_TIME: usize = 8;

/// A check under way.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// One named check.
#[derive(Clone, Copy)]
pub struct Check {
    /// Which of the promises of `docs/architecture.md` it holds, as `promise N: `; empty for none of them.
    pub promise: &'static str,
    /// What is held, as a sentence.
    pub name: &'static str,
    /// How long it may take.
    pub deadline: Duration,
    /// Runs it.
    pub run: for<'a> fn(&'a Bench) -> Running<'a>,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Check").field("name", &self.name).finish()
    }
}

impl Check {
    const fn new(
        name: &'static str,
        seconds: u64,
        run: for<'a> fn(&'a Bench) -> Running<'a>,
    ) -> Self {
        Self {
            promise: "",
            name,
            deadline: Duration::from_secs(seconds),
            run,
        }
    }
}

/// All checks, the long ones first so that the lane ends soon.
#[must_use]
pub fn checks() -> Vec<Check> {
    let groups: [(&str, &[Check]); 24] = [
        ("promise 1: ", keeps::CHECKS),
        ("promise 2: ", bounds::CHECKS),
        ("promise 2: ", summaries::CHECKS),
        ("promise 2: ", memory::CHECKS),
        ("promise 3: ", rates::CHECKS),
        ("promise 4: ", forms::CHECKS),
        ("promise 6: ", privilege::CHECKS),
        ("promise 7: ", privilege::SECRETS),
        ("promise 8: ", outages::CHECKS),
        ("promise 8: ", rotation::CHECKS),
        ("promise 8: ", serving::CHECKS),
        ("", first::CHECKS),
        ("", heapster::CHECKS),
        ("", disk::CHECKS),
        ("", duplicates::CHECKS),
        ("", selectors::CHECKS),
        ("", identity::CHECKS),
        ("", pinning::CHECKS),
        ("", shutdown::CHECKS),
        ("", watches::CHECKS),
        ("", configuration::CHECKS),
        ("", coverage::CHECKS),
        ("", faults::CHECKS),
        ("", peers::CHECKS),
    ];
    let mut checks = Vec::new();
    for (promise, group) in groups {
        checks.extend(group.iter().map(|check| Check { promise, ..*check }));
    }
    checks.sort_by_key(|check| std::cmp::Reverse(check.deadline));
    checks
}

/// Runs the checks whose name contains `filter` against this Loadline. Those that measure come last, each by
/// itself; that of `churn` only when it is asked for by name, since it takes as long as `churn` says.
pub async fn run(lane: &Lane, loadline: &Path, filter: &str, churn: Churn) {
    let bench = Bench {
        binary: PathBuf::from(loadline),
    };
    let chosen = checks().into_iter().filter(|c| c.name.contains(filter));
    let running = chosen.map(|check| {
        let body = (check.run)(&bench);
        async move {
            let name = format!("{}{}", check.promise, check.name);
            lane.check(&name, check.deadline, body).await
        }
    });
    stream::iter(running)
        .buffer_unordered(AT_A_TIME)
        .collect::<Vec<bool>>()
        .await;
    if load::NAME.contains(filter) {
        load::run(lane, &bench).await;
    }
    if !filter.is_empty() && churn::NAME.contains(filter) {
        churn::run(lane, &bench, churn).await;
    }
}
