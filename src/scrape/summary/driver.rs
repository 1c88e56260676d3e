//! The task that asks for summaries.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep_until};

use super::standing::{Standing, Standings};
use super::{Config, Metrics, RETRY, phase};
use crate::domain::{Inventory, InventoryChange, NodeName, NodeRecord};
use crate::kubelet::Error;
use crate::lifecycle::Stop;
use crate::scrape::KubeletMetricsGetter;
use crate::scrape::connections::Connections;
use crate::scrape::schedule::Phase;
use crate::scrape::worker::Worker;

/// All nodes that are asked for summaries, who is due when, and the attempts under way.
pub(in crate::scrape) struct Driver<G: KubeletMetricsGetter> {
    config: Config,
    selects: Arc<dyn Fn(&NodeRecord) -> bool + Send + Sync>,
    worker: Arc<Worker<G>>,
    connections: Arc<Connections<G::Connection>>,
    inventory: Arc<Inventory>,
    metrics: Metrics,
    standings: Standings,
    nodes: HashMap<NodeName, Node>,
    queue: BTreeSet<(Instant, NodeName)>,
    under_way: FuturesUnordered<BoxFuture<'static, (NodeName, Option<Attempt>)>>,
}

struct Node {
    record: Arc<NodeRecord>,
    phase: Phase,
    standing: Standing,
    state: State,
}

/// Whether an attempt is under way.
enum State {
    /// It stands in the queue.
    Waiting(Instant),
    /// An attempt is under way since then. `gone` when the node left meanwhile: what it brings is
    /// dropped again.
    Asked { since: Instant, gone: bool },
}

/// How an attempt ended.
struct Attempt {
    outcome: Result<usize, Error>,
    took: Duration,
}

impl<G: KubeletMetricsGetter> Driver<G> {
    pub(in crate::scrape) fn new(
        config: &crate::scrape::Config,
        worker: Arc<Worker<G>>,
        connections: Arc<Connections<G::Connection>>,
        inventory: Arc<Inventory>,
        metrics: Metrics,
    ) -> Self {
        let resolution = config.summary.resolution.max(Duration::from_secs(1));
        Self {
            config: Config {
                resolution,
                ..config.summary
            },
            selects: Arc::clone(&config.selects),
            worker,
            connections,
            inventory,
            metrics,
            standings: Standings::default(),
            nodes: HashMap::new(),
            queue: BTreeSet::new(),
            under_way: FuturesUnordered::new(),
        }
    }

    /// Asks until `stop`; when summaries are not wanted, waits for it.
    pub(in crate::scrape) async fn run(mut self, stop: Stop) {
        if !self.config.enabled {
            return stop.stopped().await;
        }
        let mut changes = self.inventory.changes();
        self.read_nodes();
        let mut stopped = pin!(stop.stopped());
        let mut wake = pin!(sleep_until(Instant::now()));
        loop {
            self.start_due();
            let wake_at = self.wake_at();
            if wake.deadline() != wake_at {
                wake.as_mut().reset(wake_at);
            }
            tokio::select! {
                () = &mut stopped => return,
                change = changes.recv() => self.changed(change, &mut changes),
                Some((node, attempt)) = self.under_way.next() => self.ended(&node, attempt),
                () = &mut wake => {}
            }
        }
    }

    fn has_room(&self) -> bool {
        self.under_way.len() < self.config.places(self.nodes.len())
    }

    fn wake_at(&self) -> Instant {
        let look_again = Instant::now() + self.config.resolution;
        let due = self.queue.first().filter(|_| self.has_room());
        due.map_or(look_again, |(due, _)| (*due).min(look_again))
    }

    fn start_due(&mut self) {
        let now = Instant::now();
        while self.has_room() && self.queue.first().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, name)) = self.queue.pop_first() {
                self.start(name, now);
            }
        }
    }

    fn start(&mut self, name: NodeName, since: Instant) {
        let Some(node) = self.nodes.get_mut(&name) else {
            return;
        };
        node.state = State::Asked { since, gone: false };
        let (worker, record) = (Arc::clone(&self.worker), Arc::clone(&node.record));
        let (connection, timeout) = (self.connections.lend(&name), self.config.timeout);
        let attempt = async move {
            let began = Instant::now();
            // A fault of ours in one attempt must not end the schedules of all nodes.
            let attempt = worker.summarize(&record, timeout, connection);
            let outcome = AssertUnwindSafe(attempt).catch_unwind().await;
            let took = began.elapsed();
            (name, outcome.ok().map(|outcome| Attempt { outcome, took }))
        };
        self.under_way.push(attempt.boxed());
    }

    /// Takes what an attempt brought and sets the node's next time. `None` is an attempt that
    /// panicked, which was logged.
    fn ended(&mut self, name: &NodeName, attempt: Option<Attempt>) {
        let Some(node) = self.nodes.get_mut(name) else {
            return;
        };
        let State::Asked { since, gone } = node.state else {
            return;
        };
        if gone {
            self.forget(name);
            return;
        }
        let mut over = false;
        match attempt {
            Some(Attempt { outcome, took }) => match outcome {
                Ok(skipped) => {
                    self.metrics.requested("success", took);
                    self.metrics.skipped(skipped);
                    over = self.standings.answered(&node.record, &mut node.standing);
                }
                Err(error) => {
                    self.metrics.requested(error.cause(), took);
                    self.worker.live.drop_summary(name);
                    self.standings
                        .failed(&node.record, &mut node.standing, &error);
                }
            },
            None => {
                self.metrics.requested("internal", since.elapsed());
                self.worker.live.drop_summary(name);
            }
        }
        let due = self.next_due(name, since);
        self.wait(name, due);
        if over {
            self.hurry_refusing();
        }
        self.metrics.falling_back(self.standings.refusing());
    }

    /// The node's next regular moment: not again for the tick it was just asked for, and late if it
    /// refuses.
    fn next_due(&self, name: &NodeName, since: Instant) -> Instant {
        let (now, wall) = (Instant::now(), self.worker.clock.now());
        let Some(node) = self.nodes.get(name) else {
            return now;
        };
        let resolution = self.config.resolution;
        let mut due = now + node.phase.wait(wall);
        if due < since + resolution / 4 {
            due += resolution;
        }
        if node.standing.is_refusal() {
            while due < since + RETRY {
                due += resolution;
            }
        }
        due
    }

    /// Has the nodes that refused asked at their next regular moment.
    fn hurry_refusing(&mut self) {
        let (now, wall) = (Instant::now(), self.worker.clock.now());
        for (name, node) in &mut self.nodes {
            if let State::Waiting(due) = &mut node.state
                && node.standing.is_refusal()
            {
                self.queue.remove(&(*due, name.clone()));
                *due = now + node.phase.wait(wall);
                self.queue.insert((*due, name.clone()));
            }
        }
    }

    fn wait(&mut self, name: &NodeName, due: Instant) {
        if let Some(node) = self.nodes.get_mut(name) {
            node.state = State::Waiting(due);
            self.queue.insert((due, name.clone()));
        }
    }

    /// Takes a notice and all that wait behind it; only those of nodes matter.
    fn changed(
        &mut self,
        first: Result<InventoryChange, broadcast::error::RecvError>,
        changes: &mut broadcast::Receiver<InventoryChange>,
    ) {
        let is_of_nodes = |change| matches!(change, InventoryChange::Nodes);
        let mut reread = first.map_or(true, is_of_nodes);
        // As many as can wait.
        for _ in 0..changes.len() {
            match changes.try_recv() {
                Ok(change) => reread |= is_of_nodes(change),
                Err(broadcast::error::TryRecvError::Lagged(_)) => reread = true,
                Err(_) => break,
            }
        }
        if reread {
            self.read_nodes();
        }
    }

    /// Makes those that are asked the nodes that are there and selected.
    fn read_nodes(&mut self) {
        let records = self.inventory.nodes();
        let selected = records.into_iter().filter(|record| (self.selects)(record));
        let wanted: HashMap<NodeName, Arc<NodeRecord>> = selected
            .map(|record| (record.name.clone(), record))
            .collect();
        let gone = self.nodes.keys().filter(|name| !wanted.contains_key(*name));
        for name in gone.cloned().collect::<Vec<_>>() {
            self.leave(&name);
        }
        for (name, record) in wanted {
            self.keep(name, record);
        }
        self.metrics.falling_back(self.standings.refusing());
    }

    fn keep(&mut self, name: NodeName, record: Arc<NodeRecord>) {
        match self.nodes.entry(name.clone()) {
            Entry::Vacant(vacant) => {
                let phase = phase(&name, self.config.resolution);
                let due = Instant::now() + phase.wait(self.worker.clock.now());
                vacant.insert(Node {
                    record,
                    phase,
                    standing: Standing::default(),
                    state: State::Waiting(due),
                });
                self.queue.insert((due, name));
            }
            Entry::Occupied(mut occupied) => {
                let node = occupied.get_mut();
                if let State::Asked { gone, .. } = &mut node.state {
                    *gone = false;
                }
                node.record = record;
            }
        }
    }

    /// The node left, or is not selected any more.
    fn leave(&mut self, name: &NodeName) {
        match self.nodes.get_mut(name).map(|node| &mut node.state) {
            Some(State::Asked { gone, .. }) => *gone = true,
            Some(State::Waiting(due)) => {
                let due = *due;
                self.queue.remove(&(due, name.clone()));
                self.forget(name);
            }
            None => {}
        }
    }

    fn forget(&mut self, name: &NodeName) {
        if let Some(node) = self.nodes.remove(name) {
            self.standings.forget(node.standing);
        }
        self.worker.live.drop_summary(name);
    }
}

impl<G: KubeletMetricsGetter> fmt::Debug for Driver<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SummaryDriver")
            .field("config", &self.config)
            .field("nodes", &self.nodes.len())
            .field("under_way", &self.under_way.len())
            .finish_non_exhaustive()
    }
}
