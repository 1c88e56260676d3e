//! A small HTTPS client: one server, HTTP/1.1 or HTTP/2, connections kept.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use rustls::ClientConfig;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::task::TaskTracker;

use crate::lab::Leaf;

mod plain;
mod tls;
mod unverified;
mod websocket;

pub use plain::{get_plain, send_plain};
use tls::tls_config;
pub use tls::{Offer, handshake};
pub use websocket::{Message, WebSocket};

/// Idle HTTP/1.1 connections kept; more are closed.
const KEPT_CONNECTIONS: usize = 64;
/// How often a request that was never sent is tried.
const TRIES: usize = 3;

/// Which HTTP a [`Client`] speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, all requests on one connection.
    Http2,
}

/// How a [`Client`] judges the server's certificate.
#[derive(Clone, Debug)]
pub enum Trust {
    /// This CA must have signed it, for the name asked for.
    Ca(CertificateDer<'static>),
    /// One of these CAs must have signed it, for the name asked for.
    Bundle(Vec<CertificateDer<'static>>),
    /// Any certificate will do.
    Anything,
}

/// Talks to one server.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
    headers: HeaderMap,
    deadline: Duration,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    name: ServerName<'static>,
    authority: String,
    tls: Arc<ClientConfig>,
    protocol: Protocol,
    idle: Mutex<Vec<http1::SendRequest<Full<Bytes>>>>,
    stream: tokio::sync::Mutex<Option<http2::SendRequest<Full<Bytes>>>>,
    tasks: TaskTracker,
}

/// Where a [`Client`] connects and how.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// Where to dial.
    pub address: SocketAddr,
    /// The name asked for and verified (SNI), or an IP address.
    pub name: &'a str,
    /// How the certificate is judged.
    pub trust: Trust,
    /// The client certificate, if any.
    pub certificate: Option<&'a Leaf>,
    /// Which HTTP.
    pub protocol: Protocol,
}

/// An answer whose body is read as it comes.
#[derive(Debug)]
pub struct Streamed {
    status: StatusCode,
    body: Incoming,
    // The connection is this answer's alone.
    _sender: Option<http1::SendRequest<Full<Bytes>>>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Client {
    /// A client for one server; connects with the first request.
    pub fn new(target: &Target<'_>) -> Result<Self> {
        let name = ServerName::try_from(target.name.to_owned())?;
        let shared = Shared {
            address: target.address,
            authority: format!("{}:{}", target.name, target.address.port()),
            name,
            tls: Arc::new(tls_config(target)?),
            protocol: target.protocol,
            idle: Mutex::default(),
            stream: tokio::sync::Mutex::default(),
            tasks: TaskTracker::new(),
        };
        Ok(Self {
            shared: Arc::new(shared),
            headers: HeaderMap::new(),
            deadline: Duration::from_secs(30),
        })
    }

    /// The same connections, with one more header on every request.
    pub fn with_header(&self, name: &str, value: &str) -> Result<Self> {
        let mut this = self.clone();
        this.headers.append(
            HeaderName::from_bytes(name.as_bytes())?,
            HeaderValue::from_str(value)?,
        );
        Ok(this)
    }

    /// The same connections, with a bearer token.
    pub fn with_token(&self, token: &str) -> Result<Self> {
        self.with_header("authorization", &format!("Bearer {token}"))
    }

    /// The same connections, with another deadline for a whole request.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// `GET path`.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    /// `GET path` with an `Accept` header.
    pub async fn get_as(&self, path: &str, accept: &str) -> Result<Answer> {
        self.with_header("accept", accept)?.get(path).await
    }

    /// `GET path`, which must answer 200 with JSON.
    pub async fn get_json(&self, path: &str) -> Result<Value> {
        let answer = self.get(path).await?;
        let status = answer.status;
        ensure!(
            status == StatusCode::OK,
            "GET {path} answered {status}: {}",
            answer.text()
        );
        answer.json()
    }

    /// Sends a request and reads the whole answer.
    pub async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Answer> {
        let deadline = self.deadline;
        let exchange = async {
            let (response, keep) = self.open_again(method, path, body).await?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.context("read the body")?.to_bytes();
            self.keep(keep);
            anyhow::Ok(Answer {
                status: head.status,
                headers: head.headers,
                body,
            })
        };
        tokio::time::timeout(deadline, exchange)
            .await
            .with_context(|| format!("no answer from {path} within {deadline:?}"))?
            .with_context(|| format!("{path} of {}", self.shared.address))
    }

    /// `GET path`, with the body still to come.
    pub async fn stream(&self, path: &str) -> Result<Streamed> {
        let opened = self.open_again(Method::GET, path, Bytes::new());
        let opened = tokio::time::timeout(self.deadline, opened).await;
        let (response, sender) = opened.context("no answer in time")??;
        let (head, body) = response.into_parts();
        Ok(Streamed {
            status: head.status,
            body,
            _sender: sender,
        })
    }

    /// Sends a request as it is and hands out the answer's head with the body still to come.
    pub(crate) async fn forward(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>> {
        Ok(self.open(request).await?.0)
    }

    /// A new connection, for those who speak HTTP themselves.
    pub(crate) async fn connect(&self) -> Result<TlsStream<TcpStream>> {
        self.shared.connect().await
    }

    /// The chain the server shows in a new handshake.
    pub async fn server_certificates(&self) -> Result<Vec<CertificateDer<'static>>> {
        let stream = self.shared.connect().await?;
        let chain = stream.get_ref().1.peer_certificates();
        Ok(chain
            .context("the server showed no certificate")?
            .iter()
            .map(|c| c.clone().into_owned())
            .collect())
    }

    fn request(&self, method: Method, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>> {
        let uri = format!("https://{}{path}", self.shared.authority);
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .body(Full::new(body))?;
        *request.headers_mut() = self.headers.clone();
        Ok(request)
    }

    async fn open(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Option<http1::SendRequest<Full<Bytes>>>)> {
        match self.shared.protocol {
            Protocol::Http1 => {
                let (response, sender) = self.shared.open_http1(request).await?;
                Ok((response, Some(sender)))
            }
            Protocol::Http2 => Ok((self.shared.open_http2(request).await?, None)),
        }
    }

    /// A kept connection may be closed just when the next request is about to go out; that request goes again.
    async fn open_again(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(Response<Incoming>, Option<http1::SendRequest<Full<Bytes>>>)> {
        let mut tries = 0;
        loop {
            tries += 1;
            let request = self.request(method.clone(), path, body.clone())?;
            match self.open(request).await {
                Err(error) if tries < TRIES && was_not_sent(&error) => {}
                opened => return opened,
            }
        }
    }

    fn keep(&self, sender: Option<http1::SendRequest<Full<Bytes>>>) {
        let mut idle = self.shared.idle.lock();
        if idle.len() < KEPT_CONNECTIONS {
            idle.extend(sender);
        }
    }
}

impl Shared {
    async fn connect(&self) -> Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await.context("connect")?;
        stream.set_nodelay(true)?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let stream = connector.connect(self.name.clone(), stream).await;
        stream.context("TLS handshake")
    }

    async fn open_http1(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, http1::SendRequest<Full<Bytes>>)> {
        // HTTP/1.1 wants the path alone and the authority in `Host`.
        let path = request.uri().path_and_query().map(ToString::to_string);
        *request.uri_mut() = path.as_deref().unwrap_or("/").parse()?;
        let host = HeaderValue::from_str(&self.authority)?;
        request.headers_mut().entry(header::HOST).or_insert(host);
        let mut sender = self.idle_connection().await?;
        let response = sender.send_request(request).await?;
        Ok((response, sender))
    }

    async fn idle_connection(&self) -> Result<http1::SendRequest<Full<Bytes>>> {
        loop {
            let Some(mut sender) = self.idle.lock().pop() else {
                break;
            };
            if sender.ready().await.is_ok() {
                return Ok(sender);
            }
        }
        let io = TokioIo::new(self.connect().await?);
        let (sender, connection) = http1::handshake(io).await?;
        self.tasks.spawn(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }

    async fn open_http2(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>> {
        let mut sender = {
            let mut kept = self.stream.lock().await;
            match kept.as_ref().filter(|s| !s.is_closed()) {
                Some(sender) => sender.clone(),
                None => kept.insert(self.connect_http2().await?).clone(),
            }
        };
        sender.ready().await?;
        Ok(sender.send_request(request).await?)
    }

    async fn connect_http2(&self) -> Result<http2::SendRequest<Full<Bytes>>> {
        let io = TokioIo::new(self.connect().await?);
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(1 << 22)
            .handshake(io)
            .await?;
        self.tasks.spawn(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }
}

impl Streamed {
    /// Its status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The next part of the body; `None` at its end.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(data) = frame.context("read the body")?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {}", self.text()))
    }

    /// The body as text, shortened.
    #[must_use]
    pub fn text(&self) -> String {
        let shown = self.body.get(..2000).unwrap_or(&self.body);
        String::from_utf8_lossy(shown).into_owned()
    }

    /// The body as text.
    #[must_use]
    pub fn whole_text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value, empty when it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// Fails unless the answer has this status.
    pub fn expect_status(&self, status: u16) -> Result<&Self> {
        if self.status.as_u16() != status {
            bail!(
                "answered {} in place of {status}: {}",
                self.status,
                self.text()
            );
        }
        Ok(self)
    }
}

fn was_not_sent(error: &anyhow::Error) -> bool {
    let Some(error) = error.downcast_ref::<hyper::Error>() else {
        return false;
    };
    // hyper does not say of an HTTP/2 error that it is the server's farewell (GOAWAY without an
    // error), after which a request that crossed it is to be sent again.
    let source = std::error::Error::source(error).map(ToString::to_string);
    error.is_canceled()
        || error.is_closed()
        || source.is_some_and(|s| s.contains("not a result of an error"))
}
