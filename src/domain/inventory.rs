//! Who is out there: the nodes, pods and namespaces the API server knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::broadcast;

use super::{Namespace, NodeName, NodeRecord, PodKey, PodPhase, PodRecord};

/// The pods of one namespace, sorted by name. Whoever reads it has it as it was: a change makes a
/// copy as long as somebody does.
pub type SortedPods = Arc<Vec<Arc<PodRecord>>>;

type Pods = BTreeMap<Namespace, SortedPods>;

/// What changed in the [`Inventory`], told to whoever keeps schedules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InventoryChange {
    /// A node appeared, changed or went, or a relist replaced them all: read the nodes again.
    Nodes,
    /// A pod on this node turned `Running`, or a container of a running one did: its numbers are
    /// wanted soon.
    PodRunning(NodeName),
}

/// The nodes, pods and namespaces of the cluster, written by the watches and read by everybody else.
///
/// Readers copy `Arc`s under a short read lock. Change notices go through a bounded channel: a
/// receiver that falls behind is told so by `Lagged` and reads everything again.
#[derive(Debug)]
pub struct Inventory {
    nodes: RwLock<BTreeMap<NodeName, Arc<NodeRecord>>>,
    pods: RwLock<Pods>,
    namespaces: RwLock<BTreeMap<Namespace, Arc<str>>>,
    changes: broadcast::Sender<InventoryChange>,
}

/// How many change notices wait for a slow receiver before it is told to read everything again.
const CHANGES_KEPT: usize = 1024;

impl Inventory {
    /// An empty inventory.
    #[must_use]
    pub fn new() -> Self {
        Self {
            nodes: RwLock::default(),
            pods: RwLock::default(),
            namespaces: RwLock::default(),
            changes: broadcast::Sender::new(CHANGES_KEPT),
        }
    }

    /// Every change from now on.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<InventoryChange> {
        self.changes.subscribe()
    }

    /// The node of this name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<Arc<NodeRecord>> {
        self.nodes.read().get(name).cloned()
    }

    /// All nodes, sorted by name.
    #[must_use]
    pub fn nodes(&self) -> Vec<Arc<NodeRecord>> {
        self.nodes.read().values().cloned().collect()
    }

    /// The pod of this namespace and name, in whatever phase it is.
    #[must_use]
    pub fn pod(&self, namespace: &str, name: &str) -> Option<Arc<PodRecord>> {
        find(self.pods.read().get(namespace)?, name).cloned()
    }

    /// All pods in whatever phase, sorted by namespace, then name.
    #[must_use]
    pub fn pods(&self) -> Vec<Arc<PodRecord>> {
        let namespaces = self.namespaces_of_pods();
        let pods = namespaces.iter().flat_map(|pods| pods.iter());
        pods.cloned().collect()
    }

    /// The same in pieces of one namespace each, of which there is none without a pod. Nothing is
    /// copied.
    #[must_use]
    pub fn namespaces_of_pods(&self) -> Vec<SortedPods> {
        self.pods.read().values().cloned().collect()
    }

    /// The pods of one namespace in whatever phase, sorted by name. Nothing is copied.
    #[must_use]
    pub fn pods_of(&self, namespace: &str) -> SortedPods {
        self.pods.read().get(namespace).cloned().unwrap_or_default()
    }

    /// The UID of a namespace; `None` also while namespaces cannot be watched.
    #[must_use]
    pub fn namespace_uid(&self, namespace: &str) -> Option<Arc<str>> {
        self.namespaces.read().get(namespace).cloned()
    }

    /// How many namespaces are known.
    #[must_use]
    pub fn namespace_count(&self) -> usize {
        self.namespaces.read().len()
    }

    /// How many nodes are known.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.read().len()
    }

    /// How many pods are known, in whatever phase.
    #[must_use]
    pub fn pod_count(&self) -> usize {
        self.pods.read().values().map(|pods| pods.len()).sum()
    }

    /// Adds a node or replaces what was known of it.
    pub fn apply_node(&self, node: NodeRecord) {
        let before = self
            .nodes
            .write()
            .insert(node.name.clone(), Arc::new(node.clone()));
        if before.is_none_or(|before| *before != node) {
            self.tell(InventoryChange::Nodes);
        }
    }

    /// Forgets a node.
    pub fn remove_node(&self, name: &NodeName) {
        if self.nodes.write().remove(name).is_some() {
            self.tell(InventoryChange::Nodes);
        }
    }

    /// Replaces all nodes, as after a fresh list.
    pub fn replace_nodes(&self, nodes: impl IntoIterator<Item = NodeRecord>) {
        let fresh = nodes
            .into_iter()
            .map(|node| (node.name.clone(), Arc::new(node)))
            .collect();
        *self.nodes.write() = fresh;
        self.tell(InventoryChange::Nodes);
    }

    /// Adds a pod or replaces what was known of it.
    pub fn apply_pod(&self, pod: PodRecord) {
        let pod = Arc::new(pod);
        let before = insert(&mut self.pods.write(), Arc::clone(&pod));
        self.tell_if_now_running(before.as_deref(), &pod);
    }

    /// Forgets a pod, unless another of the same name (another UID) has taken its place.
    pub fn remove_pod(&self, key: &PodKey, uid: &str) {
        let mut pods = self.pods.write();
        let Some(of_namespace) = pods.get_mut(&key.namespace) else {
            return;
        };
        if let Ok(at) = place(of_namespace, key.name.as_str())
            && of_namespace.get(at).is_some_and(|pod| *pod.uid == *uid)
        {
            Arc::make_mut(of_namespace).remove(at);
        }
        if of_namespace.is_empty() {
            pods.remove(&key.namespace);
        }
    }

    /// Replaces all pods, as after a fresh list. Records that are still the same may be passed as
    /// they are kept here.
    pub fn replace_pods(&self, pods: impl IntoIterator<Item = impl Into<Arc<PodRecord>>>) {
        let mut fresh = Pods::new();
        for pod in pods {
            insert(&mut fresh, pod.into());
        }
        let before = std::mem::replace(&mut *self.pods.write(), fresh);
        for pod in self.pods() {
            let was = before
                .get(&pod.key.namespace)
                .and_then(|pods| find(pods, pod.key.name.as_str()));
            self.tell_if_now_running(was.map(AsRef::as_ref), &pod);
        }
    }

    /// Adds a namespace, or the UID of one that was made anew.
    pub fn apply_namespace(&self, name: Namespace, uid: Arc<str>) {
        self.namespaces.write().insert(name, uid);
    }

    /// Forgets a namespace, unless another of the same name (another UID) has taken its place.
    pub fn remove_namespace(&self, name: &Namespace, uid: &str) {
        let mut namespaces = self.namespaces.write();
        if namespaces.get(name).is_some_and(|known| **known == *uid) {
            namespaces.remove(name);
        }
    }

    /// Replaces all namespaces, as after a fresh list.
    pub fn replace_namespaces(&self, namespaces: impl IntoIterator<Item = (Namespace, Arc<str>)>) {
        let fresh = namespaces.into_iter().collect();
        *self.namespaces.write() = fresh;
    }

    fn tell_if_now_running(&self, before: Option<&PodRecord>, pod: &PodRecord) {
        let before = before.filter(|before| before.uid == pod.uid);
        let news = before.is_none_or(|before| pod.runs_more_than(before));
        if let (PodPhase::Running, true, Some(node)) = (pod.phase, news, &pod.node) {
            self.tell(InventoryChange::PodRunning(node.clone()));
        }
    }

    fn tell(&self, change: InventoryChange) {
        // No receiver is no fault: nobody keeps a schedule yet.
        let _ = self.changes.send(change);
    }
}

impl Default for Inventory {
    fn default() -> Self {
        Self::new()
    }
}

/// Adds a pod or replaces the one of its name, which it returns. Lists come sorted, and then this
/// only appends.
fn insert(pods: &mut Pods, pod: Arc<PodRecord>) -> Option<Arc<PodRecord>> {
    let of_namespace = pods.entry(pod.key.namespace.clone()).or_default();
    let of_namespace = Arc::make_mut(of_namespace);
    match place(of_namespace, pod.key.name.as_str()) {
        Ok(at) => {
            let before = of_namespace.get_mut(at)?;
            Some(std::mem::replace(before, pod))
        }
        Err(at) => {
            of_namespace.insert(at, pod);
            None
        }
    }
}

/// Where the pod of this name is, or would be.
fn place(pods: &[Arc<PodRecord>], name: &str) -> Result<usize, usize> {
    pods.binary_search_by(|pod| pod.key.name.as_str().cmp(name))
}

fn find<'a>(pods: &'a [Arc<PodRecord>], name: &str) -> Option<&'a Arc<PodRecord>> {
    pods.get(place(pods, name).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ContainerKind, ContainerName, ContainerRecord, Labels, PodName};

    fn pod(namespace: &str, name: &str, uid: &str, phase: PodPhase) -> PodRecord {
        PodRecord {
            key: PodKey::new(
                Namespace::new(namespace).unwrap(),
                PodName::new(name).unwrap(),
            ),
            uid: uid.into(),
            node: Some(NodeName::new("n1").unwrap()),
            labels: Labels::default(),
            phase,
            containers: [].into(),
        }
    }

    #[test]
    fn pods_come_sorted_by_namespace_then_name() {
        let inventory = Inventory::new();
        for (namespace, name) in [("b", "a"), ("a", "z"), ("a", "b")] {
            inventory.apply_pod(pod(namespace, name, "u", PodPhase::Running));
        }
        let keys: Vec<_> = inventory
            .pods()
            .iter()
            .map(|pod| pod.key.to_string())
            .collect();
        assert_eq!(keys, ["a/b", "a/z", "b/a"]);
    }

    #[test]
    fn who_reads_a_namespace_has_it_as_it_was() {
        let inventory = Inventory::new();
        for name in ["b", "a", "c"] {
            inventory.apply_pod(pod("x", name, "u", PodPhase::Running));
        }
        let read = inventory.pods_of("x");
        inventory.remove_pod(&read[0].key, "u");
        inventory.apply_pod(pod("x", "b", "v", PodPhase::Running));
        let told = |pods: &SortedPods| {
            let told = pods
                .iter()
                .map(|pod| format!("{}={}", pod.key.name, pod.uid));
            told.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(told(&read), "a=u b=u c=u");
        assert_eq!(told(&inventory.pods_of("x")), "b=v c=u");
        assert!(Arc::ptr_eq(
            &inventory.pods_of("x"),
            &inventory.pods_of("x")
        ));
        assert!(inventory.pods_of("y").is_empty());
    }

    #[test]
    fn a_late_delete_of_the_old_pod_leaves_its_successor() {
        let inventory = Inventory::new();
        let old = pod("a", "db-0", "old", PodPhase::Running);
        inventory.apply_pod(old.clone());
        inventory.apply_pod(pod("a", "db-0", "new", PodPhase::Pending));
        inventory.remove_pod(&old.key, "old");
        assert_eq!(inventory.pod("a", "db-0").unwrap().uid.as_ref(), "new");
        inventory.remove_pod(&old.key, "new");
        assert_eq!(inventory.pod("a", "db-0"), None);
    }

    #[test]
    fn a_pod_is_announced_once_when_it_turns_running() {
        let inventory = Inventory::new();
        let mut changes = inventory.changes();
        inventory.apply_pod(pod("a", "p", "u", PodPhase::Pending));
        inventory.apply_pod(pod("a", "p", "u", PodPhase::Running));
        inventory.apply_pod(pod("a", "p", "u", PodPhase::Running));
        inventory.replace_pods([pod("a", "p", "u", PodPhase::Running)]);
        let n1 = NodeName::new("n1").unwrap();
        assert_eq!(changes.try_recv(), Ok(InventoryChange::PodRunning(n1)));
        assert!(changes.try_recv().is_err());
    }

    #[test]
    fn a_late_delete_of_the_old_namespace_leaves_its_successor() {
        let inventory = Inventory::new();
        let name = Namespace::new("a").unwrap();
        inventory.apply_namespace(name.clone(), "old".into());
        inventory.apply_namespace(name.clone(), "new".into());
        inventory.remove_namespace(&name, "old");
        assert_eq!(inventory.namespace_uid("a").as_deref(), Some("new"));
        inventory.remove_namespace(&name, "new");
        assert_eq!(inventory.namespace_count(), 0);
        inventory.replace_namespaces([(name, "third".into())]);
        assert_eq!(inventory.namespace_uid("a").as_deref(), Some("third"));
    }

    #[test]
    fn a_container_that_comes_back_is_announced() {
        let inventory = Inventory::new();
        let with = |running| {
            let mut pod = pod("a", "p", "u", PodPhase::Running);
            let name = ContainerName::new("web").unwrap();
            let container = ContainerRecord::new(name, ContainerKind::Regular, running);
            pod.containers = [container].into();
            pod
        };
        inventory.apply_pod(with(true));
        let mut changes = inventory.changes();
        inventory.apply_pod(with(false));
        assert!(changes.try_recv().is_err());
        inventory.apply_pod(with(true));
        assert!(changes.try_recv().is_ok());
    }
}
