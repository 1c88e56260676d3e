//! Real databases, each with folders and ports of its own, and the questions they are asked in their own languages.
//!
//! A [`Database`] is started, killed and started again on the same ports with the same folder. What it is asked goes
//! over a cheap clone of its address, so that questions go on while it is down.

mod answers;
mod carbon;
mod cluster;
mod collector;
mod door;
mod elastic;
mod faulty;
mod guard;
mod influxdb;
mod kafka;
mod keys;
mod programs;
mod prometheus;
mod proxy;
mod riemann;
mod statsd;
mod victoria;
mod webhook;
mod wire;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use tokio::net::TcpStream;

use crate::process::{Launch, Process};
use crate::real::until;

pub use carbon::{Carbon, Whisper};
pub use cluster::{ADMIN, TOKEN};
pub use collector::{Book, Collector, Number};
pub use door::Door;
pub use elastic::Elastic;
pub use faulty::{Faulty, Kind, Mood, Taken};
pub use guard::{Guard, LOGIN, WRONG};
pub use influxdb::{Influxdb, Influxql, Login, quoted};
pub use kafka::{Consumer, Kafka, Peculiar};
pub use programs::Programs;
pub use prometheus::Prometheus;
pub use proxy::{Pace, Proxy};
pub use riemann::Riemann;
pub use statsd::{Gauge, Statsd};
pub use victoria::{Promql, Victoria};
pub use webhook::{GotEvent, Webhook};

pub use crate::process::free_address as address;

/// A value and the second it is of.
pub type Point = (i64, f64);

/// How long a database may take until it listens, and until it has ended.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server that can be down. Dropping it kills it.
#[derive(Debug)]
pub struct Database {
    launch: Launch,
    listens: SocketAddr,
    process: Option<Process>,
}

impl Database {
    /// One that is not started yet; it listens here once it is up.
    #[must_use]
    pub const fn new(launch: Launch, listens: SocketAddr) -> Self {
        Self {
            launch,
            listens,
            process: None,
        }
    }

    /// Starts it, and waits until it listens.
    ///
    /// # Errors
    /// When it ends or does not listen in time, with the end of its log.
    pub async fn start(&mut self) -> Result<()> {
        let process = self.process.insert(self.launch.start()?);
        let listens = self.listens;
        let up = until(PATIENCE, async || {
            process.expect_running()?;
            TcpStream::connect(listens).await?;
            Ok(())
        });
        let up = up.await;
        up.with_context(|| process.tail())
    }

    /// Kills it without a warning.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.kill().await,
            None => bail!("it does not run"),
        }
    }

    /// Asks it to end and waits.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn end(&mut self) -> Result<()> {
        let mut process = self.process.take().context("it does not run")?;
        process.signal(Signal::SIGTERM)?;
        process.wait(PATIENCE).await?;
        Ok(())
    }

    /// The last lines it has written.
    #[must_use]
    pub fn tail(&self) -> String {
        self.process.as_ref().map(Process::tail).unwrap_or_default()
    }
}

/// A program's start with these arguments, its log in `folder`.
pub(crate) fn launch(program: &Path, arguments: &[String], folder: &Path, name: &str) -> Launch {
    let mut launch = Launch::new(program, folder.join(format!("{name}.log")));
    launch.arguments = arguments.to_vec();
    launch
}

/// A folder below another, made on demand.
fn subfolder(folder: &Path, name: &str) -> Result<PathBuf> {
    let folder = folder.join(name);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// A component of a query, escaped.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}
