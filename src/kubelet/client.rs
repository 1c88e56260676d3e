//! Asking a kubelet.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use super::buffers::Buffer;
use super::connection::{Connection, Open, Stream};
use super::error::Phase;
use super::http1::{Fault, Response};
use super::material::{MaterialError, Watched};
use super::resolve::Resolver;
use super::tls::{Tls, watch_tls};
use super::tls_stream::{Scratch, TlsStream};
use super::token::watch_token;
use super::{Addresses, ApiServer, Error, Pins, Target, TlsError, printable};
use crate::cluster::{BearerToken, ClientCertificate, Material};
use crate::domain::{Clock, NodeRecord};

/// How kubelets are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whom we believe to be a kubelet.
    pub trust: Trust,
    /// Who we are, by certificate. When given, the token is not sent.
    pub client_certificate: Option<ClientCertificate>,
    /// Who we are, by token.
    pub bearer_token: Option<Material>,
    /// The bound on one attempt, from resolving the name to the last byte.
    pub request_timeout: Duration,
    /// The largest body that is read. A larger one is an error, never a cut answer.
    pub max_body_bytes: usize,
    /// Which address and port of a node to ask.
    pub addresses: Addresses,
}

/// Whom we believe to be a kubelet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Whoever has a certificate of this CA (PEM) for the node's name or the dialled address.
    Ca(Material),
    /// Whom [`Trust::Ca`] would believe, and else whoever shows the key the node showed when it was
    /// first seen (`--kubelet-certificate-verification=pin`).
    Pin {
        /// The CA (PEM).
        ca: Material,
        /// What the nodes have shown.
        pins: Arc<Pins>,
    },
    /// Anybody who speaks TLS (`--kubelet-insecure-tls`). Credentials are sent all the same, as
    /// metrics-server does.
    Anybody,
    /// Whoever answers plain HTTP (`--deprecated-kubelet-completely-insecure`). No credential is
    /// ever sent.
    CompletelyInsecure,
    /// Whom the API server believes: it is asked to ask (`--kubelet-via-apiserver`).
    ApiServer(ApiServer),
}

/// Asks kubelets over HTTP/1.1, with one connection a node that is kept between requests.
///
/// Holds nothing per node: the caller keeps a [`Connection`] for each and lends it, with a buffer,
/// to each request.
#[derive(Debug)]
pub struct KubeletClient {
    config: Config,
    tls: Option<Watched<Tls>>,
    token: Option<Watched<BearerToken>>,
    resolver: Resolver,
    /// What was just received on any connection.
    scratch: Arc<Scratch>,
}

/// How much of an error page is repeated.
const EXCERPT: usize = 200;

impl Config {
    /// Asks with metrics-server's defaults: 10 s an attempt, no credentials; a body may have 8 MiB.
    #[must_use]
    pub fn new(trust: Trust) -> Self {
        Self {
            trust,
            client_certificate: None,
            bearer_token: None,
            request_timeout: Duration::from_secs(10),
            max_body_bytes: 8 << 20,
            addresses: Addresses::default(),
        }
    }

    /// The pins, which have to be kept by whoever wants them to outlive the process
    /// ([`Pins::run`]), and loaded in any case.
    #[must_use]
    pub fn pins(&self) -> Option<Arc<Pins>> {
        match &self.trust {
            Trust::Pin { pins, .. } => Some(Arc::clone(pins)),
            Trust::Ca(_) | Trust::Anybody | Trust::CompletelyInsecure | Trust::ApiServer(_) => None,
        }
    }
}

impl KubeletClient {
    /// A client of these settings. Reads the files they name.
    ///
    /// # Errors
    /// When a file cannot be read or used. Later changes that cannot be used are logged and leave
    /// the old in place.
    pub async fn new(config: Config, clock: Arc<dyn Clock>) -> Result<Self, MaterialError> {
        let client = config.client_certificate.as_ref();
        let tls = watch_tls(&config.trust, client, &clock).await?;
        // The certificate already says who we are; a token sent beside it would only be there to be
        // stolen.
        let wanted = tls.is_some() && client.is_none();
        let token = match config.bearer_token.clone().filter(|_| wanted) {
            Some(source) => Some(watch_token(source, clock).await?),
            None => None,
        };
        Ok(Self {
            config,
            tls,
            token,
            resolver: Resolver::default(),
            scratch: Arc::default(),
        })
    }

    /// Where this client would ask `node`.
    ///
    /// # Errors
    /// As [`Target::of`].
    pub fn target(&self, node: &NodeRecord) -> Result<Target, Error> {
        if let Trust::ApiServer(_) = self.config.trust {
            return Target::by_name(node);
        }
        Target::of(node, &self.config.addresses)
    }

    /// Gets the target's path; returns the body, which stands in `buffer`.
    ///
    /// Uses the open connection if there is one to the same address, else opens one, and keeps it
    /// in `connection` where the answer allows. When a kept connection turns out to have been
    /// closed before the answer began, asks once more on a fresh one. Takes no longer than
    /// [`Config::request_timeout`]. May be dropped at any point.
    ///
    /// # Errors
    /// [`Error`]; the connection is closed then, unless the answer was complete.
    pub async fn get<'b>(
        &self,
        target: &Target,
        connection: &Connection,
        buffer: &'b mut Buffer<'_>,
    ) -> Result<&'b [u8], Error> {
        let after = self.config.request_timeout;
        self.get_within(after, target, connection, buffer).await
    }

    /// [`KubeletClient::get`] with a bound of its own on the time it takes.
    ///
    /// # Errors
    /// As [`KubeletClient::get`].
    pub async fn get_within<'b>(
        &self,
        after: Duration,
        target: &Target,
        connection: &Connection,
        buffer: &'b mut Buffer<'_>,
    ) -> Result<&'b [u8], Error> {
        if let Trust::ApiServer(api_server) = &self.config.trust {
            let asked = api_server.get(target, self.config.max_body_bytes, buffer.taken());
            let phase = Phase::Reading;
            let asked = tokio::time::timeout(after, asked).await;
            asked.map_err(|_| Error::Timeout { after, phase })??;
            return Ok(buffer.taken());
        }
        let mut phase = Phase::Connecting;
        let attempt = self.attempt(target, connection, buffer, &mut phase);
        let response = tokio::time::timeout(after, attempt).await;
        let response = response.map_err(|_| Error::Timeout { after, phase })??;
        let body = buffer
            .taken()
            .get(response.body.clone())
            .unwrap_or_default();
        let said = || printable(body, EXCERPT);
        match response.status {
            200 => Ok(body),
            401 => {
                // The token may have been rotated since it was read.
                if let Some(token) = &self.token {
                    token.distrust();
                }
                Err(Error::Unauthorized)
            }
            403 => Err(Error::Forbidden { said: said() }),
            404 => Err(Error::NotFound {
                path: target.path().into(),
            }),
            code => Err(Error::Status { code, said: said() }),
        }
    }

    async fn attempt(
        &self,
        target: &Target,
        connection: &Connection,
        buffer: &mut Buffer<'_>,
        phase: &mut Phase,
    ) -> Result<Response, Error> {
        let tls = match &self.tls {
            Some(tls) => Some(tls.current().await),
            None => None,
        };
        let request = self.request(target).await;
        if let Some(mut kept) = connection.take(target, tls.as_ref()) {
            *phase = Phase::Reading;
            let answer = kept.exchange(&request, buffer, self.config.max_body_bytes);
            match answer.await {
                Err(Fault::Broken {
                    answered: false, ..
                }) => {}
                answer => return self.finish(answer, kept, connection),
            }
        }
        *phase = Phase::Connecting;
        let mut fresh = self.open(target, connection, tls, phase).await?;
        *phase = Phase::Reading;
        let answer = fresh.exchange(&request, buffer, self.config.max_body_bytes);
        self.finish(answer.await, fresh, connection)
    }

    /// Keeps what may be used again, and says in our words what went wrong.
    fn finish(
        &self,
        answer: Result<Response, Fault>,
        open: Open,
        connection: &Connection,
    ) -> Result<Response, Error> {
        let response = answer.map_err(|fault| match fault {
            Fault::Broken { source, .. } => Error::Broken { source },
            Fault::TooLarge => Error::TooLarge {
                limit: self.config.max_body_bytes,
            },
            Fault::Malformed(what) => Error::Malformed { what },
        })?;
        if response.reusable {
            connection.keep(open);
        }
        Ok(response)
    }

    async fn open(
        &self,
        target: &Target,
        connection: &Connection,
        tls: Option<Arc<Tls>>,
        phase: &mut Phase,
    ) -> Result<Open, Error> {
        let connect = |source| Error::Connect {
            address: target.authority(),
            source,
        };
        let addresses = self.resolver.resolve(target.host(), target.port());
        let addresses = addresses.await.map_err(connect)?;
        let tcp = TcpStream::connect(addresses.as_slice())
            .await
            .map_err(connect)?;
        tcp.set_nodelay(true).map_err(connect)?;
        let Some(tls) = tls else {
            return Ok(Open::new(Stream::Plain(tcp), target.clone(), None));
        };
        *phase = Phase::Handshaking;
        if let Trust::Pin { pins, .. } = &self.config.trust {
            pins.read_once().await;
        }
        let node = connection
            .node_tls(target, &tls)
            .ok_or_else(|| Error::BadAddress {
                address: target.host().into(),
            })?;
        let scratch = Arc::clone(&self.scratch);
        let stream = TlsStream::connect(tcp, node.config, node.server_name, scratch)
            .await
            .map_err(|error| handshake_error(target, error))?;
        Ok(Open::new(
            Stream::Tls(Box::new(stream)),
            target.clone(),
            Some(tls),
        ))
    }

    /// The request's bytes. A compressed answer would take longer to unpack than to read, so none
    /// is asked for.
    async fn request(&self, target: &Target) -> Vec<u8> {
        let (path, authority) = (target.path(), target.authority());
        let version = env!("CARGO_PKG_VERSION");
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: loadline/{version}\r\n\
             Accept: text/plain;version=0.0.4;q=1,*/*;q=0.1\r\n"
        );
        if let Some(token) = &self.token {
            request.push_str("Authorization: Bearer ");
            request.push_str(token.current().await.reveal());
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        request.into_bytes()
    }
}

fn handshake_error(target: &Target, error: io::Error) -> Error {
    let address = target.authority();
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        .map(TlsError::from_handshake);
    match tls {
        Some(source) => Error::Tls { address, source },
        None => Error::Connect {
            address,
            source: error,
        },
    }
}
