use http::{HeaderMap, Method, Uri};
use proptest::prelude::*;

use super::{error, heapster};
use crate::heapster::RouteTable;

#[test]
fn what_is_beyond_the_bounds_is_refused_in_plain_text() {
    let metric = "/api/v1/model/metrics/cpu/usage_rate";
    let pods = "p,".repeat(2500);
    for (uri, status) in [
        (format!("/api/v1/model/metrics{}", "/x".repeat(64)), 414),
        (
            format!("/api/v1/model/namespaces/a/pod-list/{pods}/metrics/x"),
            400,
        ),
        (
            format!("/api/v1/dashboard/namespaces/a/pod-list/{pods}/metrics/cpu/x"),
            400,
        ),
        (format!("{metric}?start={}", "1".repeat(129)), 400),
        (format!("{metric}?labels={}", "a:b,".repeat(64)), 400),
        ("/api/v1/model/%zz".to_owned(), 400),
        ("/api/v1/model/%ff".to_owned(), 400),
    ] {
        assert_eq!(error(&uri).0, status, "{uri}");
    }
}

#[test]
fn what_cannot_be_meant_as_a_name_is_refused_and_other_names_find_nothing() {
    let long = "x".repeat(254);
    let metric = "metrics/cpu/usage_rate";
    for (path, text) in [
        (
            format!("namespaces/a/pods/p%00/{metric}"),
            "Invalid pod name \"p\\x00\"",
        ),
        (
            format!("namespaces/a/pods/{long}/{metric}"),
            "Invalid pod name: longer than 253 bytes",
        ),
        (
            format!("nodes/{}/metrics", "x".repeat(60_000)),
            "Invalid node name: longer than 253 bytes",
        ),
        (
            format!("namespaces/{long}/pod-list/p/{metric}"),
            "Invalid namespace name: longer than 253 bytes",
        ),
        (
            format!("namespaces/{long}/pods"),
            "Invalid namespace name: longer than 253 bytes",
        ),
        (
            format!("metrics/{}", "x".repeat(513)),
            "Invalid metric name: longer than 512 bytes",
        ),
    ] {
        let found = error(&format!("/api/v1/model/{path}"));
        assert_eq!(found, (400, text.to_owned()), "{path}");
    }
    for name in ["Bad_Name", "a%20b", &long[1..]] {
        let pod = format!("/api/v1/model/namespaces/a/pods/{name}/metrics");
        assert_eq!(super::json(&pod), serde_json::json!([]), "{name}");
    }
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "api",
            "v1",
            "model",
            "historical",
            "dashboard",
            "nodes",
            "n1",
            "freecontainers",
            "kubelet",
            "namespaces",
            "a",
            "pods",
            "p",
            "containers",
            "app",
            "metrics",
            "cpu",
            "usage_rate",
            "pod-list",
            "p,q",
            "metrics-aggregated",
            "max,min",
            "pod-id",
            "uid-p",
            "..",
            ".",
            "",
            "%2F",
            "%",
            "%00",
            "debug",
            "allkeys",
            "apis",
            "v1alpha1",
            "healthz",
        ])
        .prop_map(str::to_owned),
        "[ -~&&[^ ?#<>\"]]{0,12}",
    ]
}

proptest! {
    #[test]
    fn any_request_has_a_sane_answer(
        prefix in prop::sample::select(vec!["", "/api/v1/model", "/api/v1/historical"]),
        segments in prop::collection::vec(segment(), 0..9),
        query in "(start|end|labels|bucket)?=?[0-9TZ:+%,a-z.-]{0,30}(&(start|labels|bucket)=[0-9a-zTZ:-]{0,24})?",
        secure in any::<bool>(),
    ) {
        let path = format!("{prefix}/{}?{query}", segments.join("/"));
        let Ok(uri) = path.parse::<Uri>() else { return Ok(()) };
        let table = if secure { RouteTable::SecurePort } else { RouteTable::HeapsterPort };
        let response = heapster().respond(table, &Method::GET, &uri, &HeaderMap::new());
        let status = response.status().as_u16();
        prop_assert!([200, 301, 400, 404, 414].contains(&status), "{path}: {status}");
        if status == 200 && response.headers()["content-type"] == "application/json" {
            let parsed = serde_json::from_slice::<serde_json::Value>(response.body());
            prop_assert!(parsed.is_ok(), "{path}");
        }
    }
}
