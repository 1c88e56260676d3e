//! Runs named checks under a deadline each, says how they ended, and keeps what a failure needs to be understood.
//!
//! A [`Report`] is one run. It hands out a [`Lane`] for each group of checks; a lane prints one line per check
//! (`ok`, `FAILED` or `skipped`, the name, the time it took). Logs handed to [`Lane::watch_log`] are looked at when a
//! check fails: what was written since the check began is kept in a file of its own, and its tail is shown.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use parking_lot::Mutex;

/// How many lines of each watched log are shown under a failed check.
const TAIL_LINES: usize = 12;
/// How much of a watched log is read for one failed check; of a longer one, the end.
const MAX_EXCERPT: u64 = 4 << 20;

/// One run: the totals of all its lanes and the folder that keeps the logs of what failed.
#[derive(Clone, Debug)]
pub struct Report {
    inner: Arc<Inner>,
}

/// A named group of checks of a [`Report`]. Clones are the same lane.
#[derive(Clone, Debug)]
pub struct Lane {
    name: &'static str,
    report: Report,
    logs: Arc<Mutex<Vec<WatchedLog>>>,
}

/// How many checks ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Checks that held.
    pub passed: u64,
    /// Checks that did not hold, ran out of time or panicked.
    pub failed: u64,
    /// Checks this machine cannot run.
    pub skipped: u64,
}

struct Inner {
    out: Mutex<Box<dyn Write + Send>>,
    folder: PathBuf,
    started: Instant,
    skips_fail: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    totals: Totals,
    unhappy: Vec<String>,
    lanes: Vec<(&'static str, Duration)>,
}

#[derive(Debug)]
struct WatchedLog {
    path: PathBuf,
    seen: u64,
}

impl Report {
    /// A run that writes its lines to `out` and keeps logs of failed checks under `folder`. With `skips_fail` a skipped check makes the run fail,
    /// as CI wants it: there, a lane that could not run is a lane nobody checked.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>, folder: PathBuf, skips_fail: bool) -> Self {
        Self {
            inner: Arc::new(Inner {
                out: Mutex::new(out),
                folder,
                started: Instant::now(),
                skips_fail,
                state: Mutex::default(),
            }),
        }
    }

    /// Opens a lane and prints its heading.
    #[must_use]
    pub fn lane(&self, name: &'static str) -> Lane {
        self.say(&format!("\n== {name}"));
        Lane {
            name,
            report: self.clone(),
            logs: Arc::default(),
        }
    }

    /// Prints one line at once. A closed pipe is no reason to stop checking.
    pub fn say(&self, line: &str) {
        let mut out = self.inner.out.lock();
        let _ = writeln!(out, "{line}");
        let _ = out.flush();
    }

    /// The folder that keeps the logs of this run.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// The counts so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.inner.state.lock().totals
    }

    /// Prints what went wrong once more, the time each lane took, and `N passed, N failed, N skipped` as the last
    /// line. The exit code is a failure when a check failed, when none passed, or when one was skipped and that is not
    /// tolerated here.
    #[must_use]
    pub fn finish(&self) -> ExitCode {
        let state = self.inner.state.lock();
        let Totals {
            passed,
            failed,
            skipped,
        } = state.totals;
        self.say("");
        for (lane, took) in &state.lanes {
            self.say(&format!("{lane}: {}", seconds(*took)));
        }
        for line in &state.unhappy {
            self.say(line);
        }
        if failed > 0 {
            self.say(&format!("logs: {}", self.inner.folder.display()));
        }
        let refused = self.inner.skips_fail && skipped > 0;
        if refused {
            self.say("a skipped check counts as a failure here (CI=true)");
        }
        self.say(&format!("took {}", seconds(self.inner.started.elapsed())));
        self.say(&format!(
            "{passed} passed, {failed} failed, {skipped} skipped"
        ));
        if failed == 0 && passed > 0 && !refused {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn count(&self, more: Totals, unhappy: Option<String>) {
        let mut state = self.inner.state.lock();
        state.totals.passed += more.passed;
        state.totals.failed += more.failed;
        state.totals.skipped += more.skipped;
        state.unhappy.extend(unhappy);
    }
}

impl Lane {
    /// The lane's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Runs one check for at most `deadline` and says whether it held. An error, a panic and a deadline that passed
    /// are failures; the run goes on after each.
    pub async fn check(
        &self,
        name: &str,
        deadline: Duration,
        body: impl Future<Output = anyhow::Result<()>>,
    ) -> bool {
        self.value(name, deadline, body).await.is_some()
    }

    /// Like [`Lane::check`], for a step whose outcome later checks need: its value, or `None` when it failed.
    pub async fn value<T>(
        &self,
        name: &str,
        deadline: Duration,
        body: impl Future<Output = anyhow::Result<T>>,
    ) -> Option<T> {
        self.mark_logs();
        let started = Instant::now();
        let caught = AssertUnwindSafe(Box::pin(body)).catch_unwind();
        let fault = match tokio::time::timeout(deadline, caught).await {
            Ok(Ok(Ok(value))) => {
                self.report
                    .say(&format!("ok {name} ({})", seconds(started.elapsed())));
                self.report.count(Totals::one_passed(), None);
                return Some(value);
            }
            Ok(Ok(Err(error))) => format!("{error:#}"),
            Ok(Err(panic)) => format!("panicked: {}", panic_text(panic.as_ref())),
            Err(_) => format!("no answer within {}", seconds(deadline)),
        };
        self.failed(name, started.elapsed(), &fault);
        None
    }

    /// Counts a failure that belongs to no single check.
    pub fn fail(&self, name: &str, fault: &str) {
        self.failed(name, Duration::ZERO, fault);
    }

    /// Says loudly that this machine cannot run a check, and why.
    pub fn skip(&self, name: &str, reason: &str) {
        let line = format!("skipped {name}: {reason}");
        self.report.say(&line);
        let noted = format!("{}: {line}", self.name);
        self.report.count(Totals::one_skipped(), Some(noted));
    }

    /// Adds what another runner counted, as `cargo test` does; a line of its own says so.
    pub fn count(&self, name: &str, totals: Totals, took: Duration) {
        let Totals {
            passed,
            failed,
            skipped,
        } = totals;
        let took = seconds(took);
        self.report.say(&format!(
            "{} {name}: {passed} passed, {failed} failed, {skipped} skipped ({took})",
            if failed == 0 { "ok" } else { "FAILED" }
        ));
        let unhappy = (failed > 0).then(|| format!("{}: FAILED {name}", self.name));
        self.report.count(totals, unhappy);
    }

    /// Prints a figure or a remark that is not a check.
    pub fn note(&self, text: &str) {
        for line in text.lines() {
            self.report.say(&format!("   {line}"));
        }
    }

    /// Looks at this file whenever a check of this lane fails. It need not exist yet.
    pub fn watch_log(&self, path: impl Into<PathBuf>) {
        self.logs.lock().push(WatchedLog {
            path: path.into(),
            seen: 0,
        });
    }

    /// A folder of this lane for logs that outlive the run, created on demand.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn folder(&self) -> io::Result<PathBuf> {
        let folder = self.report.inner.folder.join(self.name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Notes how long the lane took; [`Report::finish`] prints it.
    pub fn close(&self, took: Duration) {
        self.report.inner.state.lock().lanes.push((self.name, took));
    }

    fn mark_logs(&self) {
        for log in self.logs.lock().iter_mut() {
            log.seen = std::fs::metadata(&log.path).map_or(0, |file| file.len());
        }
    }

    fn failed(&self, name: &str, took: Duration, fault: &str) {
        self.report
            .say(&format!("FAILED {name} ({})", seconds(took)));
        for line in fault.lines() {
            self.report.say(&format!("   {line}"));
        }
        let kept = self.keep_excerpts(name, fault);
        match &kept {
            Ok(path) => self.report.say(&format!("   log: {}", path.display())),
            Err(error) => self
                .report
                .say(&format!("   the log could not be kept: {error}")),
        }
        let first = fault.lines().next().unwrap_or_default();
        let noted = format!("{}: FAILED {name}: {first}", self.name);
        self.report.count(Totals::one_failed(), Some(noted));
    }

    fn keep_excerpts(&self, name: &str, fault: &str) -> io::Result<PathBuf> {
        let path = self.folder()?.join(file_name(name));
        let mut kept = File::create(&path)?;
        writeln!(kept, "{name}\n{fault}")?;
        for log in self.logs.lock().iter() {
            let Ok(text) = read_since(&log.path, log.seen) else {
                continue;
            };
            let text = String::from_utf8_lossy(&text);
            writeln!(kept, "\n==> {} <==\n{text}", log.path.display())?;
            let lines: Vec<&str> = text.lines().collect();
            let tail = lines.len().saturating_sub(TAIL_LINES);
            if let Some(stem) = log.path.file_stem() {
                for line in lines.iter().skip(tail) {
                    self.report.say(&format!(
                        "   {}| {}",
                        stem.to_string_lossy(),
                        shortened(line)
                    ));
                }
            }
        }
        Ok(path)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("folder", &self.folder)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Totals {
    const fn one_passed() -> Self {
        Self {
            passed: 1,
            failed: 0,
            skipped: 0,
        }
    }

    const fn one_failed() -> Self {
        Self {
            passed: 0,
            failed: 1,
            skipped: 0,
        }
    }

    const fn one_skipped() -> Self {
        Self {
            passed: 0,
            failed: 0,
            skipped: 1,
        }
    }
}

fn read_since(path: &Path, seen: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let len = file.metadata()?.len();
    let from = seen.min(len).max(len.saturating_sub(MAX_EXCERPT));
    file.seek(SeekFrom::Start(from))?;
    let mut text = Vec::new();
    file.take(MAX_EXCERPT).read_to_end(&mut text)?;
    Ok(text)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

fn file_name(check: &str) -> String {
    let mut name: String = check
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(100)
        .collect();
    name.push_str(".log");
    name
}

fn shortened(line: &str) -> String {
    line.chars().take(400).collect()
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

#[cfg(test)]
mod tests;
