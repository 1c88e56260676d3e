//! One attempt: get, decode, commit.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::Instrument;

use super::KubeletMetricsGetter;
use super::schedule::Progress;
use crate::domain::{Clock, NodeRecord, Timestamp};
use crate::kubelet::{Error, Limits, decode_resource, decode_summary};
use crate::live::Live;

/// What every attempt needs.
#[derive(Debug)]
pub(super) struct Worker<G> {
    pub getter: G,
    pub live: Arc<Live>,
    pub clock: Arc<dyn Clock>,
    limits: Limits,
    /// For resource metrics, and for summaries, which are some eight times as long: a buffer that once
    /// held one stays as large.
    buffers: Buffers,
    summary_buffers: Buffers,
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) struct Attempt<C> {
    pub connection: C,
    pub outcome: Result<Answer, Error>,
    pub at: Timestamp,
    pub took: Duration,
}

/// What a good answer brought.
#[derive(Debug)]
pub(super) struct Answer {
    pub progress: Progress,
    pub skipped_lines: usize,
}

impl<G: KubeletMetricsGetter> Worker<G> {
    pub(super) fn new(getter: G, live: Arc<Live>, clock: Arc<dyn Clock>, limits: Limits) -> Self {
        Self {
            getter,
            live,
            clock,
            limits,
            buffers: Buffers::keeping(IDLE_BUFFERS),
            summary_buffers: Buffers::keeping(IDLE_SUMMARY_BUFFERS),
        }
    }

    /// Makes one attempt.
    pub(super) async fn attempt(
        &self,
        node: &NodeRecord,
        mut connection: G::Connection,
    ) -> Attempt<G::Connection> {
        let span = tracing::debug_span!("scrape", node = %node.name);
        let began = Instant::now();
        let outcome = self.scrape(node, &mut connection).instrument(span).await;
        Attempt {
            connection,
            outcome,
            at: self.clock.now(),
            took: began.elapsed(),
        }
    }

    async fn scrape(
        &self,
        node: &NodeRecord,
        connection: &mut G::Connection,
    ) -> Result<Answer, Error> {
        let asked_at = self.clock.now();
        let mut buffer = self.buffers.take();
        let result = self.getter.get(node, connection, &mut buffer).await;
        let answer = result.and_then(|body| {
            let reading = decode_resource(body, asked_at, self.limits)?;
            let commit = self.live.commit(node, &reading);
            Ok(Answer {
                progress: Progress {
                    settled: commit.settled,
                    new_containers: commit.new_containers > 0 || commit.resets > 0,
                },
                skipped_lines: reading.skipped_lines,
            })
        });
        self.buffers.give(buffer);
        answer
    }

    /// Makes one attempt to get a node's summary; tells how many of its entities were skipped.
    pub(super) async fn summarize(
        &self,
        node: &NodeRecord,
        timeout: Duration,
        mut connection: G::Connection,
    ) -> Result<usize, Error> {
        let span = tracing::debug_span!("summary", node = %node.name);
        let mut buffer = self.summary_buffers.take();
        let asked = self
            .getter
            .get_summary(node, timeout, &mut connection, &mut buffer);
        let result = asked.instrument(span).await;
        let answer = result.and_then(|body| {
            let reading = decode_summary(body, self.limits)?;
            Ok(self.live.keep_summary(&node.name, |before| {
                let made = reading.metric_sets(&node.name, self.clock.now(), before);
                (made.sets, made.skipped_entities)
            }))
        });
        self.summary_buffers.give(buffer);
        answer
    }
}

/// Buffers for bodies, shared by all attempts: few bodies are under way at once, however many
/// connections are open.
#[derive(Debug)]
struct Buffers {
    idle: Mutex<Vec<Vec<u8>>>,
    /// The most that lie idle; those above it are freed.
    most: usize,
}

/// The most buffers for resource metrics that lie idle.
const IDLE_BUFFERS: usize = 16;

/// The most for summaries, of which a node sends one a minute and hardly two at once.
const IDLE_SUMMARY_BUFFERS: usize = 2;

/// The largest buffer worth keeping: the answer of a node with some 500 containers.
const LARGEST_KEPT: usize = 1 << 20;

impl Buffers {
    const fn keeping(most: usize) -> Self {
        let idle = Mutex::new(Vec::new());
        Self { idle, most }
    }

    fn take(&self) -> Vec<u8> {
        self.idle.lock().pop().unwrap_or_default()
    }

    fn give(&self, buffer: Vec<u8>) {
        let mut idle = self.idle.lock();
        if idle.len() < self.most && buffer.capacity() <= LARGEST_KEPT {
            idle.push(buffer);
        }
    }
}
