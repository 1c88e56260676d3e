//! Watches over WebSocket, as Kubernetes serves them to browsers: one message for each event.

use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes};
use futures_util::{SinkExt, StreamExt};
use http::header::{
    CONNECTION, CONTENT_TYPE, HeaderName, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use crate::apimachinery::{is_websocket_request, subprotocols};

/// A request for a WebSocket that may still be refused.
pub(super) struct Handshake {
    upgrade: OnUpgrade,
    answer: Result<Response<()>, Box<Response<Body>>>,
}

/// The conversation that follows.
pub(super) struct Socket {
    stream: WebSocketStream<TokioIo<Upgraded>>,
    framing: Framing,
}

/// How the pieces of a stream are told apart, and what they become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// A line of JSON is a message of text.
    Lines,
    /// What has its length before it is a message of bytes, without the length.
    Lengths,
}

/// What RFC 6455 appends to a key before it is hashed.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// How often a client is asked whether it is still there, so that what stands between us and it does
/// not take the connection for idle.
const PING: Duration = Duration::from_secs(30);
/// What a client may say in one message. Nobody reads it.
const HEARD: usize = 64 * 1024;
/// How long a client may take to say farewell.
const FAREWELL: Duration = Duration::from_secs(2);

impl Handshake {
    /// Takes the request for a WebSocket out of `parts`; `None` when it asks for none, or comes by a
    /// protocol that has none.
    pub(super) fn take(parts: &mut Parts) -> Option<Self> {
        if !is_websocket_request(&parts.headers) {
            return None;
        }
        let upgrade = parts.extensions.remove::<OnUpgrade>()?;
        Some(Self {
            upgrade,
            answer: accept(&parts.headers),
        })
    }

    /// The answer to the request, and what becomes of its connection once that is written.
    ///
    /// # Errors
    /// The refusal, which ends the connection.
    pub(super) fn answer(self) -> Result<(Response<()>, OnUpgrade), Box<Response<Body>>> {
        Ok((self.answer?, self.upgrade))
    }
}

/// The rules and words of `golang.org/x/net/websocket`, which Kubernetes' watches are served by.
fn accept(headers: &HeaderMap) -> Result<Response<()>, Box<Response<Body>>> {
    let key = headers.get(SEC_WEBSOCKET_KEY);
    let Some(key) = key.filter(|key| !key.is_empty()) else {
        return Err(refusal(
            StatusCode::BAD_REQUEST,
            "mismatch challenge/response",
        ));
    };
    if headers
        .get(SEC_WEBSOCKET_VERSION)
        .map(HeaderValue::as_bytes)
        != Some(b"13")
    {
        let mut refused = refusal(StatusCode::BAD_REQUEST, "missing or bad WebSocket Version");
        let version = HeaderValue::from_static("13");
        refused.headers_mut().insert(SEC_WEBSOCKET_VERSION, version);
        return Err(refused);
    }
    if !headers.get(ORIGIN).is_some_and(is_origin) {
        return Err(refusal(StatusCode::FORBIDDEN, ""));
    }
    let mut offered = subprotocols(headers);
    let (protocol, more) = (offered.next().unwrap_or_default(), offered.next());
    // Nothing says which of several it should be.
    if more.is_some() {
        return Err(refusal(StatusCode::BAD_REQUEST, ""));
    }
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let said = response.headers_mut();
    said.insert(UPGRADE, HeaderValue::from_static("websocket"));
    said.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    let text = |name: HeaderName, text: &str, said: &mut HeaderMap| {
        if let Ok(value) = HeaderValue::from_str(text) {
            said.insert(name, value);
        }
    };
    text(SEC_WEBSOCKET_ACCEPT, &accepted(key.as_bytes()), said);
    if !protocol.is_empty() {
        text(SEC_WEBSOCKET_PROTOCOL, protocol, said);
    }
    Ok(response)
}

/// What proves that a key was read.
fn accepted(key: &[u8]) -> String {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID.as_bytes()].concat());
    STANDARD.encode(hash)
}

/// Go wants to be told where a script comes from, and does not care from where.
fn is_origin(value: &HeaderValue) -> bool {
    let uri = Uri::try_from(value.as_bytes());
    uri.is_ok_and(|uri| uri.scheme().is_some() || value.as_bytes().starts_with(b"/"))
}

fn refusal(code: StatusCode, words: &'static str) -> Box<Response<Body>> {
    let mut response = Response::new(Body::from(words));
    *response.status_mut() = code;
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
    Box::new(response)
}

impl Socket {
    /// Speaks over a connection whose answer has been written; `head` says what the stream is.
    pub(super) async fn open(upgraded: Upgraded, head: &Response<()>) -> Self {
        let text = head.headers().get(CONTENT_TYPE);
        let config = WebSocketConfig::default()
            .read_buffer_size(4096)
            .max_message_size(Some(HEARD))
            .max_frame_size(Some(HEARD));
        let io = TokioIo::new(upgraded);
        Self {
            stream: WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await,
            framing: Framing::of(text.map(HeaderValue::as_bytes)),
        }
    }

    /// Sends the events of all pieces, one message each, and returns after the last, or when the
    /// client leaves. What it says is not for us.
    pub(super) async fn pass_on(&mut self, mut pieces: mpsc::Receiver<Bytes>) {
        let mut ping = tokio::time::interval_at(Instant::now() + PING, PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let sent = tokio::select! {
                piece = pieces.recv() => match piece {
                    Some(piece) => self.send(piece).await,
                    None => return,
                },
                heard = self.stream.next() => match heard {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => Ok(()),
                },
                _ = ping.tick() => self.stream.send(Message::Ping(Bytes::new())).await,
            };
            if let Err(error) = sent {
                tracing::debug!(%error, "a WebSocket ended");
                return;
            }
        }
    }

    async fn send(&mut self, mut piece: Bytes) -> Result<(), Error> {
        while let Some(message) = self.framing.split(&mut piece) {
            self.stream.feed(message).await?;
        }
        self.stream.flush().await
    }

    /// Says that nothing more comes, and waits a moment for the client to say the same.
    pub(super) async fn close(mut self) {
        let normal = CloseFrame {
            code: CloseCode::Normal,
            reason: Utf8Bytes::default(),
        };
        let farewell = async {
            if self.stream.close(Some(normal)).await.is_ok() {
                while let Some(Ok(_)) = self.stream.next().await {}
            }
        };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }
}

impl Framing {
    fn of(content_type: Option<&[u8]>) -> Self {
        match content_type {
            Some(b"application/json") => Self::Lines,
            _ => Self::Lengths,
        }
    }

    /// Takes the next event off a piece, which holds whole events.
    fn split(self, piece: &mut Bytes) -> Option<Message> {
        if piece.is_empty() {
            return None;
        }
        match self {
            Self::Lines => {
                let end = memchr::memchr(b'\n', piece).map_or(piece.len(), |at| at + 1);
                let line = piece.split_to(end);
                Utf8Bytes::try_from(line).ok().map(Message::Text)
            }
            Self::Lengths => {
                let length = usize::try_from(piece.try_get_u32().ok()?).ok()?;
                let whole = length <= piece.len();
                whole.then(|| Message::Binary(piece.split_to(length)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: [(&str, &str); 3] = [
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
        ("origin", "http://localhost"),
    ];

    fn headers() -> HeaderMap {
        let lines = HEAD.map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        HeaderMap::from_iter(lines)
    }

    #[test]
    fn a_key_is_answered_as_in_the_standards_example() {
        let response = accept(&headers()).unwrap();
        assert_eq!(response.status(), 101);
        let said = response.headers();
        assert_eq!(said["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(said["connection"], "Upgrade");
        assert_eq!(said["upgrade"], "websocket");
        assert!(!said.contains_key("sec-websocket-protocol"));
        let mut one = headers();
        one.insert(
            "sec-websocket-protocol",
            HeaderValue::from_static(" base64.binary.k8s.io "),
        );
        let response = accept(&one).unwrap();
        assert_eq!(
            response.headers()["sec-websocket-protocol"],
            "base64.binary.k8s.io"
        );
    }

    #[test]
    fn a_request_that_go_refuses_is_refused() {
        for (name, value, code) in [
            ("sec-websocket-key", "", 400),
            ("sec-websocket-version", "8", 400),
            ("origin", "null", 403),
            ("origin", "", 403),
            ("sec-websocket-protocol", "a,b", 400),
        ] {
            let mut wrong = headers();
            wrong.insert(name, HeaderValue::from_static(value));
            let refused = accept(&wrong).unwrap_err();
            assert_eq!(refused.status(), code, "{name}: {value}");
            assert_eq!(refused.headers()["connection"], "close");
        }
    }

    #[test]
    fn each_event_is_a_message() {
        let split = |framing: Framing, piece: &'static [u8]| {
            let mut piece = Bytes::from_static(piece);
            std::iter::from_fn(|| framing.split(&mut piece)).collect::<Vec<_>>()
        };
        let lines = split(Framing::Lines, b"{\"a\":1}\n{}\n");
        let text = |text: &str| Message::Text(text.to_owned().into());
        assert_eq!(lines, [text("{\"a\":1}\n"), text("{}\n")]);
        let framed = split(Framing::Lengths, b"\0\0\0\x02ab\0\0\0\x01c");
        let binary = |bytes: &'static [u8]| Message::Binary(Bytes::from_static(bytes));
        assert_eq!(framed, [binary(b"ab"), binary(b"c")]);
        assert_eq!(split(Framing::Lengths, b"\0\0\0\x09ab"), []);
        assert_eq!(split(Framing::Lines, b""), []);
        assert_eq!(Framing::of(Some(b"application/json")), Framing::Lines);
        let protobuf = b"application/vnd.kubernetes.protobuf;stream=watch";
        assert_eq!(Framing::of(Some(protobuf)), Framing::Lengths);
    }
}
