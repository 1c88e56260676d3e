//! One attempt: get, decode, commit.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::Instrument;

use super::KubeletMetricsGetter;
use super::schedule::Progress;
use crate::domain::{Clock, NodeRecord, Timestamp};
use crate::kubelet::{Buffers, Error, Limits, decode_resource, decode_summary};
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
            summary_buffers: Buffers::keeping(IDLE_BUFFERS),
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
        let mut buffer = self.buffers.lend();
        let result = self.getter.get(node, connection, &mut buffer).await;
        result.and_then(|body| {
            let reading = decode_resource(body, asked_at, self.limits)?;
            let commit = self.live.commit(node, &reading);
            Ok(Answer {
                progress: Progress {
                    settled: commit.settled,
                    new_containers: commit.new_containers > 0 || commit.resets > 0,
                },
                skipped_lines: reading.skipped_lines,
            })
        })
    }

    /// Makes one attempt to get a node's summary; tells how many of its entities were skipped.
    pub(super) async fn summarize(
        &self,
        node: &NodeRecord,
        timeout: Duration,
        mut connection: G::Connection,
    ) -> Result<usize, Error> {
        let span = tracing::debug_span!("summary", node = %node.name);
        let mut buffer = self.summary_buffers.lend();
        let asked = self
            .getter
            .get_summary(node, timeout, &mut connection, &mut buffer);
        let result = asked.instrument(span).await;
        result.and_then(|body| {
            let reading = decode_summary(body, self.limits)?;
            Ok(self.live.keep_summary(&node.name, |before| {
                let made = reading.metric_sets(&node.name, self.clock.now(), before);
                (made.sets, made.skipped_entities)
            }))
        })
    }
}

/// The most buffers of a kind that lie idle: an answer is read, decoded and kept in one go, so hardly
/// two are in use at once.
const IDLE_BUFFERS: usize = 2;
