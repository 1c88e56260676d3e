//! A program that runs beside the test, and ends with it.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::scratch::{Scratch, write_pid};
use super::wait::Hopeless;

/// How long a program may take to end once asked, before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// A running program of the test. Dropping it stops it.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Daemon {
    /// Starts `command` with both outputs going to `NAME.log` in `logs`, and notes its process in `scratch`, so that
    /// a later run finds it should this one be killed.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(scratch: &Scratch, logs: &Path, name: &str, mut command: Command) -> Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let out = File::options().create(true).append(true).open(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            // A group of its own: an interrupt at the terminal must not end it before what depends on it.
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        write_pid(&scratch.folder().join(format!("{name}.pid")), child.id())?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
            ended: None,
        })
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The file its output goes to.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Makes sure it still runs.
    ///
    /// # Errors
    /// When it ended, with how.
    pub fn alive(&mut self) -> Result<()> {
        if let Some(status) = self.poll() {
            let (name, log) = (&self.name, self.log.display());
            let error = anyhow!("{name} ended by itself: {status}; its log: {log}");
            return Err(error.context(Hopeless));
        }
        Ok(())
    }

    /// Asks it to end, waits, and kills it if need be. Does nothing when it has ended.
    pub fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        let end = Instant::now() + GRACE;
        while self.poll().is_none() && Instant::now() < end {
            thread::sleep(Duration::from_millis(20));
        }
        if self.ended.is_none() {
            self.signal(Signal::SIGKILL);
            self.ended = self.child.wait().ok();
        }
    }

    /// Kills it without a warning, and waits for its end.
    pub fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        if self.ended.is_none() {
            self.ended = self.child.wait().ok();
        }
    }

    fn poll(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }

    fn signal(&mut self, signal: Signal) {
        if self.poll().is_none()
            && let Ok(pid) = i32::try_from(self.child.id())
        {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
    }
}
