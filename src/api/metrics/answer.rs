//! One answer: selected, transformed and encoded as the request wants it.

use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};

use super::GROUP;
use super::item::Item;
use super::object::One;
use super::room::{Way, way};
use super::shape::Shape;
use super::shared::{self, Encoded, ListForm};
use super::snapshot::Snapshot;
use super::streamed::{self, Asked};
use super::table::TableForm;
use super::watch::{Form, Sources, Watched};
use crate::api::compress;
use crate::apimachinery::{
    IncludeObject, ListOptions, MetaVersion, Negotiated, Object, PartialObjectMetadata, Query,
    Reply, Status, Transform, respond, response,
};
use crate::lifecycle::Promise;

/// What a request wants, apart from what it is about.
pub(super) struct Answer<'r> {
    parts: &'r Parts,
    query: Query,
    negotiated: Negotiated,
    api_version: String,
    version: &'r str,
    sources: &'r Sources,
}

impl<'r> Answer<'r> {
    pub(super) fn new(
        version: &'r str,
        parts: &'r Parts,
        sources: &'r Sources,
    ) -> Result<Self, Status> {
        Ok(Self {
            parts,
            query: Query::parse(parts.uri.query()),
            negotiated: Negotiated::for_resource(parts).map_err(Status::not_acceptable)?,
            api_version: GROUP.api_version(version),
            version,
            sources,
        })
    }

    /// The parameters of a list or watch.
    pub(super) fn list_options<T: Item>(&self) -> Result<ListOptions, Status> {
        ListOptions::from_query(&self.query, T::RESOURCE.field_selectors)
    }

    /// The form of the events of a watch.
    pub(super) fn form<T: Watched>(&self) -> Result<Form, Status> {
        let Negotiated {
            media_type,
            transform,
            ..
        } = self.negotiated;
        Form::new::<T>(media_type, transform, &self.api_version, &self.query)
    }

    /// Refuses the one parameter a get may not have.
    pub(super) fn check_get(&self) -> Result<(), Status> {
        if self.query.flag("export") {
            return Err(Status::bad_request(
                "the export parameter, deprecated since v1.14, is no longer supported",
            ));
        }
        Ok(())
    }

    pub(super) fn one<T: Item>(
        &self,
        snapshot: &Snapshot<T>,
        item: &T,
    ) -> Result<Response<Bytes>, Status> {
        let stamp = item.interval().0;
        self.sources.freshness.served(std::iter::once(stamp));
        let one = One {
            api_version: &self.api_version,
            creation: snapshot.creation(),
            item,
        };
        match self.negotiated.transform {
            Transform::None => Ok(self.respond(&one)),
            Transform::Table(version) => self.table(snapshot, version, &[item], item.version()),
            Transform::PartialObjectMetadata(version) => Ok(self.respond(&PartialObjectMetadata {
                version,
                metadata: item.metadata(snapshot.creation()),
            })),
            Transform::PartialObjectMetadataList(_) => Err(Status::wrong_form(format!(
                "you requested PartialObjectMetadataList, but the requested object is not a list ({})",
                T::RESOURCE.kind
            ))),
        }
    }

    /// Answers those that are selected of all there are, or of one namespace.
    pub(super) fn list<T: Watched>(
        &self,
        namespace: Option<&str>,
        options: ListOptions,
    ) -> Result<Reply, Status> {
        let shape = self.shape::<T>()?;
        let asked = Asked {
            namespace: namespace.map(str::to_owned),
            options,
            api_version: self.api_version.clone(),
            shape,
            media_type: self.negotiated.media_type,
            pretty: self.negotiated.pretty,
            gzip: compress::accepts_gzip(self.parts),
        };
        let form = self.shared_form(&asked);
        let snapshot = match form {
            Some(form) => shared::snapshot::<T>(self.sources, form, asked.gzip),
            None => self.sources.snapshots.showing::<T>(namespace),
        };
        let encoded = form.and_then(|form| snapshot.list(form));
        // What is selected is looked for once.
        let chosen = asked.selects();
        let chosen: Option<Vec<&T>> = chosen.then(|| asked.selected(&snapshot).collect());
        let all = || snapshot.view.len();
        let items = chosen.as_ref().map_or_else(all, Vec::len);
        let least = shape.least(asked.media_type);
        let fits = match way(items, least, encoded.is_some()) {
            Way::Whole => Some(Promise::default()),
            Way::WholeWithin(_) if encoded.is_some_and(|encoded| encoded.has(asked.gzip)) => {
                Some(Promise::default())
            }
            Way::WholeWithin(bytes) => self.sources.spare.promise(bytes),
            Way::Streamed => None,
        };
        // Held until it is made.
        let Some(_promised) = fits else {
            let entries = snapshot.view.len();
            return Ok(streamed::begin::<T>(self.sources, asked, entries));
        };
        let stamp = |item: &T| item.interval().0;
        let freshness = &self.sources.freshness;
        Ok(Reply::Whole(if let Some(encoded) = encoded {
            freshness.served(snapshot.view.iter().map(stamp));
            shared::let_go_later(self.sources, &snapshot);
            self.share(encoded, || asked.whole(&snapshot))
        } else {
            let items = chosen.unwrap_or_else(|| snapshot.view.iter().collect());
            freshness.served(items.iter().map(|item| stamp(item)));
            let content_type = self.negotiated.media_type.as_str();
            let body = asked.made_of(&snapshot, &items);
            compress::compress(self.parts, response(StatusCode::OK, content_type, body))
        }))
    }

    /// What the list is made into.
    fn shape<T: Item>(&self) -> Result<Shape, Status> {
        Ok(match self.negotiated.transform {
            Transform::None => Shape::List,
            Transform::Table(version) => Shape::Table {
                version,
                include: IncludeObject::from_query(&self.query)?,
                swap: false,
            },
            Transform::PartialObjectMetadataList(version) => Shape::Metadata(version),
            Transform::PartialObjectMetadata(_) => {
                return Err(Status::wrong_form(format!(
                    "you requested PartialObjectMetadata, but the requested object is a list ({})",
                    T::LIST_KIND
                )));
            }
        })
    }

    fn table<T: Item>(
        &self,
        snapshot: &Snapshot<T>,
        version: MetaVersion,
        items: &[&T],
        resource_version: u64,
    ) -> Result<Response<Bytes>, Status> {
        let form = TableForm {
            version,
            include: IncludeObject::from_query(&self.query)?,
            api_version: &self.api_version,
            creation: snapshot.creation(),
        };
        let table = form.of(items, resource_version).respond(&self.negotiated);
        Ok(compress::compress(self.parts, table))
    }

    fn respond(&self, object: &impl Object) -> Response<Bytes> {
        let response = respond(StatusCode::OK, object, &self.negotiated);
        compress::compress(self.parts, response)
    }

    /// The form of a whole list that many ask for.
    fn shared_form(&self, asked: &Asked) -> Option<ListForm> {
        let everything = asked.namespace.is_none() && !asked.selects();
        let usual = matches!(asked.shape, Shape::List) && !asked.pretty;
        if !everything || !usual {
            return None;
        }
        ListForm::new(self.version, asked.media_type)
    }

    fn share(&self, shared: &Encoded, encode: impl Fn() -> Bytes) -> Response<Bytes> {
        let content_type = self.negotiated.media_type.as_str();
        let (body, compressed) = shared.answer(compress::accepts_gzip(self.parts), encode);
        let mut response = response(StatusCode::OK, content_type, body);
        if compressed {
            compress::mark_as_gzip(response.headers_mut());
        }
        response
    }
}

/// Tells whether the selectors of a list or watch choose this one.
pub(super) fn is_selected<T: Item>(item: &T, options: &ListOptions) -> bool {
    let field = |field: &str| match field {
        "metadata.name" => item.name(),
        "metadata.namespace" => item.namespace(),
        "spec.nodeName" => item.node_name(),
        _ => "",
    };
    options.field_selector.matches(field) && options.label_selector.matches(item.labels())
}
