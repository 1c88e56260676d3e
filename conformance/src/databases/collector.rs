//! The receiver of an OpenTelemetry collector, whose book is read as it grows.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::Value;

use super::{Database, address, launch};

/// A receiver with a port of its own. It writes down what it confirms.
#[derive(Debug)]
pub struct Collector {
    /// The receiver.
    pub database: Database,
    /// Where it takes OTLP over HTTP.
    pub address: SocketAddr,
    /// What it took.
    pub book: Book,
}

/// What a collector took, cheap to clone.
#[derive(Clone, Debug)]
pub struct Book {
    path: PathBuf,
    read: Arc<Mutex<Entries>>,
}

/// A data point of a metric.
#[derive(Clone, Debug, Deserialize)]
pub struct Number {
    /// The attributes of what it is of.
    pub resource: BTreeMap<String, Value>,
    /// The metric's name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// `Gauge` or `Sum`.
    pub kind: String,
    /// Whether a sum only grows.
    pub monotonic: bool,
    /// `Cumulative` or `Delta`, of sums.
    #[serde(default)]
    pub temporality: String,
    /// Its own attributes.
    pub attributes: BTreeMap<String, Value>,
    /// Nanoseconds of its beginning, 0 without one.
    pub start: u64,
    /// Nanoseconds of its time.
    pub time: u64,
    /// The value.
    pub value: f64,
}

/// A log record.
#[derive(Clone, Debug, Deserialize)]
struct Record {
    resource: BTreeMap<String, Value>,
    attributes: BTreeMap<String, Value>,
    time: u64,
    observed: u64,
    severity: i32,
    text: String,
    body: Value,
}

#[derive(Debug, Default)]
struct Entries {
    /// Bytes of whole lines.
    until: u64,
    numbers: BTreeMap<String, Vec<Number>>,
    /// How often each event came, by its ID.
    events: BTreeMap<String, usize>,
}

impl Collector {
    /// One that is not started yet.
    ///
    /// # Errors
    /// When no port is free.
    pub fn new(program: &Path, folder: &Path) -> Result<Self> {
        let address = address()?;
        let path = folder.join("collector.book");
        let arguments = [address.to_string(), path.display().to_string()];
        let launch = launch(program, &arguments, folder, "collector");
        Ok(Self {
            database: Database::new(launch, address),
            address,
            book: Book {
                path,
                read: Arc::default(),
            },
        })
    }
}

impl Book {
    /// The data points of a metric of this name, in the order in which they came.
    ///
    /// # Errors
    /// When a line is not what it should be.
    pub fn numbers(&self, name: &str) -> Result<Vec<Number>> {
        let mut read = self.read.lock();
        read.go_on(&self.path)?;
        Ok(read.numbers.get(name).cloned().unwrap_or_default())
    }

    /// How often each event came, by its ID.
    ///
    /// # Errors
    /// When a line is not what it should be.
    pub fn events(&self) -> Result<BTreeMap<String, usize>> {
        let mut read = self.read.lock();
        read.go_on(&self.path)?;
        Ok(read.events.clone())
    }
}

impl Entries {
    fn go_on(&mut self, path: &Path) -> Result<()> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            // It was never started.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        file.seek(SeekFrom::Start(self.until))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        for line in text.get(..whole).unwrap_or_default().lines() {
            self.take(line).with_context(|| line.to_owned())?;
        }
        self.until += whole as u64;
        Ok(())
    }

    fn take(&mut self, line: &str) -> Result<()> {
        if line.contains("\"severity\":") {
            let record: Record = serde_json::from_str(line)?;
            let id = record.event()?;
            *self.events.entry(id).or_default() += 1;
            return Ok(());
        }
        let number: Number = serde_json::from_str(line)?;
        let of_metric = self.numbers.entry(number.name.clone()).or_default();
        of_metric.push(number);
        Ok(())
    }
}

impl Record {
    /// The ID of the event it tells of, which must be told as collectors tell events.
    fn event(&self) -> Result<String> {
        let text = |name: &str| self.attributes.get(name).and_then(Value::as_str);
        let uid = text("k8s.event.uid").context("no k8s.event.uid")?;
        let count = self.attributes.get("k8s.event.count");
        let count = count.and_then(Value::as_i64).context("no count")?;
        let id = text("log.record.uid").context("no log.record.uid")?;
        let severity = match self.text.as_str() {
            "Normal" => 9,
            "Warning" => 13,
            _ => 0,
        };
        let whole = id == format!("{uid}.{count}")
            && self.severity == severity
            && self.time > 0
            && self.observed > 0
            && text("k8s.event.reason") == Some("Burst")
            && self.body == "It happened."
            && self.resource.get("k8s.object.kind") == Some(&Value::from("Pod"));
        whole.then(|| id.to_owned()).context("not such an event")
    }
}
