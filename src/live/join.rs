//! Who is out there, joined with what was measured.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crate::domain::{
    ContainerKind, ContainerName, ContainerUsage, NodeName, NodeRecord, PodPhase, PodRecord,
};

use super::sample::{NodeSample, PodSample};
use super::track::{Measured, Rules};
use super::versions::Versions;
use super::view::{NodeView, Origin, Piece, PodView};

/// The samples nodes published last.
pub(super) type Samples = HashMap<NodeName, Arc<NodeSample>>;

/// Every node that can be served at `now`: those the API server knows, with a number that is fresh.
pub(super) fn nodes(
    records: Vec<Arc<NodeRecord>>,
    samples: &Samples,
    rules: &Rules,
    now: Instant,
) -> Option<Piece<NodeView>> {
    let fresh = |measured: &Measured| rules.is_fresh(measured.received, now);
    let nodes = records.into_iter().filter_map(|record| {
        let usage = samples.get(&record.name)?.node.filter(fresh)?.usage;
        let versions = Versions::default();
        Some(NodeView {
            record,
            usage,
            versions,
            former: None,
        })
    });
    Piece::new(nodes.collect(), Vec::new())
}

/// Every one of these pods, sorted and of one namespace, that can be served at `now`: the API server knows it as `Running` and
/// every number it needs is fresh. A pod's numbers come only from the node the API server placed it
/// on: another kubelet that still names it, or lies, is not asked.
///
/// Entries of `before` whose record and sample are still the same are taken over: between two views
/// a second apart that is nine tenths of them.
pub(super) fn pods<'a>(
    records: impl ExactSizeIterator<Item = &'a Arc<PodRecord>> + Clone,
    samples: &Samples,
    rules: &Rules,
    now: Instant,
    before: Option<&Piece<PodView>>,
) -> Option<Piece<PodView>> {
    let mut pods = Vec::with_capacity(records.len());
    let mut origins = Vec::with_capacity(records.len());
    let first = records.clone().next();
    let earlier = before.zip(first).map(|(before, first)| before.from(first));
    let mut earlier = earlier.into_iter().flatten().peekable();
    let mut ahead = records.clone();
    for (nth, record) in records.enumerate() {
        if nth.is_multiple_of(TOUCHED_AT_ONCE) {
            touch(ahead.by_ref().take(TOUCHED_AT_ONCE));
            touch_shares(earlier.clone().take(TOUCHED_AT_ONCE));
        }
        let Some(sample) = sample_of(record, samples) else {
            continue;
        };
        let is_known = |(pod, _): &(&PodView, &Origin)| Arc::ptr_eq(&pod.record, record);
        let known = earlier.next_if(is_known).or_else(|| {
            while earlier
                .next_if(|(pod, _)| pod.record.key < record.key)
                .is_some()
            {}
            earlier.next_if(is_known)
        });
        let same = known.filter(|(_, origin)| origin.sample == sample.number);
        let joined = match same {
            Some((pod, origin)) => Some((pod.clone(), *origin)),
            None => joined(Arc::clone(record), sample),
        };
        if let Some((pod, origin)) = joined.filter(|(_, origin)| fresh_at(origin, rules, now)) {
            pods.push(pod);
            origins.push(origin);
        }
    }
    Piece::new(pods, origins)
}

/// How many pods are touched before they are joined: a loop that does nothing but read lets the
/// processor wait for many places in memory at once instead of for each in turn.
const TOUCHED_AT_ONCE: usize = 16;

fn touch<'a>(records: impl Iterator<Item = &'a Arc<PodRecord>>) {
    let read = |sum: usize, record: &Arc<PodRecord>| {
        sum ^ Arc::strong_count(record) ^ usize::from(record.phase == PodPhase::Running)
    };
    std::hint::black_box(records.fold(0, read));
}

fn touch_shares<'a>(known: impl Iterator<Item = (&'a PodView, &'a Origin)>) {
    let read = |sum: usize, (pod, _): (&PodView, &Origin)| sum ^ Arc::strong_count(&pod.containers);
    std::hint::black_box(known.fold(0, read));
}

fn fresh_at(origin: &Origin, rules: &Rules, now: Instant) -> bool {
    rules.is_fresh(origin.oldest, now)
}

fn sample_of<'a>(record: &PodRecord, samples: &'a Samples) -> Option<&'a NodeSample> {
    if record.phase != PodPhase::Running {
        return None;
    }
    samples.get(record.node.as_ref()?).map(AsRef::as_ref)
}

/// The pod's entry, if every container that runs has a number: the HPA would read a missing one as
/// zero.
fn joined(record: Arc<PodRecord>, node: &NodeSample) -> Option<(PodView, Origin)> {
    let sample = node.pod(&record.key)?;
    if !names_all_that_run(&record, sample) {
        return None;
    }
    let mut containers = Vec::with_capacity(sample.containers().len());
    let mut oldest = None;
    for (name, measured) in sample.containers() {
        let Measured { usage, received } = measured?;
        oldest = Some(oldest.map_or(received, |oldest: Instant| oldest.min(received)));
        let name = name.clone();
        containers.push(ContainerUsage { name, usage });
    }
    // Names unknown to the spec come last; the sort is stable, so these stay ordered by name.
    if containers.len() > 1 {
        containers.sort_by_key(|container| place(&record, &container.name));
    }
    let usages = containers.iter().map(|c| c.usage);
    let earliest = usages.min_by_key(|usage| usage.timestamp)?;
    let origin = Origin {
        sample: node.number,
        oldest: oldest?,
    };
    let pod = PodView {
        record,
        timestamp: earliest.timestamp,
        window: earliest.window,
        containers: containers.into(),
        versions: Versions::default(),
        former: None,
    };
    Some((pod, origin))
}

/// Tells whether the kubelet named every container the API server says is running. Init containers
/// that must end before the pod runs, and debug containers nobody scales by, are not waited for.
fn names_all_that_run(record: &PodRecord, sample: PodSample<'_>) -> bool {
    let counts = |kind| matches!(kind, ContainerKind::Regular | ContainerKind::Sidecar);
    record
        .containers
        .iter()
        .filter(|c| c.running && counts(c.kind))
        .all(|container| sample.names(&container.name))
}

fn place(record: &PodRecord, name: &ContainerName) -> usize {
    let at = record
        .containers
        .iter()
        .position(|container| container.name == *name);
    at.unwrap_or(usize::MAX)
}
