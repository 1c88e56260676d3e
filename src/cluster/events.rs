//! An open watch: its events as they arrive.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::io;

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use kube::client::Body;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::body::Encoding;
use super::client::PROBED;
use super::frames::Frames;
use super::lines::{Lines, TooLong};
use super::object::Object;
use super::request::{LARGEST_OBJECT, SILENCE, Status, Target, WatchError, garbled};
use crate::apimachinery::protobuf::{self, Field, Malformed, Message};

/// The events of an open watch.
pub(super) struct Events {
    body: Body,
    cutter: Cutter,
}

/// What cuts the body: JSON has an event a line, protobuf the length before each.
enum Cutter {
    Lines(Lines),
    Frames(Frames),
}

/// One event, in the encoding of its watch.
pub(super) struct RawEvent {
    encoding: Encoding,
    bytes: Bytes,
}

/// One event, borrowed from its bytes.
pub(super) enum Event<'a> {
    /// An object is there now, or changed.
    Applied(Object<'a>),
    /// An object went, or does not match any longer.
    Deleted(Object<'a>),
    /// Nothing but a newer resource version.
    Bookmark(Object<'a>),
    /// The API server gave up; the watch is over.
    Error(WatchError),
    /// A type of event we do not know.
    Unknown,
}

#[derive(Deserialize)]
struct EventLine<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// A `metav1.WatchEvent`, whose object is in an envelope of its own.
#[derive(Default)]
struct EventMessage<'a> {
    kind: &'a str,
    object: Envelope<'a>,
}

/// A `runtime.RawExtension`.
#[derive(Default)]
struct Envelope<'a>(&'a [u8]);

impl<'a> Message<'a> for EventMessage<'a> {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        match field.number {
            1 => self.kind = field.text()?,
            2 => self.object.merge(field.bytes()?)?,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Message<'a> for Envelope<'a> {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        if field.number == 1 {
            self.0 = field.bytes()?;
        }
        Ok(())
    }
}

impl Events {
    pub(super) fn of(response: Response<Body>) -> Self {
        let cutter = match Encoding::of(response.headers()) {
            Encoding::Json => Cutter::Lines(Lines::new(LARGEST_OBJECT)),
            Encoding::Protobuf => Cutter::Frames(Frames::new(LARGEST_OBJECT)),
        };
        Self {
            body: response.into_body(),
            cutter,
        }
    }

    /// What they are encoded in.
    pub(super) fn encoding(&self) -> Encoding {
        match self.cutter {
            Cutter::Lines(_) => Encoding::Json,
            Cutter::Frames(_) => Encoding::Protobuf,
        }
    }

    /// The next event; `None` when the API server ended the watch.
    pub(super) async fn next(&mut self) -> Result<Option<RawEvent>, WatchError> {
        loop {
            let event = self.cutter.next().map_err(|TooLong| WatchError::TooLarge {
                limit: LARGEST_OBJECT,
            })?;
            if event.is_some() {
                return Ok(event);
            }
            let frame = timeout(SILENCE, self.body.frame()).await;
            match frame.map_err(|_| WatchError::Silent(SILENCE))? {
                None => return Ok(None),
                Some(frame) => {
                    let frame = frame.map_err(|error| broken(&error))?;
                    self.cutter.push(frame.data_ref().map_or(&[], |data| data));
                }
            }
        }
    }
}

/// Why a connection broke: the other side ended it, or has not been there for some time.
fn broken(error: &(dyn StdError + 'static)) -> WatchError {
    use io::ErrorKind::{HostUnreachable, NetworkUnreachable, TimedOut};
    let mut next = Some(error);
    while let Some(cause) = next {
        let kind = cause.downcast_ref().map(io::Error::kind);
        if let Some(TimedOut | HostUnreachable | NetworkUnreachable) = kind {
            return WatchError::Silent(PROBED);
        }
        next = cause.source();
    }
    WatchError::Unreachable {
        reason: error.to_string(),
    }
}

impl Cutter {
    fn push(&mut self, piece: &[u8]) {
        match self {
            Self::Lines(lines) => lines.push(piece),
            Self::Frames(frames) => frames.push(piece),
        }
    }

    fn next(&mut self) -> Result<Option<RawEvent>, TooLong> {
        let (encoding, bytes) = match self {
            Self::Lines(lines) => (Encoding::Json, lines.next()?),
            Self::Frames(frames) => (Encoding::Protobuf, frames.next()?),
        };
        Ok(bytes.map(|bytes| RawEvent { encoding, bytes }))
    }
}

impl RawEvent {
    /// Reads the event of a watch of `target`.
    pub(super) fn view(&self, target: &Target) -> Result<Event<'_>, WatchError> {
        match self.encoding {
            Encoding::Json => {
                let line: EventLine<'_> = serde_json::from_slice(&self.bytes).map_err(garbled)?;
                Ok(event(&line.kind, Object::Json(line.object), target))
            }
            Encoding::Protobuf => {
                let event_message = EventMessage::read(&self.bytes).map_err(garbled)?;
                let EventMessage { kind, object } = event_message;
                let object = protobuf::open(object.0).map_err(garbled)?;
                let object = object.ok_or_else(|| WatchError::Garbled {
                    reason: "an event without an object in protobuf".into(),
                })?;
                Ok(event(kind, Object::Protobuf(object), target))
            }
        }
    }
}

fn event<'a>(kind: &str, object: Object<'a>, target: &Target) -> Event<'a> {
    match kind {
        "ADDED" | "MODIFIED" => Event::Applied(object),
        "DELETED" => Event::Deleted(object),
        "BOOKMARK" => Event::Bookmark(object),
        "ERROR" => {
            let status: Status<'_> = object.read().unwrap_or_default();
            Event::Error(target.refusal(&status))
        }
        _ => Event::Unknown,
    }
}
