//! The last two points of every container and node, and the view requests read.
//!
//! Each node's answers are committed alone, the moment they are decoded, by that node's scrapes.
//! Rates are computed there and published as one immutable piece a node. Requests join those pieces
//! with the inventory into a [`View`]; they take no lock that a commit waits for.
//!
//! Whoever keeps numbers over time asks [`Live::measured`] instead: counters as the kubelets gave
//! them, from their summaries where there are any.
//!
//! [`Live::points_of`] and [`Live::take_over`] hand the points of a node from one replica to another.

mod hand_off;
mod join;
mod metrics;
mod node;
mod sample;
mod summaries;
mod track;
mod versions;
mod view;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use parking_lot::{Mutex, MutexGuard, RwLock};
use tokio::sync::watch;

use crate::domain::{
    Clock, Inventory, NodeName, NodeRecord, PodRecord, ResourceReading, Timestamp,
};
use crate::lifecycle::in_parts;
use crate::telemetry::Registry;

use join::Samples;
use metrics::Metrics;
use node::{Arrival, NodeLives};
use sample::NodeSample;
use summaries::Summaries;
use track::Rules;
use view::Piece;

pub use hand_off::{ContainerPoints, LifePoints, NodePoints, OlderPoint};
pub use node::Commit;
pub use summaries::{MeasuredNode, Source};
pub use versions::{Entry, Versions};
pub use view::{NodeView, PodView, View};

/// How this room works.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The time between two regular scrapes of a node.
    pub resolution: Duration,
}

/// The newest numbers of every node and container.
#[derive(Debug)]
pub struct Live {
    rules: Rules,
    clock: Arc<dyn Clock>,
    inventory: Arc<Inventory>,
    nodes: RwLock<HashMap<NodeName, Arc<Slot>>>,
    summaries: Summaries,
    commits: watch::Sender<u64>,
    /// Numbers samples, so that one is never taken for another.
    samples: AtomicU64,
    node_views: Mutex<Cached<NodeView>>,
    pod_views: Mutex<Cached<PodView>>,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct Slot {
    lives: Mutex<NodeLives>,
    published: ArcSwapOption<NodeSample>,
}

/// The newest view, and when its pieces were joined.
#[derive(Debug)]
struct Cached<E> {
    view: Arc<View<E>>,
    whole: Option<Instant>,
    /// Namespaces that were joined by themselves less than [`VIEW_REUSED`] ago.
    namespaces: HashMap<String, Instant>,
}

/// How far the first numbers have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FirstNumbers {
    /// A container has a number.
    pub any: bool,
    /// Of every node that answered, all containers had numbers once but those that had just begun.
    /// Their stamps move with each answer, so this takes two.
    pub pods: bool,
    /// Every node that answered has a number of its own. A kubelet's stamp of its node moves every
    /// 10 s only.
    pub nodes: bool,
}

/// How long one view serves all who ask. Joining 150,000 pods takes some 50 ms: ten times a second
/// is the most it may cost, and no reader of a 15 s number can tell. Who asks for one namespace, as
/// autoscalers do, costs and waits for the join of that one alone.
const VIEW_REUSED: Duration = Duration::from_millis(100);

/// Fewer pods are joined by one thread, in a millisecond or two: another costs a tenth of that.
const JOINED_BY_ONE: usize = 3000;

impl Live {
    /// An empty store whose views are joined with `inventory`.
    pub fn new(
        config: Config,
        inventory: Arc<Inventory>,
        clock: Arc<dyn Clock>,
        registry: &mut Registry,
    ) -> Self {
        let (version, now) = (first_version(clock.as_ref()), clock.now());
        Self {
            rules: Rules::new(config.resolution),
            clock,
            inventory,
            nodes: RwLock::default(),
            summaries: Summaries::default(),
            commits: watch::Sender::default(),
            samples: AtomicU64::default(),
            node_views: Mutex::new(Cached::new(View::new(version, now, vec![]))),
            pod_views: Mutex::new(Cached::new(View::new(version, now, vec![]))),
            metrics: Metrics::register(registry),
        }
    }

    /// Takes one good answer of a node's kubelet. What it brings can be read as soon as this
    /// returns.
    pub fn commit(&self, node: &NodeRecord, reading: &ResourceReading<'_>) -> Commit {
        loop {
            let slot = self.slot(&node.name);
            let lives = slot.lives.lock();
            // Forgotten while we waited for our turn: what is written there nobody would see.
            if self.keeps(&node.name, &slot) {
                return self.commit_to(&slot, lives, node, reading);
            }
        }
    }

    fn commit_to(
        &self,
        slot: &Slot,
        mut lives: MutexGuard<'_, NodeLives>,
        node: &NodeRecord,
        reading: &ResourceReading<'_>,
    ) -> Commit {
        let arrival = Arrival {
            received: self.clock.monotonic(),
            capacity: node.cpu_capacity,
            rules: &self.rules,
            inventory: &self.inventory,
        };
        let commit = lives.commit(reading, &arrival);
        let number = self.samples.fetch_add(1, Ordering::Relaxed);
        let sample = Arc::new(lives.sample(number));
        let before = slot.published.swap(Some(Arc::clone(&sample)));
        self.metrics.replaced(before.as_deref(), Some(&sample));
        self.metrics.committed(&commit);
        self.commits.send_modify(|commits| *commits += 1);
        commit
    }

    /// Forgets a node that left the cluster, and all that ran on it.
    pub fn forget(&self, node: &NodeName) {
        let removed = self.nodes.write().remove(node);
        if let Some(slot) = removed {
            // A commit under way ends first, so that the gauges lose what it added.
            let _lives = slot.lives.lock();
            let before = slot.published.swap(None);
            self.metrics.replaced(before.as_deref(), None);
        }
    }

    /// Every node that can be served now, at most 100 ms old. Concurrent callers share one view.
    #[must_use]
    pub fn nodes(&self) -> Arc<View<NodeView>> {
        let mut cached = self.node_views.lock();
        let now = self.clock.monotonic();
        if !cached.is_new(None, now) {
            let nodes = join::nodes(self.inventory.nodes(), &self.samples(), &self.rules, now);
            let pieces = nodes.into_iter().collect();
            let view = cached.view.followed_by(pieces, self.clock.now());
            cached.keep(view, None, now);
        }
        Arc::clone(&cached.view)
    }

    /// Every pod that can be served now, at most 100 ms old. With a namespace only what it shows of
    /// that one is, and only that is joined. Concurrent callers share one view.
    #[must_use]
    pub fn pods(&self, namespace: Option<&str>) -> Arc<View<PodView>> {
        let mut cached = self.pod_views.lock();
        let now = self.clock.monotonic();
        if !cached.is_new(namespace, now) {
            let (before, at) = (&cached.view, self.clock.now());
            let view = match namespace {
                None => before.followed_by(self.join_pods(now, before), at),
                Some(namespace) => {
                    let records = self.inventory.pods_of(namespace);
                    let samples = self.samples_for(&records);
                    let piece = before.piece_of(namespace);
                    let piece = join::pods(records.iter(), &samples, &self.rules, now, piece);
                    before.with(namespace, piece, at)
                }
            };
            cached.keep(view, namespace, now);
        }
        Arc::clone(&cached.view)
    }

    /// When the numbers of this node that can be served now were measured, by its kubelet's clock.
    #[must_use]
    pub fn node_sampled(&self, node: &NodeName) -> Option<Timestamp> {
        let now = self.clock.monotonic();
        let nodes = self.nodes.read();
        let published = nodes.get(node)?.published.load();
        let measured = published.as_ref()?.node?;
        let fresh = self.rules.is_fresh(measured.received, now);
        fresh.then_some(measured.usage.timestamp)
    }

    /// Counts commits: wakes whoever waits for new numbers.
    #[must_use]
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }

    /// How far the first numbers have come. A node that never answered is left out: nobody knows
    /// whether it ever will.
    #[must_use]
    pub fn first_numbers(&self) -> FirstNumbers {
        let (nodes, containers) = self.metrics.points();
        let slots = self.nodes.read();
        let answered = || slots.values().filter_map(|slot| slot.published.load_full());
        FirstNumbers {
            any: containers > 0,
            pods: containers > 0 && answered().all(|sample| sample.pods_settled),
            nodes: nodes > 0 && answered().all(|sample| sample.node.is_some()),
        }
    }

    fn join_pods(&self, now: Instant, before: &View<PodView>) -> Vec<Piece<PodView>> {
        let namespaces = self.inventory.namespaces_of_pods();
        let samples = self.samples();
        let records: Vec<_> = namespaces.iter().flat_map(|pods| pods.iter()).collect();
        let joined = in_parts(
            &records,
            JOINED_BY_ONE,
            Vec::new(),
            |mut pieces, records| {
                for records in records.chunk_by(|a, b| a.key.namespace == b.key.namespace) {
                    let first = records.first();
                    let namespace = first.map_or("", |pod| pod.key.namespace.as_str());
                    let before = before.piece_of(namespace);
                    let records = records.iter().copied();
                    pieces.extend(join::pods(records, &samples, &self.rules, now, before));
                }
                pieces
            },
        );
        Piece::whole(joined.into_iter().flatten())
    }

    fn samples(&self) -> Samples {
        let nodes = self.nodes.read();
        let published = nodes
            .iter()
            .filter_map(|(name, slot)| Some((name.clone(), slot.published.load_full()?)));
        published.collect()
    }

    /// The samples of the nodes these pods are on.
    fn samples_for(&self, pods: &[Arc<PodRecord>]) -> Samples {
        let nodes = self.nodes.read();
        let mut samples = Samples::new();
        for name in pods.iter().filter_map(|pod| pod.node.as_ref()) {
            if !samples.contains_key(name)
                && let Some(sample) = nodes.get(name).and_then(|slot| slot.published.load_full())
            {
                samples.insert(name.clone(), sample);
            }
        }
        samples
    }

    fn keeps(&self, node: &NodeName, slot: &Arc<Slot>) -> bool {
        let nodes = self.nodes.read();
        nodes.get(node).is_some_and(|kept| Arc::ptr_eq(kept, slot))
    }

    fn slot(&self, node: &NodeName) -> Arc<Slot> {
        if let Some(slot) = self.nodes.read().get(node) {
            return Arc::clone(slot);
        }
        Arc::clone(self.nodes.write().entry(node.clone()).or_default())
    }
}

impl<E> Cached<E> {
    fn new(view: View<E>) -> Self {
        Self {
            view: Arc::new(view),
            whole: None,
            namespaces: HashMap::new(),
        }
    }

    /// Whether what is asked for was joined so recently that it is still good.
    fn is_new(&self, namespace: Option<&str>, now: Instant) -> bool {
        let alone = namespace.and_then(|namespace| self.namespaces.get(namespace));
        [self.whole.as_ref(), alone]
            .into_iter()
            .flatten()
            .any(|joined| is_new(*joined, now))
    }

    /// What is asked for next is joined anew.
    fn expire(&mut self) {
        self.whole = None;
        self.namespaces.clear();
    }

    fn keep(&mut self, view: View<E>, namespace: Option<&str>, now: Instant) {
        self.view = Arc::new(view);
        match namespace {
            None => {
                self.whole = Some(now);
                self.namespaces.clear();
            }
            Some(namespace) => {
                self.namespaces.retain(|_, joined| is_new(*joined, now));
                self.namespaces.insert(namespace.to_owned(), now);
            }
        }
    }
}

fn is_new(joined: Instant, now: Instant) -> bool {
    now.saturating_duration_since(joined) < VIEW_REUSED
}

/// Where a process begins to count its changes: microseconds since the epoch. A cluster would have
/// to change a million times a second, which takes more than ten million containers, for a process
/// to reach the beginning of one started after it. So a version of another process is told from our
/// own.
fn first_version(clock: &dyn Clock) -> u64 {
    u64::try_from(clock.now().as_millis()).unwrap_or(0) * 1000
}
