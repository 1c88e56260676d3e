//! Measures Loadline beside metrics-server and prints one table. `conformance/run controlplane`
//! builds what it needs:
//!
//!     cargo run --release -p conformance --bin compare -- --nodes 100 --pods 70

#![expect(clippy::print_stdout, reason = "the table is what it is for")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use conformance::compare::{
    Plan, Saved, Size, broken, compare, install_metrics_server, lost, pictures, read_kubelets,
    saved_in, table,
};
use conformance::real::Tools;
use tokio::time::Instant;

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
    #[arg(long, default_value_t = 20)]
    lists: u32,
    /// Seconds for which the full list is asked for five times a second.
    #[arg(long, default_value_t = 20)]
    steady: u64,
    /// Clients that ask for the full list at once.
    #[arg(long, default_value_t = 16)]
    clients: u32,
    /// The form for CI: 100 nodes with 70 pods each in less than five minutes; fails when a guarded ratio
    /// is lost.
    #[arg(long)]
    short: bool,
    /// Draw this run, and all earlier ones of other sizes, into this folder.
    #[arg(long, value_name = "FOLDER")]
    plot: Option<PathBuf>,
    /// Measure nothing: only draw what was measured before.
    #[arg(long, requires = "plot")]
    draw_only: bool,
    /// Where logs and the figures of each size are kept.
    #[arg(long, default_value = "target/conformance/compare")]
    folder: PathBuf,
    /// Ask the kubelets this file names and nothing else; `compare` starts itself so.
    #[arg(long, hide = true)]
    read_kubelets: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(file) = &arguments.read_kubelets {
        read_kubelets(file).await?;
        return Ok(ExitCode::SUCCESS);
    }
    std::fs::create_dir_all(&arguments.folder)?;
    let broken = if arguments.draw_only {
        Vec::new()
    } else {
        Box::pin(run(&arguments)).await?
    };
    if let Some(folder) = &arguments.plot {
        draw(&arguments.folder, folder)?;
    }
    Ok(if arguments.short && !broken.is_empty() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Measures and prints; which guards are broken.
async fn run(arguments: &Arguments) -> Result<Vec<String>> {
    let began = Instant::now();
    let tools = Tools::find()?;
    let metrics_server = install_metrics_server().await?;
    let plan = plan(arguments);
    let say = |text: &str| println!("== {:>4} s: {text}", began.elapsed().as_secs());
    let folder = arguments.folder.canonicalize()?;
    let results = compare(plan, &tools, &metrics_server, &folder, &say).await?;
    Saved::new(plan.size, &results).write(&folder)?;
    let broken = broken(&results);
    if arguments.short {
        for guard in &broken {
            println!("LOST {guard}");
        }
    }
    for missed in lost(plan.size, &results) {
        println!("not held: {missed}");
    }
    println!("\n{}\n\n{}", plan.size, table(plan.size, &results));
    Ok(broken)
}

fn plan(arguments: &Arguments) -> Plan {
    if arguments.short {
        return Plan::short();
    }
    Plan {
        size: Size {
            nodes: arguments.nodes,
            pods: arguments.pods,
        },
        settle: Duration::from_secs(arguments.settle),
        rest: Duration::from_secs(arguments.rest),
        lists: arguments.lists,
        steady: Duration::from_secs(arguments.steady),
        clients: arguments.clients,
        ..Plan::long()
    }
}

fn draw(figures: &Path, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    for picture in pictures(&saved_in(figures)?) {
        let file = folder.join(&picture.file);
        std::fs::write(&file, picture.svg).with_context(|| file.display().to_string())?;
    }
    Ok(())
}
