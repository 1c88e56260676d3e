//! `webhook`: events as lines of JSON, posted to any URL.

use std::path::PathBuf;
use std::sync::Arc;

use http::StatusCode;

use super::super::chunks::{Chunks, Frame, Progress, Records, Verdict, send_all};
use super::super::config::{SetupError, authority};
use super::super::export::ExportError;
use super::super::http::{Credentials, Http, HttpConfig, TlsConfig};
use super::super::options::Options;
use super::super::uri::SinkUri;
use super::json::{self, micro_time};
use crate::apimachinery::json as go;
use crate::domain::{Clock, Event};

/// The options of `webhook`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config {
    http: HttpConfig,
    path: String,
    cluster_name: String,
    lines: usize,
}

/// The transport.
pub(super) struct Webhook {
    config: Config,
    http: Http,
}

const NDJSON: &str = "application/x-ndjson";
/// The most bytes of one request, unless one event is longer.
const BYTES: usize = 4 << 20;

impl Config {
    pub(super) fn read(uri: &SinkUri, options: &mut Options<'_>) -> Self {
        let secure = match uri.scheme.as_deref() {
            Some("https") => true,
            Some("http") => false,
            Some(_) | None => {
                options.refuse(None, "is no http:// or https:// URL");
                false
            }
        };
        if uri.host.is_none() {
            options.refuse(None, "has no host");
        }
        let tls = TlsConfig {
            insecure: options.flag("insecuressl", false),
            ca_file: options.text("cacert").map(PathBuf::from),
        };
        let credentials = match (options.secret("token"), uri.user.clone()) {
            (Some(token), _) => Credentials::Bearer(token),
            (None, Some((user, password))) => Credentials::Basic(user, password),
            (None, None) => Credentials::None,
        };
        Self {
            http: HttpConfig {
                authority: authority(uri, "localhost", if secure { 443 } else { 80 }),
                tls: secure.then_some(tls),
                credentials,
            },
            path: match uri.path.as_str() {
                "" => "/".to_owned(),
                path => path.to_owned(),
            },
            cluster_name: options.text_or("cluster_name", "default"),
            lines: options.number("batchsize", 1000, 1..=10_000),
        }
    }
}

impl Webhook {
    pub(super) fn new(config: Config, clock: &Arc<dyn Clock>) -> Result<Self, SetupError> {
        let http = Http::new(&config.http, clock).map_err(SetupError::tls)?;
        Ok(Self { config, http })
    }

    pub(super) async fn export(
        &mut self,
        events: impl Iterator<Item = &Event> + Send,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        let cluster = self.config.cluster_name.as_str();
        let encode = |event: &Event, records: &mut Records| line(cluster, event, records);
        let chunks = Chunks::of(events, encode, Frame::lines(self.config.lines, BYTES));
        send_all(chunks, progress, 1, |body| self.post(body)).await
    }

    async fn post(&self, body: Vec<u8>) -> Result<Verdict, ExportError> {
        let answer = self.http.post(&self.config.path, NDJSON, body).await?;
        match answer.status {
            status if status.is_success() => Ok(Verdict::Accepted),
            StatusCode::FORBIDDEN => Err(ExportError::Denied(answer.shown())),
            // Whoever has to take events may not be there yet: none is given up for that.
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE => {
                Err(ExportError::Gone(answer.shown()))
            }
            status if status.is_client_error() => Ok(Verdict::Refused {
                points: None,
                why: answer.shown(),
            }),
            _ => Err(ExportError::Failing(answer.shown())),
        }
    }
}

/// `{"id":"UID.3","cluster_name":"default","timestamp":"…","event":{…}}`
fn line(cluster: &str, event: &Event, records: &mut Records) {
    let out = records.bytes();
    out.extend_from_slice(b"{\"id\":");
    go::write_string(out, &event.id().to_string());
    out.extend_from_slice(b",\"cluster_name\":");
    go::write_string(out, cluster);
    if let Some(time) = event.last_seen() {
        out.extend_from_slice(b",\"timestamp\":");
        go::write_string(out, &micro_time(time));
    }
    out.extend_from_slice(b",\"event\":");
    json::write(out, event);
    out.extend_from_slice(b"}\n");
    records.end();
}
