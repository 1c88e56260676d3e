//! The instant requests are answered from, and the encodings of whole lists they share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::apimachinery::{Creation, ListMeta};
use crate::domain::Clock;
use crate::live::{Live, NodeView, PodView, View};

use super::item::Item;
use super::shared::{Encoded, ListForm};
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
/// A snapshot stays as long as the view does not change and somebody looks, and in a large cluster,
/// where some view changes all the time, for up to a second. Everybody is answered from it meanwhile,
/// whatever the form asked for, and a whole list is encoded and compressed once however many ask; who
/// polls one may be answered from it for another second. Who asks for one namespace gets a snapshot
/// of its own. Bounds: one snapshot of nodes and one of pods is kept, and while it is succeeded the
/// next one besides, each with at most one body and one compressed body for each of the four list
/// forms.
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
    /// Somebody makes the next.
    succeeded: bool,
}

/// A snapshot that answers though its time is over.
pub(super) struct Past<T> {
    pub(super) snapshot: Arc<Snapshot<T>>,
    /// Nobody makes the next one yet: whoever gets this does.
    pub(super) to_succeed: bool,
}

/// One instant of all nodes or all pods, and what has been encoded of it.
pub(super) struct Snapshot<T> {
    pub(super) view: Arc<View<T>>,
    /// What watches find to tell in it, made when the first of them looks.
    pub(super) changes: Mutex<Option<Arc<Changes<T>>>>,
    lists: [Encoded; 4],
    /// Somebody began to make a list.
    pub(super) lists_made: AtomicBool,
}

/// For how long after its time a snapshot answers those who asked for a list before, while the next
/// is made: who polls does not wait for it.
pub(super) const POLLED: Duration = Duration::from_secs(1);

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
        if let Some(current) = current.as_ref()
            && now < current.over()
            && version <= current.snapshot.view.version()
        {
            return Arc::clone(&current.snapshot);
        }
        let view = T::view(&*self.views, None);
        let snapshot = match current.take() {
            Some(before) => before.snapshot.then(view),
            None => Arc::new(Snapshot::new(view)),
        };
        *current = Some(Current::new(Arc::clone(&snapshot), now));
        snapshot
    }

    /// The last snapshot, if its time is over, but for no longer than [`POLLED`], and this list is
    /// made of it.
    pub(super) fn past<T: Whole>(&self, form: ListForm, gzip: bool) -> Option<Past<T>> {
        let now = self.clock.monotonic();
        let mut current = T::kept(self).lock();
        let current = current.as_mut()?;
        let list = current.snapshot.list(form)?;
        if !list.is_made(gzip) || now < current.over() || now >= current.over() + POLLED {
            return None;
        }
        list.ask(gzip);
        Some(Past {
            snapshot: Arc::clone(&current.snapshot),
            to_succeed: !std::mem::replace(&mut current.succeeded, true),
        })
    }

    /// Looks at the view again, and puts the snapshot of it in the place of a [`Past`] one when all
    /// lists that were asked for of that one are made of it by `make`; unless somebody who could not wait
    /// for it has put another there.
    pub(super) fn succeed<T: Whole>(
        &self,
        past: &Arc<Snapshot<T>>,
        make: impl Fn(&Arc<Snapshot<T>>, ListForm, &Encoded),
    ) {
        if !self.keeps(past) {
            return;
        }
        let looked = self.clock.monotonic();
        let next = past.then(T::view(&*self.views, None));
        if !Arc::ptr_eq(past, &next) {
            let lists = ListForm::ALL.into_iter().zip(&past.lists);
            for (form, last) in lists.take_while(|_| self.keeps(past)) {
                make(&next, form, last);
            }
        }
        let mut current = T::kept(self).lock();
        if current.as_ref().is_some_and(|current| current.is_of(past)) {
            *current = Some(Current::new(next, looked));
        }
    }

    /// Tells whether this is the one that is kept.
    fn keeps<T: Whole>(&self, snapshot: &Arc<Snapshot<T>>) -> bool {
        let current = T::kept(self).lock();
        current
            .as_ref()
            .is_some_and(|current| current.is_of(snapshot))
    }

    /// Lets go of this snapshot unless it still answers; tells whether it is not kept here.
    pub(super) fn let_go<T: Whole>(&self, snapshot: &Arc<Snapshot<T>>) -> bool {
        let now = self.clock.monotonic();
        let mut current = T::kept(self).lock();
        match current.as_ref().filter(|kept| kept.is_of(snapshot)) {
            Some(kept) if now < kept.over() + POLLED => false,
            Some(_) => {
                *current = None;
                true
            }
            None => true,
        }
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

impl<T: Item> Current<T> {
    fn is_of(&self, snapshot: &Arc<Snapshot<T>>) -> bool {
        Arc::ptr_eq(&self.snapshot, snapshot)
    }

    /// When its time is over.
    fn over(&self) -> Instant {
        self.looked + lifetime(&self.snapshot.view)
    }

    const fn new(snapshot: Arc<Snapshot<T>>, looked: Instant) -> Self {
        Self {
            snapshot,
            looked,
            succeeded: false,
        }
    }
}

impl<T: Item> Snapshot<T> {
    /// The one after this: itself, if nothing changed.
    fn then(self: &Arc<Self>, view: Arc<View<T>>) -> Arc<Self> {
        if self.view.version() == view.version() {
            Arc::clone(self)
        } else {
            Arc::new(Self::new(view))
        }
    }

    fn new(view: Arc<View<T>>) -> Self {
        Self {
            view,
            changes: Mutex::default(),
            lists: Default::default(),
            lists_made: AtomicBool::default(),
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
        self.lists.get(form.place())
    }
}
