//! Loadline itself, started against a lab as it would be by metrics-server's manifest.

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustls_pki_types::CertificateDer;
use tokio::process::Command;
use tokio::time::Instant;

use crate::client::{Client, Protocol, Target, Trust};
use crate::image;
use crate::lab::{Backend, Lab, Leaf, LeafFiles};
use crate::process::{Launch, Process, free_address};

/// The name Loadline's certificate is verified for.
pub const SERVER_NAME: &str = "loadline.kube-system.svc";

/// How long the program may take to answer a question.
const ANSWER: Duration = Duration::from_secs(60);

/// The program: the one in `LOADLINE_PROGRAM`, or built now, next to the one that runs.
///
/// # Errors
/// When it cannot be built, or was not and no cargo has started us.
pub async fn program() -> Result<PathBuf> {
    if let Some(program) = env::var_os("LOADLINE_PROGRAM") {
        return Ok(PathBuf::from(program));
    }
    let us = env::current_exe()?;
    let target = us.ancestors().nth(2).context("no target folder")?;
    let program = target.join("release/loadline");
    let Some(cargo) = env::var_os("CARGO") else {
        ensure!(program.exists(), "not run by cargo: set LOADLINE_PROGRAM");
        return Ok(program);
    };
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let status = Command::new(&cargo)
        .args(["build", "--quiet", "--release"])
        .args(["--package", "loadline", "--bin", "loadline"])
        .current_dir(root)
        .status()
        .await
        .context("run cargo")?;
    ensure!(status.success(), "loadline could not be built");
    Ok(program)
}

/// A server of Loadline's own code with a handler that always panics, built now.
///
/// # Errors
/// When it cannot be built.
pub async fn panicking() -> Result<PathBuf> {
    let us = env::current_exe()?;
    let folder = us.parent().context("no target folder")?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args([
            "build",
            "--quiet",
            "--package",
            "loadline",
            "--example",
            "panicking",
        ])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .status()
        .await
        .context("run cargo")?;
    ensure!(
        status.success(),
        "the example `panicking` could not be built"
    );
    Ok(folder.join("examples/panicking"))
}

/// A running Loadline.
#[derive(Debug)]
pub struct Loadline {
    /// The child process.
    pub process: Process,
    /// Where it serves.
    pub address: SocketAddr,
    /// The certificate files it was given.
    pub serving: LeafFiles,
    authority: CertificateDer<'static>,
}

/// How Loadline is to be started: the manifest's flags, changeable by name, and the image's environment.
#[derive(Clone, Debug)]
pub struct Start {
    binary: PathBuf,
    flags: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    address: SocketAddr,
    serving: LeafFiles,
    log: PathBuf,
}

impl Start {
    /// The flags of metrics-server's manifest, for this lab.
    pub fn new(lab: &Lab, binary: &Path) -> Result<Self> {
        let address = free_address()?;
        let name = format!("loadline-{}", address.port());
        let serving = lab.issue_serving(&name)?;
        let mut start = Self {
            binary: binary.to_owned(),
            flags: Vec::new(),
            environment: image::environment(),
            address,
            log: lab.file(&format!("{name}.log")),
            serving: serving.clone(),
        };
        let kubeconfig = lab.kubeconfig();
        for (flag, value) in [
            ("kubeconfig", kubeconfig.display().to_string()),
            (
                "authentication-kubeconfig",
                kubeconfig.display().to_string(),
            ),
            ("authorization-kubeconfig", kubeconfig.display().to_string()),
            ("bind-address", address.ip().to_string()),
            ("secure-port", address.port().to_string()),
            ("metric-resolution", "15s".to_owned()),
            ("kubelet-use-node-status-port", "true".to_owned()),
            (
                "kubelet-preferred-address-types",
                "InternalIP,ExternalIP,Hostname".to_owned(),
            ),
            (
                "kubelet-certificate-authority",
                lab.file("ca.crt").display().to_string(),
            ),
            ("tls-cert-file", serving.certificate.display().to_string()),
            ("tls-private-key-file", serving.key.display().to_string()),
        ] {
            start = start.with(flag, &value);
        }
        Ok(start)
    }

    /// The same with this flag, in place of what it had.
    #[must_use]
    pub fn with(mut self, flag: &str, value: &str) -> Self {
        self = self.without(flag);
        self.flags.push((flag.to_owned(), value.to_owned()));
        self
    }

    /// The same with this flag once more, for flags that may be repeated.
    #[must_use]
    pub fn also(mut self, flag: &str, value: &str) -> Self {
        self.flags.push((flag.to_owned(), value.to_owned()));
        self
    }

    /// The same with a variable of the environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        let pair = (name.to_owned(), value.to_owned());
        self.environment.push(pair);
        self
    }

    /// The same without this flag.
    #[must_use]
    pub fn without(mut self, flag: &str) -> Self {
        self.flags.retain(|(f, _)| f != flag);
        self
    }

    /// The port it will serve on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The same with its output going to this file.
    #[must_use]
    pub fn log(mut self, path: &Path) -> Self {
        path.clone_into(&mut self.log);
        self
    }

    /// Where its output goes.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Starts the process and does not wait for anything.
    pub fn launch(&self, lab: &Lab) -> Result<Loadline> {
        let mut launch = Launch::new(&self.binary, self.log.clone());
        let arguments = self.flags.iter().map(|(f, v)| format!("--{f}={v}"));
        launch.arguments = arguments.collect();
        launch.environment.clone_from(&self.environment);
        Ok(Loadline {
            process: launch.start()?,
            address: self.address,
            serving: self.serving.clone(),
            authority: lab.pki.serving.der().clone(),
        })
    }

    /// Runs it with these words in front of the flags, as in `check`; what it prints, and whether it ends well.
    pub async fn ask(&self, words: &[&str]) -> Result<(bool, String)> {
        let flags = self.flags.iter().map(|(f, v)| format!("--{f}={v}"));
        let output = Command::new(&self.binary)
            .args(words)
            .args(flags)
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(ANSWER, output)
            .await
            .with_context(|| format!("no answer to {words:?}"))?
            .with_context(|| format!("run {}", self.binary.display()))?;
        let mut text = String::from_utf8(output.stdout)?;
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        Ok((output.status.success(), text))
    }

    /// Starts it, registers it with the lab's aggregator and waits until it is ready.
    pub async fn ready(&self, lab: &Lab, deadline: Duration) -> Result<Loadline> {
        let mut loadline = self.launch(lab)?;
        lab.api.register(loadline.backend(lab))?;
        loadline.wait_ready(deadline).await?;
        Ok(loadline)
    }
}

impl Loadline {
    /// What the APIService objects and the Service would say of it.
    #[must_use]
    pub fn backend(&self, lab: &Lab) -> Backend {
        Backend {
            address: self.address,
            server_name: SERVER_NAME.to_owned(),
            trust: Trust::Ca(self.authority.clone()),
            client_certificate: Arc::clone(&lab.front_proxy),
            versions: vec!["v1".to_owned(), "v1beta1".to_owned()],
        }
    }

    /// A client of it, that verifies its certificate.
    pub fn client(&self, protocol: Protocol, certificate: Option<&Leaf>) -> Result<Client> {
        Client::new(&Target {
            address: self.address,
            name: SERVER_NAME,
            trust: Trust::Ca(self.authority.clone()),
            certificate,
            protocol,
        })
    }

    /// A client that comes as the aggregator does, in the name of this user.
    pub fn as_proxied(&self, lab: &Lab, user: &str, groups: &[&str]) -> Result<Client> {
        let client = self.client(Protocol::Http2, Some(&lab.front_proxy))?;
        let mut client = client.with_header("x-remote-user", user)?;
        for group in groups {
            client = client.with_header("x-remote-group", group)?;
        }
        Ok(client)
    }

    /// Waits until `/readyz` answers 200; fails at once when the process ends.
    pub async fn wait_ready(&mut self, deadline: Duration) -> Result<()> {
        let ends = Instant::now() + deadline;
        let client = self
            .client(Protocol::Http1, None)?
            .with_deadline(Duration::from_secs(2));
        loop {
            self.process.expect_running()?;
            let answer = client.get("/readyz").await;
            let state = match &answer {
                Ok(answer) if answer.status.is_success() => return Ok(()),
                Ok(answer) => format!("{}: {}", answer.status, answer.text()),
                Err(error) => format!("{error:#}"),
            };
            if Instant::now() > ends {
                let tail = self.process.tail();
                return Err(anyhow::anyhow!("{state}\n{tail}"))
                    .with_context(|| format!("not ready within {deadline:?}"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
