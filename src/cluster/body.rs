//! The body of an answer: in which encoding it comes, and its bytes as they arrive, unpacked.

use std::io::Write;
use std::mem;

use bytes::Bytes;
use flate2::write::GzDecoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::BodyExt;
use kube::client::Body;
use tokio::time::{Instant, timeout_at};

use super::request::{PAGE, WatchError, garbled};

/// How objects are encoded. The API server decides; an aggregated or simulated one may know JSON
/// alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Json,
    Protobuf,
}

/// The bytes of a list.
pub(super) struct Pieces {
    body: Body,
    unpacking: Option<GzDecoder<Vec<u8>>>,
    packed: Bytes,
    /// When it must have ended.
    until: Instant,
    read: usize,
    largest: usize,
}

/// Protobuf before JSON, as client-go asks for it. The API server knows it as the type of watches,
/// too, and adds `;stream=watch` by itself.
pub(super) const ACCEPT_OBJECTS: HeaderValue =
    HeaderValue::from_static("application/vnd.kubernetes.protobuf,application/json;q=0.9");
const PROTOBUF: &[u8] = b"application/vnd.kubernetes.protobuf";
/// So much is unpacked at once: it can become a thousand times as large.
const SLICE: usize = 16 << 10;

impl Encoding {
    /// Its name in the log.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Protobuf => "protobuf",
        }
    }

    /// The encoding these headers of an answer tell of.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        match headers.get(CONTENT_TYPE) {
            Some(value) if value.as_bytes().starts_with(PROTOBUF) => Self::Protobuf,
            Some(_) | None => Self::Json,
        }
    }
}

impl Pieces {
    /// The pieces of `response`, `largest` bytes together at most.
    pub(super) fn of(response: Response<Body>, largest: usize) -> Self {
        let encoding = response.headers().get(CONTENT_ENCODING);
        let packed = encoding.is_some_and(|value| value == "gzip");
        Self {
            unpacking: packed.then(|| GzDecoder::new(Vec::new())),
            body: response.into_body(),
            packed: Bytes::new(),
            until: Instant::now() + PAGE,
            read: 0,
            largest,
        }
    }

    /// The next piece; `None` after the last one.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, WatchError> {
        let piece = match self.unpacking {
            None => self.frame().await?,
            Some(_) => self.unpacked().await?,
        };
        self.read += piece.as_ref().map_or(0, Bytes::len);
        if self.read > self.largest {
            return Err(WatchError::TooLarge {
                limit: self.largest,
            });
        }
        Ok(piece)
    }

    /// The body as it comes.
    async fn frame(&mut self) -> Result<Option<Bytes>, WatchError> {
        let frame = timeout_at(self.until, self.body.frame()).await;
        let Some(frame) = frame.map_err(|_| WatchError::Silent(PAGE))? else {
            return Ok(None);
        };
        let frame = frame.map_err(|error| WatchError::Unreachable {
            reason: error.to_string(),
        })?;
        // Trailers say nothing of the list.
        Ok(Some(frame.into_data().unwrap_or_default()))
    }

    async fn unpacked(&mut self) -> Result<Option<Bytes>, WatchError> {
        loop {
            if self.packed.is_empty() {
                match self.frame().await? {
                    Some(piece) => self.packed = piece,
                    None => return self.last(),
                }
            }
            let slice = self.packed.split_to(SLICE.min(self.packed.len()));
            if let Some(unpacking) = &mut self.unpacking {
                unpacking.write_all(&slice).map_err(garbled)?;
                let piece = mem::take(unpacking.get_mut());
                if !piece.is_empty() {
                    return Ok(Some(piece.into()));
                }
            }
        }
    }

    /// What the end of the packed bytes brings out.
    fn last(&mut self) -> Result<Option<Bytes>, WatchError> {
        let Some(mut unpacking) = self.unpacking.take() else {
            return Ok(None);
        };
        unpacking.try_finish().map_err(garbled)?;
        Ok(Some(mem::take(unpacking.get_mut()).into()))
    }
}
