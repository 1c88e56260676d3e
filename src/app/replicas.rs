//! How this replica takes over from another one, and hands over to the next.

use std::sync::Arc;

use tracing::warn;

use super::ground::Ground;
use super::incumbent::Shared;
use super::over_time::OverTime;
use super::settings;
use crate::cluster::Cluster;
use crate::config::Settings;
use crate::domain::Inventory;
use crate::live::Live;
use crate::peer::{self, Done, Giver, Identities, Taker};

/// Both sides of the hand-off.
pub(super) struct Replicas {
    pub(super) giver: Arc<Giver>,
    pub(super) taker: Taker,
    pub(super) identities: Arc<Identities>,
}

impl Replicas {
    /// Both sides, when `--peers` names others and there is an authority of our own to know them by.
    pub(super) fn new(
        settings: &Settings,
        ground: &mut Ground,
        (cluster, inventory, live): (&Cluster, &Arc<Inventory>, &Arc<Live>),
        over_time: &OverTime,
    ) -> Option<Self> {
        let config = settings::peers(&settings.serving);
        if config.peers.is_empty() {
            return None;
        }
        if settings::objects(&settings.serving).1.is_none() {
            warn!(
                "--peers is without effect: replicas know each other by the authority in --serving-secret, and there is none"
            );
            return None;
        }
        let metrics = peer::Metrics::register(&mut ground.registry);
        let identities = Identities::new();
        let history = over_time.history.clone();
        let giver = Giver::new(
            Arc::clone(live),
            history.clone(),
            Arc::clone(&identities),
            Arc::clone(&metrics),
        );
        let deps = peer::Deps {
            live: Arc::clone(live),
            history,
            inventory: Arc::clone(inventory),
            synced: synced(cluster),
            selects: settings::scrape(settings).selects,
            identities: Arc::clone(&identities),
            giver: Arc::clone(&giver),
            clock: Arc::clone(&ground.clock),
            tasks: ground.tasks.clone(),
            metrics,
        };
        let taker = Taker::new(config, deps);
        ground.health.add(taker.check());
        Some(Self {
            giver,
            taker,
            identities,
        })
    }
}

/// Tells whether the inventory holds the whole cluster.
pub(super) type Synced = Arc<dyn Fn() -> bool + Send + Sync>;

pub(super) fn synced(cluster: &Cluster) -> Synced {
    let checks = cluster.checks();
    let synced = checks.into_iter().find(|c| c.name() == INVENTORY);
    Arc::new(move || synced.as_ref().is_none_or(|c| c.ask().is_ok()))
}

/// The check that passes once nodes and pods are known.
const INVENTORY: &str = "metric-informer-sync";

/// Returns when nodes may be asked: when the hand-off is over, so that schedules go on from what was
/// taken over, or when nobody answers the API, who could hand over anything. Looking for others
/// takes up to seconds where names are not resolved.
pub(super) async fn may_scrape(done: Option<Done>, incumbent: Arc<Shared>) {
    tokio::select! {
        () = over(done) => {}
        () = incumbent.alone() => {}
    }
}

/// Returns when there is nothing to wait for any more: scrapes and columns begin then, so that they
/// go on from what was taken over.
pub(super) async fn over(done: Option<Done>) {
    if let Some(done) = done {
        done.wait().await;
    }
}
