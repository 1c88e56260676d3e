use super::*;

const SOON: Duration = Duration::from_millis(50);
const LATE: Duration = Duration::from_secs(60);

fn report(skips_fail: bool) -> (tempfile::TempDir, Report) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let report = Report::new(Box::new(io::sink()), folder.path().to_owned(), skips_fail);
    (folder, report)
}

fn is_success(code: ExitCode) -> bool {
    format!("{code:?}") == format!("{:?}", ExitCode::SUCCESS)
}

#[tokio::test]
async fn counts_errors_panics_and_passed_deadlines_as_failures_and_goes_on() {
    let (_folder, report) = report(false);
    let lane = report.lane("t");
    assert!(
        !lane
            .check("error", LATE, async { anyhow::bail!("no") })
            .await
    );
    assert!(!lane.check("panic", LATE, async { panic!("oh") }).await);
    assert!(!lane.check("hang", SOON, std::future::pending()).await);
    assert!(lane.check("fine", LATE, async { Ok(()) }).await);
    let expected = Totals {
        passed: 1,
        failed: 3,
        skipped: 0,
    };
    assert_eq!(report.totals(), expected);
    assert!(!is_success(report.finish()));
}

#[tokio::test]
async fn keeps_what_a_watched_log_said_during_a_failed_check_only() {
    let (folder, report) = report(false);
    let log = folder.path().join("server.log");
    std::fs::write(&log, "before\n").expect("written");
    let lane = report.lane("t");
    lane.watch_log(&log);
    lane.check("it breaks", LATE, async {
        let mut file = File::options().append(true).open(&log)?;
        writeln!(file, "during")?;
        anyhow::bail!("broken")
    })
    .await;
    let kept = std::fs::read_to_string(folder.path().join("t/it-breaks.log")).expect("kept");
    assert!(
        kept.contains("during") && !kept.contains("before"),
        "{kept}"
    );
}

#[tokio::test]
async fn a_skipped_check_fails_the_run_only_where_skips_are_not_tolerated() {
    for (skips_fail, succeeds) in [(false, true), (true, false)] {
        let (_folder, report) = report(skips_fail);
        let lane = report.lane("t");
        lane.check("fine", LATE, async { Ok(()) }).await;
        lane.skip("node", "no root");
        assert_eq!(is_success(report.finish()), succeeds);
    }
}

#[test]
fn a_run_that_checked_nothing_has_not_succeeded() {
    let (_folder, report) = report(false);
    assert!(!is_success(report.finish()));
}
