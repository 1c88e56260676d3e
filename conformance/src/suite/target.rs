//! The server under test: where it is, who we can be to it, and what it says it can do.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::context::Context;
use super::verdict::{Stop, at, failed, strings, text};
use crate::client::{self, Client, Protocol, Trust};
use crate::lab::Leaf;

/// A server of `metrics.k8s.io`.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where to dial.
    pub address: SocketAddr,
    /// The name asked for by SNI and verified in its certificate.
    pub name: String,
    /// How its certificate is judged.
    pub trust: Trust,
    /// The front proxy's certificate; whoever has it can come as anybody.
    pub proxy: Option<Arc<Leaf>>,
    /// The certificate of a user who may read everything.
    pub certificate: Option<Arc<Leaf>>,
    /// The bearer token of a user who may read everything.
    pub token: Option<String>,
    /// `kubectl` and a kubeconfig of the cluster whose `metrics.k8s.io` is this server.
    pub kubectl: Option<Kubectl>,
    /// What the server can do beyond the contract; `None` finds out.
    pub extensions: Option<Extensions>,
}

/// How to run `kubectl`.
#[derive(Clone, Debug)]
pub struct Kubectl {
    /// The program.
    pub program: std::path::PathBuf,
    /// Its kubeconfig.
    pub kubeconfig: std::path::PathBuf,
}

/// A version of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `metrics.k8s.io/v1`.
    V1,
    /// `metrics.k8s.io/v1beta1`.
    V1beta1,
}

/// What a server may do beyond the contract; checks of it then expect the other form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// It serves watches.
    pub watch: bool,
    /// Pods may be selected by `spec.nodeName`.
    pub node_name: bool,
}

/// What the server was found to serve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// The versions of the group, the preferred one first.
    pub versions: Vec<String>,
    /// What it does beyond the contract.
    pub extensions: Extensions,
}

impl Target {
    /// Asks the server anything at all, so that nobody needs to read of one fault in every check.
    ///
    /// # Errors
    /// When nobody listens there, or its certificate is not believed.
    pub async fn reach(&self) -> Result<()> {
        let target = client::Target {
            address: self.address,
            name: &self.name,
            trust: self.trust.clone(),
            certificate: None,
            protocol: Protocol::Http1,
        };
        let asked = Client::new(&target)?.get("/version").await;
        asked.with_context(|| format!("{} does not answer at {}", self.name, self.address))?;
        Ok(())
    }
}

impl Version {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V1, Self::V1beta1];

    /// As in paths.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V1beta1 => "v1beta1",
        }
    }

    /// `metrics.k8s.io/VERSION`.
    #[must_use]
    pub fn group_version(self) -> String {
        format!("metrics.k8s.io/{}", self.as_str())
    }
}

impl Features {
    /// Asks the server what it serves.
    pub(crate) async fn probe(cx: &Context<'_>) -> Result<Self, Stop> {
        let group = cx.reader().get("/apis/metrics.k8s.io").await?.ok_json()?;
        let versions: Vec<String> = at(&group, "/versions")
            .as_array()
            .into_iter()
            .flatten()
            .map(|v| text(v, "/version").to_owned())
            .collect();
        let first = versions
            .first()
            .ok_or_else(|| failed("a version of metrics.k8s.io", &group))?;
        let extensions = match cx.target.extensions {
            Some(extensions) => extensions,
            None => probe_extensions(cx, first).await?,
        };
        Ok(Self {
            versions,
            extensions,
        })
    }

    /// Whether a version is served.
    pub(crate) fn serves(&self, version: Version) -> bool {
        self.versions.iter().any(|v| v == version.as_str())
    }
}

async fn probe_extensions(cx: &Context<'_>, version: &str) -> Result<Extensions, Stop> {
    let prefix = format!("/apis/metrics.k8s.io/{version}");
    let resources = cx.reader().get(&prefix).await?.ok_json()?;
    let verbs = |resource: &Value| strings(resource, "/verbs");
    let watch = at(&resources, "/resources")
        .as_array()
        .into_iter()
        .flatten()
        .any(|r| verbs(r).iter().any(|v| v == "watch"));
    let by_node = format!("{prefix}/pods?fieldSelector=spec.nodeName%3Dnobody");
    let node_name = cx.reader().get(&by_node).await?.code() == 200;
    Ok(Extensions { watch, node_name })
}

/// As in a variant's name.
pub(crate) const fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http1 => "http/1.1",
        Protocol::Http2 => "h2",
    }
}
