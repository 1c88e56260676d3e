//! The room from outside, in time that tokio turns.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::encoding::text::encode;
use tokio::time::{Instant, sleep, sleep_until};

use super::*;
use crate::domain::{
    ContainerKind, ContainerName, ContainerRecord, Labels, Namespace, NodeName, PodKey, PodName,
    PodPhase, PodRecord, Timestamp,
};
use crate::kubelet::{Error, Phase};
use crate::lifecycle::StopSender;

const RESOLUTION: Duration = Duration::from_secs(15);

/// What the clock shows when a test begins.
const BEGAN: i64 = 1_795_253_480_000;

/// Both clocks, as tokio turns them.
#[derive(Debug)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let elapsed = i64::try_from(self.0.elapsed().as_millis()).unwrap();
        Timestamp::from_millis(BEGAN + elapsed)
    }

    fn monotonic(&self) -> std::time::Instant {
        Instant::now().into_std()
    }
}

/// How a kubelet behaves when asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Answers at once: containers sampled now, the node every 10 s, as containerd's do.
    Prompt,
    /// Refuses with 403.
    Refuses,
    /// Says nothing until the deadline.
    Hangs,
    /// Answers after this.
    Takes(Duration),
    /// Answers something that is no exposition.
    Babbles,
    /// Makes us panic.
    Explodes,
}

/// The kubelets of the test, and who was asked when.
#[derive(Debug)]
struct Kubelets {
    began: Instant,
    manners: Mutex<HashMap<NodeName, Manner>>,
    pods: Mutex<BTreeMap<NodeName, Vec<&'static str>>>,
    asked: Mutex<Vec<(NodeName, Duration)>>,
}

struct Getter(Arc<Kubelets>);

impl KubeletMetricsGetter for Getter {
    type Connection = ();

    async fn get<'b>(
        &self,
        node: &NodeRecord,
        (): &mut (),
        buffer: &'b mut Vec<u8>,
    ) -> Result<&'b [u8], Error> {
        let kubelets = &self.0;
        let at = kubelets.began.elapsed();
        kubelets.asked.lock().push((node.name.clone(), at));
        let manner = kubelets.manners.lock().get(&node.name).copied();
        let text = match manner.unwrap_or(Manner::Prompt) {
            Manner::Prompt => kubelets.exposition(&node.name),
            Manner::Takes(time) => {
                sleep(time).await;
                kubelets.exposition(&node.name)
            }
            Manner::Refuses => return Err(Error::Forbidden { said: "no".into() }),
            Manner::Hangs => {
                let after = Duration::from_secs(10);
                sleep(after).await;
                let phase = Phase::Reading;
                return Err(Error::Timeout { after, phase });
            }
            Manner::Babbles => "<html>".into(),
            Manner::Explodes => panic!("as the test wants"),
        };
        *buffer = text.into_bytes();
        Ok(buffer)
    }
}

impl Kubelets {
    fn exposition(&self, node: &NodeName) -> String {
        let elapsed = i64::try_from(self.began.elapsed().as_millis()).unwrap();
        let (now, sampled) = (BEGAN + elapsed, BEGAN + elapsed / 10_000 * 10_000);
        let seconds = self.began.elapsed().as_secs_f64() + 1.0;
        let mut text = format!(
            "node_cpu_usage_seconds_total {seconds} {sampled}\nnode_memory_working_set_bytes 1e6 {sampled}\n"
        );
        for pod in self.pods.lock().get(node).into_iter().flatten() {
            let labels = format!("container=\"c\",namespace=\"n\",pod=\"{pod}\"");
            let _ = writeln!(
                text,
                "container_cpu_usage_seconds_total{{{labels}}} {seconds} {now}\n\
                 container_memory_working_set_bytes{{{labels}}} 1e6 {now}"
            );
        }
        text
    }
}

/// A cluster whose scraper runs.
struct Cluster {
    inventory: Arc<Inventory>,
    live: Arc<Live>,
    kubelets: Arc<Kubelets>,
    health: ScrapeHealth,
    registry: Registry,
    tasks: Tasks,
    stop: StopSender,
}

impl Cluster {
    fn start() -> Self {
        Self::start_with(|_| {})
    }

    fn start_with(adjust: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(RESOLUTION);
        adjust(&mut config);
        let began = Instant::now();
        let clock: Arc<dyn Clock> = Arc::new(TokioClock(began));
        let inventory = Arc::new(Inventory::new());
        let mut registry = Registry::default();
        let live = Arc::new(Live::new(
            crate::live::Config {
                resolution: RESOLUTION,
            },
            Arc::clone(&inventory),
            Arc::clone(&clock),
            &mut registry,
        ));
        let kubelets = Arc::new(Kubelets {
            began,
            manners: Mutex::default(),
            pods: Mutex::default(),
            asked: Mutex::default(),
        });
        let (stop_sender, stop) = Stop::channel();
        let tasks = Tasks::new(stop_sender.clone());
        let scraper = Scraper::new(
            config,
            Getter(Arc::clone(&kubelets)),
            Arc::clone(&inventory),
            Arc::clone(&live),
            clock,
            tasks.clone(),
            &mut registry,
        );
        let health = scraper.health();
        tasks.spawn_passing("scraper", scraper.run(stop));
        Self {
            inventory,
            live,
            kubelets,
            health,
            registry,
            tasks,
            stop: stop_sender,
        }
    }

    fn add(&self, name: &str, manner: Manner) -> NodeName {
        let node = node(name);
        let name = node.name.clone();
        self.kubelets.manners.lock().insert(name.clone(), manner);
        self.inventory.apply_node(node);
        name
    }

    fn run_pod(&self, node: &NodeName, name: &'static str) {
        self.kubelets
            .pods
            .lock()
            .entry(node.clone())
            .or_default()
            .push(name);
        self.announce(node, name);
    }

    fn announce(&self, node: &NodeName, name: &str) {
        self.inventory.apply_pod(PodRecord {
            key: PodKey::new(Namespace::new("n").unwrap(), PodName::new(name).unwrap()),
            uid: name.into(),
            node: Some(node.clone()),
            labels: Labels::default(),
            phase: PodPhase::Running,
            containers: [ContainerRecord {
                name: ContainerName::new("c").unwrap(),
                kind: ContainerKind::Regular,
                running: true,
            }]
            .into(),
        });
    }

    /// Lets time pass until so many seconds after the begin.
    async fn until(&self, seconds: f64) {
        sleep_until(self.kubelets.began + Duration::from_secs_f64(seconds)).await;
    }

    /// The seconds at which the node was asked.
    fn asked(&self, node: &NodeName) -> Vec<f64> {
        let asked = self.kubelets.asked.lock();
        let of_node = asked.iter().filter(|(name, _)| name == node);
        of_node
            // Timers go off in whole milliseconds, up to one late.
            .map(|(_, at)| (at.as_secs_f64() * 100.0).round() / 100.0)
            .collect()
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        text
    }

    fn cause(&self, node: &NodeName) -> Option<&'static str> {
        let health = self.health.node(node.as_str())?;
        health.failure.map(|failure| failure.cause)
    }
}

fn node(name: &str) -> NodeRecord {
    NodeRecord {
        name: NodeName::new(name).unwrap(),
        labels: Labels::default(),
        addresses: [].into(),
        kubelet_port: None,
        resource_metrics_path: None,
        cpu_capacity: None,
        ready: true,
    }
}

fn gaps(times: &[f64]) -> Vec<f64> {
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[tokio::test(start_paused = true)]
async fn a_new_node_has_numbers_soon_and_keeps_its_phase_then() {
    let cluster = Cluster::start();
    let node = cluster.add("node-1", Manner::Prompt);
    cluster.run_pod(&node, "p");
    cluster.until(2.5).await;
    assert_eq!(cluster.asked(&node), [0.0, 2.25]);
    assert!(
        cluster.live.view().pod("n", "p").is_some(),
        "two stamps make a number"
    );
    cluster.until(15.0).await;
    assert!(cluster.live.view().node("node-1").is_some());
    cluster.until(100.0).await;
    let asked = cluster.asked(&node);
    let regular: Vec<_> = asked.iter().copied().filter(|at| *at > 15.0).collect();
    assert_eq!(regular.len(), 5 + usize::from(regular[0] < 25.0));
    assert!(
        gaps(&regular).iter().all(|gap| (gap - 15.0).abs() < 0.02),
        "{asked:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn replicas_ask_a_node_at_the_same_time_of_day() {
    let mut phases = Vec::new();
    for lead in [0.0, 4.321] {
        // Each replica begins at another moment; what counts is the time of day.
        let cluster = Cluster::start();
        cluster.until(lead).await;
        let node = cluster.add("node-1", Manner::Prompt);
        cluster.until(100.0).await;
        phases.push(cluster.asked(&node).last().unwrap() % 15.0);
    }
    assert!((phases[0] - phases[1]).abs() < 0.02, "{phases:?}");
}

#[tokio::test(start_paused = true)]
async fn a_new_pod_has_its_number_within_four_seconds() {
    let cluster = Cluster::start();
    let node = cluster.add("node-1", Manner::Prompt);
    cluster.until(61.3).await;
    let before = cluster.asked(&node);
    let since = 61.3 - before.last().unwrap();
    cluster.run_pod(&node, "p");
    cluster.until(65.3).await;
    assert!(
        cluster.live.view().pod("n", "p").is_some(),
        "{:?}",
        cluster.asked(&node)
    );
    let asked = cluster.asked(&node)[before.len()..].to_vec();
    let first = if since < 2.0 {
        61.3 + 2.0 - since
    } else {
        61.3
    };
    assert!((asked[0] - first).abs() < 0.02, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn many_new_pods_do_not_ask_a_node_more_than_every_two_seconds() {
    let cluster = Cluster::start();
    let node = cluster.add("node-1", Manner::Prompt);
    cluster.until(60.0).await;
    for (n, name) in ["a", "b", "c", "d", "e", "f", "g", "h"]
        .into_iter()
        .enumerate()
    {
        cluster
            .until(60.0 + f64::from(u8::try_from(n).unwrap()) * 0.7)
            .await;
        cluster.run_pod(&node, name);
    }
    cluster.until(90.0).await;
    let asked = cluster.asked(&node);
    assert!(gaps(&asked).iter().all(|gap| *gap >= 1.99), "{asked:?}");
    assert_eq!(cluster.live.view().pods().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_pod_its_kubelet_never_shows_costs_three_scrapes_at_most() {
    let cluster = Cluster::start();
    let node = cluster.add("node-1", Manner::Prompt);
    cluster.until(61.0).await;
    let before = cluster.asked(&node).len();
    cluster.announce(&node, "elsewhere");
    cluster.until(76.0).await;
    let more = cluster.asked(&node).len() - before;
    assert!((3..=4).contains(&more), "{:?}", cluster.asked(&node));
    cluster.until(106.0).await;
    assert_eq!(cluster.asked(&node).len() - before - more, 2);
}

#[tokio::test(start_paused = true)]
async fn one_bad_node_harms_only_itself() {
    let cluster = Cluster::start();
    let bad = [
        ("refuses", Manner::Refuses, "403"),
        ("hangs", Manner::Hangs, "timeout"),
        ("babbles", Manner::Babbles, "empty"),
        ("explodes", Manner::Explodes, "internal"),
    ];
    for (name, manner, _) in bad {
        cluster.add(name, manner);
    }
    let good = cluster.add("good", Manner::Prompt);
    cluster.until(60.0).await;
    let gaps = gaps(&cluster.asked(&good));
    assert!(gaps.iter().all(|gap| *gap < 15.02), "{gaps:?}");
    assert_eq!(cluster.cause(&good), None);
    for (name, _, cause) in bad {
        let name = NodeName::new(name).unwrap();
        assert_eq!(cluster.cause(&name), Some(cause));
        assert!(cluster.asked(&name).len() >= 4, "{name} is tried again");
        let counted = format!("loadline_scrape_failures_total{{cause=\"{cause}\"}}");
        assert!(cluster.metrics().contains(&counted));
    }
    assert!(cluster.health.timely().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_forgotten_with_the_first_success() {
    let cluster = Cluster::start();
    let node = cluster.add("node-1", Manner::Refuses);
    cluster.until(1.0).await;
    let failure = cluster.health.node("node-1").unwrap().failure.unwrap();
    assert_eq!((failure.cause, failure.since.as_millis()), ("403", BEGAN));
    assert_eq!(failure.story, "the kubelet answered 403: no");
    cluster.kubelets.manners.lock().insert(node, Manner::Prompt);
    cluster.until(20.0).await;
    let health = cluster.health.node("node-1").unwrap();
    assert_eq!(health.failure, None);
    assert!(health.last_success.is_some());
}

#[tokio::test(start_paused = true)]
async fn many_hanging_nodes_delay_each_other_and_not_the_others() {
    let cluster = Cluster::start_with(|config| config.concurrency = 8);
    let good: Vec<_> = (0..6)
        .map(|n| cluster.add(&format!("good-{n}"), Manner::Prompt))
        .collect();
    cluster.until(30.0).await;
    for n in 0..40 {
        cluster.add(&format!("hangs-{n}"), Manner::Hangs);
    }
    // The first time nobody knows them: they may fill all places for as long as their deadline, wave by wave.
    cluster.until(120.0).await;
    for node in &good {
        let late: Vec<_> = cluster
            .asked(node)
            .into_iter()
            .filter(|at| *at > 100.0)
            .collect();
        assert!(!late.is_empty());
    }
    cluster.until(300.0).await;
    for node in &good {
        let asked: Vec<_> = cluster
            .asked(node)
            .into_iter()
            .filter(|at| *at > 120.0)
            .collect();
        assert!(
            gaps(&asked).iter().all(|gap| (gap - 15.0).abs() < 0.05),
            "{asked:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_are_asked_at_once_than_allowed() {
    let cluster = Cluster::start_with(|config| config.concurrency = 3);
    for n in 0..12 {
        cluster.add(&format!("n-{n}"), Manner::Takes(Duration::from_secs(1)));
    }
    cluster.until(3.5).await;
    let mut starts: BTreeMap<u64, usize> = BTreeMap::new();
    for (_, at) in cluster.kubelets.asked.lock().iter() {
        *starts.entry(at.as_secs()).or_default() += 1;
    }
    assert_eq!(starts.values().copied().collect::<Vec<_>>(), [3, 3, 3, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_left_is_forgotten_everywhere() {
    let cluster = Cluster::start();
    let node = cluster.add("node-1", Manner::Prompt);
    cluster.run_pod(&node, "p");
    cluster.until(40.0).await;
    let series = "metrics_server_kubelet_request_duration_seconds_count{node=\"node-1\"}";
    assert!(cluster.metrics().contains(series));
    cluster.inventory.remove_node(&node);
    cluster.until(41.0).await;
    assert!(cluster.live.view().pod("n", "p").is_none());
    assert_eq!(cluster.health.node("node-1"), None);
    assert!(!cluster.metrics().contains("node-1"));
    let asked = cluster.asked(&node).len();
    cluster.until(90.0).await;
    assert_eq!(cluster.asked(&node).len(), asked);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_left_while_it_was_asked_does_not_come_back() {
    let cluster = Cluster::start();
    let node = cluster.add("node-1", Manner::Takes(Duration::from_secs(1)));
    cluster.until(0.5).await;
    cluster.inventory.remove_node(&node);
    cluster.until(5.0).await;
    assert_eq!(cluster.asked(&node), [0.0]);
    assert_eq!(cluster.health.node("node-1"), None);
    assert!(!cluster.metrics().contains("node-1"));
    assert!(cluster.live.view().nodes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_failing_node_that_gets_another_address_is_tried_soon() {
    let cluster = Cluster::start();
    let name = cluster.add("node-1", Manner::Refuses);
    cluster.until(63.0).await;
    let before = cluster.asked(&name).len();
    let mut moved = node("node-1");
    moved.kubelet_port = Some(4443);
    cluster.inventory.apply_node(moved);
    cluster.until(65.1).await;
    assert_eq!(cluster.asked(&name).len(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn only_selected_nodes_are_asked() {
    let cluster = Cluster::start_with(|config| {
        config.selects = Arc::new(|node| node.name.as_str() != "skipped");
    });
    let (kept, skipped) = (
        cluster.add("kept", Manner::Prompt),
        cluster.add("skipped", Manner::Prompt),
    );
    cluster.until(1.0).await;
    assert_eq!(
        (cluster.asked(&kept).len(), cluster.asked(&skipped).len()),
        (1, 0)
    );
    assert_eq!(cluster.health.nodes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn more_changes_than_the_channel_holds_lose_no_node() {
    let cluster = Cluster::start();
    for n in 0..3000 {
        cluster.inventory.apply_node(node(&format!("n-{n}")));
    }
    cluster.until(1.0).await;
    assert_eq!(cluster.health.nodes().len(), 3000);
    assert_eq!(cluster.kubelets.asked.lock().len(), 3000);
}

#[tokio::test(start_paused = true)]
async fn the_schedule_is_timely_until_its_task_is_gone() {
    let cluster = Cluster::start();
    assert_eq!(cluster.health.timely(), Ok(()), "before the first pass");
    cluster.until(300.0).await;
    assert_eq!(cluster.health.timely(), Ok(()), "although there is no node");
    cluster.stop.stop();
    cluster.tasks.finished().await;
    cluster.until(322.0).await;
    assert_eq!(cluster.health.timely(), Ok(()));
    cluster.until(332.0).await;
    assert!(cluster.health.timely().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_hanging_node() {
    let cluster = Cluster::start();
    cluster.add("node-1", Manner::Hangs);
    cluster.until(1.0).await;
    cluster.stop.stop();
    cluster.tasks.finished().await;
    assert!(cluster.kubelets.began.elapsed() < Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn metric_names_are_those_of_metrics_server() {
    let cluster = Cluster::start();
    cluster.add("node-1", Manner::Prompt);
    cluster.add("node-2", Manner::Refuses);
    cluster.until(1.0).await;
    let metrics = cluster.metrics();
    for line in [
        "metrics_server_kubelet_request_duration_seconds_bucket{le=\"10.0\",node=\"node-1\"} 1",
        "metrics_server_kubelet_request_total{success=\"true\"} 1",
        "metrics_server_kubelet_request_total{success=\"false\"} 1",
        "metrics_server_kubelet_last_request_time_seconds{node=\"node-2\"} 1795253480",
        "metrics_server_manager_tick_duration_seconds_count 2",
        "metrics_server_manager_tick_duration_seconds_bucket{le=\"22.5\"} 2",
        "loadline_scrape_failures_total{cause=\"403\"} 1",
        "loadline_exposition_lines_skipped_total 0",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line} in\n{metrics}");
    }
}
