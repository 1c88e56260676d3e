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
    /// Whose it is: an index of the view's entries, or behind them of those that left.
    at: usize,
}

impl<T: Watched> Changes<T> {
    /// The changes of this snapshot after `version`, and perhaps older ones.
    pub(super) fn of(snapshot: &Snapshot, version: u64) -> Arc<Self> {
        let mut kept = T::changes(snapshot).lock();
        match kept.as_ref() {
            Some(changes) if changes.base <= version => Arc::clone(changes),
            _ => {
                let changes = Arc::new(Self::after(&snapshot.view, version));
                *kept = Some(Arc::clone(&changes));
                changes
            }
        }
    }

    fn after(view: &View, base: u64) -> Self {
        let removed = T::removed_after(view, base);
        let gone: Vec<(u64, T)> = removed.map(|(at, entry)| (at, entry.clone())).collect();
        let entries = T::entries(view, None);
        let mut list = Vec::new();
        for (at, entry) in entries.iter().enumerate() {
            let changed = entry.versions().changed;
            if changed > base {
                push_steps(entry, at, base, &mut list);
                list.push(Change {
                    version: changed,
                    at,
                });
            }
        }
        for (at, (left, entry)) in gone.iter().enumerate() {
            let at = entries.len() + at;
            push_steps(entry, at, base, &mut list);
            list.push(Change { version: *left, at });
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
    pub(super) fn entry<'c>(&'c self, view: &'c View, change: Change) -> Option<(&'c T, bool)> {
        let entries = T::entries(view, None);
        if let Some(entry) = entries.get(change.at) {
            return Some((entry, false));
        }
        let (left, entry) = self.gone.get(change.at.checked_sub(entries.len())?)?;
        Some((entry, *left == change.version))
    }
}

/// The steps by which an entry came to be selected or not, as far as they are remembered. Each has
/// its place in the order, or who goes on from between two of them would not know what a client
/// has.
fn push_steps<T: Watched>(entry: &T, at: usize, base: u64, list: &mut Vec<Change>) {
    let versions = entry.versions();
    let steps = [versions.appeared, versions.former, versions.relabelled];
    for version in steps.into_iter().filter(|version| *version > base) {
        list.push(Change { version, at });
    }
}
