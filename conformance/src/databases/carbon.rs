//! Carbon, whose files are read back with Whisper's own library.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use super::{Database, Point, Programs, address, launch, subfolder};

/// Prints all series below a folder as JSON.
const READ: &str = "
import json, os, sys, whisper
found = {}
for folder, _, files in os.walk(sys.argv[1]):
    for name in files:
        if not name.endswith('.wsp'):
            continue
        path = os.path.join(folder, name)
        (start, _, step), values = whisper.fetch(path, 0)
        series = os.path.relpath(path, sys.argv[1])[:-4].replace(os.sep, '.')
        found[series] = [[start + at * step, value] for at, value in enumerate(values) if value is not None]
json.dump(found, sys.stdout)
";

/// A server with a folder and ports of its own; TCP and UDP are the same port.
#[derive(Debug)]
pub struct Carbon {
    /// The server.
    pub database: Database,
    /// Where it takes lines.
    pub address: SocketAddr,
    /// Its files.
    pub whisper: Whisper,
}

/// Reads Carbon's files.
#[derive(Clone, Debug)]
pub struct Whisper {
    folder: PathBuf,
    python_path: (String, String),
}

impl Carbon {
    /// A server that is not started yet. It keeps a point every five seconds.
    ///
    /// # Errors
    /// When the program is missing or a file cannot be written.
    pub fn new(programs: &Programs, folder: &Path) -> Result<Self> {
        let (lines, pickle, query) = (address()?, address()?, address()?);
        let program = programs.program("carbon-cache")?;
        let below = subfolder(folder, "carbon")?;
        let whisper = below.join("whisper");
        let at = |name: &str, address: SocketAddr| {
            let (ip, port) = (address.ip(), address.port());
            format!("{name}_INTERFACE = {ip}\n{name}_PORT = {port}\n")
        };
        let configuration = format!(
            "[cache]\nSTORAGE_DIR = {below}/\nLOCAL_DATA_DIR = {whisper}/\nCONF_DIR = {below}/\n\
             LOG_DIR = {below}/log/\nPID_DIR = {below}/\nENABLE_LOGROTATION = False\n\
             MAX_CACHE_SIZE = inf\nMAX_UPDATES_PER_SECOND = inf\nMAX_CREATES_PER_MINUTE = inf\n\
             ENABLE_UDP_LISTENER = True\nCARBON_METRIC_INTERVAL = 0\nWHISPER_FALLOCATE_CREATE = False\n\
             {}{}{}{}",
            at("LINE_RECEIVER", lines),
            at("UDP_RECEIVER", lines),
            at("PICKLE_RECEIVER", pickle),
            at("CACHE_QUERY", query),
            below = below.display(),
            whisper = whisper.display(),
        );
        let file = below.join("carbon.conf");
        std::fs::write(&file, configuration)?;
        let schemas = "[all]\npattern = .*\nretentions = 5s:1h\n";
        std::fs::write(below.join("storage-schemas.conf"), schemas)?;
        let arguments = [
            format!("--config={}", file.display()),
            format!("--pidfile={}/pid", below.display()),
            "--nodaemon".to_owned(),
            "start".to_owned(),
        ];
        let mut launch = launch(&program, &arguments, folder, "carbon");
        launch.environment.push(programs.python_path());
        Ok(Self {
            database: Database::new(launch, lines),
            address: lines,
            whisper: Whisper {
                folder: whisper,
                python_path: programs.python_path(),
            },
        })
    }
}

impl Whisper {
    /// All series by their paths, points oldest first.
    ///
    /// # Errors
    /// When a file cannot be read, as while it is being made.
    pub async fn read(&self) -> Result<BTreeMap<String, Vec<Point>>> {
        let output = Command::new("/usr/bin/python3")
            .args(["-c", READ])
            .arg(&self.folder)
            .env(&self.python_path.0, &self.python_path.1)
            .kill_on_drop(true)
            .output();
        let output = output.await.context("run python3")?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "whisper: {error}");
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}
