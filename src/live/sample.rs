//! The finished numbers of one node, as commits publish them.

use std::ops::Range;
use std::sync::Arc;

use crate::domain::{ContainerName, PodKey};

use super::node::ContainerLife;
use super::track::Measured;

/// The finished numbers of one node, published as one piece.
#[derive(Debug)]
pub(super) struct NodeSample {
    /// No other sample of the process has this number.
    pub(super) number: u64,
    pub(super) node: Option<Measured>,
    /// There was a time when every container had a number that had been there before. Stays true:
    /// what starts later is no reason to hold back the rest.
    pub(super) pods_settled: bool,
    pub(super) layout: Arc<Layout>,
    /// One for each of the layout's names.
    pub(super) containers: Vec<Option<Measured>>,
}

/// Who is on a node: shared by samples as long as nobody comes or goes.
#[derive(Debug)]
pub(super) struct Layout {
    /// Sorted by key; with the places of the pod's containers.
    pods: Box<[(PodKey, Range<usize>)]>,
    names: Box<[ContainerName]>,
}

/// What the kubelet's newest good answer says of one pod.
#[derive(Clone, Copy, Debug)]
pub(super) struct PodSample<'a> {
    names: &'a [ContainerName],
    containers: &'a [Option<Measured>],
}

impl Layout {
    pub(super) fn of(lives: &[ContainerLife]) -> Self {
        let mut pods = Vec::new();
        let mut end = 0;
        for of_one_pod in lives.chunk_by(|a, b| a.pod == b.pod) {
            let begin = end;
            end += of_one_pod.len();
            let key = of_one_pod.first().map(|life| life.pod.clone());
            pods.extend(key.map(|key| (key, begin..end)));
        }
        let names = lives.iter().map(|life| life.name.clone()).collect();
        Self {
            pods: pods.into(),
            names,
        }
    }
}

impl NodeSample {
    /// How many containers have a number.
    pub(super) fn container_points(&self) -> usize {
        self.containers.iter().flatten().count()
    }

    /// The pod of this key, if the kubelet named it.
    pub(super) fn pod(&self, key: &PodKey) -> Option<PodSample<'_>> {
        let pods = &self.layout.pods;
        let at = pods.binary_search_by(|(pod, _)| pod.cmp(key)).ok()?;
        let (_, places) = pods.get(at)?;
        Some(PodSample {
            names: self.layout.names.get(places.clone())?,
            containers: self.containers.get(places.clone())?,
        })
    }
}

impl<'a> PodSample<'a> {
    /// Its containers sorted by name; one still without a pair has no number.
    pub(super) fn containers(
        self,
    ) -> impl ExactSizeIterator<Item = (&'a ContainerName, Option<Measured>)> {
        self.names.iter().zip(self.containers.iter().copied())
    }

    /// Whether the kubelet named this container.
    pub(super) fn names(self, name: &ContainerName) -> bool {
        self.names.binary_search(name).is_ok()
    }
}
