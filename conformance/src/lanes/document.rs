//! The commands of a document, run as its reader would.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::real::{Kubectl, Tools};

/// The block of shell commands a document has under this name.
pub(super) fn commands<'d>(document: &'d str, name: &str) -> Result<&'d str> {
    let begin = format!("```sh {name}\n");
    let (_, rest) = document
        .split_once(&begin)
        .with_context(|| format!("no block {name}"))?;
    let (block, _) = rest.split_once("```").context("the block has no end")?;
    Ok(block)
}

/// Runs commands in this shell until one fails, with the tools under test before those of the machine, and returns what
/// they printed.
pub(super) async fn run(
    mut shell: Command,
    commands: &str,
    who: &Kubectl,
    tools: &Tools,
    cache: &Path,
) -> Result<String> {
    let mut path = vec![tools.folder().to_owned()];
    path.extend([PathBuf::from("/usr/bin"), PathBuf::from("/bin")]);
    let output = shell
        .args(["-eu", "-c", commands])
        .env("PATH", std::env::join_paths(path)?)
        .env("KUBECONFIG", who.kubeconfig())
        .env("KUBECACHEDIR", cache)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
