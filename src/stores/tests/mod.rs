//! Stores asked, and doubles that answer as the real ones do (`conformance/run sinks` asks those).

mod bounds;
mod influxdb;
mod prometheus;
mod quoting;
mod same_as_the_ring;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use parking_lot::Mutex;
use tokio::net::TcpListener;

use super::Store;
use crate::apimachinery::Query as Form;
use crate::domain::{
    Clock, ContainerName, EntityKey, Namespace, NodeName, PodKey, PodName, Timestamp,
};
use crate::history::{Query, Series, Span, Subject};
use crate::lifecycle::{Stop, Tasks};
use crate::sinks::Written;
use crate::telemetry::Registry;

/// One request, its form among the query's parts.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub path: String,
    pub authorization: String,
    pub tenant: String,
    form: Vec<(String, String)>,
}

impl Asked {
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let parts = self.form.iter().filter(|(key, _)| key == name);
        parts.map(|(_, value)| value.as_str()).collect()
    }

    pub(super) fn one(&self, name: &str) -> &str {
        match self.all(name).as_slice() {
            [one] => one,
            several => panic!("{name}: {several:?}"),
        }
    }
}

/// A server, and what it was asked.
#[derive(Clone, Debug)]
pub(super) struct Double {
    pub address: SocketAddr,
    pub seen: Arc<Mutex<Vec<Asked>>>,
}

impl Double {
    /// Answers each request with a status and a body.
    pub(super) async fn start(
        answer: impl Fn(&Asked) -> (u16, String) + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<Asked>>>::default();
        let kept = Arc::clone(&seen);
        let app = Router::new().fallback(move |request: Request| {
            let (answer, kept) = (answer.clone(), Arc::clone(&kept));
            async move {
                let asked = asked(request).await;
                kept.lock().push(asked.clone());
                let (status, body) = answer(&asked);
                let response = Response::builder().status(status);
                response.body(Body::from(body)).unwrap()
            }
        });
        Tasks::new(Stop::channel().0).spawn_passing("double", async move {
            axum::serve(listener, app).await.unwrap();
        });
        Self { address, seen }
    }

    pub(super) fn seen(&self) -> Vec<Asked> {
        self.seen.lock().clone()
    }
}

async fn asked(request: Request) -> Asked {
    let (parts, body) = request.into_parts();
    let header = |name: &str| {
        let value = parts.headers.get(name).map(|v| v.to_str().unwrap());
        value.unwrap_or_default().to_owned()
    };
    let (authorization, tenant) = (header("authorization"), header("x-scope-orgid"));
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let mut form = Vec::new();
    for text in [parts.uri.query().unwrap_or_default(), &body] {
        let query = Form::parse(Some(text));
        let mut keys: Vec<&str> = query.keys().collect();
        keys.dedup();
        for key in keys {
            form.extend(query.all(key).map(|v| (key.to_owned(), v.to_owned())));
        }
    }
    Asked {
        path: parts.uri.path().to_owned(),
        authorization,
        tenant,
        form,
    }
}

/// It is always the same moment.
#[derive(Debug)]
struct Still;

pub(super) const NOW: i64 = 1_800_000_000_000;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(NOW)
    }

    fn monotonic(&self) -> std::time::Instant {
        crate::domain::SystemClock.monotonic()
    }
}

pub(super) fn store(uri: &str) -> Store {
    let written = Written::read(uri, &|_| None).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(Still);
    Store::new(written, &clock, &mut Registry::default()).unwrap()
}

pub(super) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(super) fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

pub(super) fn namespace(name: &str) -> Namespace {
    Namespace::new(name).unwrap()
}

pub(super) fn pod(namespace: &str, name: &str) -> EntityKey {
    let name = PodName::new(name).unwrap();
    EntityKey::Pod(PodKey::new(self::namespace(namespace), name))
}

pub(super) fn container(name: &str) -> ContainerName {
    ContainerName::new(name).unwrap()
}

/// A question about a second and a half.
pub(super) fn query(subjects: impl IntoIterator<Item = Subject>, series: &Series) -> Query {
    Query {
        subjects: subjects.into_iter().collect(),
        series: series.clone(),
        span: Span::new(at(60_000), at(121_500)),
    }
}
