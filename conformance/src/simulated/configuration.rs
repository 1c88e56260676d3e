//! What Loadline says to a wrong start.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::stage::{Stage, small_world};
use super::{Bench, Check};
use crate::lab::{Lab, LabConfig};
use crate::process::Launch;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "a wrong command line is told whole, with code 2",
        30,
        |bench| Box::pin(all_errors_at_once(bench)),
    ),
    Check::new("files that are not there are named", 30, |bench| {
        Box::pin(missing_files(bench))
    }),
    Check::new("a port that is taken ends it with its name", 60, |bench| {
        Box::pin(a_taken_port(bench))
    }),
    Check::new("help and version end well", 30, |bench| {
        Box::pin(help(bench))
    }),
];

const SOON: Duration = Duration::from_secs(10);

/// Runs Loadline to its end; answers its code and what it wrote.
async fn run(bench: &Bench, folder: &Path, arguments: &[&str]) -> Result<(Option<i32>, String)> {
    let mut launch = Launch::new(&bench.binary, folder.join("log"));
    launch.arguments = arguments.iter().map(|&a| a.to_owned()).collect();
    let mut process = launch.start()?;
    let status = process.wait(SOON).await?;
    Ok((status.code(), process.log()))
}

async fn all_errors_at_once(bench: &Bench) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let wrong = [
        "--metric-resolution=1s",
        "--kubelet-port=x",
        "--kubelet-client-key=k",
        "--secure-port=0",
        "--tls-cipher-suites=ROT13",
        "--request-timeout=fast",
    ];
    let (code, text) = run(bench, folder.path(), &wrong).await?;
    ensure!(code == Some(2), "it ended with {code:?}: {text}");
    for flag in wrong {
        let name = flag.split('=').next().unwrap_or(flag);
        ensure!(text.contains(name), "{name} is not named: {text}");
    }
    let (code, text) = run(bench, folder.path(), &["--no-such-flag"]).await?;
    ensure!(code == Some(2), "it ended with {code:?}: {text}");
    ensure!(text.contains("--no-such-flag"), "not named: {text}");
    Ok(())
}

async fn missing_files(bench: &Bench) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let files = [
        "--kubeconfig=/nowhere/kubeconfig",
        "--tls-cert-file=/nowhere/tls.crt",
        "--tls-private-key-file=/nowhere/tls.key",
        "--secure-port=18443",
    ];
    let (code, text) = run(bench, folder.path(), &files).await?;
    ensure!(code.is_some_and(|c| c != 0), "it ended with {code:?}");
    ensure!(text.contains("/nowhere/"), "no file is named: {text}");
    ensure!(!text.contains("panicked"), "{text}");
    Ok(())
}

async fn a_taken_port(bench: &Bench) -> Result<()> {
    let lab = Lab::start(small_world(), LabConfig::default()).await?;
    let start = bench.start(&lab, &[])?;
    let first = start.ready(&lab, super::stage::READY).await?;
    let mut second = start.clone().log(&lab.file("second.log")).launch(&lab)?;
    let status = second.process.wait(SOON).await?;
    let text = second.process.log();
    ensure!(!status.success(), "two listen on one port");
    let port = first.address.port().to_string();
    ensure!(text.contains(&port), "the port is not named: {text}");
    let mut stage = Stage::new(lab, first)?;
    stage.hold(async |_| Ok(())).await
}

async fn help(bench: &Bench) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (code, text) = run(bench, folder.path(), &["--help"]).await?;
    ensure!(code == Some(0), "--help ended with {code:?}");
    for flag in ["--metric-resolution", "--kubelet-insecure-tls"] {
        ensure!(text.contains(flag), "{flag} is not in the help");
    }
    let (code, text) = run(bench, folder.path(), &["--version"]).await?;
    ensure!(code == Some(0), "--version ended with {code:?}");
    ensure!(text.contains("loadline"), "--version says {text}");
    Ok(())
}
