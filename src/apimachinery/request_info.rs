//! What a request asks for, as authorization and routing see it (`RequestInfo` of
//! `k8s.io/apiserver`).

use http::Method;

use super::query::{Query, decode_path_lossily};
use super::selector::LabelSelector;
use super::selector::{FieldRequirement, FieldSelector, LabelOperator, LabelRequirement};

/// A request taken apart by the rules of `RequestInfoFactory.NewRequestInfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestInfo {
    /// The path, percent-decoded once; bytes that are no UTF-8 are U+FFFD in it. Routing and
    /// authorization both read this one.
    pub path: String,
    /// The verb: `get`, `list`, `watch`, `create`… of a resource request (empty for methods that
    /// have none), the lower-case HTTP method otherwise.
    pub verb: String,
    /// What the request is about, when it is a resource request; `None` for paths such as
    /// `/metrics` or `/apis/G/V`.
    pub resource: Option<ResourceInfo>,
}

/// The parts of a resource request. What a request does not name is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceInfo {
    /// `api` or `apis`.
    pub prefix: String,
    /// The API group; empty under `/api`.
    pub group: String,
    /// The version in the URL.
    pub version: String,
    /// The namespace.
    pub namespace: String,
    /// The resource in the plural (`pods`).
    pub resource: String,
    /// The part after the name (`log`).
    pub subresource: String,
    /// The object's name, from the path or from a field selector that names exactly one.
    pub name: String,
    /// The path from the resource on, as segments: resource, name, subresource and whatever
    /// follows.
    pub parts: Vec<String>,
    /// The raw `fieldSelector` of a list, watch or deletecollection.
    pub field_selector: String,
    /// The raw `labelSelector` of a list, watch or deletecollection.
    pub label_selector: String,
}

/// A path no request info can be made from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// The percent-encoding is broken; Go's server answers 400 before any handler runs.
    #[error("invalid URL escape in the path")]
    Escape,
    /// A verb prefix (`watch`, `proxy`) stands where a resource should follow; Go answers 500.
    #[error("unable to determine kind and namespace from url, {0}")]
    NoResource(String),
}

impl RequestInfo {
    /// Takes a request apart. `path` is as it was sent, still percent-encoded.
    ///
    /// # Errors
    /// [`InvalidRequest`] when the path cannot be decoded, or ends after a verb prefix.
    pub fn new(method: &Method, path: &str, query: Option<&str>) -> Result<Self, InvalidRequest> {
        let path = decode_path_lossily(path)
            .map_err(|_| InvalidRequest::Escape)?
            .into_owned();
        let (verb, resource) = match split_prefix(&path) {
            Some((resource, parts)) => {
                let (verb, resource) = resource_request(method, &path, resource, &parts)?;
                let (verb, resource) = refine(verb, resource, &Query::parse(query));
                (verb.to_owned(), Some(resource))
            }
            None => (method.as_str().to_ascii_lowercase(), None),
        };
        Ok(Self {
            path,
            verb,
            resource,
        })
    }

    /// Whether this is a resource request.
    #[must_use]
    pub const fn is_resource_request(&self) -> bool {
        self.resource.is_some()
    }

    /// Whether the verb only reads: `get`, `list`, `watch`, and `head` and `options` of a path.
    /// Decides which in-flight limit applies.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        matches!(
            self.verb.as_str(),
            "get" | "list" | "watch" | "head" | "options"
        )
    }
}

impl ResourceInfo {
    /// The field requirements an authorizer is told of; none when the selector cannot be read,
    /// which asks a less restricted question.
    #[must_use]
    pub fn field_requirements(&self) -> Vec<FieldRequirement> {
        let selector = self.field_selector.parse::<FieldSelector>();
        selector.map_or_else(|_| Vec::new(), |s| s.requirements().to_vec())
    }

    /// The label requirements an authorizer is told of: none when the selector cannot be read, and
    /// no `>` and `<`, which SubjectAccessReview cannot express.
    #[must_use]
    pub fn label_requirements(&self) -> Vec<LabelRequirement> {
        let Ok(selector) = self.label_selector.parse::<LabelSelector>() else {
            return Vec::new();
        };
        let expressible = |one: &&LabelRequirement| {
            !matches!(
                one.operator,
                LabelOperator::GreaterThan(_) | LabelOperator::LessThan(_)
            )
        };
        selector
            .requirements()
            .iter()
            .filter(expressible)
            .cloned()
            .collect()
    }
}

/// What Heapster serves below the core group's prefix. These are no resources of that group, so
/// access to them is granted as to any other path (`nonResourceURLs`).
const HEAPSTER: [&str; 5] = [
    "model",
    "historical",
    "dashboard",
    "metric-export",
    "metric-export-schema",
];

/// Prefix, group and version of a resource path, and its other segments; `None` for any other path.
fn split_prefix(path: &str) -> Option<(ResourceInfo, Vec<&str>)> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (prefix, group, version, rest) = match parts.as_slice() {
        ["api", "v1", first, ..] if HEAPSTER.contains(first) => return None,
        ["api", version, rest @ ..] if !rest.is_empty() => ("api", "", version, rest),
        ["apis", group, version, rest @ ..] if !rest.is_empty() => ("apis", *group, version, rest),
        _ => return None,
    };
    let resource = ResourceInfo {
        prefix: prefix.to_owned(),
        group: group.to_owned(),
        version: (*version).to_owned(),
        ..ResourceInfo::default()
    };
    Some((resource, rest.to_vec()))
}

/// The verb the path or the method asks for, and the rest of the parts.
fn resource_request(
    method: &Method,
    path: &str,
    mut resource: ResourceInfo,
    parts: &[&str],
) -> Result<(&'static str, ResourceInfo), InvalidRequest> {
    let (verb, parts) = match parts {
        ["watch", rest @ ..] => ("watch", rest),
        ["proxy", rest @ ..] => ("proxy", rest),
        _ => (verb_of(method), parts),
    };
    let parts = match parts {
        [] => return Err(InvalidRequest::NoResource(path.to_owned())),
        ["namespaces", namespace, rest @ ..] => {
            resource.namespace = (*namespace).to_owned();
            match rest {
                // Subresources of the namespace itself.
                [] | ["status" | "finalize", ..] => parts,
                _ => rest,
            }
        }
        _ => parts,
    };
    let part = |at: usize| parts.get(at).copied().unwrap_or_default().to_owned();
    resource.resource = part(0);
    resource.name = part(1);
    if verb != "proxy" {
        resource.subresource = part(2);
    }
    resource.parts = parts.iter().map(|part| (*part).to_owned()).collect();
    Ok((verb, resource))
}

fn verb_of(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" | "HEAD" => "get",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "",
    }
}

/// Turns a nameless get into list or watch and a nameless delete into deletecollection, and reads
/// the selectors of those three. A `watch` that stands in the path has none.
fn refine(
    verb: &'static str,
    mut resource: ResourceInfo,
    query: &Query,
) -> (&'static str, ResourceInfo) {
    let verb = match verb {
        "get" if resource.name.is_empty() && query.flag("watch") => "watch",
        "get" if resource.name.is_empty() => "list",
        "delete" if resource.name.is_empty() => "deletecollection",
        verb => return (verb, resource),
    };
    let first = |key| query.first(key).unwrap_or_default().to_owned();
    resource.field_selector = first("fieldSelector");
    resource.label_selector = first("labelSelector");
    if verb != "deletecollection" && decodes(query) {
        let selector = resource.field_selector.parse::<FieldSelector>();
        let name = selector
            .as_ref()
            .ok()
            .and_then(|s| s.exact("metadata.name"));
        if let Some(name) = name.filter(|name| is_path_segment_name(name)) {
            resource.name = name.to_owned();
        }
    }
    (verb, resource)
}

/// Go takes the name from the selector only when all list options decode.
fn decodes(query: &Query) -> bool {
    let label_selector = query.first("labelSelector").unwrap_or_default();
    let is_number = |key| {
        query
            .first(key)
            .is_none_or(|text| text.parse::<i64>().is_ok())
    };
    is_number("limit")
        && is_number("timeoutSeconds")
        && label_selector.parse::<LabelSelector>().is_ok()
}

/// `path.IsValidPathSegmentName`.
fn is_path_segment_name(name: &str) -> bool {
    !matches!(name, "." | "..") && !name.contains(['/', '%'])
}

#[cfg(test)]
mod tests {
    use super::super::selector::FieldOperator;
    use super::*;

    fn info(method: &str, uri: &str) -> RequestInfo {
        let (path, query) = uri
            .split_once('?')
            .map_or((uri, None), |(path, query)| (path, Some(query)));
        RequestInfo::new(&method.parse().unwrap(), path, query).unwrap()
    }

    /// verb, namespace, resource, subresource, name
    fn summary(method: &str, tail: &str) -> [String; 5] {
        let info = info(method, &format!("/apis/metrics.k8s.io/v1beta1/{tail}"));
        let r = info.resource.unwrap();
        assert_eq!(
            (r.prefix.as_str(), r.group.as_str(), r.version.as_str()),
            ("apis", "metrics.k8s.io", "v1beta1")
        );
        [info.verb, r.namespace, r.resource, r.subresource, r.name]
    }

    #[test]
    fn resource_requests_are_told_apart_by_path_method_and_query() {
        for (method, tail, expected) in [
            ("GET", "nodes", ["list", "", "nodes", "", ""]),
            ("GET", "nodes/", ["list", "", "nodes", "", ""]),
            ("GET", "nodes/n1", ["get", "", "nodes", "", "n1"]),
            ("HEAD", "nodes/n1", ["get", "", "nodes", "", "n1"]),
            ("GET", "pods", ["list", "", "pods", "", ""]),
            ("GET", "namespaces/a/pods", ["list", "a", "pods", "", ""]),
            ("GET", "namespaces/a/pods/p", ["get", "a", "pods", "", "p"]),
            ("GET", "namespaces/a", ["get", "a", "namespaces", "", "a"]),
            (
                "GET",
                "namespaces/a/status",
                ["get", "a", "namespaces", "status", "a"],
            ),
            ("GET", "namespaces", ["list", "", "namespaces", "", ""]),
            ("GET", "nodes/n1/x/y", ["get", "", "nodes", "x", "n1"]),
            ("GET", "pods?watch=true", ["watch", "", "pods", "", ""]),
            ("GET", "pods?watch=0", ["list", "", "pods", "", ""]),
            ("GET", "pods?limit=x&watch=1", ["watch", "", "pods", "", ""]),
            ("GET", "watch/nodes", ["watch", "", "nodes", "", ""]),
            ("GET", "proxy/nodes/n1/x", ["proxy", "", "nodes", "", "n1"]),
            ("POST", "nodes", ["create", "", "nodes", "", ""]),
            ("PUT", "nodes/n1", ["update", "", "nodes", "", "n1"]),
            ("PATCH", "nodes/n1", ["patch", "", "nodes", "", "n1"]),
            ("DELETE", "nodes/n1", ["delete", "", "nodes", "", "n1"]),
            ("DELETE", "nodes", ["deletecollection", "", "nodes", "", ""]),
            ("OPTIONS", "nodes", ["", "", "nodes", "", ""]),
            ("GET", "nodes/a%20b", ["get", "", "nodes", "", "a b"]),
            ("GET", "/nodes", ["get", "", "", "", "nodes"]),
        ] {
            assert_eq!(summary(method, tail), expected, "{method} {tail}");
        }
    }

    #[test]
    fn paths_of_fewer_than_four_parts_are_no_resources() {
        for (method, path, verb) in [
            ("GET", "/metrics", "get"),
            ("GET", "/apis/metrics.k8s.io/v1beta1", "get"),
            ("GET", "/apis/metrics.k8s.io/v1beta1/", "get"),
            ("POST", "/", "post"),
            ("HEAD", "/readyz/ping", "head"),
            ("GET", "/api/v1", "get"),
            ("GET", "/other/a/b/c/d", "get"),
        ] {
            let info = info(method, path);
            assert_eq!((info.verb.as_str(), info.resource), (verb, None), "{path}");
            assert_eq!(info.path, path);
        }
    }

    #[test]
    fn the_core_api_has_no_group() {
        let info = info("GET", "/api/v1/pods");
        let resource = info.resource.unwrap();
        assert_eq!(
            (resource.group.as_str(), resource.version.as_str()),
            ("", "v1")
        );
        assert_eq!(resource.resource, "pods");
    }

    #[test]
    fn heapsters_paths_are_no_resources_of_the_core_group() {
        for path in [
            "/api/v1/model/namespaces/a/pods",
            "/api/v1/historical/nodes",
            "/api/v1/dashboard/nodes/n/metrics/cpu/usage_rate",
            "/api/v1/metric-export",
            "/api/v1/metric-export-schema",
        ] {
            let info = info("GET", path);
            assert_eq!((info.verb.as_str(), info.resource), ("get", None), "{path}");
        }
    }

    #[test]
    fn a_selector_for_one_name_names_the_object_but_stays_a_list() {
        for (query, name) in [
            ("fieldSelector=metadata.name%3Dn1", "n1"),
            ("fieldSelector=metadata.name!%3Dn1", ""),
            ("fieldSelector=metadata.name%3D..", ""),
            ("fieldSelector=metadata.name%3Da%2Fb", ""),
            ("fieldSelector=metadata.name%3Dn1&limit=x", ""),
            ("fieldSelector=nonsense", ""),
        ] {
            let [verb, .., found] = summary("GET", &format!("nodes?{query}"));
            assert_eq!((verb.as_str(), found.as_str()), ("list", name), "{query}");
        }
    }

    #[test]
    fn authorizers_are_told_the_requirements_they_can_express() {
        let get = |query: &str| {
            info("GET", &format!("/apis/g/v/pods?{query}"))
                .resource
                .unwrap()
        };
        let pods = get("labelSelector=app%20in%20(b,a),!x,n%3E3&fieldSelector=metadata.name%3Dp");
        let labels = pods.label_requirements();
        assert_eq!(
            labels[0].operator,
            LabelOperator::In(vec!["a".into(), "b".into()])
        );
        assert_eq!(labels[1].operator, LabelOperator::DoesNotExist);
        assert_eq!(labels.len(), 2);
        let fields = pods.field_requirements();
        assert_eq!(fields[0].field.as_ref(), "metadata.name");
        assert_eq!(
            (fields[0].operator, fields[0].value.as_ref()),
            (FieldOperator::Equals, "p")
        );
        let unreadable = get("labelSelector=%3D&fieldSelector=x");
        assert!(unreadable.label_requirements().is_empty());
        assert!(unreadable.field_requirements().is_empty());
    }

    #[test]
    fn a_get_by_name_carries_no_selectors() {
        let info = info("GET", "/apis/g/v/nodes/n1?labelSelector=a&watch=1");
        let resource = info.resource.unwrap();
        assert_eq!(
            (info.verb.as_str(), resource.label_selector.as_str()),
            ("get", "")
        );
    }

    #[test]
    fn what_cannot_be_taken_apart_is_an_error() {
        let get = |path: &str| RequestInfo::new(&Method::GET, path, None);
        assert_eq!(get("/apis/%zz"), Err(InvalidRequest::Escape));
        let no_resource = InvalidRequest::NoResource("/apis/g/v/watch".to_owned());
        assert_eq!(get("/apis/g/v/watch"), Err(no_resource));
    }
}
