//! A child process that cannot outlive whoever started it, with its log kept.

use std::fs::File;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

/// Lines of log shown when something failed.
const TAIL: usize = 40;
/// Starts a program so that it is killed when its parent dies, however that happens.
const SETPRIV: &str = "/usr/bin/setpriv";

/// What to start.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program.
    pub binary: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Environment variables set besides those inherited.
    pub environment: Vec<(String, String)>,
    /// Where its output goes, both streams.
    pub log: PathBuf,
}

/// A running child; dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Resident memory in bytes.
    pub resident: u64,
    /// What of that is in no file, in bytes.
    pub anonymous: u64,
    /// The most resident memory it ever had, in bytes.
    pub peak: u64,
    /// CPU time, user and system.
    pub cpu: Duration,
}

impl Launch {
    /// A program without arguments.
    #[must_use]
    pub fn new(binary: &Path, log: PathBuf) -> Self {
        Self {
            binary: binary.to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            log,
        }
    }

    /// Starts it.
    pub fn start(&self) -> Result<Process> {
        let output = File::create(&self.log)
            .with_context(|| format!("create the log {}", self.log.display()))?;
        let mut command = if Path::new(SETPRIV).exists() {
            let mut command = Command::new(SETPRIV);
            command.args(["--pdeathsig", "KILL"]).arg(&self.binary);
            command
        } else {
            Command::new(&self.binary)
        };
        command
            .args(&self.arguments)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .kill_on_drop(true);
        let child = command
            .spawn()
            .with_context(|| format!("start {}", self.binary.display()))?;
        let name = self.binary.file_name().unwrap_or_default();
        Ok(Process {
            child,
            name: name.to_string_lossy().into_owned(),
            log: self.log.clone(),
        })
    }
}

impl Process {
    /// Its process id; `None` when it has ended.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = self.id().context("it has ended already")?;
        kill(Pid::from_raw(i32::try_from(id)?), signal).context("send a signal")
    }

    /// Fails, with the end of its log, if it has ended.
    pub fn expect_running(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended with {status}\n{}", self.name, self.tail());
        }
        Ok(())
    }

    /// Waits for its end.
    pub async fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let ended = tokio::time::timeout(deadline, self.child.wait()).await;
        ended
            .with_context(|| {
                format!(
                    "{} still runs after {deadline:?}\n{}",
                    self.name,
                    self.tail()
                )
            })?
            .context("wait for the child")
    }

    /// Kills it and waits for its end.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.context("kill the child")
    }

    /// All it has written.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last lines it has written.
    #[must_use]
    pub fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let from = lines.len().saturating_sub(TAIL);
        let shown = lines.get(from..).unwrap_or_default().join("\n");
        format!("--- end of {} ---\n{shown}\n---", self.log.display())
    }

    /// What it has used so far.
    pub fn footprint(&self) -> Result<Footprint> {
        Footprint::of(self.id().context("it has ended")?)
    }
}

impl Footprint {
    /// What the process of this id has used so far.
    pub fn of(id: u32) -> Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
        // Fields 14 and 15 (user and system time); the second, in brackets, may hold blanks.
        let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let ticks: u64 = fields
            .split(' ')
            .skip(11)
            .take(2)
            .filter_map(|f| f.parse::<u64>().ok())
            .sum();
        Ok(Self {
            resident: kibibytes(&status, "VmRSS:") << 10,
            anonymous: kibibytes(&status, "RssAnon:") << 10,
            peak: kibibytes(&status, "VmHWM:") << 10,
            // Linux counts in hundredths of a second wherever it shows them to programs.
            cpu: Duration::from_millis(ticks * 10),
        })
    }
}

fn kibibytes(status: &str, field: &str) -> u64 {
    let line = status.lines().find_map(|l| l.strip_prefix(field));
    line.and_then(|l| l.split_whitespace().next())
        .and_then(|n| n.parse().ok())
        .unwrap_or(0)
}

/// Ports below those the kernel hands out by itself, which any connection of this machine may have
/// taken by the time a program begins to listen.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// A loopback address whose port nobody had a moment ago, on any address, for streams and
/// datagrams. No two calls of a process give the same, so nobody takes the one of a server that is
/// down, and other processes begin elsewhere.
///
/// # Errors
/// When none of a thousand is free.
pub fn free_address() -> Result<SocketAddr> {
    static CHOSEN: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(611);
    for _ in 0..1000 {
        let nth = begin.wrapping_add(CHOSEN.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + u16::try_from(nth % u32::from(PORTS.end - PORTS.start))?;
        let everywhere = match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)) {
            Err(error) if error.kind() != ErrorKind::AddrInUse => {
                // There is no IPv6.
                TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
            }
            bound => bound,
        };
        let datagrams = UdpSocket::bind((Ipv4Addr::LOCALHOST, port));
        if everywhere.is_ok() && datagrams.is_ok() {
            return Ok((Ipv4Addr::LOCALHOST, port).into());
        }
    }
    bail!("no port is free")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, folder: &Path) -> Process {
        let mut launch = Launch::new(Path::new("/bin/sh"), folder.join("log"));
        launch.arguments = vec!["-c".to_owned(), script.to_owned()];
        launch.start().unwrap()
    }

    #[test]
    fn a_port_is_given_once_and_not_while_somebody_has_it() {
        let one = free_address().unwrap();
        let _held = TcpListener::bind(one).unwrap();
        for _ in 0..50 {
            let other = free_address().unwrap();
            assert!(PORTS.contains(&other.port()));
            assert_ne!(other, one);
        }
    }

    #[tokio::test]
    async fn the_output_and_exit_code_of_a_child_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = shell("echo one; echo two >&2; exit 3", folder.path());
        let status = child.wait(Duration::from_secs(10)).await.unwrap();
        assert_eq!(status.code(), Some(3));
        assert_eq!(child.log(), "one\ntwo\n");
        let error = child.expect_running().unwrap_err().to_string();
        assert!(error.contains("two"), "{error}");
    }

    #[tokio::test]
    async fn a_dropped_child_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let child = shell("exec sleep 100", folder.path());
        let id = child.id().unwrap();
        assert!(child.footprint().unwrap().resident > 0);
        drop(child);
        let gone = async {
            while std::fs::read_to_string(format!("/proc/{id}/stat"))
                .is_ok_and(|s| !s.contains(") Z "))
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone)
            .await
            .unwrap();
    }
}
