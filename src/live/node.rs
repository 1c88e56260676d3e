//! The lives on one node, committed answer by answer.

use std::sync::Arc;
use std::time::Instant;

use crate::domain::{
    self, ContainerName, ContainerReading, CounterSample, EntityKey, GaugeSample, Inventory,
    Metric, MetricSet, Namespace, Nanocores, NodeName, NodeReading, PodKey, PodName,
    ResourceReading, Timestamp,
};

use super::sample::{Layout, NodeSample};
use super::summaries::whole_seconds;
use super::track::{Outcome, Point, Rules, Track};

/// Everything known of one node's lives. Written by that node's scrapes alone.
#[derive(Debug, Default)]
pub(super) struct NodeLives {
    pub(super) node: Option<Track>,
    /// Sorted by pod, then container.
    pub(super) containers: Vec<ContainerLife>,
    /// Counts commits, to tell who was in the newest answer.
    pub(super) commit: u64,
    /// There was a whole answer after which every container had a number that had been in one
    /// before.
    pub(super) pods_settled: bool,
    /// Where the containers of the answer before were found, in its order: the next one nearly
    /// always has the same in the same order. Only ever a hint.
    places: Vec<usize>,
    /// What the sample before said who there is; `None` when somebody came or went since.
    layout: Option<Arc<Layout>>,
}

/// One container from its start to its end.
#[derive(Debug)]
pub(super) struct ContainerLife {
    pub(super) pod: PodKey,
    pub(super) name: ContainerName,
    pub(super) started: Option<Timestamp>,
    pub(super) track: Track,
    pub(super) seen: u64,
}

/// What a commit made of one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    /// The node and every container it named have a number: the kubelet's stamps have moved for
    /// all.
    pub settled: bool,
    /// Containers that were not there in the answer before, restarted ones included.
    pub new_containers: usize,
    /// Rates refused because they were above what the node has.
    pub refused: usize,
    /// Lives that ended because a counter fell.
    pub resets: usize,
}

/// What an answer is taken with.
pub(super) struct Arrival<'a> {
    /// When it arrived.
    pub(super) received: Instant,
    /// What the node has.
    pub(super) capacity: Option<Nanocores>,
    pub(super) rules: &'a Rules,
    /// Whose names are taken over rather than kept twice.
    pub(super) inventory: &'a Inventory,
}

impl NodeLives {
    /// Takes one good answer: pairs what it brings, ends what it no longer names.
    pub(super) fn commit(
        &mut self,
        reading: &ResourceReading<'_>,
        arrival: &Arrival<'_>,
    ) -> Commit {
        let received = arrival.received;
        self.commit += 1;
        let mut commit = Commit::default();
        if let Some(point) = node_point(&reading.node, received) {
            let outcome = observe(&mut self.node, point, arrival);
            commit.count(outcome);
        }
        // Most lives on a node begin with its first answer; doubling would leave half the room empty.
        if self.containers.is_empty() {
            self.containers.reserve_exact(reading.containers.len());
            self.places.reserve_exact(reading.containers.len());
        }
        for (nth, container) in reading.containers.iter().enumerate() {
            let place = self.place(nth, container);
            self.commit_container(container, place, arrival, &mut commit);
        }
        let whole = !reading.incomplete && reading.skipped_lines == 0;
        self.end_the_missing(whole, arrival);
        let pods = self.containers.iter().all(|life| life.track.has_number());
        // What began with this answer is no reason to wait: something always begins.
        let older = |life: &&ContainerLife| life.track.received() != received;
        let mut older = self.containers.iter().filter(older);
        let older = self.commit > 1 && older.all(|life| life.track.has_number());
        self.pods_settled |= whole && (pods || older);
        commit.settled = self.node.as_ref().is_some_and(Track::has_number) && pods;
        commit
    }

    /// Where the container named `nth` in the answer stands, or where it belongs.
    fn place(&mut self, nth: usize, reading: &ContainerReading<'_>) -> Result<usize, usize> {
        let hint = self.places.get(nth).copied();
        let is = |at: &usize| {
            let life = self.containers.get(*at);
            life.is_some_and(|life| life.is_of(reading))
        };
        if let Some(at) = hint.filter(is) {
            return Ok(at);
        }
        let place = self
            .containers
            .binary_search_by(|life| life.cmp_to(reading));
        let (Ok(at) | Err(at)) = place;
        match self.places.get_mut(nth) {
            Some(hint) => *hint = at,
            None => self.places.push(at),
        }
        place
    }

    fn commit_container(
        &mut self,
        reading: &ContainerReading<'_>,
        place: Result<usize, usize>,
        arrival: &Arrival<'_>,
        commit: &mut Commit,
    ) {
        let life = place.ok().and_then(|at| self.containers.get_mut(at));
        let point = container_point(reading, arrival.received);
        match (life, point) {
            (Some(life), point) => {
                life.seen = self.commit;
                if let Some(point) = point {
                    life.observe(point, reading.started, arrival, commit);
                }
            }
            (None, Some(point)) => {
                let names = names(reading, arrival.inventory);
                let Some((pod, name)) = names else {
                    return;
                };
                let life = ContainerLife {
                    pod,
                    name,
                    started: reading.started,
                    track: Track::begin(point),
                    seen: self.commit,
                };
                let (Ok(at) | Err(at)) = place;
                self.insert(at, life);
                commit.new_containers += 1;
            }
            (None, None) => {}
        }
    }

    /// A container missing from a good answer has ended. From one that says of itself that it is
    /// incomplete, or of which a line could not be read, nothing is concluded; but what has nothing
    /// left to serve is dropped, so that it cannot pile up.
    fn end_the_missing(&mut self, whole: bool, arrival: &Arrival<'_>) {
        let before = self.containers.len();
        let fresh = |track: &Track| arrival.rules.is_fresh(track.received(), arrival.received);
        self.containers
            .retain(|life| life.seen == self.commit || (!whole && fresh(&life.track)));
        if self.containers.len() < before {
            self.layout = None;
        }
    }

    /// The newest counters as sets of points, and when the newest of them arrived; `None` before
    /// there are any. `now` is our wall clock.
    pub(super) fn metric_sets(
        &self,
        node: &NodeName,
        now: Timestamp,
    ) -> Option<(Instant, Vec<MetricSet>)> {
        let tracks = self.containers.iter().map(|life| &life.track);
        let received = tracks.chain(&self.node).map(Track::received).max()?;
        let mut sets = Vec::with_capacity(self.containers.len() + 1);
        if let Some(track) = &self.node {
            let key = EntityKey::Node(node.clone());
            sets.push(metric_set(key, None, track.last(), now));
        }
        for life in &self.containers {
            let key = EntityKey::Container(life.pod.clone(), life.name.clone());
            sets.push(metric_set(key, life.started, life.track.last(), now));
        }
        Some((received, sets))
    }

    /// Adds a life at its place.
    pub(super) fn insert(&mut self, at: usize, life: ContainerLife) {
        if self.containers.len() == self.containers.capacity() {
            let room = (self.containers.len() / 8).max(4);
            self.containers.reserve_exact(room);
        }
        self.containers.insert(at, life);
        self.layout = None;
    }

    /// The finished numbers as they are now, as the sample of this number.
    pub(super) fn sample(&mut self, number: u64) -> NodeSample {
        let containers = &self.containers;
        let layout = self
            .layout
            .get_or_insert_with(|| Arc::new(Layout::of(containers)));
        NodeSample {
            number,
            node: self.node.and_then(|track| track.measured()),
            pods_settled: self.pods_settled,
            layout: Arc::clone(layout),
            containers: containers
                .iter()
                .map(|life| life.track.measured())
                .collect(),
        }
    }
}

/// The newest counters of one life.
fn metric_set(
    key: EntityKey,
    started: Option<Timestamp>,
    last: &Point,
    now: Timestamp,
) -> MetricSet {
    let mut set = MetricSet::new(key);
    set.started = started.map(whole_seconds);
    set.sampled = Some(last.at);
    let up = set.started.and_then(|started| now.since(started));
    let points = [
        (Metric::Uptime, up.map(|up| up.as_millis())),
        (Metric::CpuUsage, Some(last.cpu.as_nanos().into())),
        (Metric::MemoryWorkingSet, Some(last.memory.get().into())),
        (Metric::MemorySwap, last.swap.map(|swap| swap.get().into())),
    ];
    let values = points.into_iter();
    set.points = values
        .filter_map(|(metric, value)| Some(domain::Point::int(metric, value?)))
        .collect();
    set
}

/// What the container is called: as the API server's record of the pod says where there is one, so
/// that a name is kept once. `None` when Kubernetes would not have admitted its names.
fn names(reading: &ContainerReading<'_>, inventory: &Inventory) -> Option<(PodKey, ContainerName)> {
    let record = inventory.pod(&reading.namespace, &reading.pod);
    let key = match &record {
        Some(record) => record.key.clone(),
        None => PodKey::new(
            Namespace::new(reading.namespace.as_ref()).ok()?,
            PodName::new(reading.pod.as_ref()).ok()?,
        ),
    };
    let containers = record.iter().flat_map(|record| record.containers.iter());
    let known = containers.map(|container| &container.name);
    let mut same = known.filter(|name| name.as_str() == reading.container);
    let name = match same.next() {
        Some(name) => name.clone(),
        None => ContainerName::new(reading.container.as_ref()).ok()?,
    };
    Some((key, name))
}

impl ContainerLife {
    fn is_of(&self, reading: &ContainerReading<'_>) -> bool {
        self.pod.name.as_str() == reading.pod.as_ref()
            && self.name.as_str() == reading.container.as_ref()
            && self.pod.namespace.as_str() == reading.namespace.as_ref()
    }

    fn cmp_to(&self, reading: &ContainerReading<'_>) -> std::cmp::Ordering {
        let ours = (
            self.pod.namespace.as_str(),
            self.pod.name.as_str(),
            self.name.as_str(),
        );
        ours.cmp(&(
            reading.namespace.as_ref(),
            reading.pod.as_ref(),
            reading.container.as_ref(),
        ))
    }

    fn observe(
        &mut self,
        point: Point,
        started: Option<Timestamp>,
        arrival: &Arrival<'_>,
        commit: &mut Commit,
    ) {
        match (self.started, started) {
            (Some(ours), Some(theirs)) if theirs > ours => {
                self.track = Track::begin(point);
                commit.new_containers += 1;
            }
            // What is left of a life before this one: the kubelet has not forgotten it yet.
            (Some(ours), Some(theirs)) if theirs < ours => return,
            _ => commit.count(self.track.observe(point, arrival.rules, arrival.capacity)),
        }
        self.started = started.or(self.started);
    }
}

impl Commit {
    fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Refused => self.refused += 1,
            Outcome::Restarted => self.resets += 1,
            Outcome::Paired | Outcome::Unmoved | Outcome::TooSoon => {}
        }
    }
}

fn observe(track: &mut Option<Track>, point: Point, arrival: &Arrival<'_>) -> Outcome {
    match track {
        Some(track) => track.observe(point, arrival.rules, arrival.capacity),
        None => {
            *track = Some(Track::begin(point));
            Outcome::Unmoved
        }
    }
}

fn node_point(reading: &NodeReading, received: Instant) -> Option<Point> {
    point(reading.cpu, reading.memory, reading.swap, received)
}

fn container_point(reading: &ContainerReading<'_>, received: Instant) -> Option<Point> {
    point(reading.cpu, reading.memory, reading.swap, received)
}

/// A point needs CPU and memory. A CPU counter of exactly zero is what a runtime says that has not
/// measured yet: no process starts without using any.
fn point(
    cpu: Option<CounterSample>,
    memory: Option<GaugeSample>,
    swap: Option<GaugeSample>,
    received: Instant,
) -> Option<Point> {
    let (cpu, memory) = (cpu?, memory?);
    (cpu.value.as_nanos() > 0).then(|| Point {
        cpu: cpu.value,
        memory: memory.value,
        swap: swap.map(|swap| swap.value),
        at: cpu.at,
        received,
    })
}
