//! Prometheus, written to by remote write, or scraping by itself.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;
use serde_json::json;

use super::guard::HASH;
use super::{Database, Door, Guard, LOGIN, Programs, Promql, address, launch};

/// A server with a folder and a port of its own.
#[derive(Debug)]
pub struct Prometheus {
    /// The server.
    pub database: Database,
    /// Where it is asked, and written to.
    pub address: SocketAddr,
    door: Door,
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
        Self::at(programs, folder, config, &[], Door::plain(address()?))
    }

    /// One that speaks TLS and asks for a password, and is not started yet.
    ///
    /// # Errors
    /// When the program is missing or a file cannot be written.
    pub fn guarded(programs: &Programs, folder: &Path, guard: &Guard) -> Result<Self> {
        let door = guard.door(address()?)?.as_user(LOGIN)?;
        let web = json!({
            "tls_server_config": {
                "cert_file": guard.server.certificate,
                "key_file": guard.server.key,
            },
            "basic_auth_users": {LOGIN.0: HASH},
        });
        let file = folder.join("prometheus-web.yml");
        std::fs::write(&file, web.to_string())?;
        let web = [format!("--web.config.file={}", file.display())];
        Self::at(programs, folder, Path::new("/dev/null"), &web, door)
    }

    fn at(
        programs: &Programs,
        folder: &Path,
        config: &Path,
        more: &[String],
        door: Door,
    ) -> Result<Self> {
        let address = door.address;
        let data = folder.join("prometheus");
        let mut arguments = vec![
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", data.display()),
            format!("--web.listen-address={address}"),
            "--web.enable-remote-write-receiver".to_owned(),
        ];
        arguments.extend_from_slice(more);
        let program = programs.program("prometheus")?;
        let launch = launch(&program, &arguments, folder, "prometheus");
        Ok(Self {
            database: Database::new(launch, address),
            address,
            door,
        })
    }

    /// Somebody who asks.
    #[must_use]
    pub fn promql(&self) -> Promql {
        Promql::new(self.door.clone())
    }
}
