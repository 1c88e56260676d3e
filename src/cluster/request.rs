//! The two requests of a watch, list and watch, each with its deadlines, and what can go wrong with
//! them.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use kube::api::{ListParams, WatchParams};
use kube::client::{AuthError, Body};
use kube::core::Request;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::lines::Lines;
use super::object::Text;

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
        "not allowed: grant get, list and watch on {resource} ({path}); the API server says: {message}"
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

/// Asks for one collection.
#[derive(Clone)]
pub(super) struct Requests {
    client: kube::Client,
    target: Target,
}

/// One page of a list as it came.
pub(super) struct Page(Bytes);

/// A page, borrowed from its bytes.
pub(super) struct PageView<'a> {
    /// Where the next page starts; `None` on the last one.
    pub(super) next: Option<String>,
    /// The list's resource version, to watch from.
    pub(super) version: Option<String>,
    /// The objects.
    pub(super) items: Vec<&'a RawValue>,
}

/// The events of an open watch.
pub(super) struct Events {
    body: Body,
    lines: Lines,
}

/// One event, borrowed from its line.
pub(super) enum Event<'a> {
    /// An object is there now, or changed.
    Applied(&'a RawValue),
    /// An object went, or does not match any longer.
    Deleted(&'a RawValue),
    /// Nothing but a newer resource version.
    Bookmark(&'a RawValue),
    /// The API server gave up; the watch is over.
    Error(WatchError),
    /// A type of event we do not know.
    Unknown,
}

#[derive(Deserialize)]
struct ListBody<'a> {
    #[serde(borrow, default)]
    metadata: ListMeta<'a>,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMeta<'a> {
    #[serde(borrow, default)]
    resource_version: Text<'a>,
    #[serde(rename = "continue", borrow, default)]
    next: Text<'a>,
}

#[derive(Deserialize)]
struct EventLine<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// A `metav1.Status`, of which other bodies have nothing.
#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    message: String,
}

/// How long the API server may take to begin an answer.
const ANSWER: Duration = Duration::from_secs(30);
/// How long a whole page may take.
const PAGE: Duration = Duration::from_secs(60);
/// The largest page that is kept: 500 pods of a quarter megabyte.
pub(super) const LARGEST_PAGE: usize = 128 << 20;
/// The largest event: etcd holds 1.5 MiB, and JSON is larger than its protobuf.
const LARGEST_EVENT: usize = 8 << 20;
/// The largest error body that is read.
const LARGEST_ERROR: usize = 64 << 10;
const LONGEST_MESSAGE: usize = 300;
/// After this many seconds the API server ends a watch by itself, and we begin the next one.
const WATCH_SECONDS: u32 = 180;
/// A watch that says nothing for longer than it may live is dead.
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 10);

impl Requests {
    pub(super) fn new(client: kube::Client, target: Target) -> Self {
        Self { client, target }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Reads one page of at most `limit` objects, from the beginning or where the page before
    /// ended.
    pub(super) async fn list(&self, limit: u32, from: Option<String>) -> Result<Page, WatchError> {
        let params = ListParams {
            field_selector: self.target.field_selector.map(Into::into),
            limit: Some(limit),
            continue_token: from,
            ..ListParams::default()
        };
        let request = Request::new(self.target.path).list(&params);
        let body = self.send(request.map_err(garbled)?).await?.into_body();
        let body = timeout(PAGE, Limited::new(body, LARGEST_PAGE).collect()).await;
        let body = body.map_err(|_| WatchError::Silent(PAGE))?;
        Ok(Page(body.map_err(broken)?.to_bytes()))
    }

    /// Begins to watch for what happened after `version`.
    pub(super) async fn watch(&self, version: &str) -> Result<Events, WatchError> {
        let params = WatchParams {
            field_selector: self.target.field_selector.map(Into::into),
            timeout: Some(WATCH_SECONDS),
            ..WatchParams::default()
        };
        let request = Request::new(self.target.path).watch(&params, version);
        let body = self.send(request.map_err(garbled)?).await?.into_body();
        Ok(Events {
            body,
            lines: Lines::new(LARGEST_EVENT),
        })
    }

    async fn send(&self, request: http::Request<Vec<u8>>) -> Result<Response<Body>, WatchError> {
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
        let body = Limited::new(response.into_body(), LARGEST_ERROR).collect();
        // What cannot be read of an error only shortens its text.
        let body = match timeout(ANSWER, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) | Err(_) => Bytes::new(),
        };
        let status: Status = serde_json::from_slice(&body).unwrap_or_default();
        Err(self.target.refusal(code, &status.message))
    }
}

impl Target {
    fn refusal(&self, code: u16, message: &str) -> WatchError {
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

    /// Reads one line of a watch.
    pub(super) fn event<'a>(&self, line: &'a [u8]) -> Result<Event<'a>, WatchError> {
        let EventLine { kind, object } = serde_json::from_slice(line).map_err(garbled)?;
        Ok(match kind.as_ref() {
            "ADDED" | "MODIFIED" => Event::Applied(object),
            "DELETED" => Event::Deleted(object),
            "BOOKMARK" => Event::Bookmark(object),
            "ERROR" => {
                let status: Status = serde_json::from_str(object.get()).unwrap_or_default();
                Event::Error(self.refusal(status.code, &status.message))
            }
            _ => Event::Unknown,
        })
    }
}

impl Page {
    pub(super) fn view(&self) -> Result<PageView<'_>, WatchError> {
        let ListBody { metadata, items } = serde_json::from_slice(&self.0).map_err(garbled)?;
        let given = |text: Text<'_>| (!text.is_empty()).then(|| text.to_string());
        Ok(PageView {
            next: given(metadata.next),
            version: given(metadata.resource_version),
            items: items.unwrap_or_default(),
        })
    }
}

impl Events {
    /// The next line; `None` when the API server ended the watch.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, WatchError> {
        loop {
            let line = self.lines.next().map_err(|_| WatchError::TooLarge {
                limit: LARGEST_EVENT,
            })?;
            if line.is_some() {
                return Ok(line);
            }
            let frame = timeout(SILENCE, self.body.frame()).await;
            match frame.map_err(|_| WatchError::Silent(SILENCE))? {
                None => return Ok(None),
                Some(frame) => {
                    let frame = frame.map_err(|error| broken(error.into()))?;
                    self.lines.push(frame.data_ref().map_or(&[], |data| data));
                }
            }
        }
    }
}

/// The resource version of any object, also of a bookmark's.
pub(super) fn version_of(object: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Object<'a> {
        #[serde(borrow)]
        metadata: ListMeta<'a>,
    }
    let object: Object<'_> = serde_json::from_str(object.get()).ok()?;
    let version = object.metadata.resource_version;
    (!version.is_empty()).then(|| version.to_string())
}

/// Tells an error and its causes in one line, each once and no secret: what a log line may say.
#[must_use]
pub fn describe(error: &kube::Error) -> String {
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

fn broken(error: Box<dyn StdError + Send + Sync>) -> WatchError {
    if error.is::<LengthLimitError>() {
        return WatchError::TooLarge {
            limit: LARGEST_PAGE,
        };
    }
    WatchError::Unreachable {
        reason: error.to_string(),
    }
}

fn garbled(error: impl StdError) -> WatchError {
    WatchError::Garbled {
        reason: error.to_string(),
    }
}
