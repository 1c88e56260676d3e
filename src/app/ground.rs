//! How each room is built from its part of the settings.

use std::sync::Arc;

use anyhow::{Context, Result};
use tracing::warn;

use super::over_time::{self, OpenPort, OverTime};
use super::replicas::Replicas;
use super::settings;
use crate::api::Api;
use crate::auth::{self, Authentication, Authorization, KubeReviews, LiveTrust, TrustLookup};
use crate::cluster::{self, Cluster};
use crate::config::Settings;
use crate::coverage::{Coverage, Sources};
use crate::domain::{Clock, Inventory, SystemClock};
use crate::heapster::RouteTable;
use crate::kubelet::{self, KubeletClient};
use crate::lifecycle::{Health, Stop, StopSender, Tasks};
use crate::live::{self, Live};
use crate::scrape::Scraper;
use crate::server::{self, Route, SecretKeeper, Server, ServingCertificate};
use crate::telemetry::Registry;

/// What every room is built with.
pub(super) struct Ground {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tasks: Tasks,
    pub(super) stop: (StopSender, Stop),
    pub(super) registry: Registry,
    pub(super) health: Health,
}

impl Ground {
    pub(super) fn new() -> Self {
        let stop = Stop::channel();
        Self {
            clock: Arc::new(SystemClock),
            tasks: Tasks::new(stop.0.clone()),
            stop,
            registry: Registry::default(),
            health: Health::default(),
        }
    }

    pub(super) fn cluster(
        &mut self,
        settings: &Settings,
        client: &kube::Client,
        inventory: &Arc<Inventory>,
    ) -> Cluster {
        let (inventory, registry) = (Arc::clone(inventory), &mut self.registry);
        let cluster = Cluster::new(client, inventory, &self.clock, registry);
        match &settings.rollup.host_id_annotation {
            Some(annotation) => cluster.with_host_id_annotation(annotation.as_str()),
            None => cluster,
        }
    }

    pub(super) fn live(&mut self, settings: &Settings, inventory: &Arc<Inventory>) -> Arc<Live> {
        let config = live::Config {
            resolution: settings.scrape.resolution,
        };
        let (inventory, clock) = (Arc::clone(inventory), Arc::clone(&self.clock));
        Arc::new(Live::new(config, inventory, clock, &mut self.registry))
    }

    pub(super) async fn scraper(
        &mut self,
        settings: &Settings,
        config: kubelet::Config,
        inventory: &Arc<Inventory>,
        live: &Arc<Live>,
    ) -> Result<Scraper<KubeletClient>> {
        let getter = KubeletClient::new(config, Arc::clone(&self.clock))
            .await
            .context("cannot set up the kubelet client (see the --kubelet-* flags)")?;
        Ok(Scraper::new(
            settings::scrape(settings),
            getter,
            Arc::clone(inventory),
            Arc::clone(live),
            Arc::clone(&self.clock),
            &mut self.registry,
        ))
    }

    pub(super) fn coverage(
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
            sample: Arc::new(move |node| live.node_sampled(node)),
            selects: settings::scrape(settings).selects,
        };
        Coverage::new(sources, Arc::clone(&self.clock), &mut self.registry)
    }

    pub(super) fn api(
        &mut self,
        live: Arc<Live>,
        inventory: Arc<Inventory>,
        coverage: Arc<Coverage>,
        settings: &Settings,
    ) -> Arc<Api> {
        let commits = live.commits();
        let (clock, release) = (Arc::clone(&self.clock), env!("CARGO_PKG_VERSION"));
        let api = Api::new(
            live,
            commits,
            inventory,
            coverage,
            clock,
            release,
            &mut self.registry,
        );
        let limit = settings.history.process_limit.of_process();
        let api = api.with_shortest_watch(settings.limits.shortest_watch);
        Arc::new(api.with_memory_limit(limit))
    }

    pub(super) async fn lookup(
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

    pub(super) async fn reviews(
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
    pub(super) async fn servers(
        mut self,
        settings: &Settings,
        api: &Arc<Api>,
        over_time: &OverTime,
        reviews: (Authentication, Authorization),
        client: &kube::Client,
        replicas: Option<&Replicas>,
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
            giver: replicas.map(|replicas| Arc::clone(&replicas.giver)),
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
        let keeper = match (keeper, replicas) {
            (Some(keeper), Some(replicas)) => {
                Some(keeper.introducing(Arc::clone(&replicas.identities)))
            }
            (keeper, _) => keeper,
        };
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
pub(super) async fn client_for(
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
