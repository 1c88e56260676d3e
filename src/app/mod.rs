//! Wiring: the one place that knows every room.
//!
//! [`bind`] reads the files that flags name and takes the port, so whatever is wrong with them is
//! told before anything runs. [`Bound::run`] starts the rooms and ends them in order. The API
//! server may be away at either.

mod asked;
mod readiness;
mod settings;
mod signals;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tracing::{debug, info, warn};

use crate::api::Api;
use crate::auth::{self, Authentication, Authorization, KubeReviews, LiveTrust, TrustLookup};
use crate::cluster::{self, Cluster, Credentials};
use crate::config::Settings;
use crate::coverage::{Announcer, Coverage, Sources};
use crate::domain::{Clock, Inventory, SystemClock};
use crate::kubelet::KubeletClient;
use crate::lifecycle::{Health, Stop, StopSender, Tasks};
use crate::live::{self, Live};
use crate::scrape::Scraper;
use crate::server::{self, Route, SecretKeeper, Server, ServingCertificate};
use crate::telemetry::Registry;

pub use asked::{Outcome, check, explain};
pub use signals::Signals;

/// Everything wired together, with the port taken and nothing running yet.
#[derive(Debug)]
pub struct Bound {
    server: server::Bound,
    cluster: Cluster,
    scraper: Scraper<KubeletClient>,
    trust: TrustLookup,
    keeper: Option<SecretKeeper>,
    announcer: Announcer,
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

/// Builds every room and takes the port.
///
/// # Errors
/// When a file that a flag names cannot be used, there are no credentials for the API server, or
/// the port is taken.
pub async fn bind(settings: Settings) -> Result<Bound> {
    let mut ground = Ground::new();
    if !settings.inert.is_empty() {
        let flags = settings.inert.join(", --");
        warn!("without effect here: --{flags}");
    }
    let (client, credentials) = connect(settings.kubeconfig.clone()).await?;
    let inventory = Arc::new(Inventory::new());
    let registry = &mut ground.registry;
    let cluster = Cluster::new(&client, Arc::clone(&inventory), &ground.clock, registry);
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

    let coverage = ground.coverage(&settings, &inventory, &live, &scraper);
    let (health, clock) = (&ground.health, &ground.clock);
    readiness::add_checks(health, clock, &cluster, &live, &scraper, &coverage);
    let announcer = Announcer::new(Arc::clone(&coverage), &client, Arc::clone(clock));
    let tolerate = settings.authentication.tolerate_lookup_failure;
    ground.health.add(lookup.check(tolerate));
    ground
        .health
        .add(server::shutdown_check(ground.stop.1.clone()));

    let api = ground.api(live, inventory, coverage);
    let reviews = ground.reviews(&settings, trust, &client).await?;
    let (tasks, stop) = (ground.tasks.clone(), ground.stop.clone());
    let (server, keeper) = ground.server(&settings, api, reviews, &client).await?;
    Ok(Bound {
        server,
        cluster,
        scraper,
        trust: lookup,
        keeper,
        announcer,
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
        tasks.spawn_vital("trust", quit.clone(), self.trust.run(quit.clone()));
        if let Some(keeper) = self.keeper {
            tasks.spawn_vital("serving-secret", quit.clone(), keeper.run(quit.clone()));
        }
        tasks.spawn_vital("events", quit.clone(), self.announcer.run(quit.clone()));
        let (server, until) = (self.server, stop.clone());
        tasks.spawn_vital("server", stop.clone(), async move {
            server.run(until).await;
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
            settings::scrape(&settings.scrape),
            getter,
            Arc::clone(inventory),
            Arc::clone(live),
            Arc::clone(&self.clock),
            self.tasks.clone(),
            &mut self.registry,
        ))
    }

    fn coverage(
        &mut self,
        settings: &Settings,
        inventory: &Arc<Inventory>,
        live: &Arc<Live>,
        scraper: &Scraper<KubeletClient>,
    ) -> Arc<Coverage> {
        let live = Arc::clone(live);
        let sources = Sources {
            inventory: Arc::clone(inventory),
            health: scraper.health(),
            view: Arc::new(move || live.view()),
            selects: settings::scrape(&settings.scrape).selects,
        };
        Coverage::new(sources, Arc::clone(&self.clock), &mut self.registry)
    }

    fn api(
        &mut self,
        live: Arc<Live>,
        inventory: Arc<Inventory>,
        coverage: Arc<Coverage>,
    ) -> Arc<Api> {
        let commits = live.commits();
        let source = Arc::new(move || live.view());
        let (clock, release) = (Arc::clone(&self.clock), env!("CARGO_PKG_VERSION"));
        let api = Api::new(
            source,
            commits,
            inventory,
            coverage,
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

    async fn server(
        mut self,
        settings: &Settings,
        api: Arc<Api>,
        reviews: (Authentication, Authorization),
        client: &kube::Client,
    ) -> Result<(server::Bound, Option<SecretKeeper>)> {
        let config = settings::server(settings)?;
        let keeper = settings::keeper(&settings.serving, &config.certificate)
            .map(|config| (config, server::KeeperMetrics::register(&mut self.registry)));
        if keeper.is_none() && matches!(config.certificate, ServingCertificate::SelfSigned { .. }) {
            warn!(
                "the serving certificate is one made in memory, which nobody can verify; give --tls-cert-file and --tls-private-key-file, or --serving-secret"
            );
        }
        let metrics = server::Metrics::register(&mut self.registry);
        let deps = server::Deps {
            authentication: Arc::new(reviews.0),
            authorization: Arc::new(reviews.1),
            routes: routes(&api),
            health: self.health.clone(),
            registry: Arc::new(self.registry),
            metrics,
            clock: Arc::clone(&self.clock),
            tasks: self.tasks,
        };
        let bound = Server::bind(config, deps).await?;
        let keeper = keeper.map(|(config, metrics)| {
            SecretKeeper::new(config, client, &bound, self.clock, metrics)
        });
        if let Some(keeper) = &keeper {
            self.health.add(keeper.check());
        }
        Ok((bound, keeper))
    }
}

fn routes(api: &Arc<Api>) -> Vec<Route> {
    let route = |prefix: &str| {
        let api = Arc::clone(api);
        let below = |path: &String| path.starts_with(prefix);
        Route {
            prefix: prefix.to_owned(),
            index: Api::paths().into_iter().filter(below).collect(),
            handler: Arc::new(move |info, parts| api.respond(info, parts)),
        }
    };
    vec![route("/apis"), route("/openapi")]
}

async fn connect(kubeconfig: Option<std::path::PathBuf>) -> Result<(kube::Client, Credentials)> {
    let config = cluster::Config { kubeconfig };
    Ok(cluster::connect(config).await?)
}

/// The client a flag of its own names, or the one for everything.
async fn client_for(
    kubeconfig: &Option<std::path::PathBuf>,
    client: &kube::Client,
) -> Result<kube::Client> {
    match kubeconfig {
        Some(path) => Ok(connect(Some(path.clone())).await?.0),
        None => Ok(client.clone()),
    }
}
