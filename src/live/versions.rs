//! What changed from one view to the next, so that a watch needs no memory of its own.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use super::view::{NodeView, PodView};

/// When an entry last changed. Every change of every entry has a number of its own, so that who has
/// been told of all up to a number can go on from exactly there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// When it came into the view.
    pub appeared: u64,
    /// From when to `relabelled` the labels and the place before the present ones were its own.
    /// What it had before that is forgotten. As long as it has its first ones, `appeared`.
    pub former: u64,
    /// When its labels or its place last changed, which is when a selector may judge it anew.
    pub relabelled: u64,
    /// When anything of it last changed.
    pub changed: u64,
}

/// Entries that left the view, oldest first, with the version at which they did.
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
    /// Keeps what selectors judged of the same entry before: as it was just `before`, or as that
    /// one remembers it.
    fn remember_former(&mut self, before: &Self, relabelled: bool);
}

/// Gives the entries of a new view, sorted as the old one's, their versions: what did not change
/// keeps its own, each change gets the number after `version`, which is moved on; what left is
/// remembered in `removed`.
///
/// Returns the oldest version after which nothing that left has been forgotten.
pub(super) fn carry<E: Entry>(
    old: &[E],
    new: &mut [E],
    removed: &mut Removed<E>,
    floor: u64,
    version: &mut u64,
) -> u64 {
    let mut next = || {
        *version += 1;
        *version
    };
    let mut old = old.iter().peekable();
    let mut left = Vec::new();
    for entry in new {
        while let Some(gone) = old.next_if(|old| old.order(entry).is_lt()) {
            left.push((next(), gone.clone()));
        }
        match old.next_if(|old| old.order(entry).is_eq()) {
            Some(before) => follow(before, entry, &mut next),
            None => entry.set_versions(Versions::first(next())),
        }
    }
    left.extend(old.map(|gone| (next(), gone.clone())));
    if left.is_empty() {
        return floor;
    }
    remember(removed, left).unwrap_or(floor)
}

fn follow<E: Entry>(before: &E, entry: &mut E, next: &mut impl FnMut() -> u64) {
    let relabelled = !before.same_labels(entry);
    let mut versions = before.versions();
    if relabelled || !before.same_numbers(entry) {
        versions.changed = next();
    }
    if relabelled {
        versions.former = versions.relabelled;
        versions.relabelled = versions.changed;
    }
    entry.set_versions(versions);
    entry.remember_former(before, relabelled);
}

impl Versions {
    const fn first(version: u64) -> Self {
        Self {
            appeared: version,
            former: version,
            relabelled: version,
            changed: version,
        }
    }
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
        if Arc::ptr_eq(&self.record, &other.record) {
            return Ordering::Equal;
        }
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

    fn remember_former(&mut self, before: &Self, relabelled: bool) {
        self.former = if relabelled {
            Some(Arc::clone(&before.record))
        } else {
            before.former.clone()
        };
    }
}

impl Entry for PodView {
    fn order(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.record, &other.record) {
            return Ordering::Equal;
        }
        self.record.key.cmp(&other.record.key)
    }

    fn same_numbers(&self, other: &Self) -> bool {
        if Arc::ptr_eq(&self.containers, &other.containers) {
            return true;
        }
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

    fn remember_former(&mut self, before: &Self, relabelled: bool) {
        self.former = if relabelled {
            Some(Arc::clone(&before.record))
        } else {
            before.former.clone()
        };
    }
}
