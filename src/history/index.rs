//! Where the families are found.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::domain::{EntityKey, MetricSet, Namespace, NodeName, PodKey, PodName};

use super::Subject;
use super::family::{Family, Member};
use super::totals::Totals;
use super::track::Workbench;

/// Every family by its name. Locks are held to look up, insert or remove, never to read points.
#[derive(Debug, Default)]
pub(super) struct Index {
    cluster: Arc<Family>,
    nodes: RwLock<BTreeMap<NodeName, Arc<Family>>>,
    namespaces: RwLock<BTreeMap<Namespace, Arc<Family>>>,
    pods: RwLock<BTreeMap<Namespace, Arc<Pods>>>,
    uids: RwLock<HashMap<Arc<str>, Arc<Family>>>,
}

/// The pods of one namespace.
#[derive(Debug, Default)]
pub(super) struct Pods(RwLock<HashMap<PodName, Arc<Family>>>);

/// A family and the name it is kept under.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) key: EntityKey,
    pub(super) family: Arc<Family>,
}

impl Index {
    /// The family that may know a subject.
    pub(super) fn find(&self, subject: &Subject) -> Option<Arc<Family>> {
        match subject {
            Subject::Entity(key) => self.find_entity(key),
            Subject::PodId(uid) | Subject::PodIdContainer(uid, _) => {
                self.uids.read().get(uid).cloned()
            }
        }
    }

    fn find_entity(&self, key: &EntityKey) -> Option<Arc<Family>> {
        match key {
            EntityKey::Cluster => Some(Arc::clone(&self.cluster)),
            EntityKey::Node(node) | EntityKey::SystemContainer(node, _) => {
                self.nodes.read().get(node).cloned()
            }
            EntityKey::Namespace(namespace) => self.namespaces.read().get(namespace).cloned(),
            EntityKey::Pod(pod) | EntityKey::Container(pod, _) => {
                let pods = self.pods_of(&pod.namespace)?;
                pods.0.read().get(&pod.name).cloned()
            }
        }
    }

    /// The family a set belongs to, begun if there is none; and whether it was begun.
    pub(super) fn find_or_begin(&self, set: &MetricSet) -> (Arc<Family>, bool) {
        if let Some(family) = self.find_entity(&set.key) {
            return (family, false);
        }
        let family = Arc::new(Family::default());
        let kept = Arc::clone(&family);
        match &set.key {
            EntityKey::Cluster => return (Arc::clone(&self.cluster), false),
            EntityKey::Node(node) | EntityKey::SystemContainer(node, _) => {
                self.nodes.write().insert(node.clone(), kept);
            }
            EntityKey::Namespace(namespace) => {
                self.namespaces.write().insert(namespace.clone(), kept);
            }
            EntityKey::Pod(pod) | EntityKey::Container(pod, _) => {
                // In the memory of the pod's record, where there is one.
                let record = set.about.pod.as_ref().map(|record| &record.key);
                let pod = record.filter(|key| *key == pod).unwrap_or(pod);
                let mut namespaces = self.pods.write();
                let pods = namespaces.entry(pod.namespace.clone()).or_default();
                pods.0.write().insert(pod.name.clone(), kept);
            }
        }
        (family, true)
    }

    /// Makes a life known by its UID.
    pub(super) fn name(&self, uid: Arc<str>, family: &Arc<Family>) {
        self.uids.write().insert(uid, Arc::clone(family));
    }

    /// The node families, sorted.
    pub(super) fn nodes(&self) -> Vec<Named> {
        let nodes = self.nodes.read();
        let named = |(name, family): (&NodeName, &Arc<Family>)| {
            Named::new(EntityKey::Node(name.clone()), family)
        };
        nodes.iter().map(named).collect()
    }

    /// The namespace families, sorted.
    pub(super) fn namespaces(&self) -> Vec<Named> {
        let namespaces = self.namespaces.read();
        let named = |(name, family): (&Namespace, &Arc<Family>)| {
            Named::new(EntityKey::Namespace(name.clone()), family)
        };
        namespaces.iter().map(named).collect()
    }

    /// The pod families of a namespace, sorted.
    pub(super) fn pods(&self, namespace: &Namespace) -> Vec<Named> {
        let Some(pods) = self.pods_of(namespace) else {
            return Vec::new();
        };
        let named = |(name, family): (&PodName, &Arc<Family>)| {
            let key = PodKey::new(namespace.clone(), name.clone());
            Named::new(EntityKey::Pod(key), family)
        };
        let mut pods: Vec<Named> = pods.0.read().iter().map(named).collect();
        pods.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        pods
    }

    /// Calls `visit` with every family: the cluster, nodes, namespaces and pods, sorted by name.
    pub(super) fn each(&self, mut visit: impl FnMut(&Named)) {
        visit(&Named::new(EntityKey::Cluster, &self.cluster));
        self.nodes().iter().for_each(&mut visit);
        self.namespaces().iter().for_each(&mut visit);
        for (namespace, _) in self.pod_namespaces() {
            self.pods(&namespace).iter().for_each(&mut visit);
        }
    }

    /// Forgets the rows before `first`, or with `ended_only` just those of entities that have no
    /// later one. Families left empty are removed.
    pub(super) fn sweep(&self, first: u32, ended_only: bool, bench: &mut Workbench) -> Totals {
        let mut uids = Vec::new();
        let mut change = Totals::default();
        let mut ended = |family: &Arc<Family>| {
            let forgotten = |uid: &Arc<str>| uids.push(Arc::clone(uid));
            change = change + family.sweep(first, ended_only, bench, forgotten);
            let ended = family.is_empty();
            change.bytes -= if ended { Totals::FAMILY } else { 0 };
            ended
        };
        let cluster_ended = ended(&self.cluster);
        remove(&self.nodes, &mut ended);
        remove(&self.namespaces, &mut ended);
        for (namespace, pods) in self.pod_namespaces() {
            if pods.sweep(&mut ended) {
                self.pods.write().remove(&namespace);
            }
        }
        // The cluster's family is always there and was never counted.
        change.bytes += if cluster_ended { Totals::FAMILY } else { 0 };
        if !uids.is_empty() {
            let mut known = self.uids.write();
            for uid in uids {
                known.remove(&uid);
            }
            give_back(&mut known);
        }
        change
    }

    fn pods_of(&self, namespace: &Namespace) -> Option<Arc<Pods>> {
        self.pods.read().get(namespace).cloned()
    }

    fn pod_namespaces(&self) -> Vec<(Namespace, Arc<Pods>)> {
        let pods = self.pods.read();
        pods.iter()
            .map(|(name, pods)| (name.clone(), Arc::clone(pods)))
            .collect()
    }
}

impl Pods {
    /// Removes the families that have `ended`, and tells whether none is left. Only the writer
    /// calls this, so that nothing is begun in between.
    fn sweep(&self, ended: &mut impl FnMut(&Arc<Family>) -> bool) -> bool {
        let pods = self.0.read();
        let gone = pods.iter().filter(|(_, family)| ended(family));
        let gone: Vec<PodName> = gone.map(|(name, _)| name.clone()).collect();
        drop(pods);
        let mut pods = self.0.write();
        for name in gone {
            pods.remove(&name);
        }
        give_back(&mut pods);
        pods.is_empty()
    }
}

impl Named {
    fn new(key: EntityKey, family: &Arc<Family>) -> Self {
        let family = Arc::clone(family);
        Self { key, family }
    }

    /// The key of the family or of one of its parts.
    pub(super) fn key_of(&self, member: Option<&Member>) -> EntityKey {
        match (member, &self.key) {
            (Some(Member::Container(name)), EntityKey::Pod(pod)) => {
                EntityKey::Container(pod.clone(), name.clone())
            }
            (Some(Member::System(name)), EntityKey::Node(node)) => {
                EntityKey::SystemContainer(node.clone(), Arc::clone(name))
            }
            _ => self.key.clone(),
        }
    }
}

fn remove<K: Clone + Ord>(
    families: &RwLock<BTreeMap<K, Arc<Family>>>,
    ended: &mut impl FnMut(&Arc<Family>) -> bool,
) {
    let known = families.read();
    let gone = known.iter().filter(|(_, family)| ended(family));
    let gone: Vec<K> = gone.map(|(name, _)| name.clone()).collect();
    drop(known);
    if !gone.is_empty() {
        let mut known = families.write();
        for name in gone {
            known.remove(&name);
        }
    }
}

/// Returns the memory of a table that lost most of its entries.
fn give_back<K: Eq + std::hash::Hash, V>(table: &mut HashMap<K, V>) {
    if table.capacity() > 64 && table.len() < table.capacity() / 4 {
        table.shrink_to_fit();
    }
}
