//! `gcl`: events as entries of Google Cloud Logging.

mod entry;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::Value as Json;

use self::entry::Entries;
use super::chunks::{Chunks, Frame, Progress, Records, Verdict, send_all};
use super::export::ExportError;
use super::google::{self, Access, Google};
use super::http::Answer;
use super::options::Options;
use super::setup::SetupError;
use super::uri::SinkUri;
use crate::domain::{Clock, Event, Timestamp};

/// The transport.
pub(super) struct Gcl {
    google: Google,
    entries: Entries,
    concurrency: usize,
}

/// A tenth of the entries, and less than half of the bytes, a request may hold. What stands around
/// them bears the project's name.
const FRAME: Frame = Frame {
    open: b"",
    between: b",",
    close: b"]}",
    records: 1_000,
    bytes: 4 << 20,
};
const HOST: &str = "logging.googleapis.com";
const SCOPE: &str = "https://www.googleapis.com/auth/logging.write";
const PATH: &str = "/v2/entries:write";
/// `google.rpc.Code`s of what is worth another try: `UNKNOWN`, `DEADLINE_EXCEEDED`,
/// `RESOURCE_EXHAUSTED`, `ABORTED`, `INTERNAL`, `UNAVAILABLE`.
const PASSING: [u64; 6] = [2, 4, 8, 10, 13, 14];

/// Reads the options.
pub(super) fn read(uri: &SinkUri, options: &mut Options<'_>) -> google::Config {
    google::Config::read(uri, (HOST, 1), options)
}

impl Gcl {
    pub(super) fn new(config: google::Config, clock: &Arc<dyn Clock>) -> Result<Self, SetupError> {
        Ok(Self {
            google: Google::new(&config, SCOPE, clock)?,
            entries: Entries {
                cluster_name: config.cluster_name,
            },
            concurrency: config.concurrency,
        })
    }

    pub(super) async fn export_events(
        &mut self,
        events: impl Iterator<Item = &Event> + Send,
        at: Timestamp,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        let access = self.google.access().await?;
        let sent = self.send(&access, events, at, progress).await;
        self.google.learn(sent)
    }

    async fn send(
        &self,
        access: &Access,
        events: impl Iterator<Item = &Event> + Send,
        at: Timestamp,
        progress: &mut Progress,
    ) -> Result<(), ExportError> {
        let entries = &self.entries;
        let encode = |event: &Event, records: &mut Records| entries.entry(event, at, records);
        let chunks = Chunks::of(events, encode, FRAME);
        let head = Entries::head(&access.project);
        let write = async |body: Vec<u8>| {
            let body = [head.as_slice(), &body].concat();
            let answer = self.google.post(PATH, access, body).await?;
            verdict(&answer)
        };
        send_all(chunks, progress, self.concurrency, write).await
    }
}

/// What became of the entries of a request. With `partialSuccess` those are written that are not
/// named in the details.
fn verdict(answer: &Answer) -> Result<Verdict, ExportError> {
    let unwritten = unwritten(&answer.body);
    let passes = |code: &u64| PASSING.contains(code);
    if unwritten.iter().flatten().any(passes) {
        // Those that were written have IDs that tell them when they are written again.
        return Err(ExportError::Failing(answer.shown()));
    }
    answer.verdict(|_| unwritten.map(|codes| codes.len()))
}

/// The codes of the entries that were not written, if the server says so
/// (`WriteLogEntriesPartialErrors`).
fn unwritten(body: &str) -> Option<Vec<u64>> {
    let json: Json = serde_json::from_str(body).ok()?;
    let details = json.get("error")?.get("details")?.as_array()?;
    let mut errors = details.iter().filter_map(|one| one.get("logEntryErrors"));
    let errors = errors.next()?.as_object()?;
    let code = |error: &Json| error.get("code").and_then(Json::as_u64).unwrap_or(0);
    Some(errors.values().map(code).collect())
}
