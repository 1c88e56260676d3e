//! The port itself: binding, accepting, draining.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{Instrument, info, warn};

use super::certificates::Certificates;
use super::pair_files::CertificateError;
use super::tls::{self, Tls};
use super::{Config, Deps, Limits, Metrics, connection, filters};
use crate::auth::Authentication;
use crate::lifecycle::{Stop, Tasks};

/// The way to a [`Bound`] server.
#[derive(Debug)]
pub enum Server {}

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address is taken, or not ours to take.
    #[error("cannot listen on {address} (--bind-address and --secure-port)")]
    Listen {
        /// `--bind-address` and `--secure-port`.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A serving certificate cannot be used.
    #[error("cannot use the serving certificate (--tls-cert-file, --tls-sni-cert-key)")]
    Certificate(#[from] CertificateError),
    /// The TLS versions and cipher suites leave nothing to speak.
    #[error("TLS versions and cipher suites leave nothing to speak")]
    Tls(#[source] rustls::Error),
}

/// A server that owns its port but does not answer yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    local_addr: SocketAddr,
    tls: Tls,
    certificates: Arc<Certificates>,
    authentication: Arc<Authentication>,
    router: Router,
    shutdown_delay: Duration,
    limits: Arc<Limits>,
    slots: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    tasks: Tasks,
}

/// Connections the kernel keeps waiting for us.
const BACKLOG: u32 = 1024;
/// How long to wait when connections cannot be accepted, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

impl Server {
    /// Loads the certificates and takes the port.
    ///
    /// # Errors
    /// [`BindError`].
    pub async fn bind(config: Config, deps: Deps) -> Result<Bound, BindError> {
        let provider = tls::provider(&config.tls);
        let certificates = Arc::new(Certificates::load(
            &config.certificate,
            &config.sni,
            Arc::clone(&provider),
            Arc::clone(&deps.clock),
            Arc::clone(&deps.metrics),
        )?);
        let tls = Tls::new(
            Arc::clone(&certificates),
            provider,
            config.tls.min_version,
            config.http2,
        );
        tls.acceptor(&deps.authentication.trust())
            .map_err(BindError::Tls)?;
        let address = config.address;
        let failed = |source| BindError::Listen { address, source };
        let listener = listen(address, config.share_port).map_err(failed)?;
        Ok(Bound {
            local_addr: listener.local_addr().map_err(failed)?,
            listener,
            tls,
            certificates,
            authentication: Arc::clone(&deps.authentication),
            metrics: Arc::clone(&deps.metrics),
            tasks: deps.tasks.clone(),
            slots: Arc::new(Semaphore::new(config.limits.connections)),
            router: filters::router(&config, deps),
            shutdown_delay: config.shutdown_delay,
            limits: Arc::new(config.limits),
        })
    }
}

/// Takes the port; for an unspecified address that of both families, as Go does, where the machine
/// has both.
fn listen(address: SocketAddr, share_port: bool) -> std::io::Result<TcpListener> {
    if address.ip().is_unspecified() {
        let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, address.port()));
        let only = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
        return match listen_at(both, share_port) {
            Err(error) if is_without_ipv6(&error) => listen_at(only, share_port),
            bound => bound,
        };
    }
    listen_at(address, share_port)
}

/// A taken port is taken; anything else is a machine that has IPv4 alone.
fn is_without_ipv6(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{AddrInUse, PermissionDenied};
    !matches!(error.kind(), AddrInUse | PermissionDenied)
}

fn listen_at(address: SocketAddr, share_port: bool) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(share_port)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Bound {
    /// Where the server listens; the port is the system's choice when it was bound to port 0.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    pub(super) fn certificates(&self) -> Arc<Certificates> {
        Arc::clone(&self.certificates)
    }

    /// The authority behind a serving certificate that we made ourselves, as PEM: what an
    /// APIService's `caBundle` needs.
    #[must_use]
    pub fn authority_pem(&self) -> Option<String> {
        self.certificates.authority_pem()
    }

    /// Serves until stopped: then for the shutdown delay as before, then without new connections
    /// until all requests are answered or the drain limit has passed.
    pub async fn run(self, stop: Stop) {
        info!(address = %self.local_addr, "serving");
        let (drain_sender, drain) = Stop::channel();
        let refresh = async {
            let mut tick = tokio::time::interval(self.limits.reload);
            loop {
                tick.tick().await;
                self.certificates.refresh();
            }
        };
        let announce = async {
            stop.stopped().await;
            tokio::time::sleep(self.shutdown_delay).await;
            drain_sender.stop();
        };
        tokio::join!(drain.until(refresh), self.accept(&drain), announce);
        // No connection outlives the drain limit, so this wait ends.
        drop(self.listener);
        let all = u32::try_from(self.limits.connections).unwrap_or(u32::MAX);
        let _ = self.slots.acquire_many(all).await;
        info!("all connections are closed");
    }

    async fn accept(&self, drain: &Stop) {
        let mut failing = false;
        loop {
            let slot = Arc::clone(&self.slots).acquire_owned();
            let Some(Ok(slot)) = drain.until(slot).await else {
                return;
            };
            let Some(accepted) = drain.until(self.listener.accept()).await else {
                return;
            };
            match accepted {
                Ok((stream, peer)) => {
                    failing = false;
                    self.spawn(stream, peer, slot, drain.clone());
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        warn!(%error, "cannot accept connections; retrying");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn spawn(&self, stream: TcpStream, peer: SocketAddr, slot: OwnedSemaphorePermit, drain: Stop) {
        let acceptor = match self.tls.acceptor(&self.authentication.trust()) {
            Ok(acceptor) => acceptor,
            Err(error) => {
                warn!(%error, "cannot speak TLS");
                return;
            }
        };
        let (router, limits) = (self.router.clone(), Arc::clone(&self.limits));
        let metrics = Arc::clone(&self.metrics);
        let span = tracing::debug_span!("conn", %peer);
        let connection = async move {
            let _slot = slot;
            let _open = metrics.connection();
            let hands = connection::shake_hands(acceptor, stream, limits.handshake, &metrics);
            if let Some(Some(stream)) = drain.until(hands).await {
                connection::serve(stream, router, limits, drain).await;
            }
        };
        let connection = Box::pin(connection.instrument(span));
        drop(self.tasks.spawn_passing("connection", connection));
    }
}
