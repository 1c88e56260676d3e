//! The instant requests are answered from, and the encodings of whole lists they share.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::api::compress;
use crate::apimachinery::{Creation, ListMeta, MediaType};
use crate::domain::Clock;
use crate::live::{NodeView, PodView, View};

use super::watch::Changes;

/// Where the current view comes from.
pub type ViewSource = Arc<dyn Fn() -> Arc<View> + Send + Sync>;

/// Hands out the current [`Snapshot`].
///
/// A snapshot stays as long as the view does not change, and in a large cluster, where some view
/// changes all the time, for up to a second. Everybody is answered from it meanwhile, whatever the
/// form asked for, and a whole list is encoded and compressed once however many ask. Bounds: one
/// snapshot is kept, with at most one body and one compressed body for each of the eight list
/// forms.
pub(super) struct Snapshots {
    source: ViewSource,
    clock: Arc<dyn Clock>,
    current: Mutex<Option<Current>>,
}

struct Current {
    snapshot: Arc<Snapshot>,
    /// When the view was last looked at.
    looked: Instant,
}

/// One instant of the cluster, and what has been encoded of it.
pub(super) struct Snapshot {
    pub(super) view: Arc<View>,
    /// What objects say they were created at: when this view was first answered from.
    pub(super) creation: Creation,
    /// What watches find to tell in it, made when the first of them looks.
    pub(super) node_changes: Mutex<Option<Arc<Changes<NodeView>>>>,
    pub(super) pod_changes: Mutex<Option<Arc<Changes<PodView>>>>,
    lists: [Encoded; 8],
}

/// Which whole list, in which form.
#[derive(Clone, Copy, Debug)]
pub(super) struct ListForm {
    pub(super) pods: bool,
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

/// For how long a snapshot answers without another look at the view: 10 µs for each node and pod,
/// and a second at most. Encoding and compressing one costs 2 µs or less, so whoever polls, a list
/// form takes no more than a fifth of a core; no reader of a 15 s number can tell.
fn lifetime(view: &View) -> Duration {
    let items = u64::try_from(view.nodes().len() + view.pods().len()).unwrap_or(u64::MAX);
    Duration::from_micros(items.saturating_mul(10)).min(Duration::from_secs(1))
}

impl Snapshots {
    pub(super) fn new(source: ViewSource, clock: Arc<dyn Clock>) -> Self {
        Self {
            source,
            clock,
            current: Mutex::default(),
        }
    }

    /// The snapshot of this moment.
    pub(super) fn current(&self) -> Arc<Snapshot> {
        let now = self.clock.monotonic();
        let mut current = self.current.lock();
        if let Some(current) = current.as_ref() {
            let age = now.saturating_duration_since(current.looked);
            if age < lifetime(&current.snapshot.view) {
                return Arc::clone(&current.snapshot);
            }
        }
        let view = (self.source)();
        let snapshot = match current.take() {
            Some(before) if before.snapshot.view.version() == view.version() => before.snapshot,
            _ => Arc::new(Snapshot {
                view,
                creation: self.clock.now().into(),
                node_changes: Mutex::default(),
                pod_changes: Mutex::default(),
                lists: Default::default(),
            }),
        };
        *current = Some(Current {
            snapshot: Arc::clone(&snapshot),
            looked: now,
        });
        snapshot
    }
}

impl Snapshot {
    /// The metadata of every list made of it.
    pub(super) fn list_meta(&self) -> ListMeta {
        ListMeta {
            resource_version: self.view.version(),
        }
    }

    /// The encodings of a whole list that are shared.
    pub(super) fn list(&self, form: ListForm) -> Option<&Encoded> {
        let bits = [form.pods, form.preferred_version, form.protobuf];
        let at = bits
            .into_iter()
            .fold(0, |at, bit| at * 2 + usize::from(bit));
        self.lists.get(at)
    }
}

impl ListForm {
    /// The form of this media type; `None` for those too rare to be shared.
    pub(super) const fn new(pods: bool, preferred_version: bool, media: MediaType) -> Option<Self> {
        let protobuf = match media {
            MediaType::Json => false,
            MediaType::Protobuf => true,
            MediaType::Yaml => return None,
        };
        Some(Self {
            pods,
            preferred_version,
            protobuf,
        })
    }
}

impl Encoded {
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
