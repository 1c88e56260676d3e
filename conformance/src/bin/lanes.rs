//! Runs the lanes named on the command line, or all of them. `conformance/run` builds what they need and calls this.

#![expect(
    clippy::disallowed_methods,
    reason = "the bans keep the product testable; a test driver reads the clock and its environment"
)]

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, id};
use std::time::Instant;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use conformance::lanes;
use conformance::real::sweep;
use conformance::report::Report;
use tokio::signal::unix::{SignalKind, signal};

/// How many runs' logs are kept.
const KEPT_RUNS: usize = 10;

/// Checks Loadline: the code itself, then beside a simulated cluster, a real control plane, a real node and real databases.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which lanes to run; all when none is named.
    #[arg(value_enum)]
    lanes: Vec<Name>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Formatting, lints, documentation, unit and property tests, fuzzing.
    Quality,
    /// Loadline's promises beside a simulated API server and simulated kubelets.
    Simulated,
    /// The contract of metrics.k8s.io, check by check.
    Contract,
    /// A real control plane: aggregator, kubectl, HPA.
    Controlplane,
    /// A real node: containers, cgroups, Loadline as a pod.
    Node,
    /// Real databases: what sinks sent, asked for in their own languages.
    Sinks,
    /// Beside metrics-server: ratios that must not be lost.
    Compare,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let mut names = Arguments::parse().lanes;
    if names.is_empty() {
        names = Name::value_variants().to_vec();
    }
    let ci = env::var("CI").is_ok_and(|value| value == "true");
    let report = Report::new(Box::new(io::stdout()), log_folder()?, ci);
    for name in sweep()? {
        report.say(&format!("took away what the broken run {name} left"));
    }
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // Dropping the lanes in their middle stops every process and takes away every trace of theirs.
    tokio::select! {
        () = run(&names, &report) => {},
        _ = interrupt.recv() => report.lane("run").fail("it runs to its end", "interrupted"),
        _ = terminate.recv() => report.lane("run").fail("it runs to its end", "asked to end"),
    }
    Ok(report.finish())
}

/// A new folder for the logs of this run. Those of the last runs stay, older ones go.
fn log_folder() -> Result<PathBuf> {
    let all = Path::new("target/conformance");
    let folder = all.join(format!("run-{}", id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let mut runs = Vec::new();
    for entry in fs::read_dir(all)? {
        let entry = entry?;
        runs.push((entry.metadata()?.modified()?, entry.path()));
    }
    runs.sort();
    for (_, old) in runs.iter().rev().skip(KEPT_RUNS) {
        let _ = fs::remove_dir_all(old);
    }
    Ok(folder.canonicalize()?)
}

async fn run(names: &[Name], report: &Report) {
    for name in names {
        let started = Instant::now();
        let lane = match name {
            Name::Quality => report.lane("quality"),
            Name::Simulated => report.lane("simulated"),
            Name::Contract => report.lane("contract"),
            Name::Controlplane => report.lane("controlplane"),
            Name::Node => report.lane("node"),
            Name::Sinks => report.lane("sinks"),
            Name::Compare => report.lane("compare"),
        };
        let outcome = match name {
            Name::Quality => lanes::quality(&lane).await,
            Name::Simulated => lanes::simulated(&lane).await,
            Name::Contract => lanes::contract(&lane).await,
            Name::Controlplane => Box::pin(lanes::controlplane(&lane)).await,
            Name::Node => lanes::node(&lane).await,
            Name::Sinks => lanes::sinks(&lane).await,
            Name::Compare => lanes::compare(&lane).await,
        };
        lane.close(started.elapsed());
        if let Err(error) = outcome {
            lane.fail("the lane runs to its end", &format!("{error:#}"));
        }
    }
}
