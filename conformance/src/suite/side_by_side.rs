//! Loadline and metrics-server, each held to the whole contract in a lab of its own.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use futures_util::future::join;

use super::check::CheckResult;
use super::document::Column;
use super::in_lab::{Program, run_in_lab};
use super::run::Filter;
use crate::compare::METRICS_SERVER;

/// What Loadline's column is called.
pub const LOADLINE: &str = "Loadline";

/// metrics-server, to be started in a lab.
#[must_use]
pub fn metrics_server(binary: PathBuf, kubectl: Option<PathBuf>) -> Program {
    Program {
        binary,
        flags: vec![
            ("kubelet-certificate-authority".to_owned(), String::new()),
            ("kubelet-insecure-tls".to_owned(), "true".to_owned()),
        ],
        kubectl,
        panicking: None,
    }
}

/// Holds both to every check, side by side: most of the time is waiting. `log` is told where
/// Loadline's log is.
///
/// # Errors
/// When Loadline cannot be started or never measures anything; the inner one, when metrics-server cannot.
pub async fn side_by_side(
    loadline: &Program,
    metrics_server: &Program,
    log: impl FnOnce(&Path),
) -> Result<(Vec<CheckResult>, Result<Column>)> {
    let filter = Filter::default();
    let ours = Box::pin(run_in_lab(loadline, &filter, log));
    let theirs = Box::pin(run_in_lab(metrics_server, &filter, |_| {}));
    let (ours, theirs) = join(ours, theirs).await;
    let theirs = theirs.context(METRICS_SERVER);
    Ok((
        ours?,
        theirs.map(|results| Column::new(METRICS_SERVER, results)),
    ))
}
