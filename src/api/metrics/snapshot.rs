//! The instant requests are answered from, and the encodings of whole lists they share.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::api::compress;
use crate::apimachinery::{Creation, ListMeta, MediaType};
use crate::domain::Clock;
use crate::live::{Live, NodeView, PodView, View};

use super::item::Item;
use super::watch::Changes;

/// Where the current views come from.
pub trait Views: Send + Sync {
    /// Every node that can be served now.
    fn nodes(&self) -> Arc<View<NodeView>>;

    /// Every pod that can be served now; with a namespace, at least those of that one.
    fn pods(&self, namespace: Option<&str>) -> Arc<View<PodView>>;
}

impl Views for Live {
    fn nodes(&self) -> Arc<View<NodeView>> {
        self.nodes()
    }

    fn pods(&self, namespace: Option<&str>) -> Arc<View<PodView>> {
        self.pods(namespace)
    }
}

/// What is in a [`Snapshot`]: all nodes, or all pods.
pub(super) trait Whole: Item {
    /// The newest view.
    fn view(views: &dyn Views, namespace: Option<&str>) -> Arc<View<Self>>;

    /// Where its current snapshot is kept.
    fn kept(snapshots: &Snapshots) -> &Mutex<Option<Current<Self>>>;
}

/// Hands out the current [`Snapshot`]s.
///
/// A snapshot stays as long as the view does not change, and in a large cluster, where some view
/// changes all the time, for up to a second. Everybody is answered from it meanwhile, whatever the
/// form asked for, and a whole list is encoded and compressed once however many ask. Who asks for
/// one namespace gets a snapshot of its own. Bounds: one snapshot of nodes and one of pods is kept,
/// with at most one body and one compressed body for each of the four list forms.
pub(super) struct Snapshots {
    views: Arc<dyn Views>,
    clock: Arc<dyn Clock>,
    nodes: Mutex<Option<Current<NodeView>>>,
    pods: Mutex<Option<Current<PodView>>>,
}

pub(super) struct Current<T> {
    snapshot: Arc<Snapshot<T>>,
    /// When the view was last looked at.
    looked: Instant,
}

/// One instant of all nodes or all pods, and what has been encoded of it.
pub(super) struct Snapshot<T> {
    pub(super) view: Arc<View<T>>,
    /// What watches find to tell in it, made when the first of them looks.
    pub(super) changes: Mutex<Option<Arc<Changes<T>>>>,
    lists: [Encoded; 4],
}

/// Which whole list, in which form.
#[derive(Clone, Copy, Debug)]
pub(super) struct ListForm {
    pub(super) preferred_version: bool,
    pub(super) protobuf: bool,
}

/// A body in the forms somebody wanted. Who takes gzip, as all Go clients do, leaves only the
/// compressed form here, a sixth of the other.
#[derive(Default)]
pub(super) struct Encoded {
    plain: OnceLock<Bytes>,
    /// Holds nothing when the body is too small to be compressed.
    gzip: OnceLock<Option<Bytes>>,
}

/// For how long a snapshot answers without another look at the view: 10 µs for each node or pod,
/// and a second at most. Encoding and compressing one costs 2 µs or less, so whoever polls, a list
/// form takes no more than a fifth of a core; no reader of a 15 s number can tell.
fn lifetime<T: Item>(view: &View<T>) -> Duration {
    let items = u64::try_from(view.len()).unwrap_or(u64::MAX);
    Duration::from_micros(items.saturating_mul(10)).min(Duration::from_secs(1))
}

impl Snapshots {
    pub(super) fn new(views: Arc<dyn Views>, clock: Arc<dyn Clock>) -> Self {
        Self {
            views,
            clock,
            nodes: Mutex::default(),
            pods: Mutex::default(),
        }
    }

    /// The snapshot of this moment.
    pub(super) fn current<T: Whole>(&self) -> Arc<Snapshot<T>> {
        self.not_older_than(0)
    }

    /// The snapshot of this moment, in which everything up to `version` can be seen if it is a
    /// version of ours: a list of one namespace may have been newer than the snapshot of all.
    pub(super) fn not_older_than<T: Whole>(&self, version: u64) -> Arc<Snapshot<T>> {
        let now = self.clock.monotonic();
        let mut current = T::kept(self).lock();
        if let Some(current) = current.as_ref() {
            let age = now.saturating_duration_since(current.looked);
            let view = &current.snapshot.view;
            if age < lifetime(view) && version <= view.version() {
                return Arc::clone(&current.snapshot);
            }
        }
        let view = T::view(&*self.views, None);
        let snapshot = match current.take() {
            Some(before) if before.snapshot.view.version() == view.version() => before.snapshot,
            _ => Arc::new(Snapshot::new(view)),
        };
        *current = Some(Current {
            snapshot: Arc::clone(&snapshot),
            looked: now,
        });
        snapshot
    }

    /// A snapshot of this namespace alone as it is now, or of everything without one.
    pub(super) fn showing<T: Whole>(&self, namespace: Option<&str>) -> Arc<Snapshot<T>> {
        let Some(namespace) = namespace else {
            return self.current();
        };
        let view = T::view(&*self.views, Some(namespace));
        Arc::new(Snapshot::new(Arc::new(view.only(namespace))))
    }
}

impl Whole for NodeView {
    fn view(views: &dyn Views, _: Option<&str>) -> Arc<View<Self>> {
        views.nodes()
    }

    fn kept(snapshots: &Snapshots) -> &Mutex<Option<Current<Self>>> {
        &snapshots.nodes
    }
}

impl Whole for PodView {
    fn view(views: &dyn Views, namespace: Option<&str>) -> Arc<View<Self>> {
        views.pods(namespace)
    }

    fn kept(snapshots: &Snapshots) -> &Mutex<Option<Current<Self>>> {
        &snapshots.pods
    }
}

impl<T: Item> Snapshot<T> {
    fn new(view: Arc<View<T>>) -> Self {
        Self {
            view,
            changes: Mutex::default(),
            lists: Default::default(),
        }
    }

    /// What objects say they were created at: when the newest change was seen.
    pub(super) fn creation(&self) -> Creation {
        self.view.changed_at().into()
    }

    /// The metadata of every list made of it.
    pub(super) fn list_meta(&self) -> ListMeta {
        ListMeta {
            resource_version: self.view.version(),
        }
    }

    /// The encodings of a whole list that are shared.
    pub(super) fn list(&self, form: ListForm) -> Option<&Encoded> {
        let bits = [form.preferred_version, form.protobuf];
        let at = bits
            .into_iter()
            .fold(0, |at, bit| at * 2 + usize::from(bit));
        self.lists.get(at)
    }
}

impl ListForm {
    /// The form of this media type; `None` for those too rare to be shared.
    pub(super) const fn new(preferred_version: bool, media: MediaType) -> Option<Self> {
        let protobuf = match media {
            MediaType::Json => false,
            MediaType::Protobuf => true,
            MediaType::Yaml => return None,
        };
        Some(Self {
            preferred_version,
            protobuf,
        })
    }
}

impl Encoded {
    /// Tells whether the body is made, or all but compressed if gzip is wanted.
    pub(super) fn has(&self, gzip: bool) -> bool {
        self.plain.get().is_some() || gzip && matches!(self.gzip.get(), Some(Some(_)))
    }

    /// The body as it is, made by `encode` if nobody asked before. Who asks meanwhile waits for it.
    pub(super) fn plain(&self, encode: impl FnOnce() -> Bytes) -> Bytes {
        self.plain.get_or_init(encode).clone()
    }

    /// The body compressed, likewise; `None` when it is too small for that.
    pub(super) fn gzip(&self, encode: impl FnOnce() -> Bytes) -> Option<Bytes> {
        let compress = || {
            let plain = self.plain.get().cloned().unwrap_or_else(encode);
            if plain.len() <= compress::THRESHOLD {
                // May have been set meanwhile, and then to the same bytes.
                let _ = self.plain.set(plain);
                return None;
            }
            compress::gzip(&plain)
        };
        self.gzip.get_or_init(compress).clone()
    }
}
