//! The contract of `metrics.k8s.io`, held to Loadline in a simulated cluster.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::loadline::program;
use crate::real::Tools;
use crate::report::Lane;
use crate::suite::{Filter, Outcome, Program, run_in_lab};

/// Runs the lane.
///
/// # Errors
/// When Loadline cannot be built, or is never ready.
pub async fn contract(lane: &Lane) -> Result<()> {
    let program = Program {
        binary: program().await?,
        flags: Vec::new(),
        // The newest one, when it was built; checks that need it are skipped otherwise, and say so.
        kubectl: Tools::find().ok().map(|tools| tools.kubectl()),
    };
    let results = run_in_lab(&program, &Filter::default(), |log| lane.watch_log(log)).await?;
    for result in results {
        let name = format!("{} {} {}", result.group, result.id, result.variant);
        let name = name.trim_end();
        match result.outcome {
            Outcome::Skipped { why } => lane.note(&format!("not made here: {name}: {why}")),
            Outcome::Passed => {
                lane.check(name, Duration::from_secs(1), async { Ok(()) })
                    .await;
            }
            Outcome::Failed { expected, seen } => {
                let fault = async { bail!("expected {expected}\nsaw {seen}") };
                lane.check(name, Duration::from_secs(1), fault).await;
            }
        }
    }
    Ok(())
}
