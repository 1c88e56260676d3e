//! Days on disk, and everything that can happen to a disk.

mod disk;
mod figures;
mod files;
mod reads;
mod restarts;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use prometheus_client::encoding::text::encode;
use tempfile::{TempDir, tempdir};

use super::folder::{Disk, Volume};
use super::*;
use crate::domain::{
    Clock, ContainerName, EntityKey, Inventory, Labels, Metric, MetricSet, Namespace, NodeName,
    PodKey, PodName, PodPhase, PodRecord, Point, Timestamp, Value,
};
use crate::history::{
    self, Aggregation, HistoricalSource, History, Layered, NoResults, Query, Recent, Series, Span,
    Subject,
};
use crate::telemetry::Registry;

/// A column every ten minutes.
const STEP: i64 = 600_000;
/// The ring holds nine of them.
const SLOTS: i64 = 9;

#[derive(Debug)]
struct Hand {
    now: AtomicI64,
    started: Instant,
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Instant {
        self.started
    }
}

fn tick(number: i64) -> Timestamp {
    Timestamp::from_millis(1_795_200_000_000 + number * STEP)
}

/// One process: a ring, and the directory.
struct Process {
    clock: Arc<Hand>,
    ring: Arc<History>,
    archive: Arc<Archive>,
    registry: Registry,
}

impl Process {
    fn start(folder: &Path) -> Self {
        Self::with(folder, 1 << 40, 1000, Box::new(Disk))
    }

    fn with(folder: &Path, most: u64, keep: i64, volume: Box<dyn Volume>) -> Self {
        let millis = |columns: i64| Duration::from_millis((columns * STEP).cast_unsigned());
        let clock = Arc::new(Hand {
            now: AtomicI64::new(0),
            started: tokio::time::Instant::now().into_std(),
        });
        let mut registry = Registry::default();
        let ring = history::Config {
            retention: millis(SLOTS),
            resolution: millis(1),
            ..history::Config::default()
        };
        let config = Config {
            folder: folder.to_owned(),
            retention: millis(keep),
            most: Bytes::new(most),
        };
        let ring = Arc::new(History::new(ring, &mut registry));
        let archive = Archive::on(volume, config, Arc::clone(&clock) as _, &mut registry);
        Self {
            clock,
            ring,
            archive,
            registry,
        }
    }

    /// Reads back at the time of this column.
    fn restore(&self, at: i64) -> usize {
        let now = tick(at).as_millis() + 30_000;
        self.clock.now.store(now, Ordering::Relaxed);
        let restored = self.restoring().restore(&parking_lot::Mutex::new(false));
        restored.unwrap_or_default()
    }

    fn restoring(&self) -> Restoring {
        let nobody = Arc::new(Inventory::new());
        Restoring::new(Arc::clone(&self.archive), Arc::clone(&self.ring), nobody)
    }

    fn tick(&self, number: i64) {
        self.ring.append(tick(number), &column(number)).unwrap();
        self.ring.finish(tick(number)).unwrap();
    }

    fn run(&self, ticks: impl IntoIterator<Item = i64>) {
        for number in ticks {
            self.tick(number);
            self.archive.keep_up(&self.ring);
        }
    }

    const fn resolution(&self) -> Duration {
        Duration::from_millis(STEP.cast_unsigned())
    }

    /// The oldest and the newest tick on disk.
    fn ticks(&self) -> Option<(Timestamp, Timestamp)> {
        let entries = self.archive.folder.entries();
        let known = entries.iter().filter_map(|entry| entry.meta);
        let ticks = known.map(|meta| (meta.first, meta.last));
        ticks.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    async fn ask(&self, subject: impl Into<Subject>, from: i64, to: i64) -> Vec<(i64, i64)> {
        let newer = Arc::clone(&self.ring) as Arc<dyn Recent>;
        let (older, clock) = (Arc::clone(&self.archive) as _, Arc::clone(&self.clock) as _);
        let layered = Layered::new(newer, older, clock, self.resolution());
        points(&layered, subject.into(), from, to).await
    }

    /// What the disk alone answers.
    async fn on_disk(&self, subject: impl Into<Subject>) -> Vec<(i64, i64)> {
        points(&*self.archive, subject.into(), -1, 100_000).await
    }

    fn metric(&self, line: &str) -> i64 {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        let found = text.lines().find_map(|l| l.strip_prefix(line));
        found
            .unwrap_or_else(|| panic!("no {line} in {text}"))
            .trim()
            .parse()
            .unwrap()
    }
}

async fn points(
    source: &dyn HistoricalSource,
    subject: Subject,
    from: i64,
    to: i64,
) -> Vec<(i64, i64)> {
    let query = Query {
        subjects: vec![subject],
        series: Series::of(Metric::MemoryUsage),
        span: Span::new(tick(from), tick(to)),
    };
    let mut answers = source.points(&query).await.unwrap();
    let points = answers.pop().unwrap().unwrap_or_default().into_iter();
    let number = |at: Timestamp| (at.as_millis() - tick(0).as_millis()) / STEP;
    points
        .map(|(at, value)| (number(at), value.as_i64()))
        .collect()
}

fn node() -> EntityKey {
    EntityKey::Node(NodeName::new("n").unwrap())
}

fn kubelet() -> EntityKey {
    EntityKey::SystemContainer(NodeName::new("n").unwrap(), "kubelet".into())
}

fn pod_key(number: i64) -> PodKey {
    let namespace = Namespace::new(format!("ns-{}", number % 3)).unwrap();
    PodKey::new(namespace, PodName::new(format!("p-{number}")).unwrap())
}

fn pod(number: i64) -> EntityKey {
    EntityKey::Pod(pod_key(number))
}

fn container(number: i64) -> EntityKey {
    EntityKey::Container(pod_key(number), ContainerName::new("c").unwrap())
}

/// A pod has another UID every hundred columns.
fn uid(pod: i64, at: i64) -> Arc<str> {
    format!("uid-{pod}-{}", at / 100).into()
}

/// Every eleventh column lacks the fourth pod.
fn is_there(pod: i64, at: i64) -> bool {
    pod != 4 || at % 11 != 0
}

/// What each of them uses, in closed form.
fn node_uses(at: i64) -> i64 {
    at * 37 % 1009
}

fn pod_uses(pod: i64, at: i64) -> i64 {
    (at * (pod + 3)) % 997
}

const PODS: i64 = 6;

fn column(at: i64) -> Vec<MetricSet> {
    let usage = |key: EntityKey, value: i64| {
        let mut set = MetricSet::new(key);
        set.set(Point::int(Metric::MemoryUsage, value));
        if at % 7 == 0 {
            set.set(Point::int(Metric::CpuUsage, at));
        }
        set
    };
    let mut sets = vec![
        usage(EntityKey::Cluster, at),
        usage(node(), node_uses(at)),
        usage(kubelet(), at + 1),
    ];
    for number in (0..PODS).filter(|pod| is_there(*pod, at)) {
        let record = Arc::new(PodRecord {
            key: pod_key(number),
            uid: uid(number, at),
            node: Some(NodeName::new("n").unwrap()),
            labels: Labels::default(),
            phase: PodPhase::Running,
            containers: [].into(),
        });
        for key in [pod(number), container(number)] {
            let mut set = usage(key, pod_uses(number, at));
            set.about.pod = Some(Arc::clone(&record));
            sets.push(set);
        }
        let namespace = EntityKey::Namespace(pod_key(number).namespace);
        if number < 3 {
            sets.push(usage(namespace, at));
        }
    }
    sets
}

/// The points of the node in closed form.
fn of_node(ticks: impl IntoIterator<Item = i64>) -> Vec<(i64, i64)> {
    ticks.into_iter().map(|at| (at, node_uses(at))).collect()
}

fn of_pod(pod: i64, ticks: impl IntoIterator<Item = i64>) -> Vec<(i64, i64)> {
    let there = ticks.into_iter().filter(|at| is_there(pod, *at));
    there.map(|at| (at, pod_uses(pod, at))).collect()
}

/// The segments of a folder, ascending.
fn segments(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let segment = |path: &PathBuf| path.extension().is_some_and(|e| e == "segment");
    let mut files: Vec<_> = files.filter(segment).collect();
    files.sort();
    files
}
