//! `get` and `list`.

use http::{Response, StatusCode};
use serde_json::json;

use super::render::{self, Form};
use super::route::{Query, Resource};
use super::selector::{FieldSelector, LabelSelector};
use super::status;
use crate::lab::World;
use crate::lab::serve::{Body, answer};
use crate::lab::world::{Kind, Object, PodKey};

/// The most objects a list shows in full.
const LARGE: usize = 20_000;

/// Which objects of one kind a list or watch is about.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    pub(super) kind: Kind,
    namespace: Option<String>,
    labels: LabelSelector,
    fields: FieldSelector,
}

impl Selection {
    /// `None` when there is no such resource here.
    pub(super) fn parse(resource: &Resource<'_>, query: &Query) -> Result<Option<Self>, String> {
        let Some(kind) = core_kind(resource) else {
            return Ok(None);
        };
        Ok(Some(Self {
            kind,
            namespace: resource.namespace.map(str::to_owned),
            labels: LabelSelector::parse(query.value("labelSelector").unwrap_or_default())?,
            fields: FieldSelector::parse(query.value("fieldSelector").unwrap_or_default())?,
        }))
    }

    pub(super) fn matches(&self, object: &Object) -> bool {
        let meta = object.meta();
        object.kind() == self.kind
            && self.namespace.as_ref().is_none_or(|n| *n == meta.namespace)
            && self.labels.matches(&meta.labels)
            && self.fields.matches(object)
    }
}

fn core_kind(resource: &Resource<'_>) -> Option<Kind> {
    if !resource.group.is_empty() || resource.version != "v1" {
        return None;
    }
    Kind::from_resource(resource.resource)
}

pub(super) fn get(world: &World, resource: &Resource<'_>, form: Form) -> Response<Body> {
    let Some(kind) = core_kind(resource) else {
        return status::not_found();
    };
    let name = resource.name.unwrap_or_default();
    let namespace = resource.namespace.unwrap_or_default();
    match world.get(kind, namespace, name) {
        Some(object) => {
            let value = render::object(&object, object.meta().version, form);
            answer(StatusCode::OK, "application/json", value.to_string())
        }
        None => status::no_such_object(resource.resource, name),
    }
}

pub(super) fn list(
    world: &World,
    selection: &Selection,
    query: &Query,
    form: Form,
) -> Response<Body> {
    let token = query.value("continue").and_then(parse_token);
    let limit = query.number("limit").and_then(|l| usize::try_from(l).ok());
    let limit = limit.filter(|l| *l > 0).unwrap_or(usize::MAX);
    let after = token.as_ref().map(|(_, key)| key);
    let page = world.page(selection.kind, after, limit, |o| selection.matches(o));
    // A later page is as old as the first, so that a watch from it misses nothing.
    let revision = token
        .as_ref()
        .map_or(page.revision, |(revision, _)| *revision);
    let mut metadata = json!({ "resourceVersion": revision.to_string() });
    if page.more
        && let Some(last) = page.objects.last()
    {
        let meta = last.meta();
        let token = format!("{revision}/{}/{}", meta.namespace, meta.name);
        if let Some(fields) = metadata.as_object_mut() {
            fields.insert("continue".to_owned(), token.into());
        }
    }
    let (kind, version) = form.list_kind(selection.kind);
    if page.objects.len() > LARGE {
        let mut text = format!(
            r#"{{"kind":"{kind}","apiVersion":"{version}","metadata":{metadata},"items":["#
        );
        for (number, object) in page.objects.iter().enumerate() {
            if number > 0 {
                text.push(',');
            }
            if let Object::Pod(pod) = object {
                render::lean_pod(pod, form, &mut text);
            } else {
                text += &render::object(object, object.meta().version, form).to_string();
            }
        }
        text += "]}";
        return answer(StatusCode::OK, "application/json", text);
    }
    let items: Vec<_> = page
        .objects
        .iter()
        .map(|o| render::object(o, o.meta().version, form))
        .collect();
    let list = json!({
        "kind": kind, "apiVersion": version, "metadata": metadata, "items": items,
    });
    answer(StatusCode::OK, "application/json", list.to_string())
}

fn parse_token(token: &str) -> Option<(u64, PodKey)> {
    let mut parts = token.splitn(3, '/');
    let revision = parts.next()?.parse().ok()?;
    let namespace = parts.next()?.to_owned();
    Some((revision, (namespace, parts.next()?.to_owned())))
}
