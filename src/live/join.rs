//! Who is out there, joined with what was measured.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crate::domain::{
    ContainerKind, ContainerName, ContainerUsage, Inventory, NodeName, PodPhase, PodRecord,
};

use super::node::{NodeSample, PodSample};
use super::track::{Measured, Rules};
use super::versions::Versions;
use super::view::{NodeView, PodView, View};

/// The samples every node published last.
pub(super) type Samples = HashMap<NodeName, Arc<NodeSample>>;

/// Everything that can be served at `now`.
///
/// A node or pod is in it when the API server knows it (the pod as `Running`) and every number it
/// needs is fresh. A pod's numbers come only from the node the API server placed it on: another
/// kubelet that still names it, or lies, is not asked.
pub(super) fn join(inventory: &Inventory, samples: &Samples, rules: &Rules, now: Instant) -> View {
    let fresh = |measured: &Measured| rules.is_fresh(measured.received, now);
    let nodes = inventory.nodes().into_iter().filter_map(|record| {
        let usage = samples.get(&record.name)?.node.filter(fresh)?.usage;
        let versions = Versions::default();
        Some(NodeView {
            record,
            usage,
            versions,
            former: None,
        })
    });
    let pods = inventory.pods().into_iter().filter_map(|record| {
        let sample = sample_of(&record, samples)?;
        pod_view(record, sample, fresh)
    });
    View::new(0, nodes.collect(), pods.collect())
}

fn sample_of<'a>(record: &PodRecord, samples: &'a Samples) -> Option<&'a PodSample> {
    if record.phase != PodPhase::Running {
        return None;
    }
    samples.get(record.node.as_ref()?)?.pod(&record.key)
}

/// The pod's entry, if every container that runs has a fresh number: the HPA would read a missing
/// one as zero.
fn pod_view(
    record: Arc<PodRecord>,
    sample: &PodSample,
    fresh: impl Fn(&Measured) -> bool,
) -> Option<PodView> {
    if !names_all_that_run(&record, sample) {
        return None;
    }
    let mut containers = Vec::with_capacity(sample.containers.len());
    for (name, measured) in &sample.containers {
        let usage = measured.filter(|measured| fresh(measured))?.usage;
        containers.push(ContainerUsage {
            name: name.clone(),
            usage,
        });
    }
    // Names unknown to the spec come last; the sort is stable, so these stay ordered by name.
    containers.sort_by_key(|container| place(&record, &container.name));
    let earliest = containers
        .iter()
        .map(|c| c.usage)
        .min_by_key(|usage| usage.timestamp)?;
    Some(PodView {
        record,
        timestamp: earliest.timestamp,
        window: earliest.window,
        containers,
        versions: Versions::default(),
        former: None,
    })
}

/// Tells whether the kubelet named every container the API server says is running. Init containers
/// that must end before the pod runs, and debug containers nobody scales by, are not waited for.
fn names_all_that_run(record: &PodRecord, sample: &PodSample) -> bool {
    let counts = |kind| matches!(kind, ContainerKind::Regular | ContainerKind::Sidecar);
    record
        .containers
        .iter()
        .filter(|c| c.running && counts(c.kind))
        .all(|container| {
            sample
                .containers
                .binary_search_by(|(name, _)| name.cmp(&container.name))
                .is_ok()
        })
}

fn place(record: &PodRecord, name: &ContainerName) -> usize {
    let at = record
        .containers
        .iter()
        .position(|container| container.name == *name);
    at.unwrap_or(usize::MAX)
}
