use http::Request;

use super::*;
use crate::api::metrics::GROUP;

pub(super) const GROUPS: [Group; 1] = [GROUP];

/// 2026-01-02T03:04:05Z.
const NOW: i64 = 1_767_323_045_000;

#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(NOW)
    }

    fn monotonic(&self) -> std::time::Instant {
        unreachable!("documents are dated by the wall clock")
    }
}

fn ask(path: &str, headers: &[(&str, &str)]) -> Option<Response<Bytes>> {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    OpenApi::new(&GROUPS, "v0.1.0", Arc::new(Stopped)).answer(parts.uri.path(), &parts)
}

fn get(path: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
    ask(path, headers).unwrap_or_else(|| panic!("{path} is not answered"))
}

fn body(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

#[test]
fn the_index_of_v3_names_each_version_with_the_hash_of_its_document() {
    let index = body(&get("/openapi/v3", &[]));
    let paths = index["paths"].as_object().unwrap();
    let keys: Vec<&str> = paths.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "apis/metrics.k8s.io",
            "apis/metrics.k8s.io/v1",
            "apis/metrics.k8s.io/v1beta1"
        ]
    );
    for entry in paths.values() {
        let url = entry["serverRelativeURL"].as_str().unwrap();
        let response = get(url, &[]);
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["cache-control"], "public, immutable");
        assert_eq!(
            response.headers()["expires"],
            "Sat, 02 Jan 2027 03:04:05 GMT"
        );
        assert_eq!(response.headers()["content-type"], "application/json");
        let tag = Tag::of(response.body());
        let hash = tag.hash();
        assert!(url.ends_with(&format!("?hash={hash}")), "{url}");
        assert_eq!(response.headers()["etag"], format!("\"{hash}\""));
    }
}

#[test]
fn a_stale_hash_is_answered_with_the_newest_document() {
    for url in [
        "/openapi/v3/apis/metrics.k8s.io/v1?hash=00",
        "/openapi/v3/apis/metrics.k8s.io/v1",
    ] {
        let response = get(url, &[]);
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers().get("cache-control"), None);
        assert_eq!(body(&response)["openapi"], "3.0.0");
    }
}

#[test]
fn what_is_not_described_is_not_answered() {
    for path in [
        "/openapi/v3/apis/nope/v1",
        "/openapi/v3/",
        "/openapi/v3/apis",
        "/openapi/v4",
        "/openapi",
    ] {
        assert!(ask(path, &[]).is_none(), "{path}");
    }
}

#[test]
fn documents_cannot_be_written() {
    let request = Request::post("/openapi/v2").body(()).unwrap();
    let (parts, ()) = request.into_parts();
    let open_api = OpenApi::new(&GROUPS, "v0.1.0", Arc::new(Stopped));
    assert_eq!(
        open_api.answer("/openapi/v2", &parts).unwrap().status(),
        405
    );
}

#[test]
fn v2_comes_in_the_form_the_client_accepts() {
    const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
    for (accept, content_type) in [
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        (PROTOBUF, PROTOBUF),
        (
            "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
            PROTOBUF,
        ),
    ] {
        let response = get("/openapi/v2", &[("accept", accept)]);
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], content_type);
        assert_eq!(response.headers()["vary"], "Accept");
        assert_eq!(
            response.headers()["last-modified"],
            "Fri, 02 Jan 2026 03:04:05 GMT"
        );
        let tag = response.headers()["etag"].to_str().unwrap();
        let again = get("/openapi/v2", &[("accept", accept), ("if-none-match", tag)]);
        assert_eq!((again.status().as_u16(), again.body().len()), (304, 0));
        assert_eq!(again.headers()["etag"], tag);
    }
    let response = get("/openapi/v2", &[("accept", "text/html")]);
    assert_eq!(
        (response.status().as_u16(), response.body().len()),
        (406, 0)
    );
}

#[test]
fn v3_comes_as_protobuf_too() {
    const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf";
    let path = "/openapi/v3/apis/metrics.k8s.io/v1beta1";
    let response = get(path, &[("accept", PROTOBUF)]);
    assert_eq!(response.headers()["content-type"], PROTOBUF);
    assert_eq!(get(path, &[("accept", "text/html")]).status(), 406);
}

/// What `kubectl explain` looks for: the resource's path, the kind it is about, and the one schema
/// of that kind.
#[test]
fn explain_finds_each_kind_from_its_path() {
    for version in ["v1", "v1beta1"] {
        let document = body(&get(
            &format!("/openapi/v3/apis/metrics.k8s.io/{version}"),
            &[],
        ));
        for (path, kind) in [
            ("nodes", "NodeMetrics"),
            ("nodes/{name}", "NodeMetrics"),
            ("pods", "PodMetrics"),
            ("namespaces/{namespace}/pods", "PodMetrics"),
            ("namespaces/{namespace}/pods/{name}", "PodMetrics"),
        ] {
            let path = format!("/apis/metrics.k8s.io/{version}/{path}");
            let wanted = json!({ "group": "metrics.k8s.io", "version": version, "kind": kind });
            let get = &document["paths"][&path]["get"];
            assert_eq!(get["x-kubernetes-group-version-kind"], wanted, "{path}");
            let action = if path.ends_with("{name}") {
                "get"
            } else {
                "list"
            };
            assert_eq!(get["x-kubernetes-action"], action, "{path}");
            let schemas = document["components"]["schemas"].as_object().unwrap();
            let of_kind: Vec<_> = schemas
                .values()
                .filter(|schema| schema["x-kubernetes-group-version-kind"] == json!([wanted]))
                .collect();
            assert_eq!(of_kind.len(), 1, "{path}");
            assert!(of_kind[0]["properties"]["timestamp"]["description"].is_string());
        }
    }
}

#[test]
fn v2_holds_both_versions() {
    let document = body(&get("/openapi/v2", &[]));
    for version in ["v1", "v1beta1"] {
        let name = format!("io.k8s.metrics.pkg.apis.metrics.{version}.PodMetrics");
        let definition = &document["definitions"][&name];
        assert_eq!(
            definition["x-kubernetes-group-version-kind"],
            json!([{ "group": "metrics.k8s.io", "version": version, "kind": "PodMetrics" }])
        );
        assert_eq!(
            definition["required"],
            json!(["containers", "timestamp", "window"])
        );
        let path = format!("/apis/metrics.k8s.io/{version}/namespaces/{{namespace}}/pods/{{name}}");
        let operation = &document["paths"][&path]["get"];
        assert_eq!(
            operation["responses"]["200"]["schema"]["$ref"],
            format!("#/definitions/{name}")
        );
    }
}

#[test]
fn every_reference_leads_somewhere_and_no_operation_shares_its_id() {
    let mut documents = vec![body(&get("/openapi/v2", &[]))];
    for place in ["", "/v1", "/v1beta1"] {
        documents.push(body(&get(
            &format!("/openapi/v3/apis/metrics.k8s.io{place}"),
            &[],
        )));
    }
    for document in documents {
        let (mut references, mut ids) = (Vec::new(), Vec::new());
        collect(&document, "$ref", &mut references);
        collect(&document, "operationId", &mut ids);
        assert!(!references.is_empty() && !ids.is_empty());
        for reference in references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        let all = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), all, "{ids:?}");
    }
}

fn collect(value: &Value, member: &str, found: &mut Vec<String>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        if name == member {
            found.push(value.as_str().unwrap().to_owned());
        }
        collect(value, member, found);
    }
    for element in value.as_array().into_iter().flatten() {
        collect(element, member, found);
    }
}
