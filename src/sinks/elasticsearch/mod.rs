//! `elasticsearch`: Elasticsearch from 7.8 on, and OpenSearch.

mod bulk;
mod document;
mod event;
mod template;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Request;
use http::header::CONTENT_TYPE;
use parking_lot::Mutex;
use tracing::warn;

use self::bulk::{ASKED, Unsettled};
use self::document::Documents;
use super::chunks::{Chunk, Chunks, Frame, Progress, Records, Verdict, send_chunks};
use super::column::Column;
use super::config::authority;
use super::credentials::Credentials;
use super::export::ExportError;
use super::http::{Answer, Http, HttpConfig, NOT_HTTP, base, is_secure, speaks_http};
use super::options::Options;
use super::setup::{SetupError, all};
use super::trust::TlsConfig;
use super::uri::SinkUri;
use crate::apimachinery::query_escape;
use crate::domain::{Clock, Event, Timestamp};

/// The options of `elasticsearch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config {
    /// At least one.
    nodes: Vec<HttpConfig>,
    documents: Documents,
    pipeline: Option<String>,
    /// How often a request is sent again within one attempt, each time to the next node.
    retries: usize,
    concurrency: usize,
}

/// The transport.
pub(super) struct Elasticsearch {
    config: Config,
    nodes: Vec<Http>,
    bulk: String,
    /// The node that is asked next.
    next: AtomicUsize,
    prepared: bool,
    /// Of the batch with this timestamp, the pieces that did not get through as a whole.
    left: Mutex<(Timestamp, BTreeMap<usize, Unsettled>)>,
}

/// Heapster's pieces.
const FRAME: Frame = Frame::lines(1_000, 2 << 20);
const NDJSON: &str = "application/x-ndjson";
const JSON: &str = "application/json";

impl Config {
    pub(super) fn read(uri: &SinkUri, options: &mut Options<'_>) -> Self {
        let nodes = read_nodes(uri, options);
        let index = options.text_or("index", "heapster");
        if !is_index(&index) {
            options.refuse(Some("index"), "is no name of an index");
        }
        Self {
            documents: Documents {
                index,
                cluster_name: options.text_or("cluster_name", "default"),
            },
            pipeline: options.text("pipeline").map(str::to_owned),
            retries: options.number("maxRetries", nodes.len().saturating_sub(1), 0..=100),
            concurrency: options.number("bulkWorkers", 5, 1..=64),
            nodes,
        }
    }
}

/// The servers that are asked: those of `nodes`, or else the address.
fn read_nodes(uri: &SinkUri, options: &mut Options<'_>) -> Vec<HttpConfig> {
    let tls = TlsConfig::read(options);
    let login = [read_user(options), read_key(options), read_token(options)];
    let secure = is_secure(uri, options);
    let given = options.texts("nodes");
    let mut nodes = Vec::new();
    if given.is_empty() {
        nodes.push(node((None, uri), secure, &tls, &login, options));
    } else if uri.user.is_some() {
        let what = "each has its own user before its host: the address, and who stands there, is not asked";
        options.refuse(Some("nodes"), what);
    }
    for text in given {
        let read = SinkUri::of("elasticsearch", text).and_then(SinkUri::checked);
        match read {
            Ok(uri) if speaks_http(&uri) => {
                let secure = uri.scheme.as_deref() == Some("https");
                nodes.push(node((Some("nodes"), &uri), secure, &tls, &login, options));
            }
            Ok(_) => options.refuse(Some("nodes"), NOT_HTTP),
            Err(error) => options.refuse(Some("nodes"), error.to_string()),
        }
    }
    let spoken = nodes.is_empty() || nodes.iter().any(|node| node.secure);
    tls.check(spoken, options);
    nodes
}

/// A way to say who we are, by its option.
type Way = (Option<&'static str>, Option<Credentials>);

fn read_user(options: &mut Options<'_>) -> Way {
    let user = options.credential("esUserName").map(str::to_owned);
    let password = options.secret("esUserSecret");
    if options.is_given("esUserName") != options.is_given("esUserSecret") {
        let what = "is of no use without esUserSecret, nor that without it";
        options.refuse(Some("esUserName"), what);
    }
    let login = user.zip(password).map(|(u, p)| Credentials::Basic(u, p));
    (Some("esUserName"), login)
}

fn read_key(options: &mut Options<'_>) -> Way {
    let key = options.secret("apiKey").map(Credentials::ApiKey);
    (Some("apiKey"), key)
}

fn read_token(options: &mut Options<'_>) -> Way {
    let token = options.secret("token").map(Credentials::Bearer);
    (Some("token"), token)
}

/// One server. `option` is where it is named, none for the address.
fn node(
    (option, uri): (Option<&'static str>, &SinkUri),
    secure: bool,
    tls: &TlsConfig,
    login: &[Way],
    options: &mut Options<'_>,
) -> HttpConfig {
    let before = (None, Credentials::of_uri(uri, option, options));
    let ways = [before].into_iter().chain(login.iter().cloned());
    HttpConfig {
        authority: authority(uri, "localhost", 9200),
        base: base(uri),
        secure,
        tls: tls.clone(),
        credentials: Credentials::only(ways, options),
    }
}

/// Whether a day behind it makes the name of an index.
fn is_index(name: &str) -> bool {
    let wrong = |c: char| c.is_uppercase() || c.is_control() || " \"*\\<>|,/?#:".contains(c);
    !name.starts_with(['-', '_', '+', '.']) && !name.contains(wrong) && name.len() <= LONGEST
}

/// An index's name may have 255 bytes, a day and the names of aliases among them.
const LONGEST: usize = 240;

impl Elasticsearch {
    pub(super) fn new(config: Config, clock: &Arc<dyn Clock>) -> Result<Self, SetupError> {
        let nodes = all(config.nodes.iter().map(|node| Http::new(node, clock)))?;
        let mut bulk = format!("/_bulk?{ASKED}");
        if let Some(pipeline) = &config.pipeline {
            bulk.push_str("&pipeline=");
            bulk.push_str(&query_escape(pipeline));
        }
        Ok(Self {
            config,
            nodes,
            bulk,
            next: AtomicUsize::new(0),
            prepared: false,
            left: Mutex::default(),
        })
    }

    pub(super) async fn export(
        &mut self,
        column: Column<'_>,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        self.begin(column.timestamp()).await?;
        let chunks = Chunks::new(column, &self.config.documents, FRAME);
        self.send(chunks, progress).await
    }

    /// The same of events; no two batches bear the same time.
    pub(super) async fn export_events(
        &mut self,
        events: impl Iterator<Item = &Event> + Send,
        at: Timestamp,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        self.begin(at).await?;
        let documents = &self.config.documents;
        let encode = |event: &Event, records: &mut Records| documents.event(event, at, records);
        self.send(Chunks::of(events, encode, FRAME), progress).await
    }

    /// Makes ready for a batch.
    async fn begin(&mut self, at: Timestamp) -> Result<(), ExportError> {
        if !self.prepared {
            self.prepare().await?;
            self.prepared = true;
        }
        if self.left.lock().0 != at {
            *self.left.lock() = (at, BTreeMap::new());
        }
        Ok(())
    }

    async fn send(&self, chunks: Chunks<'_>, progress: &mut Progress) -> Result<(), ExportError> {
        let send = |chunk| self.write(chunk);
        send_chunks(chunks, progress, self.config.concurrency, send).await
    }

    /// Says how indices are to be made, unless somebody said so already. Who may write only cannot,
    /// so a refusal is noted and writing tried.
    async fn prepare(&self) -> Result<(), ExportError> {
        let index = &self.config.documents.index;
        let path = format!("/_index_template/{}?create=true", query_escape(index));
        let body = template::template(index).to_string();
        let answer = self.ask("PUT", &path, JSON, body.as_bytes()).await?;
        let there = answer.body.contains("already exists");
        if !answer.status.is_success() && !there {
            let problem = answer.shown();
            warn!(
                index,
                problem, "cannot make the index template; it may be there"
            );
        }
        Ok(())
    }

    /// Sends what is left of a piece.
    async fn write(&self, chunk: Chunk) -> Result<Verdict, ExportError> {
        let at = chunk.at;
        let left = self.left.lock().1.get(&at).cloned();
        let mut unsettled = left.unwrap_or_else(|| Unsettled::from(chunk));
        let answer = self.ask("POST", &self.bulk, NDJSON, &unsettled.body).await;
        let settled = match answer {
            Ok(answer) if answer.status.is_success() => unsettled.settle(&answer.body),
            Ok(answer) => answer
                .verdict(|_| None)
                .map(|_| unsettled.refuse(answer.shown())),
            Err(error) => Err(error),
        };
        if let Err(error) = settled {
            self.left.lock().1.insert(at, unsettled);
            return Err(error);
        }
        Ok(match unsettled.complaint {
            None => Verdict::Accepted,
            Some(why) => Verdict::Refused {
                points: Some(unsettled.refused),
                why,
            },
        })
    }

    /// Asks one node after the other until one does not fail.
    async fn ask(
        &self,
        method: &str,
        path: &str,
        content_type: &'static str,
        body: &[u8],
    ) -> Result<Answer, ExportError> {
        let mut tries = 0;
        loop {
            // Whoever does not answer in time is not the one that is asked next.
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let node = at.checked_rem(self.nodes.len()).unwrap_or_default();
            let Some(http) = self.nodes.get(node) else {
                return Err(ExportError::Unreachable("no node is known".to_owned()));
            };
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header(CONTENT_TYPE, content_type);
            let answer = http.send(request, body.to_vec()).await;
            let again = matches!(
                answer,
                Err(ExportError::Unreachable(_) | ExportError::Failing(_))
            );
            if !again || tries == self.config.retries {
                if !again {
                    self.next.store(at, Ordering::Relaxed);
                }
                return answer;
            }
            tries += 1;
        }
    }
}
