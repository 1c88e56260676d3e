//! A receiver of `webhook` that takes whole lines of JSON alone.

use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use http::StatusCode;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::lifecycle::{Stop, Tasks};

#[derive(Clone)]
pub(super) struct Receiver {
    url: String,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    answer: u16,
    bodies: Vec<String>,
}

impl Receiver {
    pub(super) async fn started() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let receiver = Self {
            url: format!("http://{}/events", listener.local_addr().unwrap()),
            inner: Arc::new(Mutex::new(Inner {
                answer: 200,
                bodies: Vec::new(),
            })),
        };
        let app = Router::new().fallback(answer).with_state(receiver.clone());
        let serve = async move { axum::serve(listener, app).await.unwrap() };
        Tasks::new(Stop::channel().0).spawn_passing("receiver", serve);
        receiver
    }

    /// The value of `--sink` that leads here.
    pub(super) fn sink(&self) -> String {
        format!("webhook:{}", self.url)
    }

    /// Answers so from now on; what is not a success is not kept.
    pub(super) fn fail(&self, code: u16) {
        self.inner.lock().answer = code;
    }

    pub(super) fn bodies(&self) -> Vec<String> {
        self.inner.lock().bodies.clone()
    }

    /// The IDs that came, in their order.
    pub(super) fn ids(&self) -> Vec<String> {
        let bodies = self.bodies().concat();
        let lines = bodies.lines().map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["id"].as_str().unwrap().to_owned()
        });
        lines.collect()
    }
}

async fn answer(State(receiver): State<Receiver>, request: Request) -> StatusCode {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 8 << 20).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let whole = body.ends_with('\n')
        && body.lines().all(|line| {
            let line: Result<Value, _> = serde_json::from_str(line);
            line.is_ok_and(|line| line["id"].is_string() && line["event"].is_object())
        });
    if parts.uri.path() != "/events"
        || parts.headers["content-type"] != "application/x-ndjson"
        || !whole
    {
        return StatusCode::BAD_REQUEST;
    }
    let mut inner = receiver.inner.lock();
    let code = StatusCode::from_u16(inner.answer).unwrap();
    if code.is_success() {
        inner.bodies.push(body);
    }
    code
}
