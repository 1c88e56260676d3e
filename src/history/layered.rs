//! One past out of two: what is kept here, and what an older store knows of the rest.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{ready, try_join_all};

use crate::domain::{Clock, EntityKey, Namespace, NodeName, PodName, Timestamp};

use super::holes::{Points, asked, holes, joined};
use super::{
    Aggregation, Answer, Bucket, Each, HistoricalError, HistoricalSource, History, Listed,
    NoResults, Query, Span, aggregate_each, bounded,
};

/// A source that knows of which instants it has columns.
pub trait Recent: HistoricalSource {
    /// The instants of its columns within `span`, ascending, with the ones next to it on either
    /// side, and perhaps more of the others. What it forgot or cannot read is none.
    fn columns(&self, span: Span) -> Listed<'_, Timestamp>;
}

/// Answers from `newer` what that has, and from `older` what was before, and in its holes.
///
/// A hole is a time of more than two resolutions without a column of the newer one: nobody was here
/// then, and the older one may know of it from another replica. The holes are looked at after the
/// newer one has answered: what it forgot meanwhile is asked of the older one. So no point is missing
/// and none is there twice, given that the older one knows what the newer one forgets. Where the
/// older one is needed and fails, the whole question fails. One question is at most four of the
/// older one. Names are the newer one's, or the older one's where the newer one has none.
#[derive(Clone, Debug)]
pub struct Layered {
    newer: Arc<dyn Recent>,
    older: Arc<dyn HistoricalSource>,
    clock: Arc<dyn Clock>,
    reach: Duration,
}

/// Questions to the older one for one to both, at a time.
const QUESTIONS: usize = 4;

impl Layered {
    /// `newer`, which has a column each `resolution`, and `older` for what that has not.
    #[must_use]
    pub fn new(
        newer: Arc<dyn Recent>,
        older: Arc<dyn HistoricalSource>,
        clock: Arc<dyn Clock>,
        resolution: Duration,
    ) -> Self {
        Self {
            newer,
            older,
            clock,
            reach: resolution.saturating_mul(2),
        }
    }

    async fn all_points(&self, query: &Query) -> Result<Each<Points>, HistoricalError> {
        let newer = self.newer.points(query).await?;
        let columns = self.newer.columns(query.span).await?;
        let holes = holes(&columns, query.span, self.clock.now(), self.reach);
        if holes.is_empty() {
            return Ok(newer);
        }
        let questions = asked(&holes, QUESTIONS).into_iter().map(|span| Query {
            span,
            ..query.clone()
        });
        let questions: Vec<Query> = questions.collect();
        let answers = questions.iter().map(|query| self.older.points(query));
        let mut older = vec![Points::new(); query.subjects.len()];
        for answer in try_join_all(answers).await? {
            for (all, points) in older.iter_mut().zip(answer) {
                all.extend(points.unwrap_or_default());
            }
        }
        let both = older.into_iter().zip(newer).zip(&query.subjects);
        let joined = both.map(|((older, newer), subject)| {
            let points = joined(newer.unwrap_or_default(), older, &holes);
            let found = !points.is_empty();
            found
                .then_some(points)
                .ok_or_else(|| NoResults::new(&query.series, subject.clone()))
        });
        bounded(joined, 1)
    }

    async fn all_aggregates(
        &self,
        query: &Query,
        aggregations: &[Aggregation],
        bucket: Option<Duration>,
    ) -> Result<Each<Vec<Bucket>>, HistoricalError> {
        // Buckets may hold points of both.
        let points = self.all_points(query).await?.into_iter();
        aggregate_each(points, aggregations, query.span, bucket)
    }
}

async fn names<'a, T>(
    newer: Listed<'a, T>,
    older: impl FnOnce() -> Listed<'a, T> + Send,
) -> Result<Vec<T>, HistoricalError> {
    let names = newer.await?;
    if names.is_empty() {
        return older().await;
    }
    Ok(names)
}

impl HistoricalSource for Layered {
    fn points<'a>(&'a self, query: &'a Query) -> Answer<'a, Points> {
        Box::pin(self.all_points(query))
    }

    fn aggregates<'a>(
        &'a self,
        query: &'a Query,
        aggregations: &'a [Aggregation],
        bucket: Option<Duration>,
    ) -> Answer<'a, Vec<Bucket>> {
        Box::pin(self.all_aggregates(query, aggregations, bucket))
    }

    fn metric_names<'a>(&'a self, entity: &'a EntityKey) -> Listed<'a, String> {
        let newer = self.newer.metric_names(entity);
        Box::pin(names(newer, || self.older.metric_names(entity)))
    }

    fn nodes(&self) -> Listed<'_, NodeName> {
        Box::pin(names(self.newer.nodes(), || self.older.nodes()))
    }

    fn namespaces(&self) -> Listed<'_, Namespace> {
        Box::pin(names(self.newer.namespaces(), || self.older.namespaces()))
    }

    fn pods<'a>(&'a self, namespace: &'a Namespace) -> Listed<'a, PodName> {
        let newer = self.newer.pods(namespace);
        Box::pin(names(newer, || self.older.pods(namespace)))
    }

    fn system_containers<'a>(&'a self, node: &'a NodeName) -> Listed<'a, Arc<str>> {
        let newer = self.newer.system_containers(node);
        Box::pin(names(newer, || self.older.system_containers(node)))
    }
}

impl Recent for History {
    fn columns(&self, _: Span) -> Listed<'_, Timestamp> {
        let columns = self.columns.load();
        Box::pin(ready(Ok(columns.ticks().collect())))
    }
}
