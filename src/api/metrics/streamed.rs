//! Lists that are made piece by piece, while their clients read them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::OwnedSemaphorePermit;

use super::answer::is_selected;
use super::shape::{Shape, Shaped};
use super::snapshot::{Snapshot, Snapshots, Whole};
use super::watch::{Sources, Watched};
use crate::api::compress::{self, GzipPieces};
use crate::api::stream;
use crate::apimachinery::protobuf::{self, Writer};
use crate::apimachinery::{
    Later, ListFrame, ListOptions, MediaType, Object, Piece, Pieces, Reply, Stream, encode, plain,
};
use crate::live::View;

/// What is asked for.
pub(super) struct Asked {
    pub(super) namespace: Option<String>,
    pub(super) options: ListOptions,
    pub(super) api_version: String,
    pub(super) shape: Shape,
    pub(super) media_type: MediaType,
    pub(super) pretty: bool,
    pub(super) gzip: bool,
}

/// The body of a streamed list. It keeps the snapshot it is made of, and nothing of what was made.
struct Body<T> {
    sources: Sources,
    asked: Asked,
    begun: Option<Begun<T>>,
    gzip: Option<GzipPieces>,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

struct Begun<T> {
    snapshot: Arc<Snapshot<T>>,
    shape: Shape,
    frame: Frame,
    at: Cursor,
    /// No item was written yet.
    first: bool,
}

/// What stands around the items.
enum Frame {
    Text(ListFrame),
    Protobuf {
        begin: Bytes,
        /// How much of a list's message stands before its items.
        before: usize,
    },
}

/// The next entry to look at.
#[derive(Clone, Copy, Default)]
struct Cursor {
    /// Which piece of the view.
    piece: usize,
    /// Which entry of it.
    entry: usize,
}

/// What a piece is filled up to, before it is indented or compressed.
const PIECE: usize = 64 * 1024;
/// Items that are written at a time.
const STEP: usize = 16;
/// The longest a list may be read, as the longest a request may take.
const LASTS: Duration = Duration::from_secs(60);

/// Answers with a list that is streamed, of the snapshot that is current when it begins; one of now
/// has so many entries.
pub(super) fn begin<T: Watched>(sources: &Sources, asked: Asked, entries: usize) -> Reply {
    let place = sources.streaming.clone().place(entries);
    let mut head = stream::head(asked.media_type.as_str());
    if asked.gzip {
        compress::mark_as_gzip(head.headers_mut());
    }
    let sources = sources.clone();
    Reply::Later(Later::new(async move {
        let Some(place) = place.await else {
            return plain::too_many_requests().into();
        };
        Reply::Stream(Stream {
            head,
            lasts: LASTS,
            open_ended: false,
            pieces: Box::new(Body::<T> {
                gzip: asked.gzip.then(GzipPieces::default),
                sources,
                asked,
                begun: None,
                ended: false,
                _place: place,
            }),
        })
    }))
}

impl<T: Watched> Begun<T> {
    fn new(snapshots: &Snapshots, asked: &Asked) -> Self {
        let snapshot = snapshots.showing::<T>(asked.namespace.as_deref());
        let shape = asked.shape.holding(asked.selected(&snapshot));
        let empty = asked.shaped(shape, &snapshot, &[]);
        let frame = match asked.media_type {
            MediaType::Protobuf => asked.protobuf_frame(shape, &snapshot),
            MediaType::Json | MediaType::Yaml => {
                let mut json = Vec::new();
                empty.write_json(&mut json);
                Frame::Text(ListFrame::new(&json, asked.media_type, asked.pretty))
            }
        };
        Self {
            snapshot,
            shape,
            frame,
            at: Cursor::default(),
            first: true,
        }
    }

    /// Makes the next piece, before it is compressed; tells whether it is the last.
    fn piece(&mut self, asked: &Asked) -> (Vec<u8>, bool) {
        let mut out = Vec::with_capacity(PIECE + PIECE / 4);
        if self.first {
            out.extend_from_slice(match &self.frame {
                Frame::Text(frame) => frame.head(),
                Frame::Protobuf { begin, .. } => begin,
            });
        }
        while out.len() < PIECE {
            let items = self.at.take(&self.snapshot.view, asked);
            let list = asked.shaped(self.shape, &self.snapshot, &items);
            match &self.frame {
                Frame::Protobuf { .. } if items.is_empty() => {
                    out.extend_from_slice(protobuf::ENVELOPE_END);
                }
                Frame::Protobuf { before, .. } => {
                    out.extend_from_slice(message(&list).get(*before..).unwrap_or_default());
                }
                Frame::Text(_) if items.is_empty() && self.first => {
                    out = encode(&list, asked.media_type, asked.pretty).into();
                }
                Frame::Text(frame) if items.is_empty() => out.extend_from_slice(frame.tail()),
                Frame::Text(frame) => {
                    let mut json = Vec::new();
                    list.write_json(&mut json);
                    frame.write_items(&json, self.first, &mut out);
                }
            }
            self.first = false;
            if items.is_empty() {
                return (out, true);
            }
        }
        (out, false)
    }
}

impl Asked {
    /// Tells whether anything is left out of what there is in all namespaces or one.
    pub(super) fn selects(&self) -> bool {
        !self.options.label_selector.is_empty()
            || !self.options.field_selector.requirements().is_empty()
    }

    /// The whole list, made at once.
    pub(super) fn whole<T: Whole>(&self, snapshot: &Snapshot<T>) -> Bytes {
        let items: Vec<&T> = self.selected(snapshot).collect();
        self.made_of(snapshot, &items)
    }

    /// The same, when these are what is asked for.
    pub(super) fn made_of<T: Whole>(&self, snapshot: &Snapshot<T>, items: &[&T]) -> Bytes {
        let shape = self.shape.holding(items.iter().copied());
        let list = self.shaped(shape, snapshot, items);
        encode(&list, self.media_type, self.pretty)
    }

    /// Those that are asked for of a snapshot of their namespace, sorted.
    pub(super) fn selected<'s, T: Whole>(
        &self,
        snapshot: &'s Snapshot<T>,
    ) -> impl Iterator<Item = &'s T> {
        let items = snapshot.view.iter();
        items.filter(|item| is_selected(*item, &self.options))
    }

    fn shaped<'a, T: Whole>(
        &'a self,
        shape: Shape,
        snapshot: &'a Snapshot<T>,
        items: &'a [&'a T],
    ) -> Shaped<'a, T> {
        Shaped {
            shape,
            api_version: &self.api_version,
            snapshot,
            items,
        }
    }

    /// The length of the message comes before it, so everything is encoded once to be measured.
    fn protobuf_frame<T: Whole>(&self, shape: Shape, snapshot: &Snapshot<T>) -> Frame {
        let empty = self.shaped(shape, snapshot, &[]);
        let metadata = message(&empty);
        let (mut len, mut at) = (metadata.len(), Cursor::default());
        loop {
            let items = at.take(&snapshot.view, self);
            if items.is_empty() {
                break;
            }
            let list = message(&self.shaped(shape, snapshot, &items));
            len += list.len().saturating_sub(metadata.len());
        }
        let begin = protobuf::envelope_begin(empty.api_version(), empty.kind(), len);
        Frame::Protobuf {
            begin: [begin, metadata.clone()].concat().into(),
            before: metadata.len(),
        }
    }
}

impl Cursor {
    /// The next items, as many as are written at a time; none at the end.
    fn take<'v, T: Whole>(&mut self, view: &'v View<T>, asked: &Asked) -> Vec<&'v T> {
        let mut items = Vec::with_capacity(STEP);
        while self.piece < view.pieces().len() {
            for item in view.piece(self.piece).iter().skip(self.entry) {
                self.entry += 1;
                if is_selected(item, &asked.options) {
                    items.push(item);
                }
                if items.len() == STEP {
                    return items;
                }
            }
            self.piece += 1;
            self.entry = 0;
        }
        items
    }
}

/// The message of an object, without its envelope.
fn message(object: &impl Object) -> Bytes {
    let mut writer = Writer::default();
    object.write_protobuf(&mut writer);
    writer.finish()
}

impl<T: Watched> Pieces for Body<T> {
    fn next(&mut self) -> Piece {
        if self.ended {
            return Piece::End;
        }
        let Self { sources, asked, .. } = self;
        let begun = self.begun.get_or_insert_with(|| {
            let begun = Begun::<T>::new(&sources.snapshots, asked);
            let served = asked.selected(&begun.snapshot);
            sources
                .freshness
                .served(served.map(|item| item.interval().0));
            begun
        });
        let (piece, last) = begun.piece(asked);
        self.ended = last;
        if last {
            self.begun = None;
        }
        Piece::Bytes(match &mut self.gzip {
            Some(gzip) => gzip.piece(&piece, last),
            None => piece.into(),
        })
    }

    fn wait(&mut self) -> BoxFuture<'_, ()> {
        // There is always a piece.
        std::future::ready(()).boxed()
    }
}
