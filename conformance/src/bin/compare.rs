//! Measures Loadline beside metrics-server and prints one table. `conformance/run controlplane`
//! builds what it needs:
//!
//!     cargo run --release -p conformance --bin compare -- --nodes 100 --pods 70

#![expect(clippy::print_stdout, reason = "the table is what it is for")]

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use conformance::compare::{Plan, Size, compare, install_metrics_server, lost, table};
use conformance::real::Tools;

/// Loadline beside metrics-server: the same control plane, kubelets and requests.
#[derive(Debug, Parser)]
struct Arguments {
    /// Nodes of the simulated cluster.
    #[arg(long, default_value_t = 100)]
    nodes: usize,
    /// Pods on each node.
    #[arg(long, default_value_t = 70)]
    pods: usize,
    /// Seconds a server is left alone after its first complete list.
    #[arg(long, default_value_t = 45)]
    settle: u64,
    /// Seconds for which CPU is measured while nobody asks anything.
    #[arg(long, default_value_t = 60)]
    rest: u64,
    /// Lists of each form.
    #[arg(long, default_value_t = 10)]
    lists: u32,
    /// Seconds for which the full list is asked for five times a second.
    #[arg(long, default_value_t = 20)]
    steady: u64,
    /// Clients that ask for the full list at once.
    #[arg(long, default_value_t = 16)]
    clients: u32,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let tools = Tools::find()?;
    let metrics_server = install_metrics_server().await?;
    let logs = PathBuf::from("target/conformance/compare");
    std::fs::create_dir_all(&logs)?;
    let plan = Plan {
        size: Size {
            nodes: arguments.nodes,
            pods: arguments.pods,
        },
        settle: Duration::from_secs(arguments.settle),
        rest: Duration::from_secs(arguments.rest),
        lists: arguments.lists,
        steady: Duration::from_secs(arguments.steady),
        clients: arguments.clients,
    };
    let say = |text: &str| println!("== {text}");
    let results = compare(plan, &tools, &metrics_server, &logs.canonicalize()?, &say).await?;
    for missed in lost(plan.size, &results) {
        println!("not held: {missed}");
    }
    println!("\n{}\n\n{}", plan.size, table(plan.size, &results));
    Ok(())
}
