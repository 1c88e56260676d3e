//! Requests to backends that speak HTTP.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use http::{Request, StatusCode, Uri, request};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::chunks::Verdict;
use super::config::authority;
use super::credentials::Credentials;
use super::export::ExportError;
use super::options::Options;
use super::setup::{SetupError, both};
use super::trust::{self, TlsConfig};
use super::unseen::Unseen;
use super::uri::SinkUri;
use crate::domain::Clock;

/// How a server is spoken to. Prints no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// `host:port`.
    pub(super) authority: String,
    /// What stands before every path; nothing where the address has the whole path.
    pub(super) base: String,
    /// Whether TLS is spoken.
    pub(super) secure: bool,
    pub(super) tls: TlsConfig,
    pub(super) credentials: Credentials,
}

/// One server. Prints no secret.
#[derive(Debug)]
pub struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    scheme: &'static str,
    authority: String,
    base: String,
    authorization: Option<HeaderValue>,
}

/// What a server answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Bytes,
    /// The same as a text.
    pub body: String,
}

const AGENT: &str = concat!("loadline/", env!("CARGO_PKG_VERSION"));
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Idle connections go before most servers close them.
const IDLE: Duration = Duration::from_secs(55);
/// The longest answer that is read; a longer one counts as a failure.
const LONGEST: usize = 1 << 20;
/// How much of an answer is shown.
const SHOWN: usize = 300;

/// Whether TLS is spoken, by the scheme; refuses any that is not HTTP's, and a host without one.
pub(super) fn is_secure(uri: &SinkUri, options: &mut Options<'_>) -> bool {
    // What has no scheme is misread in more than one way.
    if !speaks_http(uri) && (uri.scheme.is_some() || options.reads_address()) {
        options.refuse_address(NOT_HTTP);
    }
    uri.scheme.as_deref() == Some("https")
}

/// Whether the scheme is HTTP's, or there is no host either.
pub(super) fn speaks_http(uri: &SinkUri) -> bool {
    match uri.scheme.as_deref() {
        Some(scheme) => matches!(scheme, "http" | "https"),
        None => uri.host.is_none() && uri.user.is_none(),
    }
}

/// What stands before the paths a sink asks for, of an address that has some.
pub(super) fn base(uri: &SinkUri) -> String {
    uri.path.trim_end_matches('/').to_owned()
}

/// What is said of another scheme.
pub(super) const NOT_HTTP: &str = "the address must begin with http:// or https://";

impl HttpConfig {
    /// A server by its URI: TLS by `https`, a user before the host, or else `token`. Without a host
    /// it is `host`, without a port one of `ports`, the second when TLS is spoken.
    pub(super) fn read(
        uri: &SinkUri,
        host: &str,
        ports: (u16, u16),
        options: &mut Options<'_>,
    ) -> Self {
        let secure = is_secure(uri, options);
        let tls = TlsConfig::read(options);
        tls.check(secure, options);
        let token = options.secret("token").map(Credentials::Bearer);
        let ways = [
            (None, Credentials::of_uri(uri, None, options)),
            (Some("token"), token),
        ];
        Self {
            authority: authority(uri, host, if secure { ports.1 } else { ports.0 }),
            base: String::new(),
            secure,
            tls,
            credentials: Credentials::only(ways, options),
        }
    }
}

impl Http {
    /// Reads the CA file; asks nothing over the network.
    ///
    /// # Errors
    /// Everything that is wrong with the file and the credentials, for a person to mend.
    pub fn new(config: &HttpConfig, clock: &Arc<dyn Clock>) -> Result<Self, SetupError> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let tls = trust::client(config.tls.clone(), clock);
        let (tls, authorization) = both(tls, config.credentials.header())?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(Self {
            client,
            scheme: if config.secure { "https" } else { "http" },
            authority: config.authority.clone(),
            base: config.base.clone(),
            authorization,
        })
    }

    /// Posts a body; the caller sets the deadline by dropping the future. 401 is
    /// [`ExportError::Denied`], 408, 429 and what the server blames itself for [`ExportError::Failing`].
    pub(super) async fn post(
        &self,
        path: &str,
        content_type: &'static str,
        body: Vec<u8>,
    ) -> Result<Answer, ExportError> {
        let content_type = HeaderValue::from_static(content_type);
        let request = Request::post(path).header(CONTENT_TYPE, content_type);
        self.send(request, body).await
    }

    /// Sends a request to its path at this server, with a user agent and credentials, unless it has
    /// some itself; otherwise as [`Http::post`].
    pub(super) async fn send(
        &self,
        request: request::Builder,
        body: Vec<u8>,
    ) -> Result<Answer, ExportError> {
        let (status, headers, bytes) = self.exchange(request, body, LONGEST).await?;
        let body = String::from_utf8_lossy(&bytes).into_owned();
        let answer = Answer {
            status,
            headers,
            bytes,
            body,
        };
        match status {
            StatusCode::UNAUTHORIZED => Err(ExportError::Denied(answer.shown())),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
                Err(ExportError::Failing(answer.shown()))
            }
            status if status.is_server_error() => Err(ExportError::Failing(answer.shown())),
            _ => Ok(answer),
        }
    }

    /// Asks for something and reads at most `longest` bytes of it; the caller sets the deadline by
    /// dropping the future.
    ///
    /// # Errors
    /// [`ExportError`], for whatever is no success, with the beginning of what the server said.
    pub async fn fetch(
        &self,
        request: request::Builder,
        body: Vec<u8>,
        longest: usize,
    ) -> Result<Bytes, ExportError> {
        let (status, _, bytes) = self.exchange(request, body, longest).await?;
        match status {
            status if status.is_success() => Ok(bytes),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(ExportError::Denied(shown(status, &bytes)))
            }
            _ => Err(ExportError::Failing(shown(status, &bytes))),
        }
    }

    async fn exchange(
        &self,
        request: request::Builder,
        body: Vec<u8>,
        longest: usize,
    ) -> Result<(StatusCode, HeaderMap, Bytes), ExportError> {
        let authority = &self.authority;
        let impossible = |error: http::Error| ExportError::unreachable(authority, error);
        let request = request.body(Full::new(Bytes::from(body)));
        let mut request = request.map_err(impossible)?;
        let (scheme, base) = (self.scheme, &self.base);
        let uri = format!("{scheme}://{authority}{base}{}", request.uri());
        let uri = Uri::try_from(uri);
        *request.uri_mut() = uri.map_err(|error| impossible(error.into()))?;
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if let Some(authorization) = &self.authorization {
            let own = headers.entry(AUTHORIZATION);
            own.or_insert_with(|| authorization.clone());
        }
        let sent = request.headers().clone();
        let unreachable = |error: &dyn Error| ExportError::unreachable(authority, chain(error));
        let answer = self.client.request(request).await;
        let answer = answer.map_err(|error| unreachable(&error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = Limited::new(answer.into_body(), longest).collect().await;
        let bytes = body
            .map_err(|error| unreachable(error.as_ref()))?
            .to_bytes();
        // What is said in success is data, which may hold any text.
        let bytes = match status.is_success() {
            true => bytes,
            false => Unseen::of(&sent).strike_out(bytes),
        };
        Ok((status, headers, bytes))
    }
}

impl Answer {
    /// Status and the beginning of the body, on one line.
    pub(super) fn shown(&self) -> String {
        shown(self.status, &self.bytes)
    }

    /// What became of what was sent, as HTTP has it: taken, not to be sent again (with as many
    /// points as `refused` makes of the answer), or worth another try. Who is not let in, and what
    /// is not there, says nothing of the points.
    pub(super) fn verdict(
        &self,
        refused: impl FnOnce(&Self) -> Option<usize>,
    ) -> Result<Verdict, ExportError> {
        match self.status {
            status if status.is_success() => Ok(Verdict::Accepted),
            StatusCode::FORBIDDEN => Err(ExportError::Denied(self.shown())),
            StatusCode::NOT_FOUND => Err(ExportError::Gone(self.shown())),
            status if status.is_client_error() => Ok(Verdict::Refused {
                points: refused(self),
                why: self.shown(),
            }),
            _ => Err(ExportError::Failing(self.shown())),
        }
    }
}

fn shown(status: StatusCode, body: &[u8]) -> String {
    // A character may take four bytes.
    let body = body.get(..4 * SHOWN).unwrap_or(body);
    let body = String::from_utf8_lossy(body);
    let body = body.trim().chars().take(SHOWN);
    let body: String = body.map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{} {body}", status.as_u16()).trim_end().to_owned()
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}
