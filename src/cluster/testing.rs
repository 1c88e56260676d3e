//! An API server with a memory, for tests of whoever follows or writes objects: lists, watches that
//! resume, places that are forgotten, and writes that conflict.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::{Method, StatusCode};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::client::client;
use crate::lifecycle::{Stop, Tasks};

/// The server's hand.
#[derive(Clone)]
pub(crate) struct Remembering {
    address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
    /// Counts what watches have to look for; another life ends them.
    news: watch::Sender<(u64, u64)>,
    tasks: Tasks,
}

#[derive(Default)]
struct Inner {
    version: u64,
    /// Places before this one are forgotten.
    oldest: u64,
    /// By path.
    objects: BTreeMap<String, Value>,
    /// What happened to events.
    history: Vec<(u64, &'static str, Value)>,
    refusals: HashMap<String, VecDeque<u16>>,
    asked: Vec<String>,
    serving: Option<JoinHandle<()>>,
}

const EVENTS: [&str; 2] = ["/apis/events.k8s.io/v1/events", "/api/v1/events"];

impl Remembering {
    pub(crate) async fn started() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            inner: Arc::new(Mutex::new(Inner {
                version: 100,
                ..Inner::default()
            })),
            news: watch::channel((0, 0)).0,
            tasks: Tasks::new(Stop::channel().0),
        };
        server.serve(listener);
        server
    }

    fn serve(&self, listener: TcpListener) {
        let app = Router::new().fallback(answer).with_state(self.clone());
        let serving = self.tasks.spawn_passing("api-server", async move {
            axum::serve(listener, app).await.unwrap();
        });
        self.inner.lock().serving = Some(serving);
    }

    pub(crate) async fn start(&self) {
        self.serve(TcpListener::bind(self.address).await.unwrap());
    }

    /// Stops listening and ends every watch.
    pub(crate) async fn stop(&self) {
        let serving = self.inner.lock().serving.take().unwrap();
        serving.abort();
        let _ = serving.await;
        self.end_watches();
    }

    pub(crate) fn end_watches(&self) {
        self.news.send_modify(|(life, _)| *life += 1);
    }

    pub(crate) fn client(&self) -> kube::Client {
        let url = format!("http://{}", self.address).parse().unwrap();
        client(kube::Config::new(url), None).unwrap()
    }

    /// Makes or changes an event; it gets the next resource version.
    pub(crate) fn put_event(&self, mut event: Value) {
        let mut inner = self.inner.lock();
        inner.version += 1;
        let name = event["metadata"]["name"].as_str().unwrap().to_owned();
        event["metadata"]["resourceVersion"] = inner.version.to_string().into();
        let before = inner.objects.insert(name, event.clone());
        let kind = if before.is_some() {
            "MODIFIED"
        } else {
            "ADDED"
        };
        let version = inner.version;
        inner.history.push((version, kind, event));
        drop(inner);
        self.news.send_modify(|(_, news)| *news += 1);
    }

    /// Forgets everything but what is there now.
    pub(crate) fn compact(&self) {
        let mut inner = self.inner.lock();
        inner.oldest = inner.version;
        inner.history.clear();
    }

    /// Is as it was at this resource version, as after etcd was restored. Leases stay.
    pub(crate) fn restore(&self, version: u64) {
        let mut inner = self.inner.lock();
        inner.version = version;
        inner.history.retain(|(at, ..)| *at <= version);
        let made = |object: &Value| {
            let made = object["metadata"]["resourceVersion"].as_str();
            made.and_then(|made| made.parse::<u64>().ok())
        };
        let stays =
            |path: &str, object: &Value| path.starts_with('/') || made(object) <= Some(version);
        inner.objects.retain(|path, object| stays(path, object));
        drop(inner);
        self.end_watches();
    }

    /// Answers the next such request with an error: `watch`, `list`, or a method and the path.
    pub(crate) fn refuse(&self, what: &str, code: u16) {
        let mut inner = self.inner.lock();
        let refusals = inner.refusals.entry(what.into()).or_default();
        refusals.push_back(code);
    }

    /// The object at a path.
    pub(crate) fn object(&self, path: &str) -> Option<Value> {
        self.inner.lock().objects.get(path).cloned()
    }

    /// Writes an object as somebody else would.
    pub(crate) fn set_object(&self, path: &str, object: Value) {
        let mut inner = self.inner.lock();
        inner.store(path, object);
    }

    /// The requests that hold `part`, as `METHOD URI`.
    pub(crate) fn asked(&self, part: &str) -> Vec<String> {
        let inner = self.inner.lock();
        let asked = inner.asked.iter();
        asked.filter(|uri| uri.contains(part)).cloned().collect()
    }

    pub(crate) fn version(&self) -> u64 {
        self.inner.lock().version
    }
}

async fn answer(State(server): State<Remembering>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let path = parts.uri.path().to_owned();
    let query: HashMap<String, String> = parts
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.into(), value.into()))
        .collect();
    let events = EVENTS.contains(&path.as_str());
    let what = match events {
        true if query.contains_key("watch") => "watch".to_owned(),
        true => "list".to_owned(),
        false => format!("{} {path}", parts.method),
    };
    let mut inner = server.inner.lock();
    inner.asked.push(format!("{} {}", parts.method, parts.uri));
    let of_path = format!("{} {path}", parts.method);
    for what in [&what, &of_path] {
        if let Some(code) = inner.refusals.get_mut(what).and_then(VecDeque::pop_front) {
            return status(code);
        }
    }
    if !events {
        return inner.handle(&parts.method, &path, &body);
    }
    if what == "list" {
        return inner.list(&query).to_string().into_response();
    }
    let from: u64 = query["resourceVersion"].parse().unwrap();
    if from < inner.oldest {
        return status(410);
    }
    drop(inner);
    let (news, life) = (server.news.subscribe(), server.news.borrow().0);
    let watcher = (server.clone(), news, life, from);
    let lines = stream::unfold(watcher, async |(server, mut news, life, from)| {
        loop {
            if news.borrow_and_update().0 != life {
                return None;
            }
            if let Some((text, until)) = server.inner.lock().after(from) {
                let line = Ok::<_, std::io::Error>(Bytes::from(text));
                return Some((line, (server.clone(), news, life, until)));
            }
            news.changed().await.ok()?;
        }
    });
    Body::from_stream(lines).into_response()
}

fn status(code: u16) -> Response {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        _ => "",
    };
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "message": "as the test wants", "reason": reason, "metadata": {}});
    let code = StatusCode::from_u16(code).unwrap();
    (code, status.to_string()).into_response()
}

impl Inner {
    fn after(&self, from: u64) -> Option<(String, u64)> {
        let mut later = self.history.iter().filter(|(at, ..)| *at > from);
        let (version, kind, object) = later.next()?;
        let line = json!({"type": kind, "object": object});
        Some((format!("{line}\n"), *version))
    }

    fn list(&self, query: &HashMap<String, String>) -> Value {
        let all: Vec<&Value> = self
            .objects
            .iter()
            .filter(|(path, _)| !path.starts_with('/'))
            .map(|(_, object)| object)
            .collect();
        let number = |name: &str| query.get(name).and_then(|text| text.parse().ok());
        let from = number("continue").unwrap_or(0);
        let until = all
            .len()
            .min(from + number("limit").unwrap_or(usize::MAX / 2));
        let next = if until < all.len() {
            until.to_string()
        } else {
            String::new()
        };
        let version = self.version.to_string();
        json!({"metadata": {"resourceVersion": version, "continue": next},
            "items": &all[from..until]})
    }

    fn handle(&mut self, method: &Method, path: &str, body: &[u8]) -> Response {
        let sent: Value = serde_json::from_slice(body).unwrap_or_default();
        let path = match (method, sent["metadata"]["name"].as_str()) {
            (&Method::POST, Some(name)) => format!("{path}/{name}"),
            _ => path.to_owned(),
        };
        let found = self.objects.get(&path).cloned();
        let stored = match (method, found) {
            (&Method::GET, Some(found)) => return found.to_string().into_response(),
            (&Method::POST, Some(_)) => return status(409),
            (&Method::POST, None) => sent,
            (_, None) => return status(404),
            (&Method::PATCH, Some(mut found)) => {
                for (key, value) in sent["metadata"]["annotations"].as_object().unwrap() {
                    found["metadata"]["annotations"][key] = value.clone();
                }
                found
            }
            (_, Some(found)) => {
                let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
                if version(&found) != version(&sent) {
                    return status(409);
                }
                sent
            }
        };
        let stored = self.store(&path, stored);
        stored.to_string().into_response()
    }

    fn store(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.objects.insert(path.to_owned(), object.clone());
        object
    }
}
