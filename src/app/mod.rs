//! Wiring: the one place that knows every room.
//!
//! [`bind`] reads the files that flags name and takes the port, so whatever is wrong with them is
//! told before anything runs. [`Bound::run`] starts the rooms and ends them in order. The API
//! server may be away at either.

mod over_time;
mod readiness;
mod settings;
mod signals;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::{OptionFuture, join};
use tracing::{debug, info, warn};

use crate::api::Api;
use crate::auth::{self, Authentication, Authorization, KubeReviews, LiveTrust, TrustLookup};
use crate::cluster::{self, Cluster, Credentials};
use crate::config::Settings;
use crate::domain::{Clock, Inventory, SystemClock};
use crate::heapster::RouteTable;
use crate::kubelet::KubeletClient;
use crate::lifecycle::{Health, Stop, StopSender, Tasks};
use crate::live::{self, Live};
use crate::rollup::Rollup;
use crate::scrape::Scraper;
use crate::server::{self, Route, SecretKeeper, Server, ServingCertificate};
use crate::telemetry::Registry;
use over_time::{OpenPort, OverTime, Receiving};

pub use signals::Signals;

/// Everything wired together, with the ports taken and nothing running yet.
#[derive(Debug)]
pub struct Bound {
    server: server::Bound,
    heapster: Option<server::Bound>,
    cluster: Cluster,
    scraper: Scraper<KubeletClient>,
    keeper: Option<SecretKeeper>,
    rollup: Option<Rollup>,
    sinks: Option<Receiving>,
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

/// What every room is built with.
struct Ground {
    clock: Arc<dyn Clock>,
    tasks: Tasks,
    stop: (StopSender, Stop),
    registry: Registry,
    health: Health,
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
    tell(&settings);
    let (client, credentials) = cluster::connect(settings.api_server.clone()).await?;
    let inventory = Arc::new(Inventory::new());
    let registry = &mut ground.registry;
    let mut cluster = Cluster::new(&client, Arc::clone(&inventory), &ground.clock, registry);
    if let Some(annotation) = &settings.rollup.host_id_annotation {
        cluster = cluster.with_host_id_annotation(annotation.as_str());
    }
    let config = live::Config {
        resolution: settings.scrape.resolution,
    };
    let clock = Arc::clone(&ground.clock);
    let live = Arc::new(Live::new(config, Arc::clone(&inventory), clock, registry));
    let scraper = ground
        .scraper(&settings, &credentials, &inventory, &live)
        .await?;
    let trust = LiveTrust::new(settings::trust(&settings.authentication))
        .context("--client-ca-file or --requestheader-client-ca-file")?;
    let lookup = ground.lookup(&settings, &trust, &client).await?;

    readiness::add_checks(&ground.health, &ground.clock, &cluster, &live, &scraper);
    let tolerate = settings.authentication.tolerate_lookup_failure;
    ground.health.add(lookup.check(tolerate));
    ground
        .health
        .add(server::shutdown_check(ground.stop.1.clone()));

    let (clock, registry) = (&ground.clock, &mut ground.registry);
    let over_time = OverTime::new(&settings, &live, &inventory, clock, registry)?;
    let api = ground.api(live, inventory);
    let reviews = ground.reviews(&settings, trust, &client).await?;
    let (tasks, stop) = (ground.tasks.clone(), ground.stop.clone());
    let reached = ground.servers(&settings, &api, &over_time, reviews, &client);
    let (server, heapster, keeper) = reached.await?;
    let (heapster, guests) = heapster.map(|open| (open.server, open.trust)).unzip();
    Ok(Bound {
        server,
        heapster,
        cluster,
        scraper,
        keeper,
        rollup: over_time.rollup,
        sinks: over_time.sinks,
        trust: [Some(lookup), guests.flatten()]
            .into_iter()
            .flatten()
            .collect(),
        tasks,
        stop,
    })
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
        tasks.spawn_vital("scrape", quit.clone(), self.scraper.run(quit.clone()));
        for trust in self.trust {
            tasks.spawn_vital("trust", quit.clone(), trust.run(quit.clone()));
        }
        if let Some(keeper) = self.keeper {
            tasks.spawn_vital("serving-secret", quit.clone(), keeper.run(quit.clone()));
        }
        start_columns(self.rollup, self.sinks, &tasks, &quit);
        let (server, heapster, until) = (self.server, self.heapster, stop.clone());
        tasks.spawn_vital("server", stop.clone(), async move {
            let heapster = OptionFuture::from(heapster.map(|port| port.run(until.clone())));
            join(server.run(until), heapster).await;
            quit_sender.stop();
        });

        let first = async {
            tokio::select! {
                () = signals.next() => info!("asked to stop; draining"),
                () = stop.stopped() => {}
            }
            stop_sender.stop();
        };
        first.await;
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
}

/// Starts the columns' maker and the sinks that receive them.
fn start_columns(rollup: Option<Rollup>, sinks: Option<Receiving>, tasks: &Tasks, quit: &Stop) {
    if let Some(rollup) = rollup {
        let until = quit.clone();
        let run = async move { rollup.run(until).await };
        tasks.spawn_vital("rollup", quit.clone(), run);
    }
    if let Some((sinks, batches)) = sinks {
        let run = sinks.run(batches, tasks.clone(), quit.clone());
        tasks.spawn_vital("sinks", quit.clone(), run);
    }
}

impl Ground {
    fn new() -> Self {
        let stop = Stop::channel();
        Self {
            clock: Arc::new(SystemClock),
            tasks: Tasks::new(stop.0.clone()),
            stop,
            registry: Registry::default(),
            health: Health::default(),
        }
    }

    async fn scraper(
        &mut self,
        settings: &Settings,
        credentials: &Credentials,
        inventory: &Arc<Inventory>,
        live: &Arc<Live>,
    ) -> Result<Scraper<KubeletClient>> {
        let config = settings::kubelet(settings, credentials)?;
        let getter = KubeletClient::new(config, Arc::clone(&self.clock))
            .await
            .context("cannot set up the kubelet client (see the --kubelet-* flags)")?;
        Ok(Scraper::new(
            settings::scrape(settings),
            getter,
            Arc::clone(inventory),
            Arc::clone(live),
            Arc::clone(&self.clock),
            self.tasks.clone(),
            &mut self.registry,
        ))
    }

    fn api(&mut self, live: Arc<Live>, inventory: Arc<Inventory>) -> Arc<Api> {
        let commits = live.commits();
        let source = Arc::new(move || live.view());
        let (clock, release) = (Arc::clone(&self.clock), env!("CARGO_PKG_VERSION"));
        let api = Api::new(
            source,
            commits,
            inventory,
            clock,
            release,
            &mut self.registry,
        );
        Arc::new(api)
    }

    async fn lookup(
        &self,
        settings: &Settings,
        trust: &Arc<LiveTrust>,
        client: &kube::Client,
    ) -> Result<TrustLookup> {
        if settings.authentication.skip_lookup {
            return Ok(TrustLookup::new(Arc::clone(trust), None, &self.clock));
        }
        let client = client_for(&settings.authentication.kubeconfig, client).await?;
        Ok(TrustLookup::new(
            Arc::clone(trust),
            Some(client),
            &self.clock,
        ))
    }

    async fn reviews(
        &mut self,
        settings: &Settings,
        trust: Arc<LiveTrust>,
        client: &kube::Client,
    ) -> Result<(Authentication, Authorization)> {
        let config = settings::auth(settings)?;
        let metrics = auth::Metrics::register(&mut self.registry);
        let tokens = client_for(&settings.authentication.kubeconfig, client).await?;
        let access = client_for(&settings.authorization.kubeconfig, client).await?;
        let authentication = Authentication::new(
            &config,
            trust,
            Arc::new(KubeReviews::new(tokens)),
            Arc::clone(&self.clock),
            self.tasks.clone(),
            Arc::clone(&metrics),
        );
        let authorization = Authorization::new(
            &config,
            Arc::new(KubeReviews::new(access)),
            Arc::clone(&self.clock),
            self.tasks.clone(),
            metrics,
        );
        Ok((authentication, authorization))
    }

    /// Takes the secure port, and Heapster's if it is asked for.
    async fn servers(
        mut self,
        settings: &Settings,
        api: &Arc<Api>,
        over_time: &OverTime,
        reviews: (Authentication, Authorization),
        client: &kube::Client,
    ) -> Result<(server::Bound, Option<OpenPort>, Option<SecretKeeper>)> {
        let config = settings::server(settings)?;
        let keeper = self.keeper_parts(settings, &config);
        let metrics = server::Metrics::register(&mut self.registry);
        let registry = Arc::new(self.registry);
        let heapster = match &settings.heapster.port {
            None => None,
            Some(port) => {
                let deps = server::OpenDeps {
                    handler: over_time::handler(&over_time.heapster, RouteTable::HeapsterPort),
                    registry: Arc::clone(&registry),
                    metrics: Arc::clone(&metrics),
                    clock: Arc::clone(&self.clock),
                    tasks: self.tasks.clone(),
                };
                Some(OpenPort::bind(port, settings, deps).await?)
            }
        };
        let mut routes = routes(api);
        routes.extend(over_time::routes(over_time));
        let deps = server::Deps {
            authentication: Arc::new(reviews.0),
            authorization: Arc::new(reviews.1),
            routes,
            health: self.health.clone(),
            registry,
            metrics,
            clock: Arc::clone(&self.clock),
            tasks: self.tasks,
        };
        let server = Server::bind(config, deps).await?;
        let keeper = keeper.and_then(|(config, metrics)| {
            SecretKeeper::new(config, client, &server, self.clock, metrics)
        });
        if let Some(keeper) = &keeper {
            self.health.add(keeper.check());
        }
        Ok((server, heapster, keeper))
    }

    /// What keeps the serving certificate in a Secret is made of, unless it comes from elsewhere.
    fn keeper_parts(
        &mut self,
        settings: &Settings,
        config: &server::Config,
    ) -> Option<(server::KeeperConfig, Arc<server::KeeperMetrics>)> {
        let keeper = settings::keeper(&settings.serving, &config.certificate)
            .map(|config| (config, server::KeeperMetrics::register(&mut self.registry)));
        if keeper.is_none() && matches!(config.certificate, ServingCertificate::SelfSigned { .. }) {
            warn!(
                "the serving certificate is one made in memory, which nobody can verify; give --tls-cert-file and --tls-private-key-file, or --serving-secret"
            );
        }
        keeper
    }
}

/// Says what was given and does nothing, or something else than where it comes from.
fn tell(settings: &Settings) {
    for note in &settings.notes {
        info!("{note}");
    }
    if !settings.inert.is_empty() {
        let flags = settings.inert.join(", --");
        warn!("without effect here: --{flags}");
    }
}

fn routes(api: &Arc<Api>) -> Vec<Route> {
    let route = |prefix: &str| {
        let api = Arc::clone(api);
        let below = |path: &String| path.starts_with(prefix);
        Route {
            prefix: prefix.to_owned(),
            index: Api::paths().into_iter().filter(below).collect(),
            also: None,
            handler: Arc::new(move |info, parts| api.respond(info, parts)),
        }
    };
    vec![route("/apis"), route("/openapi")]
}

/// The client a flag of its own names, or the one for everything.
async fn client_for(
    kubeconfig: &Option<std::path::PathBuf>,
    client: &kube::Client,
) -> Result<kube::Client> {
    match kubeconfig {
        Some(path) => Ok(cluster::connect(cluster::Config::kubeconfig(path.clone()))
            .await?
            .0),
        None => Ok(client.clone()),
    }
}
