//! Kubelets: a TLS listener per node that measures the world's pods.

mod behaviour;
mod exposition;
pub mod summary;
mod summary_form;

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use parking_lot::{Mutex, RwLock};
use rustls::ServerConfig;

pub use behaviour::{Answer, Behaviour, Scrape, Stamps};

use super::apiserver::bearer_token;
use super::serve::{Admission, Body, BodyError, Handle, Listener, Peer, answer};
use super::{Access, Identity, Question, Stamp, World};

/// Scrapes kept per kubelet; older ones go.
const KEPT_SCRAPES: usize = 500;
/// The first kubelet's address; the others follow it.
const FIRST_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 16, 0, 1);
/// Where summaries are.
const SUMMARY: &str = "/stats/summary";
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/// All kubelets of a cluster.
#[derive(Debug)]
pub struct Kubelets {
    world: Arc<World>,
    access: Arc<Access>,
    kubelets: RwLock<BTreeMap<String, Arc<Kubelet>>>,
    listeners: Mutex<BTreeMap<String, Listener>>,
}

#[derive(Debug)]
struct Kubelet {
    node: String,
    world: Arc<World>,
    access: Arc<Access>,
    address: SocketAddr,
    tls: Arc<ServerConfig>,
    behaviour: RwLock<Arc<Behaviour>>,
    scrapes: Mutex<VecDeque<Scrape>>,
}

impl Kubelets {
    pub(super) fn new(world: Arc<World>, access: Arc<Access>) -> Self {
        Self {
            world,
            access,
            kubelets: RwLock::default(),
            listeners: Mutex::default(),
        }
    }

    /// The address the next kubelet is to have.
    pub(super) fn next_address(&self) -> IpAddr {
        let count = u32::try_from(self.kubelets.read().len()).unwrap_or(0);
        IpAddr::V4(Ipv4Addr::from(u32::from(FIRST_ADDRESS) + count))
    }

    /// Starts a node's kubelet on its own loopback address; answers where.
    pub(super) async fn start(
        &self,
        node: &str,
        address: IpAddr,
        tls: Arc<ServerConfig>,
    ) -> Result<SocketAddr> {
        let mut kubelet = Kubelet {
            node: node.to_owned(),
            world: Arc::clone(&self.world),
            access: Arc::clone(&self.access),
            address: SocketAddr::new(address, 0),
            tls: Arc::clone(&tls),
            behaviour: RwLock::default(),
            scrapes: Mutex::default(),
        };
        // The port must be known before the kubelet is shared, so it is taken first.
        let socket = std::net::TcpListener::bind(kubelet.address)?;
        kubelet.address = socket.local_addr()?;
        drop(socket);
        let kubelet = Arc::new(kubelet);
        let listener = Listener::bind(kubelet.address, tls, Arc::clone(&kubelet)).await?;
        let address = listener.address();
        self.kubelets.write().insert(node.to_owned(), kubelet);
        self.listeners.lock().insert(node.to_owned(), listener);
        Ok(address)
    }

    /// Closes a node's port: connections are refused.
    pub async fn refuse(&self, node: &str) {
        let listener = self.listeners.lock().remove(node);
        if let Some(listener) = listener {
            listener.stop().await;
        }
    }

    /// Opens a node's port again.
    pub async fn accept(&self, node: &str) -> Result<()> {
        let kubelet = self.kubelet(node)?;
        let tls = Arc::clone(&kubelet.tls);
        let listener = Listener::bind(kubelet.address, tls, Arc::clone(&kubelet)).await?;
        self.listeners.lock().insert(node.to_owned(), listener);
        Ok(())
    }

    /// Changes how a node's kubelet behaves from the next request on.
    pub fn behave(&self, node: &str, change: impl FnOnce(&mut Behaviour)) -> Result<()> {
        let kubelet = self.kubelet(node)?;
        let mut behaviour = kubelet.behaviour.write();
        change(Arc::make_mut(&mut behaviour));
        Ok(())
    }

    /// The requests a node's kubelet got, but those for summaries, oldest first.
    #[must_use]
    pub fn scrapes(&self, node: &str) -> Vec<Scrape> {
        let mut requests = self.requests(node);
        requests.retain(|request| request.path != SUMMARY);
        requests
    }

    /// The requests for summaries a node's kubelet got, oldest first.
    #[must_use]
    pub fn summaries(&self, node: &str) -> Vec<Scrape> {
        let mut requests = self.requests(node);
        requests.retain(|request| request.path == SUMMARY);
        requests
    }

    /// All requests a node's kubelet got, oldest first.
    #[must_use]
    pub fn requests(&self, node: &str) -> Vec<Scrape> {
        let kubelet = self.kubelets.read().get(node).cloned();
        kubelet.map_or_else(Vec::new, |k| k.scrapes.lock().iter().cloned().collect())
    }

    fn kubelet(&self, node: &str) -> Result<Arc<Kubelet>> {
        let kubelet = self.kubelets.read().get(node).cloned();
        kubelet.with_context(|| format!("there is no kubelet {node}"))
    }
}

impl Handle for Kubelet {
    fn admit(&self) -> Admission {
        self.behaviour.read().admission()
    }

    async fn handle(&self, peer: &Peer, request: Request<Incoming>) -> Response<Body> {
        let behaviour = Arc::clone(&self.behaviour.read());
        let identity = self.authenticate(peer, &request);
        let path = request.uri().path();
        let response = match &identity {
            None => answer(StatusCode::UNAUTHORIZED, "text/plain", "Unauthorized"),
            Some(identity) => match self.forbids(identity, path) {
                Some(message) => answer(StatusCode::FORBIDDEN, "text/plain", message),
                None if path == SUMMARY => {
                    let body = || summary::render(&self.world, &self.node, &behaviour);
                    measure(&behaviour.summary, "application/json", body).await
                }
                None if path == behaviour.path => {
                    let body = || exposition::render(&self.world, &self.node, &behaviour);
                    measure(&behaviour.answer, EXPOSITION, body).await
                }
                None => answer(StatusCode::NOT_FOUND, "text/plain", "404 page not found\n"),
            },
        };
        self.note(Scrape {
            at: Stamp::now(),
            path: path.to_owned(),
            user: identity.map_or_else(String::new, |i| i.username),
            peer: peer.address,
            status: response.status(),
        });
        response
    }
}

impl Kubelet {
    fn authenticate(&self, peer: &Peer, request: &Request<Incoming>) -> Option<Identity> {
        let token = bearer_token(request).and_then(|token| self.access.authenticate(token));
        token.or_else(|| Identity::from_certificate(peer.certificate.as_deref()?))
    }

    fn forbids(&self, identity: &Identity, path: &str) -> Option<String> {
        let subresource = match path {
            path if path.starts_with("/metrics") => "metrics",
            path if path.starts_with("/stats") => "stats",
            _ => "proxy",
        };
        let question = Question {
            verb: "get",
            resource: &format!("nodes/{subresource}"),
            name: &self.node,
            ..Question::default()
        };
        let user = &identity.username;
        (!self.access.allows(identity, &question)).then(|| {
            format!(
                "Forbidden (user={user}, verb=get, resource=nodes, subresource(s)=[{subresource}])"
            )
        })
    }

    fn note(&self, scrape: Scrape) {
        let mut scrapes = self.scrapes.lock();
        if scrapes.len() == KEPT_SCRAPES {
            scrapes.pop_front();
        }
        scrapes.push_back(scrape);
    }
}

/// Answers a question with this body in the manner told.
async fn measure(manner: &Answer, kind: &'static str, body: impl Fn() -> String) -> Response<Body> {
    match manner {
        Answer::Normal => answer(StatusCode::OK, kind, body()),
        Answer::Hang => std::future::pending().await,
        Answer::Slow(delay) => {
            tokio::time::sleep(*delay).await;
            answer(StatusCode::OK, kind, body())
        }
        Answer::Status(code) => {
            let code = StatusCode::from_u16(*code);
            let code = code.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            answer(code, "text/plain", code.as_str().to_owned())
        }
        Answer::Redirect(location) => {
            let mut response = answer(StatusCode::FOUND, "text/plain", "");
            if let Ok(location) = HeaderValue::from_str(location) {
                response.headers_mut().insert(header::LOCATION, location);
            }
            response
        }
        Answer::Text(text) => answer(StatusCode::OK, kind, text.clone()),
        Answer::Oversize(bytes) => oversize(body(), *bytes),
        Answer::Drip(pause) => drip(body(), *pause),
        Answer::BreakOff => break_off(body()),
    }
}

/// The body followed by series nobody knows, without end in sight.
fn oversize(body: String, bytes: usize) -> Response<Body> {
    let filler = Bytes::from("filler_total{of=\"the lab\"} 1\n".repeat(2000));
    let chunks = std::iter::once(Bytes::from(body)).chain(std::iter::repeat_n(
        filler.clone(),
        bytes / filler.len() + 1,
    ));
    let frames = stream::iter(chunks.map(|c| Ok::<_, Infallible>(Frame::data(c))));
    exposition_of(StreamBody::new(frames).map_err(Into::into).boxed_unsync())
}

/// The body in pieces of 64 bytes with a pause before each.
fn drip(body: String, pause: Duration) -> Response<Body> {
    let frames = stream::unfold(Bytes::from(body), move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let piece = rest.split_to(rest.len().min(64));
        Some((Ok::<_, BodyError>(Frame::data(piece)), rest))
    });
    exposition_of(StreamBody::new(frames).boxed_unsync())
}

/// Half the body, then the connection fails.
fn break_off(body: String) -> Response<Body> {
    let mut half = Bytes::from(body);
    half.truncate(half.len() / 2);
    let frames = [Ok(Frame::data(half)), Err(BodyError::from("broken off"))];
    exposition_of(StreamBody::new(stream::iter(frames)).boxed_unsync())
}

fn exposition_of(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static(EXPOSITION);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
