//! From a summary to sets of points, by the rules of Heapster's summary source.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::{
    ContainerName, EntityKey, Metric, MetricSet, Namespace, NodeName, PodKey, PodName, Point,
    Qualified, Timestamp,
};

use super::{
    Consumed, ContainerSummary, Filesystem, Network, NodeSummary, PodSummary, SummaryReading,
};

/// What a summary brought: the sets of one node, not yet joined with what the API server says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceSets {
    /// The node, its system containers, then each pod followed by its containers. No key comes
    /// twice.
    pub sets: Vec<MetricSet>,
    /// Pods, containers and volumes left out because they are no objects or have names no object
    /// can have.
    pub skipped_entities: usize,
}

/// The longest name of a system container or volume that is kept, and the longest UID: the bound
/// Kubernetes sets on names.
const MAX_LEN: usize = 253;
/// How many metrics a filesystem has.
const OF_FILESYSTEM: usize = 5;
/// How many names are looked through one by one.
const LOOKED_THROUGH: usize = 8;

impl SummaryReading<'_> {
    /// The metrics of everything the kubelet of `node` named, as they were at `now` by our own wall
    /// clock.
    ///
    /// Heapster's rules (`sources/summary` of 1.5 and after): `runtime` and `misc` keep their old
    /// names `docker-daemon` and `system`; pods have the CPU and memory of their cgroup; `uptime`
    /// is the time from the start to `now` in milliseconds; a container's ephemeral storage is its
    /// writable layer and its logs, where both are known. Of several lives of a pod or container
    /// the one that started last stays, else the one met last; one without any number is left
    /// out.
    ///
    /// Other than Heapster: a pod is stamped like everything else (CPU, else memory, else network),
    /// so that one in the host's network has a stamp at all, and network counters sampled at
    /// another time carry it. The node is the one that was asked, whatever the answer calls it.
    #[must_use]
    pub fn metric_sets(&self, node: &NodeName, now: Timestamp) -> SourceSets {
        let containers: usize = self.pods.iter().map(|pod| pod.containers.len()).sum();
        let system = &self.node.system_containers;
        let mut maker = Maker {
            now,
            root: "/".into(),
            logs: "logs".into(),
            sets: Vec::with_capacity(1 + system.len() + self.pods.len() + containers),
            skipped: self.skipped_entities,
        };
        maker.node(&self.node, node);
        maker.system_containers(system, node);
        for (key, pod) in newest_pods(&self.pods, &mut maker.skipped) {
            maker.pod(&key, pod);
        }
        SourceSets {
            sets: maker.sets,
            skipped_entities: maker.skipped,
        }
    }
}

struct Maker {
    now: Timestamp,
    root: Arc<str>,
    logs: Arc<str>,
    sets: Vec<MetricSet>,
    skipped: usize,
}

impl Maker {
    fn node(&mut self, node: &NodeSummary<'_>, name: &NodeName) {
        let mut set = MetricSet::new(EntityKey::Node(name.clone()));
        set.started = node.started;
        stamp(&mut set, &node.consumed, &node.network);
        consumed(&mut set, &node.consumed);
        network(&mut set, &node.network);
        int(
            &mut set,
            Metric::EphemeralStorageUsage,
            node.filesystem.used,
        );
        int(&mut set, Metric::ProcessCount, node.processes);
        filesystem(&mut set, &self.root, &node.filesystem);
        self.finish(set);
    }

    fn system_containers(&mut self, containers: &[ContainerSummary<'_>], node: &NodeName) {
        let name = |c: &ContainerSummary<'_>| {
            let name = match c.name.as_ref() {
                "runtime" => "docker-daemon",
                "misc" => "system",
                name => name,
            };
            (!name.is_empty() && name.len() <= MAX_LEN).then(|| Arc::<str>::from(name))
        };
        for (name, container) in newest(containers, name, started, &mut self.skipped) {
            self.container(
                EntityKey::SystemContainer(node.clone(), name),
                container,
                None,
            );
        }
    }

    fn pod(&mut self, key: &PodKey, pod: &PodSummary<'_>) {
        let has_uid = !pod.uid.is_empty() && pod.uid.len() <= MAX_LEN;
        let uid = has_uid.then(|| Arc::<str>::from(pod.uid.as_ref()));
        let mut set = MetricSet::new(EntityKey::Pod(key.clone()));
        set.started = pod.started;
        set.pod_uid.clone_from(&uid);
        stamp(&mut set, &pod.consumed, &pod.network);
        consumed(&mut set, &pod.consumed);
        network(&mut set, &pod.network);
        let storage = pod.ephemeral_storage.used;
        int(&mut set, Metric::EphemeralStorageUsage, storage);
        int(&mut set, Metric::ProcessCount, pod.processes);
        set.qualified
            .reserve_exact(pod.volumes.len() * OF_FILESYSTEM);
        for (name, volume) in &pod.volumes {
            if name.is_empty() || name.len() > MAX_LEN {
                self.skipped += 1;
                continue;
            }
            let by = format!("Volume:{name}").into();
            filesystem(&mut set, &by, volume);
        }
        self.finish(set);
        let name = |c: &ContainerSummary<'_>| ContainerName::new(c.name.as_ref()).ok();
        for (name, container) in newest(&pod.containers, name, started, &mut self.skipped) {
            let key = EntityKey::Container(key.clone(), name);
            self.container(key, container, uid.clone());
        }
    }

    fn container(
        &mut self,
        key: EntityKey,
        container: &ContainerSummary<'_>,
        pod_uid: Option<Arc<str>>,
    ) {
        let mut set = MetricSet::new(key);
        set.started = container.started;
        set.sampled = container.consumed.sampled();
        set.pod_uid = pod_uid;
        consumed(&mut set, &container.consumed);
        let (rootfs, logs) = (container.rootfs.used, container.logs.used);
        let storage = rootfs.zip(logs).and_then(|(a, b)| a.checked_add(b));
        int(&mut set, Metric::EphemeralStorageUsage, storage);
        set.qualified.reserve_exact(2 * OF_FILESYSTEM);
        filesystem(&mut set, &self.root, &container.rootfs);
        filesystem(&mut set, &self.logs, &container.logs);
        self.finish(set);
    }

    /// Keeps a set that says anything.
    fn finish(&mut self, mut set: MetricSet) {
        if set.points.is_empty() && set.qualified.is_empty() {
            return;
        }
        let up = set.started.and_then(|started| self.now.since(started));
        int(&mut set, Metric::Uptime, up.map(|up| up.as_millis()));
        // Summaries are kept for a minute, all of them.
        set.points.shrink_to_fit();
        set.qualified.shrink_to_fit();
        self.sets.push(set);
    }
}

/// The pods with names an object can have, each with its newest life, in the order met.
fn newest_pods<'p, 'a>(
    pods: &'p [PodSummary<'a>],
    skipped: &mut usize,
) -> Vec<(PodKey, &'p PodSummary<'a>)> {
    let key = |pod: &PodSummary<'_>| {
        let namespace = Namespace::new(pod.namespace.as_ref()).ok()?;
        Some(PodKey::new(
            namespace,
            PodName::new(pod.name.as_ref()).ok()?,
        ))
    };
    newest(pods, key, |pod| pod.started, skipped)
}

fn started(container: &ContainerSummary<'_>) -> Option<Timestamp> {
    container.started
}

/// Of the entities with the same name the one that started last, else the last one, in the order
/// their names were met first. What has no valid name is counted and left out.
fn newest<'e, E, K: Clone + Eq + std::hash::Hash>(
    entities: &'e [E],
    name: impl Fn(&E) -> Option<K>,
    started: fn(&E) -> Option<Timestamp>,
    skipped: &mut usize,
) -> Vec<(K, &'e E)> {
    let mut all: Vec<(K, &E)> = Vec::with_capacity(entities.len());
    // The containers of a pod are looked through sooner than a table is made.
    let mut places = (entities.len() > LOOKED_THROUGH).then(HashMap::new);
    for entity in entities {
        let Some(name) = name(entity) else {
            *skipped += 1;
            continue;
        };
        let place = match &mut places {
            Some(places) => *places.entry(name.clone()).or_insert(all.len()),
            None => all
                .iter()
                .position(|(known, _)| *known == name)
                .unwrap_or(all.len()),
        };
        match all.get_mut(place) {
            Some((_, kept)) if started(entity) >= started(kept) => *kept = entity,
            Some(_) => {}
            None => all.push((name, entity)),
        }
    }
    all
}

/// Stamps a set: CPU, else memory, else network.
fn stamp(set: &mut MetricSet, consumed: &Consumed, network: &Network) {
    set.sampled = consumed.sampled().or(network.at);
    set.network_sampled = network.at.filter(|_| network.at != set.sampled);
}

fn consumed(set: &mut MetricSet, consumed: &Consumed) {
    set.points.reserve(20);
    for (metric, value) in [
        (Metric::CpuUsage, consumed.cpu),
        (Metric::MemoryUsage, consumed.memory),
        (Metric::MemoryWorkingSet, consumed.working_set),
        (Metric::MemoryRss, consumed.rss),
        (Metric::MemoryPageFaults, consumed.page_faults),
        (Metric::MemoryMajorPageFaults, consumed.major_page_faults),
        (Metric::MemorySwap, consumed.swap),
        (Metric::MemorySwapAvailable, consumed.swap_available),
        (Metric::CpuPressureSome, consumed.cpu_pressure.some),
        (Metric::CpuPressureFull, consumed.cpu_pressure.full),
        (Metric::MemoryPressureSome, consumed.memory_pressure.some),
        (Metric::MemoryPressureFull, consumed.memory_pressure.full),
        (Metric::IoPressureSome, consumed.io_pressure.some),
        (Metric::IoPressureFull, consumed.io_pressure.full),
    ] {
        int(set, metric, value);
    }
}

fn network(set: &mut MetricSet, network: &Network) {
    for (metric, value) in [
        (Metric::NetworkRx, network.rx),
        (Metric::NetworkRxErrors, network.rx_errors),
        (Metric::NetworkTx, network.tx),
        (Metric::NetworkTxErrors, network.tx_errors),
    ] {
        int(set, metric, value);
    }
}

fn filesystem(set: &mut MetricSet, by: &Arc<str>, filesystem: &Filesystem) {
    for (metric, value) in [
        (Metric::FilesystemUsage, filesystem.used),
        (Metric::FilesystemLimit, filesystem.capacity),
        (Metric::FilesystemAvailable, filesystem.available),
        (Metric::FilesystemInodes, filesystem.inodes),
        (Metric::FilesystemInodesFree, filesystem.inodes_free),
    ] {
        let Some(value) = value else { continue };
        set.qualified.push(Qualified {
            by: Arc::clone(by),
            point: Point::int(metric, value),
        });
    }
}

fn int(set: &mut MetricSet, metric: Metric, value: Option<impl TryInto<i64>>) {
    if let Some(value) = value {
        set.set(Point::int(metric, value));
    }
}
