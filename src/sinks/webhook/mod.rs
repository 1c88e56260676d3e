//! `webhook`: whatever takes lines of JSON over HTTP.

mod event;
mod line;

use std::sync::Arc;

use self::line::Lines;
use super::chunks::{Chunks, Frame, Progress, Records, Verdict, send_all};
use super::column::Column;
use super::export::ExportError;
use super::http::{Http, HttpConfig};
use super::options::Options;
use super::setup::SetupError;
use super::uri::SinkUri;
use crate::domain::{Clock, Event};

/// The options of `webhook`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config {
    http: HttpConfig,
    path: String,
    lines: Lines,
    batch: usize,
    concurrency: usize,
}

/// The transport.
pub(super) struct Webhook {
    config: Config,
    http: Http,
}

const NDJSON: &str = "application/x-ndjson";
/// The most bytes of a request, unless one line is longer.
const LONGEST: usize = 4 << 20;

impl Config {
    pub(super) fn read(uri: &SinkUri, options: &mut Options<'_>) -> Self {
        options.need_host(uri);
        let path = if uri.path.is_empty() { "/" } else { &uri.path };
        Self {
            http: HttpConfig::read(uri, "localhost", (80, 443), options),
            path: path.to_owned(),
            lines: Lines {
                cluster_name: options.text_or("cluster_name", "default"),
            },
            batch: options.number("batchSize", 1_000, 1..=100_000),
            concurrency: options.number("concurrency", 1, 1..=64),
        }
    }
}

impl Webhook {
    pub(super) fn new(config: Config, clock: &Arc<dyn Clock>) -> Result<Self, SetupError> {
        let http = Http::new(&config.http, clock)?;
        Ok(Self { config, http })
    }

    pub(super) async fn export(
        &mut self,
        column: Column<'_>,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        let chunks = Chunks::new(column, &self.config.lines, self.frame());
        self.send(chunks, progress).await
    }

    /// The same of events.
    pub(super) async fn export_events(
        &mut self,
        events: impl Iterator<Item = &Event> + Send,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        let lines = &self.config.lines;
        let encode = |event: &Event, records: &mut Records| lines.event(event, records);
        let chunks = Chunks::of(events, encode, self.frame());
        self.send(chunks, progress).await
    }

    const fn frame(&self) -> Frame {
        Frame::lines(self.config.batch, LONGEST)
    }

    async fn send(&self, chunks: Chunks<'_>, progress: &mut Progress) -> Result<(), ExportError> {
        let post = |body| self.post(body);
        send_all(chunks, progress, self.config.concurrency, post).await
    }

    async fn post(&self, body: Vec<u8>) -> Result<Verdict, ExportError> {
        let answer = self.http.post(&self.config.path, NDJSON, body).await?;
        answer.verdict(|_| None)
    }
}
