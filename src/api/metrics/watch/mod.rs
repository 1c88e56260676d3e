//! `watch=true`: what changes, told as it does.
//!
//! A watch keeps no events. It holds the version it has told everything up to, and finds in the
//! newest view what happened after it; a client that is slow therefore costs one piece of its
//! stream, and misses what was overtaken meanwhile, never what it must know. Every change has a
//! number of its own and they are told in order, so a client that loses its connection anywhere
//! goes on from the last event it saw.

mod changes;
mod form;
#[cfg(test)]
mod tests;
mod watched;

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::GROUP;
use super::answer::is_selected;
use super::freshness::Freshness;
use super::room::Streaming;
use super::snapshot::{Snapshot, Snapshots};
use crate::api::stream;
use crate::apimachinery::{EventType, GroupResource, ListOptions, Piece, Pieces, Reply, Status};
use crate::domain::{Clock, Timestamp};
use crate::lifecycle::Spare;

pub(super) use changes::Changes;
pub(super) use form::Form;
pub(super) use watched::Watched;

/// What every list and watch reads from.
#[derive(Clone)]
pub(super) struct Sources {
    pub(super) snapshots: Arc<Snapshots>,
    /// Moves when there are new numbers.
    pub(super) commits: watch::Receiver<u64>,
    pub(super) freshness: Freshness,
    pub(super) clock: Arc<dyn Clock>,
    /// What is left for lists that are made whole.
    pub(super) spare: Spare,
    /// What other lists are streamed with.
    pub(super) streaming: Streaming,
    /// How long a watch goes on at least that does not say.
    pub(super) shortest: Duration,
}

/// One client's watch of nodes or pods.
struct Watch<T> {
    sources: Sources,
    form: Form,
    namespace: Option<String>,
    options: ListOptions,
    /// Whether what is selected can change with the labels or the place of an object.
    judges_labels: bool,
    /// All that happened up to this version has been told, of the objects the client was introduced
    /// to.
    last: u64,
    introduced: Introduced,
    bookmarks: Option<Bookmarks>,
    /// How much is written before the client must take it.
    piece: usize,
    looked: tokio::time::Instant,
    /// A commit may have come too late for the view that was looked at after it.
    look_again: bool,
    ended: bool,
    of: PhantomData<T>,
}

/// Which objects the client has been told of at all.
#[derive(Clone)]
enum Introduced {
    /// Those whose namespace and name do not come after these.
    UpTo(String, String),
    All,
}

struct Bookmarks {
    due: Instant,
    /// Shortly before the end, so that the client can go on from there.
    last: Option<Instant>,
}

/// What a client must know has been forgotten.
#[derive(Debug, PartialEq, Eq)]
struct Expired {
    oldest: u64,
}

/// What is written of a watch before the client must have taken it.
const PIECE: usize = 64 * 1024;
/// The shortest time between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// The longest time between two looks: labels change and objects go without a commit.
const IDLE: Duration = Duration::from_secs(3);
/// How often a bookmark is sent, and how long before the end the last one, as in Kubernetes.
const BOOKMARKS: Duration = Duration::from_secs(60);
const LAST_BOOKMARK: Duration = Duration::from_secs(2);

/// Begins a watch.
///
/// # Errors
/// 422 for what is no version. One that is too old or of another process ends the stream with an
/// error in it, as in Kubernetes.
pub(super) fn begin<T: Watched>(
    sources: Sources,
    form: Form,
    namespace: Option<&str>,
    options: ListOptions,
) -> Result<Reply, Status> {
    let content_type = form.stream().content_type();
    let lasts = stream::lasts(options.timeout_seconds, sources.shortest);
    let watch = Watch::<T>::new(sources, form, namespace, options, lasts)?;
    Ok(stream::reply(content_type, lasts, watch))
}

impl<T: Watched> Watch<T> {
    fn new(
        sources: Sources,
        form: Form,
        namespace: Option<&str>,
        options: ListOptions,
        lasts: Duration,
    ) -> Result<Self, Status> {
        let from = options.watch_from(GroupResource {
            group: GROUP.name,
            resource: T::RESOURCE.name,
        })?;
        let snapshot = sources.snapshots.not_older_than::<T>(from.unwrap_or(0));
        let view = Arc::clone(&snapshot.view);
        let all = options.send_initial_events == Some(true);
        let last = match from {
            // As new as was asked for, and to be introduced to all there is.
            Some(version) if all && version <= view.version() => view.version(),
            Some(version) => version,
            None => view.version(),
        };
        let fields = options.field_selector.requirements();
        let now = sources.clock.monotonic();
        Ok(Self {
            judges_labels: !options.label_selector.is_empty()
                || fields.iter().any(|one| &*one.field == "spec.nodeName"),
            introduced: if all {
                Introduced::UpTo(String::new(), String::new())
            } else {
                Introduced::All
            },
            bookmarks: options
                .allow_watch_bookmarks
                .then(|| Bookmarks::new(now, lasts)),
            namespace: namespace.map(str::to_owned),
            sources,
            form,
            options,
            last,
            piece: PIECE,
            looked: tokio::time::Instant::now(),
            look_again: false,
            ended: false,
            of: PhantomData,
        })
    }

    /// Appends what there is to tell, a piece at most.
    fn look(&mut self, out: &mut Vec<u8>) {
        let snapshot = self.sources.snapshots.not_older_than(self.last);
        let mut told = Vec::new();
        match self.catch_up(&snapshot, out, &mut told) {
            Ok(true) => {
                if self.introduce(&snapshot, out, &mut told) {
                    self.bookmark(&snapshot, out);
                }
            }
            Ok(false) => {}
            Err(Expired { oldest }) => {
                let status = Status::expired(self.last, oldest);
                self.form.error(&status, out);
                self.ended = true;
            }
        }
        self.sources.freshness.served(told.into_iter());
    }

    /// Tells what happened after `last` to what the client was introduced to; `false` when the
    /// piece is full before.
    fn catch_up(
        &mut self,
        snapshot: &Snapshot<T>,
        out: &mut Vec<u8>,
        told: &mut Vec<Timestamp>,
    ) -> Result<bool, Expired> {
        let view = &snapshot.view;
        if !view.remembers(self.last) {
            let oldest = view.floor();
            return Err(Expired { oldest });
        }
        if self.last == view.version() {
            return Ok(true);
        }
        let changes = Changes::<T>::of(snapshot, self.last);
        for change in changes.since(self.last) {
            if let Some((entry, left)) = changes.entry(view, *change)
                && let Some((event, object)) = self.judge(entry, change.version, left)?
            {
                told.push(object.interval().0);
                self.form.write(event, &*object, snapshot.creation(), out);
            }
            self.last = change.version;
            if out.len() >= self.piece {
                return Ok(false);
            }
        }
        self.last = view.version();
        Ok(true)
    }

    /// What a change is to the client: an object is new to it when it is selected and was not
    /// before, and gone when it was and no longer is.
    fn judge<'e>(
        &self,
        entry: &'e T,
        version: u64,
        left: bool,
    ) -> Result<Option<(EventType, Cow<'e, T>)>, Expired> {
        let elsewhere = |namespace: &String| namespace != entry.namespace();
        if self.namespace.as_ref().is_some_and(elsewhere) || !self.was_introduced(entry) {
            return Ok(None);
        }
        let versions = entry.versions();
        if versions.former > versions.appeared && version <= versions.former {
            // The labels were others before, and which ones is forgotten.
            let oldest = versions.former;
            if self.judges_labels {
                return Err(Expired { oldest });
            }
            if version == oldest {
                return Ok(None);
            }
        }
        let before = entry.as_of(version.saturating_sub(1));
        let after = entry.as_of(version);
        let was = version > versions.appeared && is_selected(&*before, &self.options);
        let is = !left && is_selected(&*after, &self.options);
        let (event, object) = match (was, is) {
            (false, true) => (EventType::Added, after),
            (true, true) => (EventType::Modified, after),
            (true, false) => (EventType::Deleted, before),
            (false, false) => return Ok(None),
        };
        if object.versions().changed == version {
            return Ok(Some((event, object)));
        }
        Ok(Some((event, Cow::Owned(object.shown_at(version)))))
    }

    /// Tells of objects the client has not been told of yet, by name; `false` when the piece is
    /// full before. They are as new as `last`, for what is known already was brought up to it.
    fn introduce(
        &mut self,
        snapshot: &Snapshot<T>,
        out: &mut Vec<u8>,
        told: &mut Vec<Timestamp>,
    ) -> bool {
        let Introduced::UpTo(namespace, name) = self.introduced.clone() else {
            return true;
        };
        let only = self.namespace.as_deref();
        let begin = match only {
            Some(only) if namespace.is_empty() => only,
            _ => namespace.as_str(),
        };
        let entries = snapshot.view.after(begin, &name);
        let there = |entry: &&T| only.is_none_or(|only| only == entry.namespace());
        for entry in entries.take_while(there) {
            if !is_selected(entry, &self.options) {
                continue;
            }
            told.push(entry.interval().0);
            self.form
                .write(EventType::Added, entry, snapshot.creation(), out);
            if out.len() >= self.piece {
                let (namespace, name) = entry.key();
                self.introduced = Introduced::UpTo(namespace.to_owned(), name.to_owned());
                return false;
            }
        }
        self.introduced = Introduced::All;
        if self.bookmarks.is_some() {
            let creation = snapshot.creation();
            self.form.bookmark::<T>(self.last, true, creation, out);
        }
        true
    }

    fn was_introduced(&self, entry: &T) -> bool {
        match &self.introduced {
            Introduced::All => true,
            Introduced::UpTo(namespace, name) => entry.key() <= (namespace.as_str(), name.as_str()),
        }
    }

    fn bookmark(&mut self, snapshot: &Snapshot<T>, out: &mut Vec<u8>) {
        let now = self.sources.clock.monotonic();
        if let Some(bookmarks) = &mut self.bookmarks
            && bookmarks.is_due(now)
        {
            let creation = snapshot.creation();
            self.form.bookmark::<T>(self.last, false, creation, out);
        }
    }

    /// How long to wait for a commit.
    fn patience(&self) -> Duration {
        let now = self.sources.clock.monotonic();
        let due = self.bookmarks.as_ref().map(|one| one.due);
        due.map_or(IDLE, |due| due.saturating_duration_since(now).min(IDLE))
    }
}

impl<T: Watched> Pieces for Watch<T> {
    fn next(&mut self) -> Piece {
        if self.ended {
            return Piece::End;
        }
        let mut out = Vec::new();
        self.look(&mut out);
        if out.is_empty() {
            return Piece::Later;
        }
        Piece::Bytes(Bytes::from(out))
    }

    fn wait(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if std::mem::take(&mut self.look_again) {
                tokio::time::sleep(LOOK).await;
            } else {
                let patience = self.patience();
                match tokio::time::timeout(patience, self.sources.commits.changed()).await {
                    Ok(Ok(())) => {
                        self.look_again = true;
                        tokio::time::sleep_until(self.looked + LOOK).await;
                    }
                    // Nobody commits any more.
                    Ok(Err(_)) => tokio::time::sleep(patience.max(LOOK)).await,
                    Err(_) => {}
                }
            }
            self.looked = tokio::time::Instant::now();
        })
    }
}

impl Bookmarks {
    fn new(now: Instant, lasts: Duration) -> Self {
        let last = (now + lasts).checked_sub(LAST_BOOKMARK);
        let mut bookmarks = Self { due: now, last };
        bookmarks.schedule(now);
        bookmarks
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let due = now >= self.due;
        if due {
            self.schedule(now);
        }
        due
    }

    fn schedule(&mut self, now: Instant) {
        let next = now + BOOKMARKS;
        let last = self.last.filter(|last| *last > now);
        self.due = last.map_or(next, |last| last.min(next));
    }
}
