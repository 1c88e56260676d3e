//! Discovery: the lab's own few groups, and the aggregated one beside them.

use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::aggregator::{Aggregator, GROUP};
use super::status;
use crate::lab::serve::{Body, answer};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Name, singular, kind, short name, namespaced, verbs.
type Entry = (&'static str, &'static str, &'static str, &'static str, bool);

const CORE: [Entry; 4] = [
    ("configmaps", "configmap", "ConfigMap", "cm", true),
    ("namespaces", "namespace", "Namespace", "ns", false),
    ("nodes", "node", "Node", "no", false),
    ("pods", "pod", "Pod", "po", true),
];

/// Group, resource, kind.
const REVIEWS: [(&str, &str, &str); 2] = [
    ("authentication.k8s.io", "tokenreviews", "TokenReview"),
    (
        "authorization.k8s.io",
        "subjectaccessreviews",
        "SubjectAccessReview",
    ),
];

/// `GET /version`.
pub(super) fn version() -> Response<Body> {
    let version = json!({
        "major": "1", "minor": "37", "gitVersion": "v1.37.1", "gitCommit": "", "gitTreeState": "",
        "buildDate": "", "goVersion": "", "compiler": "lab", "platform": "linux/amd64",
    });
    answer(StatusCode::OK, "application/json", version.to_string())
}

/// Everything below `/api`, `/apis` and `/openapi`.
pub(super) async fn document(path: &str, accept: &str, aggregator: &Aggregator) -> Response<Body> {
    let aggregated = accept.contains("g=apidiscovery.k8s.io;v=v2;");
    let document = match path.trim_end_matches('/') {
        "/api" if aggregated => return aggregated_reply(vec![core_group()]),
        "/apis" if aggregated => {
            let mut groups: Vec<Value> = REVIEWS.iter().map(review_group).collect();
            groups.extend(aggregator.discover().await);
            return aggregated_reply(groups);
        }
        "/api" => json!({ "kind": "APIVersions", "versions": ["v1"] }),
        "/api/v1" => core_resources(),
        "/apis" => {
            let groups = REVIEWS
                .iter()
                .map(|(group, _, _)| legacy_group(group, &["v1".to_owned()]));
            let mut groups: Vec<Value> = groups.collect();
            groups.extend(registered(aggregator));
            json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
        }
        "/openapi/v3" => aggregator.openapi_paths().await,
        path => match named(path, aggregator) {
            Some(document) => document,
            None => return status::not_found(),
        },
    };
    answer(StatusCode::OK, "application/json", document.to_string())
}

fn named(path: &str, aggregator: &Aggregator) -> Option<Value> {
    let path = path.strip_prefix("/apis/")?;
    if path == GROUP {
        return registered(aggregator);
    }
    let (group, version) = path.split_once('/').unwrap_or((path, ""));
    let (_, resource, kind) = REVIEWS.iter().find(|(g, _, _)| *g == group)?;
    if version.is_empty() {
        return Some(legacy_group(group, &["v1".to_owned()]));
    }
    let entry = json!({
        "name": resource, "singularName": "", "namespaced": false, "kind": kind, "verbs": ["create"],
    });
    Some(resource_list(&format!("{group}/v1"), vec![entry]))
}

fn registered(aggregator: &Aggregator) -> Option<Value> {
    let versions = aggregator.versions();
    (!versions.is_empty()).then(|| legacy_group(GROUP, &versions))
}

fn legacy_group(group: &str, versions: &[String]) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|v| json!({ "groupVersion": format!("{group}/{v}"), "version": v }))
        .collect();
    json!({
        "kind": "APIGroup", "apiVersion": "v1", "name": group,
        "preferredVersion": versions.first(), "versions": versions,
    })
}

fn core_resources() -> Value {
    let entries = CORE
        .iter()
        .map(|(name, singular, kind, short, namespaced)| {
            json!({
                "name": name, "singularName": singular, "namespaced": namespaced, "kind": kind,
                "verbs": ["get", "list", "watch"], "shortNames": [short],
            })
        });
    resource_list("v1", entries.collect())
}

fn resource_list(group_version: &str, resources: Vec<Value>) -> Value {
    json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version,
        "resources": resources,
    })
}

fn core_group() -> Value {
    let resources: Vec<Value> = CORE
        .iter()
        .map(|(name, singular, kind, short, namespaced)| {
            let scope = if *namespaced { "Namespaced" } else { "Cluster" };
            json!({
                "resource": name, "singularResource": singular, "scope": scope,
                "responseKind": { "group": "", "version": "v1", "kind": kind },
                "verbs": ["get", "list", "watch"], "shortNames": [short],
            })
        })
        .collect();
    group_discovery("", resources)
}

fn review_group((group, resource, kind): &(&str, &str, &str)) -> Value {
    let resource = json!({
        "resource": resource, "singularResource": "", "scope": "Cluster",
        "responseKind": { "group": group, "version": "v1", "kind": kind }, "verbs": ["create"],
    });
    group_discovery(group, vec![resource])
}

fn group_discovery(group: &str, resources: Vec<Value>) -> Value {
    let version = json!({ "version": "v1", "resources": resources, "freshness": "Current" });
    json!({ "metadata": { "name": group }, "versions": [version] })
}

fn aggregated_reply(items: Vec<Value>) -> Response<Body> {
    let document = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {}, "items": items,
    });
    let mut response = answer(StatusCode::OK, AGGREGATED, document.to_string());
    let vary = HeaderValue::from_static("Accept");
    response.headers_mut().insert(header::VARY, vary);
    response
}
