//! The door historical questions go through, whoever keeps the past: the ring, or a store outside.

use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::apimachinery::Quoted;
use crate::domain::{EntityKey, Namespace, NodeName, PodName, Timestamp, Value};

use super::{Aggregation, Bucket, History, Series, Span, Subject, aggregate};

/// Whoever can tell what was measured before now (Heapster's `HistoricalSource`).
///
/// A store outside bounds each answer in time and size itself.
pub trait HistoricalSource: Send + Sync + fmt::Debug {
    /// The points of a series, ascending by time, for each subject in the order they are asked.
    ///
    /// # Errors
    /// [`HistoricalError::Failed`] when nobody could be asked. A subject without any point is an
    /// error of its own within the answer.
    fn points<'a>(&'a self, query: &'a Query) -> Answer<'a, Vec<(Timestamp, Value)>>;

    /// What `aggregations` make of the points of each subject, bucket by bucket.
    ///
    /// With a bucket size, buckets are aligned to the epoch and those without points left out;
    /// without one, there is a single bucket which begins where the span does.
    ///
    /// # Errors
    /// As [`points`](Self::points).
    fn aggregates<'a>(
        &'a self,
        query: &'a Query,
        aggregations: &'a [Aggregation],
        bucket: Option<Duration>,
    ) -> Answer<'a, Vec<Bucket>>;

    /// The names of the unlabelled metrics an entity has, sorted.
    ///
    /// # Errors
    /// [`HistoricalError::Failed`] when nobody could be asked.
    fn metric_names<'a>(&'a self, entity: &'a EntityKey) -> Listed<'a, String>;

    /// The nodes, sorted.
    ///
    /// # Errors
    /// [`HistoricalError::Failed`] when nobody could be asked.
    fn nodes(&self) -> Listed<'_, NodeName>;

    /// The namespaces, sorted.
    ///
    /// # Errors
    /// [`HistoricalError::Failed`] when nobody could be asked.
    fn namespaces(&self) -> Listed<'_, Namespace>;

    /// The pods of a namespace, sorted.
    ///
    /// # Errors
    /// [`HistoricalError::Failed`] when nobody could be asked.
    fn pods<'a>(&'a self, namespace: &'a Namespace) -> Listed<'a, PodName>;

    /// The system containers of a node, sorted.
    ///
    /// # Errors
    /// [`HistoricalError::Failed`] when nobody could be asked.
    fn system_containers<'a>(&'a self, node: &'a NodeName) -> Listed<'a, Arc<str>>;
}

/// One answer for each subject of a [`Query`], in its order.
pub type Answer<'a, T> = BoxFuture<'a, Result<Vec<Result<T, NoResults>>, HistoricalError>>;

/// A list of names.
pub type Listed<'a, T> = BoxFuture<'a, Result<Vec<T>, HistoricalError>>;

/// Whose values of which series are asked for, and of what time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Whose; in the order of the answers, repeated where they are asked for twice.
    pub subjects: Vec<Subject>,
    /// Which series, of each of them.
    pub series: Series,
    /// From when to when.
    pub span: Span,
}

/// There is no point of the metric for this subject in the time asked for. Heapster fails the
/// whole request with this text when any of its subjects is so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("No results for metric {} describing {}", Quoted(.metric), Quoted(&.subject.to_string()))]
pub struct NoResults {
    /// The metric, by the name it was asked for.
    pub metric: String,
    /// Whose.
    pub subject: Subject,
}

/// Why a question about the past has no answer at all.
#[derive(Debug, thiserror::Error)]
pub enum HistoricalError {
    /// A subject has no points.
    #[error(transparent)]
    NoResults(#[from] NoResults),
    /// The store could not be asked, or did not answer with what it should.
    #[error("{store} did not answer")]
    Failed {
        /// Which store, in words an operator knows.
        store: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl NoResults {
    /// Nothing of this series for `subject`.
    #[must_use]
    pub fn new(series: &Series, subject: Subject) -> Self {
        let metric = series.name().into_owned();
        Self { metric, subject }
    }
}

/// The ring answers at once, from a [`View`](super::View) taken when it is asked.
impl HistoricalSource for History {
    fn points<'a>(&'a self, query: &'a Query) -> Answer<'a, Vec<(Timestamp, Value)>> {
        Box::pin(ready(Ok(points_of_each(self, query).collect())))
    }

    fn aggregates<'a>(
        &'a self,
        query: &'a Query,
        aggregations: &'a [Aggregation],
        bucket: Option<Duration>,
    ) -> Answer<'a, Vec<Bucket>> {
        let buckets = points_of_each(self, query)
            .map(|points| Ok(aggregate(&points?, aggregations, query.span, bucket)));
        Box::pin(ready(Ok(buckets.collect())))
    }

    fn metric_names<'a>(&'a self, entity: &'a EntityKey) -> Listed<'a, String> {
        Box::pin(ready(Ok(self.view().metric_names(entity))))
    }

    fn nodes(&self) -> Listed<'_, NodeName> {
        Box::pin(ready(Ok(self.view().nodes())))
    }

    fn namespaces(&self) -> Listed<'_, Namespace> {
        Box::pin(ready(Ok(self.view().namespaces())))
    }

    fn pods<'a>(&'a self, namespace: &'a Namespace) -> Listed<'a, PodName> {
        Box::pin(ready(Ok(self.view().pods(namespace))))
    }

    fn system_containers<'a>(&'a self, node: &'a NodeName) -> Listed<'a, Arc<str>> {
        Box::pin(ready(Ok(self.view().system_containers(node))))
    }
}

fn points_of_each<'a>(
    history: &'a History,
    query: &'a Query,
) -> impl Iterator<Item = Result<Vec<(Timestamp, Value)>, NoResults>> {
    let view = history.view();
    query.subjects.iter().map(move |subject| {
        let points = view.points(subject, &query.series, query.span);
        let found = !points.is_empty();
        found
            .then_some(points)
            .ok_or_else(|| NoResults::new(&query.series, subject.clone()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Metric, PodKey};

    #[test]
    fn a_subject_without_points_is_told_in_heapsters_words() {
        let pod = PodKey::new(
            Namespace::new("cheese").unwrap(),
            PodName::new("cheddar").unwrap(),
        );
        let subject = Subject::from(EntityKey::Pod(pod));
        let error = NoResults::new(&Series::of(Metric::CpuUsageRate), subject);
        assert_eq!(
            HistoricalError::from(error).to_string(),
            r#"No results for metric "cpu/usage_rate" describing "(pod)ns:cheese/pod:cheddar""#
        );
    }
}
