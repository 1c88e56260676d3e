//! Whose a set is: the first step of a tick.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::domain::{About, EntityKey, Inventory, MetricSet, Namespace, NodeRecord, PodKey};

/// Joins sets with what the API server says of them, for the time of one tick.
#[derive(Debug)]
pub(super) struct Claims<'a> {
    inventory: &'a Inventory,
    namespaces: HashMap<Namespace, Option<Arc<str>>>,
    /// Pods met that the API server does not name, or not with their node.
    unknown: HashSet<PodKey>,
}

/// How many points a set gets at most that it was not measured with.
const ADDED: usize = 20;

/// A pod met in the sets of a node.
struct Met {
    key: PodKey,
    /// `None` when the pod is another node's.
    about: Option<About>,
}

impl<'a> Claims<'a> {
    pub(super) fn new(inventory: &'a Inventory) -> Self {
        Self {
            inventory,
            namespaces: HashMap::new(),
            unknown: HashSet::new(),
        }
    }

    /// Copies the sets of one node that are in the column, sorted by key, with `about` filled and
    /// room for the points that are added.
    ///
    /// A kubelet names its own node and pods that run there, and for a moment a pod that has moved
    /// on: its sets are left out, so that no key comes twice in a column. Of a pod the API server
    /// does not name, the first node that has it in this tick is believed.
    ///
    /// The copies are written over sets in `spare`, which say nothing any more, while there are any.
    pub(super) fn take<'s>(
        &mut self,
        node: &Arc<NodeRecord>,
        sets: impl IntoIterator<Item = &'s MetricSet>,
        spare: &mut Vec<MetricSet>,
    ) -> Vec<MetricSet> {
        let mut sets: Vec<&MetricSet> = sets.into_iter().collect();
        if !sets.is_sorted_by(|a, b| a.key <= b.key) {
            sets.sort_by(|a, b| a.key.cmp(&b.key));
        }
        sets.dedup_by(|b, a| a.key == b.key);
        let mut taken = Vec::with_capacity(sets.len());
        let (mut pods, mut met) = (Vec::new(), 0);
        for set in sets {
            let about = match &set.key {
                EntityKey::Node(name) | EntityKey::SystemContainer(name, _) => (*name == node.name)
                    .then(|| About {
                        node: Some(Arc::clone(node)),
                        ..About::default()
                    }),
                EntityKey::Pod(key) | EntityKey::Container(key, _) => {
                    self.pod(node, key, &mut pods, &mut met)
                }
                EntityKey::Cluster | EntityKey::Namespace(_) => None,
            };
            taken.extend(about.map(|about| copy(set, about, spare.pop())));
        }
        taken
    }

    /// What is said of a pod, looked up when it is met first; `None` when it is another node's.
    fn pod(
        &mut self,
        node: &Arc<NodeRecord>,
        key: &PodKey,
        pods: &mut Vec<Met>,
        met: &mut usize,
    ) -> Option<About> {
        // Pods come in order, then their containers in the same order.
        if pods.get(*met).is_none_or(|pod| pod.key != *key) {
            *met = pods.partition_point(|pod| pod.key < *key);
            if pods.get(*met).is_none_or(|pod| pod.key != *key) {
                let about = self.look_up(node, key);
                let key = key.clone();
                pods.insert(*met, Met { key, about });
            }
        }
        pods.get(*met)?.about.clone()
    }

    /// The UID of a namespace.
    pub(super) fn namespace_uid(&mut self, namespace: &Namespace) -> Option<Arc<str>> {
        if let Some(known) = self.namespaces.get(namespace) {
            return known.clone();
        }
        let uid = self.inventory.namespace_uid(namespace.as_str());
        self.namespaces.insert(namespace.clone(), uid.clone());
        uid
    }

    fn look_up(&mut self, node: &Arc<NodeRecord>, key: &PodKey) -> Option<About> {
        let (namespace, name) = (key.namespace.as_str(), key.name.as_str());
        let pod = self.inventory.pod(namespace, name);
        let bound = pod.as_ref().and_then(|pod| pod.node.as_ref());
        let is_ours = match bound {
            Some(bound) => *bound == node.name,
            None => self.unknown.insert(key.clone()),
        };
        is_ours.then(|| About {
            node: Some(Arc::clone(node)),
            pod,
            namespace_uid: self.namespace_uid(&key.namespace),
        })
    }
}

/// A copy with room for what is added to it, in the memory of another set.
fn copy(set: &MetricSet, about: About, spare: Option<MetricSet>) -> MetricSet {
    let (mut points, mut qualified) =
        spare.map_or_else(Default::default, |spare| (spare.points, spare.qualified));
    points.clear();
    points.reserve_exact(set.points.len() + ADDED);
    points.extend_from_slice(&set.points);
    qualified.clone_from(&set.qualified);
    MetricSet {
        key: set.key.clone(),
        started: set.started,
        sampled: set.sampled,
        network_sampled: set.network_sampled,
        pod_uid: set.pod_uid.clone(),
        points,
        qualified,
        about,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Metric, Point, Qualified};
    use crate::rollup::testing::{container_key, node_record, pod_key, pod_record, sampled};

    fn inventory() -> Inventory {
        let inventory = Inventory::new();
        inventory.apply_pod(pod_record("a", "web", "n1", &["app"]));
        inventory.apply_pod(pod_record("a", "moved", "n2", &["app"]));
        inventory.apply_namespace(pod_key("a", "x").namespace, "ns-uid".into());
        inventory
    }

    fn keys(sets: &[MetricSet]) -> Vec<String> {
        sets.iter().map(|set| set.key.to_string()).collect()
    }

    #[test]
    fn a_set_is_joined_with_its_node_pod_and_namespace() {
        let (inventory, node) = (inventory(), Arc::new(node_record("n1")));
        let mut claims = Claims::new(&inventory);
        let sets = [
            container_key("a", "web", "app"),
            EntityKey::Pod(pod_key("a", "web")),
            EntityKey::SystemContainer(node.name.clone(), "kubelet".into()),
            EntityKey::Node(node.name.clone()),
        ];
        let sets = claims.take(&node, &sets.map(MetricSet::new), &mut Vec::new());
        assert_eq!(
            keys(&sets),
            [
                "node:n1",
                "node:n1/container:kubelet",
                "namespace:a/pod:web",
                "namespace:a/pod:web/container:app",
            ]
        );
        for set in &sets {
            assert!(Arc::ptr_eq(set.about.node.as_ref().unwrap(), &node));
        }
        assert!(sets[0].about.pod.is_none() && sets[1].about.pod.is_none());
        for set in &sets[2..] {
            assert_eq!(&*set.about.pod.as_ref().unwrap().uid, "uid-web");
            assert_eq!(set.about.namespace_uid.as_deref(), Some("ns-uid"));
        }
    }

    #[test]
    fn what_is_another_nodes_is_left_out() {
        let (inventory, node) = (inventory(), Arc::new(node_record("n1")));
        let n2 = node_record("n2").name;
        let sets = [
            EntityKey::Cluster,
            EntityKey::Node(n2.clone()),
            EntityKey::SystemContainer(n2, "kubelet".into()),
            EntityKey::Namespace(pod_key("a", "x").namespace),
            EntityKey::Pod(pod_key("a", "moved")),
            EntityKey::Pod(pod_key("a", "web")),
            container_key("a", "moved", "app"),
        ];
        let sets = Claims::new(&inventory).take(&node, &sets.map(MetricSet::new), &mut Vec::new());
        assert_eq!(keys(&sets), ["namespace:a/pod:web"]);
    }

    #[test]
    fn a_pod_nobody_knows_is_the_first_nodes() {
        let inventory = inventory();
        let mut claims = Claims::new(&inventory);
        let sets = || {
            let keys = [
                EntityKey::Pod(pod_key("b", "ghost")),
                container_key("b", "ghost", "app"),
            ];
            keys.map(MetricSet::new)
        };
        let first = claims.take(&Arc::new(node_record("n1")), &sets(), &mut Vec::new());
        let second = claims.take(&Arc::new(node_record("n2")), &sets(), &mut Vec::new());
        assert_eq!((first.len(), second.len()), (2, 0));
        assert!(first[0].about.pod.is_none() && first[0].about.namespace_uid.is_none());
    }

    #[test]
    fn no_key_comes_twice() {
        let inventory = inventory();
        let sets = [1, 2].map(|usage| {
            let mut set = MetricSet::new(container_key("a", "web", "app"));
            set.set(Point::int(Metric::MemoryUsage, usage));
            set
        });
        let node = Arc::new(node_record("n1"));
        let sets = Claims::new(&inventory).take(&node, &sets, &mut Vec::new());
        assert_eq!(sets.len(), 1);
    }

    #[test]
    fn nothing_is_left_of_the_sets_written_over() {
        let (inventory, node) = (inventory(), Arc::new(node_record("n1")));
        let set = |key, metrics: &[Metric], filesystems: &[&str]| {
            let mut set = sampled(key, 60, &[]);
            metrics.iter().for_each(|m| set.set(Point::int(*m, 1)));
            set.qualified.extend(filesystems.iter().map(|by| Qualified {
                by: (*by).into(),
                point: Point::int(Metric::FilesystemUsage, 1),
            }));
            set
        };
        let pod = || EntityKey::Pod(pod_key("a", "web"));
        let small = [
            set(EntityKey::Node(node.name.clone()), &[Metric::Uptime], &[]),
            set(pod(), &[Metric::CpuUsage, Metric::MemoryRss], &["Volume:a"]),
        ];
        let all: Vec<Metric> = Metric::all().collect();
        let mut other = set(pod(), &all, &["/", "logs"]);
        other.pod_uid = Some("other".into());
        other.network_sampled = other.sampled;
        let mut spare = vec![other.clone(), other.clone(), other];
        let anew = Claims::new(&inventory).take(&node, &small, &mut Vec::new());
        let over = Claims::new(&inventory).take(&node, &small, &mut spare);
        assert_eq!(over, anew);
        assert_eq!(spare.len(), 1);
    }
}
