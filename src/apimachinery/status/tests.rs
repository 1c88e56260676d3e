use http::request::Parts;
use http::{Method, Request};
use k8s_pb::apimachinery::pkg::apis::meta::v1 as meta;
use k8s_pb::apimachinery::pkg::runtime::Unknown;
use prost::Message;

use super::*;
use crate::apimachinery::negotiate::NotAcceptable;
use crate::apimachinery::request_info::RequestInfo;

fn parts(accept: &str) -> Parts {
    let request = Request::builder().header("accept", accept);
    request.body(()).unwrap().into_parts().0
}

fn json(status: &Status) -> String {
    let body = status.respond(&parts("")).into_body();
    String::from_utf8(body.to_vec()).unwrap()
}

const METRICS_NODES: GroupResource<'_> = GroupResource {
    group: "metrics.k8s.io",
    resource: "nodes",
};

fn forbidden(user: &str, method: Method, uri: &str, reason: &str) -> Status {
    let request = RequestInfo::new(&method, uri, None).unwrap();
    Status::forbidden(ForbiddenRequest {
        user,
        request: &request,
        reason,
    })
}

#[test]
fn unauthorized_is_byte_for_byte_the_original() {
    let expected = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;
    assert_eq!(json(&Status::unauthorized()), format!("{expected}\n"));
    let response = Status::unauthorized().respond(&parts(""));
    assert_eq!(response.status(), 401);
    assert!(!response.headers().contains_key("www-authenticate"));
}

#[test]
fn forbidden_says_who_may_not_do_what() {
    let base = "/apis/metrics.k8s.io/v1";
    for (user, uri, reason, message) in [
        (
            "bob",
            "/nodes/n1",
            "",
            r#"nodes.metrics.k8s.io "n1" is forbidden: User "bob" cannot get resource "nodes" in API group "metrics.k8s.io" at the cluster scope"#,
        ),
        (
            "bob",
            "/namespaces/x/pods",
            "",
            r#"pods.metrics.k8s.io is forbidden: User "bob" cannot list resource "pods" in API group "metrics.k8s.io" in the namespace "x""#,
        ),
        (
            "bob",
            "/namespaces/a/pods/p/log",
            "no rule",
            r#"pods.metrics.k8s.io "p" is forbidden: User "bob" cannot get resource "pods/log" in API group "metrics.k8s.io" in the namespace "a": no rule"#,
        ),
        (
            "<x>",
            "/nodes",
            "",
            r#"nodes.metrics.k8s.io is forbidden: User "&lt;x&gt;" cannot list resource "nodes" in API group "metrics.k8s.io" at the cluster scope"#,
        ),
    ] {
        let status = forbidden(user, Method::GET, &format!("{base}{uri}"), reason);
        assert_eq!(status.message(), message);
        assert_eq!(status.code(), 403);
    }
}

#[test]
fn forbidden_tells_name_group_and_resource_and_is_not_sniffed() {
    let uri = "/apis/metrics.k8s.io/v1/namespaces/a/pods/p";
    let status = forbidden("bob", Method::GET, uri, "");
    let details = r#""details":{"name":"p","group":"metrics.k8s.io","kind":"pods"},"code":403}"#;
    assert!(
        json(&status).trim_end().ends_with(details),
        "{}",
        json(&status)
    );
    let response = status.respond(&parts(""));
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
}

#[test]
fn a_forbidden_path_has_empty_details() {
    let status = forbidden("bob", Method::GET, "/metrics", "");
    let message = r#"forbidden: User "bob" cannot get path "/metrics""#;
    assert_eq!(status.message(), message);
    assert!(json(&status).contains(r#""details":{},"code":403"#));
}

#[test]
fn what_is_not_found_is_named() {
    let status = Status::not_found(
        GroupResource {
            group: "",
            resource: "node",
        },
        "gone",
    );
    let expected = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"node \"gone\" not found","reason":"NotFound","details":{"name":"gone","kind":"node"},"code":404}"#;
    assert_eq!(json(&status), format!("{expected}\n"));
    let unknown_path = r#""message":"the server could not find the requested resource","reason":"NotFound","details":{},"code":404}"#;
    assert!(json(&Status::no_such_resource()).contains(unknown_path));
}

#[test]
fn a_wrong_method_is_told_which_is_allowed() {
    let response = Status::method_not_allowed().respond(&parts(""));
    assert_eq!(response.status(), 405);
    assert_eq!(response.headers()["allow"], "GET");
    let watch = Status::method_not_supported(METRICS_NODES, "watch");
    let message = r#"watch is not supported on resources of kind "nodes.metrics.k8s.io""#;
    assert_eq!(watch.message(), message);
    assert!(
        json(&watch).contains(r#""details":{"group":"metrics.k8s.io","kind":"nodes"},"code":405"#)
    );
}

#[test]
fn invalid_lists_its_causes() {
    let cause = |field: &str, message: &str| StatusCause {
        reason: "FieldValueForbidden".to_owned(),
        message: message.to_owned(),
        field: field.to_owned(),
    };
    let kind = GroupResource {
        group: "meta.k8s.io",
        resource: "ListOptions",
    };
    let one = Status::invalid(kind, "", vec![cause("a", "Forbidden: no")]);
    assert_eq!(
        one.message(),
        r#"ListOptions.meta.k8s.io "" is invalid: a: Forbidden: no"#
    );
    let details = r#""details":{"group":"meta.k8s.io","kind":"ListOptions","causes":[{"reason":"FieldValueForbidden","message":"Forbidden: no","field":"a"}]},"code":422}"#;
    assert!(json(&one).contains(details), "{}", json(&one));
    let two = Status::invalid(kind, "", vec![cause("a", "x"), cause("b", "y")]);
    assert_eq!(
        two.message(),
        r#"ListOptions.meta.k8s.io "" is invalid: [a: x, b: y]"#
    );
}

#[test]
fn the_remaining_errors_have_their_code_and_reason() {
    for (status, code, reason, message) in [
        (Status::bad_request("x"), 400, "BadRequest", "x"),
        (
            Status::invalid_timeout("time: x"),
            400,
            "BadRequest",
            "invalid timeout specified in the request URL - time: x",
        ),
        (
            Status::timeout(),
            504,
            "Timeout",
            "Timeout: request did not complete within the allotted timeout",
        ),
        (
            Status::internal_error("x"),
            500,
            "InternalError",
            "Internal error occurred: x",
        ),
        (
            Status::service_unavailable("starting"),
            503,
            "ServiceUnavailable",
            "starting",
        ),
        (
            Status::not_acceptable(NotAcceptable::Parameters),
            406,
            "NotAcceptable",
            "only the following media types are accepted: application/json, application/yaml, \
             application/vnd.kubernetes.protobuf",
        ),
        (
            Status::not_acceptable(NotAcceptable::Route),
            406,
            "NotAcceptable",
            "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, \
             application/vnd.kubernetes.protobuf",
        ),
    ] {
        assert_eq!((status.code(), status.reason().as_str()), (code, reason));
        assert_eq!(status.message(), message);
    }
}

#[test]
fn retry_after_is_told_in_the_header_too() {
    let response = Status::too_many_requests("later", 3).respond(&parts(""));
    assert_eq!(response.headers()["retry-after"], "3");
    let body = String::from_utf8(response.into_body().to_vec()).unwrap();
    assert!(body.contains(r#""details":{"retryAfterSeconds":3}"#));
    let longest = Status::too_many_requests("later", u32::MAX);
    assert!(json(&longest).contains(r#""retryAfterSeconds":2147483647}"#));
}

#[test]
fn an_error_that_cannot_be_negotiated_is_indented_json_with_its_own_code() {
    let response = Status::unauthorized().respond(&parts("text/html"));
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["content-type"], "application/json");
    let body = String::from_utf8(response.into_body().to_vec()).unwrap();
    assert!(body.starts_with(
        "{\n  \"kind\": \"Status\",\n  \"apiVersion\": \"v1\",\n  \"metadata\": {},\n"
    ));
    assert!(body.ends_with("\"code\": 401\n}"));
}

#[test]
fn yaml_has_the_same_data_in_sorted_order() {
    let status = Status::not_found(METRICS_NODES, "x");
    let response = status.respond(&parts("application/yaml"));
    assert_eq!(response.headers()["content-type"], "application/yaml");
    let expected = "apiVersion: v1
code: 404
details:
  group: metrics.k8s.io
  kind: nodes
  name: x
kind: Status
message: nodes.metrics.k8s.io \"x\" not found
metadata: {}
reason: NotFound
status: Failure
";
    assert_eq!(
        String::from_utf8(response.into_body().to_vec()).unwrap(),
        expected
    );
}

#[test]
fn protobuf_is_what_kubernetes_clients_decode() {
    let cause = StatusCause {
        reason: "R".to_owned(),
        message: "M".to_owned(),
        field: "F".to_owned(),
    };
    let status = Status::invalid(METRICS_NODES, "x", vec![cause.clone(), cause]);
    let response = status.respond(&parts("application/vnd.kubernetes.protobuf, */*"));
    let content_type = &response.headers()["content-type"];
    assert_eq!(content_type, "application/vnd.kubernetes.protobuf");
    let body = response.into_body();
    let unknown = Unknown::decode(body.strip_prefix(b"k8s\0").unwrap()).unwrap();
    let type_meta = unknown.type_meta.unwrap();
    assert_eq!(type_meta.api_version.as_deref(), Some("v1"));
    assert_eq!(type_meta.kind.as_deref(), Some("Status"));
    let decoded = meta::Status::decode(unknown.raw.unwrap().as_slice()).unwrap();
    assert_eq!(decoded.status.as_deref(), Some("Failure"));
    assert_eq!(decoded.message.as_deref(), Some(status.message()));
    assert_eq!(decoded.reason.as_deref(), Some("Invalid"));
    assert_eq!(decoded.code, Some(422));
    let details = decoded.details.unwrap();
    assert_eq!(details.name.as_deref(), Some("x"));
    assert_eq!(details.group.as_deref(), Some("metrics.k8s.io"));
    assert_eq!(details.kind.as_deref(), Some("nodes"));
    assert_eq!(details.causes.len(), 2);
    assert_eq!(details.causes[1].field.as_deref(), Some("F"));
}
