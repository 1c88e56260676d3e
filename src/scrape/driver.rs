//! The one task that keeps all schedules.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep_until};

use super::connections::Connections;
use super::metrics::Metrics;
use super::node::{ScrapedNode, State};
use super::queue::{Place, Queue};
use super::report::{Failure, Report};
use super::schedule::{Pace, Phase};
use super::worker::{Attempt, Worker};
use super::{Config, KubeletMetricsGetter, ScrapeHealth};
use crate::domain::{Inventory, InventoryChange, NodeName, NodeRecord, PodPhase};
use crate::lifecycle::Stop;

/// All nodes that are asked, the queue they wait in, and the attempts under way.
pub(super) struct Driver<G: KubeletMetricsGetter> {
    config: Config,
    worker: Arc<Worker<G>>,
    inventory: Arc<Inventory>,
    metrics: Metrics,
    health: ScrapeHealth,
    connections: Arc<Connections<G::Connection>>,
    nodes: HashMap<NodeName, ScrapedNode<G::Connection>>,
    queue: Queue,
    /// The attempts, and one that never ends: when all have been polled at once, `FuturesUnordered`
    /// wakes its own task to let others have their turn, and tokio another thread to help. With one
    /// that is never woken it does not come to that.
    under_way: FuturesUnordered<UnderWay<G::Connection>>,
    slow_under_way: usize,
}

type UnderWay<C> = BoxFuture<'static, (NodeName, Option<Attempt<C>>)>;

/// An attempt that took longer than this puts its node among the slow ones.
const SLOW: Duration = Duration::from_secs(2);

/// The most nodes asked at one wake-up of which only the first is due: with a thousand nodes nearly
/// all whose moments lie in one second. A wake-up finds the caches cold, so groups of eight took
/// half as much CPU again. Each holds a buffer while it answers.
const COMPANY: usize = 64;

/// How many notices are taken at once before attempts have their turn again.
const NOTICES_AT_ONCE: usize = 4096;

impl<G: KubeletMetricsGetter> Driver<G> {
    pub(super) fn new(
        config: Config,
        worker: Arc<Worker<G>>,
        inventory: Arc<Inventory>,
        metrics: Metrics,
        health: ScrapeHealth,
    ) -> Self {
        let under_way = FuturesUnordered::new();
        under_way.push(pending().boxed());
        Self {
            config,
            worker,
            inventory,
            metrics,
            health,
            connections: Arc::default(),
            nodes: HashMap::new(),
            queue: Queue::default(),
            under_way,
            slow_under_way: 0,
        }
    }

    /// The connections of the nodes that are asked.
    pub(super) fn connections(&self) -> Arc<Connections<G::Connection>> {
        Arc::clone(&self.connections)
    }

    pub(super) async fn run(mut self, stop: Stop) {
        let mut changes = self.inventory.changes();
        self.read_nodes();
        self.hurry_for_unmeasured();
        let mut stopped = pin!(stop.stopped());
        let mut wake = pin!(sleep_until(Instant::now()));
        loop {
            self.health.passed();
            self.start_due();
            let wake_at = self.wake_at();
            // Setting a timer earlier than all others wakes the thread that waits for them.
            if wake.deadline() != wake_at {
                wake.as_mut().reset(wake_at);
            }
            tokio::select! {
                () = &mut stopped => return,
                change = changes.recv() => self.changed(change, &mut changes),
                Some((node, attempt)) = self.under_way.next() => self.ended_all(&node, attempt),
                () = &mut wake => {}
            }
        }
    }

    /// When there is something to do, at the latest some time before the health check would miss
    /// us.
    fn wake_at(&self) -> Instant {
        let look_again = Instant::now() + self.config.resolution / 2;
        if self.attempts() >= self.config.concurrency {
            return look_again;
        }
        let due = self.queue.next_due(self.has_room_for_slow());
        due.map_or(look_again, |due| due.min(look_again))
    }

    /// How many are under way.
    fn attempts(&self) -> usize {
        self.under_way.len() - 1
    }

    fn has_room_for_slow(&self) -> bool {
        self.slow_under_way < (self.config.concurrency / 2).max(1)
    }

    /// Starts who is due, and with the first of them a few who soon will be: one wake-up and warm
    /// caches for all of them.
    fn start_due(&mut self) {
        let now = Instant::now();
        let mut together = 0;
        while self.attempts() < self.config.concurrency.max(1) {
            let with_slow = self.has_room_for_slow();
            let company = (1..COMPANY).contains(&together);
            let next = self.queue.pop_due(now, with_slow).or_else(|| {
                let queue = &mut self.queue;
                company.then(|| queue.pop_early(now)).flatten()
            });
            let Some((name, place)) = next else {
                return;
            };
            self.start(name, place, now);
            together += usize::from(place.has_company());
        }
    }

    fn start(&mut self, name: NodeName, place: Place, now: Instant) {
        let Some(node) = self.nodes.get_mut(&name) else {
            return;
        };
        let asked = State::Asked { place, gone: false };
        let connection = match std::mem::replace(&mut node.state, asked) {
            State::Waiting(connection, _) => connection,
            State::Asked { .. } => G::Connection::default(),
        };
        node.pace.started(now, place.due);
        self.slow_under_way += usize::from(place.slow);
        let (worker, record) = (Arc::clone(&self.worker), Arc::clone(&node.record));
        let attempt = async move {
            // A fault of ours in one attempt must not end the schedules of all nodes.
            let attempt = AssertUnwindSafe(worker.attempt(&record, connection)).catch_unwind();
            (name, attempt.await.ok())
        };
        self.under_way.push(attempt.boxed());
    }

    /// Takes all attempts that have ended by now, of which `node`'s is the first.
    fn ended_all(&mut self, node: &NodeName, attempt: Option<Attempt<G::Connection>>) {
        self.ended(node, attempt);
        while let Some(Some((node, attempt))) = self.under_way.next().now_or_never() {
            self.ended(&node, attempt);
        }
    }

    /// Takes what an attempt brought and sets the node's next time. `None` is an attempt that
    /// panicked.
    fn ended(&mut self, name: &NodeName, attempt: Option<Attempt<G::Connection>>) {
        let Some(node) = self.nodes.get_mut(name) else {
            return;
        };
        let State::Asked { place, gone } = node.state else {
            return;
        };
        self.slow_under_way -= usize::from(place.slow);
        if gone {
            self.forget(name);
            return;
        }
        let now = Instant::now();
        self.metrics
            .ticked(now.saturating_duration_since(place.due));
        let wall = self.worker.clock.now();
        let (connection, slow, progress) = match attempt {
            Some(attempt) => {
                node.metrics.requested(attempt.at, attempt.took);
                let progress = match attempt.outcome {
                    Ok(answer) => {
                        self.metrics.succeeded(answer.skipped_lines);
                        node.report.succeeded(&node.record, wall);
                        Some(answer.progress)
                    }
                    Err(error) => {
                        let failure = Failure::Kubelet(error);
                        self.metrics.failed(failure.cause());
                        node.report.failed(&node.record, wall, &failure);
                        None
                    }
                };
                (attempt.connection, attempt.took > SLOW, progress)
            }
            None => {
                self.metrics.failed(Failure::Lost.cause());
                node.report.failed(&node.record, wall, &Failure::Lost);
                (self.connections.add(name), false, None)
            }
        };
        self.health.set(name, node.report.health().clone());
        let due = node.pace.finished(now, wall, progress);
        let place = Place {
            due,
            slow,
            early: node.pace.company_from(due),
        };
        node.state = State::Waiting(connection, place);
        self.queue.insert(name.clone(), place);
    }

    /// Takes a notice and all that wait behind it.
    fn changed(
        &mut self,
        first: Result<InventoryChange, broadcast::error::RecvError>,
        changes: &mut broadcast::Receiver<InventoryChange>,
    ) {
        let mut reread = false;
        let mut take = |this: &mut Self, change| match change {
            InventoryChange::Nodes => reread = true,
            InventoryChange::PodRunning(node) => this.pod_running(&node),
        };
        let mut lagged = false;
        match first {
            Ok(change) => take(self, change),
            Err(_) => lagged = true,
        }
        for _ in 0..NOTICES_AT_ONCE {
            match changes.try_recv() {
                Ok(change) => take(self, change),
                Err(broadcast::error::TryRecvError::Lagged(_)) => lagged = true,
                Err(_) => break,
            }
        }
        // Which pods turned running was lost with the notices: the regular scrapes will find them.
        if reread || lagged {
            self.read_nodes();
        }
    }

    fn pod_running(&mut self, name: &NodeName) {
        if let Some(node) = self.nodes.get_mut(name) {
            let due = node.pace.pod_running(Instant::now());
            self.advance(name, due);
        }
    }

    /// Where another replica handed its numbers over, pods it had none of turned running just now,
    /// as far as we know.
    fn hurry_for_unmeasured(&mut self) {
        if self.worker.live.nodes().is_empty() {
            return;
        }
        let view = self.worker.live.pods(None);
        for pod in self.inventory.pods() {
            let (namespace, name) = (pod.key.namespace.as_str(), pod.key.name.as_str());
            if let Some(node) = &pod.node
                && pod.phase == PodPhase::Running
                && view.get(namespace, name).is_none()
            {
                self.pod_running(node);
            }
        }
    }

    /// Moves a waiting node forward in the queue.
    fn advance(&mut self, name: &NodeName, due: Instant) {
        let Some(node) = self.nodes.get_mut(name) else {
            return;
        };
        if let State::Waiting(_, place) = &mut node.state
            && due < place.due
        {
            self.queue.remove(name, *place);
            place.due = due;
            place.early = due;
            self.queue.insert(name.clone(), *place);
        }
    }

    /// Makes the schedules those of the nodes that are there and selected.
    fn read_nodes(&mut self) {
        let records = self.inventory.nodes();
        let selects = Arc::clone(&self.config.selects);
        let wanted: HashMap<NodeName, Arc<NodeRecord>> = records
            .into_iter()
            .filter(|record| selects(record))
            .map(|record| (record.name.clone(), record))
            .collect();
        let gone = self.nodes.keys().filter(|name| !wanted.contains_key(*name));
        for name in gone.cloned().collect::<Vec<_>>() {
            self.leave(&name);
        }
        let now = Instant::now();
        for (name, record) in wanted {
            self.keep(name, record, now);
        }
    }

    fn keep(&mut self, name: NodeName, record: Arc<NodeRecord>, now: Instant) {
        match self.nodes.entry(name.clone()) {
            Entry::Vacant(vacant) => {
                let phase = Phase::of(&name, self.config.resolution);
                // Another replica may have handed its numbers over.
                let (pace, due) = if self.worker.live.is_measured(&name) {
                    let wait = phase.wait(self.worker.clock.now());
                    (Pace::going_on(phase), now + wait)
                } else {
                    (Pace::new(phase), now)
                };
                let place = Place {
                    due,
                    slow: false,
                    early: due,
                };
                let connection = self.connections.add(&name);
                vacant.insert(ScrapedNode {
                    pace,
                    report: Report::default(),
                    metrics: self.metrics.node(&name),
                    state: State::Waiting(connection, place),
                    record,
                });
                self.health.set(&name, super::NodeHealth::default());
                self.queue.insert(name, place);
            }
            Entry::Occupied(mut occupied) => {
                let node = occupied.get_mut();
                if let State::Asked { gone, .. } = &mut node.state {
                    *gone = false;
                }
                if !Arc::ptr_eq(&node.record, &record) && node.update(record) {
                    let due = node.pace.hurry(now);
                    self.advance(&name, due);
                }
            }
        }
    }

    /// The node left, or is not selected any more.
    fn leave(&mut self, name: &NodeName) {
        match self.nodes.get_mut(name).map(|node| &mut node.state) {
            Some(State::Asked { gone, .. }) => {
                *gone = true;
                self.worker.live.forget(name);
            }
            Some(State::Waiting(_, place)) => {
                let place = *place;
                self.queue.remove(name, place);
                self.forget(name);
            }
            None => {}
        }
    }

    fn forget(&mut self, name: &NodeName) {
        self.nodes.remove(name);
        self.connections.forget(name);
        self.worker.live.forget(name);
        self.metrics.forget(name);
        self.health.forget(name);
    }
}

impl<G: KubeletMetricsGetter> fmt::Debug for Driver<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("config", &self.config)
            .field("nodes", &self.nodes.len())
            .field("under_way", &self.under_way.len())
            .finish_non_exhaustive()
    }
}
