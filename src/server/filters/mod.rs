//! What every request passes, in the order of Kubernetes' handler chain.

mod admit;
mod authenticate;
mod authorize;
mod deadline;
mod describe;
mod hand_off;
mod identify;
mod limit;
mod recover;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use bytes::Bytes;
use http::Uri;

pub(super) use limit::Admitted;

use super::endpoints::Endpoints;
use super::{Config, Deps, Metrics, OpenConfig, OpenDeps, Route};
use crate::apimachinery::RequestInfo;
use crate::auth::{Authentication, Authorization, User};
use crate::domain::Clock;
use crate::lifecycle::Health;
use crate::peer::Giver;

/// What the filters share.
struct Context {
    endpoints: Endpoints,
    in_flight: limit::InFlight,
    request_timeout: Duration,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    giver: Option<Arc<Giver>>,
}

/// Who is asked about callers.
struct Access {
    authentication: Arc<Authentication>,
    authorization: Arc<Authorization>,
    routes: Vec<Route>,
}

/// All filters around the endpoints of the secure port.
pub(super) fn router(config: &Config, deps: Deps) -> Router {
    let limits = &config.limits;
    let hsts = config.strict_transport_security.clone();
    let access = Arc::new(Access {
        authentication: deps.authentication,
        authorization: deps.authorization,
        routes: deps.routes.clone(),
    });
    let context = Arc::new(Context {
        endpoints: Endpoints::new(deps.health, deps.registry, deps.routes, limits, deps.tasks),
        in_flight: limit::InFlight::new(limits, Arc::clone(&deps.metrics)),
        request_timeout: limits.request_timeout,
        clock: deps.clock,
        metrics: deps.metrics,
        giver: deps.giver,
    });
    let with = || Arc::clone(&context);
    let asking = || Arc::clone(&access);
    // The last layer is the outermost.
    Router::new()
        .fallback(answer)
        .with_state(with())
        .layer(from_fn_with_state(asking(), authorize::authorize))
        .layer(from_fn_with_state(with(), limit::limit))
        .layer(from_fn_with_state(asking(), authenticate::authenticate))
        .layer(from_fn_with_state(with(), hand_off::hand_off))
        .layer(from_fn_with_state(with(), deadline::deadline))
        .layer(from_fn(recover::recover))
        .layer(from_fn_with_state(with(), describe::describe))
        .layer(from_fn_with_state(hsts, identify::identify))
}

/// The filters around the endpoints of a port that asks Kubernetes nothing about its callers.
pub(super) fn open_router(config: &OpenConfig, deps: OpenDeps) -> Router {
    let limits = &config.limits;
    let tls = config.tls.as_ref();
    let admission = Arc::new(admit::Admission {
        users: tls.and_then(|tls| tls.clients.clone()),
        clock: Arc::clone(&deps.clock),
    });
    let health = Health::default();
    let endpoints = Endpoints::new(health, deps.registry, Vec::new(), limits, deps.tasks);
    let context = Arc::new(Context {
        endpoints: endpoints.with_one_for_all(deps.handler),
        in_flight: limit::InFlight::new(limits, Arc::clone(&deps.metrics)),
        request_timeout: limits.request_timeout,
        clock: deps.clock,
        metrics: deps.metrics,
        giver: None,
    });
    let with = || Arc::clone(&context);
    Router::new()
        .fallback(answer)
        .with_state(with())
        .layer(from_fn_with_state(with(), limit::limit))
        .layer(from_fn_with_state(admission, admit::admit))
        .layer(from_fn_with_state(with(), deadline::deadline))
        .layer(from_fn(recover::recover))
        .layer(from_fn_with_state(with(), describe::describe))
        .layer(from_fn_with_state(None, identify::identify))
}

async fn answer(State(context): State<Arc<Context>>, request: Request) -> Response {
    let info = info(&request);
    let (parts, _) = request.into_parts();
    context.endpoints.answer(info, parts).await
}

/// Whether a request is one that goes on: it is held to other limits of time and number.
fn goes_on(info: &RequestInfo) -> bool {
    info.verb == "watch" && info.is_resource_request()
}

/// The request info, which the outer filter put there.
fn info(request: &Request) -> Arc<RequestInfo> {
    let info = request.extensions().get::<Arc<RequestInfo>>();
    info.map_or_else(unreadable, Arc::clone)
}

/// The user, whom authentication put there; nobody before that.
fn user(request: &Request) -> Arc<User> {
    let user = request.extensions().get::<Arc<User>>();
    user.map_or_else(|| Arc::new(User::anonymous()), Arc::clone)
}

/// Stands for a request without an info: nothing is allowed by it and nothing is found by it.
fn unreadable() -> Arc<RequestInfo> {
    Arc::new(RequestInfo {
        path: String::new(),
        verb: String::new(),
        resource: None,
    })
}

/// A complete answer as the router's own type.
pub(super) fn finished(response: http::Response<Bytes>) -> Response {
    response.map(Body::from)
}

/// What the client sent after the method.
fn request_uri(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |path| path.as_str())
}
