//! What changed from one view to the next, so that a watch needs no memory of its own.

use std::borrow::Cow;
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

/// A node or pod in a [`View`](super::View).
pub trait Entry: Clone {
    /// Its namespace; empty for a node.
    fn namespace(&self) -> &str;
    /// Its name.
    fn name(&self) -> &str;
    /// When it last changed.
    fn versions(&self) -> Versions;
    /// The same with these versions.
    fn set_versions(&mut self, versions: Versions);
    /// The order of entries in a view.
    fn order(&self, other: &Self) -> Ordering;
    /// Both say the same numbers.
    fn same_numbers(&self, other: &Self) -> bool;
    /// A selector judges both alike.
    fn same_labels(&self, other: &Self) -> bool;
    /// Keeps what selectors judged of the same entry before: as it was just `before`, or as that
    /// one remembers it.
    fn remember_former(&mut self, before: &Self, relabelled: bool);
    /// The entry with the labels and the place it had at `version`, which must not be before
    /// [`Versions::former`]: older ones are forgotten.
    fn as_of(&self, version: u64) -> Cow<'_, Self>;
}

/// What becomes of entries from one view to the next.
pub(super) struct Carried<E> {
    /// The number of the newest change.
    pub(super) version: u64,
    /// What left, oldest first.
    pub(super) left: Vec<(u64, E)>,
}

impl<E: Entry> Carried<E> {
    /// Nothing yet; the first change gets the number after `version`.
    pub(super) const fn after(version: u64) -> Self {
        Self {
            version,
            left: Vec::new(),
        }
    }

    /// Gives new entries, sorted as the old ones are, their versions: what did not change keeps its
    /// own, each change gets the next number.
    pub(super) fn carry(&mut self, old: &[E], new: &mut [E]) {
        let mut old = old.iter().peekable();
        for entry in new {
            while let Some(gone) = old.next_if(|old| old.order(entry).is_lt()) {
                self.leave(gone);
            }
            match old.next_if(|old| old.order(entry).is_eq()) {
                Some(before) => self.follow(before, entry),
                None => entry.set_versions(Versions::first(self.next())),
            }
        }
        old.for_each(|gone| self.leave(gone));
    }

    const fn next(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    fn leave(&mut self, gone: &E) {
        let version = self.next();
        self.left.push((version, gone.clone()));
    }

    fn follow(&mut self, before: &E, entry: &mut E) {
        let relabelled = !before.same_labels(entry);
        let mut versions = before.versions();
        if relabelled || !before.same_numbers(entry) {
            versions.changed = self.next();
        }
        if relabelled {
            versions.former = versions.relabelled;
            versions.relabelled = versions.changed;
        }
        entry.set_versions(versions);
        entry.remember_former(before, relabelled);
    }
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
pub(super) fn remember<E: Clone>(removed: &mut Removed<E>, left: Vec<(u64, E)>) -> Option<u64> {
    if left.is_empty() {
        return None;
    }
    let log = Arc::make_mut(removed);
    log.extend(left);
    let surplus = log.len().saturating_sub(REMOVED_KEPT);
    log.drain(..surplus).last().map(|(version, _)| version)
}

impl Entry for NodeView {
    fn namespace(&self) -> &str {
        ""
    }

    fn name(&self) -> &str {
        self.record.name.as_str()
    }

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

    fn as_of(&self, version: u64) -> Cow<'_, Self> {
        match &self.former {
            Some(former) if version < self.versions.relabelled => Cow::Owned(Self {
                record: Arc::clone(former),
                ..self.clone()
            }),
            _ => Cow::Borrowed(self),
        }
    }
}

impl Entry for PodView {
    fn namespace(&self) -> &str {
        self.record.key.namespace.as_str()
    }

    fn name(&self) -> &str {
        self.record.key.name.as_str()
    }

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

    fn as_of(&self, version: u64) -> Cow<'_, Self> {
        match &self.former {
            Some(former) if version < self.versions.relabelled => Cow::Owned(Self {
                record: Arc::clone(former),
                ..self.clone()
            }),
            _ => Cow::Borrowed(self),
        }
    }
}
