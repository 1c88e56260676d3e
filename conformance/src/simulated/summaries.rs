//! Promises 2 and 6 for summaries: asked beside the resource metrics, and never in their way.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::stage::{OLDEST, Stage, age, small_world, until};
use super::{Bench, Check};
use crate::lab::{Answer, Lab, LabConfig};

/// A summary is asked for within a minute of a start, and the answer is soon taken in.
const ASKED: Duration = Duration::from_secs(70);

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "summaries come once a minute over the connection there is",
        200,
        |bench| Box::pin(once_a_minute(bench)),
    ),
    Check::new(
        "forbidden summaries are told once and cost the live numbers nothing",
        120,
        |bench| Box::pin(forbidden(bench)),
    ),
    Check::new(
        "kubelets that give no good summary cost the live numbers nothing",
        120,
        |bench| Box::pin(bad(bench)),
    ),
];

async fn once_a_minute(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            let summaries = || stage.lab.kubelets.summaries("node-1");
            until(ASKED * 2, "node-1 gave two summaries", async || {
                Ok((summaries().len() >= 2).then_some(()))
            })
            .await?;
            let [first, second, ..] = &summaries()[..] else {
                return Ok(());
            };
            ensure!(
                first.status == 200 && second.status == 200,
                "it was refused"
            );
            let apart = second.at.seconds_since(first.at);
            ensure!((55.0..65.0).contains(&apart), "{apart} s lie between them");
            let scrapes = stage.lab.kubelets.scrapes("node-1");
            let shared = scrapes.iter().any(|scrape| scrape.peer == second.peer);
            ensure!(shared, "they came over a connection of their own");
            outcomes(stage, "success", 2).await
        })
        .await
}

async fn forbidden(bench: &Bench) -> Result<()> {
    let lab = with_summaries(Answer::Status(403), Answer::Status(403)).await?;
    bench
        .on(lab, &[], async |stage| {
            fresh_after_summaries(stage, &["node-1", "node-2"]).await?;
            outcomes(stage, "403", 2).await?;
            let log = stage.loadline.process.log();
            let said = log.matches("give no summary").count();
            ensure!(said == 1, "it was told {said} times");
            ensure!(log.contains("nodes/stats"), "the remedy was not told");
            Ok(())
        })
        .await
}

async fn bad(bench: &Bench) -> Result<()> {
    let garbage = "{\"node\":{\"cpu\":".to_owned();
    let lab = with_summaries(Answer::Hang, Answer::Text(garbage)).await?;
    bench
        .on(lab, &[], async |stage| {
            // The other never ends its answer, and a kubelet notes what it has answered.
            fresh_after_summaries(stage, &["node-2"]).await?;
            outcomes(stage, "malformed", 1).await?;
            outcomes(stage, "timeout", 1).await
        })
        .await
}

/// The small world whose two kubelets answer for summaries in these ways.
async fn with_summaries(first: Answer, second: Answer) -> Result<Lab> {
    let lab = Lab::start(small_world(), LabConfig::default()).await?;
    for (node, answer) in [("node-1", first), ("node-2", second)] {
        lab.kubelets.behave(node, |b| b.summary = answer.clone())?;
    }
    Ok(lab)
}

/// Waits until these nodes have answered for summaries, and holds that no number grows old
/// meanwhile.
async fn fresh_after_summaries(stage: &mut Stage, nodes: &[&str]) -> Result<()> {
    stage.until_measured().await?;
    let answered = |node: &&str| !stage.lab.kubelets.summaries(node).is_empty();
    until(ASKED, "nodes were asked for summaries", async || {
        for node in stage.nodes().await? {
            let age = age(node.timestamp);
            ensure!(age < OLDEST, "{} is {age} s old", node.name);
        }
        Ok(nodes.iter().all(answered).then_some(()))
    })
    .await
}

/// Waits until so many summaries are counted under an outcome.
async fn outcomes(stage: &Stage, outcome: &str, times: u32) -> Result<()> {
    let administrator = &stage
        .loadline
        .as_proxied(&stage.lab, "root", &["system:masters"])?;
    let line = format!("loadline_summary_requests_total{{outcome=\"{outcome}\"}} ");
    let what = format!("{times} summaries ended with {outcome}");
    until(Duration::from_secs(20), &what, async || {
        let metrics = administrator.get("/metrics").await?.whole_text();
        let counted = metrics.lines().find_map(|l| l.strip_prefix(&line));
        let counted: u32 = counted.unwrap_or("0").trim().parse()?;
        Ok((counted >= times).then_some(()))
    })
    .await
}
