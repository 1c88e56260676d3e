//! Promise 2: lists that are not read take no memory.

use std::collections::BTreeSet;
use std::io::Read;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use flate2::read::GzDecoder;
use futures_util::future::try_join_all;
use serde_json::Value;

use super::reading::{Measured, from_json, from_protobuf};
use super::stage::{PODS, Stage, until};
use super::{Bench, Check};
use crate::client::{Client, Streamed};
use crate::lab::{Lab, LabConfig, World};

pub(super) const CHECKS: &[Check] = &[Check::new(
    "below a memory limit that cannot hold the lists all of them are answered, to slow clients, too",
    150,
    |bench| Box::pin(more_lists_than_fit(bench)),
)];

const NODES_OF_CLUSTER: usize = 40;
const PODS_OF_NODE: usize = 500;
const ALL: usize = NODES_OF_CLUSTER * PODS_OF_NODE;
/// Holds the cluster, some 31 MiB, and not 4 to 9 MiB for each list under way, nor what making one takes.
const LIMIT: &str = "52Mi";
const LIMIT_BYTES: u64 = 52 << 20;
/// Bytes a slow client reads in a second.
const SLOW: f64 = 2e7;
const MEASURED: Duration = Duration::from_secs(60);
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// The forms of a list of all pods, each with whether it is packed.
const FORMS: [(&str, &str, Form); 6] = [
    ("", "application/json", Form::Json),
    ("", PROTOBUF, Form::Protobuf),
    ("", "application/json", Form::Packed),
    ("?pretty=1", "application/json", Form::Json),
    ("", "application/yaml", Form::Yaml),
    ("?includeObject=Object", TABLE, Form::Table),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Packed,
    Protobuf,
    Yaml,
    Table,
}

async fn more_lists_than_fit(bench: &Bench) -> Result<()> {
    let world = World::of_size(NODES_OF_CLUSTER, PODS_OF_NODE);
    let lab = Lab::start(world, LabConfig::default()).await?;
    let flags = [
        ("memory-limit", LIMIT),
        ("kubelet-summary", "false"),
        ("disable-metric-sink", "true"),
    ];
    bench
        .on(lab, &flags, async |stage| {
            until(MEASURED, "every pod is measured", async || {
                let list = stage.viewer.get_as(PODS, PROTOBUF).await?;
                Ok((from_protobuf(&list.body, true)?.len() == ALL).then_some(()))
            })
            .await?;
            let pods = stage.lab.world.pods();
            let names = pods.iter().map(|pod| pod.meta.name.clone()).collect();
            // One that asks and reads nothing while the others are answered.
            let other = stage
                .loadline
                .as_proxied(&stage.lab, "viewer", &["viewers"])?;
            let unread = ask(&other, "?pretty=1", "application/json", false).await?;
            let mut most = 0;
            tokio::select! {
                answered = answered(&stage.viewer, &names) => answered?,
                failed = watched(stage, &mut most) => failed?,
            }
            drop(unread);
            ensure!(most > 0, "nobody looked at the memory");
            Ok(())
        })
        .await
}

/// Asks for every form, fast and slow, all at the same time.
async fn answered(viewer: &Client, names: &BTreeSet<String>) -> Result<()> {
    let lists = FORMS.iter().flat_map(|form| [(form, true), (form, false)]);
    let lists = lists.map(async |((query, accept, form), slow)| {
        let packed = *form == Form::Packed;
        let answer = ask(viewer, query, accept, packed).await?;
        let body = read(answer, slow).await?;
        let what = format!("{PODS}{query} as {accept}, slowly: {slow}");
        let found = named(*form, &body).with_context(|| what.clone())?;
        ensure!(found.len() == ALL, "{what}: {} of {ALL} pods", found.len());
        let found: BTreeSet<String> = found.into_iter().collect();
        ensure!(found == *names, "{what}: other pods");
        Ok(())
    });
    try_join_all(lists).await?;
    Ok(())
}

/// Fails as soon as more is resident than the limit: of what is in no file, as the kernel counts it
/// against a container's.
async fn watched(stage: &Stage, most: &mut u64) -> Result<()> {
    loop {
        let now = stage.loadline.process.footprint()?.anonymous;
        *most = now.max(*most);
        ensure!(now < LIMIT_BYTES, "{} of {LIMIT} are resident", now >> 20);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn ask(viewer: &Client, query: &str, accept: &str, packed: bool) -> Result<Streamed> {
    let mut viewer = viewer.with_header("accept", accept)?;
    if packed {
        viewer = viewer.with_header("accept-encoding", "gzip")?;
    }
    let answer = viewer.stream(&format!("{PODS}{query}")).await?;
    ensure!(answer.status() == 200, "{query}: {}", answer.status());
    Ok(answer)
}

async fn read(mut answer: Streamed, slow: bool) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(piece) = answer.next().await? {
        body.extend_from_slice(&piece);
        if slow {
            let bytes = u32::try_from(piece.len()).unwrap_or(u32::MAX);
            tokio::time::sleep(Duration::from_secs_f64(f64::from(bytes) / SLOW)).await;
        }
    }
    Ok(body)
}

/// The names of the pods in a list, which must be complete.
fn named(form: Form, body: &[u8]) -> Result<Vec<String>> {
    let of = |pods: Vec<Measured>| pods.into_iter().map(|pod| pod.name).collect();
    Ok(match form {
        Form::Json => of(from_json(&serde_json::from_slice(body)?)?),
        Form::Protobuf => of(from_protobuf(body, true)?),
        Form::Packed => {
            let mut plain = Vec::new();
            GzDecoder::new(body).read_to_end(&mut plain)?;
            return named(Form::Json, &plain);
        }
        Form::Yaml => {
            let text = std::str::from_utf8(body)?;
            let end = text.rsplit("kind: PodMetricsList\n").next();
            ensure!(
                end.is_some_and(|end| end.starts_with("metadata:")),
                "no end"
            );
            let names = text
                .lines()
                .filter_map(|line| line.strip_prefix("    name: "));
            names.map(str::to_owned).collect()
        }
        Form::Table => {
            let table: Value = serde_json::from_slice(body)?;
            let rows = table["rows"].as_array().context("no rows")?;
            let name = |row: &Value| row["cells"][0].as_str().map(str::to_owned);
            match rows.iter().map(name).collect() {
                Some(names) => names,
                None => bail!("a row without a name"),
            }
        }
    })
}
