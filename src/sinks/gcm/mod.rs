//! `gcm`: Google Cloud Monitoring, custom metrics.

mod series;
#[cfg(test)]
mod tests;
mod token;

use std::path::PathBuf;
use std::sync::Arc;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Request, StatusCode};
use serde_json::Value as Json;
use tracing::warn;

use self::series::{SeriesOf, descriptor};
use self::token::{Account, Source, Tokens, of_machine, server};
use super::chunks::{Chunks, Frame, Progress, send_all};
use super::column::Column;
use super::config::{SetupError, authority};
use super::export::ExportError;
use super::http::{Answer, Credentials, Http, HttpConfig, TlsConfig};
use super::options::Options;
use super::secret::Secret;
use super::uri::SinkUri;
use crate::domain::{Clock, Metric};

/// The options of `gcm`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config {
    authority: String,
    tls: Option<TlsConfig>,
    project: Option<String>,
    token: Option<Secret>,
    credentials: Option<PathBuf>,
    metadata: String,
    series: SeriesOf,
    concurrency: usize,
}

/// The transport.
pub(super) struct Gcm {
    config: Config,
    http: Http,
    tokens: Tokens,
    project: Option<String>,
    /// How many metrics are described.
    described: usize,
}

/// No request may hold more series.
const FRAME: Frame = Frame {
    open: b"{\"timeSeries\":[",
    between: b",",
    close: b"]}",
    records: 200,
    bytes: 1 << 20,
};
const HOST: &str = "monitoring.googleapis.com";
const METADATA: &str = "http://metadata.google.internal";
const JSON: &str = "application/json";

impl Config {
    pub(super) fn read(uri: &SinkUri, options: &mut Options<'_>) -> Self {
        let tls = TlsConfig::read(options);
        let plain = uri.scheme.as_deref() == Some("http");
        if !matches!(uri.scheme.as_deref(), None | Some("http" | "https")) {
            options.refuse(None, "the address must begin with http:// or https://");
        }
        let metadata = options.text_or("metadata", METADATA);
        if SinkUri::of("gcm", &metadata).is_err() {
            options.refuse(Some("metadata"), "is no address");
        }
        Self {
            authority: authority(uri, HOST, if plain { 80 } else { 443 }),
            tls: (!plain).then_some(tls),
            project: options.text("project").map(str::to_owned),
            token: options.secret("token"),
            credentials: options.text("credentials").map(PathBuf::from),
            metadata,
            series: SeriesOf {
                cluster_name: options.text("cluster_name").map(str::to_owned),
            },
            concurrency: options.number("concurrency", 4, 1..=64),
        }
    }
}

impl Gcm {
    pub(super) fn new(config: Config, clock: &Arc<dyn Clock>) -> Result<Self, SetupError> {
        let http = HttpConfig {
            authority: config.authority.clone(),
            tls: config.tls.clone(),
            credentials: Credentials::None,
        };
        let http = Http::new(&http, clock).map_err(SetupError::tls)?;
        let tls = config.tls.clone().unwrap_or_default();
        let mut project = config.project.clone();
        let source = if let Some(token) = config.token.clone() {
            Source::Given(token)
        } else if let Some(file) = &config.credentials {
            let account = Account::read(file, &tls, clock).map_err(SetupError::credentials)?;
            project = project.or_else(|| account.project.clone());
            Source::Account(Box::new(account))
        } else {
            let uri = SinkUri::of("gcm", &config.metadata).unwrap_or_default();
            Source::Machine(Box::new(
                server(&uri, &tls, clock).map_err(SetupError::tls)?,
            ))
        };
        if project.is_none() && !matches!(source, Source::Machine(_)) {
            let what = "no project is named".to_owned();
            return Err(SetupError::credentials(what));
        }
        Ok(Self {
            config,
            http,
            tokens: Tokens::new(source, Arc::clone(clock)),
            project,
            described: 0,
        })
    }

    pub(super) async fn export(
        &mut self,
        column: Column<'_>,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        let token = self.tokens.get().await?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()))
            .map_err(|_| ExportError::Denied("the token is none".to_owned()))?;
        bearer.set_sensitive(true);
        let project = self.project().await?;
        let sent = self.send(&project, &bearer, column, progress).await;
        if matches!(sent, Err(ExportError::Denied(_))) {
            self.tokens.forget();
        }
        sent
    }

    async fn send(
        &mut self,
        project: &str,
        bearer: &HeaderValue,
        column: Column<'_>,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        let path = format!("/v3/projects/{project}/metricDescriptors");
        for metric in Metric::all().skip(self.described) {
            let body = descriptor(metric).to_string().into_bytes();
            let answer = self.post(&path, bearer, body).await?;
            if !answer.status.is_success() {
                let problem = answer.shown();
                warn!(metric = metric.name(), problem, "cannot describe a metric");
            }
            self.described += 1;
        }
        let path = format!("/v3/projects/{project}/timeSeries");
        let chunks = Chunks::new(column, &self.config.series, FRAME);
        let create = async |body| {
            let answer = self.post(&path, bearer, body).await?;
            answer.verdict(|answer| unwritten(&answer.body))
        };
        send_all(chunks, progress, self.config.concurrency, create).await
    }

    /// The project that was named, or the machine's.
    async fn project(&mut self) -> Result<String, ExportError> {
        if let Some(project) = &self.project {
            return Ok(project.clone());
        }
        let Source::Machine(http) = &self.tokens.source else {
            return Err(ExportError::Denied("no project is named".to_owned()));
        };
        let project = of_machine(http, "project/project-id").await?;
        Ok(self.project.insert(project).clone())
    }

    async fn post(
        &self,
        path: &str,
        bearer: &HeaderValue,
        body: Vec<u8>,
    ) -> Result<Answer, ExportError> {
        let request = Request::post(path)
            .header(CONTENT_TYPE, JSON)
            .header(AUTHORIZATION, bearer);
        let answer = self.http.send(request, body).await?;
        match answer.status {
            StatusCode::FORBIDDEN => Err(ExportError::Denied(answer.shown())),
            StatusCode::NOT_FOUND => Err(ExportError::Gone(answer.shown())),
            _ => Ok(answer),
        }
    }
}

/// How many points were not written, if the server says so (`CreateTimeSeriesSummary`).
fn unwritten(body: &str) -> Option<usize> {
    let json: Json = serde_json::from_str(body).ok()?;
    let details = json.get("error")?.get("details")?.as_array()?;
    let count = |detail: &Json, name: &str| detail.get(name).and_then(Json::as_u64);
    let summary = details
        .iter()
        .find(|detail| count(detail, "totalPointCount").is_some())?;
    let written = count(summary, "successPointCount").unwrap_or(0);
    let unwritten = count(summary, "totalPointCount")?.saturating_sub(written);
    usize::try_from(unwritten).ok()
}
