//! What happened in a view, in the order in which it did.

use std::sync::Arc;

use super::watched::Watched;
use crate::api::metrics::snapshot::Snapshot;
use crate::live::View;

/// Everything after a version that a watch may have to tell, oldest first. Made once for all who
/// watch, from one pass over the view.
#[derive(Debug)]
pub(in crate::api::metrics) struct Changes<T> {
    base: u64,
    list: Vec<Change>,
    gone: Vec<(u64, T)>,
}

/// One version of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Change {
    /// When it happened; no other change has the same number.
    pub(super) version: u64,
    whose: Whose,
}

/// Where the entry of a change is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    /// In this of the view's pieces, at this place.
    Here(usize, usize),
    /// Among those that left.
    Gone(usize),
}

impl<T: Watched> Changes<T> {
    /// The changes of this snapshot after `version`, and perhaps older ones.
    pub(super) fn of(snapshot: &Snapshot<T>, version: u64) -> Arc<Self> {
        let mut kept = snapshot.changes.lock();
        match kept.as_ref() {
            Some(changes) if changes.base <= version => Arc::clone(changes),
            _ => {
                let changes = Arc::new(Self::after(&snapshot.view, version));
                *kept = Some(Arc::clone(&changes));
                changes
            }
        }
    }

    fn after(view: &View<T>, base: u64) -> Self {
        let removed = view.removed_after(base);
        let gone: Vec<(u64, T)> = removed.map(|(at, entry)| (at, entry.clone())).collect();
        let mut list = Vec::new();
        for (nth, piece) in view.pieces().enumerate() {
            for (at, entry) in piece.iter().enumerate() {
                let version = entry.versions().changed;
                if version > base {
                    let whose = Whose::Here(nth, at);
                    push_steps(entry, whose, base, &mut list);
                    list.push(Change { version, whose });
                }
            }
        }
        for (at, (version, entry)) in gone.iter().enumerate() {
            let (version, whose) = (*version, Whose::Gone(at));
            push_steps(entry, whose, base, &mut list);
            list.push(Change { version, whose });
        }
        list.sort_unstable();
        list.dedup();
        Self { base, list, gone }
    }

    /// Those after `version`, oldest first.
    pub(super) fn since(&self, version: u64) -> &[Change] {
        let from = self.list.partition_point(|one| one.version <= version);
        self.list.get(from..).unwrap_or_default()
    }

    /// The entry of a change, and whether it left by it.
    pub(super) fn entry<'c>(&'c self, view: &'c View<T>, change: Change) -> Option<(&'c T, bool)> {
        match change.whose {
            Whose::Here(nth, at) => Some((view.piece(nth).get(at)?, false)),
            Whose::Gone(at) => {
                let (left, entry) = self.gone.get(at)?;
                Some((entry, *left == change.version))
            }
        }
    }
}

/// The steps by which an entry came to be selected or not, as far as they are remembered. Each has
/// its place in the order, or who goes on from between two of them would not know what a client
/// has.
fn push_steps<T: Watched>(entry: &T, whose: Whose, base: u64, list: &mut Vec<Change>) {
    let versions = entry.versions();
    let steps = [versions.appeared, versions.former, versions.relabelled];
    for version in steps.into_iter().filter(|version| *version > base) {
        list.push(Change { version, whose });
    }
}
