//! Runs the checks beside a simulated cluster whose names contain a word, against a Loadline of one's choice.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use conformance::loadline::program;
use conformance::report::Report;
use conformance::simulated::{self, Churn};
use tokio::signal::unix::{SignalKind, signal};

/// The checks beside a simulated cluster, or some of them.
#[derive(Debug, Parser)]
struct Arguments {
    /// Run the checks whose name contains this
    #[arg(default_value = "")]
    filter: String,
    /// Check this program in place of building one
    #[arg(long, value_name = "PATH")]
    loadline: Option<PathBuf>,
    /// Nodes of the check in which pods come and go
    #[arg(long, default_value_t = 1000)]
    nodes: usize,
    /// Pods on each of them
    #[arg(long, default_value_t = 30)]
    pods: usize,
    /// How many minutes it takes
    #[arg(long, default_value_t = 60)]
    minutes: usize,
    /// The minute from which on memory is to be flat
    #[arg(long, default_value_t = 20)]
    from: usize,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let loadline = match arguments.loadline {
        Some(path) => path,
        None => program().await?,
    };
    let churn = Churn {
        nodes: arguments.nodes,
        pods: arguments.pods,
        minutes: arguments.minutes,
        from: arguments.from,
    };
    let folder = tempfile::tempdir()?.keep();
    let report = Report::new(Box::new(io::stdout()), folder, false);
    let lane = report.lane("simulated");
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        () = simulated::run(&lane, &loadline, &arguments.filter, churn) => {}
        result = tokio::signal::ctrl_c() => result?,
        _ = terminate.recv() => {}
    }
    Ok(report.finish())
}
