//! The store: every change gets the next revision and is told to all who watch.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::watch;

use super::{ConfigMap, Kind, Namespace, Node, Object, Pod, PodKey};

/// Changes kept for watches that come late; older ones get `410 Gone`.
const KEPT_CHANGES: usize = 50_000;

/// The whole cluster.
#[derive(Debug)]
pub struct World {
    state: RwLock<State>,
    revision: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    revision: u64,
    nodes: BTreeMap<String, Arc<Node>>,
    pods: BTreeMap<PodKey, Arc<Pod>>,
    namespaces: BTreeMap<String, Arc<Namespace>>,
    config_maps: BTreeMap<PodKey, Arc<ConfigMap>>,
    pods_by_node: HashMap<String, BTreeSet<PodKey>>,
    log: VecDeque<Arc<Change>>,
    forgotten: u64,
}

/// One object's change.
#[derive(Debug)]
pub(in crate::lab) struct Change {
    pub(in crate::lab) revision: u64,
    pub(in crate::lab) old: Option<Object>,
    pub(in crate::lab) new: Option<Object>,
}

/// A part of a list.
#[derive(Debug)]
pub(in crate::lab) struct Page {
    pub(in crate::lab) revision: u64,
    pub(in crate::lab) objects: Vec<Object>,
    pub(in crate::lab) more: bool,
}

/// The changes asked for are no longer kept.
#[derive(Clone, Copy, Debug)]
pub(in crate::lab) struct TooOld;

impl Change {
    pub(in crate::lab) fn kind(&self) -> Option<Kind> {
        self.new.as_ref().or(self.old.as_ref()).map(Object::kind)
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// An empty cluster.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: RwLock::default(),
            revision: watch::Sender::new(0),
        }
    }

    /// Adds or replaces a node.
    pub fn put_node(&self, node: Node) {
        self.change(|state, revision| {
            let mut node = node;
            node.meta.version = revision;
            let node = Arc::new(node);
            let old = state
                .nodes
                .insert(node.meta.name.clone(), Arc::clone(&node));
            (old.map(Object::Node), Some(Object::Node(node)))
        });
    }

    /// Changes a node; `false` when there is none of that name.
    pub fn update_node(&self, name: &str, update: impl FnOnce(&mut Node)) -> bool {
        let Some(node) = self.node(name) else {
            return false;
        };
        let mut node = Arc::unwrap_or_clone(node);
        update(&mut node);
        self.put_node(node);
        true
    }

    /// Removes a node; its pods stay.
    pub fn delete_node(&self, name: &str) {
        self.change(|state, _| (state.nodes.remove(name).map(Object::Node), None));
    }

    /// Adds or replaces a pod.
    pub fn put_pod(&self, pod: Pod) {
        self.change(|state, revision| {
            let mut pod = pod;
            pod.meta.version = revision;
            let (key, pod) = (pod.key(), Arc::new(pod));
            let old = state.pods.insert(key.clone(), Arc::clone(&pod));
            if let Some(old) = &old {
                state.unplace(&old.node, &key);
            }
            let placed = state.pods_by_node.entry(pod.node.clone()).or_default();
            placed.insert(key);
            (old.map(Object::Pod), Some(Object::Pod(pod)))
        });
    }

    /// Changes a pod; `false` when there is none of that name.
    pub fn update_pod(&self, namespace: &str, name: &str, update: impl FnOnce(&mut Pod)) -> bool {
        let Some(pod) = self.pod(namespace, name) else {
            return false;
        };
        let mut pod = Arc::unwrap_or_clone(pod);
        update(&mut pod);
        self.put_pod(pod);
        true
    }

    /// Removes a pod.
    pub fn delete_pod(&self, namespace: &str, name: &str) {
        let key = (namespace.to_owned(), name.to_owned());
        self.change(|state, _| {
            let old = state.pods.remove(&key);
            if let Some(old) = &old {
                state.unplace(&old.node, &key);
            }
            (old.map(Object::Pod), None)
        });
    }

    /// Adds or replaces a namespace.
    pub fn put_namespace(&self, namespace: Namespace) {
        self.change(|state, revision| {
            let mut namespace = namespace;
            namespace.meta.version = revision;
            let namespace = Arc::new(namespace);
            let name = namespace.meta.name.clone();
            let old = state.namespaces.insert(name, Arc::clone(&namespace));
            (
                old.map(Object::Namespace),
                Some(Object::Namespace(namespace)),
            )
        });
    }

    /// Adds or replaces a ConfigMap.
    pub fn put_config_map(&self, map: ConfigMap) {
        self.change(|state, revision| {
            let mut map = map;
            map.meta.version = revision;
            let key = (map.meta.namespace.clone(), map.meta.name.clone());
            let map = Arc::new(map);
            let old = state.config_maps.insert(key, Arc::clone(&map));
            (old.map(Object::ConfigMap), Some(Object::ConfigMap(map)))
        });
    }

    /// Changes a ConfigMap; `false` when there is none of that name.
    pub fn update_config_map(
        &self,
        namespace: &str,
        name: &str,
        update: impl FnOnce(&mut ConfigMap),
    ) -> bool {
        let key = (namespace.to_owned(), name.to_owned());
        let Some(map) = self.state.read().config_maps.get(&key).cloned() else {
            return false;
        };
        let mut map = Arc::unwrap_or_clone(map);
        update(&mut map);
        self.put_config_map(map);
        true
    }

    /// Removes a ConfigMap.
    pub fn delete_config_map(&self, namespace: &str, name: &str) {
        let key = (namespace.to_owned(), name.to_owned());
        self.change(|state, _| (state.config_maps.remove(&key).map(Object::ConfigMap), None));
    }

    /// The node of this name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<Arc<Node>> {
        self.state.read().nodes.get(name).cloned()
    }

    /// All nodes, by name.
    #[must_use]
    pub fn nodes(&self) -> Vec<Arc<Node>> {
        self.state.read().nodes.values().cloned().collect()
    }

    /// All namespaces, by name.
    #[must_use]
    pub fn namespaces(&self) -> Vec<Arc<Namespace>> {
        self.state.read().namespaces.values().cloned().collect()
    }

    /// The pod of this name.
    #[must_use]
    pub fn pod(&self, namespace: &str, name: &str) -> Option<Arc<Pod>> {
        let key = (namespace.to_owned(), name.to_owned());
        self.state.read().pods.get(&key).cloned()
    }

    /// All pods, by namespace and name.
    #[must_use]
    pub fn pods(&self) -> Vec<Arc<Pod>> {
        self.state.read().pods.values().cloned().collect()
    }

    /// The pods placed on a node.
    #[must_use]
    pub fn pods_on(&self, node: &str) -> Vec<Arc<Pod>> {
        let state = self.state.read();
        let keys = state.pods_by_node.get(node);
        keys.into_iter()
            .flatten()
            .filter_map(|key| state.pods.get(key).cloned())
            .collect()
    }

    /// The objects of a kind that `keep` accepts, in order of their keys, from after a key on.
    pub(in crate::lab) fn page(
        &self,
        kind: Kind,
        after: Option<&PodKey>,
        limit: usize,
        keep: impl Fn(&Object) -> bool,
    ) -> Page {
        let state = self.state.read();
        let mut objects = state.objects(kind, after).filter(keep);
        let page = objects.by_ref().take(limit).collect();
        Page {
            revision: state.revision,
            objects: page,
            more: objects.next().is_some(),
        }
    }

    /// One object.
    pub(in crate::lab) fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<Object> {
        let state = self.state.read();
        let key = || (namespace.to_owned(), name.to_owned());
        match kind {
            Kind::Node => state.nodes.get(name).cloned().map(Object::Node),
            Kind::Pod => state.pods.get(&key()).cloned().map(Object::Pod),
            Kind::Namespace => state.namespaces.get(name).cloned().map(Object::Namespace),
            Kind::ConfigMap => {
                let map = state.config_maps.get(&key()).cloned();
                map.map(Object::ConfigMap)
            }
        }
    }

    /// The changes after a revision, oldest first, and the revision reached.
    pub(in crate::lab) fn changes_after(
        &self,
        revision: u64,
    ) -> Result<(u64, Vec<Arc<Change>>), TooOld> {
        let state = self.state.read();
        if revision < state.forgotten {
            return Err(TooOld);
        }
        let first = state.log.partition_point(|c| c.revision <= revision);
        Ok((state.revision, state.log.range(first..).cloned().collect()))
    }

    /// Forgets the log, as an API server does after a compaction: watches that resume get `410 Gone`.
    pub fn compact(&self) {
        let mut state = self.state.write();
        state.log.clear();
        state.forgotten = state.revision;
    }

    /// Wakes at every change.
    pub(in crate::lab) fn watch(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    fn change(&self, apply: impl FnOnce(&mut State, u64) -> (Option<Object>, Option<Object>)) {
        let revision = {
            let mut state = self.state.write();
            let revision = state.revision + 1;
            let (old, new) = apply(&mut state, revision);
            if old.is_none() && new.is_none() {
                return;
            }
            state.revision = revision;
            if state.log.len() == KEPT_CHANGES
                && let Some(oldest) = state.log.pop_front()
            {
                state.forgotten = oldest.revision;
            }
            state.log.push_back(Arc::new(Change { revision, old, new }));
            revision
        };
        self.revision.send_replace(revision);
    }
}

impl State {
    fn objects(&self, kind: Kind, after: Option<&PodKey>) -> Box<dyn Iterator<Item = Object> + '_> {
        let key = (
            after.map_or(Bound::Unbounded, Bound::Excluded),
            Bound::Unbounded,
        );
        let name = after.map_or(Bound::Unbounded, |(_, name)| Bound::Excluded(name.as_str()));
        let name = (name, Bound::Unbounded);
        match kind {
            Kind::Node => {
                let nodes = self.nodes.range::<str, _>(name);
                Box::new(nodes.map(|(_, node)| Object::Node(Arc::clone(node))))
            }
            Kind::Pod => {
                let pods = self.pods.range::<PodKey, _>(key);
                Box::new(pods.map(|(_, pod)| Object::Pod(Arc::clone(pod))))
            }
            Kind::Namespace => {
                let namespaces = self.namespaces.range::<str, _>(name);
                Box::new(namespaces.map(|(_, n)| Object::Namespace(Arc::clone(n))))
            }
            Kind::ConfigMap => {
                let maps = self.config_maps.range::<PodKey, _>(key);
                Box::new(maps.map(|(_, map)| Object::ConfigMap(Arc::clone(map))))
            }
        }
    }

    fn unplace(&mut self, node: &str, key: &PodKey) {
        if let Some(placed) = self.pods_by_node.get_mut(node) {
            placed.remove(key);
        }
    }
}
