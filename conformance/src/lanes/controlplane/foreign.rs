//! The suite as anybody can run it: against a server by its address and credentials, without a hand
//! on the cluster. Here the cluster is a real control plane, and the servers are Loadline and
//! metrics-server.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::compare::{METRICS_SERVER, install_metrics_server};
use crate::lab::{LeafFiles, Request, write};
use crate::lanes::contract::agrees;
use crate::loadline::{Loadline, SERVER_NAME, Start};
use crate::real::{Scratch, Tools};
use crate::report::Lane;
use crate::suite::{Column, Extent, LOADLINE, Outcome, Run};

use super::{NUMBERS, START, Scene, migration};

/// How long a whole run may take.
const SUITE: Duration = Duration::from_secs(300);
/// How many checks must have been made for a run to mean anything.
const FEWEST: usize = 60;

/// What the suite is told of the cluster.
struct Credentials {
    /// Who signed metrics-server's certificate, which it is given.
    given: PathBuf,
    /// Who signed Loadline's, which it makes.
    made: PathBuf,
    proxy: LeafFiles,
    kubeconfig: PathBuf,
    kubectl: PathBuf,
}

/// Holds both servers to what can be seen from outside, and to what the document says of it.
pub(super) async fn checks(
    lane: &Lane,
    scene: &Scene,
    scratch: &Scratch,
    tools: &Tools,
    logs: &Path,
) {
    let set_up = credentials(scene, scratch, tools);
    let name = "the front proxy's certificate for the suite";
    let Some(credentials) = lane.value(name, NUMBERS, set_up).await else {
        return;
    };
    judged(lane, LOADLINE, &scene.loadline, &credentials, logs).await;
    let name = "metrics-server runs beside the control plane";
    let peer = lane.value(name, START, started(scene, logs)).await;
    if let Some(peer) = peer {
        judged(lane, METRICS_SERVER, &peer, &credentials, logs).await;
        migration::checks(lane, scene, tools, &peer).await;
        migration::by_command(lane, scene, &peer).await;
        migration::without_us(lane, scene).await;
        migration::refusals(lane, scene, peer).await;
    }
}

async fn credentials(scene: &Scene, scratch: &Scratch, tools: &Tools) -> Result<Credentials> {
    let folder = scratch.subfolder("foreign")?;
    let (given, made) = (folder.join("given-ca.crt"), folder.join("made-ca.crt"));
    write(&given, scene.lab.pki.serving.pem())?;
    let template = "go-template={{.spec.caBundle|base64decode}}";
    let call = format!("get apiservice v1.metrics.k8s.io -o {template}");
    write(&made, &scene.admin.run(&call).await?)?;
    let request = Request::client("front-proxy-client", &[]);
    let proxy = scene.cluster.pki().front_proxy.issue(&request)?;
    Ok(Credentials {
        given,
        made,
        proxy: proxy.write(&folder, "front-proxy-client")?,
        kubeconfig: scene.admin.kubeconfig().clone(),
        kubectl: tools.kubectl(),
    })
}

/// metrics-server with the account and the flags of Loadline, ready to answer.
async fn started(scene: &Scene, logs: &Path) -> Result<Loadline> {
    let program = install_metrics_server().await?;
    let kubeconfig = scene.kubeconfig.display().to_string();
    let start = Start::new(&scene.lab, &program)?
        .with("kubeconfig", &kubeconfig)
        .with("authentication-kubeconfig", &kubeconfig)
        .with("authorization-kubeconfig", &kubeconfig)
        .with("metric-resolution", "10s")
        .with("kubelet-request-timeout", "5s")
        // The kubelets' certificates name nodes, and it looks for addresses.
        .without("kubelet-certificate-authority")
        .with("kubelet-insecure-tls", "true")
        .log(&logs.join("metrics-server.log"));
    let mut server = start.launch(&scene.lab)?;
    server.wait_ready(NUMBERS).await?;
    Ok(server)
}

async fn judged(
    lane: &Lane,
    name: &str,
    server: &Loadline,
    credentials: &Credentials,
    logs: &Path,
) {
    let check = format!("the suite finds of {name} from outside what docs/conformance.md says");
    let log = logs.join(format!("suite-{}.log", server.address.port()));
    lane.watch_log(&log);
    let made = lane
        .value(&check, SUITE, async {
            let column = Column {
                server: name.to_owned(),
                runs: suite(name, server, credentials, &log).await?,
            };
            let skipped = |run: &&Run| matches!(run.outcome, Outcome::Skipped { .. });
            let made = column.runs.len() - column.runs.iter().filter(skipped).count();
            ensure!(made >= FEWEST, "only {made} runs of checks could be made");
            match agrees(&column, Extent::WhatRan) {
                // What another server does on such a machine is not ours to fail for.
                Err(error) if name != LOADLINE => lane.note(&format!("{error:#}")),
                result => result?,
            }
            Ok(made)
        })
        .await;
    if let Some(made) = made {
        lane.note(&format!(
            "{made} runs of checks of {name} were made from outside"
        ));
    }
}

/// Runs the program a person would run.
async fn suite(
    name: &str,
    server: &Loadline,
    credentials: &Credentials,
    log: &Path,
) -> Result<Vec<Run>> {
    let us = std::env::current_exe()?;
    let authority = if name == LOADLINE {
        &credentials.made
    } else {
        &credentials.given
    };
    let mut command = Command::new(us.with_file_name("conformance"));
    command
        .arg(format!("--target=https://{}", server.address))
        .arg("--ca")
        .arg(authority)
        .args(["--server-name", SERVER_NAME, "--output", "json"])
        .arg("--proxy-cert")
        .arg(&credentials.proxy.certificate)
        .arg("--proxy-key")
        .arg(&credentials.proxy.key);
    if name == LOADLINE {
        // The cluster's APIServices lead to Loadline alone.
        command.arg("--kubectl").arg(&credentials.kubectl);
        command.arg("--kubeconfig").arg(&credentials.kubeconfig);
    }
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("run the program `conformance`")?;
    std::fs::write(log, [&*output.stdout, &output.stderr].concat())?;
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).with_context(|| format!("{}: {said}", output.status))
}
