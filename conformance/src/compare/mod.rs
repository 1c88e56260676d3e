//! Loadline beside metrics-server: the same cluster, the same kubelets, the same requests, one after
//! the other, in one run.
//!
//! Only ratios mean anything: absolute figures are those of the machine and the hour.

mod latency;
mod measure;
mod meter;
mod server;
mod stage;
mod table;
mod target;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::real::{Scratch, Tools};

pub use latency::{Form, Latency, Spread};
pub use measure::Figures;
pub use server::{METRICS_SERVER, Server, install_metrics_server};
pub use stage::{Size, Stage};
pub use table::table;
pub use target::{Row, lost, rows};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The size of the cluster.
    pub size: Size,
    /// How long after its first complete list a server is left alone before its rest begins.
    pub settle: Duration,
    /// For how long CPU is measured while nobody asks anything.
    pub rest: Duration,
    /// How many lists of each form are asked for.
    pub lists: u32,
    /// For how long the full list is asked for five times a second.
    pub steady: Duration,
    /// How many clients ask at once.
    pub clients: u32,
}

/// Fills a real control plane, runs each server against it, and measures.
///
/// # Errors
/// When something does not start, or a server has no complete list in time.
pub async fn compare(
    plan: Plan,
    tools: &Tools,
    metrics_server: &Path,
    logs: &Path,
    say: &dyn Fn(&str),
) -> Result<Vec<(Server, Figures)>> {
    let scratch = Scratch::new()?;
    say(&format!("filling a control plane with {}", plan.size));
    let stage = Stage::set(plan.size, &scratch, tools, logs).await?;
    let mut results = Vec::new();
    for server in [
        Server::metrics_server(metrics_server),
        Server::loadline_alone(tools.loadline()),
        Server::loadline(tools.loadline()),
    ] {
        say(&format!("measuring {}", server.name));
        let figures = measure::measure(&server, &stage, &plan, logs).await?;
        results.push((server, figures));
    }
    Ok(results)
}
