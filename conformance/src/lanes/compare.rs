//! The short form of `compare`: a few ratios to metrics-server that must not be lost.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::compare::install_metrics_server;
use crate::process::Launch;
use crate::report::Lane;

/// What is held; which ratios is said in `conformance/src/compare/guard.rs`.
const NAME: &str = "no guarded ratio to metrics-server is lost at 100 nodes with 70 pods each";
/// It takes less than five minutes where nothing else runs.
const DEADLINE: Duration = Duration::from_secs(15 * 60);
/// How long it may take to install metrics-server.
const INSTALLED: Duration = Duration::from_secs(20 * 60);

/// Runs the lane.
///
/// # Errors
/// When there is no folder for its log.
pub async fn compare(lane: &Lane) -> Result<()> {
    if let Err(error) = tokio::time::timeout(INSTALLED, install_metrics_server()).await? {
        lane.skip(NAME, &format!("{error:#}"));
        return Ok(());
    }
    let log = lane.folder()?.join("compare.log");
    lane.watch_log(&log);
    let folder = lane.folder()?.join("servers");
    let mut launch = Launch::new(&program(), log);
    launch.arguments = vec![
        "--short".to_owned(),
        format!("--folder={}", folder.display()),
    ];
    let held = lane.value(NAME, DEADLINE, async {
        ensure!(launch.binary.is_file(), "start with conformance/run");
        let mut process = launch.start()?;
        let status = process.wait(DEADLINE).await?;
        let said = process.log();
        let lost: Vec<&str> = said.lines().filter(|l| l.starts_with("LOST ")).collect();
        if !lost.is_empty() {
            bail!("{}\n{}", lost.join("\n"), rows(&said));
        }
        ensure!(status.success(), "{status}\n{}", process.tail());
        Ok(rows(&said))
    });
    if let Some(table) = held.await {
        lane.note(&table);
    }
    Ok(())
}

/// The program `conformance/run` built: one that is not optimised would measure itself.
fn program() -> PathBuf {
    let built = || Path::new("target/release/compare").to_owned();
    env::var_os("LOADLINE_COMPARE").map_or_else(built, PathBuf::from)
}

fn rows(said: &str) -> String {
    let rows: Vec<&str> = said.lines().filter(|line| line.starts_with('|')).collect();
    rows.join("\n")
}
