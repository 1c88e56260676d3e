//! InfluxDB 1.x, asked in InfluxQL.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Database, Door, Guard, Point, Programs, address, escape, launch};

/// A user and the password.
pub type Login = (&'static str, &'static str);

/// A server with a folder and ports of its own.
#[derive(Debug)]
pub struct Influxdb {
    /// The server.
    pub database: Database,
    /// Where it is asked, and written to.
    pub address: SocketAddr,
    door: Door,
}

/// Asks in InfluxQL.
#[derive(Clone, Debug)]
pub struct Influxql {
    door: Door,
    login: Option<Login>,
}

/// A row of an answer's series: a time and the fields asked for.
type Row = Vec<Value>;

impl Influxdb {
    /// A server that is not started yet; with `login` it asks everybody for a password, but for the
    /// statement that makes the first user.
    ///
    /// # Errors
    /// When the program is missing or a file cannot be written.
    pub fn new(programs: &Programs, folder: &Path, login: bool) -> Result<Self> {
        let address = address()?;
        let tls = "https-enabled = false";
        Self::at(programs, folder, login, tls, Door::plain(address))
    }

    /// One that speaks TLS, asks for passwords as well, and is not started yet.
    ///
    /// # Errors
    /// When the program is missing or a file cannot be written.
    pub fn guarded(programs: &Programs, folder: &Path, guard: &Guard) -> Result<Self> {
        let tls = format!(
            "https-enabled = true\n  https-certificate = \"{}\"\n  https-private-key = \"{}\"",
            guard.server.certificate.display(),
            guard.server.key.display()
        );
        let door = guard.door(address()?)?;
        Self::at(programs, folder, true, &tls, door)
    }

    fn at(programs: &Programs, folder: &Path, login: bool, tls: &str, door: Door) -> Result<Self> {
        let (http, backup) = (door.address, address()?);
        let program = programs.program("influxd")?;
        let below = |name: &str| folder.join("influxdb").join(name).display().to_string();
        let configuration = format!(
            "reporting-disabled = true\nbind-address = \"{backup}\"\n\
             [meta]\n  dir = \"{meta}\"\n\
             [data]\n  dir = \"{data}\"\n  wal-dir = \"{wal}\"\n  query-log-enabled = false\n\
             [monitor]\n  store-enabled = false\n\
             [http]\n  bind-address = \"{http}\"\n  auth-enabled = {login}\n  log-enabled = false\n  {tls}\n",
            meta = below("meta"),
            data = below("data"),
            wal = below("wal"),
        );
        let file = folder.join("influxdb.conf");
        std::fs::write(&file, configuration)?;
        let arguments = ["-config".to_owned(), file.display().to_string()];
        let launch = launch(&program, &arguments, folder, "influxdb");
        Ok(Self {
            database: Database::new(launch, http),
            address: http,
            door,
        })
    }

    /// Somebody who asks.
    #[must_use]
    pub fn as_user(&self, login: Option<Login>) -> Influxql {
        Influxql {
            door: self.door.clone(),
            login,
        }
    }
}

impl Influxql {
    /// Has a statement executed in a database; the series of its answer.
    ///
    /// # Errors
    /// What the server finds wrong with it.
    pub async fn ask(&self, database: &str, statement: &str) -> Result<Vec<Value>> {
        let mut path = format!(
            "/query?db={}&epoch=s&q={}",
            escape(database),
            escape(statement)
        );
        if let Some((user, password)) = self.login {
            let _ = write!(path, "&u={user}&p={}", escape(password));
        }
        let answer = self.door.get(&path).await?.json()?;
        let inside = &answer["results"][0];
        if let Some(error) = answer["error"]
            .as_str()
            .or_else(|| inside["error"].as_str())
        {
            bail!("{statement}: {error}");
        }
        Ok(inside["series"].as_array().cloned().unwrap_or_default())
    }

    /// The rows of the one series a statement gives; none when it gives none.
    ///
    /// # Errors
    /// As [`Influxql::ask`], and when there are several.
    pub async fn rows(&self, database: &str, statement: &str) -> Result<Vec<Row>> {
        let series = self.ask(database, statement).await?;
        let [one] = series.as_slice() else {
            let count = series.len();
            return match count {
                0 => Ok(Vec::new()),
                _ => bail!("{statement}: {count} series"),
            };
        };
        let rows = one["values"].as_array().context("no values")?;
        let rows = rows.iter().map(|row| row.as_array().cloned());
        rows.collect::<Option<_>>().context("a row is no list")
    }

    /// The points of `SELECT field FROM …` without NULL, oldest first.
    ///
    /// # Errors
    /// As [`Influxql::rows`].
    pub async fn points(&self, database: &str, statement: &str) -> Result<Vec<Point>> {
        let rows = self.rows(database, statement).await?;
        let point = |row: &Row| Some((row.first()?.as_i64()?, row.get(1)?.as_f64()?));
        Ok(rows.iter().filter_map(point).collect())
    }
}

/// A text as it stands in a condition.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
