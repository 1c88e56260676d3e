//! Writes what Loadline is made of as CycloneDX JSON: `sbom OUT.json`, in this repository.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use conformance::sbom::document;

/// Writes what Loadline is made of as CycloneDX JSON.
#[derive(Debug, Parser)]
struct Arguments {
    /// The file to write.
    out: PathBuf,
    /// The platform that is built for, as rustc names it.
    #[arg(long, default_value = "x86_64-unknown-linux-gnu")]
    target: String,
}

fn main() -> Result<()> {
    let Arguments { out, target } = Arguments::parse();
    let output = Command::new("cargo")
        .args(["metadata", "--format-version=1", "--locked"])
        .args(["--filter-platform", &target])
        .output()
        .context("cargo metadata")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo metadata: {}", said.trim());
    let metadata = serde_json::from_slice(&output.stdout)?;
    let lock = std::fs::read_to_string("Cargo.lock").context("Cargo.lock")?;
    let mut text = serde_json::to_string_pretty(&document(&metadata, &lock)?)?;
    text.push('\n');
    std::fs::write(&out, text).with_context(|| out.display().to_string())
}
