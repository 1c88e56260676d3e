//! What it costs to ask all kubelets and do nothing with what they say.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::join_all;
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval};

use super::stage::Stage;
use crate::client::{Client, Protocol, Target, Trust};
use crate::process::{Footprint, Launch};

/// How often each kubelet is asked.
const RESOLUTION: Duration = Duration::from_secs(15);
/// How many times in that kubelets are asked, so many of them at once as are left.
const TURNS: usize = 60;
/// A round in which every connection is made.
const WARM: Duration = Duration::from_secs(18);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const PATH: &str = "/metrics/resource";

/// Whom to ask.
#[derive(Debug, Serialize, Deserialize)]
struct Kubelets {
    addresses: Vec<SocketAddr>,
    authority: Vec<u8>,
    token: String,
}

/// The CPU, in thousandths of a core, of a process that asks the stage's kubelets as often as a server does.
pub(super) async fn measure(stage: &Stage, rest: Duration, logs: &Path) -> Result<f64> {
    let nodes = stage.lab.world.nodes();
    let kubelets = Kubelets {
        addresses: nodes
            .iter()
            .map(|node| SocketAddr::new(node.address, node.port))
            .collect(),
        authority: stage.lab.pki.cluster.der().to_vec(),
        token: stage.lab.token.clone(),
    };
    let file = stage.lab.file("kubelets.json");
    fs::write(&file, serde_json::to_vec(&kubelets)?)?;
    let mut launch = Launch::new(&std::env::current_exe()?, logs.join("reading.log"));
    launch.arguments = vec![format!("--read-kubelets={}", file.display())];
    let mut process = launch.start()?;
    tokio::time::sleep(WARM).await;
    process.expect_running()?;
    let before: Footprint = process.footprint()?;
    tokio::time::sleep(rest).await;
    process.expect_running()?;
    let used = process.footprint()?.cpu.saturating_sub(before.cpu);
    process.kill().await?;
    Ok(used.as_secs_f64() / rest.as_secs_f64() * 1000.0)
}

/// Asks the kubelets `file` names, each every fifteen seconds, and lets go of what they answer. Ends only when the
/// process does.
///
/// # Errors
/// When the file cannot be read.
pub async fn read_kubelets(file: &Path) -> Result<()> {
    let kubelets: Kubelets = serde_json::from_slice(&fs::read(file)?)?;
    let authority = CertificateDer::from(kubelets.authority);
    let authorization = format!("Bearer {}", kubelets.token);
    let client = |address: &SocketAddr| {
        let client = Client::new(&Target {
            address: *address,
            name: &address.ip().to_string(),
            trust: Trust::Ca(authority.clone()),
            certificate: None,
            protocol: Protocol::Http1,
        })?;
        let client = client.with_header("authorization", &authorization)?;
        anyhow::Ok(client.with_deadline(ANSWER_WITHIN))
    };
    let clients: Vec<Client> = kubelets
        .addresses
        .iter()
        .map(client)
        .collect::<Result<_>>()?;
    let turns = u32::try_from(TURNS)?;
    let mut turn = interval(RESOLUTION / turns);
    turn.set_missed_tick_behavior(MissedTickBehavior::Skip);
    for now in (0..TURNS).cycle() {
        turn.tick().await;
        let asked = clients.iter().skip(now).step_by(TURNS);
        for answer in join_all(asked.map(|client| client.get(PATH))).await {
            answer.context(PATH)?.expect_status(200)?;
        }
    }
    Ok(())
}
