//! Loadline beside metrics-server: the same cluster, the same kubelets, the same requests, one after
//! the other, in one run.
//!
//! Only ratios mean anything: absolute figures are those of the machine and the hour.

mod guard;
mod latency;
mod measure;
mod meter;
mod plot;
mod reading;
mod saved;
mod server;
mod stage;
mod table;
mod target;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::real::{Scratch, Tools};

pub use guard::{GUARDS, Guard, broken};
pub use latency::{Form, Latency, Spread};
pub use measure::Figures;
pub use plot::{Picture, pictures};
pub use reading::read_kubelets;
pub use saved::{Saved, saved_in};
pub use server::{METRICS_SERVER, Server, install_metrics_server};
pub use stage::{Size, Stage};
pub use table::table;
pub use target::{Promise, Row, lost, rows};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The size of the cluster.
    pub size: Size,
    /// How long after its first complete list a server is left alone before its rest begins.
    pub settle: Duration,
    /// For how long CPU is measured while nobody asks anything.
    pub rest: Duration,
    /// How many lists of each form are asked for; a server is asked nothing when there are none.
    pub lists: u32,
    /// For how long the full list is asked for five times a second.
    pub steady: Duration,
    /// For how long each small question is asked again and again.
    pub small: Duration,
    /// How many clients ask at once.
    pub clients: u32,
    /// How often they do.
    pub rounds: u32,
    /// Loadline with summaries and history is only measured at rest.
    pub brief: bool,
}

impl Plan {
    /// What gives steady figures on a quiet machine.
    #[must_use]
    pub const fn long() -> Self {
        Self {
            settle: Duration::from_secs(45),
            rest: Duration::from_secs(60),
            lists: 20,
            steady: Duration::from_secs(20),
            small: Duration::from_secs(4),
            rounds: 6,
            brief: false,
            ..Self::short()
        }
    }

    /// What takes less than five minutes at 100 nodes with 70 pods each.
    #[must_use]
    pub const fn short() -> Self {
        Self {
            size: Size {
                nodes: 100,
                pods: 70,
            },
            settle: Duration::from_secs(10),
            rest: Duration::from_secs(25),
            lists: 4,
            steady: Duration::from_secs(3),
            small: Duration::from_secs(1),
            clients: 16,
            rounds: 3,
            brief: true,
        }
    }
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
    say("measuring the API server alone, and a loop that only reads");
    let (idle, reading) = tokio::try_join!(
        measure::idle_api_server(&stage, &plan),
        reading::measure(&stage, plan.rest, logs),
    )?;
    let mut results = Vec::new();
    for server in [
        Server::metrics_server(metrics_server),
        Server::loadline_alone(tools.loadline()),
        Server::loadline(tools.loadline()),
    ] {
        say(&format!("measuring {}", server.name));
        let mut plan = plan;
        if plan.brief && server.name == "loadline" {
            plan.lists = 0;
        }
        let mut figures = measure::measure(&server, &stage, &plan, idle, logs).await?;
        figures.reading_millicores = reading;
        results.push((server, figures));
    }
    Ok(results)
}
