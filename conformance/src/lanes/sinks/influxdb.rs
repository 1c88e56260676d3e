//! InfluxDB in InfluxQL, and VictoriaMetrics behind the same line protocol in PromQL.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::expected::{Series, hold};
use super::outage::stamps;
use super::told::{DENIED, UNTRUSTED, columns, kept_out, logs, metric, nothing_lost, reaches};
use super::{Check, Ground};
use crate::databases::{Guard, Influxdb, Influxql, Login, Victoria, WRONG, quoted};
use crate::lab::summary::RECEIVED_A_SECOND;
use crate::simulated::Stage;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "influxdb: InfluxQL finds the closed form, in both forms of the lines",
        |ground| Box::pin(values(ground)),
    ),
    Check::new(
        "influxdb: over HTTPS a wrong password is told of and loses nothing once it is right, and no other authority will do",
        |ground| Box::pin(wrong_password(ground)),
    ),
    Check::new("influxdb: who may write only writes", |ground| {
        Box::pin(writer(ground))
    }),
    Check::new(
        "influxdb: VictoriaMetrics takes the lines, PromQL finds the closed form",
        |ground| Box::pin(victoria(ground)),
    ),
];

const ADMIN: Login = ("root", "the-right-pw");

/// A server that asks for passwords, and its first user.
async fn with_users(ground: &Ground) -> Result<(Influxdb, Influxql)> {
    begun(Influxdb::new(
        &ground.programs,
        ground.scratch.folder(),
        true,
    )?)
    .await
}

async fn begun(mut influxdb: Influxdb) -> Result<(Influxdb, Influxql)> {
    influxdb.database.start().await?;
    let (name, password) = ADMIN;
    let create = format!("CREATE USER {name} WITH PASSWORD '{password}' WITH ALL PRIVILEGES");
    // Only GET and no login: it is how the first user is made.
    influxdb.as_user(None).ask("", &create).await?;
    let admin = influxdb.as_user(Some(ADMIN));
    Ok((influxdb, admin))
}

pub(super) fn condition(series: &Series) -> String {
    let labels = series.labels().into_iter();
    let labels = labels.map(|(name, value)| format!("\"{name}\" = {}", quoted(value)));
    labels.collect::<Vec<_>>().join(" AND ")
}

async fn values(ground: &Ground) -> Result<()> {
    let (influxdb, admin) = with_users(ground).await?;
    let base = format!("influxdb:http://{}?pw=$INFLUX_PW", influxdb.address);
    let sinks = [
        format!("{base}&retention=30d"),
        format!("{base}&db=with-fields&withfields=true&cluster_name=lab"),
    ];
    let variables = [("INFLUX_PW", ADMIN.1)];
    ground
        .beside(&sinks, &[], &variables, async |stage| {
            hold(async |series| {
                let (metric, condition) = (series.metric, condition(series));
                let statement = format!("SELECT value FROM \"{metric}\" WHERE {condition}");
                admin.points("k8s", &statement).await
            })
            .await?;
            hold(async |series| {
                let condition = condition(series);
                let (name, field) = series.metric.split_once('/').context("no family")?;
                let statement = format!(
                    "SELECT \"{field}\" FROM \"{name}\" WHERE {condition} AND cluster_name = 'lab'"
                );
                admin.points("with-fields", &statement).await
            })
            .await
            .context("withfields")?;
            sums(&admin).await.context("sums")?;
            growth(&admin).await.context("growth")?;
            schema(&admin).await.context("schema")?;
            counts(stage, &admin).await.context("counts")?;
            let log = stage.loadline.process.log();
            ensure!(!log.contains(ADMIN.1), "the log holds the password");
            Ok(())
        })
        .await
}

/// The server's own sums over pods are the numbers of the cluster, column by column.
async fn sums(admin: &Influxql) -> Result<()> {
    let of = |select: &str, kind: &str| {
        let measurement = "FROM \"memory/usage\"";
        format!("SELECT {select} {measurement} WHERE type = '{kind}' GROUP BY time(5s) fill(none)")
    };
    let pods = admin.points("k8s", &of("sum(value)", "pod")).await?;
    let cluster = admin.points("k8s", &of("last(value)", "cluster")).await?;
    ensure!(!cluster.is_empty(), "no points");
    // A column may be under way.
    let common = cluster.len().min(pods.len());
    ensure!(
        common + 1 >= cluster.len(),
        "{} of {}",
        pods.len(),
        cluster.len()
    );
    let settled = common.saturating_sub(1);
    ensure!(
        pods.iter().take(settled).eq(cluster.iter().take(settled)),
        "{pods:?} are not {cluster:?}"
    );
    Ok(())
}

/// A counter grows as the counter of the kubelet does: within the seconds by which its samples are older than the
/// columns.
async fn growth(admin: &Influxql) -> Result<()> {
    let statement = "SELECT value FROM \"network/rx\" WHERE type = 'node' AND nodename = 'node-1'";
    let points = admin.points("k8s", statement).await?;
    let (first, last) = points.first().zip(points.last()).context("no points")?;
    #[expect(clippy::cast_precision_loss, reason = "seconds of one check")]
    let seconds = (last.0 - first.0) as f64;
    let rate = (last.1 - first.1) / f64::from(u32::try_from(RECEIVED_A_SECOND)?);
    ensure!(
        (rate - seconds).abs() <= 12.0,
        "grew by {rate} s in {seconds} s"
    );
    Ok(())
}

/// Tags, types and retention are what was asked for.
async fn schema(admin: &Influxql) -> Result<()> {
    let keys = |rows: Vec<Vec<serde_json::Value>>| -> BTreeSet<String> {
        let names = rows.iter().filter_map(|row| row.first()?.as_str());
        names.map(str::to_owned).collect()
    };
    let tags = keys(
        admin
            .rows("k8s", "SHOW TAG KEYS FROM \"cpu/usage_rate\"")
            .await?,
    );
    let wanted = [
        "cluster_name",
        "container_name",
        "labels",
        "namespace_name",
        "nodename",
        "pod_name",
        "type",
    ];
    for tag in wanted {
        ensure!(tags.contains(tag), "{tag} is not in {tags:?}");
    }
    for tag in ["namespace_id", "pod_id", "hostname", "host_id"] {
        ensure!(!tags.contains(tag), "{tag} is in {tags:?}");
    }
    for (measurement, kind) in [("cpu/usage_rate", "integer"), ("network/rx_rate", "float")] {
        let statement = format!("SHOW FIELD KEYS FROM \"{measurement}\"");
        let rows = admin.rows("k8s", &statement).await?;
        ensure!(rows == [vec![json!("value"), json!(kind)]], "{rows:?}");
    }
    let policies = admin.rows("", "SHOW RETENTION POLICIES ON k8s").await?;
    let default = policies
        .iter()
        .find(|row| row.first() == Some(&json!("default")));
    let default = default.with_context(|| format!("{policies:?}"))?;
    ensure!(default.get(1) == Some(&json!("720h0m0s")), "{default:?}");
    ensure!(default.last() == Some(&json!(true)), "{default:?}");
    Ok(())
}

/// The server has as many points as Loadline counts.
async fn counts(stage: &Stage, admin: &Influxql) -> Result<()> {
    for (sink, database) in [("influxdb", "k8s"), ("influxdb-2", "with-fields")] {
        let before = metric(stage, "sent_points_total", sink).await?;
        let all = admin.ask(database, "SELECT count(*) FROM /.*/").await?;
        let after = metric(stage, "sent_points_total", sink).await?;
        let counts = all
            .iter()
            .filter_map(|series| series["values"][0].as_array());
        let counts = counts.flat_map(|row| row.iter().skip(1));
        let count: f64 = counts.filter_map(serde_json::Value::as_f64).sum();
        // A write is there before it is counted.
        ensure!(before <= count, "{database}: {count} points, {before} sent");
        let a_column = after / f64::from(u32::try_from(columns(stage).await?.len())?);
        ensure!(
            count <= after + 2.0 * a_column,
            "{database}: {count} points, {after} sent"
        );
        let refused = metric(stage, "refused_points_total", sink).await?;
        ensure!(refused == 0.0, "{refused} points were refused");
    }
    Ok(())
}

async fn wrong_password(ground: &Ground) -> Result<()> {
    let folder = ground.scratch.folder();
    let guard = Guard::new(folder)?;
    let guarded = Influxdb::guarded(&ground.programs, folder, &guard)?;
    let (influxdb, admin) = begun(guarded).await?;
    let base = format!("influxdb:https://{}?db=", influxdb.address);
    let (ca, stranger) = (guard.ca.display(), guard.stranger.display());
    let sinks = [
        format!("{base}k8s&pw=$INFLUX_PW&cacert={ca}"),
        // Another one that works meanwhile.
        format!("{base}other&pw=$RIGHT_PW&cacert={ca}"),
        format!("{base}never&pw=$RIGHT_PW&cacert={stranger}"),
        format!("{base}never&pw=$RIGHT_PW"),
        format!("{base}unseen&pw=$RIGHT_PW&insecuressl=true"),
    ];
    let variables = [("INFLUX_PW", WRONG), ("RIGHT_PW", ADMIN.1)];
    let arrived = async |login: Login, database: &str| {
        let statement = "SELECT value FROM \"memory/usage\" WHERE type = 'cluster'";
        let user = influxdb.as_user(Some(login));
        anyhow::Ok(stamps(&user.points(database, statement).await?))
    };
    ground
        .beside(&sinks, &[], &variables, async |stage| {
            reaches(stage, "retried_total", "influxdb", 2.0).await?;
            logs(stage, "influxdb", DENIED).await?;
            reaches(stage, "queued", "influxdb", 2.0).await?;
            let up = metric(stage, "up", "influxdb").await?;
            ensure!(up == 0.0, "it is up");
            for (sink, database) in [("influxdb-2", "other"), ("influxdb-5", "unseen")] {
                nothing_lost(stage, &async || arrived(ADMIN, database).await).await?;
                ensure!(metric(stage, "up", sink).await? == 1.0, "{sink} is not up");
            }
            kept_out(
                stage,
                &[("influxdb-3", UNTRUSTED), ("influxdb-4", UNTRUSTED)],
            )
            .await?;
            let databases = admin.rows("", "SHOW DATABASES").await?;
            let never = databases.contains(&vec![json!("never")]);
            ensure!(!never, "{databases:?}");
            let right: Login = ("writer", "a-writers-pw");
            let create = format!("CREATE USER {} WITH PASSWORD '{}'", right.0, right.1);
            admin
                .ask("", &format!("{create} WITH ALL PRIVILEGES"))
                .await?;
            let change = format!("SET PASSWORD FOR {} = '{WRONG}'", ADMIN.0);
            admin.ask("", &change).await?;
            // It is the right one now.
            nothing_lost(stage, &async || arrived(right, "k8s").await).await?;
            logs(stage, "influxdb", "the sink works again").await?;
            let dropped = metric(stage, "dropped_total", "influxdb").await?;
            ensure!(dropped == 0.0, "{dropped} batches were dropped");
            let log = stage.loadline.process.log();
            for password in [WRONG, ADMIN.1] {
                ensure!(!log.contains(password), "the log holds a password");
            }
            Ok(())
        })
        .await
}

async fn writer(ground: &Ground) -> Result<()> {
    let (influxdb, admin) = with_users(ground).await?;
    for statement in [
        "CREATE DATABASE k8s WITH NAME \"default\"",
        "CREATE USER writer WITH PASSWORD 'a-writers-pw'",
        "GRANT WRITE ON k8s TO writer",
    ] {
        admin.ask("", statement).await?;
    }
    let sink = format!("influxdb:http://writer:a-writers-pw@{}", influxdb.address);
    ground
        .beside(&[sink], &[], &[], async |stage| {
            let arrived = async || {
                let statement = "SELECT value FROM \"memory/usage\" WHERE type = 'cluster'";
                anyhow::Ok(stamps(&admin.points("k8s", statement).await?))
            };
            reaches(stage, "sent_total", "influxdb", 2.0).await?;
            nothing_lost(stage, &arrived).await?;
            logs(stage, "k8s", "cannot make the database").await
        })
        .await
}

async fn victoria(ground: &Ground) -> Result<()> {
    let mut victoria = Victoria::new(&ground.programs, ground.scratch.folder())?;
    victoria.database.start().await?;
    let sink = format!("influxdb:http://{}", victoria.http);
    let promql = victoria.promql();
    ground
        .beside(&[sink], &[], &[], async |stage| {
            hold(async |series| {
                let labels = series.labels().into_iter();
                let labels = labels.map(|(name, value)| format!("{name}=\"{value}\""));
                let labels = labels.collect::<Vec<_>>().join(",");
                let name = format!("{}_value", series.metric);
                promql
                    .points(&format!("{{__name__=\"{name}\",db=\"k8s\",{labels}}}"))
                    .await
            })
            .await?;
            let of = |kind: &str| format!("{{__name__=\"memory/usage_value\",type=\"{kind}\"}}");
            let pods = promql.value(&format!("sum({})", of("pod"))).await?;
            let cluster = promql.value(&of("cluster")).await?;
            ensure!(pods == cluster, "{pods} in pods, {cluster} in all");
            let refused = metric(stage, "refused_points_total", "influxdb").await?;
            ensure!(refused == 0.0, "{refused} points were refused");
            Ok(())
        })
        .await
}
