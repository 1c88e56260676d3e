//! What changed from one view to the next, so that a watch needs no memory of its own.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use super::view::{NodeView, PodView};

/// The versions of the views in which an entry last changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// When it came into the view.
    pub appeared: u64,
    /// When its labels or its place last changed, which is when a selector may judge it anew.
    pub relabelled: u64,
    /// When anything of it last changed.
    pub changed: u64,
}

/// Entries that left the view, oldest first, with the version of the first view without them.
pub(super) type Removed<E> = Arc<VecDeque<(u64, E)>>;

/// How many entries that left are remembered of each kind. A watch that was away while more left is
/// told to list again.
pub(super) const REMOVED_KEPT: usize = 4096;

/// An entry of a view, as far as this room must tell two of them apart.
pub(super) trait Entry: Clone {
    /// The order of entries in a view.
    fn order(&self, other: &Self) -> Ordering;
    /// Both say the same numbers.
    fn same_numbers(&self, other: &Self) -> bool;
    /// A selector judges both alike.
    fn same_labels(&self, other: &Self) -> bool;
    /// What it was given when its view was made.
    fn versions(&self) -> Versions;
    fn set_versions(&mut self, versions: Versions);
}

/// What [`carry`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// Something came, changed or left.
    pub(super) any: bool,
    /// The oldest version after which nothing that left has been forgotten.
    pub(super) floor: u64,
}

/// Gives the entries of a new view, sorted as the old one's, their versions: what did not change
/// keeps its own, the rest gets `version`; what left is remembered in `removed`.
pub(super) fn carry<E: Entry>(
    old: &[E],
    new: &mut [E],
    removed: &mut Removed<E>,
    floor: u64,
    version: u64,
) -> Difference {
    let mut difference = Difference { any: false, floor };
    let mut old = old.iter().peekable();
    let mut left = Vec::new();
    for entry in new {
        while let Some(gone) = old.next_if(|old| old.order(entry).is_lt()) {
            left.push((version, gone.clone()));
        }
        let before = old.next_if(|old| old.order(entry).is_eq());
        let versions = successor(before, entry, version);
        difference.any |= versions.changed == version;
        entry.set_versions(versions);
    }
    left.extend(old.map(|gone| (version, gone.clone())));
    if !left.is_empty() {
        difference.any = true;
        difference.floor = remember(removed, left).unwrap_or(floor);
    }
    difference
}

fn successor<E: Entry>(before: Option<&E>, entry: &E, version: u64) -> Versions {
    let Some(before) = before else {
        return Versions {
            appeared: version,
            relabelled: version,
            changed: version,
        };
    };
    let mut versions = before.versions();
    if !before.same_labels(entry) {
        versions.relabelled = version;
        versions.changed = version;
    }
    if !before.same_numbers(entry) {
        versions.changed = version;
    }
    versions
}

/// Appends what left; returns the version of the newest entry that had to be forgotten for it.
fn remember<E: Clone>(removed: &mut Removed<E>, left: Vec<(u64, E)>) -> Option<u64> {
    let log = Arc::make_mut(removed);
    log.extend(left);
    let surplus = log.len().saturating_sub(REMOVED_KEPT);
    log.drain(..surplus).last().map(|(version, _)| version)
}

impl Entry for NodeView {
    fn order(&self, other: &Self) -> Ordering {
        self.record.name.cmp(&other.record.name)
    }

    fn same_numbers(&self, other: &Self) -> bool {
        self.usage == other.usage
    }

    fn same_labels(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.record, &other.record) || self.record.labels == other.record.labels
    }

    fn versions(&self) -> Versions {
        self.versions
    }

    fn set_versions(&mut self, versions: Versions) {
        self.versions = versions;
    }
}

impl Entry for PodView {
    fn order(&self, other: &Self) -> Ordering {
        self.record.key.cmp(&other.record.key)
    }

    fn same_numbers(&self, other: &Self) -> bool {
        self.timestamp == other.timestamp
            && self.window == other.window
            && self.containers == other.containers
    }

    fn same_labels(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.record, &other.record)
            || (self.record.labels == other.record.labels && self.record.node == other.record.node)
    }

    fn versions(&self) -> Versions {
        self.versions
    }

    fn set_versions(&mut self, versions: Versions) {
        self.versions = versions;
    }
}
