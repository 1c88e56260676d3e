//! What every check is handed: the server, the version and protocol of this run, and ways to ask as somebody.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use bytes::Bytes;
use http::Method;
use serde_json::Value;

use super::reply::Reply;
use super::target::{Features, Target, Version};
use super::verdict::{Stop, array, at, skipped, text};
use super::world::World;
use crate::client::{self, Client, Protocol};
use crate::lab::Leaf;

/// One run of a check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) target: &'a Target,
    pub(crate) world: Option<&'a World<'a>>,
    pub(crate) features: &'a Features,
    pub(crate) counter: &'a AtomicU64,
    pub(crate) version: Version,
    pub(crate) protocol: Protocol,
}

/// Somebody about to ask something.
#[derive(Clone, Debug)]
pub(crate) struct Ask<'a> {
    cx: &'a Context<'a>,
    certificate: Option<&'a Leaf>,
    headers: Vec<(String, String)>,
    missing: Option<&'static str>,
    protocol: Protocol,
}

impl<'a> Context<'a> {
    /// A path below the version of this run.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/apis/metrics.k8s.io/{}{rest}", self.version.as_str())
    }

    /// A name nobody had before in this run, so that no cache knows it.
    pub(crate) fn unique(&self, name: &str) -> String {
        format!("{name}-{}", self.counter.fetch_add(1, Ordering::Relaxed))
    }

    /// The hand on the cluster.
    pub(crate) fn world(&self) -> Result<&'a World<'a>, Stop> {
        self.world
            .ok_or_else(|| skipped("needs a hand on the cluster"))
    }

    /// Somebody who may read everything.
    pub(crate) fn reader(&'a self) -> Ask<'a> {
        let target = self.target;
        if target.proxy.is_some() {
            return self.user("conformance", &["system:masters"]);
        }
        if let Some(token) = &target.token {
            return self.token(token);
        }
        let ask = self.certificate(target.certificate.as_deref());
        match target.certificate {
            Some(_) => ask,
            None => ask.lacking("needs credentials of somebody who may read"),
        }
    }

    /// A user as the front proxy presents them.
    pub(crate) fn user(&'a self, name: &str, groups: &[&str]) -> Ask<'a> {
        let proxy = self.proxy(self.target.proxy.as_deref());
        groups
            .iter()
            .fold(proxy.header("X-Remote-User", name), |ask, group| {
                ask.header("X-Remote-Group", group)
            })
    }

    /// The front proxy without any user yet.
    pub(crate) fn proxy(&'a self, leaf: Option<&'a Leaf>) -> Ask<'a> {
        let ask = self.certificate(leaf);
        match leaf {
            Some(_) => ask,
            None => ask.lacking("needs the front proxy's certificate"),
        }
    }

    /// Somebody with a client certificate, or without any credentials.
    pub(crate) fn certificate(&'a self, leaf: Option<&'a Leaf>) -> Ask<'a> {
        Ask {
            cx: self,
            certificate: leaf,
            headers: Vec::new(),
            missing: None,
            protocol: self.protocol,
        }
    }

    /// Somebody without credentials.
    pub(crate) fn anonymous(&'a self) -> Ask<'a> {
        self.certificate(None)
    }

    /// Somebody with a bearer token.
    pub(crate) fn token(&'a self, token: &str) -> Ask<'a> {
        let value = format!("Bearer {token}");
        self.anonymous().header("Authorization", &value)
    }

    /// The items of a list the reader sees; skips when there are none.
    pub(crate) async fn items(&'a self, rest: &str) -> Result<Vec<Value>, Stop> {
        let path = self.path(rest);
        let list = self.reader().get(&path).await?.ok_json()?;
        let items = array(&list, "/items")?.to_vec();
        if items.is_empty() {
            return Err(skipped(format!("{path} is empty")));
        }
        Ok(items)
    }

    /// The name of a node with a sample.
    pub(crate) async fn some_node(&'a self) -> Result<String, Stop> {
        let items = self.items("/nodes").await?;
        Ok(items
            .first()
            .map_or_else(String::new, |node| text(node, "/metadata/name").to_owned()))
    }

    /// Namespace and name of a pod with a sample.
    pub(crate) async fn some_pod(&'a self) -> Result<(String, String), Stop> {
        let items = self.items("/pods").await?;
        let meta = items.first().map_or(&Value::Null, |p| at(p, "/metadata"));
        Ok((
            text(meta, "/namespace").to_owned(),
            text(meta, "/name").to_owned(),
        ))
    }
}

impl<'a> Ask<'a> {
    /// The same with one more header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with an `Accept` header.
    pub(crate) fn accept(self, accept: &str) -> Self {
        self.header("Accept", accept)
    }

    /// The same over this protocol.
    pub(crate) fn over(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// The headers they send.
    pub(crate) fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    fn lacking(mut self, what: &'static str) -> Self {
        self.missing = Some(what);
        self
    }

    /// A connection of theirs, for more than one request.
    pub(crate) fn client(&self) -> Result<Client, Stop> {
        self.client_to(&self.cx.target.name)
    }

    /// The same, asking for another server name.
    pub(crate) fn client_to(&self, name: &str) -> Result<Client, Stop> {
        if let Some(why) = self.missing {
            return Err(skipped(why));
        }
        let target = self.cx.target;
        let client = Client::new(&client::Target {
            address: target.address,
            name,
            trust: target.trust.clone(),
            certificate: self.certificate,
            protocol: self.protocol,
        })?;
        let mut client = client;
        for (name, value) in &self.headers {
            client = client.with_header(name, value)?;
        }
        Ok(client)
    }

    /// `GET`.
    pub(crate) async fn get(&self, path: &str) -> Result<Reply, Stop> {
        self.send(Method::GET, path).await
    }

    /// A request without a body.
    pub(crate) async fn send(&self, method: Method, path: &str) -> Result<Reply, Stop> {
        let client = self.client()?;
        send(&client, method, path).await
    }
}

/// A request on a connection at hand.
pub(crate) async fn send(client: &Client, method: Method, path: &str) -> Result<Reply, Stop> {
    let asked = format!("{method} {path}");
    let answer = client
        .send(method, path, Bytes::new())
        .await
        .with_context(|| asked.clone())?;
    Ok(Reply { asked, answer })
}

/// A query of one parameter, percent-encoded.
pub(crate) fn query(name: &str, value: &str) -> String {
    let mut query = format!("?{name}=");
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            query.push(char::from(byte));
        } else {
            query.push_str(&format!("%{byte:02X}"));
        }
    }
    query
}
