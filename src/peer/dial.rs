//! A connection to another replica: certificates of our own authority on both sides.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::frames::{Content, Frames};
use super::identity::Identity;
use crate::history::{FormatError, NotTaken};
use crate::lifecycle::Tasks;

/// Why a replica did not hand over.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    /// Nobody answers there, or breaks off.
    #[error("cannot be reached")]
    Connect(#[source] std::io::Error),
    /// It is no replica of us, or does not take us for one.
    #[error("no handshake")]
    Handshake(#[source] std::io::Error),
    /// It speaks no HTTP, or breaks off.
    #[error("the answer broke off")]
    Http(#[from] hyper::Error),
    /// Our own identity is of no use.
    #[error("our certificate cannot be used")]
    Identity(#[from] rustls::Error),
    /// It says no.
    #[error("it answered {0}")]
    Refused(StatusCode),
    /// It takes too long.
    #[error("it took too long")]
    Late,
    /// It sends more than anybody could have.
    #[error("it sent more than {MOST} bytes")]
    TooMuch,
    /// What it sent cannot be read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// What it sent does not fit what we keep.
    #[error(transparent)]
    NotTaken(#[from] NotTaken),
}

/// An open connection.
pub(super) struct Dialed {
    sender: http1::SendRequest<Empty<Bytes>>,
    host: String,
}

/// A stream under way.
pub(super) struct Answer {
    body: Incoming,
    frames: Frames,
    pub(super) bytes: u64,
}

/// To connect, and to shake hands, each.
const CONNECT: Duration = Duration::from_secs(2);
/// Between any two pieces of an answer, and before the first.
const SILENCE: Duration = Duration::from_secs(3);
/// What a stream may hold at most.
const MOST: u64 = 1 << 30;

impl Dialed {
    pub(super) async fn open(
        address: SocketAddr,
        identity: &Identity,
        tasks: &Tasks,
    ) -> Result<Self, DialError> {
        let refused = |_| DialError::Connect(std::io::ErrorKind::AddrNotAvailable.into());
        let name = ServerName::try_from(identity.server_name.clone()).map_err(refused)?;
        let connector = TlsConnector::from(Arc::new(client_config(identity)?));
        let stream = timeout(CONNECT, TcpStream::connect(address)).await;
        let stream = stream
            .map_err(|_| DialError::Late)?
            .map_err(DialError::Connect)?;
        let stream = timeout(CONNECT, connector.connect(name, stream)).await;
        let stream = stream
            .map_err(|_| DialError::Late)?
            .map_err(DialError::Handshake)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends when the sender and the answers are dropped; errors are told to those.
        drop(tasks.spawn_passing("peer", async move { drop(connection.await) }));
        Ok(Self {
            sender,
            host: identity.server_name.clone(),
        })
    }

    /// Asks for a stream.
    pub(super) async fn get(
        &mut self,
        path: &'static str,
        content: Content,
    ) -> Result<Answer, DialError> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = http::Uri::from_static(path);
        if let Ok(host) = self.host.parse() {
            request.headers_mut().insert(header::HOST, host);
        }
        let asked = async {
            self.sender.ready().await?;
            self.sender.send_request(request).await
        };
        let answer = timeout(SILENCE, asked).await;
        let answer = answer.map_err(|_| DialError::Late)??;
        if answer.status() != StatusCode::OK {
            return Err(DialError::Refused(answer.status()));
        }
        Ok(Answer {
            body: answer.into_body(),
            frames: Frames::new(content),
            bytes: 0,
        })
    }
}

impl Answer {
    /// The next part; `None` after the last, when all of it has come.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, DialError> {
        loop {
            if let Some(part) = self.frames.next()? {
                return Ok(Some(part.freeze()));
            }
            let frame = timeout(SILENCE, self.body.frame()).await;
            let Some(frame) = frame.map_err(|_| DialError::Late)? else {
                self.frames.finish()?;
                return Ok(None);
            };
            if let Ok(bytes) = frame?.into_data() {
                self.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                if self.bytes > MOST {
                    return Err(DialError::TooMuch);
                }
                self.frames.push(&bytes);
            }
        }
    }
}

fn client_config(identity: &Identity) -> Result<ClientConfig, rustls::Error> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(identity.server_authorities.iter().cloned());
    ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![identity.certificate.clone()], identity.key.clone_key())
}
