//! Who answers for which path.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use tokio::sync::Semaphore;

use super::connection::Connection;
use super::filters::{Admitted, finished};
use super::slis::{self, Slis};
use super::stream::Streams;
use super::websocket::Handshake;
use super::{Handler, Limits, Route, health, version};
use crate::apimachinery::{Reply, RequestInfo, ResourceInfo, Status, plain};
use crate::lifecycle::{Health, Probe, Tasks};
use crate::telemetry::Registry;

/// Everything behind the filters.
pub(super) struct Endpoints {
    health: Health,
    registry: Arc<Registry>,
    routes: Vec<Route>,
    /// Answers for every path but `/metrics`; the index has no path then.
    all: Option<Handler>,
    handlers: Arc<Semaphore>,
    streams: Streams,
    slis: Slis,
}

/// OpenMetrics, which is what the registry writes.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const JSON: &str = "application/json";

impl Endpoints {
    pub(super) fn new(
        health: Health,
        registry: Arc<Registry>,
        routes: Vec<Route>,
        limits: &Limits,
        tasks: Tasks,
    ) -> Self {
        let handlers = Arc::new(Semaphore::new(limits.handlers.max(1)));
        Self {
            health,
            registry,
            routes,
            all: None,
            streams: Streams::new(tasks, Arc::clone(&handlers), limits.stalled),
            handlers,
            slis: Slis::default(),
        }
    }

    /// Lets one handler answer for everything but `/metrics`.
    pub(super) fn with_one_for_all(self, handler: Handler) -> Self {
        Self {
            all: Some(handler),
            ..self
        }
    }

    /// Answers a request by its decoded path, the same that was authorized. Paths match to the
    /// letter.
    pub(super) async fn answer(&self, info: Arc<RequestInfo>, mut parts: Parts) -> Response<Body> {
        let connection = parts.extensions.get::<Arc<Connection>>().cloned();
        let admitted = parts.extensions.remove::<Arc<Admitted>>();
        let handshake = Handshake::take(&mut parts);
        match (self.reply(info, parts).await, connection, handshake) {
            // A watch alone is something to go on with over a WebSocket.
            (Reply::Stream(stream), Some(connection), Some(handshake)) if stream.open_ended => {
                let streams = &self.streams;
                streams.answer_by_websocket(stream, connection, admitted, handshake)
            }
            (reply, connection, _) => self.carry(reply, connection, admitted).await,
        }
    }

    /// Has one handler answer; what it has no answer to is not found.
    pub(super) async fn answer_by(
        &self,
        handler: Handler,
        info: Arc<RequestInfo>,
        parts: Parts,
    ) -> Response<Body> {
        let connection = parts.extensions.get::<Arc<Connection>>().cloned();
        let reply = self.handle(handler, info, parts).await;
        let nothing = || plain::plain_text(StatusCode::NOT_FOUND, "404 page not found").into();
        let reply = reply.unwrap_or_else(nothing);
        self.carry(reply, connection, None).await
    }

    async fn carry(
        &self,
        reply: Reply,
        connection: Option<Arc<Connection>>,
        admitted: Option<Arc<Admitted>>,
    ) -> Response<Body> {
        let mut reply = reply;
        // Whoever computed before has given its place back.
        while let Reply::Later(later) = reply {
            reply = later.answer().await;
        }
        match (reply, connection) {
            (Reply::Whole(response), _) => finished(response),
            (Reply::Stream(stream), Some(connection)) => {
                self.streams.answer(stream, connection, admitted)
            }
            // Every request came by a connection.
            (Reply::Stream(_) | Reply::Later(_), _) => finished(plain::panicked()),
        }
    }

    async fn reply(&self, info: Arc<RequestInfo>, parts: Parts) -> Reply {
        let path = info.path.as_str();
        if let Some(handler) = &self.all
            && path != "/metrics"
        {
            let answer = self.handle(Arc::clone(handler), info, parts).await;
            return answer.unwrap_or_else(|| self.index(StatusCode::NOT_FOUND).into());
        }
        if let Some((probe, name, check)) = health::probe(path) {
            return self.probe(probe, name, check, parts.uri.query()).into();
        }
        match path {
            "/metrics" => return self.metrics().into(),
            "/metrics/slis" => return typed(StatusCode::OK, slis::TEXT, self.slis.text()).into(),
            "/version" | "/version/" => return version::answer(&parts).into(),
            _ if path.starts_with("/version/") => {
                return Status::no_such_resource().respond(&parts).into();
            }
            "/" | "/index.html" => return self.index(StatusCode::OK).into(),
            _ => {}
        }
        let answer = match self.routes.iter().find(|route| route.covers(path)) {
            Some(route) => self.handle(Arc::clone(&route.handler), info, parts).await,
            None => None,
        };
        answer.unwrap_or_else(|| self.index(StatusCode::NOT_FOUND).into())
    }

    /// Runs a handler where its computing stops nobody else, unless it is so short that another
    /// thread would take longer to wake up. It runs to its end also when nobody
    /// waits any more, so the number of those that run is bounded by the handler's own permit.
    async fn handle(
        &self,
        handler: Handler,
        info: Arc<RequestInfo>,
        parts: Parts,
    ) -> Option<Reply> {
        // Nobody closes the semaphore.
        let permit = Arc::clone(&self.handlers).acquire_owned().await.ok()?;
        if asks_for_one(&info) {
            return handler(&info, &parts);
        }
        let handled = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            handler(&info, &parts)
        });
        match handled.await {
            Ok(response) => response,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime is going down.
            Err(_) => Some(plain::panicked().into()),
        }
    }

    fn probe(
        &self,
        probe: Probe,
        name: &'static str,
        check: &str,
        query: Option<&str>,
    ) -> Response<Bytes> {
        let report = self.health.report(probe);
        if check.is_empty() {
            self.slis.observe(name, &report);
            return health::all(name, &report, query);
        }
        match report.iter().find(|r| r.name == check) {
            Some(report) => health::one(report),
            None => self.index(StatusCode::NOT_FOUND),
        }
    }

    fn metrics(&self) -> Response<Bytes> {
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            Ok(()) => typed(StatusCode::OK, OPEN_METRICS, text),
            Err(error) => plain::internal_server_error("/metrics", error),
        }
    }

    /// The list of all paths, which is also what an unknown one is answered with.
    fn index(&self, code: StatusCode) -> Response<Bytes> {
        #[derive(serde::Serialize)]
        struct RootPaths {
            paths: Vec<String>,
        }
        let mut paths: Vec<String> = ["/metrics", "/metrics/slis", "/version"]
            .map(String::from)
            .into();
        paths.extend(self.routes.iter().flat_map(|r| r.index.clone()));
        for (probe, name) in [
            (Probe::Healthz, "/healthz"),
            (Probe::Livez, "/livez"),
            (Probe::Readyz, "/readyz"),
        ] {
            paths.push(name.to_owned());
            let report = self.health.report(probe);
            paths.extend(report.iter().map(|check| format!("{name}/{}", check.name)));
        }
        paths.sort();
        paths.dedup();
        let json = serde_json::to_string_pretty(&RootPaths { paths }).unwrap_or_default();
        typed(code, JSON, json)
    }
}

/// Tells whether a request is for one object by its name. The most that is computed for it is a
/// view of its namespace, or of all nodes, ten times a second: a millisecond for thousands.
fn asks_for_one(info: &RequestInfo) -> bool {
    let one = |resource: &ResourceInfo| !resource.name.is_empty();
    info.verb == "get" && info.resource.as_ref().is_some_and(one)
}

fn typed(code: StatusCode, content_type: &'static str, body: String) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = code;
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
