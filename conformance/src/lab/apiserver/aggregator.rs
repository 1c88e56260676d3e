//! The aggregation layer: `metrics.k8s.io` is answered by the server registered for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use parking_lot::RwLock;
use serde_json::{Value, json};

use super::route::Route;
use crate::client::{Client, Protocol, Target, Trust};
use crate::lab::serve::{Body, Peer};
use crate::lab::{Identity, Leaf};

/// The group that is served by somebody else.
pub(super) const GROUP: &str = "metrics.k8s.io";
/// Loadline's own group, registered beside it. It is not in discovery here.
const OWN: (&str, &str) = ("loadline.io", "v1alpha1");
const DISCOVERY_DEADLINE: Duration = Duration::from_secs(5);
const DISCOVERY: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The server behind `metrics.k8s.io`: what the APIService objects and the Service say.
#[derive(Clone, Debug)]
pub struct Backend {
    /// Where it listens.
    pub address: SocketAddr,
    /// `SERVICE.NAMESPACE.svc`, asked for and verified.
    pub server_name: String,
    /// `caBundle`, or not at all.
    pub trust: Trust,
    /// The front proxy's client certificate.
    pub client_certificate: Arc<Leaf>,
    /// The versions registered, the preferred one first.
    pub versions: Vec<String>,
}

/// The registered server, if there is one.
#[derive(Debug, Default)]
pub(super) struct Aggregator {
    backend: RwLock<Option<(Backend, Client)>>,
}

impl Aggregator {
    pub(super) fn register(&self, backend: Backend) -> Result<()> {
        let client = Client::new(&Target {
            address: backend.address,
            name: &backend.server_name,
            trust: backend.trust.clone(),
            certificate: Some(&backend.client_certificate),
            protocol: Protocol::Http2,
        })?;
        *self.backend.write() = Some((backend, client));
        Ok(())
    }

    /// The versions registered, whether or not anybody answers for them.
    pub(super) fn versions(&self) -> Vec<String> {
        let backend = self.backend.read();
        backend
            .as_ref()
            .map_or_else(Vec::new, |(backend, _)| backend.versions.clone())
    }

    /// Whether a request goes to the registered server: everything from `/apis/G/V` down.
    pub(super) fn serves(&self, route: &Route<'_>) -> bool {
        let version = match route {
            Route::Resource(resource) if resource.group == GROUP => resource.version,
            Route::Resource(resource) => {
                return (resource.group, resource.version) == OWN && self.backend.read().is_some();
            }
            Route::Path(path) => {
                if path.starts_with("/openapi/v3/apis/metrics.k8s.io/") {
                    return true;
                }
                let Some(rest) = path.strip_prefix("/apis/metrics.k8s.io/") else {
                    return false;
                };
                rest.trim_end_matches('/')
            }
        };
        let backend = self.backend.read();
        backend
            .as_ref()
            .is_some_and(|(backend, _)| backend.versions.iter().any(|v| v == version))
    }

    /// Sends a user's request on, in that user's name.
    pub(super) async fn forward(
        &self,
        peer: &Peer,
        identity: &Identity,
        request: Request<Incoming>,
    ) -> Result<Response<Body>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.context("read the body")?.to_bytes();
        let (client, server_name) = self.client().context("no server is registered")?;
        let path = head.uri.path_and_query().map_or("/", |p| p.as_str());
        let uri: Uri = format!("https://{server_name}{path}").parse()?;
        let mut forwarded = Request::new(Full::new(body));
        *forwarded.method_mut() = head.method;
        *forwarded.uri_mut() = uri;
        *forwarded.headers_mut() = forwarded_headers(&head.headers);
        let headers = forwarded.headers_mut();
        add_identity(headers, identity)?;
        headers.insert(
            "x-forwarded-for",
            HeaderValue::from_str(&peer.address.ip().to_string())?,
        );
        let response = client.forward(forwarded).await?;
        Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
    }

    /// The group as the registered server describes it; as registered, when it does not answer.
    pub(super) async fn discover(&self) -> Option<Value> {
        let versions = self.versions();
        if versions.is_empty() {
            return None;
        }
        match self.ask("/apis", DISCOVERY, "system:kube-aggregator").await {
            Ok(mut document) => {
                let items = document.get_mut("items")?.as_array_mut()?;
                let mut groups = items.drain(..);
                groups.find(|g| g.pointer("/metadata/name") == Some(&GROUP.into()))
            }
            Err(_) => {
                let versions = versions.iter();
                let versions: Vec<Value> = versions
                    .map(|v| json!({ "version": v, "freshness": "Stale" }))
                    .collect();
                Some(json!({ "metadata": { "name": GROUP }, "versions": versions }))
            }
        }
    }

    /// The index of `/openapi/v3`: what the registered server lists of its own group.
    pub(super) async fn openapi_paths(&self) -> Value {
        let index = self.ask("/openapi/v3", "application/json", "system:aggregator");
        let mut paths = index
            .await
            .ok()
            .and_then(|mut index| index.get_mut("paths").map(Value::take))
            .unwrap_or_else(|| json!({}));
        if let Some(paths) = paths.as_object_mut() {
            paths.retain(|path, _| path.starts_with("apis/metrics.k8s.io"));
        }
        json!({ "paths": paths })
    }

    async fn ask(&self, path: &str, accept: &str, user: &str) -> Result<Value> {
        let (client, _) = self.client().context("no server is registered")?;
        client
            .with_deadline(DISCOVERY_DEADLINE)
            .with_header("x-remote-user", user)?
            .with_header("x-remote-group", "system:masters")?
            .with_header("accept", accept)?
            .get_json(path)
            .await
    }

    fn client(&self) -> Option<(Client, String)> {
        let backend = self.backend.read();
        let (backend, client) = backend.as_ref()?;
        Some((client.clone(), backend.server_name.clone()))
    }
}

/// What goes on to the server: not the connection's own headers, and no credential.
fn forwarded_headers(headers: &HeaderMap) -> HeaderMap {
    let mut forwarded = headers.clone();
    let dropped = [
        header::AUTHORIZATION,
        header::CONNECTION,
        header::HOST,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::TE,
        header::CONTENT_LENGTH,
    ];
    for name in dropped {
        forwarded.remove(name);
    }
    let remote: Vec<HeaderName> = forwarded
        .keys()
        .filter(|name| name.as_str().starts_with("x-remote-"))
        .cloned()
        .collect();
    for name in remote {
        forwarded.remove(name);
    }
    forwarded
}

fn add_identity(headers: &mut HeaderMap, identity: &Identity) -> Result<()> {
    headers.insert("x-remote-user", HeaderValue::from_str(&identity.username)?);
    for group in &identity.groups {
        headers.append("x-remote-group", HeaderValue::from_str(group)?);
    }
    if !identity.uid.is_empty() {
        headers.insert("x-remote-uid", HeaderValue::from_str(&identity.uid)?);
    }
    for (key, values) in &identity.extra {
        let name = format!("x-remote-extra-{}", escape(key));
        for value in values {
            headers.append(
                HeaderName::from_bytes(name.as_bytes())?,
                HeaderValue::from_str(value)?,
            );
        }
    }
    Ok(())
}

/// Percent-encodes what may not stand in a header's name.
fn escape(key: &str) -> String {
    let mut escaped = String::new();
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~!#$&'*+^`|".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}
