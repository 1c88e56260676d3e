//! Every fuzz target for a few seconds. Long runs are for people.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::quality::cargo;
use crate::report::Lane;

/// A cold build compiles every dependency anew, instrumented.
const BUILT: Duration = Duration::from_secs(30 * 60);
/// For how many seconds each target runs.
const SECONDS: u32 = 3;
/// Where its chance begins: always the same, so that a run of the same code finds what the last one
/// found. Whoever looks for new things fuzzes longer, from a seed of the day.
const SEED: u32 = 1;
/// How long that may take with its begin and its end on a busy machine.
const ENDED: Duration = Duration::from_secs(120);

/// Where everything the fuzzer builds and finds is kept.
const FOLDER: &str = "target/fuzz";

/// Builds the targets and runs each from its seeds alone, so that a run is short whatever was found before.
pub(super) async fn fuzz(lane: &Lane, logs: &Path) -> Result<()> {
    let log = logs.join("fuzz-build.log");
    if cargo(lane, "cargo-fuzz", "fuzz --version", "", &log)
        .await
        .is_ok_and(|status| !status.success())
    {
        lane.skip(
            "fuzzing",
            "cargo-fuzz is missing: start with conformance/run",
        );
        return Ok(());
    }
    lane.watch_log(&log);
    let name = "the fuzz targets build";
    let built = lane.check(name, BUILT, async {
        let arguments = format!("fuzz build -s none --target-dir {FOLDER}");
        let status = cargo(lane, name, &arguments, "", &log).await?;
        ensure!(status.success(), "cargo {arguments}: {status}");
        Ok(())
    });
    if !built.await {
        return Ok(());
    }
    for target in targets()? {
        let log = logs.join(format!("fuzz-{target}.log"));
        lane.watch_log(&log);
        let name = format!("fuzzing {target} for {SECONDS} s finds nothing");
        lane.check(&name, ENDED, run(lane, &name, &target, &log))
            .await;
    }
    Ok(())
}

fn targets() -> Result<Vec<String>> {
    let folder = "fuzz/fuzz_targets";
    let mut targets = Vec::new();
    for entry in std::fs::read_dir(folder).context(folder)? {
        let path = entry?.path();
        let name = path.file_stem().context("a target without a name")?;
        targets.push(name.to_string_lossy().into_owned());
    }
    targets.sort();
    ensure!(!targets.is_empty(), "no targets in {folder}");
    Ok(targets)
}

async fn run(lane: &Lane, name: &str, target: &str, log: &Path) -> Result<()> {
    let found = format!("{FOLDER}/found/{target}");
    let _ = std::fs::remove_dir_all(&found);
    std::fs::create_dir_all(&found)?;
    let arguments = format!(
        "fuzz run -s none --target-dir {FOLDER} {target} {found} fuzz/corpus/{target} -- \
         -seed={SEED} -max_total_time={SECONDS} -max_len=2048 -timeout=10"
    );
    let status = cargo(lane, name, &arguments, "", log).await?;
    ensure!(
        status.success(),
        "{status}: what broke it is in fuzz/artifacts/{target}, and the seeds in fuzz/corpus/{target} want it"
    );
    Ok(())
}
