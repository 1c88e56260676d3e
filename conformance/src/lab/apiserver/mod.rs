//! A kube-apiserver in small: what Loadline, kubectl and the aggregation layer need of one.

mod aggregator;
mod discovery;
mod journal;
mod list;
mod render;
mod review;
mod route;
mod selector;
mod status;
mod watching;
mod written;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use rustls::ServerConfig;
use tokio::sync::watch;

pub use aggregator::Backend;
pub use journal::{Fault, Journal, RecordedRequest};
pub use written::Written;

use super::serve::{Body, Handle, Listener, Peer, answer};
use super::{Access, Identity, World};
pub(crate) use render::{render_node, render_pod};

use aggregator::Aggregator;
use route::{Query, Route};

/// A running API server that can go away and come back on its port.
#[derive(Debug)]
pub struct ApiServer {
    shared: Arc<Shared>,
    tls: Arc<ServerConfig>,
    address: SocketAddr,
    listener: Option<Listener>,
}

#[derive(Debug)]
struct Shared {
    world: Arc<World>,
    access: Arc<Access>,
    journal: Arc<Journal>,
    aggregator: Aggregator,
    written: Written,
    watches: watch::Sender<u64>,
}

impl ApiServer {
    /// Starts on a free port of the loopback address.
    pub(super) async fn start(
        world: Arc<World>,
        access: Arc<Access>,
        tls: Arc<ServerConfig>,
    ) -> Result<Self> {
        let shared = Arc::new(Shared {
            world,
            access,
            journal: Arc::default(),
            aggregator: Aggregator::default(),
            written: Written::default(),
            watches: watch::Sender::new(0),
        });
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = Listener::bind(address, Arc::clone(&tls), Arc::clone(&shared)).await?;
        Ok(Self {
            address: listener.address(),
            shared,
            tls,
            listener: Some(listener),
        })
    }

    /// Where it listens, also while it is away.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was asked, and the faults it has.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    /// The Secrets, APIServices and Events, which clients write.
    #[must_use]
    pub fn written(&self) -> &Written {
        &self.shared.written
    }

    /// Goes away: every connection ends and the port is closed.
    pub async fn stop(&mut self) {
        if let Some(listener) = self.listener.take() {
            listener.stop().await;
        }
    }

    /// Comes back on the same port; does nothing when it never went.
    pub async fn start_again(&mut self) -> Result<()> {
        if self.listener.is_none() {
            let (tls, shared) = (Arc::clone(&self.tls), Arc::clone(&self.shared));
            self.listener = Some(Listener::bind(self.address, tls, shared).await?);
        }
        Ok(())
    }

    /// Ends every watch, as an API server does now and then.
    pub fn drop_watches(&self) {
        self.shared.watches.send_modify(|epoch| *epoch += 1);
    }

    /// Registers the server behind `metrics.k8s.io` (the APIService objects), or another one in its place.
    pub fn register(&self, backend: Backend) -> Result<()> {
        self.shared.aggregator.register(backend)
    }
}

impl Handle for Shared {
    async fn handle(&self, peer: &Peer, request: Request<Incoming>) -> Response<Body> {
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let query = request.uri().query().unwrap_or_default().to_owned();
        let identity = self.authenticate(peer, &request);
        let user = identity
            .as_ref()
            .map_or_else(|| "(invalid)".to_owned(), |i| i.username.clone());
        let noted = self.journal.begin(&method, &path, &query, user);
        let response = Box::pin(self.respond(peer, identity, request)).await;
        self.journal.end(noted, response.status());
        response
    }
}

impl Shared {
    fn authenticate<B>(&self, peer: &Peer, request: &Request<B>) -> Option<Identity> {
        if let Some(certificate) = &peer.certificate {
            return Identity::from_certificate(certificate);
        }
        match bearer_token(request) {
            Some(token) => self.access.authenticate(token),
            None => Some(Identity::anonymous()),
        }
    }

    async fn respond(
        &self,
        peer: &Peer,
        identity: Option<Identity>,
        request: Request<Incoming>,
    ) -> Response<Body> {
        if let Some(faulty) = self.journal.apply_fault(request.uri().path()).await {
            return faulty;
        }
        let Some(identity) = identity else {
            return status::unauthorized();
        };
        let method = request.method().clone();
        let uri = request.uri().clone();
        let query = Query::parse(&uri);
        let route = Route::parse(uri.path());
        let question = route.question(&method, &query);
        if !self.access.allows(&identity, &question) {
            return status::forbidden(&identity, &question);
        }
        if self.aggregator.serves(&route) {
            let forwarded = self.aggregator.forward(peer, &identity, request).await;
            return forwarded.unwrap_or_else(|error| status::unavailable(&format!("{error:#}")));
        }
        if let Route::Resource(resource) = &route
            && Written::keeps(resource)
        {
            let Ok(body) = request.into_body().collect().await else {
                return status::bad_request("the body broke off");
            };
            return self.written.answer(&method, resource, &body.to_bytes());
        }
        match (&route, &method) {
            (Route::Path(path), _) => self.path(path, &request).await,
            (Route::Resource(resource), &Method::POST) => {
                let kind = resource.resource.to_owned();
                let Ok(body) = request.into_body().collect().await else {
                    return status::bad_request("the body broke off");
                };
                self.review(&identity, &kind, &body.to_bytes())
                    .unwrap_or_else(status::not_found)
            }
            (Route::Resource(resource), &Method::GET) => {
                let form = render::Form::from_accept(request.headers().get(header::ACCEPT));
                self.read(resource, &query, form)
            }
            (Route::Resource(_), _) => status::method_not_allowed(),
        }
    }

    fn read(
        &self,
        resource: &route::Resource<'_>,
        query: &Query,
        form: render::Form,
    ) -> Response<Body> {
        if resource.name.is_some() {
            return list::get(&self.world, resource, form);
        }
        let selection = match list::Selection::parse(resource, query) {
            Ok(Some(selection)) => selection,
            Ok(None) => return status::not_found(),
            Err(message) => return status::bad_request(&message),
        };
        if query.is_true("watch") {
            let dropped = self.watches.subscribe();
            return watching::watch(&self.world, selection, query, form, dropped);
        }
        list::list(&self.world, &selection, query, form)
    }

    async fn path(&self, path: &str, request: &Request<Incoming>) -> Response<Body> {
        match path {
            "/healthz" | "/livez" | "/readyz" => answer(StatusCode::OK, "text/plain", "ok"),
            "/version" => discovery::version(),
            _ => {
                let accept = request.headers().get(header::ACCEPT);
                let accept = accept.and_then(|a| a.to_str().ok()).unwrap_or_default();
                discovery::document(path, accept, &self.aggregator).await
            }
        }
    }
}

/// The bearer token of a request.
pub(in crate::lab) fn bearer_token<B>(request: &Request<B>) -> Option<&str> {
    let value = request
        .headers()
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?;
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim())
        .filter(|token| !token.is_empty())
}
