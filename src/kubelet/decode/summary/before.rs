//! The sets of the answer before, to be written over: most entities are there again, with the same
//! names and as many points.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::Arc;

use crate::domain::{EntityKey, EntityKind, MetricSet, PodKey};

/// Sets that say nothing any more, by what they were of.
#[derive(Debug, Default)]
pub(super) struct Before {
    sets: Vec<MetricSet>,
    /// How many are the node's and its system containers'.
    of_node: usize,
    /// The hash of each pod's name and its sets, sorted by hash.
    pods: Vec<(u64, Range<usize>)>,
    hasher: RandomState,
}

/// How many sets or points are looked through for a name; what is not among them gets memory anew.
const LOOKED_THROUGH: usize = 64;

impl Before {
    pub(super) fn new(sets: Vec<MetricSet>) -> Self {
        let is_of_node = |set: &MetricSet| set.key.kind() < EntityKind::Namespace;
        let of_node = sets.iter().take_while(|set| is_of_node(set)).count();
        let hasher = RandomState::new();
        let mut pods = Vec::with_capacity(sets.len() / 2);
        let mut from = of_node;
        let of_pods = sets.get(from..).unwrap_or_default();
        for chunk in of_pods.chunk_by(|a, b| a.key.pod() == b.key.pod()) {
            let to = from + chunk.len();
            if let Some(pod) = chunk.first().and_then(|set| set.key.pod()) {
                let hash = hasher.hash_one((pod.namespace.as_str(), pod.name.as_str()));
                pods.push((hash, from..to));
            }
            from = to;
        }
        pods.sort_unstable_by_key(|(hash, _)| *hash);
        Self {
            sets,
            of_node,
            pods,
            hasher,
        }
    }

    /// The sets of the node and its system containers.
    pub(super) const fn of_node(&self) -> Range<usize> {
        0..self.of_node
    }

    /// The sets of a pod and its containers; none where there was no such pod.
    pub(super) fn of_pod(&self, namespace: &str, name: &str) -> Range<usize> {
        let hash = self.hasher.hash_one((namespace, name));
        let from = self.pods.partition_point(|(known, _)| *known < hash);
        let same = self.pods.iter().skip(from).take_while(|pod| pod.0 == hash);
        let is = |pod: &PodKey| pod.namespace.as_str() == namespace && pod.name.as_str() == name;
        let mut same = same.map(|(_, range)| range);
        let found = same.find(|range| {
            self.key(range.start)
                .and_then(EntityKey::pod)
                .is_some_and(is)
        });
        found.cloned().unwrap_or_default()
    }

    /// Where among these sets the one of such a key stands.
    pub(super) fn place(
        &self,
        mut within: Range<usize>,
        is: impl Fn(&EntityKey) -> bool,
    ) -> Option<usize> {
        within.end = within.end.min(within.start.saturating_add(LOOKED_THROUGH));
        within.find(|at| self.key(*at).is_some_and(&is))
    }

    pub(super) fn key(&self, at: usize) -> Option<&EntityKey> {
        self.sets.get(at).map(|set| &set.key)
    }

    /// The pod whose sets these are.
    pub(super) fn pod_key(&self, sets: &Range<usize>) -> Option<&PodKey> {
        self.first(sets)?.key.pod()
    }

    /// This UID, in memory that is there already if these sets have it.
    pub(super) fn uid(&self, sets: &Range<usize>, uid: &str) -> Arc<str> {
        let known = self.first(sets).and_then(|set| set.pod_uid.as_ref());
        let known = known.filter(|known| known.as_ref() == uid);
        known.cloned().unwrap_or_else(|| uid.into())
    }

    fn first(&self, sets: &Range<usize>) -> Option<&MetricSet> {
        self.sets.get(sets.clone())?.first()
    }

    /// A set of this key, in the memory of the one that stands there. Its points are to be written
    /// anew, its qualified ones to be written over: they are still the old ones.
    pub(super) fn take(&mut self, at: Option<usize>, key: EntityKey) -> MetricSet {
        let mut set = MetricSet::new(key);
        if let Some(old) = at.and_then(|at| self.sets.get_mut(at)) {
            set.points = std::mem::take(&mut old.points);
            set.points.clear();
            set.qualified = std::mem::take(&mut old.qualified);
        }
        set
    }
}

/// The name of a volume's points, that of `known` if it is among those looked at.
pub(super) fn volume(known: &MetricSet, name: &str) -> Arc<str> {
    let is = |by: &&Arc<str>| by.strip_prefix("Volume:") == Some(name);
    let mut known = known.qualified.iter().take(LOOKED_THROUGH).map(|q| &q.by);
    let found = known.find(is).cloned();
    found.unwrap_or_else(|| format!("Volume:{name}").into())
}
