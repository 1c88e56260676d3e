//! PromQL, and what a server answers to it.

use super::*;
use crate::domain::{Metric, Value};
use crate::history::HistoricalSource;

async fn asking(options: &str, answer: &'static str) -> (Double, Store) {
    let double = Double::start(move |_| (200, answer.to_owned())).await;
    let store = store(&format!("prometheus:http://{}{options}", double.address));
    (double, store)
}

const EMPTY: &str = r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;

async fn selector(options: &str, subjects: Vec<Subject>, series: &Series) -> String {
    let (double, store) = asking(options, EMPTY).await;
    let query = query(subjects, series);
    let answers = store.points(&query).await.unwrap();
    assert!(answers.len() == query.subjects.len() && answers.iter().all(Result::is_err));
    let seen = double.seen();
    assert_eq!((seen.len(), seen[0].one("time")), (1, "121.500"));
    seen[0].one("query").to_owned()
}

#[tokio::test]
async fn every_subject_is_found_by_the_labels_the_sink_gives_it() {
    let usage = Series::of(Metric::MemoryUsage);
    let key = |key: EntityKey| vec![Subject::from(key)];
    let EntityKey::Pod(p) = pod("a", "p") else {
        panic!("no pod");
    };
    let n1 = || node("n1");
    let pods = ["p.1", "q"].map(|name| Subject::from(pod("a", name)));
    for (subjects, labels) in [
        (key(EntityKey::Cluster), r#"type="cluster""#),
        (key(EntityKey::Node(n1())), r#"type="node",nodename="n1""#),
        (
            key(EntityKey::SystemContainer(n1(), "a\"b".into())),
            r#"type="sys_container",nodename="n1",container_name="a\"b""#,
        ),
        (
            key(EntityKey::Namespace(namespace("a"))),
            r#"type="ns",namespace_name="a""#,
        ),
        (
            key(pod("a", "p")),
            r#"type="pod",namespace_name="a",pod_name="p""#,
        ),
        (
            pods.to_vec(),
            r#"type="pod",namespace_name="a",pod_name=~"p\\.1|q""#,
        ),
        (
            key(EntityKey::Container(p, container("c"))),
            r#"type="pod_container",namespace_name="a",pod_name="p",container_name="c""#,
        ),
        (vec![Subject::PodId("u".into())], r#"type="pod",pod_id="u""#),
        (
            vec![Subject::PodIdContainer("u".into(), container("c"))],
            r#"type="pod_container",pod_id="u",container_name="c""#,
        ),
    ] {
        let wanted = format!("heapster_memory_usage_bytes{{{labels}}}[61501ms]");
        assert_eq!(selector("", subjects, &usage).await, wanted);
    }
}

#[tokio::test]
async fn series_go_by_the_names_and_labels_of_the_sink() {
    let gpu = Series::named("nvidia.com/gpu/request", None).unwrap();
    let logs = Series::named("filesystem/usage", Some("logs")).unwrap();
    let cluster = || vec![EntityKey::Cluster.into()];
    assert_eq!(
        selector("?cluster_name=it's&labels=b:\"", cluster(), &gpu).await,
        r#"heapster_resource_request{type="cluster",resource="nvidia.com/gpu",cluster_name="it's",b="\""}[61501ms]"#
    );
    assert_eq!(
        selector("?prefix=k8s_", cluster(), &logs).await,
        r#"k8s_filesystem_usage_bytes{type="cluster",resource_id="logs"}[61501ms]"#
    );
}

#[tokio::test]
async fn points_come_in_heapsters_units_each_once_from_all_series_of_a_pod() {
    let answer = r#"{"status":"success","data":{"resultType":"matrix","result":[
        {"metric":{"pod_name":"p","nodename":"n1"},"values":[[60.001,"0.25"],[90,"NaN"],[59.999,"9"]]},
        {"metric":{"pod_name":"q"},"values":[[121.5,"1e3"]]},
        {"metric":{"pod_name":"p","nodename":"n2"},"values":[[120,"0.5"],[60.001,"0.3"]]}]}}"#;
    let (double, store) = asking("/api/v1/push?tenant=me&token=s3cret", answer).await;
    let names = ["q", "none", "p", "q"];
    let subjects = names.map(|name| Subject::from(pod("a", name)));
    let query = query(subjects, &Series::of(Metric::CpuUsageRate));
    let answers = store.points(&query).await.unwrap();
    let [q, none, p, again] = answers.try_into().unwrap();
    assert_eq!(
        p,
        Ok(vec![
            (at(60_001), Value::Int(300)),
            (at(120_000), Value::Int(500))
        ])
    );
    assert_eq!(q, Ok(vec![(at(121_500), Value::Int(1_000_000))]));
    assert!(again == q && none.is_err());
    let seen = double.seen();
    assert_eq!(seen[0].path, "/prometheus/api/v1/query");
    assert_eq!(
        (seen[0].tenant.as_str(), seen[0].authorization.as_str()),
        ("me", "Bearer s3cret")
    );
}

#[tokio::test]
async fn lists_are_the_values_of_labels() {
    let answer = r#"{"status":"success","data":["b","a","No Name"]}"#;
    let (double, store) = asking("/prometheus", answer).await;
    assert_eq!(store.nodes().await.unwrap(), ["a", "b"].map(node));
    assert_eq!(store.namespaces().await.unwrap(), ["a", "b"].map(namespace));
    assert_eq!(store.pods(&namespace("x")).await.unwrap().len(), 2);
    assert_eq!(store.system_containers(&node("n")).await.unwrap().len(), 3);
    let seen = double.seen();
    for (asked, (label, labels)) in seen.iter().zip([
        ("nodename", r#"type="node""#),
        ("namespace_name", r#"type="ns""#),
        ("pod_name", r#"type="pod",namespace_name="x""#),
        ("container_name", r#"type="sys_container",nodename="n""#),
    ]) {
        assert_eq!(
            asked.path,
            format!("/prometheus/api/v1/label/{label}/values")
        );
        assert_eq!((asked.one("start"), asked.one("end")), ("0", "1800000000"));
        let names = [
            "cpu_usage_rate_cores",
            "memory_usage_bytes",
            "uptime_seconds_total",
        ];
        let wanted = names.map(|name| format!("heapster_{name}{{{labels}}}"));
        assert_eq!(asked.all("match[]"), wanted);
    }
}

#[tokio::test]
async fn metrics_are_those_without_a_label_by_heapsters_names() {
    let double = Double::start(|asked| {
        let values = match asked.path.contains("__name__") {
            true => {
                r#"["heapster_memory_usage_bytes","heapster_filesystem_usage_bytes","heapster_resource_request","up"]"#
            }
            false => r#"["nvidia.com/gpu"]"#,
        };
        (200, format!(r#"{{"status":"success","data":{values}}}"#))
    })
    .await;
    let store = store(&format!("prometheus:http://{}", double.address));
    let names = store.metric_names(&pod("a", "p")).await.unwrap();
    assert_eq!(names, ["memory/usage", "nvidia.com/gpu/request"]);
    let labels = r#"{type="pod",namespace_name="a",pod_name="p"}"#;
    let seen = double.seen();
    assert_eq!(seen[0].one("match[]"), labels);
    let requests = format!("heapster_resource_request{labels}");
    assert_eq!(seen[1].one("match[]"), requests);
}

#[tokio::test]
async fn what_the_server_complains_of_is_told() {
    for (status, body, told) in [
        (
            422,
            r#"{"status":"error","errorType":"execution","error":"too many samples"}"#,
            "answers with an error: 422 {\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"too many samples\"}",
        ),
        (200, r#"{"status":"error","error":"no\nway"}"#, "no way"),
        (
            200,
            r#"{"status":"success","warnings":["a store is away"],"data":{"result":[]}}"#,
            "a store is away",
        ),
        (
            200,
            r#"{"status":"success","isPartial":true,"data":{"result":[]}}"#,
            "its answer is only a part",
        ),
        (403, "", "refuses our credentials: 403"),
    ] {
        let double = Double::start(move |_| (status, body.to_owned())).await;
        let store = store(&format!("prometheus:http://{}", double.address));
        let query = query([EntityKey::Cluster.into()], &Series::of(Metric::Uptime));
        let error = store.points(&query).await.unwrap_err();
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(
            (error.to_string().as_str(), why.as_str()),
            ("Prometheus did not answer", told)
        );
    }
}
