//! Answers that go on: watches.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::Response;
use tokio::sync::{Semaphore, mpsc};
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

impl Streams {
    pub(super) const fn new(tasks: Tasks, handlers: Arc<Semaphore>, stalled: Duration) -> Self {
        Self {
            tasks,
            handlers,
            stalled,
        }
    }

    /// Answers with the stream. It ends after its time, with the connection, when the connection is
    /// to close, or when the client leaves; `admitted` is held until then.
    ///
    /// One piece waits for the connection at most, and the next is not made before that is taken. A
    /// client that takes none for the stall limit loses its connection, as soon as others that use
    /// it had their chance to leave.
    pub(super) fn answer(
        &self,
        stream: Stream,
        connection: Arc<Connection>,
        admitted: Option<Arc<Admitted>>,
    ) -> Response<Body> {
        let (sender, mut receiver) = mpsc::channel::<Bytes>(1);
        let Stream {
            head,
            lasts,
            pieces,
        } = stream;
        let this = self.clone();
        let busy = connection.busy();
        let carry = async move {
            let _held = (busy, admitted);
            tokio::select! {
                () = this.carry(pieces, &sender, &connection) => {}
                () = sender.closed() => {}
                () = connection.ending() => {}
                () = tokio::time::sleep_until(Instant::now() + lasts) => {}
            }
        };
        drop(self.tasks.spawn_passing("stream", carry));
        let body = stream::poll_fn(move |cx| {
            receiver
                .poll_recv(cx)
                .map(|piece| piece.map(Ok::<_, Infallible>))
        });
        head.map(|()| Body::from_stream(body))
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
        let (sender, receiver) = mpsc::channel::<Bytes>(1);
        let Stream {
            head,
            lasts,
            pieces,
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

    async fn carry(
        &self,
        mut pieces: Box<dyn Pieces>,
        sender: &mpsc::Sender<Bytes>,
        connection: &Connection,
    ) {
        loop {
            let room = tokio::time::timeout(self.stalled, sender.reserve()).await;
            let room = match room {
                Ok(Ok(room)) => room,
                Ok(Err(_)) => return,
                Err(_) => {
                    tracing::debug!("a client reads nothing of its stream");
                    connection.cut();
                    return;
                }
            };
            let Some((piece, rest)) = self.next(pieces).await else {
                return;
            };
            pieces = rest;
            match piece {
                Piece::Bytes(bytes) => room.send(bytes),
                Piece::Later => pieces.wait().await,
                Piece::End => return,
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
