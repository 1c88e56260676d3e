//! Elasticsearch and OpenSearch, asked in their query language.

use std::fmt::Display;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::expected::{Series, hold};
use super::outage::{Going, outlast, stamps};
use super::told::{DENIED, UNTRUSTED, kept_out, logs, metric, reaches};
use super::{Check, Ground};
use crate::databases::{Door, Elastic, Guard, LOGIN, Point, WRONG};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "elasticsearch: nothing is lost to an OpenSearch that comes late and is killed",
        |ground| Box::pin(outage(ground)),
    ),
    Check::new(
        "elasticsearch: OpenSearch's query language finds the closed form, also behind a pipeline",
        |ground| Box::pin(opensearch(ground)),
    ),
    Check::new(
        "elasticsearch: Elasticsearch's query language finds the closed form, also behind a pipeline, over HTTPS by API key and by password",
        |ground| Box::pin(elasticsearch(ground)),
    ),
];

/// A pipeline, and the field it sets.
pub(super) const PIPELINE: &str = "mark-it";
pub(super) const MARK: &str = "passed";

/// The field that tells the time of a family's documents: `CpuMetricsTimestamp`.
fn time_field(metric: &str) -> String {
    let family = metric.split('/').next().unwrap_or_default();
    let (first, rest) = family.split_at(family.len().min(1));
    format!("{}{rest}MetricsTimestamp", first.to_uppercase())
}

/// Documents that hold a metric, of what has these labels.
fn query(metric: &str, labels: &[(&str, &str)]) -> Value {
    let mut filters = vec![json!({"exists": {"field": format!("Metrics.{metric}.value")}})];
    for (name, value) in labels {
        // One word as it is; the others are texts, and whole under `raw`.
        let field = match *name {
            "type" => format!("MetricsTags.{name}"),
            _ => format!("MetricsTags.{name}.raw"),
        };
        filters.push(json!({"term": {field: value}}));
    }
    json!({"bool": {"filter": filters}})
}

/// The points of the documents that passed the pipeline, or of those that did not.
pub(super) async fn points(
    door: &Door,
    passed: bool,
    metric: &str,
    labels: &[(&str, &str)],
) -> Result<Vec<Point>> {
    let time = time_field(metric);
    let mut query = query(metric, labels);
    let kind = if passed { "must" } else { "must_not" };
    query["bool"][kind] = json!({"exists": {"field": MARK}});
    let body = json!({"size": 1000, "query": query, "sort": [{time.as_str(): "asc"}]});
    let found = Elastic::search(door, "heapster-*,piped-*", &body).await?;
    let hits = found["hits"]["hits"].as_array().context("no hits")?;
    let point = |hit: &Value| {
        let source = &hit["_source"];
        let at = source[&time].as_str().context("no time")?;
        let at: jiff::Timestamp = at.parse()?;
        let value = source["Metrics"][metric]["value"].as_f64();
        anyhow::Ok((at.as_second(), value.with_context(|| source.to_string())?))
    };
    hits.iter().map(point).collect()
}

/// The newest sum over all of a kind, made by the server.
async fn sums(door: &Door, kind: &str) -> Result<Vec<(i64, f64)>> {
    let body = json!({
        "size": 0,
        "query": query("memory/usage", &[("type", kind)]),
        "aggs": {"columns": {
            "date_histogram": {"field": "MemoryMetricsTimestamp", "fixed_interval": "5s", "min_doc_count": 1},
            "aggs": {"sum": {"sum": {"field": "Metrics.memory/usage.value"}}},
        }},
    });
    let found = Elastic::search(door, "heapster-memory", &body).await?;
    let buckets = found["aggregations"]["columns"]["buckets"].as_array();
    let bucket = |bucket: &Value| Some((bucket["key"].as_i64()?, bucket["sum"]["value"].as_f64()?));
    let sums = buckets.context("no buckets")?.iter().map(bucket);
    sums.collect::<Option<_>>().context("no sum")
}

/// OpenSearch in the clear.
async fn opensearch(ground: &Ground) -> Result<()> {
    let mut elastic = Elastic::new(&ground.programs, ground.scratch.folder(), "opensearch")?;
    elastic.database.start().await?;
    let to = format!("elasticsearch:http://{}?", elastic.address);
    values(ground, &elastic, [&to, &to], &[], &[]).await
}

/// Elasticsearch over HTTPS, to who has an API key, or a password.
async fn elasticsearch(ground: &Ground) -> Result<()> {
    let folder = ground.scratch.folder();
    let guard = Guard::new(folder)?;
    let mut elastic = Elastic::guarded(&ground.programs, folder, &guard)?;
    elastic.database.start().await?;
    elastic.whole(1).await?;
    let key = elastic.key().await?;
    let (to, ca) = (elastic.address, guard.ca.display());
    let to = |credentials: &str, ca: &dyn Display| {
        format!("elasticsearch:https://{to}?{credentials}&cacert={ca}")
    };
    let user = format!("esUserName={}&esUserSecret=", LOGIN.0);
    let [by_key, by_password] = ["apiKey=$KEY", &format!("{user}$RIGHT")].map(|by| to(by, &ca));
    let stranger = guard.stranger.display();
    let outside = [
        (to("apiKey=bm9ib2R5OmF0LWFsbA==", &ca), DENIED),
        (to(&format!("{user}$WRONG"), &ca), DENIED),
        (to("apiKey=$KEY", &stranger), UNTRUSTED),
    ];
    let secrets = [("KEY", &*key), ("RIGHT", LOGIN.1), ("WRONG", WRONG)];
    values(
        ground,
        &elastic,
        [&by_key, &by_password],
        &outside,
        &secrets,
    )
    .await
}

/// The closed form is found, both without and with a pipeline, and what is sent by those outside is not.
async fn values(
    ground: &Ground,
    elastic: &Elastic,
    [plain, piped]: [&str; 2],
    outside: &[(String, &str)],
    secrets: &[(&str, &str)],
) -> Result<()> {
    elastic.pipeline(PIPELINE, MARK).await?;
    let door = &elastic.door;
    let mut sinks = vec![
        format!("{plain}&queue=100"),
        format!("{piped}&queue=100&index=piped&pipeline={PIPELINE}"),
        format!("{plain}&queue=100&index=lost&pipeline=nowhere"),
    ];
    sinks.extend(outside.iter().map(|(sink, _)| format!("{sink}&index=lost")));
    ground
        .beside(&sinks, &[], secrets, async |stage| {
            for passed in [false, true] {
                hold(async |series: &Series| {
                    points(door, passed, series.metric, &series.labels()).await
                })
                .await?;
            }
            // Through the alias of the family; the newest column may be under way.
            let cluster = sums(door, "cluster").await?;
            let pods = sums(door, "pod").await?;
            let settled = cluster.len().min(pods.len()).saturating_sub(1);
            ensure!(settled > 0, "{} and {} sums", pods.len(), cluster.len());
            ensure!(
                pods[..settled] == cluster[..settled],
                "{pods:?} are not {cluster:?}"
            );
            for sink in ["elasticsearch", "elasticsearch-2"] {
                let refused = metric(stage, "refused_points_total", sink).await?;
                ensure!(refused == 0.0, "{refused} points of {sink} were refused");
            }
            // A pipeline that is not there is the server's word that it will never take them.
            reaches(stage, "refused_points_total", "elasticsearch-3", 1.0).await?;
            logs(stage, "elasticsearch-3", "nowhere").await?;
            let sent = metric(stage, "sent_points_total", "elasticsearch-3").await?;
            ensure!(
                sent == 0.0,
                "{sent} points passed a pipeline that is not there"
            );
            for (number, (_, text)) in (4..).zip(outside) {
                kept_out(stage, &[(&format!("elasticsearch-{number}"), text)]).await?;
            }
            let log = stage.loadline.process.log();
            let told = secrets.iter().any(|(_, secret)| log.contains(secret));
            ensure!(!told, "the log holds a secret");
            Ok(())
        })
        .await
}

async fn outage(ground: &Ground) -> Result<()> {
    let folder = ground.scratch.folder();
    let mut opensearch = Elastic::new(&ground.programs, folder, "opensearch")?;
    let (server, door) = (opensearch.address, opensearch.door.clone());
    let sink = format!("elasticsearch:http://{server}?queue=100");
    let arrived = async || {
        let points = points(&door, false, "memory/usage", &[("type", "cluster")]).await?;
        Ok(stamps(&points))
    };
    ground
        .beside(&[sink], &[], &[], async |stage| {
            let server = &mut opensearch.database;
            outlast(stage, "elasticsearch", server, Going::Killed, arrived).await
        })
        .await
}
