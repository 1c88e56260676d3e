//! Encodings, tables and partial metadata.

use super::*;

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
const NODES_JSON: &str = r#"{"kind":"NodeMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"n1","creationTimestamp":"2026-01-02T03:04:10Z","labels":{"n":"5","zone":"east"}},"timestamp":"2026-01-02T03:04:05Z","window":"15s","usage":{"cpu":"250m","memory":"12056Ki"}},{"metadata":{"name":"n2","creationTimestamp":"2026-01-02T03:04:10Z","labels":{"zone":"west"}},"timestamp":"2026-01-02T03:04:05Z","window":"15s","usage":{"cpu":"20m","memory":"50Mi"}}]}"#;

fn rows(table: &Value) -> Vec<Vec<&str>> {
    let rows = table["rows"].as_array().unwrap().iter();
    rows.map(|row| {
        let cells = row["cells"].as_array().unwrap().iter();
        cells.map(|cell| cell.as_str().unwrap()).collect()
    })
    .collect()
}

fn columns(table: &Value) -> Vec<&str> {
    let columns = table["columnDefinitions"].as_array().unwrap().iter();
    columns
        .map(|column| column["name"].as_str().unwrap())
        .collect()
}

fn table(served: &Served, tail: &str) -> Value {
    let response = served.get(tail, TABLE);
    assert_eq!(response.headers()["content-type"], "application/json");
    serde_json::from_str(&text(&response)).unwrap()
}

#[test]
fn a_json_list_is_compact_with_a_newline_and_bare_items() {
    let served = cluster();
    for accept in ["application/json", "", "*/*", "application/*"] {
        let response = served.get("nodes", accept);
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(text(&response), format!("{NODES_JSON}\n"), "{accept}");
    }
}

#[test]
fn one_pod_names_its_type_and_its_containers() {
    let expected = r#"{"kind":"PodMetrics","apiVersion":"metrics.k8s.io/v1beta1","metadata":{"name":"p","namespace":"a","creationTimestamp":"2026-01-02T03:04:10Z","labels":{"app":"web"}},"timestamp":"2026-01-02T03:04:05Z","window":"15s","containers":[{"name":"c","usage":{"cpu":"1","memory":"1Mi"}},{"name":"d","usage":{"cpu":"500m","memory":"512Ki"}}]}"#;
    let found = cluster().text("namespaces/a/pods/p", "application/json");
    assert_eq!(found, format!("{expected}\n"));
}

#[test]
fn both_versions_hold_the_same_but_for_their_name() {
    let served = cluster();
    for (tail, accept) in [
        ("nodes", "application/json"),
        ("pods", "application/yaml"),
        ("namespaces/a/pods/p", "application/json"),
        ("nodes", TABLE),
    ] {
        let uri = format!("/apis/metrics.k8s.io/v1/{tail}");
        let v1 = text(&served.call("GET", &uri, &[("accept", accept)]));
        let v1beta1 = served.text(tail, accept);
        assert_eq!(
            v1.replace("metrics.k8s.io/v1", "metrics.k8s.io/v1beta1"),
            v1beta1
        );
    }
}

#[test]
fn yaml_has_sorted_keys_and_quotes_what_looks_like_something_else() {
    let expected = "apiVersion: metrics.k8s.io/v1beta1
kind: NodeMetrics
metadata:
  creationTimestamp: \"2026-01-02T03:04:10Z\"
  labels:
    \"n\": \"5\"
    zone: east
  name: n1
timestamp: \"2026-01-02T03:04:05Z\"
usage:
  cpu: 250m
  memory: 12056Ki
window: 15s
";
    let response = cluster().get("nodes/n1", "application/yaml");
    assert_eq!(response.headers()["content-type"], "application/yaml");
    assert_eq!(text(&response), expected);
    let list = cluster().text("nodes", "application/json;q=0.5,application/yaml");
    assert!(list.starts_with("apiVersion: metrics.k8s.io/v1beta1\nitems:\n- metadata:\n"));
}

#[test]
fn humans_get_indented_json_without_a_newline() {
    let served = cluster();
    let uri = "/apis/metrics.k8s.io/v1beta1/nodes";
    let pretty = text(&served.call("GET", uri, &[("user-agent", "curl/8")]));
    let start = "{\n  \"kind\": \"NodeMetricsList\",\n  \"apiVersion\": \"metrics.k8s.io/v1beta1\",\n  \"metadata\": {\n    \"resourceVersion\": \"1\"\n  },\n  \"items\": [\n    {\n      \"metadata\": {\n        \"name\": \"n1\",\n";
    assert!(pretty.starts_with(start), "{pretty}");
    assert!(pretty.ends_with("    }\n  ]\n}"), "{pretty}");
    let declined = format!("{uri}?pretty=false");
    let compact = text(&served.call("GET", &declined, &[("user-agent", "curl/8")]));
    assert_eq!(compact, format!("{NODES_JSON}\n"));
    assert_eq!(served.text("nodes?pretty=true", ""), pretty);
}

#[test]
fn windows_and_stamps_are_printed_as_go_does() {
    let odd = Usage {
        timestamp: Timestamp::from_millis(SAMPLED + 999),
        window: Duration::from_millis(15_237),
        ..usage(0, 0)
    };
    let served = Served::new(seen(1, vec![node("n1", &[], odd)], vec![]));
    let found = served.json("nodes/n1");
    assert_eq!(found["timestamp"], "2026-01-02T03:04:05Z");
    assert_eq!(found["window"], "15.237s");
    assert_eq!(found["usage"]["cpu"], "0");
}

#[test]
fn a_table_has_a_column_for_each_key_and_the_metadata_of_each_row() {
    let served = cluster();
    let table = table(&served, "nodes");
    assert_eq!(table["kind"], "Table");
    assert_eq!(table["apiVersion"], "meta.k8s.io/v1");
    assert_eq!(columns(&table), ["Name", "cpu", "memory", "Window"]);
    assert_eq!(
        rows(&table),
        [
            ["n1", "250m", "12056Ki", "15s"],
            ["n2", "20m", "50Mi", "15s"]
        ]
    );
    let object = &table["rows"][0]["object"];
    assert_eq!(object["kind"], "PartialObjectMetadata");
    assert_eq!(object["apiVersion"], "meta.k8s.io/v1");
    assert_eq!(object["metadata"]["name"], "n1");
    assert!(object.get("usage").is_none());
}

#[test]
fn a_pods_row_sums_its_containers() {
    let table = table(&cluster(), "namespaces/a/pods");
    assert_eq!(
        rows(&table),
        [["p", "1500m", "1536Ki", "15s"], ["q", "0", "1Ki", "15s"]]
    );
}

#[test]
fn a_table_of_one_has_one_row_and_of_none_has_none() {
    let served = cluster();
    assert_eq!(rows(&table(&served, "nodes/n1")).len(), 1);
    let empty = table(&served, "namespaces/none/pods");
    assert_eq!(columns(&empty), ["Name", "cpu", "memory", "Window"]);
    assert_eq!(empty["rows"], serde_json::json!([]));
}

#[test]
fn swap_is_a_column_when_any_row_has_it_and_a_key_only_where_it_is() {
    let with_swap = Usage {
        swap: Some(Amount::new(1024)),
        ..usage(1, 1)
    };
    let nodes = vec![node("n1", &[], usage(1, 1)), node("n2", &[], with_swap)];
    let pods = vec![pod(
        pod_record("a", "p", "n1", &[]),
        &[("c", usage(1, 1)), ("d", with_swap), ("e", with_swap)],
    )];
    let served = Served::new(seen(1, nodes, pods));
    let nodes = table(&served, "nodes");
    assert_eq!(columns(&nodes), ["Name", "cpu", "memory", "swap", "Window"]);
    assert_eq!(
        rows(&nodes),
        [
            ["n1", "1m", "1Ki", "", "15s"],
            ["n2", "1m", "1Ki", "1Ki", "15s"]
        ]
    );
    assert_eq!(rows(&table(&served, "pods"))[0][3], "2Ki");
    let list = served.json("nodes");
    assert!(list["items"][0]["usage"].get("swap").is_none());
    assert_eq!(list["items"][1]["usage"]["swap"], "1Ki");
}

#[test]
fn the_object_behind_a_row_can_be_chosen() {
    let served = cluster();
    let none = table(&served, "nodes?includeObject=None");
    assert_eq!(none["rows"][0]["object"], Value::Null);
    let object = table(&served, "nodes?includeObject=Object");
    let object = &object["rows"][0]["object"];
    assert_eq!(object["kind"], "NodeMetrics");
    assert_eq!(object["apiVersion"], "metrics.k8s.io/v1beta1");
    assert_eq!(object["usage"]["cpu"], "250m");
    assert_eq!(served.get("nodes?includeObject=Bogus", TABLE).status(), 400);
}

#[test]
fn a_table_may_be_v1beta1_or_yaml() {
    let served = cluster();
    let accept = "application/json;as=Table;v=v1beta1;g=meta.k8s.io";
    let table: Value = serde_json::from_str(&served.text("nodes", accept)).unwrap();
    assert_eq!(table["apiVersion"], "meta.k8s.io/v1beta1");
    assert_eq!(
        table["rows"][0]["object"]["apiVersion"],
        "meta.k8s.io/v1beta1"
    );
    let yaml = served.get("nodes", "application/yaml;as=Table;v=v1;g=meta.k8s.io");
    assert_eq!(yaml.headers()["content-type"], "application/yaml");
    assert!(
        text(&yaml).starts_with("apiVersion: meta.k8s.io/v1\ncolumnDefinitions:\n- description: ")
    );
}

#[test]
fn metadata_alone_can_be_asked_for() {
    let served = cluster();
    let list = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    let found: Value = serde_json::from_str(&served.text("pods", list)).unwrap();
    assert_eq!(found["kind"], "PartialObjectMetadataList");
    assert_eq!(found["apiVersion"], "meta.k8s.io/v1");
    assert_eq!(found["items"][0]["kind"], "PartialObjectMetadata");
    assert_eq!(found["items"][0]["metadata"]["namespace"], "a");
    assert!(found["items"][0].get("containers").is_none());
    let one = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
    let found: Value = serde_json::from_str(&served.text("nodes/n1", one)).unwrap();
    assert_eq!(found["kind"], "PartialObjectMetadata");
    let protobuf = list.replace("json", "vnd.kubernetes.protobuf");
    let response = served.get("pods", &protobuf);
    assert!(response.body().starts_with(b"k8s\0\x0a"));
}

#[test]
fn large_lists_are_compressed_and_every_caller_gets_the_same_bytes() {
    let pods = (0..1000).map(|n| {
        let record = pod_record("a", &format!("pod-{n}"), "n1", &[("app", "web")]);
        pod(record, &[("c", usage(n, n))])
    });
    let served = Served::new(seen(1, vec![], pods.collect()));
    let uri = "/apis/metrics.k8s.io/v1/pods";
    let plain = served.call("GET", uri, &[]);
    assert!(plain.body().len() > 128 * 1024);
    assert!(!plain.headers().contains_key("content-encoding"));
    let zipped = served.call("GET", uri, &[("accept-encoding", "gzip")]);
    assert_eq!(zipped.headers()["content-encoding"], "gzip");
    assert_eq!(zipped.headers()["vary"], "Accept-Encoding");
    let mut body = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(zipped.body().as_ref());
    std::io::Read::read_to_end(&mut decoder, &mut body).unwrap();
    assert_eq!(&body, plain.body());
    let again = served.call("GET", uri, &[("accept-encoding", "gzip")]);
    assert_eq!(again.body().as_ptr(), zipped.body().as_ptr());
    let one_namespace = "/apis/metrics.k8s.io/v1/namespaces/a/pods";
    let other = served.call("GET", one_namespace, &[("accept-encoding", "gzip")]);
    assert_eq!(other.headers()["content-encoding"], "gzip");
}

#[test]
fn a_list_that_several_threads_encode_is_the_one_that_one_does() {
    let pods = (0..10_000_u64).map(|n| {
        let record = pod_record("a", &format!("p{n:05}"), "n1", &[("n", &n.to_string())]);
        pod(record, &[("c", usage(n, n))])
    });
    let pods: Vec<_> = pods.collect();
    let all = |accept: &str, workers: usize| {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(workers).build().unwrap();
        let _entered = runtime.enter();
        let served = Served::new(seen(1, vec![], pods.clone()));
        served.get("pods", accept).into_body()
    };
    for accept in ["application/json", "application/vnd.kubernetes.protobuf"] {
        let one = all(accept, 1);
        assert!(one.len() > 1_000_000, "{accept}");
        assert!(all(accept, 3) == one, "{accept}");
    }
    let list: Value = serde_json::from_slice(&all("application/json", 3)).unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 10_000);
}

#[test]
fn small_lists_are_not_compressed() {
    let uri = "/apis/metrics.k8s.io/v1/nodes";
    let response = cluster().call("GET", uri, &[("accept-encoding", "gzip")]);
    assert!(!response.headers().contains_key("content-encoding"));
}
