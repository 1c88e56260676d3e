//! The eventer between a real control plane and real databases, while all of them are killed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::stream::{self, TryStreamExt};
use parking_lot::Mutex;

use super::{Check, Ground};
use crate::client::get_plain;
use crate::databases::{Collector, Consumer, Elastic, Influxdb, Influxql, Kafka, Riemann, Webhook};
use crate::process::{Launch, Process, free_address};
use crate::real::{ControlPlane, Place, Recorder, Tools, until};

pub(super) const CHECKS: &[Check] = &[Check::new(
    "events: 20 000 in bursts reach every database though it, the eventer and the API server are killed",
    |ground| Box::pin(bursts(ground)),
)
.within(PATIENCE)];

const EVENTS: usize = 20_000;
const BURSTS: usize = 4;
/// How many are made at once.
const AT_ONCE: usize = 24;
/// How long all of it may take, on a machine with other things to do.
const PATIENCE: Duration = Duration::from_secs(480);
const LOGIN: (&str, &str) = ("loadline", "the-right-pw");

/// Every database events are sent to.
struct Databases {
    influxdb: Influxdb,
    opensearch: Elastic,
    elasticsearch: Elastic,
    riemann: Riemann,
    kafka: Kafka,
    collector: Collector,
    webhook: Webhook,
    consumer: Option<Consumer>,
}

/// The program under test, which can be killed.
struct Eventer {
    launch: Launch,
    process: Process,
    health: SocketAddr,
}

/// What came to a database: how often each event did, by its ID.
type Came = BTreeMap<String, usize>;

async fn bursts(ground: &Ground) -> Result<()> {
    let tools = Tools::find()?;
    let logs = ground.scratch.subfolder("logs")?;
    let cluster = ControlPlane::start(&ground.scratch, &tools, &logs, Place::Host);
    let (cluster, databases) = tokio::join!(cluster, Databases::start(ground, &tools));
    let (mut cluster, mut databases) = (cluster?, databases?);
    let mut eventer = Eventer::start(ground, &cluster, &databases.sinks()).await?;
    let recorder = Recorder::new(&cluster, PATIENCE)?;
    let begun = Instant::now();
    let mut expected = BTreeMap::new();
    for burst in 0..BURSTS {
        let accident = async {
            match burst {
                0 => eventer.restart().await,
                1 => {
                    cluster
                        .kill_api_server(&ground.scratch, &tools, &logs)
                        .await
                }
                2 => databases.restart().await,
                _ => {
                    databases.webhook.set_down(true);
                    eventer.restart().await?;
                    tokio::time::sleep(Duration::from_secs(2)).await;
                    databases.webhook.set_down(false);
                    Ok(())
                }
            }
        };
        let made = make(&recorder, burst, accident)
            .await
            .with_context(|| format!("burst {burst}"))?;
        expected.extend(made);
    }
    ensure!(expected.len() == EVENTS, "{} were made", expected.len());
    let took = begun.elapsed().as_secs();
    all_came(ground, &databases, &expected, took).await?;
    eventer.nothing_dropped().await
}

/// Makes the events of a burst, with an accident in its middle; their IDs, and what Riemann has in place of them.
async fn make(
    recorder: &Recorder,
    burst: usize,
    accident: impl Future<Output = Result<()>>,
) -> Result<Vec<(String, String)>> {
    let of_burst = EVENTS / BURSTS;
    let (made, ids) = (
        AtomicUsize::new(0),
        Mutex::new(Vec::with_capacity(of_burst)),
    );
    let make = async {
        let numbers = (0..of_burst).map(|at| Ok(burst * of_burst + at));
        let all = stream::iter(numbers);
        all.try_for_each_concurrent(AT_ONCE, async |at| {
            let id = recorder.make(at).await?;
            let count = id.rsplit('.').next().unwrap_or_default();
            let about = format!("burst-{at}.{count}");
            ids.lock().push((id, about));
            made.fetch_add(1, Ordering::Relaxed);
            anyhow::Ok(())
        })
        .await
    };
    let middle = async {
        until(PATIENCE, async || {
            let made = made.load(Ordering::Relaxed);
            ensure!(made >= of_burst / 2, "{made} are made");
            Ok(())
        })
        .await?;
        accident.await
    };
    tokio::try_join!(make, middle)?;
    Ok(ids.into_inner())
}

/// Waits until every database has every event, in its last state.
async fn all_came(
    ground: &Ground,
    databases: &Databases,
    expected: &BTreeMap<String, String>,
    took: u64,
) -> Result<()> {
    let begun = Instant::now();
    let mut told = Vec::new();
    for (name, keyed) in [
        ("webhook", false),
        ("otlp", false),
        ("kafka", false),
        ("riemann", false),
        ("OpenSearch", true),
        ("Elasticsearch", true),
        ("influxdb", true),
    ] {
        let came = until(PATIENCE, async || {
            let came = databases.came(name).await?;
            let ids = expected.iter().map(|(id, about)| match name {
                "riemann" => about,
                _ => id,
            });
            let missing: Vec<_> = ids.filter(|id| !came.contains_key(*id)).collect();
            let (count, some) = (missing.len(), missing.first());
            ensure!(
                count == 0,
                "{count} of {EVENTS} have not come, one is {some:?}"
            );
            Ok(came)
        });
        let came = came.await.context(name)?;
        let doubled = came.values().filter(|times| **times > 1).count();
        ensure!(!keyed || doubled == 0, "{name} has {doubled} events twice");
        told.push(format!("{name} {doubled}"));
    }
    let waited = begun.elapsed().as_secs();
    ground.told.lock().push(format!(
        "events: {EVENTS} made in {took} s, all there {waited} s later; more than once: {}",
        told.join(", ")
    ));
    Ok(())
}

impl Databases {
    async fn start(ground: &Ground, tools: &Tools) -> Result<Self> {
        let (programs, folder) = (&ground.programs, ground.scratch.folder());
        let mut databases = Self {
            influxdb: Influxdb::new(programs, folder, false)?,
            opensearch: Elastic::new(programs, folder, "opensearch")?,
            elasticsearch: Elastic::new(programs, folder, "elasticsearch")?,
            riemann: Riemann::new()?,
            kafka: Kafka::new(programs, folder, LOGIN)?,
            collector: Collector::new(&tools.collector(), folder)?,
            webhook: Webhook::start().await?,
            consumer: None,
        };
        databases.kafka.format().await?;
        databases.begin().await?;
        databases.consumer = Some(databases.kafka.consume(&["heapster-events"])?);
        Ok(databases)
    }

    async fn begin(&mut self) -> Result<()> {
        tokio::try_join!(
            self.influxdb.database.start(),
            self.opensearch.database.start(),
            self.elasticsearch.database.start(),
            self.riemann.start(),
            self.kafka.database.start(),
            self.collector.database.start(),
        )?;
        Ok(())
    }

    /// Kills all of them without a warning, and starts them again.
    async fn restart(&mut self) -> Result<()> {
        self.influxdb.database.kill().await?;
        self.opensearch.database.kill().await?;
        self.elasticsearch.database.kill().await?;
        self.riemann.stop();
        self.kafka.database.kill().await?;
        self.collector.database.kill().await?;
        self.begin().await
    }

    fn sinks(&self) -> [String; 7] {
        [
            format!("influxdb:http://{}?withfields=true", self.influxdb.address),
            format!("elasticsearch:http://{}", self.opensearch.address),
            format!("elasticsearch:http://{}", self.elasticsearch.address),
            format!("riemann:tcp://{}", self.riemann.address),
            format!("kafka:?brokers={}", self.kafka.plain),
            format!("otlp:http://{}?compression=gzip", self.collector.address),
            self.webhook.sink(),
        ]
    }

    /// What came to one of them. Its own events, as long as anybody makes some, count as little as others do.
    async fn came(&self, name: &str) -> Result<Came> {
        match name {
            "webhook" => {
                self.webhook.faultless()?;
                let got = self.webhook.got().into_iter();
                Ok(got.map(|(id, got)| (id, got.times)).collect())
            }
            "otlp" => self.collector.book.events(),
            "kafka" => self.consumer.as_ref().context("no consumer")?.events(),
            "riemann" => self.riemann.events(),
            "OpenSearch" => in_elastic(&self.opensearch).await,
            "Elasticsearch" => in_elastic(&self.elasticsearch).await,
            _ => in_influxdb(self.influxdb.as_user(None)).await,
        }
    }
}

/// Points bear no count, but a time: an event that happened twice within a second is one.
async fn in_influxdb(ask: Influxql) -> Result<Came> {
    let statement = "SELECT message, uid, kind FROM events WHERE reason = 'Burst'";
    let rows = ask.rows("k8s", statement).await?;
    let mut times = BTreeMap::<String, usize>::new();
    for row in &rows {
        let uid = row.get(2).and_then(|uid| uid.as_str()).context("no uid")?;
        *times.entry(uid.to_owned()).or_default() += 1;
    }
    let mut came = Came::new();
    for (uid, times) in times {
        // Each state has a time of its own, or is the one before.
        ensure!(times <= 2, "{uid} is there {times} times");
        for count in 1..=2 {
            came.insert(format!("{uid}.{count}"), 1);
        }
    }
    Ok(came)
}

async fn in_elastic(server: &Elastic) -> Result<Came> {
    let mut came = Came::new();
    for id in Elastic::ids(&server.door, "heapster-events").await? {
        *came.entry(id).or_default() += 1;
    }
    Ok(came)
}

impl Eventer {
    async fn start(ground: &Ground, cluster: &ControlPlane, sinks: &[String]) -> Result<Self> {
        let health = free_address()?;
        let folder = ground.scratch.folder();
        let identity = cluster.user("eventer", &["system:masters"])?;
        let log = folder.join("eventer.log");
        let mut launch = Launch::new(&ground.bench.binary, log);
        launch.arguments = vec![
            "eventer".to_owned(),
            format!("--kubeconfig={}", identity.kubeconfig().display()),
            "--frequency=5s".to_owned(),
            format!("--sink-spool-dir={}", folder.join("spool").display()),
            "--leader-elect-resource-namespace=default".to_owned(),
            format!("--healthz-ip={}", health.ip()),
            format!("--healthz-port={}", health.port()),
        ];
        let sinks = sinks.iter().map(|sink| format!("--sink={sink}"));
        launch.arguments.extend(sinks);
        let process = launch.start()?;
        let mut eventer = Self {
            launch,
            process,
            health,
        };
        eventer.ready().await?;
        // Events from before its first place are not its to send.
        until(PATIENCE, async || {
            let lease = "get lease loadline-eventer -n default";
            let lease = cluster
                .user("admin", &["system:masters"])?
                .json(lease)
                .await?;
            let place = &lease["metadata"]["annotations"]["loadline.io/events-resource-version"];
            ensure!(place.is_string(), "{lease}");
            Ok(())
        })
        .await?;
        Ok(eventer)
    }

    async fn ready(&mut self) -> Result<()> {
        until(PATIENCE, async || {
            self.process.expect_running()?;
            get_plain(self.health, "/readyz")
                .await?
                .expect_status(200)?;
            Ok(())
        })
        .await
    }

    /// Kills it without a warning, and starts it again.
    async fn restart(&mut self) -> Result<()> {
        self.process.kill().await?;
        self.launch.log.set_extension("second.log");
        self.process = self.launch.start()?;
        self.ready().await
    }

    async fn nothing_dropped(&self) -> Result<()> {
        let metrics = get_plain(self.health, "/metrics").await?.whole_text();
        for line in metrics.lines() {
            let lost = line.starts_with("loadline_sink_dropped_total")
                || line.starts_with("loadline_sink_refused_points_total");
            ensure!(!lost || line.ends_with(" 0"), "{line}");
        }
        Ok(())
    }
}
