//! Whom a server of `metrics.k8s.io` has numbers of.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Request;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::cluster::describe;

/// Whom a server has numbers of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) nodes: BTreeSet<String>,
    /// `NAMESPACE/NAME`.
    pub(super) pods: BTreeSet<String>,
}

/// Why a server has not told whom it has numbers of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unanswered {
    /// There are no numbers for anybody: there is no connection, or 5xx, which is also what the API
    /// server says for who does not answer it, or 401, from a server that no longer knows the API
    /// server, or 404 or no list, from another one in its place, or nothing in time.
    #[error("{0}")]
    Silence(String),
    /// 403: a right is missing.
    #[error("{0}")]
    Forbidden(String),
    /// What came is another refusal.
    #[error("{0}")]
    Refusal(String),
}

#[derive(Deserialize)]
struct List {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: String,
}

#[derive(Deserialize)]
struct Resources {
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    verbs: Vec<String>,
}

/// How long one question may take: lists of large clusters do.
const CALL_LIMIT: Duration = Duration::from_secs(30);
/// How many names are told.
const TOLD: usize = 5;
/// Of what a server held before, so much has to be there after: what ended meanwhile is gone.
const STILL_THERE: (usize, usize) = (9, 10);

impl Held {
    /// Asks for both lists in a version of the API.
    pub(super) async fn by(client: &kube::Client, version: &str) -> Result<Self, Unanswered> {
        let list = async |resource| -> Result<List, Unanswered> {
            get(
                client,
                &format!("/apis/metrics.k8s.io/{version}/{resource}"),
            )
            .await
        };
        let (nodes, pods) = (list("nodes").await?, list("pods").await?);
        let names = nodes.items.into_iter().map(|item| item.metadata.name);
        let keys = pods.items.into_iter().map(|item| {
            let Metadata { name, namespace } = item.metadata;
            format!("{namespace}/{name}")
        });
        Ok(Self {
            nodes: names.collect(),
            pods: keys.collect(),
        })
    }

    /// Tells whether both lists hold anything.
    pub(super) fn is_whole(&self) -> bool {
        !self.nodes.is_empty() && !self.pods.is_empty()
    }

    /// What is in both of two lists taken one after the other: what ended meanwhile is in one alone.
    pub(super) fn and(&self, later: &Self) -> Self {
        Self {
            nodes: self.nodes.intersection(&later.nodes).cloned().collect(),
            pods: self.pods.intersection(&later.pods).cloned().collect(),
        }
    }

    /// What this has and `other` lacks, in words; `None` when nothing is.
    pub(super) fn missing_in(&self, other: &Self) -> Option<String> {
        let words = |kind, ours: &BTreeSet<String>, theirs: &BTreeSet<String>| {
            let missing: Vec<&str> = ours.difference(theirs).map(String::as_str).collect();
            let told = missing.iter().take(TOLD).copied().collect::<Vec<_>>();
            let more = if missing.len() > TOLD { ", …" } else { "" };
            let count = missing.len();
            (count > 0).then(|| format!("{count} {kind} ({}{more})", told.join(", ")))
        };
        let nodes = words("nodes", &self.nodes, &other.nodes);
        let pods = words("pods", &self.pods, &other.pods);
        let both: Vec<String> = nodes.into_iter().chain(pods).collect();
        (!both.is_empty()).then(|| both.join(" and "))
    }

    /// Tells whether this is what `before` held, but for a tenth that may have ended meanwhile.
    ///
    /// # Errors
    /// What is missing, in words.
    pub(super) fn follows(&self, before: &Self) -> Result<(), String> {
        let (part, of) = STILL_THERE;
        for (kind, now, then) in [
            ("nodes", &self.nodes, &before.nodes),
            ("pods", &self.pods, &before.pods),
        ] {
            let there = now.intersection(then).count();
            if now.is_empty() {
                return Err(format!("no {kind} are listed"));
            }
            if there * of < then.len() * part {
                return Err(format!("only {there} of {} {kind} are listed", then.len()));
            }
        }
        Ok(())
    }
}

impl Unanswered {
    fn of(path: &str, error: &kube::Error) -> Self {
        let told = format!("{path}: {}", describe(error));
        let kube::Error::Api(status) = error else {
            let broken = matches!(
                error,
                kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::SerdeError(_)
            );
            return if broken {
                Self::Silence(told)
            } else {
                Self::Refusal(told)
            };
        };
        match status.code {
            403 => Self::Forbidden(told),
            // Whom the API server itself did not know could not have asked for anything before.
            401 | 404 | 500.. => Self::Silence(told),
            _ => Self::Refusal(told),
        }
    }
}

/// Tells whether a version is answered by a server whose lists can be watched, as Loadline's can.
pub(super) async fn can_be_watched(
    client: &kube::Client,
    version: &str,
) -> Result<bool, Unanswered> {
    let path = format!("/apis/metrics.k8s.io/{version}");
    let Resources { resources } = get(client, &path).await?;
    let watch = |resource: &Resource| resource.verbs.iter().any(|verb| verb == "watch");
    Ok(!resources.is_empty() && resources.iter().all(watch))
}

async fn get<T: DeserializeOwned>(client: &kube::Client, path: &str) -> Result<T, Unanswered> {
    let request = Request::get(path).body(Vec::new());
    let request = request.map_err(|error| Unanswered::Refusal(error.to_string()))?;
    match timeout(CALL_LIMIT, client.request(request)).await {
        Ok(answer) => answer.map_err(|error| Unanswered::of(path, &error)),
        Err(_) => Err(Unanswered::Silence(format!(
            "{path}: no answer within {} s",
            CALL_LIMIT.as_secs()
        ))),
    }
}
