//! Kubelets that fail, each in its own way, and harm nobody else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::lab::{Answer, Stamp};
use crate::suite::check::{Check, Group};
use crate::suite::context::Context;
use crate::suite::semantics::{Script, write_container, write_node};
use crate::suite::verdict::{Stop, Verdict, ensure, equal, text};
use crate::suite::world::until;

/// More memory than this nobody needs for the suite's cluster.
const MEMORY_CAP: u64 = 512 << 20;

/// So many of the failures of a kubelet must have causes of their own.
const CAUSES: usize = 4;

pub(super) fn checks() -> Vec<Check> {
    let group = Group::KubeletDecoder;
    vec![
        group
            .check(
                119,
                "failing-kubelet",
                "a kubelet that refuses, breaks off, is empty or slow harms its own node alone, and is counted",
                |cx| Box::pin(failing(cx)),
            )
            .moving()
            .within(400),
        group
            .check(
                119,
                "failure-causes",
                "a counter names the cause of a kubelet's failure: refusals, breaks and slowness are told apart",
                |cx| Box::pin(causes(cx)),
            )
            .moving()
            .within(200),
        group
            .check(
                120,
                "large-answer",
                "ten thousand series are read, an answer without end is refused within bounds",
                |cx| Box::pin(large(cx)),
            )
            .alone()
            .within(200),
    ]
}

/// The counters of failed requests to kubelets, summed.
async fn failures(cx: &Context<'_>) -> Result<f64, Stop> {
    let reply = cx.reader().get("/metrics").await?;
    let body = reply.is(200)?.body();
    let lines = body.lines().filter(|line| {
        line.starts_with("metrics_server_kubelet_request_total")
            && line.contains("success=\"false\"")
    });
    let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    Ok(values.sum())
}

async fn timestamp(cx: &Context<'_>, node: &str) -> Result<String, Stop> {
    let path = cx.path(&format!("/nodes/{node}"));
    let node = cx.reader().get(&path).await?.ok_json()?;
    Ok(text(&node, "/timestamp").to_owned())
}

async fn failing(cx: &Context<'_>) -> Verdict {
    let script = Script::new(cx, "node-fails")?;
    let answers = [
        Answer::Status(401),
        Answer::Status(403),
        Answer::Status(404),
        Answer::Status(500),
        Answer::Redirect("https://127.0.0.1:1/".to_owned()),
        Answer::BreakOff,
        Answer::Text(String::new()),
        // It failed to look at anything, and says so.
        Answer::Text("resource_scrape_error 1\n".to_owned()),
        Answer::Drip(Duration::from_millis(700)),
        Answer::Hang,
    ];
    let before = failures(cx).await?;
    let other = timestamp(cx, "node-1").await?;
    for answer in answers {
        script.set(answer)?;
        tokio::time::sleep(cx.world()?.resolution).await;
    }
    let after = failures(cx).await;
    let other_after = timestamp(cx, "node-1").await;
    let gone = script.node().await;
    script.set(Answer::Normal)?;
    gone?.is(404)?;
    ensure(
        after? >= before + 4.0,
        "metrics_server_kubelet_request_total{success=\"false\"} of every failure",
        format!("{before} before"),
    )?;
    ensure(
        other_after? > other,
        "node-1 measured meanwhile",
        "its timestamp stands still",
    )?;
    script.heard(2).await?;
    script.node().await?.is(200)?;
    Ok(())
}

/// The series of each counter of failures that are above zero, but for the node they are of.
fn told(metrics: &str) -> BTreeMap<&str, BTreeSet<String>> {
    let mut told: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let Some((series, value)) = line.rsplit_once(' ') else {
            continue;
        };
        let Some((name, labels)) = series.split_once('{') else {
            continue;
        };
        let kubelets = ["kubelet", "scrape"].iter().any(|word| name.contains(word));
        let failed = ["fail", "error", "false"]
            .iter()
            .any(|word| series.contains(word));
        let above = value.parse::<f64>().is_ok_and(|value| value > 0.0);
        if kubelets && failed && above && name.ends_with("_total") {
            let labels = labels.trim_end_matches('}').split(',');
            let labels: Vec<&str> = labels.filter(|l| !l.starts_with("node=")).collect();
            told.entry(name).or_default().insert(labels.join(","));
        }
    }
    told
}

async fn causes(cx: &Context<'_>) -> Verdict {
    let script = Script::new(cx, "node-causes")?;
    for answer in [
        Answer::Status(401),
        Answer::Status(403),
        Answer::Status(404),
        Answer::Status(500),
        Answer::BreakOff,
        Answer::Hang,
    ] {
        script.set(answer)?;
        tokio::time::sleep(cx.world()?.resolution).await;
    }
    // The last one is counted when its time is over.
    let told_apart = until(20, || async move {
        let reply = cx.reader().get("/metrics").await?;
        let body = reply.is(200)?.body();
        let told = told(&body);
        ensure(
            told.values().any(|causes| causes.len() >= CAUSES),
            format!("{CAUSES} causes told apart by a counter"),
            format!("{told:?}"),
        )
    });
    let told_apart = told_apart.await;
    script.set(Answer::Normal)?;
    told_apart
}

/// The node's own numbers behind so many series of pods nobody knows.
fn long_text(at: Stamp, cpu: u32) -> String {
    let mut text = String::new();
    for number in 0..10_000 {
        let name = format!("{number:04}-{}", "x".repeat(220));
        let labels = format!("container=\"main\",namespace=\"nobody\",pod=\"{name}\"");
        write_container(&mut text, &labels, cpu, at);
    }
    write_node(&mut text, cpu, at);
    text
}

async fn large(cx: &Context<'_>) -> Verdict {
    let (world, script) = (cx.world()?, Script::new(cx, "node-large")?);
    let at = Stamp::now();
    let second = at.plus(Duration::from_secs(15));
    script.say(Answer::Text(long_text(at, 100))).await?;
    script.say(Answer::Text(long_text(second, 103))).await?;
    let node = script.node().await?.ok_json()?;
    equal("cpu", text(&node, "/usage/cpu"), "200m")?;
    script.set(Answer::Oversize(512 << 20))?;
    tokio::time::sleep(world.resolution * 2).await;
    let peak = world.server.process.footprint()?.peak;
    script.set(Answer::Normal)?;
    ensure(
        peak < MEMORY_CAP,
        format!("never more than {} MiB of memory", MEMORY_CAP >> 20),
        format!("{} MiB", peak >> 20),
    )?;
    cx.reader().get(&cx.path("/nodes/node-1")).await?.is(200)?;
    Ok(())
}
