//! Backends that are away, break, are slow or refuse.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;

use super::receivers::{Act, influxdb, lines, listener, serve};
use super::{Plain, batch, cluster, pod};
use crate::domain::{Batch, Bytes, Clock, SystemClock};
use crate::lifecycle::{Stop, StopSender, Tasks};
use crate::sinks::{Config, Labeller, SinkConfig, Sinks, Spooling};
use crate::telemetry::Registry;

/// Sinks that run.
pub(in crate::sinks) struct Rig {
    registry: Registry,
    batches: mpsc::Sender<Arc<Batch>>,
    stop: StopSender,
    tasks: Tasks,
}

pub(in crate::sinks) fn quick() -> Config {
    Config {
        export_timeout: Duration::from_millis(300),
        flush: Duration::from_millis(300),
        retry: (Duration::from_millis(5), Duration::from_millis(20)),
    }
}

/// For tests in which nothing is slow on purpose.
pub(in crate::sinks) fn patient() -> Config {
    Config {
        export_timeout: Duration::from_secs(10),
        ..quick()
    }
}

impl Rig {
    pub(in crate::sinks) fn new(config: Config, values: &[String]) -> Self {
        Self::spooling(config, values, None)
    }

    /// Sinks with a spool of so many bytes each.
    pub(in crate::sinks) fn spooling(
        config: Config,
        values: &[String],
        spool: Option<(&TempDir, u64)>,
    ) -> Self {
        let sinks = SinkConfig::read(values, &|_| None).unwrap();
        let mut registry = Registry::default();
        let labeller: Arc<dyn Labeller> = Arc::new(Plain);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let spooling = spool.map(|(folder, most)| spooling(folder.path(), most));
        let sinks = Sinks::new(config, sinks, spooling, &labeller, &clock, &mut registry).unwrap();
        let (stop, stopped) = Stop::channel();
        let tasks = Tasks::new(stop.clone());
        let (batches, receiver) = mpsc::channel(1);
        let run = sinks.run(receiver, tasks.clone(), stopped);
        tasks.spawn_passing("sinks", run);
        Self {
            registry,
            batches,
            stop,
            tasks,
        }
    }

    pub(in crate::sinks) async fn send(&self, batch: Batch) {
        self.batches.send(Arc::new(batch)).await.unwrap();
    }

    pub(in crate::sinks) fn metric(&self, series: &str) -> u64 {
        value_of(&self.registry, series)
    }

    pub(in crate::sinks) async fn stop(self) -> Registry {
        self.stop.stop();
        drop(self.batches);
        self.tasks.finished().await;
        self.registry
    }
}

/// Spools below a folder, of so many bytes each.
pub(in crate::sinks) fn spooling(folder: &Path, most: u64) -> Spooling {
    Spooling {
        folder: folder.to_owned(),
        most: Bytes::new(most),
    }
}

/// The value of a series.
pub(in crate::sinks) fn value_of(registry: &Registry, series: &str) -> u64 {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    let value = line.unwrap_or_else(|| panic!("{series} is not in\n{text}"));
    value.trim().parse().unwrap()
}

/// Returns once it is so; fails when it is not in ten seconds.
pub(in crate::sinks) async fn until(what: &str, so: impl Fn() -> bool) {
    let wait = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let limit = tokio::time::timeout(Duration::from_secs(10), wait).await;
    assert!(limit.is_ok(), "{what}");
}

#[tokio::test]
async fn a_backend_that_is_away_at_first_gets_what_was_made_meanwhile() {
    let (reserved, address) = listener().await;
    drop(reserved);
    let rig = Rig::new(quick(), &[format!("influxdb:http://{address}")]);
    rig.send(batch(60, vec![cluster()])).await;
    let retried = "loadline_sink_retried_total{sink=\"influxdb\"}";
    until("it is tried again", || rig.metric(retried) > 1).await;
    rig.send(batch(120, vec![cluster()])).await;
    let seen = serve(TcpListener::bind(address).await.unwrap(), influxdb("root"));
    until("both came", || seen.lock().len() == 3).await;
    let bodies: Vec<String> = seen.lock().iter().map(|asked| asked.body.clone()).collect();
    let line = |time: &str| {
        format!("cpu/usage_rate,cluster_name=default,type=cluster value=5i {time}000000000\n")
    };
    assert_eq!(bodies, [String::new(), line("60"), line("120")]);
    until("it is up", || {
        rig.metric("loadline_sink_up{sink=\"influxdb\"}") == 1
    })
    .await;
    rig.stop().await;
}

#[tokio::test]
async fn a_piece_that_came_through_is_not_sent_again_when_the_next_one_breaks() {
    let (listener, address) = listener().await;
    let (accept, writes) = (influxdb("root"), AtomicUsize::new(0));
    let seen = serve(listener, move |asked| {
        let write = asked.line.contains("/write");
        if write && writes.fetch_add(1, Ordering::Relaxed) == 1 {
            return Act::HangUp;
        }
        accept(asked)
    });
    let config = Config {
        export_timeout: Duration::from_secs(10),
        ..quick()
    };
    let rig = Rig::new(config, &[format!("influxdb:http://{address}")]);
    let pods = (0..3000).map(|n| pod("a", &format!("p{n}"), &[])).collect();
    rig.send(batch(60, pods)).await;
    let points = "loadline_sink_sent_points_total{sink=\"influxdb\"}";
    until("all came", || rig.metric(points) == 12_000).await;
    let sizes: Vec<usize> = seen.lock().iter().map(|a| a.body.lines().count()).collect();
    assert_eq!(sizes, [0, 10_000, 2_000, 2_000]);
    rig.stop().await;
}

#[tokio::test]
async fn a_sink_that_hangs_holds_few_batches_and_costs_another_nothing() {
    let (hanging, hangs_at) = listener().await;
    let _seen = serve(hanging, |_| Act::Hang);
    let (listener, address) = listener().await;
    let got = lines(listener, usize::MAX);
    let rig = Rig::new(
        quick(),
        &[
            format!("influxdb:http://{hangs_at}?queue=3"),
            format!("graphite:tcp://{address}?queue=50"),
        ],
    );
    let mut made = Vec::new();
    for n in 1..=50 {
        let batch = Arc::new(batch(n * 60, vec![cluster()]));
        made.push(Arc::downgrade(&batch));
        rig.batches.send(batch).await.unwrap();
    }
    until("the other has all", || got.lock().len() == 50).await;
    let full = "loadline_sink_dropped_total{sink=\"influxdb\",reason=\"queue_full\"}";
    until("the rest is dropped", || rig.metric(full) >= 46).await;
    let alive = || made.iter().filter(|batch| batch.strong_count() > 0).count();
    until("three wait and one is at hand", || alive() <= 4).await;
    assert_eq!(
        rig.metric("loadline_sink_sent_total{sink=\"graphite\"}"),
        50
    );
    assert_eq!(rig.metric("loadline_sink_up{sink=\"influxdb\"}"), 0);
    let registry = rig.stop().await;
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let dropped = |reason: &str| -> u64 {
        let series = format!("dropped_total{{sink=\"influxdb\",reason=\"{reason}\"}} ");
        let (_, after) = text.split_once(&series).unwrap();
        after.lines().next().unwrap().parse().unwrap()
    };
    assert_eq!(dropped("queue_full") + dropped("shutdown"), 50);
}

#[tokio::test]
async fn what_a_backend_refuses_is_counted_and_the_next_batch_goes_through() {
    let (listener, address) = listener().await;
    let (accept, writes) = (influxdb("root"), AtomicUsize::new(0));
    let seen = serve(listener, move |asked| {
        let write = asked.line.contains("/write");
        if write && writes.fetch_add(1, Ordering::Relaxed) == 0 {
            let error = "{\"error\":\"partial write: field type conflict dropped=3\"}";
            return Act::Answer(400, error.to_owned());
        }
        accept(asked)
    });
    let rig = Rig::new(
        quick(),
        &[format!("influxdb:http://{address}?retention=30d")],
    );
    rig.send(batch(60, vec![pod("a", "p", &[])])).await;
    rig.send(batch(120, vec![cluster()])).await;
    let sent = "loadline_sink_sent_total{sink=\"influxdb\"}";
    until("both are done", || rig.metric(sent) == 2).await;
    assert_eq!(
        rig.metric("loadline_sink_refused_points_total{sink=\"influxdb\"}"),
        3
    );
    assert_eq!(
        rig.metric("loadline_sink_sent_points_total{sink=\"influxdb\"}"),
        2
    );
    let lines: Vec<String> = seen.lock().iter().map(|asked| asked.line.clone()).collect();
    let query = "POST /query?db=&q=";
    assert_eq!(
        lines[..2],
        [
            format!("{query}CREATE+DATABASE+k8s+WITH+NAME+%22default%22"),
            format!(
                "{query}ALTER+RETENTION+POLICY+%22default%22+ON+k8s+DURATION+2592000s\
                 +SHARD+DURATION+1d"
            ),
        ]
    );
    assert_eq!(lines.len(), 4);
    rig.stop().await;
}

#[tokio::test]
async fn a_wrong_password_loses_nothing_once_it_is_right() {
    let (listener, address) = listener().await;
    let right = Arc::new(AtomicBool::new(false));
    let (before, after, flag) = (influxdb("other"), influxdb("root"), Arc::clone(&right));
    let seen = serve(listener, move |asked| match flag.load(Ordering::Relaxed) {
        true => after(asked),
        false => before(asked),
    });
    let rig = Rig::new(
        quick(),
        &[format!("influxdb:http://{address}?concurrency=4")],
    );
    rig.send(batch(60, vec![cluster()])).await;
    until("it is tried again", || seen.lock().len() > 2).await;
    assert!(
        seen.lock()
            .iter()
            .all(|asked| asked.line.contains("/query"))
    );
    right.store(true, Ordering::Relaxed);
    let points = "loadline_sink_sent_points_total{sink=\"influxdb\"}";
    until("it came", || rig.metric(points) == 1).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_database_that_is_gone_is_made_again() {
    let (listener, address) = listener().await;
    let emptied = Arc::new(AtomicBool::new(false));
    let (before, after, flag) = (influxdb("root"), influxdb("root"), Arc::clone(&emptied));
    let seen = serve(listener, move |asked| match flag.load(Ordering::Relaxed) {
        true => after(asked),
        false => before(asked),
    });
    let rig = Rig::new(quick(), &[format!("influxdb:http://{address}?db=my-db")]);
    let points = "loadline_sink_sent_points_total{sink=\"influxdb\"}";
    rig.send(batch(60, vec![cluster()])).await;
    until("the first came", || rig.metric(points) == 1).await;
    emptied.store(true, Ordering::Relaxed);
    rig.send(batch(120, vec![cluster()])).await;
    until("the second came", || rig.metric(points) == 2).await;
    let lines: Vec<String> = seen.lock().iter().map(|asked| asked.line.clone()).collect();
    let made = lines
        .iter()
        .filter(|line| line.contains("CREATE+DATABASE+%22my-db%22+"))
        .count();
    assert_eq!((made, lines.len()), (2, 5));
    rig.stop().await;
}

#[tokio::test]
async fn a_bucket_is_written_to_with_a_token_and_not_made() {
    let (listener, address) = listener().await;
    let seen = serve(listener, |_| Act::Answer(204, String::new()));
    let value = format!("influxdb:http://{address}?bucket=b+1&org=o&token=t");
    let rig = Rig::new(quick(), &[value]);
    rig.send(batch(60, vec![cluster()])).await;
    until("it came", || seen.lock().len() == 1).await;
    let asked = seen.lock()[0].clone();
    assert_eq!(
        asked.line,
        "POST /api/v2/write?bucket=b+1&org=o&precision=ns"
    );
    assert_eq!(asked.authorization, "Token t");
    rig.stop().await;
}

#[tokio::test]
async fn a_stream_that_breaks_is_opened_again() {
    let (listener, address) = listener().await;
    let got = lines(listener, 1);
    let rig = Rig::new(quick(), &[format!("graphite:tcp://{address}?prefix=x")]);
    for n in 1..=3 {
        rig.send(batch(n * 60, vec![cluster()])).await;
        let last = format!("x.cluster.cpu.usage_rate 5 {}", n * 60);
        until("it came", || got.lock().last() == Some(&last)).await;
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_datagram_has_few_lines_and_a_receiver_that_comes_late_gets_what_follows() {
    let reserved = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    let values = [
        format!("statsd:udp://{address}?numMetricsPerMsg=3&prefix=k"),
        format!("statsd:udp://{address}?protocolType=influxstatsd&metrics=cpu/*"),
    ];
    let rig = Rig::new(quick(), &values);
    rig.send(batch(60, vec![pod("a", "p", &[])])).await;
    let sent = "loadline_sink_sent_total{sink=\"statsd\"}";
    until("the first is gone", || rig.metric(sent) == 1).await;
    let receiver = UdpSocket::bind(address).await.unwrap();
    let messages = Mutex::new(Vec::new());
    let mut buffer = [0; 9000];
    while messages.lock().len() < 3 {
        rig.send(batch(120, vec![pod("a", "p", &[])])).await;
        while let Ok(Ok(length)) =
            tokio::time::timeout(Duration::from_millis(200), receiver.recv(&mut buffer)).await
        {
            let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
            messages.lock().push(text);
        }
    }
    let messages = messages.into_inner();
    let name = "k.node.h_1.namespace.a.pod.p";
    let one = format!(
        "{name}.cpu/usage_rate:7|g\n{name}.memory/page_faults_rate:1.5|g\n\
         {name}.filesystem/usage.logs:8|g\n"
    );
    assert!(messages.contains(&one), "{messages:?}");
    let tags = "hostname=h.1,namespace_name=a,nodename=n1,pod_name=p,type=pod";
    assert!(
        messages.contains(&format!("cpu/usage_rate,{tags}:7|g\n")),
        "{messages:?}"
    );
    rig.stop().await;
}

#[tokio::test]
async fn opentsdb_is_sent_whole_points_and_says_which_it_refuses() {
    let (listener, address) = listener().await;
    let seen = serve(listener, |asked| {
        assert_eq!(asked.line, "POST /api/put?summary");
        let points: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
        let points = points.as_array().unwrap();
        let word = |text: &str| {
            let valid = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
            !text.is_empty() && text.chars().all(valid)
        };
        for point in points {
            assert!(word(point["metric"].as_str().unwrap()));
            assert!(point["value"].is_number() && point["timestamp"].is_i64());
            let tags = point["tags"].as_object().unwrap();
            assert!(
                tags.iter()
                    .all(|(k, v)| word(k) && word(v.as_str().unwrap()))
            );
        }
        Act::Answer(400, "{\"success\":3,\"failed\":1}".to_owned())
    });
    let rig = Rig::new(quick(), &[format!("opentsdb:http://{address}?cluster=c")]);
    rig.send(batch(60, vec![pod("a", "p", &[("app", "web:1")])]))
        .await;
    let sent = "loadline_sink_sent_total{sink=\"opentsdb\"}";
    until("it is done", || rig.metric(sent) == 1).await;
    assert_eq!(
        rig.metric("loadline_sink_refused_points_total{sink=\"opentsdb\"}"),
        1
    );
    assert_eq!(seen.lock().len(), 1);
    rig.stop().await;
}

#[tokio::test]
async fn what_waits_is_sent_before_the_end() {
    let (listener, address) = listener().await;
    let seen = serve(listener, influxdb("root"));
    let config = Config {
        flush: Duration::from_secs(10),
        ..quick()
    };
    let rig = Rig::new(config, &[format!("influxdb:http://{address}")]);
    for n in 1..=3 {
        rig.send(batch(n * 60, vec![cluster()])).await;
    }
    rig.stop().await;
    assert_eq!(seen.lock().len(), 4);
}

#[tokio::test]
async fn a_webhook_is_posted_lines_of_json_until_it_takes_them() {
    let (listener, address) = listener().await;
    let tries = AtomicUsize::new(0);
    let seen = serve(listener, move |asked| {
        assert_eq!(asked.line, "POST /in/here");
        assert_eq!(asked.header("content-type"), "application/x-ndjson");
        assert_eq!(asked.authorization, "Bearer t");
        for line in asked.body.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(line["metrics"].is_object() && line["labels"]["type"].is_string());
        }
        match tries.fetch_add(1, Ordering::Relaxed) {
            0 => Act::HangUp,
            1 => Act::Answer(503, String::new()),
            2 => Act::Answer(202, String::new()),
            _ => Act::Answer(422, String::new()),
        }
    });
    let value = format!("webhook:http://{address}/in/here?token=t&batchSize=1");
    let rig = Rig::new(patient(), &[value]);
    rig.send(batch(60, vec![pod("a", "p", &[]), cluster()]))
        .await;
    let sent = "loadline_sink_sent_total{sink=\"webhook\"}";
    until("it is done", || rig.metric(sent) == 1).await;
    assert_eq!(seen.lock().len(), 4);
    let series = |what: &str| format!("loadline_sink_{what}_points_total{{sink=\"webhook\"}}");
    assert_eq!(rig.metric(&series("sent")), 4);
    assert_eq!(rig.metric(&series("refused")), 1);
    rig.stop().await;
}

#[tokio::test]
async fn what_waits_on_disk_comes_through_in_order_also_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let (reserved, address) = listener().await;
    drop(reserved);
    let values = [
        format!("influxdb:http://{address}?queue=2"),
        "log".to_owned(),
    ];
    let spool = Some((&folder, 1 << 20));
    let series = |what: &str| format!("loadline_sink_{what}{{sink=\"influxdb\"}}");
    let rig = Rig::spooling(quick(), &values, spool);
    for n in 1..=8 {
        rig.send(batch(n * 60, vec![cluster()])).await;
    }
    // Nothing waits in memory alone.
    until("all of it is on disk", || {
        rig.metric(&series("spooled")) == 8
    })
    .await;
    assert_eq!(rig.metric(&series("queued")), 0);
    let registry = rig.stop().await;
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    assert!(text.contains("dropped_total{sink=\"influxdb\",reason=\"shutdown\"} 0"));

    let rig = Rig::spooling(quick(), &values, spool);
    assert_eq!(rig.metric(&series("spooled")), 8);
    for n in 9..=12 {
        rig.send(batch(n * 60, vec![cluster()])).await;
    }
    let seen = serve(TcpListener::bind(address).await.unwrap(), influxdb("root"));
    until("all came", || {
        rig.metric(&series("sent_points_total")) == 12
    })
    .await;
    assert_eq!(rig.metric(&series("spooled")), 0);
    assert_eq!(rig.metric(&series("spool_bytes")), 0);
    let bodies: Vec<String> = seen.lock().iter().map(|asked| asked.body.clone()).collect();
    let line = |n: i64| {
        let time = n * 60;
        format!("cpu/usage_rate,cluster_name=default,type=cluster value=5i {time}000000000\n")
    };
    assert_eq!(bodies[1..], (1..=12).map(line).collect::<Vec<_>>());
    rig.stop().await;
}

#[tokio::test]
async fn a_spool_that_is_full_or_broken_costs_batches_by_reason() {
    let folder = TempDir::new().unwrap();
    let (reserved, address) = listener().await;
    drop(reserved);
    let values = [format!("influxdb:http://{address}?queue=1")];
    let rig = Rig::spooling(quick(), &values, Some((&folder, 700)));
    for n in 1..=20 {
        rig.send(batch(n * 60, vec![cluster()])).await;
    }
    let dropped = |reason: &str| {
        let sink = "sink=\"influxdb\"";
        format!("loadline_sink_dropped_total{{{sink},reason=\"{reason}\"}}")
    };
    until("it is full", || rig.metric(&dropped("spool_full")) > 0).await;
    // Gone at once, whatever is being written into it.
    let elsewhere = folder.path().with_extension("gone");
    std::fs::rename(folder.path(), &elsewhere).unwrap();
    let failed = || rig.metric(&dropped("spool_failed"));
    let before = failed();
    for n in 21..=30 {
        rig.send(batch(n * 60, vec![cluster()])).await;
    }
    until("writing fails", || failed() > before).await;
    assert_eq!(rig.metric(&dropped("queue_full")), 0);
    rig.stop().await;
    std::fs::remove_dir_all(elsewhere).unwrap();
}

#[test]
fn a_spool_that_cannot_be_is_told_at_start_by_the_sink() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let sinks = SinkConfig::read(&["log"], &|_| None).unwrap();
    let labeller: Arc<dyn Labeller> = Arc::new(Plain);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut registry = Registry::default();
    let spooling = Some(spooling(&file, 1 << 20));
    let made = Sinks::new(quick(), sinks, spooling, &labeller, &clock, &mut registry);
    let error = made.unwrap_err().to_string();
    assert!(error.starts_with("log: the spool in /"), "{error}");
}
