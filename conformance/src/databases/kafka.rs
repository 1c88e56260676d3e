//! A Kafka broker, read back by Kafka's own consumer.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::process::Command;

use super::{Database, Login, Point, Programs, address, launch, subfolder};
use crate::lab::{Authority, LeafFiles, Request, write};
use crate::process::Process;

/// A broker that is its own controller, with a folder and ports of its own.
#[derive(Debug)]
pub struct Kafka {
    /// The broker.
    pub database: Database,
    /// Where it is spoken to in the clear.
    pub plain: SocketAddr,
    /// Where it says that it is reached by way of a proxy, and where it is.
    pub by_proxy: (SocketAddr, SocketAddr),
    /// Where it wants TLS, a certificate and a password.
    pub secure: SocketAddr,
    /// The authority of both sides' certificates.
    pub authority: PathBuf,
    /// A certificate it accepts.
    pub identity: LeafFiles,
    programs: Programs,
    folder: PathBuf,
    format: Vec<String>,
}

/// What is not as usual with a broker.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peculiar<'a> {
    /// The most bytes of messages that are put together, or of one.
    pub largest: Option<u32>,
    /// Where messages are kept.
    pub data: Option<&'a Path>,
}

/// A consumer at work. Dropping it kills it.
#[derive(Debug)]
pub struct Consumer {
    _process: Process,
    output: PathBuf,
    read: Mutex<Messages>,
}

/// One message, as Heapster wrote them. It has these fields and no others.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Message {
    metrics_name: String,
    metrics_value: Value,
    metrics_timestamp: String,
    metrics_tags: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Value {
    value: f64,
}

/// One message of an event, as Heapster wrote them.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct EventMessage {
    event_value: String,
    event_timestamp: String,
    event_tags: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Messages {
    /// Bytes of whole lines.
    until: u64,
    /// How often each event came, by its ID.
    events: BTreeMap<String, usize>,
    by_topic: BTreeMap<String, Vec<Message>>,
}

/// Little memory, and code that runs soon rather than fast.
const JAVA: [&str; 3] = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
/// The topic of events.
const EVENTS: &str = "heapster-events";
/// Sixteen bytes as the broker names clusters.
const CLUSTER: &str = "MDEyMzQ1Njc4OWFiY2RlZg";

impl Kafka {
    /// A broker that is not started yet, and knows one user.
    ///
    /// # Errors
    /// When the programs are missing or a file cannot be written.
    pub fn new(programs: &Programs, folder: &Path, login: Login) -> Result<Self> {
        Self::peculiar(programs, folder, login, Peculiar::default())
    }

    /// One that is not as usual.
    ///
    /// # Errors
    /// When the programs are missing or a file cannot be written.
    pub fn peculiar(
        programs: &Programs,
        folder: &Path,
        login: Login,
        peculiar: Peculiar<'_>,
    ) -> Result<Self> {
        let (plain, secure, controller) = (address()?, address()?, address()?);
        let (proxy, behind) = (address()?, address()?);
        let below = subfolder(folder, "kafka")?;
        let (ca, pair, identity) = certificates(&below)?;
        let properties = below.join("server.properties");
        let (user, password) = login;
        let data = peculiar.data.unwrap_or(&below).join("data");
        let largest = peculiar
            .largest
            .map(|most| format!("message.max.bytes={most}\n"));
        let configuration = format!(
            "process.roles=broker,controller\nnode.id=1\n\
             controller.quorum.voters=1@{controller}\ncontroller.listener.names=CONTROLLER\n\
             listeners=PLAINTEXT://{plain},PROXY://{behind},SECURE://{secure},CONTROLLER://{controller}\n\
             advertised.listeners=PLAINTEXT://{plain},PROXY://{proxy},SECURE://{secure}\n\
             inter.broker.listener.name=PLAINTEXT\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXY:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL\n\
             sasl.enabled.mechanisms=PLAIN\n\
             listener.name.secure.plain.sasl.jaas.config=\
             org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}=\"{password}\";\n\
             listener.name.secure.ssl.client.auth=required\n\
             listener.name.secure.ssl.keystore.type=PEM\n\
             listener.name.secure.ssl.keystore.location={pair}\n\
             listener.name.secure.ssl.truststore.type=PEM\n\
             listener.name.secure.ssl.truststore.location={ca}\n\
             log.dirs={data}\nmetadata.log.dir={metadata}\nlog.index.size.max.bytes=4096\nnum.partitions=3\n\
             offsets.topic.replication.factor=1\n{largest}",
            pair = pair.display(),
            ca = ca.display(),
            data = data.display(),
            metadata = below.join("metadata").display(),
            largest = largest.unwrap_or_default(),
        );
        std::fs::write(&properties, configuration)?;
        let properties = properties.display().to_string();
        let class_path = programs.class_path("kafka")?;
        let java = |main: &str, rest: &[&str]| {
            let mut arguments = JAVA.map(str::to_owned).to_vec();
            arguments.push("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn".to_owned());
            arguments.extend(["-cp", &class_path, main].map(str::to_owned));
            arguments.extend(rest.iter().map(|word| (*word).to_owned()));
            arguments
        };
        let storage = ["format", "-t", CLUSTER, "-c", &properties];
        let arguments = java("kafka.Kafka", &[&properties]);
        let launch = launch(&programs.java()?, &arguments, folder, "kafka");
        Ok(Self {
            database: Database::new(launch, plain),
            plain,
            by_proxy: (proxy, behind),
            secure,
            authority: ca,
            identity,
            programs: programs.clone(),
            folder: folder.to_owned(),
            format: java("kafka.tools.StorageTool", &storage),
        })
    }

    /// Makes its empty storage; to be called once, before it is started.
    ///
    /// # Errors
    /// When Kafka's tool fails, with what it said.
    pub async fn format(&self) -> Result<()> {
        let tool = Command::new(self.programs.java()?)
            .args(&self.format)
            .kill_on_drop(true)
            .output();
        let output = tool.await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "kafka.tools.StorageTool: {said}");
        Ok(())
    }

    /// Begins to read topics from their first message on. They need not be there yet.
    ///
    /// # Errors
    /// When the program is missing.
    pub fn consume(&self, topics: &[&str]) -> Result<Consumer> {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/java/kafka/Consume.java");
        let output = self.folder.join("consumer.log");
        let mut arguments = JAVA.map(str::to_owned).to_vec();
        let class_path = self.programs.class_path("kafka")?;
        arguments.push("-Dorg.slf4j.simpleLogger.defaultLogLevel=off".to_owned());
        arguments.extend(["-cp", &class_path, source].map(str::to_owned));
        arguments.push(self.plain.to_string());
        arguments.extend(topics.iter().map(|topic| (*topic).to_owned()));
        let consumer = launch(&self.programs.java()?, &arguments, &self.folder, "consumer");
        Ok(Consumer {
            _process: consumer.start()?,
            output,
            read: Mutex::default(),
        })
    }
}

/// The authority's certificate, the broker's with its key, and one the broker accepts.
fn certificates(folder: &Path) -> Result<(PathBuf, PathBuf, LeafFiles)> {
    let authority = Authority::new("kafka")?;
    let ca = folder.join("ca.crt");
    write(&ca, authority.pem())?;
    let server = authority.issue(&Request::server("kafka", &["127.0.0.1"]))?;
    let pair = folder.join("server.pem");
    write(&pair, &format!("{}{}", server.key_pem(), server.pem()))?;
    let identity = authority.issue(&Request::client("loadline", &[]))?;
    Ok((ca, pair, identity.write(folder, "client")?))
}

impl Consumer {
    /// The points of a topic's messages of a metric with these tags, oldest first. One sent twice is
    /// there twice.
    ///
    /// # Errors
    /// When a message is not in Heapster's form.
    pub fn points(
        &self,
        topic: &str,
        metric: &str,
        tags: &[(&'static str, &'static str)],
    ) -> Result<Vec<Point>> {
        let mut read = self.read.lock();
        read.go_on(&self.output)?;
        let of_topic = read.by_topic.get(topic).map_or(&[][..], Vec::as_slice);
        let wanted = of_topic.iter().filter(|message| {
            let mut tags = tags.iter();
            let tagged = |(name, value): &(&str, &str)| {
                message.metrics_tags.get(*name).map(String::as_str) == Some(*value)
            };
            message.metrics_name == metric && tags.all(tagged)
        });
        let point = |message: &Message| -> Result<Point> {
            let at: jiff::Timestamp = message.metrics_timestamp.parse()?;
            Ok((at.as_second(), message.metrics_value.value))
        };
        let mut points = wanted.map(point).collect::<Result<Vec<_>>>()?;
        // Partitions are read as they come.
        points.sort_by_key(|(at, _)| *at);
        Ok(points)
    }

    /// How often each event came, by its UID and count.
    ///
    /// # Errors
    /// When a message is not in Heapster's form.
    pub fn events(&self) -> Result<BTreeMap<String, usize>> {
        let mut read = self.read.lock();
        read.go_on(&self.output)?;
        Ok(read.events.clone())
    }

    /// How many messages of a topic came.
    ///
    /// # Errors
    /// When a message is not in Heapster's form.
    pub fn count(&self, topic: &str) -> Result<usize> {
        let mut read = self.read.lock();
        read.go_on(&self.output)?;
        Ok(read.by_topic.get(topic).map_or(0, Vec::len))
    }
}

impl EventMessage {
    /// UID and count of the event, which stands as a text in the message.
    fn id(&self) -> Result<String> {
        let _: jiff::Timestamp = self.event_timestamp.parse()?;
        let event: serde_json::Value = serde_json::from_str(&self.event_value)?;
        let uid = event["metadata"]["uid"].as_str().context("no uid")?;
        let tagged = self.event_tags.get("eventID").map(String::as_str);
        ensure!(tagged == Some(uid), "{tagged:?} is not {uid}");
        let count = event["count"].as_u64().unwrap_or(1);
        Ok(format!("{uid}.{count}"))
    }
}

impl Messages {
    fn go_on(&mut self, output: &Path) -> Result<()> {
        let mut file = File::open(output)?;
        file.seek(SeekFrom::Start(self.until))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        for line in text.get(..whole).unwrap_or_default().lines() {
            // What is no message is what went wrong.
            let (topic, value) = line.split_once('\t').with_context(|| line.to_owned())?;
            if topic == EVENTS {
                let message: EventMessage = serde_json::from_str(value)?;
                *self.events.entry(message.id()?).or_default() += 1;
                continue;
            }
            let message = serde_json::from_str(value).with_context(|| value.to_owned())?;
            let of_topic = self.by_topic.entry(topic.to_owned()).or_default();
            of_topic.push(message);
        }
        self.until += whole as u64;
        Ok(())
    }
}
