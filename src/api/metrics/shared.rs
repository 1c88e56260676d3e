//! Whole lists that all who ask for them share, and those that are made before they are asked for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::GROUP;
use super::room::{Way, way};
use super::shape::Shape;
use super::snapshot::{POLLED, Past, Snapshot};
use super::streamed::Asked;
use super::watch::{Sources, Watched};
use crate::api::compress;
use crate::apimachinery::{ListOptions, MediaType};

/// Which whole list, in which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ListForm {
    /// Of which version of the group: its place among them.
    version: usize,
    protobuf: bool,
}

/// A body in the forms somebody wanted. Who takes gzip, as all Go clients do, leaves only the
/// compressed form here, a sixth of the other.
#[derive(Default)]
pub(super) struct Encoded {
    plain: OnceLock<Bytes>,
    /// Holds nothing when the body is too small to be compressed.
    gzip: OnceLock<Option<Bytes>>,
    plain_asked: AtomicBool,
    gzip_asked: AtomicBool,
}

/// The snapshot a whole list of this form is answered from.
///
/// It is the current one; but who polls a list does not wait for it to be made: where the last
/// snapshot has it, that answers for another second, and meanwhile, on a thread of its own, the
/// next is made with all lists that were asked for of the last. So a list that is polled is made
/// once more than it is asked for, and is older than others by a second at most.
pub(super) fn snapshot<T: Watched>(
    sources: &Sources,
    form: ListForm,
    gzip: bool,
) -> Arc<Snapshot<T>> {
    let Ok(runtime) = Handle::try_current() else {
        return sources.snapshots.current();
    };
    let Some(past) = sources.snapshots.past::<T>(form, gzip) else {
        return sources.snapshots.current();
    };
    let Past {
        snapshot,
        to_succeed,
    } = past;
    if to_succeed {
        let (sources, past) = (sources.clone(), Arc::clone(&snapshot));
        runtime.spawn_blocking(move || succeed(&sources, &past));
    }
    snapshot
}

/// Lets go of a snapshot of which a list is about to be made within a second after it answers no
/// more: a list of all pods is the largest thing there is, and most are asked for once. While watches
/// look at it, and find nothing new, it goes on to answer.
pub(super) fn let_go_later<T: Watched>(sources: &Sources, snapshot: &Arc<Snapshot<T>>) {
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    if snapshot.lists_made.swap(true, Ordering::Relaxed) {
        return;
    }
    let (snapshots, made_of) = (Arc::clone(&sources.snapshots), Arc::downgrade(snapshot));
    runtime.spawn(async move {
        loop {
            sleep(POLLED).await;
            let gone = made_of.upgrade().is_none_or(|it| snapshots.let_go(&it));
            if gone {
                break;
            }
        }
    });
}

/// Makes the next snapshot, with the lists that were asked for of this one as far as memory allows;
/// leaves it where somebody who could not wait has made another meanwhile.
fn succeed<T: Watched>(sources: &Sources, past: &Arc<Snapshot<T>>) {
    sources.snapshots.succeed(past, |next, form, last| {
        let_go_later(sources, next);
        let asked = form.asked();
        let least = asked.shape.least(asked.media_type);
        let _promised = match way(next.view.len(), least, true) {
            Way::Whole | Way::Streamed => None,
            Way::WholeWithin(bytes) => match sources.spare.promise(bytes) {
                None => return,
                promised => promised,
            },
        };
        if let Some(list) = next.list(form) {
            list.make_as(last, || asked.whole(next));
        }
    });
}

/// All versions have forms.
const _: () = assert!(GROUP.versions.len() * 2 == ListForm::ALL.len());

impl ListForm {
    pub(super) const ALL: [Self; 4] = [
        Self::of(0, false),
        Self::of(0, true),
        Self::of(1, false),
        Self::of(1, true),
    ];

    const fn of(version: usize, protobuf: bool) -> Self {
        Self { version, protobuf }
    }

    /// The form of this version and media type; `None` for those too rare to be shared.
    pub(super) fn new(version: &str, media: MediaType) -> Option<Self> {
        let protobuf = match media {
            MediaType::Json => false,
            MediaType::Protobuf => true,
            MediaType::Yaml => return None,
        };
        let version = GROUP.versions.iter().position(|v| *v == version)?;
        Some(Self::of(version, protobuf))
    }

    /// Its place in [`ALL`](Self::ALL).
    pub(super) fn place(self) -> usize {
        self.version * 2 + usize::from(self.protobuf)
    }

    /// What somebody asks for who wants it.
    fn asked(self) -> Asked {
        let version = GROUP.versions.get(self.version);
        Asked {
            namespace: None,
            options: ListOptions::default(),
            api_version: GROUP.api_version(version.copied().unwrap_or_default()),
            shape: Shape::List,
            media_type: if self.protobuf {
                MediaType::Protobuf
            } else {
                MediaType::Json
            },
            pretty: false,
            gzip: false,
        }
    }
}

impl Encoded {
    /// The body for somebody who takes gzip, or does not; compressed if the second says so.
    pub(super) fn answer(&self, gzip: bool, encode: impl Fn() -> Bytes) -> (Bytes, bool) {
        self.ask(gzip);
        let compressed = gzip.then(|| self.gzip(&encode)).flatten();
        compressed.map_or_else(|| (self.plain(&encode), false), |body| (body, true))
    }

    /// Notes that somebody asks for it.
    pub(super) fn ask(&self, gzip: bool) {
        let asked = if gzip {
            &self.gzip_asked
        } else {
            &self.plain_asked
        };
        asked.store(true, Ordering::Relaxed);
    }

    /// Makes of `encode` what was asked for of another.
    fn make_as(&self, other: &Self, encode: impl Fn() -> Bytes) {
        if other.plain_asked.load(Ordering::Relaxed) {
            self.plain(&encode);
        }
        if other.gzip_asked.load(Ordering::Relaxed) {
            self.gzip(&encode);
        }
    }

    /// Tells whether nothing is left to do for who takes gzip, or does not.
    pub(super) fn is_made(&self, gzip: bool) -> bool {
        if gzip {
            self.gzip.get().is_some()
        } else {
            self.plain.get().is_some()
        }
    }

    /// Tells whether the body is made, or all but compressed if gzip is wanted.
    pub(super) fn has(&self, gzip: bool) -> bool {
        self.plain.get().is_some() || gzip && matches!(self.gzip.get(), Some(Some(_)))
    }

    /// The body as it is, made by `encode` if nobody asked before. Who asks meanwhile waits for it.
    fn plain(&self, encode: impl FnOnce() -> Bytes) -> Bytes {
        self.plain.get_or_init(encode).clone()
    }

    /// The body compressed, likewise; `None` when it is too small for that.
    fn gzip(&self, encode: impl FnOnce() -> Bytes) -> Option<Bytes> {
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
