//! What our sinks send, beside the bytes the real Heapster 1.5.4 sent of the same samples.
//!
//! Everything goes the whole way: the kubelet's answer is decoded, rolled up, made a batch, and
//! sent by the sink to a socket.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use serde_json::Value as Json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;

use super::golden::{columns_from, is_newer, read};
use super::*;
use crate::domain::{Batch, SystemClock};
use crate::lifecycle::{Stop, Tasks};
use crate::rollup::Labelling;
use crate::sinks::{self, Labeller, SinkConfig, Sinks};
use crate::telemetry::Registry;

/// What is sent differently on purpose, by sink and what differs, as the table in `docs/sinks.md`
/// has it. What Heapster 1.5.4 did not know at all is not sent here: `is_newer`. Of `uptime`, which
/// goes by each one's own clock, only the series are compared.
const MENDED: [Mended; 4] = [
    Mended {
        sink: "influxdb",
        differs: "GET /query",
        as_heapster: None,
    },
    Mended {
        sink: "graphite",
        differs: "filesystem.usage",
        as_heapster: Some(|path| {
            // Ours tells besides which it is.
            let (before, rest) = path.split_once(".filesystem.")?;
            let metric = rest.rsplit('.').next()?;
            Some(Some(format!("{before}.filesystem.{metric}")))
        }),
    },
    Mended {
        sink: "opentsdb",
        differs: "filesystem_usage_gauge",
        as_heapster: Some(|series| series.starts_with("filesystem_").then_some(None)),
    },
    Mended {
        sink: "etsystatsd",
        differs: "filesystem/usage.Volume:data",
        as_heapster: Some(|series| {
            let (_, of) = series.rsplit_once("filesystem/")?;
            let colon = of.contains(".Volume_");
            colon.then(|| Some(series.replace(".Volume_", ".Volume:")))
        }),
    },
];

/// The time of the recorded batch, in milliseconds.
const RECORDED: i64 = 1_795_230_980_000;

struct Mended {
    sink: &'static str,
    differs: &'static str,
    /// Heapster's series of one of ours that differs, if it had one; `None` where no series differs
    /// but requests.
    as_heapster: Option<AsHeapster>,
}

type AsHeapster = fn(&str) -> Option<Option<String>>;

type Values = BTreeMap<String, String>;

/// The second column, at Heapster's time, without what is newer.
fn batch() -> Arc<Batch> {
    let column = columns_from(RECORDED - 60_000).swap_remove(1);
    let sets = column.into_values().map(|mut set| {
        let key = set.key.clone();
        set.points.retain(|point| !is_newer(&key, point.metric()));
        set
    });
    Arc::new(Batch {
        timestamp: Timestamp::from_millis(RECORDED),
        parts: vec![sets.collect()],
    })
}

/// Has one sink send the batch, then end.
async fn export(value: String) {
    let sinks = SinkConfig::read(&[value], &|_| None).unwrap();
    let labeller: Arc<dyn Labeller> = Arc::new(Labelling::default());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut registry = Registry::default();
    let config = sinks::Config::default();
    let sinks = Sinks::new(config, sinks, None, &labeller, &clock, &mut registry).unwrap();
    let (stop, stopped) = Stop::channel();
    let tasks = Tasks::new(stop);
    let (sender, receiver) = mpsc::channel(1);
    sender.send(batch()).await.unwrap();
    drop(sender);
    sinks.run(receiver, tasks.clone(), stopped).await;
    tasks.finished().await;
}

/// The bodies of what is posted, by path; every request is said to have succeeded.
async fn posted(value: impl Fn(SocketAddr) -> String) -> Vec<(String, String)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = async {
        let mut seen = Vec::new();
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut bytes, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
        loop {
            let length = stream.read(&mut buffer).await.unwrap();
            if length == 0 {
                return seen;
            }
            bytes.extend_from_slice(&buffer[..length]);
            let text = String::from_utf8(bytes.clone()).unwrap();
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let mut lines = head.lines().map(str::to_ascii_lowercase);
            let length = lines.find_map(|l| l.strip_prefix("content-length: ").map(str::to_owned));
            if body.len() == length.map_or(0, |length| length.parse().unwrap()) {
                let line = head.lines().next().unwrap().to_owned();
                seen.push((line, body.to_owned()));
                bytes.clear();
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
                stream.write_all(answer).await.unwrap();
            }
        }
    };
    let (seen, ()) = tokio::join!(serve, export(value(address)));
    seen
}

/// Every line as it was sent over UDP.
async fn datagrams(value: impl Fn(SocketAddr) -> String) -> Vec<String> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let export = export(value(address));
    tokio::pin!(export);
    let (mut lines, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    let mut take = |message: &[u8]| {
        let text = std::str::from_utf8(message).unwrap();
        assert!(text.ends_with('\n') && text.lines().count() <= 5, "{text}");
        lines.extend(text.lines().map(str::to_owned));
    };
    let mut over = false;
    while !over {
        tokio::select! {
            biased;
            length = socket.recv(&mut buffer) => take(&buffer[..length.unwrap()]),
            () = &mut export => over = true,
        }
    }
    while let Ok(length) = socket.try_recv(&mut buffer) {
        take(&buffer[..length]);
    }
    lines
}

/// Compares all series and values, after what is mended is put back; of `uptime` the series alone.
fn assert_same(sink: &str, ours: &Values, mut heapsters: Vec<(String, String)>) {
    assert!(
        heapsters.len() > 300,
        "only {} of Heapster",
        heapsters.len()
    );
    let mut mended: BTreeMap<&str, AsHeapster> = BTreeMap::new();
    for one in MENDED.iter().filter(|mended| mended.sink == sink) {
        mended.extend(one.as_heapster.map(|back| (one.differs, back)));
    }
    let mut differ = BTreeSet::new();
    let mut put_back = Vec::new();
    for (series, value) in ours {
        let back = mended.iter().find_map(|(what, back)| {
            let back = back(series)?;
            Some((*what, back))
        });
        differ.extend(back.iter().map(|(what, _)| *what));
        let theirs = back.map_or_else(|| Some(series.clone()), |(_, theirs)| theirs);
        put_back.extend(theirs.map(|series| (series, value.clone())));
    }
    assert!(mended.keys().eq(&differ), "{sink} mends only {differ:?}");
    for (series, value) in put_back.iter_mut().chain(&mut heapsters) {
        if series.contains("uptime") {
            value.clear();
        }
    }
    put_back.sort();
    heapsters.sort();
    let only = |these: &[(String, String)], those: &[(String, String)]| -> Vec<(String, String)> {
        let missing = these.iter().filter(|one| those.binary_search(one).is_err());
        missing.cloned().collect()
    };
    assert_eq!(only(&heapsters, &put_back), [], "{sink} does not send this");
    assert_eq!(only(&put_back, &heapsters), [], "{sink} sends this besides");
    assert_eq!(put_back.len(), heapsters.len(), "{sink}");
}

/// Series and value of lines in which a sign stands between them; every series once.
fn values<'a>(
    lines: impl Iterator<Item = &'a str>,
    split: impl Fn(&str) -> (&str, &str),
) -> Values {
    let mut values = Values::new();
    for line in lines {
        let (series, value) = split(line);
        let before = values.insert(series.to_owned(), value.to_owned());
        assert_eq!(before, None, "{series} came twice");
    }
    values
}

fn before_value(line: &str) -> (&str, &str) {
    line.split_once(" value=").unwrap()
}

#[test]
fn every_mended_defect_stands_in_the_one_table() {
    let document = include_str!("../../../docs/sinks.md");
    let (_, table) = document.split_once("## Mended defects").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let told = rows.map(|row| {
        let mut cells = row.split('|').skip(1).map(|cell| cell.split('`').nth(1));
        (cells.next().flatten(), cells.next().flatten())
    });
    let held = MENDED.iter().map(|one| (Some(one.sink), Some(one.differs)));
    assert_eq!(told.collect::<BTreeSet<_>>(), held.collect::<BTreeSet<_>>());
}

#[tokio::test]
async fn influxdb_is_sent_heapsters_lines() {
    let golden = read("sinks/influxdb.txt");
    let (_, golden) = golden.split_once("POST /write?").unwrap();
    let (parameters, golden) = golden.split_once('\n').unwrap();
    let seen = posted(|address| format!("influxdb:http://{address}")).await;
    assert_eq!(seen.len(), 2);
    assert_eq!(
        seen[0].0,
        "POST /query?db=&q=CREATE+DATABASE+k8s+WITH+NAME+%22default%22 HTTP/1.1"
    );
    assert_eq!(seen[1].0, format!("POST /write?{parameters} HTTP/1.1"));
    let ours = values(seen[1].1.lines(), before_value);
    let heapsters = values(golden.lines().filter(|line| !line.is_empty()), before_value);
    assert_same("influxdb", &ours, heapsters.into_iter().collect());
}

#[tokio::test]
async fn graphite_is_sent_heapsters_lines_and_file_systems_apart() {
    let golden = read("sinks/graphite.txt");
    let split = |line: &str| -> (String, String) {
        let (path, rest) = line.split_once(' ').unwrap();
        (path.to_owned(), rest.to_owned())
    };
    let lines = datagrams_of_one_line().await;
    let count = lines.len();
    let ours: Values = lines.iter().map(|line| split(line)).collect();
    assert_eq!(ours.len(), count, "two series of one path");
    let heapsters: Vec<_> = golden.lines().map(split).collect();
    let different: BTreeSet<_> = heapsters.iter().map(|(path, _)| path).collect();
    assert!(different.len() < count, "Heapster's series collide");
    assert_same("graphite", &ours, heapsters);
    assert!(ours.contains_key("kubernetes.nodes.node-1.filesystem._.usage"));
}

async fn datagrams_of_one_line() -> Vec<String> {
    datagrams(|address| format!("graphite:udp://{address}")).await
}

#[tokio::test]
async fn opentsdb_is_sent_heapsters_points() {
    let points = |text: &str| -> Vec<Json> { serde_json::from_str(text).unwrap() };
    let series = |point: &Json| {
        let value = point["value"].as_f64().unwrap();
        let series = format!("{} {}", point["metric"].as_str().unwrap(), point["tags"]);
        (series, format!("{value} {}", point["timestamp"]))
    };
    let seen = posted(|address| format!("opentsdb:http://{address}")).await;
    assert!(
        seen.iter()
            .all(|(line, _)| line == "POST /api/put?summary HTTP/1.1")
    );
    let ours: Values = seen
        .iter()
        .flat_map(|(_, body)| points(body))
        .map(|p| series(&p))
        .collect();
    let golden = points(&read("sinks/opentsdb.json"));
    let heapsters: Vec<_> = golden.iter().map(series).collect();
    assert_same("opentsdb", &ours, heapsters);
    // Of the file systems it sent nothing of there is what it sent to InfluxDB.
    let filesystems = |series: &str| series.starts_with("filesystem");
    let mended = ours.keys().filter(|series| filesystems(series));
    let mended: Vec<_> = mended.collect();
    assert!(
        mended
            .iter()
            .all(|series| series.contains("\"resource_id\":"))
    );
    let influxdb = read("sinks/influxdb.txt");
    let theirs = influxdb.lines().filter(|line| filesystems(line)).count();
    assert_eq!(mended.len(), theirs);
}

/// The recording holds four batches, one after the other: each series' value in the second, which
/// is the first that has rates.
fn statsd_golden(name: &str) -> Values {
    let golden = read(name);
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in golden.lines().filter(|line| !matches!(*line, "" | "--")) {
        let (series, value) = line.rsplit_once(':').unwrap();
        all.entry(series).or_default().push(value);
    }
    let second = |values: Vec<&str>| values[values.len() - 3].to_owned();
    all.into_iter()
        .map(|(series, values)| (series.to_owned(), second(values)))
        .collect()
}

#[tokio::test]
async fn statsd_is_sent_heapsters_lines_in_both_styles() {
    for (protocol, prefix, golden) in [
        ("etsystatsd", "k8s", "sinks/statsd-etsy.txt"),
        ("influxstatsd", "k8s.", "sinks/statsd-influx.txt"),
    ] {
        let options = format!("protocolType={protocol}&prefix={prefix}");
        let lines = datagrams(|address| format!("statsd:udp://{address}?{options}")).await;
        let split = |line: &str| {
            line.rsplit_once(':')
                .map(|(s, v)| (s.to_owned(), v.to_owned()))
        };
        let ours: Values = lines.iter().filter_map(|line| split(line)).collect();
        assert_eq!(ours.len(), lines.len());
        assert_same(protocol, &ours, statsd_golden(golden).into_iter().collect());
        assert!(ours.keys().all(|series| !series.contains(':')));
    }
}
