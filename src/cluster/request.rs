//! The two requests of a watch, list and watch, each with its deadlines, and what can go wrong with
//! them.
//!
//! Both are asked for as Kubernetes' protobuf, lists also packed. Measured with 7,000 pods and a
//! kube-apiserver 1.37: the list is 19.6 MB and 256 ms of the API server's CPU as JSON in pages of
//! 500, 10.9 MB and 139 ms as protobuf out of its cache, 0.49 MB and 89 ms when it packs that: to
//! pack costs it less than to encrypt ten times as much. Our own CPU until everything is listed is 60
//! ms, packed or not, instead of 130 with JSON. An API server that answers JSON is understood, too.

use std::error::Error as StdError;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use kube::api::{ListParams, WatchParams};
use kube::client::{AuthError, Body};
use kube::core::Request;
use serde::Deserialize;
use tokio::time::timeout;

use super::body::{ACCEPT_OBJECTS, Encoding};
use super::events::Events;
use super::object::Text;
use crate::apimachinery::protobuf::{self, Field, Malformed, Message};

/// What a watch watches.
#[derive(Clone, Debug)]
pub struct Target {
    /// The resource in the plural, as RBAC names it; also the label of the metrics.
    pub resource: &'static str,
    /// The path of the collection, such as `/api/v1/pods`.
    pub path: &'static str,
    /// Only objects whose fields match, such as `status.phase=Running`.
    pub field_selector: Option<&'static str>,
}

/// Why the API server could not be listed or watched. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// 403: somebody has to grant it.
    #[error(
        "not allowed: grant list and watch on {resource} ({path}); the API server says: {message}"
    )]
    Forbidden {
        /// The resource.
        resource: &'static str,
        /// The path that was asked.
        path: &'static str,
        /// The API server's words.
        message: String,
    },
    /// 401: the token or the certificate is not accepted.
    #[error("the API server does not accept our credentials: {message}")]
    Unauthorized {
        /// The API server's words.
        message: String,
    },
    /// 410: the resource version is too old; only a fresh list helps.
    #[error("the resource version is too old")]
    Expired,
    /// Any other answer that is not a success.
    #[error("the API server answered {code}: {message}")]
    Refused {
        /// The HTTP status code.
        code: u16,
        /// The API server's words, cut after 300 characters.
        message: String,
    },
    /// No connection, or one that broke.
    #[error("cannot reach the API server: {reason}")]
    Unreachable {
        /// The chain of causes in words.
        reason: String,
    },
    /// Nothing came within the deadline.
    #[error("the API server was silent for {} s", .0.as_secs())]
    Silent(Duration),
    /// The answer is larger than we keep.
    #[error("the API server's answer is larger than {limit} bytes")]
    TooLarge {
        /// The most we keep of one answer.
        limit: usize,
    },
    /// The answer is no list and no event.
    #[error("the API server's answer is not understood: {reason}")]
    Garbled {
        /// What is wrong with it.
        reason: String,
    },
}

impl WatchError {
    /// Tells whether the API server said something, good or bad.
    pub(super) const fn is_an_answer(&self) -> bool {
        !matches!(self, Self::Unreachable { .. } | Self::Silent(_))
    }
}

/// Asks for one collection.
#[derive(Clone)]
pub(super) struct Requests {
    client: kube::Client,
    target: Target,
}

/// What a list asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Everything at once, out of the API server's cache: client-go's first list as well. It may be
    /// a little old, so only who knows nothing yet may ask for it.
    Cached,
    /// The newest state in pages of so many objects.
    Pages(u32),
}

/// A `metav1.Status`, of which other bodies have nothing.
#[derive(Default, Deserialize)]
pub(super) struct Status<'a> {
    #[serde(default)]
    code: u16,
    #[serde(borrow, default)]
    message: Text<'a>,
}

impl<'a> Message<'a> for Status<'a> {
    fn field(&mut self, field: &Field<'a>) -> Result<(), Malformed> {
        match field.number {
            3 => self.message = field.text()?.into(),
            6 => self.code = u16::try_from(field.int32()?).unwrap_or_default(),
            _ => {}
        }
        Ok(())
    }
}

/// How long the API server may take to begin an answer.
const ANSWER: Duration = Duration::from_secs(30);
/// How long a whole list or page may take: the API server gives it no longer.
pub(super) const PAGE: Duration = Duration::from_secs(60);
/// The largest page in JSON, which is kept whole: 500 pods of a quarter megabyte.
pub(super) const LARGEST_PAGE: usize = 128 << 20;
/// The largest list in protobuf, unpacked, of which one object at a time is kept: a million pods of
/// four kilobytes.
pub(super) const LARGEST_LIST: usize = 4 << 30;
/// The largest object: etcd holds 1.5 MiB, and JSON is larger than its protobuf.
pub(super) const LARGEST_OBJECT: usize = 8 << 20;
/// The largest error body that is read.
const LARGEST_ERROR: usize = 64 << 10;
const LONGEST_MESSAGE: usize = 300;
/// After this many seconds the API server ends a watch by itself, and we begin the next one.
const WATCH_SECONDS: u32 = 180;
/// A watch that says nothing for longer than it may live is dead.
pub(super) const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 10);

impl Requests {
    pub(super) fn new(client: kube::Client, target: Target) -> Self {
        Self { client, target }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Asks for a list, from the beginning or where the page before ended.
    pub(super) async fn list(
        &self,
        extent: Extent,
        from: Option<String>,
    ) -> Result<Response<Body>, WatchError> {
        let (limit, version) = match extent {
            Extent::Cached => (None, Some("0".to_owned())),
            Extent::Pages(size) => (Some(size), None),
        };
        let params = ListParams {
            field_selector: self.target.field_selector.map(Into::into),
            limit,
            resource_version: version,
            continue_token: from,
            ..ListParams::default()
        };
        let mut request = Request::new(self.target.path)
            .list(&params)
            .map_err(garbled)?;
        let gzip = HeaderValue::from_static("gzip");
        request.headers_mut().insert(ACCEPT_ENCODING, gzip);
        self.send(request).await
    }

    /// Begins to watch for what happened after `version`.
    pub(super) async fn watch(&self, version: &str) -> Result<Events, WatchError> {
        let params = WatchParams {
            field_selector: self.target.field_selector.map(Into::into),
            timeout: Some(WATCH_SECONDS),
            ..WatchParams::default()
        };
        let request = Request::new(self.target.path).watch(&params, version);
        let response = self.send(request.map_err(garbled)?).await?;
        Ok(Events::of(response))
    }

    async fn send(
        &self,
        mut request: http::Request<Vec<u8>>,
    ) -> Result<Response<Body>, WatchError> {
        request.headers_mut().insert(ACCEPT, ACCEPT_OBJECTS);
        let answer = timeout(ANSWER, self.client.send(request.map(Body::from))).await;
        let response = answer
            .map_err(|_| WatchError::Silent(ANSWER))?
            .map_err(|error| WatchError::Unreachable {
                reason: describe(&error),
            })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let code = response.status().as_u16();
        let encoding = Encoding::of(response.headers());
        let body = Limited::new(response.into_body(), LARGEST_ERROR).collect();
        // What cannot be read of an error only shortens its text.
        let body = match timeout(ANSWER, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) | Err(_) => Bytes::new(),
        };
        let status = match encoding {
            Encoding::Json => serde_json::from_slice(&body).ok(),
            Encoding::Protobuf => {
                let status = protobuf::open(&body).ok().flatten();
                status.and_then(|status| Status::read(status).ok())
            }
        };
        Err(self.target.refusal(&Status {
            code,
            ..status.unwrap_or_default()
        }))
    }
}

impl Target {
    pub(super) fn refusal(&self, status: &Status<'_>) -> WatchError {
        let Status { code, message } = status;
        let code = *code;
        let message: String = message.chars().take(LONGEST_MESSAGE).collect();
        match StatusCode::from_u16(code) {
            Ok(StatusCode::GONE) => WatchError::Expired,
            Ok(StatusCode::UNAUTHORIZED) => WatchError::Unauthorized { message },
            Ok(StatusCode::FORBIDDEN) => WatchError::Forbidden {
                resource: self.resource,
                path: self.path,
                message,
            },
            Ok(_) | Err(_) => WatchError::Refused { code, message },
        }
    }
}

/// Tells an error and its causes in one line, each once and no secret: what a log line may say.
#[must_use]
pub fn describe(error: &kube::Error) -> String {
    // Its own text says everything twice, once as a struct.
    if let kube::Error::Api(status) = error
        && !status.message.is_empty()
    {
        return format!("{}: {}", status.code, status.message.trim());
    }
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    let mut text = String::new();
    while let Some(cause) = next {
        // What a credential plugin printed may be the token, and kube's texts repeat their source.
        if let Some(AuthError::AuthExecRun { cmd, .. }) = cause.downcast_ref() {
            return format!("the credential plugin {cmd} failed");
        }
        let told = cause.to_string();
        if !text.ends_with(&told) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&told);
        }
        next = cause.source();
    }
    text
}

pub(super) fn garbled(error: impl StdError) -> WatchError {
    WatchError::Garbled {
        reason: error.to_string(),
    }
}
