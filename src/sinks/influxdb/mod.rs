//! `influxdb`: InfluxDB 1.x, 2.x, and whatever else takes its line protocol over HTTP.

mod event;
mod layout;
mod line;
mod retention;

use std::sync::Arc;

use serde_json::Value as Json;
use tracing::warn;

pub use self::layout::InfluxdbLayout;
use self::line::Lines;
use self::retention::Retention;
use super::chunks::{Chunks, Frame, Progress, Records, Verdict, send_all};
use super::column::Column;
use super::config::authority;
use super::credentials::Credentials;
use super::events::json::indented;
use super::export::ExportError;
use super::http::{Answer, Http, HttpConfig, base, is_secure};
use super::options::Options;
use super::setup::SetupError;
use super::trust::TlsConfig;
use super::uri::SinkUri;
use crate::apimachinery::query_escape;
use crate::domain::{Clock, Event, Timestamp};

/// The options of `influxdb`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config {
    http: HttpConfig,
    target: Target,
    lines: Lines,
    concurrency: usize,
}

/// Where points go.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    /// A database of 1.x.
    Database {
        name: String,
        retention: Option<Retention>,
    },
    /// A bucket of 2.x.
    Bucket { org: String, bucket: String },
}

/// The transport.
pub(super) struct Influxdb {
    config: Config,
    http: Http,
    write: String,
    prepared: bool,
}

/// Heapster's pieces.
const FRAME: Frame = Frame::lines(10_000, 8 << 20);
const EVENTS: Frame = Frame::lines(1000, 8 << 20);
const TEXT: &str = "text/plain; charset=utf-8";
const FORM: &str = "application/x-www-form-urlencoded";

impl Config {
    pub(super) fn read(uri: &SinkUri, options: &mut Options<'_>) -> Self {
        let https = is_secure(uri, options);
        let secure = options.flag("secure", https);
        if https && !secure {
            options.refuse(Some("secure"), "is false, and the address says https://");
        }
        let tls = TlsConfig::read(options);
        tls.check(secure, options);
        let retention = options.parsed("retention", "duration from 1h to 106751d, as 30d");
        let database = options.text_or("db", "k8s");
        let (bucket, org) = (options.text("bucket"), options.text("org"));
        let target = match bucket {
            Some(bucket) => Target::Bucket {
                org: org.unwrap_or_default().to_owned(),
                bucket: bucket.to_owned(),
            },
            None => Target::Database {
                name: database,
                retention: retention.filter(|r: &Retention| !r.is_unlimited()),
            },
        };
        if bucket.is_some() && !options.is_given("token") {
            options.refuse(Some("token"), "is needed with bucket");
        }
        Self {
            http: HttpConfig {
                authority: authority(uri, "localhost", 8086),
                base: base(uri),
                secure,
                tls,
                credentials: credentials(uri, options),
            },
            target,
            lines: Lines {
                cluster_name: options.text_or("cluster_name", "default"),
                with_fields: options.flag("withfields", false),
                counters: !options.flag("disable_counter_metrics", false),
                pod_ids: options.flag("pod_id", false),
            },
            concurrency: options.number("concurrency", 1, 1..=64),
        }
    }
}

/// Who we are: a user before the host or by options, a token, or else Heapster's `root`.
fn credentials(uri: &SinkUri, options: &mut Options<'_>) -> Credentials {
    let (user, password) = (options.credential("user"), options.secret("pw"));
    let option = if user.is_some() { "user" } else { "pw" };
    let by_options = user.is_some() || password.is_some();
    let user = user.unwrap_or("root").to_owned();
    let login = Credentials::Basic(user, password.unwrap_or_else(|| "root".into()));
    let token = options.secret("token").map(Credentials::Token);
    let ways = [
        (None, Credentials::of_uri(uri, None, options)),
        (Some(option), by_options.then(|| login.clone())),
        (Some("token"), token),
    ];
    let given = Credentials::only(ways, options);
    if given == Credentials::None {
        return login;
    }
    given
}

impl Target {
    fn write_path(&self) -> String {
        match self {
            Self::Database { name, .. } => format!(
                "/write?consistency=&db={}&precision=&rp=default",
                query_escape(name)
            ),
            Self::Bucket { org, bucket } => format!(
                "/api/v2/write?bucket={}&org={}&precision=ns",
                query_escape(bucket),
                query_escape(org)
            ),
        }
    }
}

impl Influxdb {
    pub(super) fn new(config: Config, clock: &Arc<dyn Clock>) -> Result<Self, SetupError> {
        Ok(Self {
            http: Http::new(&config.http, clock)?,
            write: config.target.write_path(),
            config,
            prepared: false,
        })
    }

    pub(super) async fn export(
        &mut self,
        column: Column<'_>,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        self.make_ready().await?;
        let chunks = Chunks::new(column, &self.config.lines, FRAME);
        let sent = self.send(chunks, progress).await;
        self.note(sent)
    }

    /// The same of events.
    pub(super) async fn export_events(
        &mut self,
        events: impl Iterator<Item = &Event> + Send,
        at: Timestamp,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        self.make_ready().await?;
        let lines = &self.config.lines;
        let encode = |event: &Event, records: &mut Records| {
            let json = if lines.with_fields {
                String::new()
            } else {
                indented(event)
            };
            lines.event(event, &json, at, records);
        };
        let chunks = Chunks::of(events, encode, EVENTS);
        let sent = self.send(chunks, progress).await;
        self.note(sent)
    }

    async fn make_ready(&mut self) -> Result<(), ExportError> {
        if !self.prepared {
            self.prepare().await?;
            self.prepared = true;
        }
        Ok(())
    }

    async fn send(&self, chunks: Chunks<'_>, progress: &mut Progress) -> Result<(), ExportError> {
        let send = |body| self.write(body);
        send_all(chunks, progress, self.config.concurrency, send).await
    }

    fn note(&mut self, sent: Result<(), ExportError>) -> Result<(), ExportError> {
        if matches!(sent, Err(ExportError::Gone(_))) {
            self.prepared = false;
        }
        sent
    }

    /// Makes the database, and has it forget what is older than wished. Who may write only can do
    /// neither, so a refusal is noted and writing tried.
    async fn prepare(&self) -> Result<(), ExportError> {
        let Target::Database { name, retention } = &self.config.target else {
            return Ok(());
        };
        let database = identifier(name);
        let create = format!("CREATE DATABASE {database} WITH NAME \"default\"");
        if self.query(&create).await?.is_some() {
            // It is there already, with a policy of its own, which others' questions mean when they
            // name none: ours does not take its place.
            let duration = retention.map_or_else(|| "INF".to_owned(), |r| r.to_string());
            let create = format!(
                "CREATE RETENTION POLICY \"default\" ON {database} DURATION {duration} \
                 REPLICATION 1"
            );
            if let Some(problem) = self.query(&create).await? {
                warn!(
                    database = name,
                    problem, "cannot make the database; it may be there"
                );
            }
        }
        if let Some(retention) = retention {
            let alter = format!(
                "ALTER RETENTION POLICY \"default\" ON {database} DURATION {retention} \
                 SHARD DURATION {}",
                retention.shard()
            );
            if let Some(problem) = self.query(&alter).await? {
                warn!(database = name, problem, "cannot set the retention");
            }
        }
        Ok(())
    }

    /// Has a statement executed; gives back what is wrong with it.
    async fn query(&self, statement: &str) -> Result<Option<String>, ExportError> {
        let path = format!("/query?db=&q={}", query_escape(statement));
        let answer = self.http.post(&path, FORM, Vec::new()).await?;
        let json: Json = serde_json::from_str(&answer.body).unwrap_or_default();
        let inside = json.get("results").and_then(|results| results.get(0));
        let error = json.get("error").or_else(|| inside?.get("error"));
        Ok(match error {
            Some(error) => Some(error.as_str().unwrap_or("unknown").to_owned()),
            None if answer.status.is_success() => None,
            None => Some(answer.shown()),
        })
    }

    async fn write(&self, body: Vec<u8>) -> Result<Verdict, ExportError> {
        let answer = self.http.post(&self.write, TEXT, body).await?;
        answer.verdict(dropped)
    }
}

/// How many points of a partial write were lost, if the server says so.
fn dropped(answer: &Answer) -> Option<usize> {
    if !answer.body.contains("partial write") {
        return None;
    }
    let (_, after) = answer.body.split_once("dropped=")?;
    let end = after.find(|c: char| !c.is_ascii_digit());
    after.get(..end.unwrap_or(after.len()))?.parse().ok()
}

/// A name as it stands in InfluxQL.
fn identifier(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.chars().all(plain) && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return name.to_owned();
    }
    let name = name.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{name}\"").replace('\n', "\\n")
}
