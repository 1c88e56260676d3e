//! The code itself: formatting, lints, documentation, tests, a few seconds of fuzzing.

use std::fs::File;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use super::fuzz::fuzz;
use crate::report::{Lane, Totals};

/// A cold build on two cores takes minutes.
const DEADLINE: Duration = Duration::from_secs(30 * 60);
/// How often to say that a step still runs.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);

/// Runs the lane.
///
/// # Errors
/// When a log cannot be written.
pub async fn quality(lane: &Lane) -> Result<()> {
    let logs = lane.folder()?;
    let steps = [
        ("the code is formatted", "fmt", "fmt --all --check", ""),
        (
            "clippy finds nothing",
            "clippy",
            "clippy --quiet --workspace --all-targets -- --deny warnings",
            "",
        ),
        (
            "the documentation builds without a warning",
            "doc",
            "doc --quiet --workspace --no-deps",
            "--deny warnings",
        ),
    ];
    for (name, file, arguments, rustdoc_flags) in steps {
        let log = logs.join(format!("{file}.log"));
        lane.watch_log(&log);
        lane.check(name, DEADLINE, async {
            let status = cargo(lane, name, arguments, rustdoc_flags, &log).await?;
            ensure!(status.success(), "cargo {arguments}: {status}");
            Ok(())
        })
        .await;
    }
    tests(lane, &logs.join("test.log")).await?;
    fuzz(lane, &logs).await
}

/// Runs all tests and counts each of them. A build that fails, or a program that ends without a result, is one
/// failure of its own.
async fn tests(lane: &Lane, log: &Path) -> Result<()> {
    lane.watch_log(log);
    let started = Instant::now();
    let name = "unit and property tests";
    let mut totals = Totals::default();
    lane.check("every test program ends with a result", DEADLINE, async {
        let arguments = "test --workspace --no-fail-fast";
        let status = cargo(lane, name, arguments, "", log).await?;
        totals = results(&std::fs::read_to_string(log)?);
        ensure!(
            status.success() || totals.failed > 0,
            "cargo {arguments}: {status}"
        );
        ensure!(totals.passed > 0, "no test ran");
        Ok(())
    })
    .await;
    if totals.failed > 0 {
        for line in std::fs::read_to_string(log)?.lines() {
            if line.starts_with("test ") && line.ends_with("FAILED") {
                lane.note(line);
            }
        }
        lane.note(&format!("log: {}", log.display()));
    }
    lane.count(name, totals, started.elapsed());
    Ok(())
}

/// Sums up the lines `test result: ok. 3 passed; 0 failed; 1 ignored; …`. Ignored tests are ones a person runs, and
/// count nowhere.
fn results(log: &str) -> Totals {
    let mut totals = Totals::default();
    for line in log.lines() {
        let Some((_, counts)) = line
            .strip_prefix("test result: ")
            .and_then(|rest| rest.split_once(". "))
        else {
            continue;
        };
        for count in counts.split("; ") {
            match count.split_once(' ') {
                Some((n, "passed")) => totals.passed += n.parse::<u64>().unwrap_or(0),
                Some((n, "failed")) => totals.failed += n.parse::<u64>().unwrap_or(0),
                _ => {}
            }
        }
    }
    totals
}

/// Runs cargo with its output in a log, and says from time to time that it still runs.
pub(super) async fn cargo(
    lane: &Lane,
    name: &str,
    arguments: &str,
    rustdoc_flags: &str,
    log: &Path,
) -> Result<ExitStatus> {
    let out = File::create(log)?;
    let started = Instant::now();
    let mut child = Command::new("cargo")
        .args(arguments.split(' '))
        .env("RUSTDOCFLAGS", rustdoc_flags)
        .env("CARGO_TERM_COLOR", "never")
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .kill_on_drop(true)
        .spawn()
        .context("cargo")?;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(status?),
            () = tokio::time::sleep(SIGN_OF_LIFE) => {
                lane.note(&format!("{name}: still at it after {} s", started.elapsed().as_secs()));
            }
        }
    }
}

#[cfg(test)]
mod tests_of_counting {
    use super::*;

    #[test]
    fn adds_up_the_results_of_all_test_programs() {
        let log = "running 2 tests\n\
            test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s\n\
            test a::b ... FAILED\n\
            test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0s\n";
        let expected = Totals {
            passed: 5,
            failed: 1,
            skipped: 0,
        };
        assert_eq!(results(log), expected);
    }
}
