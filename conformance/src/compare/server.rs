//! The servers that are compared, started with the same flags.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::stage::Stage;
use crate::image;
use crate::process::{Launch, Process};
use crate::real::cache;

const PEER: &str = "sigs.k8s.io/metrics-server/cmd/metrics-server";
const PEER_VERSION: &str = "v0.9.0";
/// What metrics-server is called, with its version.
pub const METRICS_SERVER: &str = "metrics-server v0.9.0";

/// What turns the summary lane and the history off.
const OFF: [&str; 2] = ["--kubelet-summary=false", "--disable-metric-sink"];

/// One of the servers.
#[derive(Clone, Debug)]
pub struct Server {
    /// What it is called in the table.
    pub name: String,
    /// Its program.
    pub program: PathBuf,
    /// The group version it is asked for.
    pub version: &'static str,
    /// Flags besides those all servers are started with.
    pub flags: Vec<String>,
    /// What its image sets.
    pub environment: Vec<(String, String)>,
}

impl Server {
    /// metrics-server.
    #[must_use]
    pub fn metrics_server(program: &Path) -> Self {
        Self {
            name: METRICS_SERVER.to_owned(),
            program: program.to_owned(),
            version: "v1beta1",
            flags: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// Loadline with everything it does by default.
    #[must_use]
    pub fn loadline(program: &Path) -> Self {
        Self {
            name: "loadline".to_owned(),
            program: program.to_owned(),
            version: "v1beta1",
            flags: Vec::new(),
            environment: image::environment(),
        }
    }

    /// Loadline doing what metrics-server does and nothing else: no summaries, no history.
    #[must_use]
    pub fn loadline_alone(program: &Path) -> Self {
        Self {
            name: "loadline-alone".to_owned(),
            flags: OFF.map(str::to_owned).into(),
            ..Self::loadline(program)
        }
    }

    /// Whether it does more than metrics-server.
    pub(super) fn does_more(&self) -> bool {
        OFF.iter()
            .all(|off| !self.flags.iter().any(|flag| flag == off))
    }

    /// Starts it against the stage's kubelets, and its API server at `api_server`.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(
        &self,
        stage: &Stage,
        api_server: SocketAddr,
        address: SocketAddr,
        logs: &Path,
    ) -> Result<Process> {
        let (short, _) = self.name.split_once(' ').unwrap_or((&self.name, ""));
        let mut launch = Launch::new(&self.program, logs.join(format!("{short}.log")));
        let kubeconfig = stage.kubeconfig_for(api_server, short)?;
        let kubeconfig = kubeconfig.display();
        launch.arguments = vec![
            format!("--kubeconfig={kubeconfig}"),
            format!("--authentication-kubeconfig={kubeconfig}"),
            format!("--authorization-kubeconfig={kubeconfig}"),
            format!("--bind-address={}", address.ip()),
            format!("--secure-port={}", address.port()),
            format!("--cert-dir={}", stage.lab.file(short).display()),
            "--metric-resolution=15s".to_owned(),
            "--kubelet-use-node-status-port".to_owned(),
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            format!(
                "--kubelet-certificate-authority={}",
                stage.lab.file("ca.crt").display()
            ),
        ];
        launch.arguments.extend(self.flags.iter().cloned());
        launch.environment.clone_from(&self.environment);
        launch.start()
    }
}

/// The peer's program, installed by the ordinary Go client when it is not in the cache yet.
///
/// # Errors
/// When it is absent and Go is missing or fails.
pub async fn install_metrics_server() -> Result<PathBuf> {
    let folder = cache()?.join(format!("metrics-server-{PEER_VERSION}"));
    let program = folder.join("metrics-server");
    if program.is_file() {
        return Ok(program);
    }
    let status = tokio::process::Command::new("go")
        .args(["install", &format!("{PEER}@{PEER_VERSION}")])
        .env("GOBIN", &folder)
        .env("CGO_ENABLED", "0")
        .status()
        .await
        .context("Go is needed to install metrics-server")?;
    ensure!(status.success(), "go install {PEER}: {status}");
    Ok(program)
}
