//! What one server costs, and how fast it answers.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::Plan;
use super::server::Server;
use super::stage::Stage;
use crate::client::{Client, Protocol, Target, Trust};
use crate::process::free_address;
use crate::real::until;

/// How long the first complete list may take.
const COMPLETE_WITHIN: Duration = Duration::from_secs(300);
/// The pause between two lists that are to be made anew.
const PAUSE: Duration = Duration::from_secs(2);

/// The forms in which the full pod list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON as it is.
    Json,
    /// JSON, compressed.
    Gzip,
    /// Kubernetes' protobuf.
    Protobuf,
}

/// How long lists of one form took.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    /// The form.
    pub form: Form,
    /// The median of lists two seconds apart.
    pub anew: Duration,
    /// The median of lists asked for right after such a one.
    pub again: Duration,
    /// The size of the answer in bytes, as it came.
    pub bytes: usize,
}

/// What was measured of one server.
#[derive(Clone, Debug)]
pub struct Figures {
    /// From its start to the first list with every pod.
    pub complete: Duration,
    /// The CPU time used until then.
    pub cpu_until_complete: Duration,
    /// CPU while nobody asks, in thousandths of a core.
    pub rest_millicores: f64,
    /// Resident memory at rest, in bytes.
    pub resident: u64,
    /// Resident memory after all lists, in bytes.
    pub resident_after_lists: u64,
    /// The most resident memory ever, in bytes.
    pub peak: u64,
    /// The full pod list in each form.
    pub lists: Vec<Latency>,
}

impl Form {
    /// All forms.
    pub const ALL: [Self; 3] = [Self::Json, Self::Gzip, Self::Protobuf];

    const fn headers(self) -> (&'static str, &'static str) {
        match self {
            Self::Json => ("application/json", "identity"),
            Self::Gzip => ("application/json", "gzip"),
            Self::Protobuf => ("application/vnd.kubernetes.protobuf", "identity"),
        }
    }
}

pub(super) async fn measure(
    server: &Server,
    stage: &Stage,
    plan: &Plan,
    logs: &Path,
) -> Result<Figures> {
    let address = free_address()?;
    let started = Instant::now();
    let mut process = server.start(stage, address, logs)?;
    let client = Client::new(&Target {
        address,
        name: "localhost",
        trust: Trust::Anything,
        certificate: Some(&stage.asker),
        protocol: Protocol::Http2,
    })?;
    let path = format!("/apis/metrics.k8s.io/{}/pods", server.version);
    until(COMPLETE_WITHIN, async || {
        process.expect_running()?;
        let list = client.get_json(&path).await?;
        let there = list["items"].as_array().map_or(0, Vec::len);
        let all = stage.size.all_pods();
        ensure!(there == all, "{there} of {all} pods");
        Ok(())
    })
    .await?;
    let complete = started.elapsed();
    let cpu_until_complete = process.footprint()?.cpu;

    let before = process.footprint()?;
    tokio::time::sleep(plan.rest).await;
    let rested = process.footprint()?;
    let cpu = rested.cpu.saturating_sub(before.cpu);

    let mut lists = Vec::new();
    for form in Form::ALL {
        lists.push(latency(&client, &path, form, plan.lists).await?);
    }
    let last = process.footprint()?;
    process.kill().await?;
    Ok(Figures {
        complete,
        cpu_until_complete,
        rest_millicores: cpu.as_secs_f64() / plan.rest.as_secs_f64() * 1000.0,
        resident: rested.resident,
        resident_after_lists: last.resident,
        peak: last.peak,
        lists,
    })
}

async fn latency(client: &Client, path: &str, form: Form, lists: u32) -> Result<Latency> {
    let (accept, encoding) = form.headers();
    let client = client
        .with_header("accept", accept)?
        .with_header("accept-encoding", encoding)?;
    let (mut anew, mut again, mut bytes) = (Vec::new(), Vec::new(), 0);
    for _ in 0..lists {
        tokio::time::sleep(PAUSE).await;
        for times in [&mut anew, &mut again] {
            let asked = Instant::now();
            let answer = client.get(path).await?;
            times.push(asked.elapsed());
            answer.expect_status(200)?;
            bytes = answer.body.len();
        }
    }
    Ok(Latency {
        form,
        anew: median(anew),
        again: median(again),
        bytes,
    })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
