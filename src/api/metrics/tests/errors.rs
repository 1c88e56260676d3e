//! What is not there, not allowed or not understood.

use super::*;

fn failure(served: &Served, method: &str, tail: &str, accept: &str) -> (u16, Value) {
    let uri = format!("/apis/metrics.k8s.io/v1beta1/{tail}");
    let response = served.call(method, &uri, &[("accept", accept)]);
    let status: Value = serde_json::from_str(&text(&response)).unwrap();
    assert_eq!(status["kind"], "Status");
    assert_eq!(status["status"], "Failure");
    assert_eq!(status["code"], response.status().as_u16());
    (response.status().as_u16(), status)
}

#[test]
fn a_missing_object_is_told_from_one_without_a_number() {
    let served = cluster();
    for (tail, message, details) in [
        (
            "nodes/gone",
            r#"node "gone" not found"#,
            r#"{"name":"gone","kind":"node"}"#,
        ),
        (
            "nodes/fresh",
            r#"nodemetrics.metrics.k8s.io "fresh" not found"#,
            r#"{"name":"fresh","group":"metrics.k8s.io","kind":"nodemetrics"}"#,
        ),
        (
            "namespaces/a/pods/gone",
            r#"pods "gone" not found"#,
            r#"{"name":"gone","kind":"pods"}"#,
        ),
        (
            "namespaces/a/pods/pending",
            r#"pods "pending" not found"#,
            r#"{"name":"pending","kind":"pods"}"#,
        ),
        (
            "namespaces/a/pods/fresh",
            r#"podmetrics.metrics.k8s.io "a/fresh" not found"#,
            r#"{"name":"a/fresh","group":"metrics.k8s.io","kind":"podmetrics"}"#,
        ),
    ] {
        let (code, status) = failure(&served, "GET", tail, "");
        assert_eq!((code, status["reason"].as_str()), (404, Some("NotFound")));
        assert_eq!(status["message"], message, "{tail}");
        let details: Value = serde_json::from_str(details).unwrap();
        assert_eq!(status["details"], details, "{tail}");
    }
}

#[test]
fn a_path_nobody_knows_is_not_found() {
    let served = cluster();
    for tail in [
        "foo",
        "nodes/n1/status",
        "watch/nodes",
        "/nodes",
        "namespaces/a/nodes",
        "pods/p",
    ] {
        let (code, status) = failure(&served, "GET", tail, "");
        assert_eq!(code, 404, "{tail}");
        assert_eq!(
            status["message"],
            "the server could not find the requested resource"
        );
        assert_eq!(status["details"], serde_json::json!({}));
    }
}

#[test]
fn only_paths_below_a_version_are_ours() {
    let served = cluster();
    for uri in [
        "/apis/metrics.k8s.io/v1",
        "/apis/metrics.k8s.io/v1/",
        "/apis/metrics.k8s.io/v9/nodes",
        "/apis/metrics.k8s.io.x/v1/nodes",
        "/apis/other/v1/nodes",
        "/metrics",
    ] {
        let parts = parts("GET", uri, &[]);
        let info = RequestInfo::new(&parts.method, uri, None).unwrap();
        assert!(served.api.respond(&info, &parts).is_none(), "{uri}");
    }
}

#[test]
fn every_method_but_get_is_not_allowed() {
    let served = cluster();
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"] {
        for tail in ["nodes", "nodes/n1"] {
            let uri = format!("/apis/metrics.k8s.io/v1/{tail}");
            let response = served.call(method, &uri, &[]);
            assert_eq!(response.status(), 405, "{method}");
            assert_eq!(response.headers()["allow"], "GET");
        }
    }
    let (_, status) = failure(&served, "POST", "nodes", "");
    assert_eq!(status["reason"], "MethodNotAllowed");
    let message = "the server does not allow this method on the requested resource";
    assert_eq!(status["message"], message);
}

#[test]
fn a_watch_that_contradicts_itself_is_refused_like_a_list() {
    let served = cluster();
    for (tail, code) in [
        ("nodes?watch=1&fieldSelector=spec.nodeName%3Dn1", 400),
        ("nodes?watch=1&timeoutSeconds=x", 400),
        ("pods?watch=true&sendInitialEvents=true", 422),
        ("namespaces/a/pods?watch=&resourceVersion=x", 422),
    ] {
        assert_eq!(failure(&served, "GET", tail, "").0, code, "{tail}");
    }
    let yaml = served.get("nodes?watch=1", "application/yaml");
    assert_eq!(yaml.status(), 406);
}

#[test]
fn what_is_not_acceptable_is_told_what_is() {
    let served = cluster();
    for accept in ["text/html", "application/cbor"] {
        let (code, status) = failure(&served, "GET", "nodes", accept);
        assert_eq!(
            (code, status["reason"].as_str()),
            (406, Some("NotAcceptable"))
        );
        let message = status["message"].as_str().unwrap();
        assert!(
            message
                .starts_with("406: Not Acceptable\n\nAvailable representations: application/json,")
        );
    }
    let table = "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io";
    let (code, status) = failure(&served, "GET", "nodes", table);
    assert_eq!(code, 406);
    let message = "only the following media types are accepted: application/json, application/yaml, \
                   application/vnd.kubernetes.protobuf";
    assert_eq!(status["message"], message);
    let body = served.text("nodes", table);
    assert!(body.starts_with("{\n  \"kind\": \"Status\""), "{body}");
}

#[test]
fn metadata_in_the_wrong_number_is_not_acceptable() {
    let served = cluster();
    let accept = |kind: &str| format!("application/json;as={kind};v=v1;g=meta.k8s.io");
    for (tail, kind, message) in [
        (
            "nodes",
            "PartialObjectMetadata",
            "you requested PartialObjectMetadata, but the requested object is a list (NodeMetricsList)",
        ),
        (
            "nodes/n1",
            "PartialObjectMetadataList",
            "you requested PartialObjectMetadataList, but the requested object is not a list (NodeMetrics)",
        ),
        (
            "namespaces/a/pods/p",
            "PartialObjectMetadataList",
            "you requested PartialObjectMetadataList, but the requested object is not a list (PodMetrics)",
        ),
    ] {
        let (code, status) = failure(&served, "GET", tail, &accept(kind));
        assert_eq!((code, status["message"].as_str()), (406, Some(message)));
    }
}

#[test]
fn an_error_is_encoded_as_its_request_wants_it() {
    let served = cluster();
    let protobuf = served.get("nodes/gone", "application/vnd.kubernetes.protobuf");
    assert_eq!(protobuf.status(), 404);
    assert!(
        protobuf
            .body()
            .starts_with(b"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Status")
    );
    let yaml = served.text("nodes/gone", "application/yaml");
    assert!(yaml.starts_with("apiVersion: v1\ncode: 404\n"), "{yaml}");
}

#[test]
fn export_is_refused_as_in_kubernetes() {
    let served = cluster();
    let (code, status) = failure(&served, "GET", "nodes/n1?export=true", "");
    let message = "the export parameter, deprecated since v1.14, is no longer supported";
    assert_eq!((code, status["message"].as_str()), (400, Some(message)));
    assert_eq!(served.get("nodes/n1?export=false", "").status(), 200);
}
