//! CPU is what a counter grew by between two samples.

use std::time::Duration;

use serde_json::Value;

use super::script::{Sample, Script};
use crate::lab::Stamp;
use crate::suite::check::{Check, Group};
use crate::suite::context::Context;
use crate::suite::verdict::{Verdict, at, ensure, equal, text};

pub(super) fn checks() -> Vec<Check> {
    let group = Group::Semantics;
    vec![
        group
            .check(
                100,
                "rate",
                "three core-seconds more in 15 s are 200m, window and timestamp are the samples' own",
                |cx| Box::pin(rate(cx)),
            )
            .moving()
            .within(240),
        group
            .check(
                101,
                "repeated-timestamp",
                "a sample told again changes neither value nor timestamp",
                |cx| Box::pin(repeated(cx)),
            )
            .moving()
            .within(240),
        group
            .check(
                102,
                "counter-reset",
                "a counter that falls serves nothing until two samples of the new one are there",
                |cx| Box::pin(reset(cx)),
            )
            .moving()
            .within(240),
        group
            .check(
                103,
                "half-a-pod",
                "a pod is not served until every container has two samples",
                |cx| Box::pin(half(cx)),
            )
            .moving()
            .within(240),
        group
            .check(
                108,
                "timestamps-advance",
                "whenever a pod's numbers change its timestamp is later",
                |cx| Box::pin(advances(cx)),
            )
            .moving()
            .within(240),
    ]
}

fn main(cpu: f64, at: Stamp) -> Sample<'static> {
    Sample {
        container: "main",
        cpu,
        at,
    }
}

fn later(at: Stamp, millis: u64) -> Stamp {
    at.plus(Duration::from_millis(millis))
}

async fn rate(cx: &Context<'_>) -> Verdict {
    let script = Script::new(cx, "node-rate")?;
    let first = Stamp::now().minus(Duration::from_secs(60));
    let second = later(first, 15_000);
    script.sample(&[main(10.0, first)]).await?;
    script.sample(&[main(13.0, second)]).await?;
    script.serves("200m", "15s", second).await?;
    // This kubelet says nothing of swap.
    let node = script.node().await?.ok_json()?;
    equal("swap", at(&node, "/usage/swap"), &Value::Null)?;
    let third = later(second, 15_237);
    script.sample(&[main(13.0 + 15.237, third)]).await?;
    script.serves("1", "15.237s", third).await?;
    let fourth = later(third, 20_000);
    script.sample(&[main(13.0 + 15.237, fourth)]).await?;
    script.serves("0", "20s", fourth).await
}

async fn repeated(cx: &Context<'_>) -> Verdict {
    let script = Script::new(cx, "node-repeat")?;
    let first = Stamp::now().minus(Duration::from_secs(60));
    let second = later(first, 15_000);
    script.sample(&[main(10.0, first)]).await?;
    script.sample(&[main(13.0, second)]).await?;
    script.serves("200m", "15s", second).await?;
    script.heard(2).await?;
    script.serves("200m", "15s", second).await
}

async fn reset(cx: &Context<'_>) -> Verdict {
    let script = Script::new(cx, "node-reset")?;
    let mut at = Stamp::now().minus(Duration::from_secs(80));
    script.sample(&[main(100.0, at)]).await?;
    at = later(at, 15_000);
    script.sample(&[main(103.0, at)]).await?;
    script.serves("200m", "15s", at).await?;
    at = later(at, 15_000);
    script.sample(&[main(1.0, at)]).await?;
    script.pod().await?.is(404)?;
    at = later(at, 15_000);
    script.sample(&[main(7.0, at)]).await?;
    script.serves("400m", "15s", at).await
}

async fn half(cx: &Context<'_>) -> Verdict {
    let script = Script::new(cx, "node-half")?;
    let late = |cpu, at| Sample {
        container: "late",
        ..main(cpu, at)
    };
    let mut at = Stamp::now().minus(Duration::from_secs(80));
    script.sample(&[main(10.0, at)]).await?;
    at = later(at, 15_000);
    script.sample(&[main(13.0, at), late(5.0, at)]).await?;
    script.pod().await?.is(404)?;
    at = later(at, 15_000);
    script.sample(&[main(16.0, at), late(6.5, at)]).await?;
    let pod = script.pod().await?.ok_json()?;
    let mut usages: Vec<(&str, &str)> = pod["containers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|c| (text(c, "/name"), text(c, "/usage/cpu")))
        .collect();
    usages.sort_unstable();
    equal("usages", usages, vec![("late", "100m"), ("main", "200m")])
}

async fn advances(cx: &Context<'_>) -> Verdict {
    let world = cx.world()?;
    let path = cx.path("/namespaces/a/pods/db-0");
    let mut last = cx.reader().get(&path).await?.ok_json()?;
    let mut changes = 0;
    let polls = world.resolution.as_secs() * 3;
    for _ in 0..polls {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = cx.reader().get(&path).await?.ok_json()?;
        let (before, after) = (text(&last, "/timestamp"), text(&now, "/timestamp"));
        if now["containers"] != last["containers"] || before != after {
            changes += 1;
            ensure(after > before, format!("later than {before}"), after)?;
        }
        last = now;
    }
    ensure(
        changes >= 2,
        format!("two new samples in {polls} s"),
        changes,
    )
}
