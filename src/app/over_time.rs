//! What is kept over time, and Heapster's API on top of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::outside::Outside;
use super::settings;
use crate::apimachinery::{RequestInfo, ResourceInfo};
use crate::archive::Archive;
use crate::auth::{AllowedUsers, LiveTrust, TrustConfig, TrustLookup};
use crate::cluster::{Election, Leadership};
use crate::config::{HeapsterPort, HeapsterTls, Settings};
use crate::domain::{Batch, Clock, Inventory, MetricSet, Timestamp};
use crate::heapster::{self, Heapster, RouteTable};
use crate::history::{self, HistoricalSource, History, Layered, Recent};
use crate::lifecycle::Stop;
use crate::live::Live;
use crate::rollup::{self, Labelling, Rollup};
use crate::server::{self, Handler, OpenDeps, Route, Server};
use crate::sinks::{Exposition, Sinks};
use crate::telemetry::Registry;

/// The columns' maker and who reads them.
pub(super) struct OverTime {
    /// `None` when nobody wants columns: nothing is kept, as `--disable-metric-sink` has it, and
    /// there is no sink.
    pub(super) rollup: Option<Rollup>,
    /// `None` without any.
    pub(super) sinks: Option<Receiving>,
    /// `None` unless who scrapes is told of columns.
    pub(super) exposed: Option<Exposed>,
    /// Where columns are kept, if they are.
    pub(super) history: Option<Arc<History>>,
    /// Where they are kept on disk, if they are.
    pub(super) archive: Option<Arc<Archive>>,
    /// Whether there is anything Heapster's API can tell: what is kept, or what a store has.
    pub(super) answers: bool,
    pub(super) heapster: Arc<Heapster>,
}

/// The sinks, where batches come in for them, and whether they are to be sent.
#[derive(Debug)]
pub(super) struct Receiving {
    pub(super) sinks: Sinks,
    pub(super) batches: mpsc::Receiver<Arc<Batch>>,
    /// `None` when nobody contends.
    pub(super) leadership: Option<Leadership>,
}

/// What is scraped, and where batches come in for it.
pub(super) type Exposed = (Arc<Exposition>, mpsc::Receiver<Arc<Batch>>);

/// Keeps nothing: columns are made for sinks alone.
#[derive(Debug)]
struct Unkept;

/// A port without Kubernetes' authentication, and what keeps its authorities current.
pub(super) struct OpenPort {
    pub(super) server: server::Bound,
    pub(super) trust: Option<TrustLookup>,
}

/// `/healthz` on Heapster's port fails when the newest column is older, or three resolutions old.
const STALE: Duration = Duration::from_mins(3);

impl OverTime {
    pub(super) fn new(
        settings: &Settings,
        live: &Arc<Live>,
        inventory: &Arc<Inventory>,
        (sinks, store): Outside,
        clock: &Arc<dyn Clock>,
        registry: &mut Registry,
    ) -> Self {
        let resolution = settings.rollup.resolution;
        let history = ring(settings, registry);
        let columns: Arc<dyn rollup::Columns> = match &history {
            Some(history) => Arc::clone(history) as Arc<dyn rollup::Columns>,
            None => Arc::new(Unkept),
        };
        let kept = history.clone();
        let sends = !settings.heapster.sinks.is_empty();
        let rollup = (kept.is_some() || sends || settings.rollup.exposed).then(|| {
            let config = rollup::Config {
                resolution,
                ..rollup::Config::default()
            };
            Rollup::new(
                config,
                Arc::clone(inventory),
                Arc::clone(live) as Arc<dyn rollup::Source>,
                columns,
                Arc::clone(clock),
                registry,
            )
        });
        let sinks = rollup.as_ref().zip(sinks).map(|(rollup, sinks)| Receiving {
            batches: rollup.subscribe(Sinks::QUEUE),
            sinks,
            leadership: None,
        });
        let exposed = rollup.as_ref().filter(|_| settings.rollup.exposed);
        let exposed = exposed.map(|rollup| expose(settings, rollup, clock));
        let config = heapster::Config {
            resolution,
            stale_after: STALE.max(resolution * 3),
            export: settings.heapster.export,
            labelling: Labelling::new(settings.rollup.labels.clone()),
        };
        let archive = settings.history_dir.clone();
        let archive = archive.map(|config| Archive::new(config, Arc::clone(clock), registry));
        let on_disk = archive.clone().map(|archive| archive as Arc<dyn Recent>);
        let in_memory = kept.clone().map(|ring| ring as Arc<dyn Recent>);
        let join = |newer, older| layered(newer, older, clock, resolution);
        let historical = join(in_memory, join(on_disk, store));
        let answers = historical.is_some();
        let (inventory, clock) = (Arc::clone(inventory), Arc::clone(clock));
        let heapster = Heapster::new(config, history, historical, inventory, clock);
        let heapster = Arc::new(heapster);
        Self {
            rollup,
            sinks,
            exposed,
            history: kept,
            archive,
            answers,
            heapster,
        }
    }

    /// Lets the sinks wait for the Lease, if that is wanted and there are any.
    pub(super) fn elect(
        &mut self,
        settings: &Settings,
        client: &kube::Client,
        clock: &Arc<dyn Clock>,
        registry: &mut Registry,
    ) -> Option<Election> {
        let lease = settings.leader_elect.as_ref()?;
        let Some(receiving) = &mut self.sinks else {
            warn!("--leader-elect without any --sink has nothing to decide");
            return None;
        };
        let lease = settings::lease(lease);
        let (election, leadership) = Election::new(lease, client, Arc::clone(clock));
        leadership.register(registry);
        receiving.leadership = Some(leadership);
        Some(election)
    }
}

/// Hands batches on while we lead. Whoever stands by keeps the newest and sends it first when its
/// turn comes: the other one may have gone before it was through.
pub(super) async fn while_leading(
    mut batches: mpsc::Receiver<Arc<Batch>>,
    leadership: Leadership,
    sinks: mpsc::Sender<Arc<Batch>>,
    stop: Stop,
) {
    let mut kept = None;
    loop {
        let batch = tokio::select! {
            biased;
            batch = stop.until(batches.recv()) => match batch.flatten() {
                Some(batch) => batch,
                // The sinks end by themselves, and then their time to flush begins.
                None => return stop.stopped().await,
            },
            () = leadership.held(), if kept.is_some() => match kept.take() {
                Some(batch) => batch,
                None => continue,
            },
        };
        if !leadership.is_held() {
            kept = Some(batch);
            continue;
        }
        kept = None;
        if stop.until(sinks.send(batch)).await.is_none() {
            return;
        }
    }
}

/// Sets up what is scraped; it is told until three more columns should have been there.
fn expose(settings: &Settings, rollup: &Rollup, clock: &Arc<dyn Clock>) -> Exposed {
    let labelling = Labelling::new(settings.rollup.labels.clone());
    let (labelling, clock) = (Arc::new(labelling), Arc::clone(clock));
    let stale_after = settings.rollup.resolution * 3;
    let exposition = Exposition::new(labelling, clock, stale_after);
    (exposition, rollup.subscribe(1))
}

/// What columns are kept in, unless that is turned off.
fn ring(settings: &Settings, registry: &mut Registry) -> Option<Arc<History>> {
    settings.heapster.model.then(|| {
        let config = history::Config {
            retention: settings.history.length,
            resolution: settings.rollup.resolution,
            memory_limit: Some(settings.history.memory_limit),
            process_limit: settings.history.process_limit.of_process(),
        };
        Arc::new(History::new(config, registry))
    })
}

/// One past out of what there is of the two.
fn layered(
    newer: Option<Arc<dyn Recent>>,
    older: Option<Arc<dyn HistoricalSource>>,
    clock: &Arc<dyn Clock>,
    resolution: Duration,
) -> Option<Arc<dyn HistoricalSource>> {
    match (newer, older) {
        (Some(newer), Some(older)) => {
            let clock = Arc::clone(clock);
            Some(Arc::new(Layered::new(newer, older, clock, resolution)))
        }
        (Some(newer), None) => Some(newer),
        (None, older) => older,
    }
}

impl rollup::Columns for Unkept {
    fn append(&self, _: Timestamp, _: &[MetricSet]) {}
    fn finish(&self, _: Timestamp) {}
    fn begin_anew(&self) {}
}

/// Heapster's API on the secure port, none when it has nothing to tell, and the columns for who
/// scrapes. They tell of all pods, so their callers must be allowed to list their metrics.
pub(super) fn routes(over_time: &OverTime) -> Vec<Route> {
    let lists_pods = Arc::new(RequestInfo {
        path: "/apis/metrics.k8s.io/v1/pods".to_owned(),
        verb: "list".to_owned(),
        resource: Some(ResourceInfo {
            prefix: "apis".to_owned(),
            group: "metrics.k8s.io".to_owned(),
            version: "v1".to_owned(),
            resource: "pods".to_owned(),
            parts: vec!["pods".to_owned()],
            ..ResourceInfo::default()
        }),
    });
    let route = |prefix: &str, handler| Route {
        prefix: prefix.to_owned(),
        index: vec![prefix.to_owned()],
        also: Some(Arc::clone(&lists_pods)),
        handler,
    };
    let mut routes = Vec::new();
    if over_time.answers {
        let heapster = || handler(&over_time.heapster, RouteTable::SecurePort);
        routes.extend(Heapster::PREFIXES.iter().map(|p| route(p, heapster())));
    }
    if let Some((exposition, _)) = &over_time.exposed {
        routes.push(route(EXPOSED, scraped(exposition)));
    }
    routes
}

/// Where columns are scraped.
const EXPOSED: &str = "/metrics/rollup";

fn scraped(exposition: &Arc<Exposition>) -> Handler {
    let exposition = Arc::clone(exposition);
    Arc::new(move |info, parts| {
        (info.path == EXPOSED).then(|| exposition.respond(parts.uri.query()))
    })
}

pub(super) fn handler(heapster: &Arc<Heapster>, table: RouteTable) -> Handler {
    let heapster = Arc::clone(heapster);
    Arc::new(move |_, parts| Some(heapster.reply(table, &parts.method, &parts.uri, &parts.headers)))
}

impl OpenPort {
    /// Takes Heapster's port, and says who is answered there.
    pub(super) async fn bind(
        port: &HeapsterPort,
        settings: &Settings,
        deps: OpenDeps,
    ) -> Result<Self> {
        let users = match &port.tls {
            Some(tls) => allowed_users(tls)?,
            None => None,
        };
        let address = SocketAddr::new(port.address, port.port);
        let clock = Arc::clone(&deps.clock);
        let config = settings::open_server(settings, address, port.tls.as_ref(), users.clone())?;
        let server = Server::bind_open(config, deps).await?;
        let address = server.local_addr();
        match &users {
            Some(_) => {
                info!(%address, "Heapster's port answers those whom --tls-client-ca vouches for")
            }
            None => {
                warn!(%address, "Heapster's port answers without authentication whoever reaches it")
            }
        }
        let trust = users.map(|users| TrustLookup::new(users.live_trust(), None, &clock));
        Ok(Self { server, trust })
    }
}

fn allowed_users(tls: &HeapsterTls) -> Result<Option<Arc<AllowedUsers>>> {
    let Some(clients) = &tls.clients else {
        return Ok(None);
    };
    let trust = TrustConfig {
        port: "--heapster-port",
        client_ca_file: Some(clients.ca_file.clone()),
        front_proxy: None,
    };
    let trust = LiveTrust::new(trust).context("--tls-client-ca")?;
    let users = AllowedUsers::new(trust, clients.allowed_users.clone());
    Ok(Some(Arc::new(users)))
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;

    fn batch(secs: i64) -> Arc<Batch> {
        Arc::new(Batch {
            timestamp: Timestamp::from_millis(secs * 1000),
            parts: Vec::new(),
        })
    }

    #[tokio::test]
    async fn who_stands_by_keeps_the_newest_column_and_sends_it_when_its_turn_comes() {
        let (made, batches) = mpsc::channel(9);
        let (sinks, mut sent) = mpsc::channel(9);
        let (held, leadership) = watch::channel(false);
        let (stop, stopped) = Stop::channel();
        for secs in [1, 2] {
            made.send(batch(secs)).await.unwrap();
        }
        let leadership = Leadership::of(leadership);
        let gate = while_leading(batches, leadership, sinks, stopped);
        let hand = async {
            while made.capacity() < 9 {
                tokio::task::yield_now().await;
            }
            assert!(sent.try_recv().is_err());
            held.send_replace(true);
            let mut next = async || sent.recv().await.map(|batch| batch.timestamp.as_secs());
            assert_eq!(next().await, Some(2));
            made.send(batch(3)).await.unwrap();
            assert_eq!(next().await, Some(3));
            held.send_replace(false);
            made.send(batch(4)).await.unwrap();
            while made.capacity() < 9 {
                tokio::task::yield_now().await;
            }
            stop.stop();
            assert_eq!(next().await, None);
        };
        tokio::join!(gate, hand);
    }
}
