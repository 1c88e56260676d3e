//! One past out of two: what is kept here, and what an older store knows of the time before.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::{EntityKey, Namespace, NodeName, PodName, Timestamp, Value};

use super::aggregate::{decide_kinds, start_of_bucket};
use super::{
    Aggregation, Answer, Bucket, HistoricalError, HistoricalSource, History, Listed, NoResults,
    Query, Span, aggregate,
};

/// A source that knows how far back it goes.
pub trait Recent: HistoricalSource {
    /// The oldest instant of which it still has everything; `None` when it has nothing. Grows as
    /// it forgets.
    fn oldest(&self) -> Option<Timestamp>;
}

/// Answers from `newer` what that still has, and from `older` what was before.
///
/// The seam is the newer one's oldest instant, looked at after the newer one has answered: what it
/// forgot meanwhile is asked of the older one, so no point is missing and none is there twice,
/// given that the older one knows what the newer one forgets. Where the older one is needed and
/// fails, the whole question fails. Names are the newer one's, or the older one's where the newer
/// one has none.
#[derive(Clone, Debug)]
pub struct Layered {
    newer: Arc<dyn Recent>,
    older: Arc<dyn HistoricalSource>,
}

type Points = Vec<(Timestamp, Value)>;
type Each<T> = Vec<Result<T, NoResults>>;

impl Layered {
    /// `newer`, and `older` for what was before it.
    #[must_use]
    pub fn new(newer: Arc<dyn Recent>, older: Arc<dyn HistoricalSource>) -> Self {
        Self { newer, older }
    }

    /// The seam, if something before it is asked for.
    fn seam(&self, span: Span) -> Option<Timestamp> {
        let seam = self.newer.oldest();
        let seam = seam.unwrap_or(Timestamp::from_millis(i64::MAX));
        (span.start < seam && span.start <= span.end).then_some(seam)
    }

    async fn all_points(&self, query: &Query) -> Result<Each<Points>, HistoricalError> {
        let newer = self.newer.points(query).await?;
        let Some(seam) = self.seam(query.span) else {
            return Ok(newer);
        };
        let older = self.older.points(&before(query, seam)).await?;
        let both = older.into_iter().zip(newer).zip(&query.subjects);
        let joined = both.map(|((older, newer), subject)| {
            let mut points = older.unwrap_or_default();
            let newer = newer.unwrap_or_default().into_iter();
            points.retain(|(at, _)| *at < seam);
            points.extend(newer.filter(|(at, _)| *at >= seam));
            let found = !points.is_empty();
            found
                .then_some(points)
                .ok_or_else(|| NoResults::new(&query.series, subject.clone()))
        });
        Ok(joined.collect())
    }

    async fn all_aggregates(
        &self,
        query: &Query,
        aggregations: &[Aggregation],
        bucket: Option<Duration>,
    ) -> Result<Each<Vec<Bucket>>, HistoricalError> {
        let newer = self.newer.aggregates(query, aggregations, bucket).await?;
        let Some(seam) = self.seam(query.span) else {
            return Ok(newer);
        };
        if query.span.end < seam {
            return self.older.aggregates(query, aggregations, bucket).await;
        }
        // Whole buckets before that of the seam are the older one's work; points cross the seam.
        let rest = start_of_bucket(seam, query.span, bucket);
        let tail = Query {
            span: Span::new(rest.max(query.span.start), query.span.end),
            ..query.clone()
        };
        let points = self.all_points(&tail).await?.into_iter();
        let tails = points
            .map(|points| aggregate(&points.unwrap_or_default(), aggregations, tail.span, bucket));
        let heads = if query.span.start < rest {
            let head = before(query, rest);
            self.older.aggregates(&head, aggregations, bucket).await?
        } else {
            query.subjects.iter().map(|_| Ok(Vec::new())).collect()
        };
        let both = heads.into_iter().zip(tails).zip(&query.subjects);
        let joined = both.map(|((head, tail), subject)| {
            let mut buckets = head.unwrap_or_default();
            buckets.extend(tail);
            decide_kinds(&mut buckets, aggregations);
            let found = !buckets.is_empty();
            found
                .then_some(buckets)
                .ok_or_else(|| NoResults::new(&query.series, subject.clone()))
        });
        Ok(joined.collect())
    }
}

/// The same question about the time before `seam`.
fn before(query: &Query, seam: Timestamp) -> Query {
    let last = Timestamp::from_millis(seam.as_millis().saturating_sub(1));
    Query {
        span: Span::new(query.span.start, query.span.end.min(last)),
        ..query.clone()
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
    fn oldest(&self) -> Option<Timestamp> {
        self.columns.load().ticks().next()
    }
}
