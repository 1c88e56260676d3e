//! `watch`: every change after a revision, as long as the client stays.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::list::Selection;
use super::render::{self, Form};
use super::route::Query;
use super::status;
use crate::lab::World;
use crate::lab::serve::{Body, BodyError};
use crate::lab::world::{Change, Object, TooOld};

const DEFAULT_TIMEOUT_SECONDS: u64 = 1800;
/// A real one sends a bookmark about once a minute; more often shows faults sooner.
const BOOKMARK_EVERY: Duration = Duration::from_secs(10);

struct Watching {
    world: Arc<World>,
    selection: Selection,
    form: Form,
    cursor: u64,
    first: Option<Bytes>,
    bookmarks: bool,
    ends: Instant,
    changed: watch::Receiver<u64>,
    dropped: watch::Receiver<u64>,
    over: bool,
}

/// Answers a watch.
pub(super) fn watch(
    world: &Arc<World>,
    selection: Selection,
    query: &Query,
    form: Form,
    dropped: watch::Receiver<u64>,
) -> Response<Body> {
    let changed = world.watch();
    let timeout = query
        .number("timeoutSeconds")
        .unwrap_or(DEFAULT_TIMEOUT_SECONDS);
    let mut watching = Watching {
        world: Arc::clone(world),
        selection,
        form,
        cursor: 0,
        first: None,
        bookmarks: query.is_true("allowWatchBookmarks"),
        ends: Instant::now() + Duration::from_secs(timeout.min(DEFAULT_TIMEOUT_SECONDS)),
        changed,
        dropped,
        over: false,
    };
    watching.begin(query);
    let frames = stream::unfold(watching, |mut watching| async move {
        let chunk = watching.next().await?;
        Some((Ok::<_, BodyError>(Frame::data(chunk)), watching))
    });
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

impl Watching {
    /// Without a revision, or with 0 and `sendInitialEvents`, a watch begins with all there is.
    fn begin(&mut self, query: &Query) {
        let initial = query.is_true("sendInitialEvents");
        if let Some(revision) = query
            .number("resourceVersion")
            .filter(|r| *r > 0 && !initial)
        {
            self.cursor = revision;
            return;
        }
        let page = self.world.page(self.selection.kind, None, usize::MAX, |o| {
            self.selection.matches(o)
        });
        self.cursor = page.revision;
        let mut chunk = Vec::new();
        for object in &page.objects {
            let value = render::object(object, object.meta().version, self.form);
            push_event(&mut chunk, "ADDED", &value);
        }
        if initial {
            let annotations = json!({ "k8s.io/initial-events-end": "true" });
            push_event(&mut chunk, "BOOKMARK", &self.bookmark(&annotations));
        }
        self.first = Some(chunk.into()).filter(|c: &Bytes| !c.is_empty());
    }

    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        while !self.over {
            self.changed.borrow_and_update();
            let chunk = self.collect();
            if !chunk.is_empty() {
                return Some(chunk);
            }
            tokio::select! {
                changed = self.changed.changed() => changed.ok()?,
                _ = self.dropped.changed() => return None,
                () = tokio::time::sleep_until(self.ends) => return None,
                () = tokio::time::sleep(BOOKMARK_EVERY), if self.bookmarks => {
                    let mut chunk = Vec::new();
                    push_event(&mut chunk, "BOOKMARK", &self.bookmark(&json!({})));
                    return Some(chunk.into());
                }
            }
        }
        None
    }

    fn collect(&mut self) -> Bytes {
        let mut chunk = Vec::new();
        match self.world.changes_after(self.cursor) {
            Ok((revision, changes)) => {
                for change in &changes {
                    self.push_change(&mut chunk, change);
                }
                self.cursor = revision;
            }
            Err(TooOld) => {
                let message = format!("too old resource version: {}", self.cursor);
                let expired = status::object(StatusCode::GONE, "Expired", &message);
                push_event(&mut chunk, "ERROR", &expired);
                self.over = true;
            }
        }
        chunk.into()
    }

    /// An object that leaves the selection is told as deleted, one that enters it as added.
    fn push_change(&self, chunk: &mut Vec<u8>, change: &Change) {
        if change.kind() != Some(self.selection.kind) {
            return;
        }
        let selected = |o: &&Object| self.selection.matches(o);
        let old = change.old.as_ref().filter(selected);
        let new = change.new.as_ref().filter(selected);
        let (event, object) = match (old, new) {
            (None, None) => return,
            (None, Some(new)) => ("ADDED", new),
            (Some(_), Some(new)) => ("MODIFIED", new),
            (Some(old), None) => ("DELETED", change.new.as_ref().unwrap_or(old)),
        };
        let value = render::object(object, change.revision, self.form);
        push_event(chunk, event, &value);
    }

    fn bookmark(&self, annotations: &Value) -> Value {
        let (kind, version) = match self.form {
            Form::Full => (self.selection.kind.as_str(), "v1"),
            Form::Metadata => ("PartialObjectMetadata", "meta.k8s.io/v1"),
        };
        json!({
            "kind": kind,
            "apiVersion": version,
            "metadata": {
                "resourceVersion": self.cursor.to_string(),
                "creationTimestamp": null,
                "annotations": annotations,
            },
        })
    }
}

fn push_event(chunk: &mut Vec<u8>, event: &str, object: &Value) {
    let line = json!({ "type": event, "object": object });
    chunk.extend_from_slice(line.to_string().as_bytes());
    chunk.push(b'\n');
}
