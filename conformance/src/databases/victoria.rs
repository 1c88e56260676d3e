//! VictoriaMetrics, written to in three protocols and asked in PromQL.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Database, Door, Guard, LOGIN, Point, Programs, address, escape, launch};

/// A server with a folder and ports of its own.
#[derive(Debug)]
pub struct Victoria {
    /// The server.
    pub database: Database,
    /// Where it is asked, and takes InfluxDB's line protocol.
    pub http: SocketAddr,
    /// Where it takes Graphite's lines.
    pub graphite: SocketAddr,
    /// Where it takes OpenTSDB's requests over HTTP.
    pub opentsdb: SocketAddr,
    door: Door,
}

/// Asks a server of Prometheus' query API.
#[derive(Clone, Debug)]
pub struct Promql {
    door: Door,
}

impl Victoria {
    /// A server that is not started yet.
    ///
    /// # Errors
    /// When the program is missing.
    pub fn new(programs: &Programs, folder: &Path) -> Result<Self> {
        Self::at(programs, folder, &[], Door::plain(address()?))
    }

    /// One that speaks TLS and asks for a password, and is not started yet.
    ///
    /// # Errors
    /// When the program is missing.
    pub fn guarded(programs: &Programs, folder: &Path, guard: &Guard) -> Result<Self> {
        let door = guard.door(address()?)?.as_user(LOGIN)?;
        let tls = [
            "-tls".to_owned(),
            format!("-tlsCertFile={}", guard.server.certificate.display()),
            format!("-tlsKeyFile={}", guard.server.key.display()),
            format!("-httpAuth.username={}", LOGIN.0),
            format!("-httpAuth.password={}", LOGIN.1),
        ];
        Self::at(programs, folder, &tls, door)
    }

    fn at(programs: &Programs, folder: &Path, more: &[String], door: Door) -> Result<Self> {
        let (graphite, opentsdb) = (address()?, address()?);
        let http = door.address;
        let program = programs.program("victoria-metrics")?;
        let data = folder.join("victoria-metrics");
        let mut arguments = vec![
            format!("-storageDataPath={}", data.display()),
            format!("-httpListenAddr={http}"),
            format!("-graphiteListenAddr={graphite}"),
            format!("-opentsdbHTTPListenAddr={opentsdb}"),
            // What was written a moment ago is to be found.
            "-search.latencyOffset=0s".to_owned(),
            "-search.disableCache".to_owned(),
            "-memory.allowedBytes=128MiB".to_owned(),
        ];
        arguments.extend_from_slice(more);
        let launch = launch(&program, &arguments, folder, "victoria-metrics");
        Ok(Self {
            database: Database::new(launch, http),
            http,
            graphite,
            opentsdb,
            door,
        })
    }

    /// Somebody who asks.
    #[must_use]
    pub fn promql(&self) -> Promql {
        Promql::new(self.door.clone())
    }
}

impl Promql {
    /// Asks the server here.
    #[must_use]
    pub const fn new(door: Door) -> Self {
        Self { door }
    }

    /// The raw samples of the last quarter of an hour of the one series this selector finds, oldest
    /// first; none when it finds none.
    ///
    /// # Errors
    /// When the server refuses, or there are several.
    pub async fn points(&self, selector: &str) -> Result<Vec<Point>> {
        let result = self.ask(&format!("{selector}[15m]")).await?;
        ensure!(result.len() <= 1, "{selector}: {} series", result.len());
        let Some(series) = result.first() else {
            return Ok(Vec::new());
        };
        let values = series["values"].as_array().context("no values")?;
        values.iter().map(point).collect()
    }

    /// The value of an expression that has one, now.
    ///
    /// # Errors
    /// When the server refuses, or there is not exactly one.
    pub async fn value(&self, expression: &str) -> Result<f64> {
        let result = self.ask(expression).await?;
        let [one] = result.as_slice() else {
            anyhow::bail!("{expression}: {} values", result.len());
        };
        Ok(point(&one["value"])?.1)
    }

    /// What an instant query answers.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn ask(&self, expression: &str) -> Result<Vec<Value>> {
        let path = format!("/api/v1/query?query={}", escape(expression));
        let data = self.data(&path).await;
        let data = data.with_context(|| expression.to_owned())?;
        let result = data["result"].as_array();
        Ok(result.context("no result")?.clone())
    }

    /// The alerting rules, as the server knows them.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn rules(&self) -> Result<Vec<Value>> {
        let data = self.data("/api/v1/rules").await?;
        let groups = data["groups"].as_array().context("no groups")?;
        let rules = groups.iter().filter_map(|group| group["rules"].as_array());
        Ok(rules.flatten().cloned().collect())
    }

    async fn data(&self, path: &str) -> Result<Value> {
        let answer = self.door.get(path).await?;
        ensure!(answer.status == 200, "{}", answer.text());
        Ok(answer.json()?["data"].take())
    }
}

/// `[seconds, "value"]`.
fn point(value: &Value) -> Result<Point> {
    let at = value[0].as_f64().context("no time")?;
    let value = value[1].as_str().context("no value")?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "seconds of this century, with thousandths"
    )]
    Ok((at as i64, value.parse()?))
}
