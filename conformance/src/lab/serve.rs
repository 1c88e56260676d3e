//! A TLS listener that can be stopped and started again on its port.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::pki::{Authority, Leaf};

/// What a body may fail with.
pub(super) type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// The body of every answer of the lab.
pub(super) type Body = UnsyncBoxBody<Bytes, BodyError>;

const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);

/// Answers requests on a [`Listener`].
pub(super) trait Handle: Send + Sync + 'static {
    /// Answers one request.
    fn handle(
        &self,
        peer: &Peer,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Body>> + Send;

    /// What to do with a connection just accepted.
    fn admit(&self) -> Admission {
        Admission::Serve
    }
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is served.
    Serve,
    /// It stays open and silent: not even a handshake.
    Silence,
    /// It is closed at once.
    Close,
}

/// Who is at the other end.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    /// Its address.
    pub(super) address: SocketAddr,
    /// Its client certificate, already verified against the cluster's CA.
    pub(super) certificate: Option<Bytes>,
}

/// A running listener; dropping it ends it and its connections.
#[derive(Debug)]
pub(super) struct Listener {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Listener {
    /// Binds and serves. Port 0 takes a free one.
    pub(super) async fn bind<H: Handle>(
        address: SocketAddr,
        tls: Arc<ServerConfig>,
        handler: Arc<H>,
    ) -> Result<Self> {
        let socket = TcpListener::bind(address)
            .await
            .with_context(|| format!("bind {address}"))?;
        let address = socket.local_addr()?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let accepting = accept(
            socket,
            TlsAcceptor::from(tls),
            handler,
            stop.clone(),
            tasks.clone(),
        );
        tasks.spawn(accepting);
        Ok(Self {
            address,
            stop,
            tasks,
        })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every connection and closes the port; returns when that has happened.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept<H: Handle>(
    socket: TcpListener,
    acceptor: TlsAcceptor,
    handler: Arc<H>,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = socket.accept() => accepted,
        };
        let Ok((stream, address)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (acceptor, handler, stop) = (acceptor.clone(), Arc::clone(&handler), stop.clone());
        tasks.spawn(async move {
            let served = async {
                match handler.admit() {
                    Admission::Serve => serve_connection(stream, address, acceptor, handler).await,
                    Admission::Silence => {
                        let _held = stream;
                        std::future::pending().await
                    }
                    Admission::Close => {}
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = served => {}
            }
        });
    }
}

async fn serve_connection<H: Handle>(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: TlsAcceptor,
    handler: Arc<H>,
) {
    let _ = stream.set_nodelay(true);
    let handshake = tokio::time::timeout(HANDSHAKE_DEADLINE, acceptor.accept(stream));
    let Ok(Ok(stream)) = handshake.await else {
        return;
    };
    let certificates = stream.get_ref().1.peer_certificates();
    let peer = Arc::new(Peer {
        address,
        certificate: certificates
            .and_then(|chain| chain.first())
            .map(|leaf| Bytes::copy_from_slice(leaf)),
    });
    let service = service_fn(move |request| {
        let (handler, peer) = (Arc::clone(&handler), Arc::clone(&peer));
        async move { Ok::<_, Infallible>(handler.handle(&peer, request).await) }
    });
    // A connection that breaks off is the client's affair.
    let _ = Box::pin(
        auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service),
    )
    .await;
}

/// The crypto provider of everything in the lab.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Judges client certificates by one CA; whoever has none may come too.
pub(super) fn client_verifier(ca: &Authority) -> Result<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.der().clone())?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .allow_unauthenticated()
        .build()?;
    Ok(verifier)
}

/// TLS with this certificate and these protocols.
pub(super) fn server_config(
    leaf: &Leaf,
    verifier: Arc<dyn ClientCertVerifier>,
    protocols: &[&str],
) -> Result<Arc<ServerConfig>> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![leaf.der().clone()], leaf.key_der())?;
    config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
    Ok(Arc::new(config))
}

/// A body that is all there.
pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// An answer with a body of this content type.
pub(super) fn answer(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
