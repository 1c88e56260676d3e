//! `watch=true`: nodes as their state changes.
//!
//! A watch holds which version of each node its client was told, and once a second tells what is
//! different: a state that came and went between two looks is not told. It needs some 100 bytes a
//! node.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::object::{One, TableForm, is_selected, metadata};
use super::{API_VERSION, GROUP, NODE_COVERAGES};
use crate::apimachinery::{
    Bookmark, EventType, GroupResource, IncludeObject, ListOptions, MediaType, MetaVersion,
    Negotiated, NotAcceptable, PartialObjectMetadata, Piece, Pieces, Query, Status, StreamType,
    Transform, write_event, write_table_event,
};
use crate::coverage::{Coverage, NodeCoverage, Snapshot};
use crate::domain::{Clock, Timestamp};

/// One client's watch.
pub(super) struct Watch {
    coverage: Arc<Coverage>,
    clock: Arc<dyn Clock>,
    options: ListOptions,
    shape: Shape,
    /// What the client knows.
    known: BTreeMap<String, Arc<NodeCoverage>>,
    version: u64,
    beginning: Beginning,
    /// The columns of a table are told once.
    columns_told: bool,
}

/// What is told first.
enum Beginning {
    /// Everything there is, with a bookmark behind it when wanted.
    All { bookmark: bool },
    /// Nothing: the client has a list.
    Nothing,
    /// That its list is too old.
    Expired { oldest: u64 },
    /// It has been told.
    Over,
    /// The watch has ended.
    Ended,
}

enum Shape {
    Whole,
    Metadata(MetaVersion),
    Table(MetaVersion, IncludeObject),
}

const LOOK: Duration = Duration::from_secs(1);

/// Begins a watch.
///
/// # Errors
/// 406 for what a watch cannot be, 422 for what is no version.
pub(super) fn begin(
    coverage: &Arc<Coverage>,
    clock: &Arc<dyn Clock>,
    negotiated: &Negotiated,
    query: &Query,
    options: ListOptions,
) -> Result<Watch, Status> {
    if negotiated.media_type != MediaType::Json {
        return Err(Status::not_acceptable(NotAcceptable::StreamWithoutProtobuf));
    }
    let shape = match negotiated.transform {
        Transform::None => Shape::Whole,
        Transform::PartialObjectMetadata(version) => Shape::Metadata(version),
        Transform::PartialObjectMetadataList(_) => {
            return Err(Status::wrong_form(format!(
                "you requested PartialObjectMetadataList, but the requested object is not a list ({})",
                NODE_COVERAGES.kind
            )));
        }
        Transform::Table(version) => Shape::Table(version, IncludeObject::from_query(query)?),
    };
    let from = options.watch_from(GroupResource {
        group: GROUP.name,
        resource: NODE_COVERAGES.name,
    })?;
    let mut watch = Watch {
        coverage: Arc::clone(coverage),
        clock: Arc::clone(clock),
        shape,
        known: BTreeMap::new(),
        version: 0,
        beginning: Beginning::Nothing,
        columns_told: false,
        options,
    };
    watch.begin_from(from);
    Ok(watch)
}

impl Watch {
    /// Takes for known what the client's list said; everything is new to a client without one.
    fn begin_from(&mut self, from: Option<u64>) {
        let all = self.options.send_initial_events;
        let bookmark = all == Some(true) && self.options.allow_watch_bookmarks;
        self.beginning = match from {
            Some(_) if all == Some(true) => Beginning::All { bookmark },
            None if all != Some(false) => Beginning::All { bookmark },
            None => {
                let snapshot = self.coverage.current();
                self.know(&snapshot);
                Beginning::Nothing
            }
            Some(version) => match self.coverage.at(version) {
                Ok(snapshot) => {
                    self.know(&snapshot);
                    Beginning::Nothing
                }
                Err(oldest) => {
                    self.version = version;
                    Beginning::Expired { oldest }
                }
            },
        };
    }

    fn know(&mut self, snapshot: &Snapshot) {
        let selected = snapshot.nodes().iter();
        let selected = selected.filter(|node| is_selected(node, &self.options));
        self.known = selected
            .map(|node| (node.name().to_owned(), Arc::clone(node)))
            .collect();
        self.version = snapshot.version();
    }

    /// Appends what is different from what the client knows.
    fn tell(&mut self, snapshot: &Snapshot, out: &mut Vec<u8>) {
        let before = std::mem::take(&mut self.known);
        self.know(snapshot);
        let now = self.clock.now();
        for (name, node) in &before {
            if !self.known.contains_key(name) {
                let gone = NodeCoverage {
                    version: snapshot.version(),
                    ..NodeCoverage::clone(node)
                };
                self.write(EventType::Deleted, &gone, now, out);
            }
        }
        let known: Vec<_> = self.known.values().map(Arc::clone).collect();
        for node in known {
            let event = match before.get(node.name()) {
                None => EventType::Added,
                Some(former) if former.version != node.version => EventType::Modified,
                Some(_) => continue,
            };
            self.write(event, &node, now, out);
        }
    }

    fn write(&mut self, event: EventType, node: &NodeCoverage, at: Timestamp, out: &mut Vec<u8>) {
        match self.shape {
            Shape::Whole => write_event(StreamType::Json, event, &One { node, at }, out),
            Shape::Metadata(version) => {
                let metadata = metadata(node, at);
                let partial = PartialObjectMetadata { version, metadata };
                write_event(StreamType::Json, event, &partial, out);
            }
            Shape::Table(version, include) => {
                let now = at;
                let form = TableForm {
                    version,
                    include,
                    now,
                };
                let mut table = form.of(&[node], node.version);
                if std::mem::replace(&mut self.columns_told, true) {
                    table.columns.clear();
                }
                write_table_event(event, &table, out);
            }
        }
    }

    /// Appends the event that says that the beginning is over. It is about the object also where
    /// tables were asked for: whoever reads those has no use for it.
    fn bookmark(&self, out: &mut Vec<u8>) {
        let (api_version, kind) = match &self.shape {
            Shape::Metadata(version) => (version.api_version(), "PartialObjectMetadata"),
            Shape::Whole | Shape::Table(..) => (API_VERSION, NODE_COVERAGES.kind),
        };
        let bookmark = Bookmark {
            api_version,
            kind,
            resource_version: self.version,
            annotations: &[("k8s.io/initial-events-end", "true".to_owned())],
            others: "",
        };
        write_event(StreamType::Json, EventType::Bookmark, &bookmark, out);
    }
}

impl Pieces for Watch {
    fn next(&mut self) -> Piece {
        let mut out = Vec::new();
        match std::mem::replace(&mut self.beginning, Beginning::Over) {
            Beginning::All { bookmark } => {
                let snapshot = self.coverage.current();
                self.tell(&snapshot, &mut out);
                if bookmark {
                    self.bookmark(&mut out);
                }
            }
            Beginning::Expired { oldest } => {
                let status = Status::expired(self.version, oldest);
                write_event(StreamType::Json, EventType::Error, &status, &mut out);
                self.beginning = Beginning::Ended;
            }
            Beginning::Nothing | Beginning::Over => {
                let snapshot = self.coverage.current();
                if snapshot.version() != self.version {
                    self.tell(&snapshot, &mut out);
                }
            }
            Beginning::Ended => {
                self.beginning = Beginning::Ended;
                return Piece::End;
            }
        }
        if out.is_empty() {
            return Piece::Later;
        }
        Piece::Bytes(Bytes::from(out))
    }

    fn wait(&mut self) -> BoxFuture<'_, ()> {
        tokio::time::sleep(LOOK).boxed()
    }
}
