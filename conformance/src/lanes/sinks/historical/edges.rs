//! Names that are none, a Loadline without a ring, a store that is away.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::join_all;
use serde_json::Value;

use super::super::told::{PATIENCE, columns};
use super::super::{Ground, RESOLUTION};
use super::told::{START, counter, place, tell};
use super::{FORGOTTEN, PASSWORD};
use crate::databases::{Database, Pace, Proxy, escape};
use crate::real::until;
use crate::simulated::Stage;

/// More than there are places to compute, and less than may wait.
const QUESTIONS: usize = 24;
/// How long the live numbers are asked for meanwhile.
const ASKING: Duration = Duration::from_secs(10);
/// How long a question to a store that is away may take; Loadline gives it 20 s.
const REFUSED_WITHIN: Duration = Duration::from_secs(30);

/// A text that is more than a name finds what has that name: nobody.
pub(super) async fn hostile(stage: &Stage) -> Result<()> {
    let texts = [
        "x' OR '1'='1",
        "x\" OR \"type\"='node",
        "pods' OR \"type\" = 'sys_container",
        "x\\",
        "x\\' OR 1=1 --",
        "x\"} or {__name__=~\".+",
        "pods|.*",
        ".*",
        "x'; DROP DATABASE k8s; SELECT 'y",
        "a\nb\0",
    ];
    for text in texts {
        let nothing = (404, "No results for metric");
        // No name has control characters; a label's value may have any.
        let of_name = match text.chars().any(char::is_control) {
            true => (400, "Invalid container name"),
            false => nothing,
        };
        let text = escape(text);
        for (path, (status, says)) in [
            (
                format!("/nodes/node-1/freecontainers/{text}/metrics/memory/usage?start={START}"),
                of_name,
            ),
            (
                format!(
                    "/namespaces/a/pods/one-1/containers/app/metrics/filesystem/usage?start={START}\
                     &labels=resource_id:{text}"
                ),
                nothing,
            ),
        ] {
            let path = format!("/api/v1/historical{path}");
            let answer = stage.viewer.get(&path).await?;
            let text = answer.text();
            ensure!(answer.status == status, "{path}: {} {text}", answer.status);
            ensure!(text.starts_with(says), "{path}: {text}");
        }
    }
    Ok(())
}

/// A Loadline that keeps nothing and sends nothing answers from the store: lists as the one that has the ring, and
/// points.
pub(super) async fn alone(stage: &Stage, ground: &Ground, source: &str) -> Result<()> {
    let start = ground.bench.start(&stage.lab, &[])?;
    let start = start
        .with("disable-metric-sink", "true")
        .with("historical-source", source)
        .variable("PW", PASSWORD);
    let other = start.launch(&stage.lab)?;
    let other = other.as_proxied(&stage.lab, "viewer", &["viewers", "system:authenticated"])?;
    let names = |value: Value| -> Result<BTreeSet<String>> {
        let names = value.as_array().context("no list")?;
        let names = names.iter().map(|name| name.as_str().map(str::to_owned));
        names.collect::<Option<_>>().context("no name")
    };
    for path in [
        "nodes",
        "namespaces",
        "namespaces/a/pods",
        "nodes/node-1/freecontainers",
        "metrics",
        "nodes/node-2/metrics",
        "namespaces/b/metrics",
        "namespaces/a/pods/pair-2/metrics",
        "namespaces/a/pods/pair-2/containers/side/metrics",
        "nodes/node-2/freecontainers/pods/metrics",
    ] {
        until(PATIENCE, async || {
            let path = format!("/api/v1/historical/{path}");
            let from_ring = names(stage.viewer.get_json(&path).await?)?;
            let from_store = names(other.get_json(&path).await?)?;
            ensure!(!from_ring.is_empty(), "{path} is empty");
            ensure!(
                from_ring == from_store,
                "{path}: {from_store:?}, not {from_ring:?}"
            );
            Ok(())
        })
        .await?;
    }
    let series = counter();
    let told = tell(&other, "historical", &place(series.of), &series).await?;
    ensure!(told.len() > FORGOTTEN, "{} points", told.len());
    let list =
        "/api/v1/historical/namespaces/a/pod-list/pair-2,nobody,one-1,pair-2/metrics/memory/usage";
    let list = other.get_json(&format!("{list}?start={START}")).await?;
    let items = list["items"].as_array().context("no items")?;
    let counts: Vec<usize> = items
        .iter()
        .map(|item| item["metrics"].as_array().map_or(0, Vec::len))
        .collect();
    let [pair, 0, one, again] = counts[..] else {
        anyhow::bail!("{counts:?}");
    };
    ensure!(
        pair > FORGOTTEN && one > FORGOTTEN && again >= pair,
        "{counts:?}"
    );
    let model = other.get("/api/v1/model/nodes").await?;
    ensure!(model.status == 404, "the model answers {}", model.status);
    Ok(())
}

/// While the store takes questions and answers none, more of them than there are places to compute wait, and the live
/// numbers and what the ring has are answered all the same.
pub(super) async fn hangs(stage: &Stage, proxy: &Proxy) -> Result<()> {
    let series = counter();
    let place = place(series.of);
    let told = async || tell(&stage.viewer, "historical", &place, &series).await;
    until(PATIENCE, async || {
        let points = told().await?.len();
        ensure!(points > FORGOTTEN, "{points} points");
        Ok(())
    })
    .await?;
    proxy.set(Pace::Held);
    let old = format!(
        "/api/v1/historical{place}/metrics/{}?start={START}",
        series.metric
    );
    let patient = stage.viewer.clone().with_deadline(REFUSED_WITHIN * 2);
    let questions = join_all((0..QUESTIONS).map(|_| patient.get(&old)));
    let live = async {
        let began = Instant::now();
        let mut answered = 0;
        while began.elapsed() < ASKING {
            let pods = stage
                .viewer
                .get_json("/apis/metrics.k8s.io/v1/pods")
                .await?;
            ensure!(
                pods["items"].as_array().is_some_and(|pods| pods.len() == 6),
                "{pods}"
            );
            let model = stage.viewer.get("/api/v1/model/nodes").await?;
            ensure!(model.status == 200, "the model answers {}", model.status);
            answered += 1;
        }
        ensure!(answered >= 5, "{answered} lists in {ASKING:?}");
        Ok(())
    };
    let (answers, live) = tokio::join!(questions, live);
    live?;
    for answer in answers {
        let answer = answer?;
        let text = answer.text();
        ensure!(answer.status == 500, "{} {text}", answer.status);
        ensure!(text.contains("no answer within 20 s"), "{text}");
    }
    proxy.set(Pace::Free);
    until(PATIENCE, async || {
        let points = told().await?.len();
        ensure!(points > FORGOTTEN, "{points} points");
        Ok(())
    })
    .await
}

/// While the store is away, what is kept is answered and what is not is refused in time; once it is back, all is.
pub(super) async fn away(stage: &mut Stage, server: &mut Database) -> Result<()> {
    let series = counter();
    let old = format!(
        "/api/v1/historical{}/metrics/{}?start={START}",
        place(series.of),
        series.metric
    );
    server.end().await?;
    let began = Instant::now();
    let answer = stage.viewer.get(&old).await?;
    let text = answer.text();
    ensure!(answer.status == 500, "{} {text}", answer.status);
    ensure!(text.contains("did not answer: cannot be reached"), "{text}");
    ensure!(
        began.elapsed() < REFUSED_WITHIN,
        "after {:?}",
        began.elapsed()
    );
    ensure!(!text.contains(PASSWORD), "{text}");
    until(PATIENCE, async || {
        let newest = columns(stage).await?.last().copied().context("no column")?;
        let start = jiff::Timestamp::from_second(newest - RESOLUTION)?;
        let recent = format!(
            "/api/v1/historical{}/metrics/{}?start={start}",
            place(series.of),
            series.metric
        );
        let answer = stage.viewer.get(&recent).await?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
        Ok(())
    })
    .await?;
    server.start().await?;
    until(PATIENCE, async || {
        let told = tell(&stage.viewer, "historical", &place(series.of), &series).await?;
        ensure!(told.len() > FORGOTTEN, "{} points", told.len());
        Ok(())
    })
    .await?;
    let log = stage.loadline.process.log();
    for line in [
        "the historical source does not answer",
        "the historical source answers again",
    ] {
        ensure!(log.contains(line), "the log does not say: {line}");
    }
    ensure!(!log.contains(PASSWORD), "the log holds the password");
    Ok(())
}
