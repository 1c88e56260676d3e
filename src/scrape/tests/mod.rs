//! The room from outside, in time that tokio turns.

mod faults;
mod schedules;
mod summaries;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::encoding::text::encode;
use tokio::time::{Instant, sleep, sleep_until};

use super::*;
use crate::domain::{
    ContainerKind, ContainerName, ContainerRecord, Labels, Namespace, NodeName, PodKey, PodName,
    PodPhase, PodRecord, Timestamp,
};
use crate::kubelet::{Buffer, Error, Phase};
use crate::lifecycle::{StopSender, Tasks};

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
    /// Answers 404.
    Lacks,
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
    /// How summaries are answered; promptly where nothing is said.
    summary_manners: Mutex<HashMap<NodeName, Manner>>,
    asked_summaries: Mutex<Vec<(NodeName, Duration)>>,
}

struct Getter(Arc<Kubelets>);

impl KubeletMetricsGetter for Getter {
    type Connection = ();

    async fn get<'b>(
        &self,
        node: &NodeRecord,
        (): &mut (),
        buffer: &'b mut Buffer<'_>,
    ) -> Result<&'b [u8], Error> {
        let kubelets = &self.0;
        note(&kubelets.asked, kubelets, node);
        let manner = kubelets.manners.lock().get(&node.name).copied();
        let text = behave(manner, || kubelets.exposition(&node.name)).await?;
        buffer.taken().extend_from_slice(text.as_bytes());
        Ok(buffer.taken())
    }

    async fn get_summary<'b>(
        &self,
        node: &NodeRecord,
        timeout: Duration,
        (): &mut (),
        buffer: &'b mut Buffer<'_>,
    ) -> Result<&'b [u8], Error> {
        let kubelets = &self.0;
        note(&kubelets.asked_summaries, kubelets, node);
        let manner = kubelets.summary_manners.lock().get(&node.name).copied();
        let answer = behave(manner, || kubelets.summary(&node.name));
        let late = |_| Error::Timeout {
            after: timeout,
            phase: Phase::Reading,
        };
        let text = tokio::time::timeout(timeout, answer)
            .await
            .map_err(late)??;
        buffer.taken().extend_from_slice(text.as_bytes());
        Ok(buffer.taken())
    }
}

fn note(asked: &Mutex<Vec<(NodeName, Duration)>>, kubelets: &Kubelets, node: &NodeRecord) {
    let at = kubelets.began.elapsed();
    asked.lock().push((node.name.clone(), at));
}

async fn behave(manner: Option<Manner>, text: impl Fn() -> String) -> Result<String, Error> {
    Ok(match manner.unwrap_or(Manner::Prompt) {
        Manner::Prompt => text(),
        Manner::Takes(time) => {
            sleep(time).await;
            text()
        }
        Manner::Refuses => return Err(Error::Forbidden { said: "no".into() }),
        Manner::Lacks => {
            let path = "/stats/summary".into();
            return Err(Error::NotFound { path });
        }
        Manner::Hangs => {
            let after = Duration::from_secs(10);
            sleep(after).await;
            let phase = Phase::Reading;
            return Err(Error::Timeout { after, phase });
        }
        Manner::Babbles => "<html>".into(),
        Manner::Explodes => panic!("as the test wants"),
    })
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

    fn summary(&self, node: &NodeName) -> String {
        let now = BEGAN + i64::try_from(self.began.elapsed().as_millis()).unwrap();
        let at = jiff::Timestamp::from_second(now / 1000).unwrap();
        let nanos = self.began.elapsed().as_nanos() + 1_000_000_000;
        format!(
            r#"{{"node":{{"nodeName":"{node}","cpu":{{"time":"{at}","usageCoreNanoSeconds":{nanos}}},
            "network":{{"time":"{at}","name":"eth0","rxBytes":{nanos}}}}},"pods":[]}}"#
        )
    }
}

/// A cluster whose scraper runs.
struct Cluster {
    inventory: Arc<Inventory>,
    live: Arc<Live>,
    kubelets: Arc<Kubelets>,
    health: ScrapeHealth,
    /// How often the scraper's task was woken.
    woken: Arc<AtomicUsize>,
    registry: Registry,
    tasks: Tasks,
    stop: StopSender,
}

impl Cluster {
    fn start() -> Self {
        Self::start_with(|_| {})
    }

    fn start_with(adjust: impl FnOnce(&mut Config)) -> Self {
        Self::start_after(adjust, |_, _| {})
    }

    /// Prepares what is known before the schedules begin.
    fn start_after(
        adjust: impl FnOnce(&mut Config),
        prepare: impl FnOnce(&Inventory, &Live),
    ) -> Self {
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
            summary_manners: Mutex::default(),
            asked_summaries: Mutex::default(),
        });
        let (stop_sender, stop) = Stop::channel();
        let tasks = Tasks::new(stop_sender.clone());
        let scraper = Scraper::new(
            config,
            Getter(Arc::clone(&kubelets)),
            Arc::clone(&inventory),
            Arc::clone(&live),
            clock,
            &mut registry,
        );
        let health = scraper.health();
        prepare(&inventory, &live);
        let woken = Arc::new(AtomicUsize::default());
        let (wakes, mut run) = (Arc::clone(&woken), Box::pin(scraper.run(stop)));
        let counted = poll_fn(move |context| {
            wakes.fetch_add(1, Ordering::Relaxed);
            run.as_mut().poll(context)
        });
        tasks.spawn_passing("scraper", counted);
        Self {
            inventory,
            live,
            kubelets,
            health,
            woken,
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
        self.inventory.apply_pod(running_pod(name, node));
    }

    /// Lets time pass until so many seconds after the begin.
    async fn until(&self, seconds: f64) {
        sleep_until(self.kubelets.began + Duration::from_secs_f64(seconds)).await;
    }

    /// The seconds at which the node was asked.
    fn asked(&self, node: &NodeName) -> Vec<f64> {
        self.seconds(&self.kubelets.asked, node)
    }

    /// The seconds at which the node was asked for its summary.
    fn asked_summaries(&self, node: &NodeName) -> Vec<f64> {
        self.seconds(&self.kubelets.asked_summaries, node)
    }

    fn seconds(&self, asked: &Mutex<Vec<(NodeName, Duration)>>, node: &NodeName) -> Vec<f64> {
        let asked = asked.lock();
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

fn running_pod(name: &str, node: &NodeName) -> PodRecord {
    PodRecord {
        key: PodKey::new(Namespace::new("n").unwrap(), PodName::new(name).unwrap()),
        uid: name.into(),
        node: Some(node.clone()),
        labels: Labels::default(),
        phase: PodPhase::Running,
        containers: [ContainerRecord::new(
            ContainerName::new("c").unwrap(),
            ContainerKind::Regular,
            true,
        )]
        .into(),
    }
}

fn node(name: &str) -> NodeRecord {
    NodeRecord {
        ready: true,
        ..NodeRecord::new(NodeName::new(name).unwrap())
    }
}

fn gaps(times: &[f64]) -> Vec<f64> {
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}
