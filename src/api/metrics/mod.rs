//! `metrics.k8s.io`: the use of nodes and pods, for the HPA, the VPA and `kubectl top`.
//!
//! Each answer comes from one [`View`](crate::live::View); nothing is computed here, and only a watch
//! waits, for the next view.

mod answer;
mod freshness;
mod group;
mod item;
mod object;
mod room;
mod shape;
mod shared;
mod snapshot;
mod streamed;
mod table;
mod watch;
#[cfg(test)]
pub(super) mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http::request::Parts;

use super::route::Target;
use super::stream;
use crate::apimachinery::{GroupResource, Reply, RequestInfo, Status};
use crate::domain::{Clock, Inventory, PodPhase};
use crate::lifecycle::{MemoryLimit, Spare};
use crate::live::{NodeView, PodView};
use crate::telemetry::Registry;
use answer::Answer;
use freshness::Freshness;
use room::Streaming;
use snapshot::{Snapshot, Snapshots};
use watch::{Sources, Watched};

pub use group::{GROUP, NODES, PODS};
pub use snapshot::Views;

/// Counts new numbers, to wake who waits for them.
pub type Commits = tokio::sync::watch::Receiver<u64>;

/// Serves the resources of `metrics.k8s.io` in all its versions.
pub struct MetricsApi {
    sources: Sources,
    inventory: Arc<Inventory>,
}

impl MetricsApi {
    /// Serves what `views` show; `commits` moves when there are new numbers. The inventory only tells
    /// a node or pod that does not exist from one without a number.
    #[must_use]
    pub fn new(
        views: Arc<dyn Views>,
        commits: Commits,
        inventory: Arc<Inventory>,
        clock: Arc<dyn Clock>,
        registry: &mut Registry,
    ) -> Self {
        let sources = Sources {
            freshness: Freshness::register(registry, Arc::clone(&clock)),
            snapshots: Arc::new(Snapshots::new(views, Arc::clone(&clock))),
            commits,
            clock,
            spare: Spare::default(),
            streaming: Streaming::within(None),
            shortest: stream::SHORTEST,
        };
        Self { sources, inventory }
    }

    /// The same, where watches that ask for no time last `shortest` to twice as long.
    pub(super) fn with_shortest_watch(mut self, shortest: Duration) -> Self {
        self.sources.shortest = shortest;
        self
    }

    /// The same in a process that may take so much memory: near it, long lists are streamed.
    pub(super) fn with_memory_limit(mut self, limit: Option<MemoryLimit>) -> Self {
        self.sources.spare = Spare::below(limit);
        self.sources.streaming = Streaming::within(self.sources.spare.limit());
        self
    }

    /// Answers a request for a path below `/apis/metrics.k8s.io/VERSION/`; `None` for every other
    /// path.
    ///
    /// Authentication and authorization lie behind. Bodies are compressed already where that is
    /// due. A whole list of a large cluster takes tens of milliseconds of work, so this does not
    /// belong on a thread that must stay responsive. Long lists that are one client's alone, and any
    /// for which memory is short, come piece by piece.
    #[must_use]
    pub fn respond(&self, info: &RequestInfo, parts: &Parts) -> Option<Reply> {
        let (version, path) = GROUP.split_path(&info.path)?;
        let answer = self.answer(version, path, parts);
        Some(answer.unwrap_or_else(|status| status.respond(parts).into()))
    }

    fn answer(&self, version: &'static str, path: &str, parts: &Parts) -> Result<Reply, Status> {
        let target = Target::find(&GROUP, path).ok_or_else(Status::no_such_resource)?;
        if parts.method != Method::GET {
            return Err(Status::method_not_allowed());
        }
        let answer = Answer::new(version, parts, &self.sources)?;
        let pods = target.resource.name == PODS.name;
        let Some(name) = target.name else {
            return if pods {
                self.list_or_watch::<PodView>(&answer, target.namespace)
            } else {
                self.list_or_watch::<NodeView>(&answer, None)
            };
        };
        answer.check_get()?;
        let snapshots = &self.sources.snapshots;
        let one = if pods {
            let namespace = target.namespace.unwrap_or_default();
            let snapshot = snapshots.showing(Some(namespace));
            answer.one(&snapshot, self.pod(&snapshot, namespace, name)?)
        } else {
            let snapshot = snapshots.current();
            answer.one(&snapshot, self.node(&snapshot, name)?)
        };
        one.map(Reply::Whole)
    }

    fn list_or_watch<T: Watched>(
        &self,
        answer: &Answer<'_>,
        namespace: Option<&str>,
    ) -> Result<Reply, Status> {
        let options = answer.list_options::<T>()?;
        if options.watch {
            let form = answer.form::<T>()?;
            return watch::begin::<T>(self.sources.clone(), form, namespace, options);
        }
        answer.list::<T>(namespace, options)
    }

    fn node<'s>(
        &self,
        snapshot: &'s Snapshot<NodeView>,
        name: &str,
    ) -> Result<&'s NodeView, Status> {
        snapshot.view.get("", name).ok_or_else(|| {
            let known = self.inventory.node(name).is_some();
            let (group, resource) = if known {
                (GROUP.name, "nodemetrics")
            } else {
                ("", "node")
            };
            Status::not_found(GroupResource { group, resource }, name)
        })
    }

    fn pod<'s>(
        &self,
        snapshot: &'s Snapshot<PodView>,
        namespace: &str,
        name: &str,
    ) -> Result<&'s PodView, Status> {
        snapshot.view.get(namespace, name).ok_or_else(|| {
            let record = self.inventory.pod(namespace, name);
            // metrics-server watches running pods only, so the others do not exist for it.
            if record.is_some_and(|record| record.phase == PodPhase::Running) {
                let resource = GroupResource {
                    group: GROUP.name,
                    resource: "podmetrics",
                };
                return Status::not_found(resource, &format!("{namespace}/{name}"));
            }
            let resource = GroupResource {
                group: "",
                resource: "pods",
            };
            Status::not_found(resource, name)
        })
    }
}

impl fmt::Debug for MetricsApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsApi").finish_non_exhaustive()
    }
}
