//! Answers replicas that start.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Method, Response, StatusCode};
use rustls::pki_types::CertificateDer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Metrics;
use super::frames::{self, Content};
use super::identity::Identities;
use super::live_format;
use super::metrics::Answered;
use crate::apimachinery::{Piece, Pieces, Reply, Stream, plain};
use crate::domain::Timestamp;
use crate::history::{FormatWriter, Handing, History, RingWriter};
use crate::live::Live;

/// Hands what we know to replicas that start.
#[derive(Debug)]
pub struct Giver {
    live: Arc<Live>,
    history: Option<Arc<History>>,
    identities: Arc<Identities>,
    places: Arc<Semaphore>,
    open: AtomicBool,
    metrics: Arc<Metrics>,
}

/// Where the points are.
pub(super) const LIVE: &str = "/peer/v1/live";
/// Where the ring is.
pub(super) const HISTORY: &str = "/peer/v1/history";
/// Hand-offs under way at once; further ones get 429 and try another replica.
const AT_ONCE: usize = 2;
/// How long a hand-off may take.
const LASTS: Duration = Duration::from_secs(30);
/// What a piece is filled up to.
const PIECE: usize = 64 << 10;

/// Makes the next part in place of the one before; `false` when there is none.
type Parts = Box<dyn FnMut(&mut Vec<u8>) -> bool + Send>;

/// A body, made as it is taken.
struct Body {
    next: Parts,
    content: Content,
    begun: bool,
    ended: bool,
    count: u32,
    _place: OwnedSemaphorePermit,
}

impl Giver {
    /// The path everything of this room lies below.
    pub const PREFIX: &'static str = "/peer/";

    /// Hands over what `live` and, where one is kept, `history` have, to who `identities` admits.
    #[must_use]
    pub fn new(
        live: Arc<Live>,
        history: Option<Arc<History>>,
        identities: Arc<Identities>,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        Arc::new(Self {
            live,
            history,
            identities,
            places: Arc::new(Semaphore::new(AT_ONCE)),
            open: AtomicBool::new(false),
            metrics,
        })
    }

    /// Tells whether whoever showed this chain of certificates is a replica of us, and counts one
    /// that is not.
    #[must_use]
    pub fn admits(&self, chain: &[CertificateDer<'_>], now: Timestamp) -> bool {
        let admitted = self.identities.admits(chain, now);
        if !admitted {
            self.metrics.answered(Answered::Refused);
        }
        admitted
    }

    /// Answers a replica; `None` when there is nothing at this path. Until our own start is over
    /// that is 503, so that two that start at the same time do not wait for each other.
    #[must_use]
    pub fn respond(&self, method: &Method, path: &str) -> Option<Reply> {
        let content = match path {
            LIVE => Content::Points,
            HISTORY if self.history.is_some() => Content::Ring,
            _ => return None,
        };
        if *method != Method::GET {
            return None;
        }
        if !self.open.load(Ordering::Relaxed) {
            self.metrics.answered(Answered::Busy);
            let code = StatusCode::SERVICE_UNAVAILABLE;
            return Some(plain::plain_text(code, "starting").into());
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.metrics.answered(Answered::Busy);
            return Some(plain::too_many_requests().into());
        };
        let next = match content {
            Content::Points => self.points(),
            Content::Ring => self.ring()?,
        };
        self.metrics.answered(Answered::Given);
        Some(Reply::Stream(Stream {
            head: Response::new(()),
            lasts: LASTS,
            open_ended: false,
            pieces: Box::new(Body {
                next,
                content,
                begun: false,
                ended: false,
                count: 0,
                _place: place,
            }),
        }))
    }

    /// Our own start is over: there is something to hand over.
    pub(super) fn open(&self) {
        self.open.store(true, Ordering::Relaxed);
    }

    fn points(&self) -> Parts {
        let live = Arc::clone(&self.live);
        let mut names = live.node_names().into_iter();
        Box::new(move |part| {
            let Some(points) = names.find_map(|name| live.points_of(&name)) else {
                return false;
            };
            let mut writer = FormatWriter::default();
            live_format::write(&mut writer, &points);
            *part = writer.out;
            true
        })
    }

    fn ring(&self) -> Option<Parts> {
        let mut handing = self.history.as_ref()?.hand_off()?;
        let mut ring = RingWriter::default();
        let mut begun = false;
        Some(Box::new(move |part| {
            let mut writer = FormatWriter::default();
            if begun {
                write_families(&mut handing, &mut ring, &mut writer);
            } else {
                ring.columns(&mut writer, handing.columns().clone());
                begun = true;
            }
            *part = writer.out;
            !part.is_empty()
        }))
    }
}

fn write_families(handing: &mut Handing, ring: &mut RingWriter, writer: &mut FormatWriter) {
    while writer.out.len() < PIECE {
        let Some(family) = handing.next() else { return };
        ring.family(writer, &family);
    }
}

impl Pieces for Body {
    fn next(&mut self) -> Piece {
        if self.ended {
            return Piece::End;
        }
        let mut piece = Vec::with_capacity(2 * PIECE);
        if !self.begun {
            frames::begin(&mut piece, self.content);
            self.begun = true;
        }
        let mut part = Vec::new();
        while piece.len() < PIECE {
            if !(self.next)(&mut part) {
                frames::end(&mut piece, self.count);
                self.ended = true;
                break;
            }
            let written = frames::write(&mut piece, &part);
            self.count = self.count.wrapping_add(u32::from(written));
        }
        Piece::Bytes(Bytes::from(piece))
    }

    fn wait(&mut self) -> BoxFuture<'_, ()> {
        // There is always a piece.
        std::future::ready(()).boxed()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("content", &self.content)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}
