//! A small API server on loopback that tests turn as they like.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::StatusCode;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::lifecycle::{Stop, Tasks};

/// What one open watch is sent; an error breaks the connection.
type Watcher = mpsc::Sender<io::Result<Bytes>>;

/// The API server's hand: what it holds, whom it watches for, and how it answers next.
#[derive(Clone)]
pub(super) struct ApiServer {
    address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
    tasks: Tasks,
}

#[derive(Default)]
struct Inner {
    collections: HashMap<String, Vec<Value>>,
    watchers: HashMap<String, Vec<Watcher>>,
    /// Answers given before anything else, by `list pods`, `list pods from 2` or `watch nodes`.
    refusals: HashMap<String, VecDeque<(u16, &'static str)>>,
    asked: Vec<String>,
    version: u64,
    page: usize,
    serving: Option<JoinHandle<()>>,
}

impl ApiServer {
    /// A server with an address where nobody listens yet.
    pub(super) async fn absent() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (sender, _) = Stop::channel();
        Self {
            address: listener.local_addr().unwrap(),
            inner: Arc::new(Mutex::new(Inner {
                version: 100,
                page: usize::MAX,
                ..Inner::default()
            })),
            tasks: Tasks::new(sender),
        }
    }

    /// A server that listens.
    pub(super) async fn started() -> Self {
        let server = Self::absent().await;
        server.start().await;
        server
    }

    pub(super) fn url(&self) -> http::Uri {
        format!("http://{}", self.address).parse().unwrap()
    }

    pub(super) async fn start(&self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let app = Router::new().fallback(answer).with_state(self.clone());
        let serving = self.tasks.spawn_passing("api-server", async move {
            axum::serve(listener, app).await.unwrap();
        });
        self.inner.lock().serving = Some(serving);
    }

    /// Stops listening and breaks every watch.
    pub(super) async fn stop(&self) {
        let serving = self.inner.lock().serving.take().unwrap();
        serving.abort();
        let _ = serving.await;
        self.break_watches();
    }

    /// Breaks every watch in the middle of its body.
    pub(super) fn break_watches(&self) {
        for (_, watchers) in self.inner.lock().watchers.drain() {
            for watcher in watchers {
                let _ = watcher.try_send(Err(io::ErrorKind::ConnectionReset.into()));
            }
        }
    }

    /// Ends every watch as the API server does when its time is up.
    pub(super) fn end_watches(&self) {
        self.inner.lock().watchers.clear();
    }

    /// At most so many objects a page, whatever the client asks for.
    pub(super) fn set_page(&self, page: usize) {
        self.inner.lock().page = page;
    }

    /// Sets what a list finds, telling no watch.
    pub(super) fn set(&self, resource: &str, objects: Vec<Value>) {
        let mut inner = self.inner.lock();
        inner.collections.insert(resource.into(), objects);
    }

    /// Answers the next such request (`list pods`) with an error.
    pub(super) fn refuse(&self, what: &str, code: u16, message: &'static str) {
        let mut inner = self.inner.lock();
        let refusals = inner.refusals.entry(what.into()).or_default();
        refusals.push_back((code, message));
    }

    /// Sends an event to the open watches of `resource`; the object gets the next resource version.
    pub(super) fn send(&self, resource: &str, kind: &str, mut object: Value) {
        let mut inner = self.inner.lock();
        inner.version += 1;
        if kind != "ERROR" {
            object["metadata"]["resourceVersion"] = inner.version.to_string().into();
        }
        let line = format!("{}\n", json!({"type": kind, "object": object}));
        for watcher in inner.watchers.get(resource).into_iter().flatten() {
            watcher.try_send(Ok(line.clone().into())).unwrap();
        }
    }

    pub(super) fn watching(&self, resource: &str) -> usize {
        let inner = self.inner.lock();
        let watchers = inner.watchers.get(resource).into_iter().flatten();
        watchers.filter(|watcher| !watcher.is_closed()).count()
    }

    /// The lists of `resource` that were asked for, in their order.
    pub(super) fn lists(&self, resource: &str) -> Vec<String> {
        let mut asked = self.asked(&[&format!("/{resource}?")]);
        asked.retain(|uri| !uri.contains("watch=true"));
        asked
    }

    /// Paths with their queries, in the order they were asked for, that hold all of `parts`.
    pub(super) fn asked(&self, parts: &[&str]) -> Vec<String> {
        let inner = self.inner.lock();
        let asked = inner.asked.iter();
        asked
            .filter(|uri| parts.iter().all(|part| uri.contains(part)))
            .cloned()
            .collect()
    }
}

async fn answer(State(server): State<ApiServer>, request: Request) -> Response {
    let uri = request.uri().to_string();
    let query: HashMap<String, String> = request
        .uri()
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.into(), value.into()))
        .collect();
    let resource = request
        .uri()
        .path()
        .trim_start_matches("/api/v1/")
        .to_string();
    let verb = if query.contains_key("watch") {
        "watch"
    } else {
        "list"
    };
    let mut inner = server.inner.lock();
    inner.asked.push(uri);
    let mut what = format!("{verb} {resource}");
    if let Some(from) = query.get("continue") {
        what = format!("{what} from {from}");
    }
    let refusals = inner.refusals.get_mut(&what);
    if let Some((code, message)) = refusals.and_then(VecDeque::pop_front) {
        let status = json!({"kind": "Status", "code": code, "message": message});
        let code = StatusCode::from_u16(code).unwrap();
        return (code, status.to_string()).into_response();
    }
    if verb == "watch" {
        let (watcher, events) = mpsc::channel(64);
        inner.watchers.entry(resource).or_default().push(watcher);
        let events = stream::unfold(events, async |mut events| {
            events.recv().await.map(|event| (event, events))
        });
        return Body::from_stream(events).into_response();
    }
    inner.list(&resource, &query).to_string().into_response()
}

impl Inner {
    fn list(&self, resource: &str, query: &HashMap<String, String>) -> Value {
        let all = self.collections.get(resource).cloned().unwrap_or_default();
        let from: usize = query
            .get("continue")
            .map_or(0, |from| from.parse().unwrap());
        let limit = query.get("limit");
        let limit: usize = limit.map_or(usize::MAX, |limit| limit.parse().unwrap());
        let until = (from + limit.min(self.page)).min(all.len());
        let next = if until < all.len() {
            until.to_string()
        } else {
            String::new()
        };
        json!({
            "kind": "List",
            "apiVersion": "v1",
            "metadata": {"resourceVersion": self.version.to_string(), "continue": next},
            "items": &all[from..until],
        })
    }
}
