//! Asks a server of `metrics.k8s.io` what it gets right, check by check.

use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use conformance::client::Trust;
use conformance::compare::install_metrics_server;
use conformance::lab::Leaf;
use conformance::loadline::{panicking, program};
use conformance::real::cache;
use conformance::suite::{
    Check, CheckResult, Column, Extensions, Filter, Group, Kubectl, LOADLINE, Needs, Output,
    Program, Target, checks, document, metrics_server, run, run_in_lab, side_by_side,
};
use http::Uri;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Asks a server of metrics.k8s.io what it gets right.
///
/// With the front proxy's certificate it comes as any user, and most checks can be made; with a token or a certificate
/// of somebody who may read everything, fewer. With --in-lab it starts a program in a simulated cluster and makes all.
#[derive(Debug, Parser)]
#[command(name = "conformance")]
struct Arguments {
    /// Where the server is, as https://HOST:PORT.
    #[arg(long)]
    target: Option<Uri>,
    /// The certificate authority of its serving certificate; without one any certificate will do.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// The name in its certificate, where it is not the host's.
    #[arg(long)]
    server_name: Option<String>,
    /// The front proxy's certificate.
    #[arg(long, requires = "proxy_key")]
    proxy_cert: Option<PathBuf>,
    /// The front proxy's key.
    #[arg(long, requires = "proxy_cert")]
    proxy_key: Option<PathBuf>,
    /// The certificate of a user who may read everything.
    #[arg(long, requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// That user's key.
    #[arg(long, requires = "client_cert")]
    client_key: Option<PathBuf>,
    /// A file with the bearer token of a user who may read everything.
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// Comes as nobody, and makes only the checks that need no credentials.
    #[arg(long, requires = "target", conflicts_with_all = ["proxy_cert", "client_cert", "token_file"])]
    anonymous: bool,
    /// kubectl, for the checks that use it.
    #[arg(long)]
    kubectl: Option<PathBuf>,
    /// A kubeconfig of the cluster whose metrics.k8s.io is this server.
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// Starts this program with metrics-server's flags in a simulated cluster.
    #[arg(long, conflicts_with = "target")]
    in_lab: Option<PathBuf>,
    /// A server of that program's code with a handler that always panics: of Loadline the example `panicking`.
    #[arg(long, requires = "in_lab")]
    panicking: Option<PathBuf>,
    /// Holds Loadline and metrics-server to every check in a simulated cluster each and writes this file.
    #[arg(long, conflicts_with_all = ["target", "in_lab", "groups", "checks"])]
    document: Option<PathBuf>,
    /// A flag of the program, NAME=VALUE; NAME= takes a usual one away.
    #[arg(long = "flag", requires = "in_lab", value_parser = flag)]
    flags: Vec<(String, String)>,
    /// Extensions the server is held to, of watch and node-name; found out when not given.
    #[arg(long, value_delimiter = ',')]
    extensions: Option<Vec<String>>,
    /// Only checks of this group; may be given more than once.
    #[arg(long = "group")]
    groups: Vec<Group>,
    /// Only this check, by name or number; may be given more than once.
    #[arg(long = "check")]
    checks: Vec<String>,
    /// table, json or junit.
    #[arg(long, default_value = "table")]
    output: Output,
    /// Prints the contract and asks nobody.
    #[arg(long)]
    list: bool,
}

fn flag(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE")?;
    Ok((name.trim_start_matches('-').to_owned(), value.to_owned()))
}

/// The results are all good, some are not, or there are none because of what was asked for or could not be reached.
#[tokio::main]
async fn main() -> ExitCode {
    let outcome = Box::pin(answer(Arguments::parse())).await;
    let (text, code) = match outcome {
        Ok((text, true)) => (text, ExitCode::SUCCESS),
        Ok((text, false)) => (text, ExitCode::FAILURE),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "conformance: {error:#}");
            return ExitCode::from(2);
        }
    };
    // Whoever reads only the beginning has what it wanted.
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    code
}

/// What is to be printed, and whether it is good.
async fn answer(arguments: Arguments) -> Result<(String, bool)> {
    let filter = Filter {
        groups: arguments.groups.clone(),
        checks: arguments.checks.clone(),
    };
    filter.validate()?;
    let extensions = arguments.to_extensions()?;
    for (flag, program) in [
        ("--in-lab", &arguments.in_lab),
        ("--panicking", &arguments.panicking),
    ] {
        if let Some(program) = program {
            let here = std::fs::metadata(program);
            let here = here.with_context(|| format!("{flag} {}", program.display()))?;
            ensure!(here.is_file(), "{flag} {}: no file", program.display());
        }
    }
    if arguments.list {
        let chosen = checks().into_iter().filter(|check| filter.chooses(check));
        return Ok((listed(chosen, arguments.output)?, true));
    }
    if let Some(path) = &arguments.document {
        write_document(path, arguments.kubectl.clone()).await?;
        return Ok((String::new(), true));
    }
    let results = match &arguments.in_lab {
        Some(binary) => {
            let program = Program {
                binary: binary.clone(),
                flags: arguments.flags.clone(),
                kubectl: arguments.kubectl.clone(),
                panicking: arguments.panicking.clone(),
            };
            Box::pin(run_in_lab(&program, &filter, |_| {})).await?
        }
        None => {
            let target = arguments.to_target(extensions)?;
            target.reach().await?;
            let mut results = Box::pin(run(&target, None, &filter)).await;
            if arguments.anonymous {
                results.retain(|result| !result.skipped());
            }
            results
        }
    };
    let some = results.iter().any(|result| !result.skipped());
    ensure!(
        some,
        "none of these checks can be made with what was given:\n{}",
        arguments.output.render(&results)
    );
    let good = !results.iter().any(CheckResult::failed);
    Ok((arguments.output.render(&results), good))
}

/// Loadline is built when `LOADLINE_PROGRAM` names none, metrics-server is installed when it is not in the cache.
async fn write_document(path: &Path, kubectl: Option<PathBuf>) -> Result<()> {
    let kubectl = kubectl.map_or_else(|| cache().map(|cache| cache.join("kubectl")), Ok)?;
    let missing = "kubectl is missing: conformance/run contract builds it";
    ensure!(kubectl.exists(), "{missing}");
    let loadline = Program {
        binary: program().await?,
        flags: Vec::new(),
        kubectl: Some(kubectl.clone()),
        panicking: Some(panicking().await?),
    };
    let peer = metrics_server(install_metrics_server().await?, Some(kubectl));
    let (ours, theirs) = side_by_side(&loadline, &peer, |_| {}).await?;
    std::fs::write(path, document(&[Column::new(LOADLINE, ours), theirs?]))?;
    Ok(())
}

/// The contract in this form; JUnit tells of results alone.
fn listed(chosen: impl Iterator<Item = Check>, output: Output) -> Result<String> {
    match output {
        Output::Table => Ok(chosen.map(|check| described(&check) + "\n").collect()),
        Output::Json => {
            let list: Vec<Listed> = chosen.map(Listed::from).collect();
            Ok(serde_json::to_string_pretty(&list)? + "\n")
        }
        Output::Junit => bail!("--list has no results to tell as junit: only table and json"),
    }
}

/// A check as the list in JSON tells of it.
#[derive(serde::Serialize)]
struct Listed {
    item: u16,
    id: &'static str,
    group: Group,
    expects: &'static str,
    needs: &'static str,
}

impl From<Check> for Listed {
    fn from(check: Check) -> Self {
        Self {
            item: check.item,
            id: check.id,
            group: check.group,
            expects: check.expects,
            needs: match check.needs {
                Needs::Reader => "reader",
                Needs::Proxy => "front-proxy",
                Needs::World => "world",
            },
        }
    }
}

fn described(check: &Check) -> String {
    let needs = match check.needs {
        Needs::Reader => "",
        Needs::Proxy => " (needs the front proxy's certificate)",
        Needs::World => " (needs world)",
    };
    format!(
        "{:3} {} {}: {}{needs}",
        check.item, check.group, check.id, check.expects
    )
}

impl Arguments {
    fn to_target(&self, extensions: Option<Extensions>) -> Result<Target> {
        let uri = self.target.as_ref().context(
            "nothing to ask: give --target https://HOST:PORT and who to come as, --in-lab PROGRAM, or --list; \
             --help says more",
        )?;
        let nobody = self.proxy_cert.is_none() && self.client_cert.is_none();
        ensure!(
            self.anonymous || !nobody || self.token_file.is_some(),
            "nobody to come as: give --proxy-cert and --proxy-key (most checks), --client-cert and --client-key, or \
             --token-file; --anonymous makes the few checks that need none of them"
        );
        let host = uri.host().context("--target has no host")?;
        ensure!(
            uri.scheme_str() == Some("https") && uri.path() == "/",
            "--target is https://HOST:PORT, without a path"
        );
        let port = uri.port_u16().unwrap_or(443);
        let bare = host.trim_matches(['[', ']']);
        let address: Option<SocketAddr> = (bare, port).to_socket_addrs()?.next();
        let trust = match &self.ca {
            Some(path) => Trust::Ca(
                CertificateDer::from_pem_file(path)
                    .with_context(|| format!("--ca {}", path.display()))?,
            ),
            None => Trust::Anything,
        };
        let token = match &self.token_file {
            Some(path) => {
                let token = std::fs::read_to_string(path);
                let token = token.with_context(|| format!("--token-file {}", path.display()))?;
                Some(token.trim().to_owned())
            }
            None => None,
        };
        Ok(Target {
            address: address.with_context(|| format!("no address of {host}"))?,
            name: self.server_name.clone().unwrap_or_else(|| bare.to_owned()),
            trust,
            proxy: pair(self.proxy_cert.as_deref(), self.proxy_key.as_deref())?,
            certificate: pair(self.client_cert.as_deref(), self.client_key.as_deref())?,
            token,
            kubectl: self.to_kubectl()?,
            extensions,
        })
    }

    fn to_kubectl(&self) -> Result<Option<Kubectl>> {
        match (&self.kubectl, &self.kubeconfig) {
            (Some(program), Some(kubeconfig)) => Ok(Some(Kubectl {
                program: program.clone(),
                kubeconfig: kubeconfig.clone(),
            })),
            (None, None) => Ok(None),
            _ => bail!("--kubectl and --kubeconfig need each other"),
        }
    }

    fn to_extensions(&self) -> Result<Option<Extensions>> {
        let Some(names) = &self.extensions else {
            return Ok(None);
        };
        let mut extensions = Extensions::default();
        for name in names {
            match name.as_str() {
                "watch" => extensions.watch = true,
                "node-name" => extensions.node_name = true,
                "" | "none" => {}
                other => bail!("--extensions knows watch and node-name, not {other}"),
            }
        }
        Ok(Some(extensions))
    }
}

fn pair(certificate: Option<&Path>, key: Option<&Path>) -> Result<Option<Arc<Leaf>>> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(Arc::new(Leaf::read(certificate, key)?))),
        _ => Ok(None),
    }
}
