//! Discovery: which groups, versions and resources there are.
//!
//! kube-apiserver asks `/apis` in the aggregated form and answers its own clients from that; it
//! asks for a group version to see whether we are there. Old aggregators and direct clients read
//! the plain forms.

mod aggregated;
mod plain;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};

use super::Group;
use super::conditional::Tag;
use crate::apimachinery::{Conversion, Negotiated, Object, Status, encode, negotiate, respond};

use aggregated::{ApiGroupDiscoveryList, Release};
use plain::{ApiGroup, ApiGroupList, ApiResourceList};

/// Answers `/apis`, `/apis/GROUP` and `/apis/GROUP/VERSION`.
#[derive(Debug)]
pub struct Discovery {
    groups: Vec<Group>,
    aggregated: [(ApiGroupDiscoveryList, Tag); 2],
}

/// The form in which `/apis` is wanted.
#[derive(Clone, Copy)]
enum Form {
    Plain,
    Aggregated(Release),
}

impl Discovery {
    /// Tells of these groups.
    #[must_use]
    pub fn new(groups: &[Group]) -> Self {
        let aggregated = [Release::V2, Release::V2beta1].map(|release| {
            let list = ApiGroupDiscoveryList::new(release, groups);
            let mut json = Vec::new();
            list.write_json(&mut json);
            (list, Tag::of(&json))
        });
        Self {
            groups: groups.to_vec(),
            aggregated,
        }
    }

    /// Answers a request for one of the paths, each with or without a slash at its end; `None` when
    /// the path is none of ours. `path` is decoded already, the same that was authorized.
    ///
    /// Anything but `GET` is 405, an `Accept` that cannot be met is 406, and what lies below a group
    /// of ours without being there is 404, all as a Status.
    #[must_use]
    pub fn answer(&self, path: &str, request: &Parts) -> Option<Response<Bytes>> {
        let mut segments = path.strip_suffix('/').unwrap_or(path).split('/').skip(1);
        if segments.next() != Some("apis") {
            return None;
        }
        let group = match segments.next() {
            None => return Some(self.groups(request)),
            Some(name) => self.groups.iter().find(|group| group.name == name)?,
        };
        let Some(version) = segments.next() else {
            return Some(plain(request, &ApiGroup::new(group)));
        };
        let version = group.versions.iter().find(|one| **one == version);
        Some(match (version, segments.next()) {
            (Some(version), None) => plain(request, &ApiResourceList::new(group, version)),
            _ => Status::no_such_resource().respond(request),
        })
    }

    fn groups(&self, request: &Parts) -> Response<Bytes> {
        if let Some(refused) = refuse_method(request) {
            return refused;
        }
        let form = |_, conversion: Option<&Conversion>| match conversion {
            None => Some(Form::Plain),
            Some(wanted)
                if wanted.kind == aggregated::KIND && wanted.group == aggregated::GROUP =>
            {
                Release::of(&wanted.version).map(Form::Aggregated)
            }
            Some(_) => None,
        };
        match negotiate(request, form) {
            Err(error) => Status::not_acceptable(error).respond(request),
            Ok(negotiated) => match negotiated.transform {
                Form::Plain => respond(
                    StatusCode::OK,
                    &ApiGroupList::new(&self.groups),
                    &negotiated,
                ),
                Form::Aggregated(release) => self.aggregated(request, &negotiated, release),
            },
        }
    }

    fn aggregated(
        &self,
        request: &Parts,
        negotiated: &Negotiated<Form>,
        release: Release,
    ) -> Response<Bytes> {
        let [v2, v2beta1] = &self.aggregated;
        let (list, tag) = match release {
            Release::V2 => v2,
            Release::V2beta1 => v2beta1,
        };
        let media_type = negotiated.media_type;
        let content_type = release.content_type(media_type);
        let mut response = tag.answer(&request.headers, content_type, || {
            encode(list, media_type, negotiated.pretty)
        });
        response
            .headers_mut()
            .insert(CACHE_CONTROL, HeaderValue::from_static("public"));
        response
    }
}

fn plain(request: &Parts, object: &impl Object) -> Response<Bytes> {
    refuse_method(request).unwrap_or_else(|| match Negotiated::for_plain(request) {
        Ok(negotiated) => respond(StatusCode::OK, object, &negotiated),
        Err(error) => Status::not_acceptable(error).respond(request),
    })
}

fn refuse_method(request: &Parts) -> Option<Response<Bytes>> {
    (request.method != Method::GET).then(|| Status::method_not_allowed().respond(request))
}
