//! `gcm`: Google Cloud Monitoring, custom metrics.

mod series;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::Value as Json;
use tracing::warn;

use self::series::{SeriesOf, descriptor};
use super::chunks::{Chunks, Frame, Progress, send_all};
use super::column::Column;
use super::export::ExportError;
use super::google::{self, Access, Google};
use super::options::Options;
use super::setup::SetupError;
use super::uri::SinkUri;
use crate::domain::{Clock, Metric};

/// The transport.
pub(super) struct Gcm {
    google: Google,
    series: SeriesOf,
    concurrency: usize,
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
const SCOPE: &str = "https://www.googleapis.com/auth/monitoring";

/// Reads the options.
pub(super) fn read(uri: &SinkUri, options: &mut Options<'_>) -> google::Config {
    google::Config::read(uri, (HOST, 4), options)
}

impl Gcm {
    pub(super) fn new(config: google::Config, clock: &Arc<dyn Clock>) -> Result<Self, SetupError> {
        Ok(Self {
            google: Google::new(&config, SCOPE, clock)?,
            series: SeriesOf {
                cluster_name: config.cluster_name,
            },
            concurrency: config.concurrency,
            described: 0,
        })
    }

    pub(super) async fn export(
        &mut self,
        column: Column<'_>,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        let access = self.google.access().await?;
        let sent = self.send(&access, column, progress).await;
        self.google.learn(sent)
    }

    async fn send(
        &mut self,
        access: &Access,
        column: Column<'_>,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        let project = &access.project;
        let path = format!("/v3/projects/{project}/metricDescriptors");
        for metric in Metric::all().skip(self.described) {
            let body = descriptor(metric).to_string().into_bytes();
            let answer = self.google.post(&path, access, body).await?;
            if !answer.status.is_success() {
                let problem = answer.shown();
                warn!(metric = metric.name(), problem, "cannot describe a metric");
            }
            self.described += 1;
        }
        let path = format!("/v3/projects/{project}/timeSeries");
        let chunks = Chunks::new(column, &self.series, FRAME);
        let create = async |body| {
            let answer = self.google.post(&path, access, body).await?;
            answer.verdict(|answer| unwritten(&answer.body))
        };
        send_all(chunks, progress, self.concurrency, create).await
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
