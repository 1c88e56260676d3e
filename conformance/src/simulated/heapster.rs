//! What Heapster's clients are told: the roll-up's columns on both ports, to whom it is allowed.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::symlink;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::stage::{Stage, small_world, until};
use super::{Bench, Check};
use crate::client::{Protocol, get_plain};
use crate::lab::summary::{LOGGED, RECEIVED_A_SECOND, SENT_A_SECOND, WRITTEN};
use crate::lab::{Lab, LabConfig};
use crate::loadline::Start;
use crate::process::free_address;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "columns of five seconds hold what was measured, at every level",
        120,
        |bench| Box::pin(closed_form(bench)),
    ),
    Check::new(
        "the model is told to those who may list pods' metrics",
        90,
        |bench| Box::pin(access(bench)),
    ),
    Check::new(
        "the newest column is scraped where that is asked for",
        120,
        |bench| Box::pin(scraped(bench)),
    ),
    Check::new("a manifest of Heapster's starts Heapster", 120, |bench| {
        Box::pin(started_as_heapster(bench))
    }),
];

/// Two columns and what comes before the first.
const COLUMNS: Duration = Duration::from_secs(60);
const MEBIBYTE: f64 = 1_048_576.0;
/// A summary counts working sets a ninth lower than usage.
const USAGE: f64 = 1.125;

/// The newest value of a metric; `None` while there is none.
async fn newest(stage: &Stage, path: &str) -> Result<Option<f64>> {
    let answer = stage
        .viewer
        .get_json(&format!("/api/v1/model/{path}"))
        .await?;
    Ok(last_value(&answer))
}

fn last_value(result: &Value) -> Option<f64> {
    let point = result["metrics"].as_array()?.last()?;
    point["floatValue"]
        .as_f64()
        .or_else(|| point["value"].as_f64())
}

/// Cores and mebibytes as the small world has them, and how far below a number may be that was cut down to whole
/// units before it was added to others.
fn expected() -> Vec<(String, f64, f64)> {
    const PODS: f64 = 8.0;
    let of_pod = "namespaces/a/pods/pair-2";
    let container = "namespaces/a/pods/one-1/containers/app/metrics/filesystem";
    let used = |bytes: f64| bytes * MEBIBYTE * USAGE;
    #[rustfmt::skip]
    let all = [
        ("metrics/cpu/usage_rate", 2010.0, PODS),
        ("namespaces/a/metrics/cpu/usage_rate", 1260.0, PODS),
        ("namespaces/b/metrics/cpu/usage_rate", 750.0, PODS),
        ("nodes/node-1/metrics/cpu/usage_rate", 500.0, 1.0),
        ("nodes/node-2/freecontainers/pods/metrics/cpu/usage_rate", 1340.0, 1.0),
        ("metrics/memory/usage", used(320.0), 1.0),
        ("namespaces/a/metrics/memory/usage", used(220.0), 1.0),
        ("nodes/node-1/metrics/memory/usage", used(3072.0), 1.0),
        ("nodes/node-2/metrics/network/rx_rate", amount(RECEIVED_A_SECOND), 1.0),
        ("nodes/node-2/metrics/network/tx_rate", amount(SENT_A_SECOND), 1.0),
    ];
    let mut all: Vec<_> = all
        .map(|(path, want, off)| (path.to_owned(), want, off))
        .into();
    #[rustfmt::skip]
    all.extend([
        (format!("{of_pod}/metrics/cpu/usage_rate"), 640.0, 2.0),
        (format!("{of_pod}/containers/app/metrics/cpu/usage_rate"), 600.0, 1.0),
        (format!("{of_pod}/metrics/memory/usage"), used(60.0), 1.0),
        (format!("{of_pod}/containers/side/metrics/memory/usage"), used(10.0), 1.0),
        (format!("{of_pod}/metrics/network/rx_rate"), amount(RECEIVED_A_SECOND), 1.0),
        (format!("{container}/usage?labels=resource_id:/"), amount(WRITTEN), 0.0),
        (format!("{container}/usage?labels=resource_id:logs"), amount(LOGGED), 0.0),
    ]);
    all
}

fn amount(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

async fn closed_form(bench: &Bench) -> Result<()> {
    let flags = [("rollup-resolution", "5s")];
    bench
        .beside(small_world(), &flags, async |stage| {
            let expected = expected();
            until(COLUMNS, "everything is in a column", async || {
                for (path, ..) in &expected {
                    if newest(stage, path).await?.is_none() {
                        return Ok(None);
                    }
                }
                Ok(Some(()))
            })
            .await?;
            for (path, want, off) in &expected {
                let got = newest(stage, path).await?.context(path.clone())?;
                let near = (want - off..=*want).contains(&got);
                ensure!(near, "{path}: {got}, not {want}");
            }
            aligned(stage).await
        })
        .await
}

/// All timestamps are multiples of the resolution, the same for all.
async fn aligned(stage: &Stage) -> Result<()> {
    let path = "/api/v1/model/namespaces/a/pod-list/one-1,gone,pair-1,one-1/metrics/cpu/usage_rate";
    let list = stage.viewer.get_json(path).await?;
    let items = list["items"].as_array().context("no items")?;
    let [first, gone, other, again] = items.as_slice() else {
        anyhow::bail!("not four items: {list}");
    };
    ensure!(first == again, "the same pod twice differs: {list}");
    ensure!(gone["metrics"] == json!([]), "a pod nobody knows: {gone}");
    let stamps = |item: &Value| -> Result<Vec<i64>> {
        let points = item["metrics"].as_array().context("no points")?;
        let stamp = |point: &Value| {
            let text = point["timestamp"].as_str().context("no timestamp")?;
            anyhow::Ok(text.parse::<jiff::Timestamp>()?.as_second())
        };
        points.iter().map(stamp).collect()
    };
    let (one, two) = (stamps(first)?, stamps(other)?);
    ensure!(one == two, "stamps differ: {one:?}, {two:?}");
    ensure!(one.iter().all(|at| at % 5 == 0), "not aligned: {one:?}");
    Ok(())
}

async fn scraped(bench: &Bench) -> Result<()> {
    const PATH: &str = "/metrics/rollup";
    let flags = [("rollup-resolution", "5s"), ("rollup-metrics", "true")];
    bench
        .beside(small_world(), &flags, async |stage| {
            let nobody = stage.loadline.client(Protocol::Http2, None)?;
            nobody.get(PATH).await?.expect_status(403)?;
            stage.viewer.get(PATH).await?.expect_status(403)?;
            let masters = ["system:masters"];
            let prometheus = stage
                .loadline
                .as_proxied(&stage.lab, "prometheus", &masters)?;
            let cpu = "heapster_cpu_usage_rate_cores{type=\"cluster\"} ";
            let text = until(COLUMNS, "there is a column", async || {
                let answer = prometheus.get(PATH).await?;
                let text = answer.expect_status(200)?.whole_text();
                Ok(text.contains(cpu).then_some(text))
            })
            .await?;
            ensure!(text.ends_with("# EOF\n"), "{text}");
            let (_, after) = text.split_once(cpu).context("no sum")?;
            let line = after.lines().next().unwrap_or_default();
            let (cores, stamp) = line.split_once(' ').context("no timestamp")?;
            let near = (2.002..=2.010).contains(&cores.parse::<f64>()?);
            ensure!(near, "{cores} cores, not 2.010");
            let secs = stamp.strip_suffix(".000").context("not aligned")?;
            ensure!(secs.parse::<i64>()? % 5 == 0, "not aligned: {stamp}");
            let some = format!("{PATH}?metrics=memory/usage&namespaces=b");
            let some = prometheus
                .get(&some)
                .await?
                .expect_status(200)?
                .whole_text();
            let (no_cpu, memory) = (
                !some.contains("_cpu_"),
                some.contains("_memory_usage_bytes{"),
            );
            ensure!(no_cpu && memory, "{some}");
            ensure!(!some.contains("namespace_name=\"a\""), "{some}");
            let wrong = format!("{PATH}?selector=a%3D%3D%3D");
            prometheus.get(&wrong).await?.expect_status(400)?;
            Ok(())
        })
        .await
}

async fn access(bench: &Bench) -> Result<()> {
    const PATHS: [&str; 4] = [
        "/api/v1/model/metrics",
        "/api/v1/historical/nodes",
        "/api/v1/metric-export",
        "/api/v1/dashboard/nodes/node-1/metrics/cpu/usage_rate",
    ];
    bench
        .beside(small_world(), &[], async |stage| {
            let nobody = stage.loadline.client(Protocol::Http2, None)?;
            // Like every authenticated user she may get what is no resource below /api.
            let everyone = ["system:authenticated"];
            let eve = stage.loadline.as_proxied(&stage.lab, "eve", &everyone)?;
            for path in PATHS {
                nobody.get(path).await?.expect_status(403).context(path)?;
                let refused = eve.get(path).await?;
                refused.expect_status(403).context(path)?;
                let told = "cannot list resource \\\"pods\\\" in API group \\\"metrics.k8s.io\\\"";
                ensure!(refused.whole_text().contains(told), "{}", refused.text());
                stage.lab.api.journal().clear();
                stage
                    .viewer
                    .get(path)
                    .await?
                    .expect_status(200)
                    .context(path)?;
            }
            let asked = stage.lab.api.journal().access_reviews();
            let wanted = json!({ "verb": "get", "path": PATHS[3] });
            let first = asked.first().map(|asked| &asked["nonResourceAttributes"]);
            ensure!(first == Some(&wanted), "asked {asked:?}");
            // Heapster's own version of the resource API is on its own port alone.
            let old = "/apis/metrics.k8s.io/v1alpha1/nodes";
            stage.viewer.get(old).await?.expect_status(404)?;
            Ok(())
        })
        .await
}

async fn started_as_heapster(bench: &Bench) -> Result<()> {
    let lab = Lab::start(small_world(), LabConfig::default()).await?;
    let program = lab.file("heapster");
    symlink(&bench.binary, &program)?;
    let port = free_address()?.port();
    let auth = lab.kubeconfig().display().to_string();
    let source =
        format!("kubernetes.summary_api:?inClusterConfig=false&auth={auth}&kubeletHttps=true");
    let other = [
        "kubeconfig",
        "metric-resolution",
        "kubelet-preferred-address-types",
    ];
    let start = Start::new(&lab, &program)?;
    let start = other.into_iter().fold(start, Start::without);
    let start = start
        .with("source", &source)
        .with("metric_resolution", "5s")
        .with("heapster_port", &port.to_string())
        .with("sink", "metric")
        .with("logtostderr", "true");
    let loadline = start.ready(&lab, super::stage::READY).await?;
    let mut stage = Stage::new(lab, loadline)?;
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    stage
        .hold(async |stage| {
            as_heapster(at).await?;
            let log = stage.loadline.process.log();
            for told in ["(5s) is the pace of what is kept", "without authentication"] {
                ensure!(log.contains(told), "the log does not say {told:?}: {log}");
            }
            Ok(())
        })
        .await
}

/// Asks Heapster's port as Heapster's clients do.
async fn as_heapster(at: SocketAddr) -> Result<()> {
    until(COLUMNS, "Heapster's port is healthy", async || {
        let answer = get_plain(at, "/healthz").await?;
        Ok((answer.status == 200).then_some(()))
    })
    .await?;
    let list = "/api/v1/model/namespaces/a/pod-list/one-1,one-2/metrics/cpu/usage_rate";
    let list = until(COLUMNS, "both pods have a rate", async || {
        let list = get_plain(at, list).await?.json()?;
        let known = (0..2).all(|n| last_value(&list["items"][n]).is_some());
        Ok(known.then_some(list))
    })
    .await?;
    for (n, want) in [(0, 100.0), (1, 200.0)] {
        let got = last_value(&list["items"][n]).context("gone")?;
        ensure!((want - 1.0..=want).contains(&got), "{got}, not {want}");
    }
    let names = get_plain(at, "/api/v1/model/nodes/").await?.json()?;
    ensure!(names == json!(["node-1", "node-2"]), "{names}");
    let old = "/apis/metrics/v1alpha1/nodes/node-2";
    let old = until(COLUMNS, "the node has its numbers", async || {
        let answer = get_plain(at, old).await?;
        Ok((answer.status == 200).then_some(answer))
    });
    let old = old.await?.json()?;
    let cpu = old["usage"]["cpu"].as_str().unwrap_or_default();
    ensure!(["1", "999m"].contains(&cpu), "{old}");
    let unknown = get_plain(at, "/api/v1/model/unknown").await?;
    unknown.expect_status(404)?;
    ensure!(
        unknown.text() == "404: Page Not Found",
        "{}",
        unknown.text()
    );
    get_plain(at, "/metrics").await?.expect_status(200)?;
    Ok(())
}
