//! Answers that go on: watches, and what is too long to be made whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;

use super::connection::Connection;
use super::filters::Admitted;
use super::websocket::{Handshake, Socket};
use crate::apimachinery::{Piece, Pieces, Stream};
use crate::lifecycle::Tasks;

/// Carries the pieces of streams to their clients.
#[derive(Clone)]
pub(super) struct Streams {
    tasks: Tasks,
    /// Those who compute at the moment, handlers included.
    handlers: Arc<Semaphore>,
    stalled: Duration,
}

/// A piece on its way to the client, and its place among those; nobody has it any more when its
/// last byte has left for the connection.
struct OnItsWay {
    piece: Bytes,
    _place: OwnedSemaphorePermit,
}

/// A body that had to be complete was not made to its end.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the answer was not made to its end")]
struct BrokenOff;

/// Pieces of one stream that are made and not yet with the connection's own buffers: one leaves
/// while the next is made.
const AHEAD: usize = 2;

impl Streams {
    pub(super) const fn new(tasks: Tasks, handlers: Arc<Semaphore>, stalled: Duration) -> Self {
        Self {
            tasks,
            handlers,
            stalled,
        }
    }

    /// Answers with the stream. It ends after its time, when the client leaves, and, if it is
    /// open-ended, when the connection is to close; `admitted` is held until then. One that has to
    /// be complete and is not is broken off.
    ///
    /// Two pieces wait for the connection at most, however many bytes it would buffer, and no other
    /// is made before one of them has left. A client that takes none for the stall limit loses its
    /// connection, as soon as others that use it had their chance to leave.
    pub(super) fn answer(
        &self,
        stream: Stream,
        connection: Arc<Connection>,
        admitted: Option<Arc<Admitted>>,
    ) -> Response<Body> {
        let (sender, receiver) = mpsc::channel::<Bytes>(AHEAD);
        let Stream {
            head,
            lasts,
            open_ended,
            pieces,
        } = stream;
        let this = self.clone();
        let busy = connection.busy();
        let complete = Arc::new(AtomicBool::new(open_ended));
        let ended = Arc::clone(&complete);
        let carry = async move {
            let _held = (busy, admitted);
            tokio::select! {
                whole = this.carry(pieces, &sender, &connection) => {
                    ended.fetch_or(whole, Ordering::Relaxed);
                }
                () = sender.closed() => {}
                () = connection.ending(), if open_ended => {}
                () = tokio::time::sleep_until(Instant::now() + lasts) => {}
            }
            // The channel closes after what is said of it.
            drop(sender);
        };
        drop(self.tasks.spawn_passing("stream", carry));
        head.map(|()| Body::from_stream(body(receiver, complete)))
    }

    /// The same over a WebSocket, one message for each event, when the client's handshake is right.
    /// A client that leaves, or has not taken two pieces for the stall limit, ends it.
    pub(super) fn answer_by_websocket(
        &self,
        stream: Stream,
        connection: Arc<Connection>,
        admitted: Option<Arc<Admitted>>,
        handshake: Handshake,
    ) -> Response<Body> {
        let (accepted, upgrade) = match handshake.answer() {
            Ok(accepted) => accepted,
            Err(refusal) => return *refusal,
        };
        let (sender, receiver) = mpsc::channel::<Bytes>(AHEAD);
        let Stream {
            head,
            lasts,
            pieces,
            ..
        } = stream;
        let this = self.clone();
        let busy = connection.busy();
        let carry = async move {
            let _held = (busy, admitted);
            let Ok(upgraded) = upgrade.await else { return };
            let mut socket = Socket::open(upgraded, &head).await;
            let making = async {
                this.carry(pieces, &sender, &connection).await;
                // What was made last is still on its way.
                drop(sender);
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = socket.pass_on(receiver) => {}
                () = making => {}
                () = connection.ending() => {}
                () = tokio::time::sleep_until(Instant::now() + lasts) => {}
            }
            socket.close().await;
        };
        drop(self.tasks.spawn_passing("stream", Box::pin(carry)));
        accepted.map(|()| Body::empty())
    }

    /// Makes pieces until the last; tells whether that was made.
    async fn carry(
        &self,
        mut pieces: Box<dyn Pieces>,
        sender: &mpsc::Sender<Bytes>,
        connection: &Connection,
    ) -> bool {
        let places = Arc::new(Semaphore::new(AHEAD));
        loop {
            let place = Arc::clone(&places).acquire_owned();
            let place = match tokio::time::timeout(self.stalled, place).await {
                Ok(Ok(place)) => place,
                // Nobody closes the semaphore.
                Ok(Err(_)) => return false,
                Err(_) => {
                    tracing::debug!("a client reads nothing of its stream");
                    connection.cut();
                    return false;
                }
            };
            let Some((piece, rest)) = self.next(pieces).await else {
                return false;
            };
            pieces = rest;
            match piece {
                Piece::Bytes(piece) => {
                    let on_its_way = OnItsWay {
                        piece,
                        _place: place,
                    };
                    if sender.send(Bytes::from_owner(on_its_way)).await.is_err() {
                        return false;
                    }
                }
                Piece::Later => pieces.wait().await,
                Piece::End => return true,
            }
        }
    }

    /// Makes a piece where computing stops nobody else.
    async fn next(&self, mut pieces: Box<dyn Pieces>) -> Option<(Piece, Box<dyn Pieces>)> {
        // Nobody closes the semaphore.
        let permit = Arc::clone(&self.handlers).acquire_owned().await.ok()?;
        let made = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let piece = pieces.next();
            (piece, pieces)
        });
        made.await
            .inspect_err(|error| tracing::error!(%error, "a stream ended in a panic"))
            .ok()
    }
}

/// The pieces that come, and an error behind the last unless they are `complete` then.
fn body(
    mut pieces: mpsc::Receiver<Bytes>,
    complete: Arc<AtomicBool>,
) -> impl futures_util::Stream<Item = Result<Bytes, BrokenOff>> {
    stream::poll_fn(move |cx| {
        pieces.poll_recv(cx).map(|piece| match piece {
            Some(piece) => Some(Ok(piece)),
            // Once it has been said, it need not be said again.
            None if complete.swap(true, Ordering::Relaxed) => None,
            None => Some(Err(BrokenOff)),
        })
    })
}

impl AsRef<[u8]> for OnItsWay {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}
