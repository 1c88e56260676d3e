//! What Heapster answered over HTTP, answered from our own history: the model API, the historical
//! one, the export, the API of Dashboard's metrics scraper, and `metrics` in version v1alpha1.
//!
//! Paths, parameters, shapes and error texts are those of Heapster v1.5.4; where it was wrong this
//! is not, and `docs/heapster.md` lists each such place. Pure functions from a request's head to a
//! whole response: listeners, authentication and authorization lie in front.
//!
//! What a request may be: a path and query of 64 KiB, 64 slashes, 2500 pods in a list with 500 000
//! values, 64 labels, 128 bytes for a time or a duration. Beyond that it is answered with 4xx and a
//! plain text. Lists of pods are made few at a time, see `turns`; large answers that nobody reads to
//! their end are bounded together, see `large`.

mod accept;
mod answer;
mod dashboard;
mod export;
mod go_time;
mod health;
mod historical;
mod large;
mod location;
mod model;
mod names;
mod parameters;
mod resource_metrics;
mod route;
mod schema;
#[cfg(test)]
mod tests;
mod turns;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use tokio::sync::OwnedSemaphorePermit;

use crate::apimachinery::{Later, Query, Reply};
use crate::domain::{Clock, Inventory, NodeName, Timestamp};
use crate::history::{HistoricalSource, History, View};
use crate::rollup::Labelling;
use large::LargeAnswers;
use location::Location;
use route::{Api, Route};
use turns::Turns;

/// What flags decide about Heapster's APIs.
#[derive(Clone, Debug)]
pub struct Config {
    /// The time between two columns, which v1alpha1 tells as its window.
    pub resolution: Duration,
    /// How old the newest column that holds a node may be before `/healthz` fails; Heapster's three
    /// minutes. A longer resolution needs more.
    pub stale_after: Duration,
    /// Whether the export holds anything: not `--disable-export`.
    pub export: bool,
    /// How labels are written into the export.
    pub labelling: Labelling,
}

/// Which routes are served: where a request came in decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteTable {
    /// Model, historical, export and dashboard, below [`Heapster::PREFIXES`]; authentication and
    /// authorization (as `nonResourceURLs`) lie in front. Health and metrics of that port are our
    /// own.
    SecurePort,
    /// All of these, `/healthz` by Heapster's rule, and v1alpha1 of `metrics` and `metrics.k8s.io`.
    HeapsterPort,
}

/// Answers for Heapster.
#[derive(Debug)]
pub struct Heapster {
    config: Config,
    history: Option<Arc<History>>,
    historical: Option<Arc<dyn HistoricalSource>>,
    inventory: Arc<Inventory>,
    clock: Arc<dyn Clock>,
    large: LargeAnswers,
    turns: Turns,
}

/// The head of a request, and where it leads.
struct Request {
    method: Method,
    uri: Uri,
    location: Location,
    headers: HeaderMap,
}

/// What a handler is told of a request.
struct Asked<'r> {
    query: Query,
    headers: &'r HeaderMap,
    method: &'r Method,
    now: Timestamp,
    resolution: Duration,
}

impl Default for Config {
    /// A column a minute, three minutes until it is stale, and the export on.
    fn default() -> Self {
        Self {
            resolution: Duration::from_mins(1),
            stale_after: Duration::from_mins(3),
            export: true,
            labelling: Labelling::default(),
        }
    }
}

impl Heapster {
    /// The paths of [`RouteTable::SecurePort`], together with all below them.
    pub const PREFIXES: [&'static str; 5] = [
        "/api/v1/model",
        "/api/v1/historical",
        "/api/v1/metric-export",
        "/api/v1/metric-export-schema",
        "/api/v1/dashboard",
    ];

    /// Serves what `history` holds. Without one (`--disable-metric-sink`) there is no model, no
    /// export, no dashboard and no v1alpha1, and health has nothing to judge. Without a
    /// `historical` source (`--historical-source`) there is no historical API.
    #[must_use]
    pub fn new(
        config: Config,
        history: Option<Arc<History>>,
        historical: Option<Arc<dyn HistoricalSource>>,
        inventory: Arc<Inventory>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            config,
            history,
            historical,
            inventory,
            large: LargeAnswers::new(Arc::clone(&clock)),
            clock,
            turns: Turns::new(),
        }
    }

    /// Answers a request, compressed if the client takes it.
    ///
    /// Long lists take tens of milliseconds of computing: call this on a thread that may block
    /// (`spawn_blocking`). A historical source that has no answer at once is not waited for here,
    /// nor is the turn of a list of pods: then the answer comes [`Later`].
    #[must_use]
    pub fn reply(
        self: &Arc<Self>,
        table: RouteTable,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Reply {
        let request = Request::of(method, uri, headers);
        let Some(turns) = self.turns.of(&request.location) else {
            return self.make(table, request, None);
        };
        if let Ok(turn) = Arc::clone(&turns).try_acquire_owned() {
            return self.make(table, request, Some(turn));
        }
        let heapster = Arc::clone(self);
        Reply::Later(Later::new(async move {
            // Nobody closes the semaphore.
            let turn = turns.acquire_owned().await.ok();
            let make = move || heapster.make(table, request, turn);
            let made = tokio::task::spawn_blocking(make).await;
            made.unwrap_or_else(|_| nobody_waits().into())
        }))
    }

    /// Answers a request whose turn it is; the turn is over when the answer is finished.
    fn make(
        self: &Arc<Self>,
        table: RouteTable,
        request: Request,
        turn: Option<OwnedSemaphorePermit>,
    ) -> Reply {
        let request = Arc::new(request);
        let (heapster, asked) = (Arc::clone(self), Arc::clone(&request));
        let mut answer = Box::pin(async move { heapster.answer(table, &asked).await });
        if let Some(response) = at_once(answer.as_mut()) {
            return self.finish(&request.headers, response).into();
        }
        let heapster = Arc::clone(self);
        Reply::Later(Later::new(async move {
            let response = answer.await;
            let finish = move || {
                let _turn = turn;
                heapster.finish(&request.headers, response)
            };
            let finished = tokio::task::spawn_blocking(finish).await;
            finished.unwrap_or_else(|_| nobody_waits()).into()
        }))
    }

    /// Answers a request on this thread, which waits where [`reply`](Self::reply) does not; with the
    /// runtime it belongs to.
    #[must_use]
    pub fn respond(
        &self,
        table: RouteTable,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Response<Bytes> {
        let request = Request::of(method, uri, headers);
        let mut answer = std::pin::pin!(self.answer(table, &request));
        let response = at_once(answer.as_mut());
        let response = response.unwrap_or_else(|| match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime.block_on(answer),
            Err(_) => nobody_waits(),
        });
        self.finish(headers, response)
    }

    /// Compresses an answer if the client takes that, and sees whether there is room for it.
    fn finish(&self, headers: &HeaderMap, response: Response<Bytes>) -> Response<Bytes> {
        self.large.admit(accept::compress(headers, response))
    }

    async fn answer(&self, table: RouteTable, request: &Request) -> Response<Bytes> {
        let asked = Asked {
            query: Query::parse(request.uri.query()),
            headers: &request.headers,
            method: &request.method,
            now: self.clock.now(),
            resolution: self.config.resolution,
        };
        match &request.location {
            Location::Path(path) => match location::segments(path).as_slice() {
                ["api", "v1", "historical", rest @ ..] => self.historical(&asked, rest).await,
                segments => self.route(&asked, table, path, segments),
            },
            Location::Elsewhere(location) => answer::moved(asked.method, location),
            Location::Undecodable => answer::text(StatusCode::BAD_REQUEST, "400: Bad Request"),
            Location::TooLong => answer::text(StatusCode::URI_TOO_LONG, "414: URI Too Long"),
        }
    }

    fn route(
        &self,
        asked: &Asked<'_>,
        table: RouteTable,
        path: &str,
        segments: &[&str],
    ) -> Response<Bytes> {
        let here = table == RouteTable::HeapsterPort;
        let view = self.history.as_deref().map(History::view);
        match (segments, view) {
            (["api", "v1", "model", rest @ ..], Some(view)) => self.model(asked, &view, rest),
            (["api", "v1", "metric-export"], Some(view)) => asked.json(|| self.export(&view)),
            (["api", "v1", "metric-export-schema"], _) => asked.json(schema::answer),
            (["api", "v1", "dashboard", rest @ ..], Some(view)) => {
                dashboard::answer(&view, rest).unwrap_or_else(answer::no_route)
            }
            (["apis", "metrics" | "metrics.k8s.io", "v1alpha1", rest @ ..], Some(view)) if here => {
                self.resource_metrics(asked, &view, rest)
            }
            (["healthz"], view) if here && path == "/healthz" => {
                health::all(&self.health(asked, view.as_ref()), &asked.query)
            }
            (["healthz", "healthz"], view) if here && path == "/healthz/healthz" => {
                health::one(&self.health(asked, view.as_ref()))
            }
            _ => answer::no_api(),
        }
    }

    fn model(&self, asked: &Asked<'_>, view: &View<'_>, rest: &[&str]) -> Response<Bytes> {
        match Route::find(Api::Model, rest, &is_known(view)) {
            Some(route) => asked.json(|| model::answer(asked, view, route)),
            None => answer::no_route(),
        }
    }

    async fn historical(&self, asked: &Asked<'_>, rest: &[&str]) -> Response<Bytes> {
        let Some(source) = self.historical.as_deref() else {
            return answer::no_api();
        };
        let view = self.history.as_deref().map(History::view);
        let known = |node: &str, name: &str| {
            let view = view.as_ref();
            view.is_some_and(|view| is_known(view)(node, name))
        };
        let Some(route) = Route::find(Api::Historical, rest, &known) else {
            return answer::no_route();
        };
        if let Some(refused) = asked.refused() {
            return refused;
        }
        match (&route, view) {
            (Route::Containers(..), Some(view)) => model::answer(asked, &view, route),
            _ => historical::answer(asked, source, route).await,
        }
    }

    fn export(&self, view: &View<'_>) -> Response<Bytes> {
        if !self.config.export {
            return export::disabled();
        }
        let make = || export::answer(view, &self.config.labelling);
        match view.newest() {
            Some(tick) => self.large.export(tick, make),
            None => make(),
        }
    }

    fn resource_metrics(
        &self,
        asked: &Asked<'_>,
        view: &View<'_>,
        rest: &[&str],
    ) -> Response<Bytes> {
        resource_metrics::answer(asked, &self.inventory, view, rest)
            .unwrap_or_else(answer::no_route)
    }

    fn health(&self, asked: &Asked<'_>, view: Option<&View<'_>>) -> Result<(), health::Unhealthy> {
        let Some(view) = view else { return Ok(()) };
        // A column is made at every tick, whoever answered; without nodes there is nobody to wait for.
        let newest = match self.inventory.node_count() == 0 {
            true => view.newest(),
            false => view.newest_of_nodes(),
        };
        health::check(newest, asked.now, self.config.stale_after)
    }
}

impl Request {
    fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        Self {
            method: method.clone(),
            location: Location::of(uri),
            uri: uri.clone(),
            headers: headers.clone(),
        }
    }
}

impl Asked<'_> {
    /// Runs a handler of a route, unless it is refused.
    fn json(&self, handler: impl FnOnce() -> Response<Bytes>) -> Response<Bytes> {
        self.refused().unwrap_or_else(handler)
    }

    /// Routes are there for GET alone, and for who takes JSON.
    fn refused(&self) -> Option<Response<Bytes>> {
        if self.method != Method::GET {
            return Some(answer::no_method());
        }
        (!accept::takes_json(self.headers)).then(answer::no_json)
    }
}

fn is_known<'v>(view: &'v View<'_>) -> impl Fn(&str, &str) -> bool + 'v {
    |node, name| {
        let node = NodeName::new(node).ok();
        let names = node.map(|node| view.system_containers(&node));
        names.is_some_and(|names| names.iter().any(|known| known.as_ref() == name))
    }
}

/// The answer, if there is nobody to wait for.
fn at_once<F: Future>(answer: Pin<&mut F>) -> Option<F::Output> {
    match answer.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(response) => Some(response),
        Poll::Pending => None,
    }
}

/// The process is ending.
fn nobody_waits() -> Response<Bytes> {
    answer::text(StatusCode::INTERNAL_SERVER_ERROR, "no runtime to wait with")
}
