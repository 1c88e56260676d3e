use serde_json::json;

use super::{error, get, json};

/// The values of a result, with `floatValue` where there is one.
fn values(uri: &str) -> Vec<(u64, Option<f64>)> {
    let result = json(&format!("/api/v1/model{uri}"));
    let points = result["metrics"].as_array().unwrap();
    let points = points
        .iter()
        .map(|p| (p["value"].as_u64().unwrap(), p["floatValue"].as_f64()));
    points.collect()
}

fn ints(uri: &str) -> Vec<u64> {
    values(uri).into_iter().map(|(value, _)| value).collect()
}

#[test]
fn every_list_is_sorted() {
    for (uri, expected) in [
        ("nodes", json!(["n1", "n2"])),
        (
            "nodes/n1/freecontainers",
            json!(["kubelet", "system.slice/foo.service"]),
        ),
        ("namespaces", json!(["a"])),
        ("namespaces/a/pods", json!(["p", "q"])),
        ("namespaces/a/pods/p/containers", json!(["app"])),
        ("metrics", json!(["cpu/usage_rate", "memory/usage"])),
        ("namespaces/a/metrics", json!(["cpu/usage_rate"])),
        (
            "namespaces/a/pods/p/metrics",
            json!([
                "cpu/usage_rate",
                "memory/working_set",
                "network/rx_rate",
                "nvidia.com/gpu/request"
            ]),
        ),
        (
            "nodes/n1/freecontainers/kubelet/metrics",
            json!(["memory/usage"]),
        ),
    ] {
        assert_eq!(json(&format!("/api/v1/model/{uri}")), expected, "{uri}");
    }
    let keys = json("/api/v1/model/debug/allkeys");
    let keys: Vec<&str> = keys
        .as_array()
        .unwrap()
        .iter()
        .map(|k| k.as_str().unwrap())
        .collect();
    assert!(
        keys.contains(&"namespace:a/pod:p/container:app"),
        "{keys:?}"
    );
    assert!(keys.contains(&"node:n1/container:system.slice/foo.service"));
}

#[test]
fn every_entity_has_its_values() {
    for (uri, expected) in [
        ("/metrics/cpu/usage_rate", vec![100, 101, 102]),
        ("/nodes/n1/metrics/cpu/usage_rate", vec![1500, 1501, 1502]),
        ("/namespaces/a/metrics/cpu/usage_rate", vec![20, 21, 22]),
        (
            "/namespaces/a/pods/p/metrics/cpu/usage_rate",
            vec![10, 11, 12],
        ),
        (
            "/namespaces/a/pods/p/containers/app/metrics/cpu/usage_rate",
            vec![10; 3],
        ),
        (
            "/nodes/n1/freecontainers/kubelet/metrics/memory/usage",
            vec![5; 3],
        ),
        (
            "/namespaces/a/pods/p/metrics/nvidia.com/gpu/request",
            vec![2; 3],
        ),
    ] {
        assert_eq!(ints(uri), expected, "{uri}");
    }
}

#[test]
fn a_system_container_with_slashes_in_its_name_can_be_asked_for() {
    for uri in [
        "/nodes/n1/freecontainers/system.slice/foo.service/metrics/memory/usage",
        "/nodes/n1/freecontainers/system.slice%2Ffoo.service/metrics/memory%2Fusage/",
    ] {
        assert_eq!(ints(uri), [6, 7, 8], "{uri}");
    }
}

#[test]
fn the_names_of_old_still_mean_the_same() {
    for (old, new) in [
        ("cpu-usage", "cpu/usage_rate"),
        ("memory-working", "memory/working_set"),
    ] {
        let values = |metric| ints(&format!("/namespaces/a/pods/p/metrics/{metric}"));
        assert_eq!(values(old), values(new));
        assert!(!values(old).is_empty());
    }
    assert_eq!(ints("/metrics/memory-usage"), [1; 3]);
    for limit in ["cpu-limit", "memory-limit"] {
        assert!(ints(&format!("/metrics/{limit}")).is_empty());
    }
}

#[test]
fn labels_must_match_exactly() {
    let usage = "/namespaces/a/pods/p/metrics/filesystem/usage";
    for (query, expected) in [
        ("?labels=resource_id:Volume:data", vec![42; 3]),
        ("?labels=resource_id%3AVolume%3Adata", vec![42; 3]),
        ("", vec![]),
        ("?labels=", vec![]),
        ("?labels=resource_id:Volume", vec![]),
        ("?labels=resource:Volume:data", vec![]),
        ("?labels=resource_id:Volume:data,a:b", vec![]),
    ] {
        assert_eq!(ints(&format!("{usage}{query}")), expected, "{query}");
    }
    let unlabelled = "/namespaces/a/pods/p/metrics/cpu/usage_rate?labels=resource_id:/";
    assert!(ints(unlabelled).is_empty());
}

#[test]
fn floats_come_whole_and_in_full_and_nothing_is_below_zero() {
    let utilization = "/nodes/n1/metrics/cpu/node_utilization";
    assert_eq!(values(utilization), [(0, Some(0.25)); 3]);
    let rate = "/namespaces/a/pods/p/metrics/network/rx_rate";
    assert_eq!(values(rate), [(1, Some(1.5)); 3]);
    let negative = "/namespaces/a/pods/q/metrics/memory/usage";
    assert_eq!(values(negative), [(0, None); 3]);
}

#[test]
fn both_bounds_of_a_range_are_within_it() {
    let usage = "/metrics/cpu/usage_rate";
    for (query, expected) in [
        ("?start=2026-01-02T03:01:00Z", vec![101, 102]),
        ("?start=2026-01-02T03:01:00.001Z", vec![102]),
        ("?end=2026-01-02T03:01:00Z", vec![100, 101]),
        (
            "?start=2026-01-02T11:01:00%2B08:00&end=2026-01-02T03:01:00Z",
            vec![101],
        ),
        (
            "?start=2026-01-02T03:02:00Z&end=2026-01-02T03:01:00Z",
            vec![],
        ),
    ] {
        assert_eq!(ints(&format!("{usage}{query}")), expected, "{query}");
    }
}

#[test]
fn what_does_not_exist_is_empty() {
    let nothing = json!({"metrics": [], "latestTimestamp": "0001-01-01T00:00:00Z"});
    for uri in [
        "nodes/gone/metrics/cpu/usage_rate",
        "nodes/GONE!/metrics/cpu/usage_rate",
        "nodes/gone/freecontainers/x/metrics/cpu/usage_rate",
        "namespaces/gone/metrics/cpu/usage_rate",
        "namespaces/a/pods/gone/metrics/cpu/usage_rate",
        "metrics/nope",
        "metrics/a%20b",
    ] {
        assert_eq!(json(&format!("/api/v1/model/{uri}")), nothing, "{uri}");
    }
    for uri in [
        "nodes/gone/metrics",
        "nodes/GONE/freecontainers",
        "namespaces/gone/pods",
        "namespaces/G/pods",
        "namespaces/a/pods/G/containers",
        "namespaces/a/pods/gone/metrics",
    ] {
        assert_eq!(json(&format!("/api/v1/model/{uri}")), json!([]), "{uri}");
    }
}

#[test]
fn a_pod_list_has_one_item_for_each_name_in_their_order() {
    let uri = "/api/v1/model/namespaces/a/pod-list/p,gone,,p/metrics/cpu-usage";
    let list = json(uri);
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 4);
    assert_eq!(items[0]["metrics"].as_array().unwrap().len(), 3);
    assert_eq!(items[0], items[3]);
    assert_eq!(items[1]["metrics"], json!([]));
    assert_eq!(items[1], items[2]);
    let (_, _, body) = get(uri);
    assert!(body.starts_with("{\"items\":[{\"metrics\":[{\"timestamp\":\"2026-01-02T03:00:00Z\""));
    assert!(body.ends_with("}]}\n"));
}

#[test]
fn single_results_are_spread_over_lines() {
    let (_, _, body) = get("/api/v1/model/metrics/memory/usage?end=2026-01-02T03:00:00Z");
    let expected = "{\n  \"metrics\": [\n   {\n    \"timestamp\": \"2026-01-02T03:00:00Z\",\n    \
                    \"value\": 1\n   }\n  ],\n  \"latestTimestamp\": \"2026-01-02T03:00:00Z\"\n }";
    assert_eq!(body, expected);
    let (_, _, body) = get("/api/v1/model/nodes/");
    assert_eq!(body, "[\n  \"n1\",\n  \"n2\"\n ]");
}

#[test]
fn times_are_checked_before_labels() {
    let metric = "/api/v1/model/metrics/cpu/usage_rate";
    let x = "timestamp argument cannot be parsed: parsing time \"x\" as \
             \"2006-01-02T15:04:05Z07:00\": cannot parse \"x\" as \"2006\"";
    for (query, text) in [
        ("?start=x&labels=k", x),
        ("?end=x&labels=k", x),
        ("?labels=k1", "invalid label pair \"k1\""),
        ("?labels=k1:", "invalid label pair \"k1:\""),
    ] {
        assert_eq!(error(&format!("{metric}{query}")), (400, text.to_owned()));
    }
    let list = "/api/v1/model/namespaces/a/pod-list/p/metrics/cpu/usage_rate?start=x&labels=k";
    assert_eq!(error(list), (400, x.to_owned()));
}

#[test]
fn there_is_no_index() {
    for uri in [
        "",
        "/",
        "/nope",
        "/nodes/n1",
        "/namespaces/a/pod-list/p",
        "/stats",
    ] {
        let uri = format!("/api/v1/model{uri}");
        assert_eq!(
            error(&uri),
            (404, "404: Page Not Found".to_owned()),
            "{uri}"
        );
    }
}
