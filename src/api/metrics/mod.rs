//! `metrics.k8s.io`: the use of nodes and pods, for the HPA, the VPA and `kubectl top`.
//!
//! Everything is answered from one [`View`](crate::live::View); nothing is computed and nothing is
//! waited for here.

mod answer;
mod freshness;
mod group;
mod item;
mod object;
mod snapshot;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response};

use super::route::Target;
use crate::apimachinery::{GroupResource, RequestInfo, Status};
use crate::domain::{Clock, Inventory, PodPhase};
use crate::live::{NodeView, PodView};
use crate::telemetry::Registry;
use answer::Answer;
use freshness::Freshness;
use snapshot::{Snapshot, Snapshots};

pub use group::{GROUP, NODES, PODS};
pub use snapshot::ViewSource;

/// Serves the resources of `metrics.k8s.io` in all its versions.
pub struct MetricsApi {
    snapshots: Snapshots,
    inventory: Arc<Inventory>,
    freshness: Freshness,
}

impl MetricsApi {
    /// Serves what `source` shows. The inventory only tells a node or pod that does not exist from
    /// one without a number.
    #[must_use]
    pub fn new(
        source: ViewSource,
        inventory: Arc<Inventory>,
        clock: Arc<dyn Clock>,
        registry: &mut Registry,
    ) -> Self {
        Self {
            freshness: Freshness::register(registry, Arc::clone(&clock)),
            snapshots: Snapshots::new(source, clock),
            inventory,
        }
    }

    /// Answers a request for a path below `/apis/metrics.k8s.io/VERSION/`; `None` for every other
    /// path.
    ///
    /// Authentication and authorization lie behind. Bodies are compressed already where that is
    /// due. A whole list of a large cluster takes tens of milliseconds of work, so this does not
    /// belong on a thread that must stay responsive.
    #[must_use]
    pub fn respond(&self, info: &RequestInfo, parts: &Parts) -> Option<Response<Bytes>> {
        let (version, path) = GROUP.split_path(&info.path)?;
        let answer = self.answer(version, path, parts);
        Some(answer.unwrap_or_else(|status| status.respond(parts)))
    }

    fn answer(
        &self,
        version: &'static str,
        path: &str,
        parts: &Parts,
    ) -> Result<Response<Bytes>, Status> {
        let target = Target::find(&GROUP, path).ok_or_else(Status::no_such_resource)?;
        if parts.method != Method::GET {
            return Err(Status::method_not_allowed());
        }
        let answer = Answer::new(version, parts, &self.freshness)?;
        let snapshot = self.snapshots.current();
        let pods = target.resource.name == PODS.name;
        match (pods, target.name) {
            (false, None) => answer.list(&snapshot, snapshot.view.nodes(), true),
            (true, None) => match target.namespace {
                None => answer.list(&snapshot, snapshot.view.pods(), true),
                Some(namespace) => answer.list(&snapshot, snapshot.view.pods_in(namespace), false),
            },
            (false, Some(name)) => {
                answer.check_get()?;
                answer.one(&snapshot, self.node(&snapshot, name)?)
            }
            (true, Some(name)) => {
                answer.check_get()?;
                let namespace = target.namespace.unwrap_or_default();
                answer.one(&snapshot, self.pod(&snapshot, namespace, name)?)
            }
        }
    }

    fn node<'s>(&self, snapshot: &'s Snapshot, name: &str) -> Result<&'s NodeView, Status> {
        snapshot.view.node(name).ok_or_else(|| {
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
        snapshot: &'s Snapshot,
        namespace: &str,
        name: &str,
    ) -> Result<&'s PodView, Status> {
        snapshot.view.pod(namespace, name).ok_or_else(|| {
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
