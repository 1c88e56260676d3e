use http::Request;
use k8s_pb::api::apidiscovery::v2 as apidiscovery;
use k8s_pb::apimachinery::pkg::apis::meta::v1 as meta;
use k8s_pb::apimachinery::pkg::runtime::Unknown;
use prost::Message as _;
use serde_json::{Value, json};

use super::*;
use crate::api::metrics::GROUP;

const V2: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const V2BETA1: &str = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
const V9: &str = "application/json;g=apidiscovery.k8s.io;v=v9;as=APIGroupDiscoveryList";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const PATHS: [&str; 4] = [
    "/apis",
    "/apis/metrics.k8s.io",
    "/apis/metrics.k8s.io/v1",
    "/apis/metrics.k8s.io/v1beta1",
];

fn ask(method: &str, path: &str, headers: &[(&str, &str)]) -> Option<Response<Bytes>> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    Discovery::new(&[GROUP]).answer(parts.uri.path(), &parts)
}

fn get(path: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
    ask("GET", path, headers).unwrap_or_else(|| panic!("{path} is not answered"))
}

fn text(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

/// The message behind the envelope, which must name this kind of `v1`.
fn unwrap(response: &Response<Bytes>, kind: &str, api_version: &str) -> Vec<u8> {
    let envelope = response.body().strip_prefix(b"k8s\0").unwrap();
    let unknown = Unknown::decode(envelope).unwrap();
    let type_meta = unknown.type_meta.unwrap();
    assert_eq!(type_meta.kind(), kind);
    assert_eq!(type_meta.api_version(), api_version);
    unknown.raw.unwrap()
}

#[test]
fn the_group_list_is_what_clients_of_old_read() {
    let response = get("/apis", &[]);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(
        text(&response),
        concat!(
            r#"{"kind":"APIGroupList","apiVersion":"v1","groups":[{"name":"metrics.k8s.io","versions":["#,
            r#"{"groupVersion":"metrics.k8s.io/v1","version":"v1"},"#,
            r#"{"groupVersion":"metrics.k8s.io/v1beta1","version":"v1beta1"}],"#,
            r#""preferredVersion":{"groupVersion":"metrics.k8s.io/v1","version":"v1"}}]}"#,
            "\n"
        )
    );
}

#[test]
fn the_group_names_both_versions_and_prefers_v1() {
    assert_eq!(
        text(&get("/apis/metrics.k8s.io", &[])),
        concat!(
            r#"{"kind":"APIGroup","apiVersion":"v1","name":"metrics.k8s.io","versions":["#,
            r#"{"groupVersion":"metrics.k8s.io/v1","version":"v1"},"#,
            r#"{"groupVersion":"metrics.k8s.io/v1beta1","version":"v1beta1"}],"#,
            r#""preferredVersion":{"groupVersion":"metrics.k8s.io/v1","version":"v1"}}"#,
            "\n"
        )
    );
}

#[test]
fn each_version_has_two_resources_without_singular_or_short_names() {
    for version in ["v1", "v1beta1"] {
        let path = format!("/apis/metrics.k8s.io/{version}");
        let expected = format!(
            concat!(
                r#"{{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"metrics.k8s.io/{}","resources":["#,
                r#"{{"name":"nodes","singularName":"","namespaced":false,"kind":"NodeMetrics","verbs":["get","list","watch"]}},"#,
                r#"{{"name":"pods","singularName":"","namespaced":true,"kind":"PodMetrics","verbs":["get","list","watch"]}}]}}"#,
                "\n"
            ),
            version
        );
        assert_eq!(text(&get(&path, &[])), expected);
        assert_eq!(text(&get(&format!("{path}/"), &[])), expected);
    }
}

#[test]
fn the_plain_forms_read_back_from_protobuf() {
    let accept = [("accept", PROTOBUF)];
    let response = get("/apis/metrics.k8s.io/v1beta1", &accept);
    assert_eq!(response.headers()["content-type"], PROTOBUF);
    let raw = unwrap(&response, "APIResourceList", "v1");
    let list = meta::APIResourceList::decode(raw.as_slice()).unwrap();
    assert_eq!(list.group_version(), "metrics.k8s.io/v1beta1");
    let told: Vec<_> = list
        .resources
        .iter()
        .map(|one| {
            (
                one.name(),
                one.kind(),
                one.namespaced(),
                one.singular_name(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("nodes", "NodeMetrics", false, ""),
            ("pods", "PodMetrics", true, "")
        ]
    );
    for resource in &list.resources {
        assert_eq!(
            resource.verbs.as_ref().unwrap().items,
            ["get", "list", "watch"]
        );
        assert!(resource.short_names.is_empty());
    }

    let raw = unwrap(&get("/apis", &accept), "APIGroupList", "v1");
    let list = meta::APIGroupList::decode(raw.as_slice()).unwrap();
    let raw = unwrap(&get("/apis/metrics.k8s.io", &accept), "APIGroup", "v1");
    let group = meta::APIGroup::decode(raw.as_slice()).unwrap();
    assert_eq!(list.groups, std::slice::from_ref(&group));
    assert_eq!(group.name(), "metrics.k8s.io");
    let versions: Vec<&str> = group
        .versions
        .iter()
        .map(|one| one.group_version())
        .collect();
    assert_eq!(versions, ["metrics.k8s.io/v1", "metrics.k8s.io/v1beta1"]);
    assert_eq!(group.preferred_version.unwrap().version(), "v1");
}

#[test]
fn yaml_says_the_same_as_json() {
    for path in PATHS {
        let json: Value = serde_json::from_slice(get(path, &[]).body()).unwrap();
        let response = get(path, &[("accept", "application/yaml")]);
        assert_eq!(response.headers()["content-type"], "application/yaml");
        let yaml: Value = serde_saphyr::from_str(text(&response)).unwrap();
        assert_eq!(yaml, json, "{path}");
    }
}

#[test]
fn the_aggregated_form_is_tagged_and_never_holds_a_null_kind() {
    let response = get("/apis", &[("accept", V2)]);
    assert_eq!(response.status(), 200);
    let headers = response.headers();
    assert_eq!(headers["content-type"], V2);
    assert_eq!(headers["vary"], "Accept");
    assert_eq!(headers["cache-control"], "public");
    let tag = headers["etag"].to_str().unwrap();
    assert_eq!(tag.len(), 2 + 128);
    assert!(
        tag[1..129]
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b))
    );
    let resources = json!([
        {"resource":"nodes","responseKind":{"group":"","version":"","kind":"NodeMetrics"},
         "scope":"Cluster","singularResource":"","verbs":["get","list","watch"]},
        {"resource":"pods","responseKind":{"group":"","version":"","kind":"PodMetrics"},
         "scope":"Namespaced","singularResource":"","verbs":["get","list","watch"]},
    ]);
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(
        body,
        json!({
            "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {},
            "items": [{"metadata": {"name": "metrics.k8s.io"}, "versions": [
                {"version": "v1", "resources": resources, "freshness": "Current"},
                {"version": "v1beta1", "resources": resources, "freshness": "Current"},
            ]}],
        })
    );
}

#[test]
fn the_aggregated_form_reads_back_from_protobuf() {
    let accept =
        "application/vnd.kubernetes.protobuf;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let response = get("/apis", &[("accept", accept)]);
    assert_eq!(response.headers()["content-type"], accept);
    let raw = unwrap(&response, "APIGroupDiscoveryList", "apidiscovery.k8s.io/v2");
    let list = apidiscovery::APIGroupDiscoveryList::decode(raw.as_slice()).unwrap();
    let group = &list.items[0];
    assert_eq!(group.metadata.as_ref().unwrap().name(), "metrics.k8s.io");
    let versions: Vec<_> = group
        .versions
        .iter()
        .map(|one| (one.version(), one.freshness()))
        .collect();
    assert_eq!(versions, [("v1", "Current"), ("v1beta1", "Current")]);
    let pods = &group.versions[1].resources[1];
    assert_eq!((pods.resource(), pods.scope()), ("pods", "Namespaced"));
    assert_eq!(pods.response_kind.as_ref().unwrap().kind(), "PodMetrics");
    assert_eq!(pods.verbs, ["get", "list", "watch"]);
}

#[test]
fn who_knows_the_document_is_answered_without_it() {
    for accept in [V2, V2BETA1] {
        let first = get("/apis", &[("accept", accept)]);
        let tag = first.headers()["etag"].to_str().unwrap();
        let known = get("/apis", &[("accept", accept), ("if-none-match", tag)]);
        assert_eq!((known.status().as_u16(), known.body().len()), (304, 0));
        assert_eq!(known.headers()["etag"], tag);
        let stale = get("/apis", &[("accept", accept), ("if-none-match", "\"AB\"")]);
        assert_eq!(
            (stale.status(), stale.body()),
            (StatusCode::OK, first.body())
        );
    }
}

#[test]
fn the_first_form_a_client_accepts_and_we_have_is_sent() {
    let nopeer = format!("{V2};profile=nopeer");
    for (accept, content_type) in [
        (format!("{V2},{V2BETA1},application/json"), V2),
        (format!("{V2BETA1},application/json"), V2BETA1),
        (V2BETA1.to_owned(), V2BETA1),
        (nopeer, V2),
        (format!("{V9},{V2BETA1}"), V2BETA1),
        (format!("{V9},application/json"), "application/json"),
    ] {
        let response = get("/apis", &[("accept", &accept)]);
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], content_type, "{accept}");
    }
    let beta = get("/apis", &[("accept", V2BETA1)]);
    let body: Value = serde_json::from_slice(beta.body()).unwrap();
    assert_eq!(body["apiVersion"], "apidiscovery.k8s.io/v2beta1");
}

#[test]
fn what_nobody_serves_is_not_acceptable() {
    let other_group = "application/json;g=example.com;v=v2;as=APIGroupDiscoveryList";
    for (path, accept) in [
        ("/apis", V9),
        ("/apis", other_group),
        ("/apis", "text/html"),
        ("/apis/metrics.k8s.io", V2),
        ("/apis/metrics.k8s.io/v1", "application/cbor"),
    ] {
        let response = get(path, &[("accept", accept)]);
        assert_eq!(response.status(), 406, "{path} {accept}");
        let status: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(status["reason"], "NotAcceptable", "{path} {accept}");
    }
}

#[test]
fn only_get_is_allowed() {
    for path in PATHS {
        for method in ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let response = ask(method, path, &[]).unwrap();
            assert_eq!(response.status(), 405, "{method} {path}");
            assert_eq!(response.headers()["allow"], "GET");
        }
    }
}

#[test]
fn paths_of_nobody_are_left_to_others() {
    for path in ["/", "/api", "/apis/nope", "/apis//metrics.k8s.io", "/apisx"] {
        assert!(ask("GET", path, &[]).is_none(), "{path}");
    }
}

#[test]
fn what_is_not_there_below_a_group_is_not_found_in_kubernetes_words() {
    for path in [
        "/apis/metrics.k8s.io/v2",
        "/apis/metrics.k8s.io/v2/nodes",
        "/apis/metrics.k8s.io/v1alpha1/nodes/n1",
        "/apis/metrics.k8s.io//v1",
    ] {
        for method in ["GET", "POST"] {
            let response = ask(method, path, &[]).unwrap();
            assert_eq!(response.status(), 404, "{method} {path}");
            let words = r#""message":"the server could not find the requested resource","reason":"NotFound","details":{}"#;
            assert!(text(&response).contains(words), "{path}: {response:?}");
        }
    }
}
