//! Puts words into a kubelet's mouth, and waits until the server has heard them.

use std::fmt::{Display, Write};
use std::time::Duration;

use http::StatusCode;

use crate::lab::{Answer, Stamp};
use crate::suite::context::Context;
use crate::suite::reply::Reply;
use crate::suite::verdict::{Stop, Verdict, ensure, equal, text};
use crate::suite::world::{World, until};

/// A node of the suite's cluster whose kubelet says what the check wants, and its pod in the namespace `scripted`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Script<'a> {
    cx: &'a Context<'a>,
    world: &'a World<'a>,
    node: &'a str,
}

/// One container's samples.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample<'a> {
    /// The container.
    pub(crate) container: &'a str,
    /// Its counter in core-seconds.
    pub(crate) cpu: f64,
    /// When it was read.
    pub(crate) at: Stamp,
}

/// Writes a container's counter in core-seconds, and that it has 1 MiB.
pub(crate) fn write_container(text: &mut String, labels: &str, cpu: impl Display, at: Stamp) {
    let at = at.0;
    let _ = writeln!(
        text,
        "container_cpu_usage_seconds_total{{{labels}}} {cpu} {at}\n\
         container_memory_working_set_bytes{{{labels}}} 1048576 {at}"
    );
}

/// Writes a node's counter in core-seconds, and that it has 2 MiB.
pub(crate) fn write_node(text: &mut String, cpu: impl Display, at: Stamp) {
    let at = at.0;
    let _ = writeln!(
        text,
        "node_cpu_usage_seconds_total {cpu} {at}\nnode_memory_working_set_bytes 2097152 {at}"
    );
}

impl<'a> Script<'a> {
    /// The kubelet of a node.
    pub(crate) fn new(cx: &'a Context<'a>, node: &'a str) -> Result<Self, Stop> {
        let world = cx.world()?;
        Ok(Self { cx, world, node })
    }

    /// The kubelet's text for these samples of the node's pod; the node itself is sampled at the first one's time.
    pub(crate) fn exposition(&self, samples: &[Sample<'_>]) -> String {
        let pod = self.node;
        let mut text = String::new();
        for Sample { container, cpu, at } in samples {
            let labels = format!("container=\"{container}\",namespace=\"scripted\",pod=\"{pod}\"");
            let started = self.started().as_seconds();
            write_container(&mut text, &labels, cpu, *at);
            let _ = writeln!(text, "container_start_time_seconds{{{labels}}} {started}");
        }
        if let Some(Sample { at, .. }) = samples.first() {
            write_node(&mut text, at.seconds_since(self.started()), *at);
            text.push_str("resource_scrape_error 0\n");
        }
        text
    }

    fn started(&self) -> Stamp {
        let pod = self.world.lab.world.pod("scripted", self.node);
        let container = pod.and_then(|pod| pod.containers.first().map(|c| c.started));
        container.unwrap_or(Stamp(0))
    }

    /// Lets the kubelet answer so, and waits until it was asked once more after that.
    pub(crate) async fn say(&self, answer: Answer) -> Verdict {
        self.set(answer)?;
        self.heard(1).await
    }

    /// Lets the kubelet say these samples.
    pub(crate) async fn sample(&self, samples: &[Sample<'_>]) -> Verdict {
        self.say(Answer::Text(self.exposition(samples))).await
    }

    /// Lets the kubelet answer so from now on.
    pub(crate) fn set(&self, answer: Answer) -> Verdict {
        let kubelets = &self.world.lab.kubelets;
        Ok(kubelets.behave(self.node, |kubelet| kubelet.answer = answer)?)
    }

    /// Waits until the kubelet was asked so many times more, and the last answer was taken in.
    pub(crate) async fn heard(&self, times: usize) -> Verdict {
        let before = self.scrapes();
        let within = self.world.resolution.as_secs() * (times as u64 + 1) + 15;
        until(within, || async move {
            let seen = self.scrapes().saturating_sub(before);
            ensure(
                seen >= times,
                format!("{} asked {times} times within {within} s", self.node),
                format!("{seen} times"),
            )
        })
        .await?;
        // The answer is on its way; nothing outside says when it has been taken in.
        tokio::time::sleep(Duration::from_millis(700)).await;
        Ok(())
    }

    fn scrapes(&self) -> usize {
        let scrapes = self.world.lab.kubelets.scrapes(self.node);
        let asked = scrapes.iter().filter(|s| s.status != StatusCode::NOT_FOUND);
        asked.count()
    }

    /// What is served of the node's pod.
    pub(crate) async fn pod(&self) -> Result<Reply, Stop> {
        let path = format!("/namespaces/scripted/pods/{}", self.node);
        self.cx.reader().get(&self.cx.path(&path)).await
    }

    /// What is served of the node.
    pub(crate) async fn node(&self) -> Result<Reply, Stop> {
        let path = format!("/nodes/{}", self.node);
        self.cx.reader().get(&self.cx.path(&path)).await
    }

    /// Fails unless the pod is served with this CPU, window and time of its only container.
    pub(crate) async fn serves(&self, cpu: &str, window: &str, at: Stamp) -> Verdict {
        let pod = self.pod().await?.ok_json()?;
        let seen = (
            text(&pod, "/containers/0/usage/cpu"),
            text(&pod, "/window"),
            text(&pod, "/timestamp"),
        );
        let at = at.to_rfc3339();
        equal(
            "cpu, window and timestamp",
            seen,
            (cpu, window, at.as_str()),
        )
    }
}
