//! One answer: selected, transformed and encoded as the request wants it.

use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};

use super::GROUP;
use super::freshness::Freshness;
use super::item::Item;
use super::object::{List, One};
use super::snapshot::{Encoded, ListForm, Snapshot};
use super::table::TableForm;
use super::watch::{Form, Watched};
use crate::api::compress;
use crate::apimachinery::{
    IncludeObject, ListOptions, MetaVersion, Negotiated, Object, PartialObjectMetadata,
    PartialObjectMetadataList, Query, Status, Transform, encode, respond, response,
};

/// What a request wants, apart from what it is about.
pub(super) struct Answer<'r> {
    parts: &'r Parts,
    query: Query,
    negotiated: Negotiated,
    api_version: String,
    preferred_version: bool,
    freshness: &'r Freshness,
}

impl<'r> Answer<'r> {
    pub(super) fn new(
        version: &str,
        parts: &'r Parts,
        freshness: &'r Freshness,
    ) -> Result<Self, Status> {
        Ok(Self {
            parts,
            query: Query::parse(parts.uri.query()),
            negotiated: Negotiated::for_resource(parts).map_err(Status::not_acceptable)?,
            api_version: GROUP.api_version(version),
            preferred_version: GROUP.versions.first() == Some(&version),
            freshness,
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
        self.freshness.served(std::iter::once(stamp));
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
    pub(super) fn list<T: Item>(
        &self,
        snapshot: &Snapshot<T>,
        namespace: Option<&str>,
        options: &ListOptions,
    ) -> Result<Response<Bytes>, Status> {
        let selected = || {
            let items = snapshot.of(namespace);
            items.filter(|item| is_selected(*item, options))
        };
        self.freshness
            .served(selected().map(|item| item.interval().0));
        let list = || List {
            api_version: &self.api_version,
            metadata: snapshot.list_meta(),
            creation: snapshot.creation(),
            items: selected().collect(),
        };
        match self.negotiated.transform {
            Transform::None => {
                let selects = !options.label_selector.is_empty()
                    || !options.field_selector.requirements().is_empty();
                let form = self
                    .shared_form()
                    .filter(|_| namespace.is_none() && !selects);
                let media_type = self.negotiated.media_type;
                let encode = || encode(&list(), media_type, false);
                match form.and_then(|form| snapshot.list(form)) {
                    Some(shared) => Ok(self.share(shared, encode)),
                    None => Ok(self.respond(&list())),
                }
            }
            Transform::Table(version) => {
                let resource_version = snapshot.view.version();
                self.table(snapshot, version, &list().items, resource_version)
            }
            Transform::PartialObjectMetadataList(version) => {
                let items = list().items.into_iter();
                Ok(self.respond(&PartialObjectMetadataList {
                    version,
                    metadata: snapshot.list_meta(),
                    items: items
                        .map(|item| item.metadata(snapshot.creation()))
                        .collect(),
                }))
            }
            Transform::PartialObjectMetadata(_) => Err(Status::wrong_form(format!(
                "you requested PartialObjectMetadata, but the requested object is a list ({})",
                T::LIST_KIND
            ))),
        }
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

    fn shared_form(&self) -> Option<ListForm> {
        if self.negotiated.pretty {
            return None;
        }
        ListForm::new(self.preferred_version, self.negotiated.media_type)
    }

    fn share(&self, shared: &Encoded, encode: impl Fn() -> Bytes) -> Response<Bytes> {
        let content_type = self.negotiated.media_type.as_str();
        if compress::accepts_gzip(self.parts)
            && let Some(body) = shared.gzip(&encode)
        {
            let mut response = response(StatusCode::OK, content_type, body);
            compress::mark_as_gzip(response.headers_mut());
            return response;
        }
        response(StatusCode::OK, content_type, shared.plain(&encode))
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
