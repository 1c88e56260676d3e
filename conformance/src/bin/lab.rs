//! Runs the simulated cluster by itself, to start Loadline against by hand or to measure with.
#![expect(clippy::print_stdout, reason = "it tells its user where things are")]

use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use conformance::lab::{Backend, Lab, LabConfig, World};
use conformance::loadline::{SERVER_NAME, Start};
use tokio::signal::unix::{SignalKind, signal};

/// A simulated cluster on loopback ports.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many nodes; 0 is the demo's cluster of 3 nodes and 24 pods
    #[arg(long, default_value_t = 0)]
    nodes: usize,
    /// How many pods on each node
    #[arg(long, default_value_t = 30)]
    pods: usize,
    /// Start this loadline, too, and print what it uses
    #[arg(long)]
    loadline: Option<std::path::PathBuf>,
    /// How often what Loadline uses is printed, in seconds
    #[arg(long, default_value_t = 10)]
    every: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let world = match arguments.nodes {
        0 => World::demo(),
        nodes => World::of_size(nodes, arguments.pods),
    };
    let lab = Lab::start(world, LabConfig::default()).await?;
    println!("API server   https://{}", lab.api.address());
    println!("as admin     {}", lab.admin_kubeconfig().display());
    println!("as Loadline  {}", lab.kubeconfig().display());
    let mut terminate = signal(SignalKind::terminate())?;
    let run = Box::pin(run(&lab, &arguments));
    // Whichever way it ends, the lab's files go with it.
    tokio::select! {
        result = run => result,
        result = tokio::signal::ctrl_c() => Ok(result?),
        _ = terminate.recv() => Ok(()),
    }
}

async fn run(lab: &Lab, arguments: &Arguments) -> Result<()> {
    let Some(binary) = &arguments.loadline else {
        let address = conformance::process::free_address()?;
        let serving = lab.issue_serving("loadline")?;
        println!("a server for metrics.k8s.io may listen on {address} with");
        println!("  {}", serving.certificate.display());
        println!("  {}", serving.key.display());
        lab.api.register(Backend {
            address,
            server_name: SERVER_NAME.to_owned(),
            trust: conformance::client::Trust::Ca(lab.pki.serving.der().clone()),
            client_certificate: lab.front_proxy.clone(),
            versions: vec!["v1".to_owned(), "v1beta1".to_owned()],
        })?;
        return std::future::pending().await;
    };
    let start = Start::new(lab, binary)?;
    let mut loadline = start.ready(lab, Duration::from_secs(120)).await?;
    println!("Loadline     https://{}", loadline.address);
    let mut before = loadline.process.footprint()?;
    loop {
        tokio::time::sleep(Duration::from_secs(arguments.every)).await;
        loadline.process.expect_running()?;
        let now = loadline.process.footprint()?;
        let used = now.cpu.saturating_sub(before.cpu).as_millis();
        println!(
            "{:>6} mcore  {:>6} MiB resident  {:>6} MiB peak",
            used / u128::from(arguments.every.max(1)),
            now.resident >> 20,
            now.peak >> 20,
        );
        before = now;
    }
}
