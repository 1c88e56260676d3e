//! Takes what the eventer's `webhook` posts, whole and well-formed lines alone, and remembers each by its ID.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use http::StatusCode;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const PATH: &str = "/events";
const LARGEST: usize = 16 << 20;

/// A receiver; dropping it ends it.
#[derive(Debug)]
pub struct Webhook {
    /// Where it listens.
    pub address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Inner {
    down: bool,
    got: BTreeMap<String, GotEvent>,
    wrong: Vec<String>,
}

/// What came under one ID.
#[derive(Clone, Debug)]
pub struct GotEvent {
    /// How often it came.
    pub times: usize,
    event: Value,
}

impl Webhook {
    /// Begins to listen.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let inner = Arc::<Mutex<Inner>>::default();
        let app = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&inner));
        Ok(Self {
            address: listener.local_addr()?,
            inner,
            task: tokio::spawn(async move {
                let _ = axum::serve(listener, app).await;
            }),
        })
    }

    /// The value of `--sink` that leads here.
    #[must_use]
    pub fn sink(&self) -> String {
        format!("webhook:http://{}{PATH}?cluster_name=lane", self.address)
    }

    /// While it is down, what comes is kept and answered with 503 all the same: as by a server whose answers are lost.
    pub fn set_down(&self, down: bool) {
        self.inner.lock().down = down;
    }

    /// What came, by its ID.
    #[must_use]
    pub fn got(&self) -> BTreeMap<String, GotEvent> {
        self.inner.lock().got.clone()
    }

    /// Makes sure that nothing came that should not be as it was.
    ///
    /// # Errors
    /// With all that did.
    pub fn faultless(&self) -> Result<()> {
        let wrong = self.inner.lock().wrong.clone();
        ensure!(wrong.is_empty(), "{wrong:#?}");
        Ok(())
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(inner): State<Arc<Mutex<Inner>>>, request: Request) -> StatusCode {
    let (parts, body) = request.into_parts();
    let kind = parts.headers.get("content-type");
    let ndjson = kind.is_some_and(|kind| kind == "application/x-ndjson");
    let body = to_bytes(body, LARGEST).await;
    let mut inner = inner.lock();
    let Ok(body) = body else {
        inner.wrong.push("a body without its end".to_owned());
        return StatusCode::BAD_REQUEST;
    };
    if parts.uri.path() != PATH || !ndjson {
        inner.wrong.push(format!("{} {kind:?}", parts.uri));
        return StatusCode::BAD_REQUEST;
    }
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        if let Err(error) = inner.take(line) {
            let line = String::from_utf8_lossy(line);
            inner.wrong.push(format!("{error:#}: {line}"));
            return StatusCode::UNPROCESSABLE_ENTITY;
        }
    }
    if inner.down {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::NO_CONTENT
    }
}

impl Inner {
    /// One line: its ID is the event's UID and how often it happened, and it never means two things.
    fn take(&mut self, line: &[u8]) -> Result<()> {
        ensure!(line.ends_with(b"\n"), "a line without its end");
        let line: Value = serde_json::from_slice(line)?;
        let id = line["id"].as_str().context("no id")?;
        let event = line["event"].clone();
        let uid = event["metadata"]["uid"].as_str().context("no uid")?;
        let series = event["series"]["count"].as_u64();
        let count = series.or_else(|| event["count"].as_u64()).unwrap_or(1);
        let expected = match series {
            Some(_) => format!("{uid}.s{count}"),
            None => format!("{uid}.{count}"),
        };
        ensure!(id == expected, "not the id {expected}");
        ensure!(line["cluster_name"] == "lane", "another cluster");
        ensure!(line["timestamp"].is_string(), "no timestamp");
        let got = self.got.entry(id.to_owned()).or_insert_with(|| GotEvent {
            times: 0,
            event: event.clone(),
        });
        ensure!(got.event == event, "not what it was before: {}", got.event);
        got.times += 1;
        Ok(())
    }
}
