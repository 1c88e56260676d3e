//! The server over real sockets, with real TLS, against fake reviewers.

mod certificates;
mod connections;
mod filters;
mod open;
mod streams;
mod tls;
mod websockets;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::{Condvar, Mutex};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::apimachinery::{Later, Reply as Answer};
use crate::auth::testing::{
    Authority, FakeAccess, FakeTokens, Identity, Subject, TestClock, config_map,
};
use crate::auth::{LiveTrust, TrustConfig, User};
use crate::lifecycle::{Check, Probe, Stop, StopSender};

const PODS: &str = "/apis/metrics.k8s.io/v1/pods";
const SERVER: &str = "metrics-server.kube-system.svc";

/// A running server with everything a test may want to turn.
struct Running {
    address: SocketAddr,
    roots: Arc<RootCertStore>,
    client_ca: Authority,
    proxy_ca: Authority,
    trust: Arc<LiveTrust>,
    access: Arc<FakeAccess>,
    gate: Arc<Gate>,
    feeds: streams::Feeds,
    stop: StopSender,
    tasks: Tasks,
}

/// Holds handlers back until it is opened, and tells how many are held.
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
    waiting: watch::Sender<usize>,
}

/// What came back.
struct Reply {
    code: u16,
    headers: HeaderMap,
    body: String,
}

/// Who connects, and how.
#[derive(Default)]
struct Dial<'a> {
    identity: Option<&'a Identity>,
    http1: bool,
    only: Option<&'static rustls::SupportedProtocolVersion>,
}

/// A connection of either protocol.
enum Conversation {
    Http1(http1::SendRequest<Empty<Bytes>>),
    Http2(http2::SendRequest<Empty<Bytes>>),
}

impl Gate {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            open: Mutex::new(false),
            opened: Condvar::new(),
            waiting: watch::channel(0).0,
        })
    }

    fn wait(&self) {
        self.waiting.send_modify(|n| *n += 1);
        let mut open = self.open.lock();
        while !*open {
            self.opened.wait(&mut open);
        }
    }

    fn open(&self) {
        *self.open.lock() = true;
        self.opened.notify_all();
    }

    /// Returns once `count` handlers have come to the gate.
    async fn reached(&self, count: usize) {
        let mut waiting = self.waiting.subscribe();
        waiting.wait_for(|n| *n >= count).await.unwrap();
    }
}

impl Running {
    async fn start() -> Self {
        Self::with(FakeAccess::allowing(), |_| {}).await
    }

    async fn with(access: Arc<FakeAccess>, change: impl FnOnce(&mut Config)) -> Self {
        let certificate = ServingCertificate::SelfSigned {
            services: vec!["metrics-server".into()],
            namespace: "kube-system".into(),
        };
        let mut config = Config::new(([127, 0, 0, 1], 0).into(), certificate);
        change(&mut config);
        let (client_ca, proxy_ca) = (Authority::new("client-ca"), Authority::new("proxy-ca"));
        let trust = LiveTrust::new(TrustConfig::default()).unwrap();
        trust.apply_config_map(&config_map(&client_ca, &proxy_ca, "[]"));
        let (stop, stopped) = Stop::channel();
        let (tasks, gate) = (Tasks::new(stop.clone()), Gate::new());
        let feeds = streams::Feeds::default();
        let deps = deps(&trust, &access, &tasks, &gate, &feeds);
        let bound = Server::bind(config, deps).await.unwrap();
        let mut roots = RootCertStore::empty();
        if let Some(pem) = bound.authority_pem() {
            let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
            roots.add(der).unwrap();
        }
        let address = bound.local_addr();
        drop(tasks.spawn_passing("server", bound.run(stopped)));
        Self {
            address,
            roots: Arc::new(roots),
            client_ca,
            proxy_ca,
            trust,
            access,
            gate,
            feeds,
            stop,
            tasks,
        }
    }

    fn identity(&self, name: &str) -> Identity {
        self.client_ca.issue(Subject::new(name))
    }

    async fn connect(&self, dial: &Dial<'_>) -> std::io::Result<TlsStream<TcpStream>> {
        let mut config = client_config(Arc::clone(&self.roots), dial);
        let protocols: &[&[u8]] = if dial.http1 { &[] } else { &[b"h2"] };
        config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
        self.connect_with(config).await
    }

    async fn connect_with(&self, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from(SERVER).unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }

    async fn talk(&self, dial: Dial<'_>) -> Conversation {
        let io = TokioIo::new(self.connect(&dial).await.unwrap());
        if dial.http1 {
            let (sender, connection) = http1::handshake(io).await.unwrap();
            drop(
                self.tasks
                    .spawn_passing("client", async { drop(connection.await) }),
            );
            return Conversation::Http1(sender);
        }
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        drop(
            self.tasks
                .spawn_passing("client", async { drop(connection.await) }),
        );
        Conversation::Http2(sender)
    }

    /// One request by bob over a connection of its own.
    async fn get(&self, path: &str) -> Reply {
        let bob = self.identity("bob");
        self.as_user(&bob).await.get(path).await
    }

    async fn as_user(&self, identity: &Identity) -> Conversation {
        let identity = Some(identity);
        self.talk(Dial {
            identity,
            ..Dial::default()
        })
        .await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A handler that is still held would keep the runtime from ending.
        self.gate.open();
        self.stop.stop();
    }
}

impl Conversation {
    async fn get(&mut self, path: &str) -> Reply {
        self.ask(Method::GET, path, &[]).await
    }

    async fn ask(&mut self, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.send(method, path, headers).await.unwrap()
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> hyper::Result<Reply> {
        let (parts, body) = self.open(method, path, headers).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Reply {
            code: parts.status.as_u16(),
            headers: parts.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }

    /// Asks, and leaves the body to be read.
    async fn open(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> hyper::Result<Response<Incoming>> {
        let mut request = Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        match self {
            Self::Http1(sender) => {
                sender.ready().await?;
                let request = request.uri(path).header("host", SERVER);
                sender
                    .send_request(request.body(Empty::new()).unwrap())
                    .await
            }
            Self::Http2(sender) => {
                sender.ready().await?;
                let request = request.uri(format!("https://{SERVER}{path}"));
                sender
                    .send_request(request.body(Empty::new()).unwrap())
                    .await
            }
        }
    }
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

fn client_config(roots: Arc<RootCertStore>, dial: &Dial<'_>) -> ClientConfig {
    let both = [&rustls::version::TLS12, &rustls::version::TLS13];
    let one = dial.only.map(|version| [version]);
    let versions = one.as_ref().map_or(&both[..], |one| &one[..]);
    let builder = ClientConfig::builder_with_provider(super::tls::provider(&TlsPolicy::default()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    match dial.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder
            .with_client_auth_cert(identity.chain.clone(), identity.key_der())
            .unwrap(),
    }
}

fn deps(
    trust: &Arc<LiveTrust>,
    access: &Arc<FakeAccess>,
    tasks: &Tasks,
    gate: &Arc<Gate>,
    feeds: &streams::Feeds,
) -> Deps {
    let clock: Arc<dyn Clock> = TestClock::new();
    let config = crate::auth::Config::default();
    let tokens = FakeTokens::knowing(&[("T", "tina")]);
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let auth_metrics = crate::auth::Metrics::register(&mut registry);
    let health = Health::default();
    let everywhere = &[Probe::Livez, Probe::Readyz, Probe::Healthz];
    health.add(Check::new("ping", everywhere, || Ok(())));
    let (gate, feeds) = (Arc::clone(gate), Arc::clone(feeds));
    Deps {
        authentication: Arc::new(Authentication::new(
            &config,
            Arc::clone(trust),
            tokens,
            Arc::clone(&clock),
            tasks.clone(),
            Arc::clone(&auth_metrics),
        )),
        authorization: Arc::new(Authorization::new(
            &config,
            Arc::clone(access) as _,
            Arc::clone(&clock),
            tasks.clone(),
            auth_metrics,
        )),
        routes: vec![
            Route {
                prefix: "/apis".into(),
                index: vec!["/apis".into()],
                also: None,
                handler: Arc::new(move |info, parts| handle(info, parts, &gate, &feeds)),
            },
            Route {
                prefix: "/api/v1/model".into(),
                index: Vec::new(),
                also: Some(Arc::new(
                    RequestInfo::new(&Method::GET, PODS, None).unwrap(),
                )),
                handler: Arc::new(|info, _| {
                    Some(Response::new(Bytes::from(info.path.clone())).into())
                }),
            },
        ],
        giver: None,
        health,
        registry: Arc::new(registry),
        metrics,
        clock,
        tasks: tasks.clone(),
    }
}

/// A stand-in for the APIs that does what the path says, or tells what it was given.
fn handle(
    info: &RequestInfo,
    parts: &Parts,
    gate: &Gate,
    feeds: &streams::Feeds,
) -> Option<Answer> {
    let stream = |lasts| Some(Answer::Stream(streams::stream(feeds, lasts)));
    let complete = |lasts| Some(Answer::Stream(streams::complete(feeds, lasts)));
    match info.path.as_str() {
        "/apis/held" => gate.wait(),
        "/apis/panic" => panic!("as the test wants"),
        "/apis/unknown" => return None,
        "/apis/g/v1/things" => return stream(Duration::from_secs(3600)),
        "/apis/g/v1/short" => return stream(Duration::from_millis(50)),
        "/apis/g/v1/lists" => return complete(Duration::from_secs(3600)),
        "/apis/g/v1/hasty" => return complete(Duration::from_millis(50)),
        "/apis/g/v1/later" => {
            let stream = streams::complete(feeds, Duration::from_secs(3600));
            let reply = async { Answer::Stream(stream) };
            return Some(Answer::Later(Later::new(reply)));
        }
        _ => {}
    }
    let user = parts.extensions.get::<Arc<User>>().unwrap();
    let headers: BTreeMap<&str, &str> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    let told = serde_json::json!({
        "path": info.path, "user": user.name, "groups": user.groups, "headers": headers,
    });
    Some(Response::new(Bytes::from(told.to_string())).into())
}
