use std::sync::Arc;

use http::header::{ACCEPT, ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, LOCATION};
use http::{HeaderMap, Method, Uri};
use serde_json::json;

use super::{
    FIRST, Stopped, answer, column, error, get, heapster, inventory, json, request, set,
    with_config,
};
use crate::domain::{ContainerKind, ContainerRecord, EntityKey, Inventory, Metric, Timestamp};
use crate::heapster::{Config, Heapster, RouteTable};
use crate::history::{self, History};
use crate::telemetry::Registry;

#[test]
fn the_export_holds_the_newest_value_of_everything() {
    let (status, _, body) = get("/api/v1/metric-export");
    assert_eq!(status, 200);
    assert!(body.starts_with("[{\"metrics\":{") && body.ends_with("]\n"));
    let export: serde_json::Value = serde_json::from_str(&body).unwrap();
    let names: Vec<&str> = export
        .as_array()
        .unwrap()
        .iter()
        .map(|series| series["labels"]["container_name"].as_str().unwrap())
        .collect();
    let expected = [
        "machine",
        "kubelet",
        "system.slice/foo.service",
        "machine",
        "/pod",
        "app",
        "/pod",
        "app",
    ];
    assert_eq!(names.len(), expected.len());
    for name in expected {
        assert!(names.contains(&name), "{names:?}");
    }
    let of = |pod: &str, container: &str| {
        let mut all = export.as_array().unwrap().iter();
        let found = all.find(|series| {
            let labels = &series["labels"];
            labels["pod_name"] == pod && labels["container_name"] == container
        });
        found.unwrap().clone()
    };
    let (start, end) = ("2026-01-02T02:00:00Z", "2026-01-02T03:02:00Z");
    let volume = json!([
        {"start": end, "end": end, "labels": {"resource_id": "Volume:data"}, "value": 42}
    ]);
    let p = of("p", "/pod");
    assert_eq!(p["metrics"]["filesystem/usage"], volume);
    // Neither rates nor requests are exported.
    assert_eq!(p["metrics"].as_object().unwrap().len(), 2);
    assert_eq!(p["labels"]["pod_id"], "uid-p");
    assert_eq!(p["labels"].get("namespace_name"), None);
    let node = &export.as_array().unwrap().iter();
    let mut node = node
        .clone()
        .filter(|s| s["labels"]["container_name"] == "machine");
    let usage = json!([{"start": start, "end": end, "value": 7}]);
    assert_eq!(node.next().unwrap()["metrics"]["cpu/usage"], usage);
}

#[test]
fn an_export_that_is_off_is_empty() {
    let config = Config {
        export: false,
        ..Config::default()
    };
    let (_, _, body) = answer(&with_config(config, FIRST), "/api/v1/metric-export/");
    assert_eq!(body, "[]\n");
}

#[test]
fn the_schema_names_what_an_export_may_hold() {
    let schema = json("/api/v1/metric-export-schema");
    let metrics = schema["metrics"].as_array().unwrap();
    assert_eq!(metrics.len(), 26);
    let usage = json!({
        "name": "cpu/usage",
        "description": "Cumulative CPU usage on all cores",
        "type": "cumulative",
        "value_type": "int64",
        "units": "ns",
    });
    assert_eq!(metrics[1], usage);
    assert_eq!(schema["common_labels"].as_array().unwrap().len(), 5);
}

#[test]
fn dashboard_finds_its_sparklines() {
    let points = |values: [u64; 3]| {
        json!([
            {"timestamp": "2026-01-02T03:00:00Z", "value": values[0]},
            {"timestamp": "2026-01-02T03:01:00Z", "value": values[1]},
            {"timestamp": "2026-01-02T03:02:00Z", "value": values[2]},
        ])
    };
    let item = |points: serde_json::Value, metric: &str, name: &str| json!({"dataPoints": [], "metricPoints": points, "metricName": metric, "uids": [name]});
    for (path, items) in [
        (
            "nodes/n1/metrics/cpu/usage_rate",
            json!([item(points([1500, 1501, 1502]), "cpu", "n1")]),
        ),
        (
            "namespaces/a/pod-list/q,p,p,gone/metrics/cpu/usage_rate",
            json!([item(points([10, 11, 12]), "cpu", "p")]),
        ),
        (
            "namespaces/a/pod-list/p/metrics/memory/usage",
            json!([item(points([2048; 3]), "memory", "p")]),
        ),
        ("nodes/gone/metrics/cpu/usage_rate", json!(null)),
        (
            "namespaces/A/pod-list/p/metrics/cpu/usage_rate",
            json!(null),
        ),
    ] {
        let found = json(&format!("/api/v1/dashboard/{path}"));
        assert_eq!(found, json!({ "items": items }), "{path}");
    }
    for path in [
        "",
        "nodes/n1/metrics/cpu",
        "nodes/n1/metrics/cpu/usage_rate/x",
        "x",
    ] {
        let uri = format!("/api/v1/dashboard/{path}");
        assert_eq!(error(&uri).0, 404, "{uri}");
    }
    // The original takes any method.
    let uri = "/api/v1/dashboard/nodes/n1/metrics/cpu/usage_rate";
    let accept = [(ACCEPT, "text/html")];
    let response = request(&heapster(), &Method::POST, uri, &accept);
    assert_eq!(response.status(), 200);
}

#[test]
fn kubectl_top_of_old_finds_its_lists() {
    for group in ["metrics", "metrics.k8s.io"] {
        let nodes = json(&format!("/apis/{group}/v1alpha1/nodes"));
        let n1 = json!({
            "metadata": {"name": "n1", "creationTimestamp": "2026-01-02T03:02:05Z"},
            "timestamp": "2026-01-02T03:02:00Z",
            "window": "1m0s",
            "usage": {"cpu": "1502m", "memory": "4Gi"},
        });
        // Without a rate there is no item.
        assert_eq!(nodes, json!({"metadata": {}, "items": [n1]}));
        assert_eq!(json(&format!("/apis/{group}/v1alpha1/nodes/n1/")), n1);
        let p = json!({
            "metadata": {
                "name": "p",
                "namespace": "a",
                "creationTimestamp": "2026-01-02T03:02:05Z",
            },
            "timestamp": "2026-01-02T03:02:00Z",
            "window": "1m0s",
            "containers": [{"name": "app", "usage": {"cpu": "10m", "memory": "2Ki"}}],
        });
        for path in ["pods", "namespaces/a/pods", "pods?labelSelector=tier%3Dweb"] {
            let pods = json(&format!("/apis/{group}/v1alpha1/{path}"));
            assert_eq!(pods, json!({"metadata": {}, "items": [p]}), "{path}");
        }
        assert_eq!(
            json(&format!("/apis/{group}/v1alpha1/namespaces/a/pods/p")),
            p
        );
        for path in [
            "nodes?labelSelector=zone%3Dz2",
            "namespaces/b/pods",
            "pods?labelSelector=x",
        ] {
            let list = json(&format!("/apis/{group}/v1alpha1/{path}"));
            assert_eq!(list, json!({"metadata": {}, "items": null}), "{path}");
        }
    }
}

#[test]
fn kubectl_top_is_told_of_sidecars_that_run() {
    let heapster = heapster();
    let containers = |kind, running| {
        let mut pod = super::pod_record("a", "p", "web", &["app"]);
        let name = pod.containers[0].name.clone();
        pod.containers = [ContainerRecord::new(name, kind, running)]
            .into_iter()
            .collect();
        heapster.inventory.apply_pod(pod);
        let (_, _, body) = answer(&heapster, "/apis/metrics/v1alpha1/namespaces/a/pods/p");
        let pod: serde_json::Value = serde_json::from_str(&body).unwrap();
        pod["containers"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(containers(ContainerKind::Regular, true), 1);
    assert_eq!(containers(ContainerKind::Sidecar, true), 1);
    assert_eq!(containers(ContainerKind::Sidecar, false), 0);
    assert_eq!(containers(ContainerKind::Init, true), 0);
}

#[test]
fn what_kubectl_top_does_not_find_is_named() {
    for (path, status, text) in [
        ("nodes/n2", 404, "No metrics for node n2"),
        ("nodes/gone", 404, "No metrics for node gone"),
        ("nodes/%00", 404, "No metrics for node \\x00"),
        (
            "namespaces/a/pods/%0a",
            404,
            "Error while getting pod \\n: pod \"\\n\" not found",
        ),
        (
            "namespaces/a/pods/q",
            404,
            "No metrics availalble for pod a/q",
        ),
        (
            "namespaces/a/pods/gone",
            404,
            "Error while getting pod gone: pod \"gone\" not found",
        ),
        ("nope", 404, "404: Page Not Found"),
        ("", 404, "404: Page Not Found"),
    ] {
        let found = error(&format!("/apis/metrics/v1alpha1/{path}"));
        assert_eq!(found, (status, text.to_owned()), "{path}");
    }
    let (status, text) = error("/apis/metrics/v1alpha1/pods?labelSelector=a%20b");
    assert_eq!(status, 400);
    assert!(text.starts_with("Error while parsing selector a b: unable to parse requirement: "));
}

#[test]
fn health_is_whether_data_comes_in() {
    let at = |after: i64, uri| answer(&with_config(Config::default(), FIRST + after), uri);
    for uri in ["/healthz", "/healthz/healthz"] {
        assert_eq!(at(120_000 + 180_000, uri).0, 200);
        assert_eq!(at(120_000 + 180_001, uri).0, 500);
    }
    assert_eq!(at(125_000, "/healthz").2, "ok");
    let (_, content_type, told) = at(500_000, "/healthz/healthz");
    assert_eq!(content_type, "text/plain; charset=utf-8");
    assert!(told.contains("(latest: 2026-01-02T03:02:00Z)"), "{told}");
    assert_eq!(at(125_000, "/healthz/").0, 404);
}

#[test]
fn columns_without_any_node_are_no_data_where_there_are_nodes() {
    let history = History::new(history::Config::default(), &mut Registry::default());
    for tick in 0..6 {
        let at = Timestamp::from_millis(FIRST + tick * 60_000);
        let sets = match tick {
            0 => column(tick),
            _ => vec![set(EntityKey::Cluster, &[(Metric::CpuRequest, 1)])],
        };
        history.append(at, &sets).unwrap();
        history.finish(at).unwrap();
    }
    let ring = Arc::new(history);
    let health = |inventory, after| {
        let clock = Arc::new(Stopped(Timestamp::from_millis(FIRST + after)));
        let ring = Some(Arc::clone(&ring));
        let heapster = Heapster::new(Config::default(), ring, None, inventory, clock);
        let (status, _, told) = answer(&heapster, "/healthz/healthz");
        (status, told)
    };
    assert_eq!(health(inventory(), 180_000).0, 200);
    let (status, told) = health(inventory(), 305_000);
    assert_eq!(status, 500);
    assert!(told.contains("(latest: 2026-01-02T03:00:00Z)"), "{told}");
    let no_node = || Arc::new(Inventory::new());
    assert_eq!(health(no_node(), 305_000).0, 200);
    assert_eq!(health(no_node(), 480_001).0, 500);
}

#[test]
fn only_get_and_only_json() {
    let heapster = heapster();
    let uri = "/api/v1/model/nodes";
    for method in [Method::HEAD, Method::POST, Method::OPTIONS, Method::DELETE] {
        let response = request(&heapster, &method, uri, &[]);
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()[ALLOW], "GET");
        assert_eq!(response.body(), "405: Method Not Allowed");
    }
    let response = request(&heapster, &Method::GET, uri, &[(ACCEPT, "text/html")]);
    assert_eq!(response.status(), 406);
    assert_eq!(response.body(), "406: Not Acceptable");
    let response = request(
        &heapster,
        &Method::POST,
        "/api/v1/model/nope",
        &[(ACCEPT, "x")],
    );
    assert_eq!(response.status(), 404);
}

#[test]
fn errors_are_compressed_too() {
    let uri = "/api/v1/model/nope";
    for (accept, encoding) in [("gzip", "gzip"), ("deflate,gzip", "deflate")] {
        let response = request(&heapster(), &Method::GET, uri, &[(ACCEPT_ENCODING, accept)]);
        assert_eq!(response.headers()[CONTENT_ENCODING], encoding);
    }
}

#[test]
fn odd_paths_are_sent_to_the_clean_ones() {
    for (uri, location) in [
        ("/api/v1/model//metrics", "/api/v1/model/metrics"),
        (
            "/api/v1/model/x/../metrics?start=x",
            "/api/v1/model/metrics?start=x",
        ),
        ("/api/v1/../../metrics", "/metrics"),
    ] {
        let response = request(&heapster(), &Method::GET, uri, &[]);
        assert_eq!(response.status(), 301, "{uri}");
        assert_eq!(response.headers()[LOCATION], location, "{uri}");
    }
}

#[test]
fn the_secure_port_has_neither_health_nor_v1alpha1() {
    let heapster = heapster();
    let ask = |table, uri: &'static str| {
        let uri = Uri::from_static(uri);
        let response = heapster.respond(table, &Method::GET, &uri, &HeaderMap::new());
        response.status().as_u16()
    };
    for (uri, secure, plain) in [
        ("/api/v1/model/nodes", 200, 200),
        ("/api/v1/historical/nodes", 200, 200),
        ("/api/v1/metric-export", 200, 200),
        ("/api/v1/metric-export-schema", 200, 200),
        ("/api/v1/dashboard/nodes/n1/metrics/cpu/x", 200, 200),
        ("/healthz", 404, 200),
        ("/healthz/healthz", 404, 200),
        ("/apis/metrics/v1alpha1/nodes", 404, 200),
        ("/metrics", 404, 404),
        ("/debug/pprof/profile", 404, 404),
        ("/", 404, 404),
    ] {
        assert_eq!(ask(RouteTable::SecurePort, uri), secure, "{uri}");
        assert_eq!(ask(RouteTable::HeapsterPort, uri), plain, "{uri}");
    }
    for prefix in Heapster::PREFIXES {
        assert!(prefix.starts_with("/api/v1/"));
    }
}

#[test]
fn without_a_ring_there_is_nothing_to_serve() {
    let heapster = Heapster::new(
        Config::default(),
        None,
        None,
        inventory(),
        Arc::new(Stopped(Timestamp::from_millis(0))),
    );
    for (uri, expected) in [
        ("/api/v1/model/nodes", 404),
        ("/api/v1/metric-export", 404),
        ("/api/v1/dashboard/nodes/n1/metrics/cpu/x", 404),
        ("/apis/metrics/v1alpha1/nodes", 404),
        ("/api/v1/metric-export-schema", 200),
        ("/healthz", 200),
    ] {
        assert_eq!(answer(&heapster, uri).0, expected, "{uri}");
    }
}

#[test]
fn before_the_first_column_there_is_nothing_yet() {
    let ring = History::new(history::Config::default(), &mut Registry::default());
    let ring = Arc::new(ring);
    let clock = Arc::new(Stopped(Timestamp::from_millis(0)));
    let heapster = Heapster::new(Config::default(), Some(ring), None, inventory(), clock);
    for (uri, status, body) in [
        ("/api/v1/metric-export", 200, "null\n"),
        ("/api/v1/model/nodes", 200, "[]"),
        (
            "/apis/metrics/v1alpha1/nodes/n1",
            404,
            "No metrics for node n1",
        ),
        (
            "/healthz/healthz",
            500,
            "internal server error: could not get the latest data batch\n",
        ),
    ] {
        let (found, _, text) = answer(&heapster, uri);
        assert_eq!((found, text.as_str()), (status, body), "{uri}");
    }
}
