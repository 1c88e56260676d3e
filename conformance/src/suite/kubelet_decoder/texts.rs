//! Texts that are right but unusual, and texts that are wrong in one line.

use std::time::Duration;

use crate::lab::{Answer, Container, Pod, Stamp};
use crate::suite::check::{Check, Group};
use crate::suite::context::Context;
use crate::suite::semantics::{Sample, Script};
use crate::suite::verdict::{Stop, Verdict, equal, text};

pub(super) fn checks() -> Vec<Check> {
    let group = Group::KubeletDecoder;
    vec![
        group
            .check(
                118,
                "odd-text",
                "reordered and extra labels, escapes, exponents and odd numbers are read or left out",
                |cx| Box::pin(odd_text(cx)),
            )
            .moving()
            .within(150),
        group
            .check(
                118,
                "broken-lines",
                "lines that are no samples cost nothing but themselves",
                |cx| Box::pin(broken_lines(cx)),
            )
            .moving()
            .within(150),
        group
            .check(
                118,
                "no-timestamps",
                "samples without a timestamp are as of when they were read",
                |cx| Box::pin(no_timestamps(cx)),
            )
            .moving()
            .within(150),
    ]
}

const NODE: &str = "node-odd";

/// The kubelet's text at one time: each pod's counter is written in its own odd way.
fn odd(at: Stamp, step: u32) -> String {
    let cpu = 10 + 3 * step;
    let at = at.0;
    let series = |pod: &str, cpu: &str, memory: &str| {
        format!(
            "container_cpu_usage_seconds_total{{container=\"main\",namespace=\"scripted\",pod=\"{pod}\"}} {cpu} {at}\n\
             container_memory_working_set_bytes{{container=\"main\",namespace=\"scripted\",pod=\"{pod}\"}} {memory} {at}\n"
        )
    };
    let mut text = format!(
        "# HELP container_cpu_usage_seconds_total with \\n and \\\\ in it\n\
         # TYPE container_cpu_usage_seconds_total counter\n\
         # a comment\n\n\
         container_cpu_usage_seconds_total{{pod=\"odd-order\",id=\"/a,b}}\\\"\\\\\\n\",namespace=\"scripted\",container=\"main\",}} {cpu}.0e0 {at}\n\
         container_memory_working_set_bytes {{ pod=\"odd-order\" , namespace=\"scripted\" , container=\"main\" }} 1.048576e+06 {at}\n\
         container_unknown_total{{container=\"main\"}} 1\n"
    );
    text.push_str(&series(
        "odd-exponent",
        &format!("{}e-01", cpu * 10),
        "1048576",
    ));
    text.push_str(&series("odd-nan", "NaN", "1048576"));
    text.push_str(&series("odd-infinite", "+Inf", "1048576"));
    text.push_str(&series("odd-negative", "-3", "1048576"));
    text.push_str(&series("odd-plain", &cpu.to_string(), "1048576"));
    text.push_str(&format!(
        "node_cpu_usage_seconds_total {cpu} {at}\nnode_memory_working_set_bytes 2097152 {at}\n# EOF\n"
    ));
    text
}

async fn served(cx: &Context<'_>, pod: &str) -> Result<String, Stop> {
    let path = cx.path(&format!("/namespaces/scripted/pods/{pod}"));
    let reply = cx.reader().get(&path).await?;
    if reply.code() == 404 {
        return Ok("absent".to_owned());
    }
    let pod = reply.ok_json()?;
    let usage = "/containers/0/usage";
    let shown = |key: &str| text(&pod, &format!("{usage}/{key}")).to_owned();
    Ok(format!("{} {}", shown("cpu"), shown("memory")))
}

async fn odd_text(cx: &Context<'_>) -> Verdict {
    let (world, script) = (cx.world()?, Script::new(cx, NODE)?);
    let good = ["odd-order", "odd-exponent", "odd-plain"];
    let bad = [
        "odd-nan",
        "odd-infinite",
        "odd-negative",
        "odd-words",
        "odd-broken",
    ];
    for name in good.iter().chain(&bad) {
        let pod = Pod::new("scripted", name).on(NODE);
        world.lab.world.put_pod(pod.with(Container::new("main")));
    }
    let first = Stamp::now().minus(Duration::from_secs(30));
    let second = first.plus(Duration::from_secs(15));
    script.say(Answer::Text(odd(first, 0))).await?;
    script.say(Answer::Text(odd(second, 1))).await?;
    let verdict = async {
        for name in good {
            equal(name, served(cx, name).await?, "200m 1Mi".to_owned())?;
        }
        for name in bad {
            equal(name, served(cx, name).await?, "absent".to_owned())?;
        }
        script.node().await?.is(200)?;
        Ok(())
    };
    let verdict = verdict.await;
    for name in good.iter().chain(&bad) {
        world.lab.world.delete_pod("scripted", name);
    }
    verdict
}

async fn broken_lines(cx: &Context<'_>) -> Verdict {
    let script = Script::new(cx, "node-broken")?;
    let first = Stamp::now().minus(Duration::from_secs(30));
    let second = first.plus(Duration::from_secs(15));
    for (cpu, at) in [(10.0, first), (13.0, second)] {
        let sample = Sample {
            container: "main",
            cpu,
            at,
        };
        let good = script.exposition(&[sample]);
        let text = format!(
            "this is no line at all\n\
             container_cpu_usage_seconds_total{{container=\"main\",pod=\"broken\n\
             container_cpu_usage_seconds_total{{container=\"main\"}} three 5\n\
             {{}} 1\n\
             {good}container_memory_working_set_bytes{{container=\"cut"
        );
        script.say(Answer::Text(text)).await?;
    }
    script.serves("200m", "15s", second).await
}

async fn no_timestamps(cx: &Context<'_>) -> Verdict {
    let script = Script::new(cx, "node-bare")?;
    let labels = "container=\"main\",namespace=\"scripted\",pod=\"node-bare\"";
    let say = |cpu: u32| {
        format!(
            "container_cpu_usage_seconds_total{{{labels}}} {cpu}\n\
             container_memory_working_set_bytes{{{labels}}} 1048576\n\
             node_cpu_usage_seconds_total {cpu}\nnode_memory_working_set_bytes 2097152\n"
        )
    };
    let begun = Stamp::now();
    script.say(Answer::Text(say(100))).await?;
    script.say(Answer::Text(say(103))).await?;
    let pod = script.pod().await?.ok_json()?;
    let stamp: Option<jiff::Timestamp> = text(&pod, "/timestamp").parse().ok();
    let seconds = stamp.map_or(0, |s| s.as_second());
    let now = Stamp::now().0 / 1000;
    crate::suite::verdict::ensure(
        (begun.0 / 1000..=now + 1).contains(&seconds),
        "a timestamp of when it was read",
        &pod,
    )
}
