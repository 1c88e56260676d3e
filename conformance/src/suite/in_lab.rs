//! A server started in a lab of its own, and held to the whole contract there.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::Instant;

use super::check::CheckResult;
use super::cluster;
use super::run::{Filter, run};
use super::target::{Kubectl, Target};
use super::world::World;
use crate::client::{Protocol, Trust};
use crate::lab::{Lab, LabConfig};
use crate::loadline::{Loadline, SERVER_NAME, Start};

const READY_WITHIN: Duration = Duration::from_secs(90);
const MEASURED_WITHIN: Duration = Duration::from_secs(60);
/// The shortest metrics-server takes.
const RESOLUTION: Duration = Duration::from_secs(10);
const FLAGS: [(&str, &str); 2] = [
    ("metric-resolution", "10s"),
    ("kubelet-request-timeout", "5s"),
];

/// A program that serves `metrics.k8s.io`, to be started with metrics-server's flags.
#[derive(Clone, Debug)]
pub struct Program {
    /// The program.
    pub binary: PathBuf,
    /// Flags in place of the usual ones; an empty value takes a flag away.
    pub flags: Vec<(String, String)>,
    /// `kubectl`, for the checks that use it.
    pub kubectl: Option<PathBuf>,
    /// A server of the program's own code with a handler that always panics, where there is one.
    pub panicking: Option<PathBuf>,
}

/// Starts the program in the suite's cluster, waits until all is measured, and runs the chosen checks. `log` is told
/// where the program's log is as soon as it runs.
///
/// # Errors
/// When the lab or the program cannot be started, or nothing is ever measured.
pub async fn run_in_lab(
    program: &Program,
    filter: &Filter,
    log: impl FnOnce(&Path),
) -> Result<Vec<CheckResult>> {
    let lab = Lab::start(cluster::world(), LabConfig::default()).await?;
    cluster::prepare(&lab)?;
    let usual = FLAGS.map(|(flag, value)| (flag.to_owned(), value.to_owned()));
    let flags = [usual.as_slice(), &program.flags].concat();
    let start = with_flags(Start::new(&lab, &program.binary)?, &flags);
    log(start.log_path());
    let server = start.ready(&lab, READY_WITHIN).await?;
    until_measured(&lab, &server).await?;
    let target = Target {
        address: server.address,
        name: SERVER_NAME.to_owned(),
        trust: Trust::Ca(lab.pki.serving.der().clone()),
        proxy: Some(Arc::clone(&lab.front_proxy)),
        certificate: None,
        token: None,
        kubectl: program.kubectl.clone().map(|program| Kubectl {
            program,
            kubeconfig: lab.admin_kubeconfig(),
        }),
        extensions: None,
    };
    let world = World {
        lab: &lab,
        server: &server,
        binary: program.binary.clone(),
        panicking: program.panicking.clone(),
        flags,
        resolution: RESOLUTION,
    };
    Ok(run(&target, Some(&world), filter).await)
}

/// A start with these flags in place of the usual ones; an empty value takes a flag away.
pub(super) fn with_flags(start: Start, flags: &[(String, String)]) -> Start {
    flags.iter().fold(start, |start, (flag, value)| {
        let start = start.without(flag);
        match value.as_str() {
            "" => start,
            value => start.with(flag, value),
        }
    })
}

/// Waits until every node and pod that can have a number has one.
async fn until_measured(lab: &Lab, server: &Loadline) -> Result<()> {
    let ends = Instant::now() + MEASURED_WITHIN;
    let proxy = server.client(Protocol::Http1, Some(&lab.front_proxy))?;
    let reader = proxy
        .with_header("x-remote-user", "conformance")?
        .with_header("x-remote-group", "system:masters")?;
    let silent = |name: &str| cluster::SILENT_NODES.contains(&name);
    let mut pods = lab.world.pods();
    pods.retain(|pod| {
        let key = (pod.meta.namespace.as_str(), pod.meta.name.as_str());
        let known = key != cluster::SILENT_POD && !silent(key.1);
        known && pod.phase.as_str() == "Running"
    });
    let mut nodes = lab.world.nodes();
    nodes.retain(|node| !silent(&node.meta.name));
    let count = async |resource: &str| -> Result<usize> {
        let path = format!("/apis/metrics.k8s.io/v1beta1/{resource}");
        let list = reader.get_json(&path).await?;
        Ok(list["items"].as_array().map_or(0, Vec::len))
    };
    loop {
        let seen = (count("nodes").await?, count("pods").await?);
        let want = (nodes.len(), pods.len());
        if seen.0 >= want.0 && seen.1 >= want.1 {
            return Ok(());
        }
        if Instant::now() > ends {
            let tail = server.process.tail();
            bail!("{seen:?} of {want:?} nodes and pods are measured\n{tail}");
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
