//! The contract of `metrics.k8s.io`, held to Loadline in a simulated cluster, with metrics-server
//! beside it for the document that compares them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::compare::{METRICS_SERVER, install_metrics_server};
use crate::loadline::{panicking, program};
use crate::real::Tools;
use crate::report::Lane;
use crate::suite::{
    CheckResult, Column, Extent, Filter, LOADLINE, Outcome, Program, REGENERATE, disagreements,
    document, metrics_server, run_in_lab, side_by_side,
};

/// What the results are compared with.
pub(super) const DOCUMENT: &str = "docs/conformance.md";

/// How long it may take to install metrics-server.
const INSTALLED: Duration = Duration::from_secs(20 * 60);
const AT_ONCE: Duration = Duration::from_secs(10);

/// Runs the lane.
///
/// # Errors
/// When Loadline cannot be built, or one of the servers is never ready.
pub async fn contract(lane: &Lane) -> Result<()> {
    // The newest one, when it was built; checks that need it are skipped otherwise, and say so.
    let tools = Tools::find_control_plane().ok();
    let kubectl = tools.map(|tools| tools.kubectl());
    let loadline = Program {
        binary: program().await?,
        flags: Vec::new(),
        kubectl: kubectl.clone(),
        panicking: Some(panicking().await?),
    };
    let extent = match &kubectl {
        Some(_) => Extent::Whole,
        None => Extent::WhatRan,
    };
    let log = |log: &Path| lane.watch_log(log);
    let (results, columns) = match tokio::time::timeout(INSTALLED, install_metrics_server()).await?
    {
        Ok(binary) => {
            let peer = metrics_server(binary, kubectl);
            let (ours, theirs) = side_by_side(&loadline, &peer, log).await?;
            let mut columns = vec![Column::new(LOADLINE, ours.clone())];
            match theirs {
                Ok(theirs) => columns.push(theirs),
                Err(error) => lane.fail(&documented(METRICS_SERVER), &format!("{error:#}")),
            }
            (ours, columns)
        }
        Err(error) => {
            lane.skip(&documented(METRICS_SERVER), &format!("{error:#}"));
            let ours = run_in_lab(&loadline, &Filter::default(), log).await?;
            (ours.clone(), vec![Column::new(LOADLINE, ours)])
        }
    };
    for result in results {
        tell(lane, result).await;
    }
    up_to_date(lane, &columns, extent).await
}

async fn tell(lane: &Lane, result: CheckResult) {
    let name = format!("{} {} {}", result.group, result.id, result.variant);
    let name = name.trim_end();
    match result.outcome {
        Outcome::Skipped { why } => lane.skip(name, &why),
        Outcome::Passed => {
            lane.check(name, AT_ONCE, async { Ok(()) }).await;
        }
        Outcome::Failed { expected, seen } => {
            let fault = async { bail!("expected {expected}\nsaw {seen}") };
            lane.check(name, AT_ONCE, fault).await;
        }
    }
}

fn documented(server: &str) -> String {
    format!("{DOCUMENT} says what {server} keeps")
}

/// Compares each column with the document; the one it should be is kept with the logs. What another server does on such
/// a machine is not ours to fail for: it is told.
async fn up_to_date(lane: &Lane, columns: &[Column], extent: Extent) -> Result<()> {
    let anew = lane.folder()?.join("conformance.md");
    if columns.len() > 1 && extent == Extent::Whole {
        std::fs::write(&anew, document(columns))?;
    }
    for column in columns {
        if column.server != LOADLINE {
            if let Err(error) = agrees(column, extent) {
                lane.note(&format!(
                    "{}: {error:#}; {REGENERATE}",
                    documented(&column.server)
                ));
            }
            continue;
        }
        lane.check(&documented(&column.server), AT_ONCE, async {
            agrees(column, extent).with_context(|| {
                format!("make it anew: {REGENERATE}\n(or take {})", anew.display())
            })
        })
        .await;
    }
    Ok(())
}

/// Fails where the results and the document differ.
pub(super) fn agrees(column: &Column, extent: Extent) -> Result<()> {
    let document = std::fs::read_to_string(DOCUMENT).context(DOCUMENT)?;
    let found = disagreements(&document, column, extent);
    ensure!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}
