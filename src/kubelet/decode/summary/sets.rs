//! From a summary to sets of points, by the rules of Heapster's summary source.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Range;
use std::sync::Arc;

use crate::domain::{
    ContainerName, EntityKey, Metric, MetricSet, Namespace, NodeName, PodKey, PodName, Point,
    Timestamp,
};

use super::before::{self, Before};
use super::points::{MOST_POINTS, Values, filesystem, make_room};
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
/// How much room of a set that has fewer points than before is not given back.
const SLACK: usize = 2;
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
    ///
    /// They are written over those of the answer `before`, which say nothing else here: none at all
    /// gives the same sets.
    #[must_use]
    pub fn metric_sets(
        &self,
        node: &NodeName,
        now: Timestamp,
        before: Vec<MetricSet>,
    ) -> SourceSets {
        let containers: usize = self.pods.iter().map(|pod| pod.containers.len()).sum();
        let system = &self.node.system_containers;
        let mut maker = Maker {
            now,
            root: "/".into(),
            logs: "logs".into(),
            before: Before::new(before),
            sets: Vec::with_capacity(1 + system.len() + self.pods.len() + containers),
            points: Vec::with_capacity(MOST_POINTS),
            volumes: Vec::new(),
            skipped: self.skipped_entities,
        };
        maker.node(&self.node, node);
        maker.system_containers(system, node);
        for (key, pod) in newest_pods(&self.pods, &mut maker.skipped) {
            maker.pod(key, pod);
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
    before: Before,
    sets: Vec<MetricSet>,
    /// The points of the set being made.
    points: Vec<Point>,
    /// The names of the volumes of the pod being made.
    volumes: Vec<Arc<str>>,
    skipped: usize,
}

impl Maker {
    fn node(&mut self, node: &NodeSummary<'_>, name: &NodeName) {
        let is_node = |key: &EntityKey| matches!(key, EntityKey::Node(_));
        let known = self.before.place(self.before.of_node(), is_node);
        let mut set = self.before.take(known, EntityKey::Node(name.clone()));
        set.started = node.started;
        stamp(&mut set, &node.consumed, &node.network);
        let values = Values {
            consumed: node.consumed,
            network: node.network,
            storage: node.filesystem.used,
            processes: node.processes,
        };
        make_room(&mut set, std::iter::once(&node.filesystem));
        let written = filesystem(&mut set, 0, &self.root, &node.filesystem);
        self.finish(set, &values, written);
    }

    fn system_containers(&mut self, containers: &[ContainerSummary<'_>], node: &NodeName) {
        for (name, container) in newest(containers, system_name, started, &mut self.skipped) {
            let is =
                |key: &EntityKey| matches!(key, EntityKey::SystemContainer(_, n) if **n == *name);
            let known = self.before.place(self.before.of_node(), is);
            let name = match known.and_then(|at| self.before.key(at)) {
                Some(EntityKey::SystemContainer(_, name)) => Arc::clone(name),
                _ => name.into(),
            };
            let key = EntityKey::SystemContainer(node.clone(), name);
            self.container(known, key, container, None);
        }
    }

    fn pod(&mut self, (namespace, name): (&str, &str), pod: &PodSummary<'_>) {
        let known = self.before.of_pod(namespace, name);
        let key = match self.before.pod_key(&known) {
            Some(key) => key.clone(),
            None => match (Namespace::new(namespace), PodName::new(name)) {
                (Ok(namespace), Ok(name)) => PodKey::new(namespace, name),
                _ => return,
            },
        };
        let has_uid = !pod.uid.is_empty() && pod.uid.len() <= MAX_LEN;
        let uid = has_uid.then(|| self.before.uid(&known, &pod.uid));
        let is_pod = |key: &EntityKey| matches!(key, EntityKey::Pod(_));
        let own = self.before.place(known.clone(), is_pod);
        let mut set = self.before.take(own, EntityKey::Pod(key.clone()));
        set.started = pod.started;
        set.pod_uid.clone_from(&uid);
        stamp(&mut set, &pod.consumed, &pod.network);
        let values = Values {
            consumed: pod.consumed,
            network: pod.network,
            storage: pod.ephemeral_storage.used,
            processes: pod.processes,
        };
        let written = self.volumes(&mut set, &pod.volumes);
        self.finish(set, &values, written);
        self.containers(known, &key, pod, uid.as_ref());
    }

    /// Writes the filesystems of a pod's volumes; tells how many points they are.
    fn volumes(&mut self, set: &mut MetricSet, volumes: &[(Cow<'_, str>, Filesystem)]) -> usize {
        let is_valid = |name: &str| !name.is_empty() && name.len() <= MAX_LEN;
        let valid = || volumes.iter().filter(|(name, _)| is_valid(name));
        // All names, before the first is written over: they come in any order.
        self.volumes.clear();
        self.volumes
            .extend(valid().map(|(name, _)| before::volume(set, name)));
        self.skipped += volumes.len() - self.volumes.len();
        make_room(set, valid().map(|(_, volume)| volume));
        let named = self.volumes.iter().zip(valid());
        named.fold(0, |written, (by, (_, volume))| {
            filesystem(set, written, by, volume)
        })
    }

    fn containers(
        &mut self,
        known: Range<usize>,
        pod: &PodKey,
        summary: &PodSummary<'_>,
        uid: Option<&Arc<str>>,
    ) {
        let containers = newest(
            &summary.containers,
            container_name,
            started,
            &mut self.skipped,
        );
        for (name, container) in containers {
            let is =
                |key: &EntityKey| matches!(key, EntityKey::Container(_, n) if n.as_str() == name);
            let at = self.before.place(known.clone(), is);
            let name = match at.and_then(|at| self.before.key(at)) {
                Some(EntityKey::Container(_, name)) => name.clone(),
                _ => match ContainerName::new(name) {
                    Ok(name) => name,
                    Err(_) => continue,
                },
            };
            let key = EntityKey::Container(pod.clone(), name);
            self.container(at, key, container, uid.cloned());
        }
    }

    fn container(
        &mut self,
        known: Option<usize>,
        key: EntityKey,
        container: &ContainerSummary<'_>,
        pod_uid: Option<Arc<str>>,
    ) {
        let mut set = self.before.take(known, key);
        set.started = container.started;
        set.sampled = container.consumed.sampled();
        set.pod_uid = pod_uid;
        let (rootfs, logs) = (container.rootfs.used, container.logs.used);
        let values = Values {
            consumed: container.consumed,
            storage: rootfs.zip(logs).and_then(|(a, b)| a.checked_add(b)),
            ..Values::default()
        };
        make_room(&mut set, [&container.rootfs, &container.logs].into_iter());
        let written = filesystem(&mut set, 0, &self.root, &container.rootfs);
        let written = filesystem(&mut set, written, &self.logs, &container.logs);
        self.finish(set, &values, written);
    }

    /// Keeps a set that says anything, with so many of its qualified points.
    fn finish(&mut self, mut set: MetricSet, values: &Values, qualified: usize) {
        let up = set.started.and_then(|started| self.now.since(started));
        let up = up.map(|up| Point::int(Metric::Uptime, up.as_millis()));
        self.points.clear();
        self.points.extend(up);
        values.points(&mut self.points);
        if self.points.len() == usize::from(up.is_some()) && qualified == 0 {
            return;
        }
        // Summaries are kept for a minute, all of them.
        set.points.reserve_exact(self.points.len());
        set.points.extend_from_slice(&self.points);
        if set.points.capacity() > set.points.len() + SLACK {
            set.points.shrink_to_fit();
        }
        set.qualified.truncate(qualified);
        if set.qualified.capacity() > qualified {
            set.qualified.shrink_to_fit();
        }
        self.sets.push(set);
    }
}

/// The pods with names an object can have, each with its newest life, in the order met.
fn newest_pods<'p>(
    pods: &'p [PodSummary<'p>],
    skipped: &mut usize,
) -> Vec<((&'p str, &'p str), &'p PodSummary<'p>)> {
    newest(pods, pod_name, |pod| pod.started, skipped)
}

fn started(container: &ContainerSummary<'_>) -> Option<Timestamp> {
    container.started
}

/// The names of a pod, if an object can have them.
fn pod_name<'p>(pod: &'p PodSummary<'_>) -> Option<(&'p str, &'p str)> {
    let valid = Namespace::is_valid(&pod.namespace) && PodName::is_valid(&pod.name);
    valid.then(|| (pod.namespace.as_ref(), pod.name.as_ref()))
}

/// The name of a container, if an object can have it.
fn container_name<'c>(container: &'c ContainerSummary<'_>) -> Option<&'c str> {
    let name = container.name.as_ref();
    ContainerName::is_valid(name).then_some(name)
}

/// The name of a system container, the old one of those that had another.
fn system_name<'c>(container: &'c ContainerSummary<'_>) -> Option<&'c str> {
    let name = match container.name.as_ref() {
        "runtime" => "docker-daemon",
        "misc" => "system",
        name => name,
    };
    (!name.is_empty() && name.len() <= MAX_LEN).then_some(name)
}

/// Of the entities with the same name the one that started last, else the last one, in the order
/// their names were met first. What has no valid name is counted and left out.
fn newest<'e, E, K: Copy + Eq + Hash>(
    entities: &'e [E],
    name: impl Fn(&'e E) -> Option<K>,
    started: fn(&E) -> Option<Timestamp>,
    skipped: &mut usize,
) -> Vec<(K, &'e E)> {
    let mut all: Vec<(K, &E)> = Vec::with_capacity(entities.len());
    // The containers of a pod are looked through sooner than a table is made.
    let mut places =
        (entities.len() > LOOKED_THROUGH).then(|| HashMap::with_capacity(entities.len()));
    for entity in entities {
        let Some(name) = name(entity) else {
            *skipped += 1;
            continue;
        };
        let place = match &mut places {
            Some(places) => *places.entry(name).or_insert(all.len()),
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
