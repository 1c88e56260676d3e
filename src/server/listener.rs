//! The port itself: binding, accepting, draining.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tracing::{Instrument, info, warn};

use super::certificates::{Certificates, ServingCertificate};
use super::connection::Agreed;
use super::pair_files::CertificateError;
use super::seats::{Seat, Seats};
use super::tls::{self, Tls};
use super::{Config, Deps, Limits, Metrics, OpenConfig, OpenDeps, connection, filters};
use crate::auth::LiveTrust;
use crate::lifecycle::{Stop, Tasks};

/// The way to a [`Bound`] server.
#[derive(Debug)]
pub enum Server {}

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address is taken, or not ours to take.
    #[error("cannot listen on {address} ({flags})")]
    Listen {
        /// The address with the port.
        address: SocketAddr,
        /// The flags that name it.
        flags: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A serving certificate cannot be used.
    #[error("cannot use the serving certificate ({flags})")]
    Certificate {
        /// The flags that name it.
        flags: &'static str,
        /// What is wrong with it.
        source: CertificateError,
    },
    /// The TLS versions and cipher suites leave nothing to speak.
    #[error("TLS versions and cipher suites leave nothing to speak")]
    Tls(#[source] rustls::Error),
}

/// A server that owns its port but does not answer yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    local_addr: SocketAddr,
    door: Door,
    router: Router,
    shutdown_delay: Duration,
    limits: Arc<Limits>,
    slots: Arc<Semaphore>,
    seats: Seats,
    metrics: Arc<Metrics>,
    tasks: Tasks,
}

/// Where to listen, and which flags say so.
#[derive(Clone, Copy)]
struct Place {
    address: SocketAddr,
    share: bool,
    flags: &'static str,
}

/// How a connection begins.
#[derive(Debug)]
enum Door {
    /// With the first request, in the clear.
    Plain,
    /// With a handshake.
    Tls {
        tls: Tls,
        certificates: Arc<Certificates>,
        /// Whose authorities are shown when a certificate is asked for; without one none is.
        trust: Option<Arc<LiveTrust>>,
    },
}

/// Connections the kernel keeps waiting for us.
const BACKLOG: u32 = 1024;
/// How long to wait when connections cannot be accepted, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

impl Server {
    /// Loads the certificates and takes the secure port.
    ///
    /// # Errors
    /// [`BindError`].
    pub async fn bind(config: Config, deps: Deps) -> Result<Bound, BindError> {
        let provider = tls::provider(&config.tls);
        let certificates = Certificates::load(
            &config.certificate,
            &config.sni,
            Arc::clone(&provider),
            Arc::clone(&deps.clock),
            Arc::clone(&deps.metrics),
        );
        let certificates = certificates.map_err(|source| BindError::Certificate {
            flags: "--tls-cert-file, --tls-sni-cert-key",
            source,
        })?;
        let trust = deps.authentication.live_trust();
        let certificates = Arc::new(certificates);
        let min_version = config.tls.min_version;
        let tls = Tls::new(
            Arc::clone(&certificates),
            provider,
            min_version,
            config.http2,
        );
        let door = Door::tls(tls, certificates, Some(trust))?;
        let place = Place {
            address: config.address,
            share: config.share_port,
            flags: "--bind-address and --secure-port",
        };
        let (metrics, tasks) = (Arc::clone(&deps.metrics), deps.tasks.clone());
        let (delay, limits) = (config.shutdown_delay, config.limits.clone());
        let router = filters::router(&config, deps);
        let waits = (delay, limits);
        Bound::new(&place, door, router, waits, metrics, tasks)
    }

    /// Takes a port whose callers Kubernetes is not asked about: Heapster's.
    ///
    /// # Errors
    /// [`BindError`].
    pub async fn bind_open(mut config: OpenConfig, deps: OpenDeps) -> Result<Bound, BindError> {
        let clients = config.tls.as_ref().and_then(|own| own.clients.as_ref());
        if clients.is_none() {
            // Nobody has to say who they are here, and all the API server's proxy brings share its
            // address: a burst of newcomers is as good as those who have asked already.
            let limits = &mut config.limits;
            limits.newcomers_of_one = limits.newcomers_of_one.max(limits.connections_of_one);
        }
        let door = match &config.tls {
            None => Door::Plain,
            Some(own) => {
                let provider = tls::provider(&own.policy);
                let certificates = Certificates::load(
                    &ServingCertificate::Files(own.certificate.clone()),
                    &[],
                    Arc::clone(&provider),
                    Arc::clone(&deps.clock),
                    Arc::new(deps.metrics.without_expiry()),
                );
                let certificates = certificates.map_err(|source| BindError::Certificate {
                    flags: "--tls-cert, --tls-key",
                    source,
                })?;
                let certificates = Arc::new(certificates);
                let min_version = own.policy.min_version;
                let tls = Tls::new(Arc::clone(&certificates), provider, min_version, true);
                let clients = own.clients.as_ref();
                Door::tls(tls, certificates, clients.map(|users| users.live_trust()))?
            }
        };
        let place = Place {
            address: config.address,
            share: false,
            flags: config.flags,
        };
        let (metrics, tasks) = (Arc::clone(&deps.metrics), deps.tasks.clone());
        let waits = (config.shutdown_delay, config.limits.clone());
        let router = filters::open_router(&config, deps);
        Bound::new(&place, door, router, waits, metrics, tasks)
    }
}

impl Door {
    /// # Errors
    /// When versions and cipher suites leave nothing in common.
    fn tls(
        tls: Tls,
        certificates: Arc<Certificates>,
        trust: Option<Arc<LiveTrust>>,
    ) -> Result<Self, BindError> {
        let current = trust.as_ref().map(|trust| trust.load());
        tls.acceptor(current.as_deref()).map_err(BindError::Tls)?;
        Ok(Self::Tls {
            tls,
            certificates,
            trust,
        })
    }

    /// What shakes hands with the next connection; `Ok(None)` when nobody does.
    fn acceptor(&self) -> Result<Option<TlsAcceptor>, rustls::Error> {
        match self {
            Self::Plain => Ok(None),
            Self::Tls { tls, trust, .. } => {
                let trust = trust.as_ref().map(|trust| trust.load());
                tls.acceptor(trust.as_deref()).map(Some)
            }
        }
    }

    fn certificates(&self) -> Option<&Arc<Certificates>> {
        match self {
            Self::Plain => None,
            Self::Tls { certificates, .. } => Some(certificates),
        }
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
    fn new(
        place: &Place,
        door: Door,
        router: Router,
        (shutdown_delay, limits): (Duration, Limits),
        metrics: Arc<Metrics>,
        tasks: Tasks,
    ) -> Result<Self, BindError> {
        let Place {
            address,
            share,
            flags,
        } = *place;
        let failed = |source| BindError::Listen {
            address,
            flags,
            source,
        };
        let listener = listen(address, share).map_err(failed)?;
        Ok(Self {
            local_addr: listener.local_addr().map_err(failed)?,
            listener,
            door,
            router,
            shutdown_delay,
            slots: Arc::new(Semaphore::new(limits.connections)),
            seats: Seats::new(&limits, Arc::clone(&metrics)),
            limits: Arc::new(limits),
            metrics,
            tasks,
        })
    }

    /// Where the server listens; the port is the system's choice when it was bound to port 0.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// What is shown to clients; none on a port without TLS.
    pub(super) fn certificates(&self) -> Option<Arc<Certificates>> {
        self.door.certificates().cloned()
    }

    /// The authority behind a serving certificate that we made ourselves, as PEM: what an
    /// APIService's `caBundle` needs.
    #[must_use]
    pub fn authority_pem(&self) -> Option<String> {
        self.door.certificates()?.authority_pem()
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
                if let Some(certificates) = self.door.certificates() {
                    certificates.refresh();
                }
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
                    if let Some(seat) = self.seats.take(peer.ip()) {
                        self.spawn(stream, peer, (slot, seat), drain.clone());
                    }
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

    fn spawn(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        (slot, seat): (OwnedSemaphorePermit, Seat),
        drain: Stop,
    ) {
        let acceptor = match self.door.acceptor() {
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
            let _ = stream.set_nodelay(true);
            let seat = Arc::new(seat);
            let of = Arc::clone(&seat);
            let served = async {
                let Some(acceptor) = acceptor else {
                    let agreed = Agreed::default();
                    return connection::serve(stream, agreed, of, router, limits, drain).await;
                };
                let hands = connection::shake_hands(acceptor, stream, limits.handshake, &metrics);
                if let Some(Some(stream)) = drain.until(hands).await {
                    let agreed = Agreed::by(&stream);
                    connection::serve(stream, agreed, of, router, limits, drain).await;
                }
            };
            tokio::select! {
                () = served => {}
                () = seat.lost() => tracing::debug!("a newer connection took the place"),
            }
        };
        let connection = Box::pin(connection.instrument(span));
        drop(self.tasks.spawn_passing("connection", connection));
    }
}
