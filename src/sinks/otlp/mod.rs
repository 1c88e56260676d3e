//! `otlp`: OpenTelemetry's protocol, over HTTP with protobuf.

mod headers;
mod log;
mod message;
#[cfg(test)]
mod tests;

use std::io::Write as _;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::Request;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};

use self::message::{Messages, rejected};
use super::chunks::{Chunks, Frame, Progress, Records, Verdict, send_all};
use super::column::Column;
use super::export::ExportError;
use super::http::{Http, HttpConfig};
use super::options::Options;
use super::setup::SetupError;
use super::uri::SinkUri;
use crate::domain::{Clock, Event, Timestamp};

/// The options of `otlp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config {
    http: HttpConfig,
    path: String,
    /// Sensitive all of them: many services take their keys so.
    headers: Vec<(HeaderName, HeaderValue)>,
    messages: Messages,
    gzip: bool,
    concurrency: usize,
}

/// The transport.
pub(super) struct Otlp {
    config: Config,
    http: Http,
}

/// Where the protocol has metrics sent, and logs.
pub(super) const METRICS: &str = "/v1/metrics";
pub(super) const LOGS: &str = "/v1/logs";
/// Sets, or events, of a request, and its bytes: many collectors take no more than 4 MiB.
const FRAME: Frame = Frame::lines(1_000, 2 << 20);

impl Config {
    /// Reads the options; without a path in the address `path` is posted to.
    pub(super) fn read(uri: &SinkUri, path: &str, options: &mut Options<'_>) -> Self {
        let http = HttpConfig::read(uri, "localhost", (4318, 4318), options);
        let headers = headers::read(&http.credentials, options);
        let gzip = match options.text("compression") {
            None | Some("none") => false,
            Some("gzip") => true,
            Some(_) => {
                options.refuse(Some("compression"), "is neither none nor gzip");
                false
            }
        };
        let path = match uri.path.as_str() {
            "" | "/" => path,
            given => given,
        };
        Self {
            http,
            path: path.to_owned(),
            headers,
            messages: Messages {
                prefix: options.text_or("prefix", "heapster."),
                cluster_name: options.text("cluster_name").map(str::to_owned),
            },
            gzip,
            concurrency: options.number("concurrency", 1, 1..=64),
        }
    }
}

impl Otlp {
    pub(super) fn new(config: Config, clock: &Arc<dyn Clock>) -> Result<Self, SetupError> {
        let http = Http::new(&config.http, clock)?;
        Ok(Self { config, http })
    }

    pub(super) async fn export(
        &mut self,
        column: Column<'_>,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        let chunks = Chunks::new(column, &self.config.messages, FRAME);
        let post = |body| self.post(body);
        send_all(chunks, progress, self.config.concurrency, post).await
    }

    /// The same of events, as logs.
    pub(super) async fn export_events(
        &mut self,
        events: impl Iterator<Item = &Event> + Send,
        at: Timestamp,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        let messages = &self.config.messages;
        let encode = |event: &Event, records: &mut Records| messages.event(event, at, records);
        let chunks = Chunks::of(events, encode, FRAME);
        let post = |body| self.post(body);
        send_all(chunks, progress, self.config.concurrency, post).await
    }

    async fn post(&self, body: Vec<u8>) -> Result<Verdict, ExportError> {
        let mut request =
            Request::post(&self.config.path).header(CONTENT_TYPE, "application/x-protobuf");
        for (name, value) in &self.config.headers {
            request = request.header(name, value);
        }
        let body = if self.config.gzip {
            request = request.header(CONTENT_ENCODING, "gzip");
            gzipped(&body).map_err(|error| ExportError::Failing(error.to_string()))?
        } else {
            body
        };
        let answer = self.http.send(request, body).await?;
        if !answer.status.is_success() {
            return answer.verdict(|_| None);
        }
        match rejected(&answer.bytes) {
            Ok(Some((points, why))) => Ok(Verdict::Refused {
                points: Some(points),
                why,
            }),
            Ok(None) => Ok(Verdict::Accepted),
            Err(error) => Err(ExportError::Failing(format!("no answer of OTLP: {error}"))),
        }
    }
}

fn gzipped(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}
