//! The instant requests are answered from, and the encodings of whole lists they share.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::api::compress;
use crate::apimachinery::{Creation, MediaType};
use crate::domain::Clock;
use crate::live::View;

/// Where the current view comes from.
pub type ViewSource = Arc<dyn Fn() -> Arc<View> + Send + Sync>;

/// Hands out the current [`Snapshot`], a new one at most once in [`MAX_AGE`].
///
/// Within that time everybody is answered from one view, whatever the form asked for, and a whole list is encoded and
/// compressed once however many ask. Bounds: one snapshot is kept, with at most one body and one compressed body for
/// each of the eight list forms.
pub(super) struct Snapshots {
    source: ViewSource,
    clock: Arc<dyn Clock>,
    current: Mutex<Option<Arc<Snapshot>>>,
}

/// One instant of the cluster, and what has been encoded of it.
pub(super) struct Snapshot {
    pub(super) view: Arc<View>,
    /// What objects say they were created at.
    pub(super) creation: Creation,
    taken: Instant,
    lists: [OnceLock<Encoded>; 8],
}

/// Which whole list, in which form.
#[derive(Clone, Copy, Debug)]
pub(super) struct ListForm {
    pub(super) pods: bool,
    pub(super) preferred_version: bool,
    pub(super) protobuf: bool,
}

/// A body and, once somebody wanted it, the same compressed.
pub(super) struct Encoded {
    plain: Bytes,
    gzip: OnceLock<Option<Bytes>>,
}

/// How long a snapshot answers. Far below the resolution of any kubelet.
pub(super) const MAX_AGE: Duration = Duration::from_secs(1);

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
        if let Some(snapshot) = current.as_ref()
            && now.saturating_duration_since(snapshot.taken) < MAX_AGE
        {
            return Arc::clone(snapshot);
        }
        let fresh = Arc::new(Snapshot {
            view: (self.source)(),
            creation: self.clock.now().into(),
            taken: now,
            lists: Default::default(),
        });
        *current = Some(Arc::clone(&fresh));
        fresh
    }
}

impl Snapshot {
    /// The encoding of a whole list, made by `encode` if nobody asked before. Who asks meanwhile waits for it.
    pub(super) fn list(&self, form: ListForm, encode: impl FnOnce() -> Bytes) -> Option<&Encoded> {
        let bits = [form.pods, form.preferred_version, form.protobuf];
        let at = bits
            .into_iter()
            .fold(0, |at, bit| at * 2 + usize::from(bit));
        let made = self.lists.get(at)?.get_or_init(|| Encoded {
            plain: encode(),
            gzip: OnceLock::new(),
        });
        Some(made)
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
    /// The body as it is.
    pub(super) fn plain(&self) -> Bytes {
        self.plain.clone()
    }

    /// The body compressed, when it is large enough for that.
    pub(super) fn gzip(&self) -> Option<Bytes> {
        if self.plain.len() <= compress::THRESHOLD {
            return None;
        }
        self.gzip
            .get_or_init(|| compress::gzip(&self.plain))
            .clone()
    }
}
