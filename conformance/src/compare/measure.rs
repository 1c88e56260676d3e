//! What one server costs, and how fast it answers.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::Plan;
use super::latency::{self, Form, Latency, Spread};
use super::meter::Meter;
use super::server::Server;
use super::stage::Stage;
use crate::client::{Client, Protocol, Target, Trust};
use crate::lab::{Leaf, Pod};
use crate::process::{Footprint, Process, free_address};
use crate::real::until;

/// How long the first complete list may take.
const COMPLETE_WITHIN: Duration = Duration::from_secs(300);
/// How long one answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// What was measured of one server.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    /// From its start to the first list with every pod.
    pub complete: Duration,
    /// The CPU time used until then.
    pub cpu_until_complete: Duration,
    /// CPU while nobody asks, in thousandths of a core.
    pub rest_millicores: f64,
    /// CPU of a loop that asks the same kubelets and does nothing with their answers, in thousandths
    /// of a core.
    pub reading_millicores: f64,
    /// Resident memory at rest, in bytes.
    pub resident: u64,
    /// Resident memory after all lists, in bytes.
    pub resident_after_lists: u64,
    /// The most resident memory ever, in bytes.
    pub peak: u64,
    /// The full pod list in each form.
    pub lists: Vec<Latency>,
    /// The full pod list, asked for five times a second for longer than a round of scrapes.
    pub steady: Spread,
    /// The pods of one namespace with one label.
    pub by_label: Spread,
    /// One node.
    pub one_node: Spread,
    /// The full pod list for many clients at once.
    pub crowd: Spread,
    /// CPU time for each of those answers.
    pub cpu_per_answer: Duration,
    /// CPU time of the API server from the server's start to the end of its rest, less what it uses
    /// when nobody asks it.
    pub api_server_cpu: Duration,
    /// Bytes the server received from the API server in that time.
    pub api_server_bytes: u64,
    /// CPU of the kubelets' side while nobody asked, in thousandths of a core.
    pub kubelets_millicores: f64,
}

/// The server under way and who asks it.
struct Run<'a> {
    process: Process,
    address: SocketAddr,
    stage: &'a Stage,
    client: Client,
    pods: String,
    nodes: String,
}

pub(super) async fn measure(
    server: &Server,
    stage: &Stage,
    plan: &Plan,
    idle_api_server: f64,
    logs: &Path,
) -> Result<Figures> {
    let meter = Meter::to(stage.cluster.address()).await?;
    let api_server_before = stage.cluster.api_server_footprint()?;
    let started = Instant::now();
    let mut run = Run::start(server, stage, &meter, logs)?;
    run.wait_until_complete().await?;
    let complete = started.elapsed();
    let cpu_until_complete = run.process.footprint()?.cpu;

    tokio::time::sleep(plan.settle).await;
    let (before, lab_before) = (run.process.footprint()?, Footprint::of(std::process::id())?);
    tokio::time::sleep(plan.rest).await;
    let (rested, lab_rested) = (run.process.footprint()?, Footprint::of(std::process::id())?);
    let api_server = stage.cluster.api_server_footprint()?;
    let api_server_bytes = meter.received();

    let since = started.elapsed().as_secs_f64();
    let idle = Duration::from_secs_f64(idle_api_server * since / 1000.0);
    let mut figures = Figures {
        complete,
        cpu_until_complete,
        rest_millicores: millicores(before, rested, plan.rest),
        resident: rested.resident,
        peak: rested.peak,
        api_server_cpu: (api_server.cpu - api_server_before.cpu).saturating_sub(idle),
        api_server_bytes,
        kubelets_millicores: millicores(lab_before, lab_rested, plan.rest),
        ..Figures::default()
    };
    if plan.lists > 0 {
        run.ask(plan, &mut figures).await?;
    }
    run.process.kill().await?;
    Ok(figures)
}

/// What the API server uses while nobody asks it, in thousandths of a core.
pub(super) async fn idle_api_server(stage: &Stage, plan: &Plan) -> Result<f64> {
    // It has just heard of every object.
    tokio::time::sleep(plan.settle).await;
    let before = stage.cluster.api_server_footprint()?;
    tokio::time::sleep(plan.rest / 2).await;
    let after = stage.cluster.api_server_footprint()?;
    Ok(millicores(before, after, plan.rest / 2))
}

impl<'a> Run<'a> {
    fn start(server: &Server, stage: &'a Stage, meter: &Meter, logs: &Path) -> Result<Self> {
        let address = free_address()?;
        let process = server.start(stage, meter.address(), address, logs)?;
        let group = format!("/apis/metrics.k8s.io/{}", server.version);
        Ok(Self {
            client: client(address, stage)?,
            process,
            address,
            stage,
            pods: format!("{group}/pods"),
            nodes: format!("{group}/nodes"),
        })
    }

    /// One namespace is asked for until it is complete, and only then the list of all: asking for that
    /// again and again would be most of what a server does until then.
    async fn wait_until_complete(&mut self) -> Result<()> {
        let world = &self.stage.lab.world;
        let last = world.pods().last().cloned().context("no pods")?;
        let namespace = &last.meta.namespace;
        let its = |pod: &&Arc<Pod>| pod.meta.namespace == *namespace;
        let (part, all) = (world.pods().iter().filter(its).count(), world.pods().len());
        let (group, _) = self.pods.rsplit_once('/').unwrap_or_default();
        let part = (format!("{group}/namespaces/{namespace}/pods"), part);
        for (path, count) in [part, (self.pods.clone(), all)] {
            until(COMPLETE_WITHIN, async || {
                self.process.expect_running()?;
                let list = self.client.get_json(&path).await?;
                let there = list["items"].as_array().map_or(0, Vec::len);
                ensure!(there == count, "{there} of {count} pods");
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// Everything that is asked of it once it has rested.
    async fn ask(&self, plan: &Plan, figures: &mut Figures) -> Result<()> {
        for form in Form::ALL {
            let list = latency::lists(&self.client, &self.pods, form, plan.lists).await?;
            figures.lists.push(list);
        }
        figures.resident_after_lists = self.process.footprint()?.resident;
        for list in &mut figures.lists {
            list.floor = self.floor(list.form, plan.small).await?;
        }
        figures.steady = self.steady(plan).await?;
        figures.by_label = self.by_label(plan).await?;
        figures.one_node = self.one_node(plan).await?;
        (figures.crowd, figures.cpu_per_answer) = self.crowd(plan).await?;
        figures.peak = self.process.footprint()?.peak;
        Ok(())
    }

    async fn floor(&self, form: Form, span: Duration) -> Result<Duration> {
        let pki = &self.stage.lab.pki;
        let fixed = |address| client_of(address, None);
        latency::floor(&self.client, &self.pods, form, pki, span, fixed).await
    }

    /// Longer than every node's turn, so that the scrapes of all are among it.
    async fn steady(&self, plan: &Plan) -> Result<Spread> {
        let client = Form::Gzip.on(&self.client)?;
        let pause = Duration::from_millis(200);
        // The first one is asked for anew, which has figures of its own.
        client.get(&self.pods).await?.expect_status(200)?;
        latency::steadily(&client, &self.pods, pause, plan.steady).await
    }

    async fn by_label(&self, plan: &Plan) -> Result<Spread> {
        let pod = self.stage.lab.world.pods().first().cloned();
        let Some(pod) = pod else {
            return Ok(Spread::default());
        };
        let namespace = &pod.meta.namespace;
        let label = pod.meta.labels.iter().next();
        let selector = label.map_or_else(String::new, |(key, value)| {
            format!("?labelSelector={key}%3D{value}")
        });
        let (group, _) = self.pods.rsplit_once('/').unwrap_or_default();
        let path = format!("{group}/namespaces/{namespace}/pods{selector}");
        self.small(&path, plan).await
    }

    async fn one_node(&self, plan: &Plan) -> Result<Spread> {
        let node = self.stage.lab.world.nodes().first().cloned();
        let name = node.map_or_else(String::new, |node| node.meta.name.clone());
        self.small(&format!("{}/{name}", self.nodes), plan).await
    }

    async fn small(&self, path: &str, plan: &Plan) -> Result<Spread> {
        let pause = Duration::from_millis(20);
        latency::steadily(&self.client, path, pause, plan.small).await
    }

    async fn crowd(&self, plan: &Plan) -> Result<(Spread, Duration)> {
        let (clients, rounds) = (plan.clients, plan.rounds);
        let crowd = (0..clients).map(|_| Form::Gzip.on(&client(self.address, self.stage)?));
        let crowd: Vec<Client> = crowd.collect::<Result<_>>()?;
        // The first round also shakes hands.
        latency::at_once(&crowd, &self.pods, 1).await?;
        let before = self.process.footprint()?;
        let spread = latency::at_once(&crowd, &self.pods, rounds).await?;
        let used = self.process.footprint()?.cpu.saturating_sub(before.cpu);
        Ok((spread, used / (clients * rounds).max(1)))
    }
}

fn client(address: SocketAddr, stage: &Stage) -> Result<Client> {
    client_of(address, Some(&stage.asker))
}

fn client_of(address: SocketAddr, certificate: Option<&Leaf>) -> Result<Client> {
    let client = Client::new(&Target {
        address,
        name: "localhost",
        trust: Trust::Anything,
        certificate,
        protocol: Protocol::Http2,
    })?;
    Ok(client.with_deadline(ANSWER_WITHIN))
}

fn millicores(before: Footprint, after: Footprint, over: Duration) -> f64 {
    let used = after.cpu.saturating_sub(before.cpu);
    used.as_secs_f64() / over.as_secs_f64() * 1000.0
}
