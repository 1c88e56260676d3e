//! `prometheus`: remote write, versions 1.0 and 2.0; and what a scrape gets.

mod added;
mod exposition;
mod layout;
mod naming;
mod series;
mod write;

use std::sync::Arc;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Request, StatusCode};

pub use self::exposition::Exposition;
pub use self::layout::PrometheusLayout;
use self::naming::Names;
use self::series::Told;
use self::write::Version;
use super::chunks::{Chunk, Progress, Verdict, pieces, send_chunks};
use super::column::Column;
use super::export::ExportError;
use super::http::{Http, HttpConfig};
use super::options::Options;
use super::setup::SetupError;
use super::uri::SinkUri;
use crate::domain::Clock;

/// The options of `prometheus`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config {
    http: HttpConfig,
    path: String,
    version: Version,
    told: Told,
    /// `X-Scope-OrgID`, which Mimir, Cortex and Loki tell tenants apart by.
    tenant: Option<HeaderValue>,
    concurrency: usize,
    series: usize,
}

/// The transport.
pub(super) struct Prometheus {
    config: Config,
    http: Http,
}

/// Where servers take remote write.
const PATH: &str = "/api/v1/write";
const VERSION: HeaderName = HeaderName::from_static("x-prometheus-remote-write-version");
const WRITTEN: HeaderName = HeaderName::from_static("x-prometheus-remote-write-samples-written");
const TENANT: HeaderName = HeaderName::from_static("x-scope-orgid");
/// What names begin with unless it is said otherwise.
const PREFIX: &str = "heapster_";

impl Config {
    pub(super) fn read(uri: &SinkUri, options: &mut Options<'_>) -> Self {
        let http = HttpConfig::read(uri, "localhost", (9090, 443), options);
        let version = match options.text("version") {
            None | Some("1" | "1.0") => Version::One,
            Some("2" | "2.0") => Version::Two,
            Some(_) => {
                options.refuse(Some("version"), "is neither 1 nor 2");
                Version::One
            }
        };
        let (labels, object_labels) = added::read(options);
        let path = match uri.path.as_str() {
            "" | "/" => PATH,
            path => path,
        };
        Self {
            http,
            path: path.to_owned(),
            version,
            told: Told {
                names: Names::new(options.text("prefix").unwrap_or(PREFIX)),
                labels,
                object_labels,
            },
            tenant: options.parsed("tenant", "value of a header"),
            concurrency: options.number("concurrency", 1, 1..=64),
            series: options.number("batchSize", 2_000, 1..=50_000),
        }
    }
}

impl Prometheus {
    pub(super) fn new(config: Config, clock: &Arc<dyn Clock>) -> Result<Self, SetupError> {
        let http = Http::new(&config.http, clock)?;
        Ok(Self { config, http })
    }

    pub(super) async fn export(
        &mut self,
        column: Column<'_>,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        let Config {
            version,
            told,
            series,
            concurrency,
            ..
        } = &self.config;
        let at = column.timestamp();
        let chunks = pieces(told.series(column), *series, |series| {
            version.encode(series, at)
        });
        send_chunks(chunks, progress, *concurrency, |chunk| self.write(chunk)).await
    }

    async fn write(&self, chunk: Chunk) -> Result<Verdict, ExportError> {
        let points = chunk.points;
        let body = snap::raw::Encoder::new().compress_vec(&chunk.body);
        let body = body.map_err(|error| ExportError::Failing(error.to_string()))?;
        let version = self.config.version;
        let mut request = Request::post(&self.config.path)
            .header(CONTENT_TYPE, version.content_type())
            .header(CONTENT_ENCODING, "snappy")
            .header(VERSION, version.header());
        if let Some(tenant) = &self.config.tenant {
            request = request.header(TENANT, tenant);
        }
        let answer = self.http.send(request, body).await?;
        let written = answer.headers.get(&WRITTEN).and_then(|w| w.to_str().ok());
        let written = written.and_then(|written| written.parse::<usize>().ok());
        match answer.status {
            status if status.is_success() => match (version, written) {
                (Version::One, _) => Ok(Verdict::Accepted),
                // Who speaks 1.0 alone may take the bytes for an empty message of it.
                (Version::Two, None) => Err(ExportError::Failing(UNSPOKEN.to_owned())),
                (Version::Two, Some(written)) if written >= points => Ok(Verdict::Accepted),
                (Version::Two, Some(written)) => Ok(Verdict::Refused {
                    points: Some(points - written),
                    why: answer.shown(),
                }),
            },
            StatusCode::UNSUPPORTED_MEDIA_TYPE if version == Version::Two => {
                Err(ExportError::Failing(UNSPOKEN.to_owned()))
            }
            _ => answer.verdict(|_| Some(points - written.unwrap_or(0).min(points))),
        }
    }
}

const UNSPOKEN: &str = "it does not speak remote write 2.0, which version=2 asks for";
