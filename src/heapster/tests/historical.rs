use serde_json::json;

use super::{error, get, json};

const START: &str = "start=2026-01-02T03:00:00Z";

fn historical(path: &str) -> serde_json::Value {
    json(&format!("/api/v1/historical/{path}"))
}

#[test]
fn the_models_routes_are_answered_with_a_start() {
    for path in [
        "metrics/cpu/usage_rate",
        "nodes/n1/metrics/cpu/usage_rate",
        "namespaces/a/pods/p/metrics/cpu-usage",
        "namespaces/a/pods/p/metrics/filesystem/usage?labels=resource_id:Volume:data",
        "nodes/n1/freecontainers/system.slice/foo.service/metrics/memory/usage",
    ] {
        let and = if path.contains('?') { '&' } else { '?' };
        let past = historical(&format!("{path}{and}{START}"));
        let model = json(&format!("/api/v1/model/{path}"));
        assert_eq!(past, model, "{path}");
        assert_eq!(past["metrics"].as_array().unwrap().len(), 3, "{path}");
    }
    for path in [
        "nodes",
        "namespaces",
        "namespaces/a/pods",
        "nodes/n1/freecontainers",
    ] {
        assert_eq!(historical(path), json(&format!("/api/v1/model/{path}")));
    }
    for path in [
        "metrics",
        "namespaces/a/pods/p/metrics",
        "namespaces/a/pods/p/containers",
    ] {
        assert_eq!(historical(path), json(&format!("/api/v1/model/{path}")));
    }
}

#[test]
fn pods_are_found_by_their_uid() {
    let by_name = historical(&format!(
        "namespaces/a/pods/p/metrics/cpu/usage_rate?{START}"
    ));
    let by_id = historical(&format!("pod-id/uid-p/metrics/cpu/usage_rate?{START}"));
    assert_eq!(by_id, by_name);
    let container = "namespaces/a/pods/p/containers/app/metrics/cpu/usage_rate";
    let by_name = historical(&format!("{container}?{START}"));
    let by_id = historical(&format!(
        "pod-id/uid-p/containers/app/metrics/cpu/usage_rate?{START}"
    ));
    assert_eq!(by_id, by_name);
    let list = historical(&format!(
        "pod-id-list/uid-p,gone/metrics/cpu/usage_rate?{START}"
    ));
    let counts: Vec<usize> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["metrics"].as_array().unwrap().len())
        .collect();
    assert_eq!(counts, [3, 0]);
}

#[test]
fn a_name_no_pod_has_is_an_empty_item_of_a_list() {
    let counts = |path: &str| -> Vec<usize> {
        let list = historical(&format!("{path}/metrics/cpu/usage_rate?{START}"));
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|item| item["metrics"].as_array().unwrap().len())
            .collect()
    };
    assert_eq!(counts("namespaces/a/pod-list/p,Bad_Name,,p"), [3, 0, 0, 3]);
    assert_eq!(counts("namespaces/a/pod-list/Bad_Name"), [0]);
    assert_eq!(counts("pod-id-list/a%20b,uid-p"), [0, 3]);
    let path = "namespaces/a/pod-list/Bad_Name,p/metrics-aggregated/count/cpu/usage_rate";
    let list = historical(&format!("{path}?{START}"));
    let nothing = json!({"buckets": [], "bucketSize": 0});
    assert_eq!(list["items"][0], nothing);
    assert_eq!(list["items"][1]["buckets"][0]["count"], 3);
}

#[test]
fn aggregations_come_in_buckets() {
    let all = "average,max,min,median,count,50-perc,95-perc,99-perc";
    let path = format!("metrics-aggregated/{all}/cpu/usage_rate?{START}");
    let int = |value: i64| json!({ "intValue": value });
    let bucket = json!({
        "timestamp": "2026-01-02T03:00:00Z",
        "count": 3,
        "average": int(101),
        "maximum": int(102),
        "minimum": int(100),
        "median": int(101),
        "percentiles": {"50": int(101), "95": int(102), "99": int(102)},
    });
    let expected = json!({"buckets": [bucket], "bucketSize": 0});
    assert_eq!(historical(&path), expected);
    let path = format!("nodes/n1/metrics-aggregated/max/cpu/usage_rate?{START}&bucket=2m");
    let bucket = |at: &str, value| json!({"timestamp": at, "maximum": int(value)});
    let expected = json!({
        "buckets": [bucket("2026-01-02T03:00:00Z", 1501), bucket("2026-01-02T03:02:00Z", 1502)],
        "bucketSize": 120_000_000_000_u64,
    });
    assert_eq!(historical(&path), expected);
    let path = format!("pod-id/uid-p/metrics-aggregated/max/network/rx_rate?{START}");
    let maximum = historical(&path)["buckets"][0]["maximum"].clone();
    assert_eq!(maximum, json!({"floatValue": 1.5}));
}

#[test]
fn lists_of_aggregations_keep_their_order() {
    let path = "namespaces/a/pod-list/gone,p/metrics-aggregated/count/cpu/usage_rate";
    let uri = format!("/api/v1/historical/{path}?{START}");
    let (_, _, body) = get(&uri);
    let expected = "{\"items\":[{\"buckets\":[],\"bucketSize\":0},{\"buckets\":[{\"timestamp\":\
                    \"2026-01-02T03:00:00Z\",\"count\":3}],\"bucketSize\":0}]}\n";
    assert_eq!(body, expected);
}

#[test]
fn parameters_are_checked_in_heapsters_order() {
    let no_start = "no start time (or a start time of zero) provided";
    let aggregated = "metrics-aggregated/x/cpu/usage_rate";
    for (path, text) in [
        ("metrics/cpu/usage_rate", no_start),
        (
            "metrics/cpu/usage_rate?start=0001-01-01T00:00:00Z",
            no_start,
        ),
        ("pod-id/u/metrics/cpu/usage_rate?labels=x", no_start),
        (
            &format!("{aggregated}?{START}&bucket=1g&labels=x"),
            "unable to parse bucket size: \"1g\" has no known duration suffix",
        ),
        (
            &format!("{aggregated}?{START}&bucket=1m&labels=x"),
            "Unknown aggregation \"x\"",
        ),
        (
            &format!("metrics-aggregated/max/cpu/usage_rate?{START}&labels=x"),
            "invalid label pair \"x\"",
        ),
        (
            &format!("namespaces/a/pods/a%20b/metrics/x?{START}"),
            "Invalid pod name \"a b\"",
        ),
        (
            &format!("nodes/N!/metrics/x?{START}"),
            "Invalid node name \"N!\"",
        ),
        (
            &format!("pod-id/a%20b/metrics/x?{START}"),
            "Invalid pod id \"a b\"",
        ),
        (
            &format!("metrics/a%20b?{START}"),
            "Invalid metric name \"a b\"",
        ),
    ] {
        let found = error(&format!("/api/v1/historical/{path}"));
        assert_eq!(found, (400, text.to_owned()), "{path}");
    }
}

#[test]
fn nothing_found_is_told_in_heapsters_words() {
    for (path, text) in [
        (
            "namespaces/a/pods/gone/metrics/cpu/usage_rate",
            "No results for metric \"cpu/usage_rate\" describing \"(pod)ns:a/pod:gone\"",
        ),
        (
            "metrics/nope",
            "No results for metric \"nope\" describing \"(cluster)[cluster]\"",
        ),
    ] {
        let found = error(&format!("/api/v1/historical/{path}?{START}"));
        assert_eq!(found, (404, text.to_owned()), "{path}");
    }
}

#[test]
fn without_a_source_there_is_no_such_api() {
    let heapster = super::Heapster::new(
        super::Config::default(),
        Some(super::ring()),
        None,
        super::inventory(),
        std::sync::Arc::new(super::Stopped(super::Timestamp::from_millis(0))),
    );
    let (status, _, body) = super::answer(&heapster, "/api/v1/historical/nodes");
    assert_eq!((status, body.as_str()), (404, "404 page not found\n"));
}
