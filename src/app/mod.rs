//! Wiring: the one place that knows every room.
//!
//! [`bind`] reads the files that flags name and takes the port, so whatever is wrong with them is
//! told before anything runs. [`Bound::run`] starts the rooms and ends them in order. The API
//! server may be away at either.

mod asked;
mod eventer;
mod ground;
mod incumbent;
mod on_disk;
mod outside;
mod over_time;
mod readiness;
mod replicas;
mod settings;
mod signals;
mod story;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::{OptionFuture, join};
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use crate::archive::Restored;
use crate::auth::{LiveTrust, TrustLookup};
use crate::cluster::{self, Cluster, Election};
use crate::config::Settings;
use crate::coverage::Announcer;
use crate::domain::Inventory;
use crate::kubelet::{KubeletClient, Pins};
use crate::lifecycle::{Stop, StopSender, Tasks};
use crate::peer::{Done, Taker};
use crate::rollup::Rollup;
use crate::scrape::Scraper;
use crate::server::{self, SecretKeeper};
use crate::sinks::Sinks;
use ground::Ground;
use incumbent::Incumbent;
use on_disk::OnDisk;
use outside::{Outside, both, outside};
use over_time::{Exposed, OverTime, Receiving};
use replicas::Replicas;

pub use asked::{Outcome, check, explain, take_over};
pub use eventer::{BoundEventer, bind_eventer};
pub use signals::Signals;
pub use story::story;

/// Everything wired together, with the ports taken and nothing running yet.
#[derive(Debug)]
pub struct Bound {
    server: server::Bound,
    heapster: Option<server::Bound>,
    cluster: Cluster,
    scraper: Scraper<KubeletClient>,
    keeper: Option<SecretKeeper>,
    incumbent: Incumbent,
    pins: Option<(Arc<Pins>, Arc<Inventory>)>,
    on_disk: Option<OnDisk>,
    taker: Option<Taker>,
    announcer: Announcer,
    rollup: Option<Rollup>,
    sinks: Option<Receiving>,
    exposed: Option<Exposed>,
    election: Option<Election>,
    trust: Vec<TrustLookup>,
    tasks: Tasks,
    stop: (StopSender, Stop),
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to stop, and every request under way was answered.
    Stopped,
    /// A task the process cannot do without ended by itself.
    Failed,
    /// A second signal came before the first one's work was done.
    Cut,
}

/// How long tasks may take to end once all requests are answered. What takes longer is a question
/// to an API server that is away, and the patience of who stops us ends soon.
const LEFTOVERS: Duration = Duration::from_secs(5);

/// Builds every room and takes the ports.
///
/// # Errors
/// When a file that a flag names cannot be used, there are no credentials for the API server, or
/// a port is taken.
pub async fn bind(settings: Settings) -> Result<Bound> {
    let mut ground = Ground::new();
    tell(&settings.notes, &settings.warnings, &settings.inert);
    let ((client, credentials), trust, outside) = files(&settings, &mut ground).await?;
    let inventory = Arc::new(Inventory::new());
    let cluster = ground.cluster(&settings, &client, &inventory);
    let live = ground.live(&settings, &inventory);
    let config = settings::kubelet(&settings, &credentials, &client)?;
    let pins = config.pins().map(|pins| (pins, Arc::clone(&inventory)));
    let scraper = ground.scraper(&settings, config, &inventory, &live).await?;
    let lookup = ground.lookup(&settings, &trust, &client).await?;

    let coverage = ground.coverage(&settings, &inventory, &live, &scraper);
    let (to, clock) = (&ground.health, &ground.clock);
    let incumbent = Incumbent::new(&client);
    readiness::add_checks(to, clock, &cluster, &live, &scraper, &coverage, &incumbent);
    let announcer = Announcer::new(Arc::clone(&coverage), &client, Arc::clone(clock));
    let tolerate = settings.authentication.tolerate_lookup_failure;
    ground.health.add(lookup.check(tolerate));
    let stopping = server::shutdown_check(ground.stop.1.clone());
    ground.health.add(stopping);

    let (clock, registry) = (&ground.clock, &mut ground.registry);
    let mut over_time = OverTime::new(&settings, &live, &inventory, outside, clock, registry);
    let election = over_time.elect(&settings, &client, clock, registry);
    let known = (&cluster, &inventory, &live);
    let replicas = Replicas::new(&settings, &mut ground, known, &over_time);
    let on_disk = OnDisk::new(&over_time, &inventory, replicas::synced(&cluster));
    let api = ground.api(live, inventory, coverage, &settings);
    let reviews = ground.reviews(&settings, trust, &client).await?;
    let (tasks, stop) = (ground.tasks.clone(), ground.stop.clone());
    let peers = replicas.as_ref();
    let reached = ground.servers(&settings, &api, &over_time, reviews, &client, peers);
    let (server, heapster, keeper) = reached.await?;
    let (heapster, guests) = heapster.map(|open| (open.server, open.trust)).unzip();
    let trust = [Some(lookup), guests.flatten()];
    Ok(Bound {
        server,
        heapster,
        cluster,
        scraper,
        keeper,
        incumbent,
        pins,
        on_disk,
        taker: replicas.map(|replicas| replicas.taker),
        announcer,
        rollup: over_time.rollup,
        sinks: over_time.sinks,
        exposed: over_time.exposed,
        election,
        trust: trust.into_iter().flatten().collect(),
        tasks,
        stop,
    })
}

/// Reads the files by which the API server is reached, callers are believed, and sinks and stores are
/// spoken to, and makes the directory of the history on disk. What is wrong with any of them is
/// told at once.
async fn files(
    settings: &Settings,
    ground: &mut Ground,
) -> Result<(
    (kube::Client, cluster::Credentials),
    Arc<LiveTrust>,
    Outside,
)> {
    let connected = cluster::connect(settings.api_server.clone()).await;
    let connected = connected.map_err(anyhow::Error::from);
    let trust = LiveTrust::new(settings::trust(&settings.authentication));
    let trust = trust.context("--client-ca-file or --requestheader-client-ca-file");
    let outside = outside(settings, &ground.clock, &mut ground.registry);
    let made = match settings.history_dir.clone() {
        Some(folder) => folder.make_folder().await,
        None => Ok(()),
    };
    let outside = both(outside, made.map_err(anyhow::Error::from));
    let ((connected, trust), (outside, ())) = both(both(connected, trust), outside)?;
    Ok((connected, trust, outside))
}

impl Bound {
    /// Where the server listens; the port is the system's choice when flags asked for 0.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Runs until a signal comes or a vital task ends.
    ///
    /// Stopping goes from the outside in: readiness fails, the server drains, and only then do
    /// scrapes and watches end. The drain is bounded, and so is everything after it.
    pub async fn run(self, mut signals: Signals) -> Ended {
        let (stop_sender, stop) = self.stop;
        let (quit_sender, quit) = Stop::channel();
        let tasks = self.tasks;
        info!(version = env!("CARGO_PKG_VERSION"), "starting");

        let (cluster, until) = (self.cluster, quit.clone());
        let watches = async move { cluster.run(until).await };
        tasks.spawn_vital("cluster", quit.clone(), watches);
        let others = self.incumbent.shared();
        let restored = self.on_disk.map(|on_disk| on_disk.start(&tasks, &quit));
        let taker = (self.taker, restored.clone());
        let over = start_scrapes(taker, self.scraper, others, &tasks, &quit);
        for trust in self.trust {
            tasks.spawn_vital("trust", quit.clone(), trust.run(quit.clone()));
        }
        start_keepers(self.keeper, self.pins, self.incumbent, &tasks, &quit);
        tasks.spawn_vital("events", quit.clone(), self.announcer.run(quit.clone()));
        let readers = (self.sinks, self.exposed, self.election);
        start_columns(self.rollup, readers, (restored, over), &tasks, &quit);
        let (server, heapster, until) = (self.server, self.heapster, stop.clone());
        tasks.spawn_vital("server", stop.clone(), async move {
            let heapster = OptionFuture::from(heapster.map(|port| port.run(until.clone())));
            join(server.run(until), heapster).await;
            quit_sender.stop();
        });

        tokio::select! {
            () = signals.next() => info!("asked to stop; draining"),
            () = stop.stopped() => {}
        }
        stop_sender.stop();
        wind_down(signals, &quit, &tasks).await
    }
}

/// Waits for `quit`, when what was under way is done, and then a while for the tasks to end. A second
/// signal cuts that short.
async fn wind_down(mut signals: Signals, quit: &Stop, tasks: &Tasks) -> Ended {
    let ended = async {
        quit.stopped().await;
        tokio::time::timeout(LEFTOVERS, tasks.finished()).await
    };
    tokio::select! {
        ended = ended => if ended.is_err() {
            debug!("what nobody waits for any more is left unfinished");
        },
        () = signals.next() => {
            warn!("asked to stop again; ending at once");
            return Ended::Cut;
        }
    }
    match tasks.failure() {
        Some(_) => Ended::Failed,
        None => {
            info!("stopped");
            Ended::Stopped
        }
    }
}

/// Starts who keeps the serving certificate and the kubelets' pins, and who looks for others.
fn start_keepers(
    keeper: Option<SecretKeeper>,
    pins: Option<(Arc<Pins>, Arc<Inventory>)>,
    incumbent: Incumbent,
    tasks: &Tasks,
    quit: &Stop,
) {
    if let Some(keeper) = keeper {
        tasks.spawn_vital("serving-secret", quit.clone(), keeper.run(quit.clone()));
    }
    if let Some((pins, inventory)) = pins {
        let run = pins.run(inventory, quit.clone());
        tasks.spawn_vital("kubelet-pins", quit.clone(), run);
    }
    drop(tasks.spawn_passing("incumbent", incumbent.run(quit.clone())));
}

/// Starts taking over from another replica, once what was on disk is there, and scrapes when that is
/// over; tells when it is.
fn start_scrapes(
    (taker, restored): (Option<Taker>, Option<Restored>),
    scraper: Scraper<KubeletClient>,
    others: Arc<incumbent::Shared>,
    tasks: &Tasks,
    quit: &Stop,
) -> Option<Done> {
    let over = taker.as_ref().map(Taker::done);
    if let Some(taker) = taker {
        let until = quit.clone();
        let take = async move {
            on_disk::over(restored).await;
            taker.run(until).await;
        };
        drop(tasks.spawn_passing("peers", take));
    }
    let (until, may_scrape) = (quit.clone(), replicas::may_scrape(over.clone(), others));
    tasks.spawn_vital("scrape", quit.clone(), async move {
        may_scrape.await;
        scraper.run(until).await;
    });
    over
}

/// Starts the columns' maker and the sinks that receive them.
fn start_columns(
    rollup: Option<Rollup>,
    readers: (Option<Receiving>, Option<Exposed>, Option<Election>),
    (restored, after): (Option<Restored>, Option<Done>),
    tasks: &Tasks,
    quit: &Stop,
) {
    let (sinks, exposed, election) = readers;
    if let Some(election) = election {
        tasks.spawn_vital("election", quit.clone(), election.run(quit.clone()));
    }
    if let Some((exposition, batches)) = exposed {
        let run = exposition.run(batches, quit.clone());
        tasks.spawn_vital("exposition", quit.clone(), run);
    }
    if let Some(rollup) = rollup {
        let until = quit.clone();
        let run = async move {
            on_disk::over(restored).await;
            replicas::over(after).await;
            rollup.run(until).await;
        };
        tasks.spawn_vital("rollup", quit.clone(), run);
    }
    if let Some(Receiving {
        sinks,
        batches,
        leadership,
    }) = sinks
    {
        let batches = match leadership {
            None => batches,
            Some(leadership) => {
                let (sender, led) = mpsc::channel(Sinks::QUEUE);
                let gate = over_time::while_leading(batches, leadership, sender, quit.clone());
                tasks.spawn_vital("columns", quit.clone(), gate);
                led
            }
        };
        let run = sinks.run(batches, tasks.clone(), quit.clone());
        tasks.spawn_vital("sinks", quit.clone(), run);
    }
}

/// Says what was given and does nothing, or something else than where it comes from.
fn tell(notes: &[String], warnings: &[String], inert: &[&str]) {
    for note in notes {
        info!("{note}");
    }
    for warning in warnings {
        warn!("{warning}");
    }
    if !inert.is_empty() {
        let flags = inert.join(", --");
        warn!("without effect here: --{flags}");
    }
}
