//! What requests read: one instant of all nodes, or of all pods, joined, sorted and finished.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::domain::{ContainerUsage, NodeRecord, PodRecord, Timestamp, Usage};

use super::versions::{self, Entry, Removed, Versions};

/// One instant of all nodes or all pods that can be served. Immutable: all of an answer comes from
/// one view.
#[derive(Clone, Debug)]
pub struct View<E> {
    version: u64,
    changed_at: Timestamp,
    /// One for each namespace that has an entry, sorted; one for all nodes.
    pieces: Vec<Arc<Piece<E>>>,
    removed: Removed<E>,
    floor: u64,
}

/// The entries of one namespace, joined at one time.
#[derive(Debug)]
pub(super) struct Piece<E> {
    /// Sorted by name; never empty.
    entries: Vec<E>,
    /// One for each entry of a piece that was joined; none in one that was put together otherwise.
    origins: Vec<Origin>,
}

/// A node that has a number.
#[derive(Clone, Debug)]
pub struct NodeView {
    /// What the API server says of it.
    pub record: Arc<NodeRecord>,
    /// Its use.
    pub usage: Usage,
    /// When it last changed.
    pub versions: Versions,
    /// What the API server said of it before its labels last changed.
    pub former: Option<Arc<NodeRecord>>,
}

/// A running pod all of whose running containers have a number.
#[derive(Clone, Debug)]
pub struct PodView {
    /// What the API server says of it.
    pub record: Arc<PodRecord>,
    /// The stamp of the container sampled earliest, as metrics-server reports it.
    pub timestamp: Timestamp,
    /// That container's window.
    pub window: Duration,
    /// The use of each running container, in the pod's own order; never empty.
    pub containers: Arc<[ContainerUsage]>,
    /// When it last changed.
    pub versions: Versions,
    /// What the API server said of it before its labels or its place last changed.
    pub former: Option<Arc<PodRecord>>,
}

/// What an entry was made of, to tell whether it may be taken over into the next view.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    /// The number of its node's sample.
    pub(super) sample: u64,
    /// When the oldest stamp in it was first received.
    pub(super) oldest: Instant,
}

impl<E: Entry> View<E> {
    /// Puts a view together from entries in any order, which all changed at `changed_at`.
    #[must_use]
    pub fn new(version: u64, changed_at: Timestamp, entries: Vec<E>) -> Self {
        Self {
            version,
            changed_at,
            pieces: in_pieces(entries).map(Arc::new).collect(),
            removed: Removed::default(),
            floor: version,
        }
    }

    /// The view after this one, in which these entries, in any order, are all there is.
    #[must_use]
    pub fn then(&self, entries: Vec<E>, now: Timestamp) -> Self {
        self.followed_by(in_pieces(entries).collect(), now)
    }

    /// The view after this one, of which these pieces, sorted, are all there is.
    pub(super) fn followed_by(&self, pieces: Vec<Piece<E>>, now: Timestamp) -> Self {
        self.replaced(0..self.pieces.len(), pieces, now)
    }

    /// The view after this one, in which this is what there is of one namespace.
    pub(super) fn with(&self, namespace: &str, piece: Option<Piece<E>>, now: Timestamp) -> Self {
        let from = self.pieces.partition_point(|p| p.namespace() < namespace);
        let to = self.pieces.partition_point(|p| p.namespace() <= namespace);
        self.replaced(from..to, piece.into_iter().collect(), now)
    }

    /// The view after this one, with other pieces in place of those in `range`. Entries that did
    /// not change keep their versions, and when none did the view keeps its own.
    fn replaced(&self, range: Range<usize>, pieces: Vec<Piece<E>>, now: Timestamp) -> Self {
        let (before, rest) = self.pieces.split_at(range.end.min(self.pieces.len()));
        let (kept, replaced) = before.split_at(range.start.min(before.len()));
        let mut carried = versions::Carried::after(self.version);
        let mut all = Vec::with_capacity(kept.len() + pieces.len() + rest.len());
        all.extend_from_slice(kept);
        let mut old = replaced.iter().peekable();
        for mut piece in pieces {
            while let Some(gone) = old.next_if(|old| old.namespace() < piece.namespace()) {
                carried.carry(&gone.entries, &mut []);
            }
            let same = old.next_if(|old| old.namespace() == piece.namespace());
            let same = same.map_or(&[][..], |old| &old.entries);
            carried.carry(same, &mut piece.entries);
            all.push(Arc::new(piece));
        }
        for gone in old {
            carried.carry(&gone.entries, &mut []);
        }
        all.extend_from_slice(rest);
        let changed = carried.version > self.version;
        let mut removed = Arc::clone(&self.removed);
        let forgotten = versions::remember(&mut removed, carried.left);
        Self {
            version: carried.version,
            changed_at: if changed { now } else { self.changed_at },
            pieces: all,
            removed,
            floor: forgotten.unwrap_or(self.floor),
        }
    }

    /// The number of the newest change, from one sequence for all entries: what a list hands out as
    /// its `resourceVersion`.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// When the newest change was seen, by our wall clock.
    #[must_use]
    pub const fn changed_at(&self) -> Timestamp {
        self.changed_at
    }

    /// All entries, sorted by namespace, then name.
    pub fn iter(&self) -> impl Iterator<Item = &E> + Clone {
        self.pieces.iter().flat_map(|piece| &piece.entries)
    }

    /// The entries in pieces of one namespace each, sorted likewise.
    pub fn pieces(&self) -> impl ExactSizeIterator<Item = &[E]> {
        self.pieces.iter().map(|piece| &*piece.entries)
    }

    /// The entries of one of the [`pieces`](Self::pieces); none where there are not so many.
    #[must_use]
    pub fn piece(&self, nth: usize) -> &[E] {
        self.pieces.get(nth).map_or(&[], |piece| &piece.entries)
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces().map(<[E]>::len).sum()
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The entries of one namespace, sorted by name; that of nodes is empty.
    #[must_use]
    pub fn of_namespace(&self, namespace: &str) -> &[E] {
        let piece = self.piece_of(namespace);
        piece.map_or(&[], |piece| &piece.entries)
    }

    /// The same of one namespace alone: whoever keeps that keeps nothing of the others.
    #[must_use]
    pub fn only(&self, namespace: &str) -> Self {
        Self {
            pieces: self.place_of(namespace).cloned().into_iter().collect(),
            removed: Arc::clone(&self.removed),
            ..*self
        }
    }

    /// What was joined of one namespace.
    pub(super) fn piece_of(&self, namespace: &str) -> Option<&Piece<E>> {
        self.place_of(namespace).map(AsRef::as_ref)
    }

    fn place_of(&self, namespace: &str) -> Option<&Arc<Piece<E>>> {
        let at = self
            .pieces
            .binary_search_by(|piece| piece.namespace().cmp(namespace))
            .ok()?;
        self.pieces.get(at)
    }

    /// The entries that come after this namespace and name.
    pub fn after(&self, namespace: &str, name: &str) -> impl Iterator<Item = &E> {
        let from = self.pieces.partition_point(|p| p.namespace() < namespace);
        let pieces = self.pieces.iter().skip(from);
        pieces.flat_map(move |piece| {
            let from = if piece.namespace() == namespace {
                piece.entries.partition_point(|entry| entry.name() <= name)
            } else {
                0
            };
            piece.entries.get(from..).unwrap_or_default()
        })
    }

    /// The entry of this name, if it has a number; the namespace of nodes is empty.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<&E> {
        let entries = self.of_namespace(namespace);
        let at = entries.binary_search_by(|entry| entry.name().cmp(name));
        entries.get(at.ok()?)
    }

    /// The oldest version that is remembered.
    #[must_use]
    pub const fn floor(&self) -> u64 {
        self.floor
    }

    /// Tells whether everything that changed after `version` can be told from this view: whether it
    /// is a version of this process, and nothing that left since has been forgotten.
    #[must_use]
    pub const fn remembers(&self, version: u64) -> bool {
        version >= self.floor && version <= self.version
    }

    /// Those that left after `version`, oldest first, as they were last.
    pub fn removed_after(&self, version: u64) -> impl Iterator<Item = (u64, &E)> {
        let from = self.removed.partition_point(|(left, _)| *left <= version);
        let left = self.removed.range(from..);
        left.map(|(left, entry)| (*left, entry))
    }
}

fn in_pieces<E: Entry>(mut entries: Vec<E>) -> impl Iterator<Item = Piece<E>> {
    entries.sort_by(E::order);
    let mut left = entries.into_iter().peekable();
    std::iter::from_fn(move || {
        let first = left.next()?;
        let namespace = first.namespace().to_owned();
        let mut entries = vec![first];
        while let Some(entry) = left.next_if(|entry| entry.namespace() == namespace) {
            entries.push(entry);
        }
        Piece::new(entries, Vec::new())
    })
}

impl<E: Entry> Piece<E> {
    /// Sorted entries of one namespace; `None` when there are none.
    pub(super) fn new(entries: Vec<E>, origins: Vec<Origin>) -> Option<Self> {
        let some = !entries.is_empty();
        some.then_some(Self { entries, origins })
    }

    fn namespace(&self) -> &str {
        self.entries.first().map_or("", E::namespace)
    }

    /// Sorted pieces, of which those of one namespace become one.
    pub(super) fn whole(pieces: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut whole: Vec<Self> = Vec::new();
        for mut piece in pieces {
            match whole.last_mut() {
                Some(last) if last.namespace() == piece.namespace() => {
                    last.entries.append(&mut piece.entries);
                    last.origins.append(&mut piece.origins);
                }
                _ => whole.push(piece),
            }
        }
        whole
    }
}

impl Piece<PodView> {
    /// The entries that do not come before this pod, and what each was made of.
    pub(super) fn from(
        &self,
        first: &PodRecord,
    ) -> impl Iterator<Item = (&PodView, &Origin)> + Clone {
        let from = self
            .entries
            .partition_point(|pod| pod.record.key < first.key);
        let entries = self.entries.get(from..).unwrap_or_default();
        entries
            .iter()
            .zip(self.origins.get(from..).unwrap_or_default())
    }
}
