//! InfluxQL, and what a server answers to it.

use super::*;
use crate::domain::{Metric, Value};
use crate::history::{Aggregation, HistoricalSource};

async fn asking(options: &str, answer: &'static str) -> (Double, Store) {
    let double = Double::start(move |_| (200, answer.to_owned())).await;
    let store = store(&format!("influxdb:http://{}?{options}", double.address));
    (double, store)
}

const EMPTY: &str = r#"{"results":[{"statement_id":0}]}"#;

async fn statement(options: &str, subject: Subject, series: &Series) -> String {
    let (double, store) = asking(options, EMPTY).await;
    let query = query([subject], series);
    let answers = store.points(&query).await.unwrap();
    assert_eq!(answers.len(), 1);
    assert!(answers[0].is_err());
    let seen = double.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        (seen[0].path.as_str(), seen[0].one("epoch")),
        ("/query", "ms")
    );
    seen[0].one("q").to_owned()
}

#[tokio::test]
async fn every_subject_is_found_by_the_tags_the_sink_gives_it() {
    let usage = Series::of(Metric::MemoryUsage);
    let key = |key: EntityKey| Subject::from(key);
    let n1 = || node("n1");
    let EntityKey::Pod(p) = pod("a", "p") else {
        panic!("no pod");
    };
    for (subject, tags) in [
        (key(EntityKey::Cluster), r#""type" = 'cluster'"#),
        (
            key(EntityKey::Node(n1())),
            r#""type" = 'node' AND "nodename" = 'n1'"#,
        ),
        (
            key(EntityKey::SystemContainer(n1(), "a/b".into())),
            r#""type" = 'sys_container' AND "nodename" = 'n1' AND "container_name" = 'a/b'"#,
        ),
        (
            key(EntityKey::Namespace(namespace("a"))),
            r#""type" = 'ns' AND "namespace_name" = 'a'"#,
        ),
        (
            key(pod("a", "p")),
            r#""type" = 'pod' AND "namespace_name" = 'a' AND "pod_name" = 'p'"#,
        ),
        (
            key(EntityKey::Container(p, container("c"))),
            r#""type" = 'pod_container' AND "namespace_name" = 'a' AND "pod_name" = 'p' AND "container_name" = 'c'"#,
        ),
        (
            Subject::PodId("u".into()),
            r#""type" = 'pod' AND "pod_id" = 'u'"#,
        ),
        (
            Subject::PodIdContainer("u".into(), container("c")),
            r#""type" = 'pod_container' AND "pod_id" = 'u' AND "container_name" = 'c'"#,
        ),
    ] {
        let wanted = format!(
            r#"SELECT "value" FROM "default"."memory/usage" WHERE {tags} AND "cluster_name" = 'default' AND time >= 60000ms AND time <= 121500ms"#
        );
        assert_eq!(statement("", subject, &usage).await, wanted);
    }
}

#[tokio::test]
async fn a_path_stands_before_the_question() {
    let double = Double::start(|_| (200, EMPTY.to_owned())).await;
    let store = store(&format!("influxdb:http://{}/sub/", double.address));
    let query = query([EntityKey::Cluster.into()], &Series::of(Metric::Uptime));
    store.points(&query).await.unwrap();
    assert_eq!(double.seen()[0].path, "/sub/query");
}

#[tokio::test]
async fn both_forms_of_lines_and_both_kinds_of_server_are_read() {
    let gpu = Series::named("nvidia.com/gpu/request", None).unwrap();
    let logs = Series::named("filesystem/usage", Some("logs")).unwrap();
    let uptime = Series::of(Metric::Uptime);
    let cluster = || Subject::from(EntityKey::Cluster);
    let fields = "withfields=true&cluster_name=c";
    let bucket = "bucket=b&org=o&token=t";
    for (options, series, begins, ends) in [
        (
            "",
            &gpu,
            r#"SELECT "value" FROM "default"."nvidia.com/gpu/request" "#,
            "'default'",
        ),
        (
            fields,
            &gpu,
            r#"SELECT "gpu/request" FROM "default"."nvidia.com" "#,
            "'c'",
        ),
        (
            fields,
            &uptime,
            r#"SELECT "value" FROM "default"."uptime" "#,
            "'c'",
        ),
        (
            bucket,
            &logs,
            r#"SELECT "value" FROM "filesystem/usage" WHERE "type" = 'cluster' AND "resource_id" = 'logs' "#,
            "'default'",
        ),
        ("cluster_name=it's", &uptime, "SELECT ", r"'it\'s'"),
    ] {
        let statement = statement(options, cluster(), series).await;
        assert!(statement.starts_with(begins), "{statement}");
        let ends = format!("\"cluster_name\" = {ends} AND time >= 60000ms AND time <= 121500ms");
        assert!(statement.ends_with(&ends), "{statement}");
    }
}

#[tokio::test]
async fn points_come_in_the_kind_of_their_metric_each_once_and_in_order() {
    let answer = r#"{"results":[
        {"statement_id":1,"series":[{"name":"m","columns":["time","value"],
            "values":[[120000,3],[60000,1.0],[90000,null],[120000,4],[59999,9],[121501,9]]}]},
        {"statement_id":0}]}"#;
    let (double, store) = asking("user=me&pw=s3cret", answer).await;
    let subjects = || ["q", "p"].map(|name| Subject::from(pod("a", name)));
    for (metric, values) in [
        (Metric::MemoryUsage, [Value::Int(1), Value::Int(4)]),
        (
            Metric::NetworkRxRate,
            [Value::Float(1.0), Value::Float(4.0)],
        ),
    ] {
        let query = query(subjects(), &Series::of(metric));
        let answers = store.points(&query).await.unwrap();
        let [q, p] = answers.try_into().unwrap();
        assert_eq!(
            p,
            Ok(vec![(at(60_000), values[0]), (at(120_000), values[1])])
        );
        assert_eq!(q.unwrap_err().subject, query.subjects[0]);
        let count = [Aggregation::Count];
        let buckets = store.aggregates(&query, &count, None).await.unwrap();
        assert_eq!(buckets[1].as_ref().unwrap()[0].count, Some(2));
        assert!(buckets[0].is_err());
    }
    let seen = double.seen();
    assert!(seen[0].one("q").contains("'q' AND") && seen[0].one("q").contains("; SELECT"));
    assert_eq!(seen[0].one("db"), "k8s");
    assert_eq!(seen[0].authorization, "Basic bWU6czNjcmV0");
}

#[tokio::test]
async fn lists_are_the_values_of_tags() {
    let answer = r#"{"results":[{"statement_id":0,"series":[
        {"name":"cpu/usage_rate","columns":["key","value"],"values":[["x","b"],["x","a"]]},
        {"name":"memory/usage","columns":["key","value"],"values":[["x","b"],["x","No Name"]]}]}]}"#;
    let (double, store) = asking("", answer).await;
    assert_eq!(store.nodes().await.unwrap(), ["a", "b"].map(node));
    assert_eq!(store.namespaces().await.unwrap(), ["a", "b"].map(namespace));
    let pods = store.pods(&namespace("x")).await.unwrap();
    assert_eq!(pods, ["a", "b"].map(|name| PodName::new(name).unwrap()));
    let containers = store.system_containers(&node("n")).await.unwrap();
    assert_eq!(
        containers.iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
        ["No Name", "a", "b"]
    );
    let asked: Vec<String> = double
        .seen()
        .iter()
        .map(|a| a.one("q").to_owned())
        .collect();
    let from = r#"SHOW TAG VALUES FROM "cpu/usage_rate", "memory/usage", "uptime" WITH KEY = "#;
    let cluster = r#"AND "cluster_name" = 'default'"#;
    for (asked, rest) in asked.iter().zip([
        r#""nodename" WHERE "type" = 'node' "#,
        r#""namespace_name" WHERE "type" = 'ns' "#,
        r#""pod_name" WHERE "type" = 'pod' AND "namespace_name" = 'x' "#,
        r#""container_name" WHERE "type" = 'sys_container' AND "nodename" = 'n' "#,
    ]) {
        assert_eq!(asked, &format!("{from}{rest}{cluster}"));
    }
}

#[tokio::test]
async fn metrics_are_those_without_a_label_that_the_entity_has() {
    let flat = r#"{"results":[{"statement_id":0,"series":[{"name":"measurements","columns":["name"],
        "values":[["memory/usage"],["filesystem/usage"],["log/events"],["nvidia.com/gpu/request"]]}]}]}"#;
    let (_, flat) = asking("", flat).await;
    let names = flat.metric_names(&pod("a", "p")).await.unwrap();
    assert_eq!(names, ["memory/usage", "nvidia.com/gpu/request"]);

    let double = Double::start(|asked| {
        let measurements = r#"{"results":[{"statement_id":0,"series":[{"name":"measurements",
            "columns":["name"],"values":[["cpu"],["filesystem"],["uptime"]]}]}]}"#;
        let fields = r#"{"results":[
            {"statement_id":0,"series":[{"name":"cpu","columns":["time","last_usage","last_node_capacity"],
                "values":[[0,5,null]]}]},
            {"statement_id":1,"series":[{"name":"filesystem","columns":["time","last_usage"],"values":[[0,5]]}]},
            {"statement_id":2,"series":[{"name":"uptime","columns":["time","last_value"],"values":[[0,5]]}]}]}"#;
        let body = match asked.one("q").starts_with("SHOW") {
            true => measurements,
            false => fields,
        };
        (200, body.to_owned())
    })
    .await;
    let fields = store(&format!(
        "influxdb:http://{}?withfields=true",
        double.address
    ));
    let names = fields.metric_names(&pod("a", "p")).await.unwrap();
    assert_eq!(names, ["cpu/usage", "uptime"]);
    let asked = double.seen();
    let tags = r#"WHERE "type" = 'pod' AND "namespace_name" = 'a' AND "pod_name" = 'p' AND "cluster_name" = 'default'"#;
    assert_eq!(asked[0].one("q"), format!("SHOW MEASUREMENTS {tags}"));
    let first = format!(r#"SELECT LAST(*) FROM "default"."cpu" {tags}; SELECT"#);
    assert!(
        asked[1].one("q").starts_with(&first),
        "{}",
        asked[1].one("q")
    );
}

#[tokio::test]
async fn what_the_server_complains_of_is_told_and_no_password() {
    for (status, body, told) in [
        (
            200,
            r#"{"results":[{"statement_id":0,"error":"database not found: k8s"}]}"#,
            "database not found: k8s",
        ),
        (200, r#"{"error":"timeout\nreached"}"#, "timeout reached"),
        (
            401,
            r#"{"error":"authorization failed"}"#,
            r#"refuses our credentials: 401 {"error":"authorization failed"}"#,
        ),
        (503, "over", "answers with an error: 503 over"),
        (200, r#"{"results":[]}"#, "its answer is only a part"),
        (
            200,
            r#"{"results":[{"statement_id":0,"series":[{"partial":true}]}]}"#,
            "its answer is only a part",
        ),
        (
            200,
            "<html>",
            "its answer cannot be read: expected value at line 1 column 1",
        ),
    ] {
        let double = Double::start(move |_| (status, body.to_owned())).await;
        let store = store(&format!("influxdb:http://root:s3cret@{}", double.address));
        let query = query([EntityKey::Cluster.into()], &Series::of(Metric::Uptime));
        let error = store.points(&query).await.unwrap_err();
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(
            (error.to_string().as_str(), why.as_str()),
            ("InfluxDB did not answer", told)
        );
        assert!(!format!("{store:?}{error:?}").contains("s3cret"));
    }
}
