//! `opentsdb`: OpenTSDB's HTTP API.

mod point;

use std::sync::Arc;

use serde_json::Value as Json;

use self::point::Points;
use super::chunks::{Chunks, Frame, Progress, Verdict, send_all};
use super::column::Column;
use super::config::authority;
use super::credentials::Credentials;
use super::export::ExportError;
use super::http::{Http, HttpConfig, base, is_secure};
use super::options::Options;
use super::setup::SetupError;
use super::trust::TlsConfig;
use super::uri::SinkUri;
use crate::domain::Clock;

/// The options of `opentsdb`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config {
    http: HttpConfig,
    points: Points,
}

/// The transport.
pub(super) struct Opentsdb {
    config: Config,
    http: Http,
}

/// Heapster's pieces.
const FRAME: Frame = Frame {
    open: b"[",
    between: b",",
    close: b"]",
    records: 1_000,
    bytes: 4 << 20,
};

impl Config {
    pub(super) fn read(uri: &SinkUri, options: &mut Options<'_>) -> Self {
        let tls = TlsConfig::read(options);
        let secure = is_secure(uri, options);
        tls.check(secure, options);
        Self {
            http: HttpConfig {
                authority: authority(uri, "127.0.0.1", 4242),
                base: base(uri),
                secure,
                tls,
                credentials: Credentials::of_uri(uri, None, options).unwrap_or(Credentials::None),
            },
            points: Points {
                cluster: options.text_or("cluster", "k8s-cluster"),
            },
        }
    }
}

impl Opentsdb {
    pub(super) fn new(config: Config, clock: &Arc<dyn Clock>) -> Result<Self, SetupError> {
        let http = Http::new(&config.http, clock)?;
        Ok(Self { config, http })
    }

    pub(super) async fn export(
        &mut self,
        column: Column<'_>,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        let chunks = Chunks::new(column, &self.config.points, FRAME);
        send_all(chunks, progress, 1, |body| self.put(body)).await
    }

    async fn put(&self, body: Vec<u8>) -> Result<Verdict, ExportError> {
        let answer = self
            .http
            .post("/api/put?summary", "application/json", body)
            .await?;
        answer.verdict(|answer| {
            // With points of its own it fails the others too only in words.
            let json: Json = serde_json::from_str(&answer.body).unwrap_or_default();
            json.get("failed")?.as_u64()?.try_into().ok()
        })
    }
}
