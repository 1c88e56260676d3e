//! Prometheus, written to by remote write, or scraping by itself.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;

use super::{Database, Programs, Promql, address, launch};

/// A server with a folder and a port of its own.
#[derive(Debug)]
pub struct Prometheus {
    /// The server.
    pub database: Database,
    /// Where it is asked, and written to.
    pub address: SocketAddr,
}

impl Prometheus {
    /// A server that is not started yet and scrapes nobody.
    ///
    /// # Errors
    /// When the program is missing.
    pub fn new(programs: &Programs, folder: &Path) -> Result<Self> {
        Self::with(programs, folder, Path::new("/dev/null"))
    }

    /// A server with this configuration that is not started yet.
    ///
    /// # Errors
    /// When the program is missing.
    pub fn with(programs: &Programs, folder: &Path, config: &Path) -> Result<Self> {
        let address = address()?;
        let data = folder.join("prometheus");
        let arguments = [
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", data.display()),
            format!("--web.listen-address={address}"),
            "--web.enable-remote-write-receiver".to_owned(),
        ];
        let program = programs.program("prometheus")?;
        let launch = launch(&program, &arguments, folder, "prometheus");
        Ok(Self {
            database: Database::new(launch, address),
            address,
        })
    }

    /// Somebody who asks.
    #[must_use]
    pub const fn promql(&self) -> Promql {
        Promql::new(self.address)
    }
}
