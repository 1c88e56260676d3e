//! One client's connection, from its first byte to its last.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use parking_lot::Mutex;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

use super::metrics::{HandshakeFailure, Metrics};
use super::seats::Seat;
use super::words::InGosWords;
use super::{Limits, http_rules};
use crate::auth::Peer;
use crate::lifecycle::{Stop, StopSender};

/// What the filters know of the connection a request came by.
#[derive(Debug)]
pub(super) struct Connection {
    peer: Option<Peer>,
    seat: Arc<Seat>,
    closing: Notify,
    ending: (StopSender, Stop),
    /// Told when nothing is under way any more.
    rest: Notify,
    activity: Mutex<Activity>,
}

#[derive(Debug)]
struct Activity {
    in_flight: usize,
    served: bool,
    since: Instant,
}

/// What both sides know of each other before the first request. The default is a connection without
/// TLS: nobody showed a certificate, and HTTP/1 is spoken.
#[derive(Debug, Default)]
pub(super) struct Agreed {
    chain: Vec<CertificateDer<'static>>,
    http2: bool,
}

/// Marks a request as under way until it is dropped.
pub(super) struct Busy(Arc<Connection>);

/// The largest header a request may have over HTTP/2, counted as HTTP/2 does, as in Go.
const MAX_HEADER_LIST: u32 = (1 << 20) + 320;
/// The most header lines over HTTP/1; a front proxy sends one for each of a user's groups. Places for
/// all of them, 64 bytes each, are filled in anew for each request: with four times as many the kernel
/// has to be asked for them, which is a tenth of the time a small answer takes.
const MAX_HEADER_LINES: usize = 1000;
/// What a client may send ahead of us reading it. Nobody reads request bodies here, so this is
/// small.
const WINDOW: u32 = 65_535;

impl Connection {
    pub(super) fn new(chain: Vec<CertificateDer<'static>>, seat: Arc<Seat>) -> Arc<Self> {
        Arc::new(Self {
            peer: Peer::new(chain),
            seat,
            closing: Notify::new(),
            ending: Stop::channel(),
            rest: Notify::new(),
            activity: Mutex::new(Activity {
                in_flight: 0,
                served: false,
                since: Instant::now(),
            }),
        })
    }

    /// The certificates the client showed.
    pub(super) const fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }

    /// Somebody came by it who may be here: its place is its own from now on.
    pub(super) fn keep(&self) {
        self.seat.keep();
    }

    /// Ends the connection once the requests under way are answered.
    pub(super) fn close(&self) {
        self.closing.notify_one();
    }

    /// Ends the connection once what is under way is answered, streams at once.
    pub(super) fn cut(&self) {
        self.ending.0.stop();
        self.closing.notify_one();
    }

    /// Returns when streams must end, so that their clients go on elsewhere.
    pub(super) async fn ending(&self) {
        self.ending.1.stopped().await;
    }

    /// Keeps the connection from being idle.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        self.activity.lock().in_flight += 1;
        Busy(Arc::clone(self))
    }

    /// Returns when nothing is under way: a stream that has taken the connection over has ended.
    async fn at_rest(&self) {
        loop {
            let rest = self.rest.notified();
            if self.activity.lock().in_flight == 0 {
                return;
            }
            rest.await;
        }
    }

    /// When the connection will have been idle for too long, if nothing happens. Never earlier than
    /// it was before, so that waiting for an old deadline does no harm.
    fn deadline(&self, limits: &Limits) -> Instant {
        let activity = self.activity.lock();
        match (activity.in_flight, activity.served) {
            (0, true) => activity.since + limits.idle,
            (0, false) => activity.since + limits.header.min(limits.idle),
            _ => Instant::now() + limits.idle,
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut activity = self.0.activity.lock();
        activity.in_flight -= 1;
        activity.served = true;
        activity.since = Instant::now();
        if activity.in_flight == 0 {
            self.0.rest.notify_waiters();
        }
    }
}

/// Shakes hands within the limit; failures are counted, and no concern of anybody else.
pub(super) async fn shake_hands(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    limit: Duration,
    metrics: &Metrics,
) -> Option<TlsStream<TcpStream>> {
    match tokio::time::timeout(limit, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            metrics.handshake_failed(HandshakeFailure::Error);
            tracing::debug!(%error, "TLS handshake failed");
            None
        }
        Err(_) => {
            metrics.handshake_failed(HandshakeFailure::Timeout);
            None
        }
    }
}

impl Agreed {
    /// What a handshake came to.
    pub(super) fn by(stream: &TlsStream<TcpStream>) -> Self {
        let (_, tls) = stream.get_ref();
        let chain = tls.peer_certificates().unwrap_or_default();
        Self {
            chain: chain.iter().map(|c| c.clone().into_owned()).collect(),
            http2: tls.alpn_protocol() == Some(b"h2"),
        }
    }
}

/// Serves requests until the client leaves, is idle for too long, or `stop` is given and all are
/// answered; a watch over WebSocket until it ends.
pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    agreed: Agreed,
    seat: Arc<Seat>,
    router: Router,
    limits: Arc<Limits>,
    stop: Stop,
) {
    let connection = Connection::new(agreed.chain, seat);
    let builder = builder(agreed.http2, &limits);
    let of = Arc::clone(&connection);
    let service = hyper::service::service_fn(move |mut request: http::Request<Incoming>| {
        let busy = of.busy();
        let refusal = http_rules::refusal(&request);
        request.extensions_mut().insert(Arc::clone(&of));
        let answer = router.clone().oneshot(request.map(Body::new));
        async move {
            if let Some(refusal) = refusal {
                return Ok(refusal);
            }
            let answer = answer.await;
            drop(busy);
            Ok::<_, Infallible>(answer.unwrap_or_else(|never| match never {}))
        }
    });
    let stream = InGosWords::new(stream, !agreed.http2);
    let served = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    // Once closing has begun: when it ends at the latest.
    let mut end = None;
    loop {
        let deadline = end.unwrap_or_else(|| connection.deadline(&limits));
        tokio::select! {
            result = served.as_mut() => {
                if let Err(error) = result {
                    tracing::debug!(%error, "connection ended");
                }
                return taken_over(&connection, &stop, limits.drain).await;
            }
            () = connection.closing.notified(), if end.is_none() => {}
            () = stop.stopped(), if end.is_none() => connection.ending.0.stop(),
            () = tokio::time::sleep_until(deadline) => {
                if end.is_some() {
                    return;
                }
                if connection.deadline(&limits) > Instant::now() {
                    continue;
                }
            }
        }
        served.as_mut().graceful_shutdown();
        end = Some(Instant::now() + limits.drain);
    }
}

/// Waits for what goes on over the connection when HTTP has ended on it: a WebSocket, so that it
/// keeps its place among the connections. When `stop` is given it has the drain limit to end.
async fn taken_over(connection: &Connection, stop: &Stop, drain: Duration) {
    if stop.until(connection.at_rest()).await.is_none() {
        connection.ending.0.stop();
        let _ = tokio::time::timeout(drain, connection.at_rest()).await;
    }
}

/// The protocol is what the handshake agreed on: nothing is left to guess from the first bytes.
fn builder(http2: bool, limits: &Limits) -> auto::Builder<TokioExecutor> {
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut builder = if http2 {
        builder.http2_only()
    } else {
        builder.http1_only()
    };
    builder
        .http1()
        .timer(TokioTimer::new())
        // Runs while the connection is idle, too. The first header is held to `limits.header`
        // above.
        .header_read_timeout(limits.idle)
        .max_buf_size(http_rules::MAX_HEAD)
        .max_headers(MAX_HEADER_LINES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(MAX_HEADER_LIST)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW);
    builder
}
