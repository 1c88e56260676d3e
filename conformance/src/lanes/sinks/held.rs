//! What holds of all sinks alike: who sends, what is sent, how one starts and ends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use tokio::process::Command;

use super::told::{PATIENCE, columns, logs, more_columns, reaches};
use super::{Check, Ground, RESOLUTION};
use crate::databases::{Faulty, Influxdb, Kind, Mood};
use crate::lab::{Grant, Lab, Subject};
use crate::loadline::Loadline;
use crate::real::until;
use crate::simulated::READY;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "replicas: the holder of the Lease alone sends, and another takes over",
        |ground| Box::pin(replicas(ground)),
    ),
    Check::new(
        "filters: metrics, namespaces and labels decide what a sink is sent",
        |ground| Box::pin(filters(ground)),
    ),
    Check::new(
        "start: everything that is wrong with any sink is told at once, and no secret",
        |ground| Box::pin(refusals(ground)),
    ),
    Check::new(
        "end: what waits is sent, and a backend that hangs does not hold it up",
        |ground| Box::pin(end(ground)),
    ),
];

/// A few points in each column.
const FEW: &str = "queue=100&metrics=memory/usage&namespaces=none";
/// Whom the simulated API server takes Loadline for.
const ACCOUNT: &str = "system:serviceaccount:kube-system:loadline";
/// More than the end may take, on a machine with other things to do.
const ENDS: Duration = Duration::from_secs(12);

async fn replicas(ground: &Ground) -> Result<()> {
    let mut receiver = Faulty::new(Kind::Webhook)?;
    receiver.start().await?;
    let sink = format!("webhook:http://{}?{FEW}", receiver.address);
    let resolution = format!("{RESOLUTION}s");
    let flags = [
        ("leader-elect", "true"),
        ("leader-elect-resource-namespace", "kube-system"),
    ];
    ground
        .beside(std::slice::from_ref(&sink), &flags, &[], async |stage| {
            // The rights docs/sinks.md has.
            let account = Subject::User(ACCOUNT.to_owned());
            let lease = &["coordination.k8s.io/leases"];
            let create = Grant::new(account.clone(), &["create"], lease);
            let own = Grant::new(account, &["get", "update"], lease).named("loadline");
            stage.lab.access.grant(create);
            stage.lab.access.grant(own);
            becomes(&stage.lab, &stage.loadline, 1).await?;
            let second = ground.bench.start(&stage.lab, &flags)?;
            let second = second.with("rollup-resolution", &resolution);
            let second = second.also("sink", &sink).ready(&stage.lab, READY).await?;
            let begun = came(&receiver)?.len();
            until(PATIENCE, async || {
                let more = came(&receiver)?.len().saturating_sub(begun);
                ensure!(more >= 3, "{more} columns beside the second");
                Ok(())
            })
            .await?;
            becomes(&stage.lab, &stage.loadline, 1).await?;
            becomes(&stage.lab, &second, 0).await?;
            let before = came(&receiver)?;
            let whole = before.values().copied().max().context("no columns")?;
            // The newest may be under way.
            let once = before.values().rev().skip(1).all(|count| *count == whole);
            ensure!(once, "not each column once: {before:?}");
            stage.loadline.process.kill().await?;
            becomes(&stage.lab, &second, 1).await?;
            until(PATIENCE, async || {
                let after = came(&receiver)?;
                let new = after.keys().filter(|at| !before.contains_key(at));
                let new: Vec<_> = new.collect();
                ensure!(new.len() >= 4, "{new:?} came from the second");
                Ok(())
            })
            .await?;
            let after = came(&receiver)?;
            let twice = after.values().filter(|count| **count > whole).count();
            ensure!(twice <= 1, "more than one column twice: {after:?}");
            Ok(())
        })
        .await
}

/// How many points came of each column.
fn came(receiver: &Faulty) -> Result<BTreeMap<i64, usize>> {
    let mut came = BTreeMap::new();
    for stamp in receiver.taken()?.stamps {
        *came.entry(stamp).or_default() += 1;
    }
    Ok(came)
}

/// Waits until a replica says that it sends, or that it does not.
async fn becomes(lab: &Lab, replica: &Loadline, leader: u8) -> Result<()> {
    let administrator = replica.as_proxied(lab, "root", &["system:masters"])?;
    let line = format!("loadline_leader {leader}");
    until(PATIENCE, async || {
        let text = administrator.get("/metrics").await?;
        let text = text.expect_status(200)?.whole_text();
        ensure!(text.lines().any(|l| l == line), "no {line}");
        Ok(())
    })
    .await
}

async fn filters(ground: &Ground) -> Result<()> {
    let mut influxdb = Influxdb::new(&ground.programs, ground.scratch.folder(), false)?;
    influxdb.database.start().await?;
    let sink = |options: &str| format!("influxdb:http://{}?{options}", influxdb.address);
    let sinks = [
        sink("db=few&metrics=memory/*,cpu/usage&excludeMetrics=memory/c*"),
        sink("db=a&namespaces=a"),
        sink("db=rest&excludeNamespaces=a"),
        sink("db=one&selector=app%3Done"),
    ];
    let ask = influxdb.as_user(None);
    let values = async |database: &str, what: &str, at: usize| -> Result<BTreeSet<String>> {
        let rows = ask.rows(database, what).await?;
        let value = rows.iter().filter_map(|row| row.get(at)?.as_str());
        Ok(value.map(str::to_owned).collect())
    };
    let pods = async |database: &str| {
        let statement = "SHOW TAG VALUES FROM \"memory/usage\" WITH KEY = \"pod_name\"";
        values(database, statement, 1).await
    };
    let names =
        |all: &[&str]| -> BTreeSet<String> { all.iter().map(|n| (*n).to_owned()).collect() };
    ground
        .beside(&sinks, &[], &[], async |stage| {
            for sink in ["influxdb", "influxdb-2", "influxdb-3", "influxdb-4"] {
                reaches(stage, "sent_total", sink, 3.0).await?;
            }
            let metrics = values("few", "SHOW MEASUREMENTS", 0).await?;
            ensure!(metrics.contains("memory/usage"), "{metrics:?}");
            ensure!(metrics.contains("cpu/usage"), "{metrics:?}");
            let odd = |name: &&String| {
                let family = name.starts_with("memory/") && !name.starts_with("memory/c");
                !family && *name != "cpu/usage"
            };
            let odd: Vec<_> = metrics.iter().filter(odd).collect();
            ensure!(odd.is_empty(), "{odd:?} were not asked for");
            for (database, expected) in [
                ("a", names(&["one-1", "one-2", "pair-1", "pair-2"])),
                ("rest", names(&["two-1", "two-2"])),
                ("one", names(&["one-1", "one-2"])),
            ] {
                let there = pods(database).await?;
                ensure!(there == expected, "{database}: {there:?}");
            }
            Ok(())
        })
        .await
}

async fn refusals(ground: &Ground) -> Result<()> {
    let run = Command::new(&ground.bench.binary)
        .args([
            "--sink=influxdb:http://db:s3cret/",
            "--sink=kafka:?brokers=nowhere&password=s3cret",
            "--sink=elasticsearch:http://db:9200?bulkWorkers=s3cret&esUserSecret=s3cret",
            "--sink=graphite:http://db?queue=0",
            "--sink=hawkular:http://db?pass=s3cret",
            "--sink=nonsense:http://s3cret",
        ])
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(ENDS, run).await??;
    ensure!(!output.status.success(), "it started");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    for problem in [
        "influxdb: invalid port",
        "kafka: option brokers",
        "kafka: option user",
        "elasticsearch: option bulkWorkers",
        "graphite: the address must begin with tcp:// or udp://",
        "graphite: option queue",
        "not built into this version: hawkular",
        "Sink not recognized: nonsense",
    ] {
        ensure!(said.contains(problem), "not told: {problem}\n{said}");
    }
    ensure!(!said.contains("s3cret"), "a secret is told:\n{said}");
    Ok(())
}

async fn end(ground: &Ground) -> Result<()> {
    let (mut hanging, mut well) = (Faulty::new(Kind::Webhook)?, Faulty::new(Kind::Webhook)?);
    hanging.start().await?;
    well.start().await?;
    let sinks =
        [&hanging, &well].map(|receiver| format!("webhook:http://{}?{FEW}", receiver.address));
    ground
        .beside(&sinks, &[], &[], async |stage| {
            more_columns(stage, 1).await?;
            hanging.set(Mood::Silent);
            more_columns(stage, 2).await?;
            let made = columns(stage).await?;
            stage.loadline.process.signal(Signal::SIGTERM)?;
            let status = stage.loadline.process.wait(ENDS).await?;
            ensure!(status.success(), "it ended with {status}");
            let there: BTreeSet<i64> = well.taken()?.stamps.into_iter().collect();
            let lost: Vec<_> = made.difference(&there).collect();
            ensure!(lost.is_empty(), "without {lost:?}");
            logs(stage, "webhook", "stopped before all was sent").await
        })
        .await
}
