//! The summary lane, beside the resource metrics.

use super::*;
use crate::domain::Metric;
use crate::live::Source;

const MINUTE: Duration = Duration::from_secs(60);

/// How far into a minute the clock is when a test begins.
const INTO_MINUTE: f64 = 20.0;

impl Cluster {
    fn summarize(&self, node: &NodeName, manner: Manner) {
        let mut manners = self.kubelets.summary_manners.lock();
        manners.insert(node.clone(), manner);
    }

    /// What is kept of a node, and from which answer.
    fn source(&self, node: &NodeName) -> Option<Source> {
        let mut all = self.live.measured(MINUTE);
        all.find(|measured| measured.node == *node)
            .map(|measured| measured.source)
    }

    fn metric(&self, line: &str) -> f64 {
        let metrics = self.metrics();
        let found = metrics.lines().find_map(|l| l.strip_prefix(line));
        let found = found.unwrap_or_else(|| panic!("no {line} in {metrics}"));
        found.trim().parse().unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn every_node_is_asked_once_for_each_tick_shortly_before_it() {
    let cluster = Cluster::start();
    let nodes: Vec<_> = (0..50)
        .map(|n| cluster.add(&format!("node-{n}"), Manner::Prompt))
        .collect();
    cluster.until(600.0).await;
    for node in &nodes {
        let asked = cluster.asked_summaries(node);
        assert_eq!(asked.len(), 10, "{asked:?}");
        for at in asked {
            let ahead = 60.0 - (INTO_MINUTE + at) % 60.0;
            assert!((4.99..=20.0).contains(&ahead), "{ahead}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_summary_is_the_source_while_it_is_fresh() {
    let cluster = Cluster::start();
    let node = cluster.add("node-1", Manner::Prompt);
    cluster.until(1.0).await;
    assert_eq!(cluster.source(&node), Some(Source::Resource));
    cluster.until(40.0).await;
    let measured: Vec<_> = cluster.live.measured(MINUTE).collect();
    assert_eq!(measured[0].source, Source::Summary);
    assert!(measured[0].sets[0].get(Metric::NetworkRx).is_some());
    let instant = cluster.live.measured(Duration::ZERO).next().unwrap();
    assert_eq!(instant.source, Source::Resource);
    assert_eq!(
        cluster.metric("loadline_summary_requests_total{outcome=\"success\"} "),
        1.0
    );
}

#[tokio::test(start_paused = true)]
async fn whatever_becomes_of_summaries_the_resource_metrics_come_as_ever() {
    let ways = [
        ("prompt", Manner::Prompt),
        ("refuses", Manner::Refuses),
        ("lacks", Manner::Lacks),
        ("hangs", Manner::Hangs),
        ("babbles", Manner::Babbles),
        ("explodes", Manner::Explodes),
    ];
    let cluster = Cluster::start_with(|config| config.summary.concurrency = 2);
    let nodes = ways.map(|(name, manner)| {
        let node = cluster.add(name, Manner::Prompt);
        cluster.summarize(&node, manner);
        node
    });
    cluster.until(300.0).await;
    for node in &nodes {
        let asked = cluster.asked(node).split_off(5);
        assert!(gaps(&asked).iter().all(|gap| *gap < 15.02), "{asked:?}");
        let prompt = node.as_str() == "prompt";
        let source = if prompt {
            Source::Summary
        } else {
            Source::Resource
        };
        assert_eq!(cluster.source(node), Some(source), "{node}");
    }
    for cause in ["403", "404", "timeout", "empty", "internal"] {
        let line = format!("loadline_summary_requests_total{{outcome=\"{cause}\"}} ");
        assert!(cluster.metric(&line) >= 1.0, "{cause}");
    }
    assert_eq!(cluster.metric("loadline_summary_nodes_falling_back "), 2.0);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_refuses_is_asked_again_after_ten_minutes() {
    let cluster = Cluster::start();
    let answers = cluster.add("answers", Manner::Prompt);
    let refuses = cluster.add("refuses", Manner::Prompt);
    cluster.summarize(&refuses, Manner::Refuses);
    cluster.until(1300.0).await;
    let asked = cluster.asked_summaries(&refuses);
    let minutes = gaps(&asked).into_iter().map(|gap| (gap / 60.0).round());
    assert_eq!(minutes.collect::<Vec<_>>(), [10.0, 10.0], "{asked:?}");
    assert!(cluster.asked_summaries(&answers).len() > 20);
    cluster.summarize(&refuses, Manner::Prompt);
    cluster.until(2000.0).await;
    assert_eq!(cluster.source(&refuses), Some(Source::Summary));
    assert_eq!(cluster.metric("loadline_summary_nodes_falling_back "), 0.0);
}

#[tokio::test(start_paused = true)]
async fn when_one_of_all_that_refuse_answers_the_others_are_asked_at_once() {
    let cluster = Cluster::start();
    let nodes: Vec<_> = (0..20)
        .map(|n| {
            let node = cluster.add(&format!("node-{n}"), Manner::Prompt);
            cluster.summarize(&node, Manner::Refuses);
            node
        })
        .collect();
    cluster.until(500.0).await;
    assert_eq!(cluster.metric("loadline_summary_nodes_falling_back "), 20.0);
    for node in &nodes {
        assert_eq!(cluster.asked_summaries(node).len(), 1);
        cluster.summarize(node, Manner::Prompt);
    }
    // All were asked within fifteen seconds, so within a minute of the first answer each has its
    // turn again.
    cluster.until(600.0 + 60.0 + 40.0).await;
    assert_eq!(cluster.metric("loadline_summary_nodes_falling_back "), 0.0);
}

#[tokio::test(start_paused = true)]
async fn what_a_node_said_goes_with_it() {
    let cluster = Cluster::start();
    let (waits, asked) = (
        cluster.add("waits", Manner::Prompt),
        cluster.add("asked", Manner::Prompt),
    );
    cluster.summarize(&asked, Manner::Takes(Duration::from_secs(9)));
    cluster.until(60.0).await;
    let began = cluster.asked_summaries(&asked)[0] + 60.0;
    cluster.until(began + 5.0).await;
    for node in [&waits, &asked] {
        cluster.inventory.remove_node(node);
    }
    cluster.until(began + 30.0).await;
    assert_eq!(cluster.live.measured(MINUTE).count(), 0);
    let count = cluster.kubelets.asked_summaries.lock().len();
    cluster.until(300.0).await;
    assert_eq!(cluster.kubelets.asked_summaries.lock().len(), count);
}

#[tokio::test(start_paused = true)]
async fn summaries_can_be_turned_off() {
    let cluster = Cluster::start_with(|config| config.summary.enabled = false);
    let node = cluster.add("node-1", Manner::Prompt);
    cluster.until(200.0).await;
    assert!(cluster.asked_summaries(&node).is_empty());
    assert_eq!(cluster.source(&node), Some(Source::Resource));
    assert!(cluster.asked(&node).len() > 10);
    cluster.stop.stop();
    cluster.tasks.finished().await;
}
