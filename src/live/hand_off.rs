//! What one replica hands to another: the points behind the numbers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::domain::{
    Bytes, ContainerName, CpuTime, Nanocores, NodeName, NodeRecord, PodKey, Timestamp,
};

use super::Live;
use super::node::{ContainerLife, NodeLives};
use super::track::{Point, Rules, Track};

/// The points of one node, as one replica hands them to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePoints {
    /// The node.
    pub node: NodeName,
    /// Its own points.
    pub own: Option<LifePoints>,
    /// Those of what runs on it, sorted by pod, then container.
    pub containers: Vec<ContainerPoints>,
}

/// The points of one container, from its start on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerPoints {
    /// Its pod.
    pub pod: PodKey,
    /// Its name.
    pub name: ContainerName,
    /// When it started, by the kubelet.
    pub started: Option<Timestamp>,
    /// Its points.
    pub points: LifePoints,
}

/// The newest point of one life, and the older one its number was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LifePoints {
    /// The CPU counter.
    pub cpu: CpuTime,
    /// The working set.
    pub memory: Bytes,
    /// Swap in use.
    pub swap: Option<Bytes>,
    /// When the kubelet took the sample, by its clock.
    pub at: Timestamp,
    /// How long ago its stamp was first received.
    pub age: Duration,
    /// The older point, once there is a number.
    pub pair: Option<OlderPoint>,
}

/// What a rate needs of the older of two points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OlderPoint {
    /// Its CPU counter.
    pub cpu: CpuTime,
    /// How much earlier than the newer one it was taken.
    pub window: Duration,
}

impl Live {
    /// The nodes there are points of, sorted.
    #[must_use]
    pub fn node_names(&self) -> Vec<NodeName> {
        let mut names: Vec<_> = self.nodes.read().keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// What is to be handed to another replica of one node; nothing that is too old to serve.
    #[must_use]
    pub fn points_of(&self, node: &NodeName) -> Option<NodePoints> {
        let slot = self.nodes.read().get(node).cloned()?;
        let now = self.clock.monotonic();
        let points = slot.lives.lock().points(node, &self.rules, now);
        Some(points)
    }

    /// Takes what another replica handed over of a node, asked for at `asked` by our monotonic
    /// clock. Gives back how many lives are as they were there now.
    ///
    /// Rates are computed here, by the same rules as those of a kubelet's own answers; what cannot
    /// be right is left out. What we have ourselves is kept where it is newer, and paired with what
    /// is handed over. A container our own answer did not name has ended.
    pub fn take_over(&self, node: &NodeRecord, points: &NodePoints, asked: Instant) -> usize {
        let taking = Taking {
            asked,
            now: self.clock.monotonic(),
            rules: &self.rules,
            capacity: node.cpu_capacity,
        };
        loop {
            let slot = self.slot(&node.name);
            let mut lives = slot.lives.lock();
            // Forgotten while we waited for our turn, as in a commit.
            if !self.keeps(&node.name, &slot) {
                continue;
            }
            let taken = lives.take_over(points, &taking);
            let number = self.samples.fetch_add(1, Ordering::Relaxed);
            let sample = Arc::new(lives.sample(number));
            let before = slot.published.swap(Some(Arc::clone(&sample)));
            self.metrics.replaced(before.as_deref(), Some(&sample));
            drop(lives);
            // Whoever asks now must not be told what was before.
            self.node_views.lock().expire();
            self.pod_views.lock().expire();
            self.commits.send_modify(|commits| *commits += 1);
            return taken;
        }
    }

    /// Tells whether a node has a number of its own that may be served now.
    #[must_use]
    pub fn is_measured(&self, node: &NodeName) -> bool {
        let Some(slot) = self.nodes.read().get(node).cloned() else {
            return false;
        };
        let sample = slot.published.load_full();
        let measured = sample.and_then(|sample| sample.node);
        let now = self.clock.monotonic();
        measured.is_some_and(|measured| self.rules.is_fresh(measured.received, now))
    }
}

/// What points that are handed over are judged by.
struct Taking<'a> {
    asked: Instant,
    now: Instant,
    rules: &'a Rules,
    capacity: Option<Nanocores>,
}

impl NodeLives {
    fn points(&self, node: &NodeName, rules: &Rules, now: Instant) -> NodePoints {
        let fresh = |track: &&Track| rules.is_fresh(track.received(), now);
        let containers = self.containers.iter().filter(|life| fresh(&&life.track));
        NodePoints {
            node: node.clone(),
            own: self.node.as_ref().filter(fresh).map(|t| handed(t, now)),
            containers: containers
                .map(|life| ContainerPoints {
                    pod: life.pod.clone(),
                    name: life.name.clone(),
                    started: life.started,
                    points: handed(&life.track, now),
                })
                .collect(),
        }
    }

    fn take_over(&mut self, points: &NodePoints, taking: &Taking<'_>) -> usize {
        let own = points.own.as_ref().and_then(|points| taking.track(points));
        let mut taken = usize::from(own.is_some());
        if let Some(theirs) = own {
            self.node = Some(match self.node {
                Some(ours) => taking.merge(ours, theirs),
                None => theirs,
            });
        }
        for container in &points.containers {
            if let Some(track) = taking.track(&container.points) {
                taken += usize::from(self.take_container(container, track, taking));
            }
        }
        let mut all = self.containers.iter();
        self.pods_settled |= taken > 0 && all.all(|life| life.track.has_number());
        taken
    }

    fn take_container(
        &mut self,
        points: &ContainerPoints,
        theirs: Track,
        taking: &Taking<'_>,
    ) -> bool {
        let place = self
            .containers
            .binary_search_by(|life| (&life.pod, &life.name).cmp(&(&points.pod, &points.name)));
        match place {
            Ok(at) => {
                let Some(life) = self.containers.get_mut(at) else {
                    return false;
                };
                match (life.started, points.started) {
                    (Some(ours), Some(started)) if started > ours => {
                        life.track = theirs;
                        life.started = points.started;
                    }
                    (Some(ours), Some(started)) if started < ours => return false,
                    _ => life.track = taking.merge(life.track, theirs),
                }
                true
            }
            // Our own answer did not name it: it has ended.
            Err(_) if self.commit > 0 => false,
            Err(at) => {
                let life = ContainerLife {
                    pod: points.pod.clone(),
                    name: points.name.clone(),
                    started: points.started,
                    track: theirs,
                    seen: self.commit,
                };
                self.insert(at, life);
                true
            }
        }
    }
}

impl Taking<'_> {
    /// The life these points are of; `None` when they are too old, or cannot be right.
    fn track(&self, points: &LifePoints) -> Option<Track> {
        // Asked for before it was answered, so this is never later than it was there.
        let received = self.asked.checked_sub(points.age)?;
        if !self.rules.is_fresh(received, self.now) || points.cpu.as_nanos() == 0 {
            return None;
        }
        let last = Point {
            cpu: points.cpu,
            memory: points.memory,
            swap: points.swap,
            at: points.at,
            received,
        };
        match points.pair {
            None => Some(Track::begin(last)),
            Some(OlderPoint { cpu, window }) => Track::paired(last, cpu, window, self.capacity),
        }
    }

    /// One life as two replicas know it: never older than either knows it.
    fn merge(&self, ours: Track, theirs: Track) -> Track {
        let newer = ours.last().at > theirs.last().at;
        let restarted = newer && ours.last().cpu < theirs.last().cpu;
        let as_new = ours.last().at == theirs.last().at;
        if restarted || (ours.has_number() && (newer || as_new)) {
            return ours;
        }
        let mut merged = theirs;
        if newer {
            merged.observe(*ours.last(), self.rules, self.capacity);
        }
        merged
    }
}

fn handed(track: &Track, now: Instant) -> LifePoints {
    let last = track.last();
    LifePoints {
        cpu: last.cpu,
        memory: last.memory,
        swap: last.swap,
        at: last.at,
        age: now.saturating_duration_since(last.received),
        pair: track.measured().map(|measured| OlderPoint {
            cpu: track.base(),
            window: measured.usage.window,
        }),
    }
}
