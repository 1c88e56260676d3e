//! `loadline.io`: the truth about Loadline itself, for `kubectl get nodecoverages`.
//!
//! Everything is answered from one [`crate::coverage::Snapshot`], in JSON, YAML or as a Table.

mod group;
mod object;
#[cfg(test)]
pub(super) mod tests;
mod watch;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};

use super::route::Target;
use super::stream;
use crate::apimachinery::{
    GroupResource, IncludeObject, ListMeta, ListOptions, MediaType, Negotiated, NotAcceptable,
    PartialObjectMetadata, PartialObjectMetadataList, Query, Reply, RequestInfo, Status,
    StatusReason, StreamType, Transform, negotiate, respond,
};
use crate::coverage::{Coverage, NodeCoverage, Snapshot};
use crate::domain::Clock;
use object::{List, One, TableForm, is_selected, metadata};

pub use group::{GROUP, NODE_COVERAGES};

/// `apiVersion` of every object of the group.
const API_VERSION: &str = "loadline.io/v1alpha1";

/// Serves the resources of `loadline.io`.
pub struct CoverageApi {
    coverage: Arc<Coverage>,
    clock: Arc<dyn Clock>,
    shortest_watch: Duration,
}

/// What a request wants, apart from what it is about.
struct Answer {
    query: Query,
    negotiated: Negotiated,
}

impl CoverageApi {
    /// Serves what `coverage` shows.
    #[must_use]
    pub fn new(coverage: Arc<Coverage>, clock: Arc<dyn Clock>) -> Self {
        Self {
            coverage,
            clock,
            shortest_watch: stream::SHORTEST,
        }
    }

    /// The same, where watches that ask for no time last `shortest` to twice as long.
    pub(super) fn with_shortest_watch(mut self, shortest: Duration) -> Self {
        self.shortest_watch = shortest;
        self
    }

    /// Answers a request for a path below `/apis/loadline.io/v1alpha1/`; `None` for every other
    /// path. Authentication and authorization lie behind.
    #[must_use]
    pub fn respond(&self, info: &RequestInfo, parts: &Parts) -> Option<Reply> {
        let (_, path) = GROUP.split_path(&info.path)?;
        let answer = self.answer(path, parts);
        Some(answer.unwrap_or_else(|status| {
            // There is no protobuf here, and so none of its own that a refusal could come in.
            let response = if status.reason() == StatusReason::NotAcceptable {
                status.respond_in_json()
            } else {
                status.respond(parts)
            };
            response.into()
        }))
    }

    fn answer(&self, path: &str, parts: &Parts) -> Result<Reply, Status> {
        let target = Target::find(&GROUP, path).ok_or_else(Status::no_such_resource)?;
        if parts.method != Method::GET {
            return Err(Status::method_not_allowed());
        }
        let answer = Answer {
            query: Query::parse(parts.uri.query()),
            // Metadata alone can be had in protobuf, as of every resource.
            negotiated: negotiate(parts, |media_type, conversion| {
                Transform::of(media_type, conversion).filter(|transform| {
                    media_type != MediaType::Protobuf
                        || !matches!(transform, Transform::None | Transform::Table(_))
                })
            })
            .map_err(|_| Status::not_acceptable(NotAcceptable::WithoutProtobuf))?,
        };
        if let Some(name) = target.name {
            let snapshot = self.coverage.current();
            let node = snapshot.node(name).ok_or_else(|| {
                let (group, resource) = (GROUP.name, NODE_COVERAGES.name);
                Status::not_found(GroupResource { group, resource }, name)
            })?;
            return self.one(&answer, &snapshot, node).map(Reply::Whole);
        }
        let options = ListOptions::from_query(&answer.query, NODE_COVERAGES.field_selectors)?;
        if options.watch {
            let Answer { query, negotiated } = &answer;
            let lasts = stream::lasts(options.timeout_seconds, self.shortest_watch);
            let watch = watch::begin(&self.coverage, &self.clock, negotiated, query, options)?;
            return Ok(stream::reply(StreamType::Json.content_type(), lasts, watch));
        }
        let snapshot = self.coverage.current();
        self.list(&answer, &snapshot, &options).map(Reply::Whole)
    }

    fn one(
        &self,
        answer: &Answer,
        snapshot: &Snapshot,
        node: &NodeCoverage,
    ) -> Result<Response<Bytes>, Status> {
        let negotiated = &answer.negotiated;
        let at = snapshot.at();
        match negotiated.transform {
            Transform::None => Ok(respond(StatusCode::OK, &One { node, at }, negotiated)),
            Transform::Table(version) => {
                let form = self.form(answer, version)?;
                Ok(form.of(&[node], node.version).respond(negotiated))
            }
            Transform::PartialObjectMetadata(version) => {
                let metadata = metadata(node, at);
                let partial = PartialObjectMetadata { version, metadata };
                Ok(respond(StatusCode::OK, &partial, negotiated))
            }
            Transform::PartialObjectMetadataList(_) => Err(Status::wrong_form(format!(
                "you requested PartialObjectMetadataList, but the requested object is not a list ({})",
                NODE_COVERAGES.kind
            ))),
        }
    }

    fn list(
        &self,
        answer: &Answer,
        snapshot: &Snapshot,
        options: &ListOptions,
    ) -> Result<Response<Bytes>, Status> {
        let negotiated = &answer.negotiated;
        let nodes = snapshot.nodes().iter().map(AsRef::as_ref);
        let nodes: Vec<&NodeCoverage> = nodes.filter(|node| is_selected(node, options)).collect();
        let resource_version = snapshot.version();
        match negotiated.transform {
            Transform::None => {
                let list = List { snapshot, nodes };
                Ok(respond(StatusCode::OK, &list, negotiated))
            }
            Transform::Table(version) => {
                let form = self.form(answer, version)?;
                Ok(form.of(&nodes, resource_version).respond(negotiated))
            }
            Transform::PartialObjectMetadataList(version) => {
                let items = nodes.iter().map(|node| metadata(node, snapshot.at()));
                let list = PartialObjectMetadataList {
                    version,
                    metadata: ListMeta { resource_version },
                    items: items.collect(),
                };
                Ok(respond(StatusCode::OK, &list, negotiated))
            }
            Transform::PartialObjectMetadata(_) => Err(Status::wrong_form(format!(
                "you requested PartialObjectMetadata, but the requested object is a list ({})",
                NODE_COVERAGES.list_kind
            ))),
        }
    }

    fn form(
        &self,
        answer: &Answer,
        version: crate::apimachinery::MetaVersion,
    ) -> Result<TableForm, Status> {
        Ok(TableForm {
            version,
            include: IncludeObject::from_query(&answer.query)?,
            now: self.clock.now(),
        })
    }
}

impl fmt::Debug for CoverageApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoverageApi").finish_non_exhaustive()
    }
}
