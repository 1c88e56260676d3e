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

/// One answer for each subject of a [`Query`], in its order; for more than one subject
/// [`Values::MOST`] are the most.
pub type Answer<'a, T> = BoxFuture<'a, Result<Each<T>, HistoricalError>>;

/// What there is of each of several subjects.
pub type Each<T> = Vec<Result<T, NoResults>>;

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
    /// A list holds more than one answer may.
    #[error(transparent)]
    TooMany(#[from] TooMany),
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

/// Counts what the answer to a list of subjects holds while it is made: points, or what is told of
/// their buckets. A point takes some hundred bytes until it is sent.
#[derive(Debug, Default)]
pub struct Values(usize);

/// A list holds more than [`Values::MOST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {} values are asked for; ask for less", Values::MOST)]
pub struct TooMany;

impl Values {
    /// The most there may be in one answer to a list.
    pub const MOST: usize = 500_000;
    /// What a bucket counts for at least: it takes its room whatever is told of it.
    const OF_A_BUCKET: usize = 4;

    /// Counts `more` of them.
    ///
    /// # Errors
    /// [`TooMany`] beyond [`MOST`](Self::MOST).
    pub const fn add(&mut self, more: usize) -> Result<(), TooMany> {
        self.0 = self.0.saturating_add(more);
        if self.0 > Self::MOST {
            return Err(TooMany);
        }
        Ok(())
    }
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
        Box::pin(ready(bounded(points_of_each(self, query), 1)))
    }

    fn aggregates<'a>(
        &'a self,
        query: &'a Query,
        aggregations: &'a [Aggregation],
        bucket: Option<Duration>,
    ) -> Answer<'a, Vec<Bucket>> {
        let points = points_of_each(self, query);
        let buckets = aggregate_each(points, aggregations, query.span, bucket);
        Box::pin(ready(buckets))
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

/// Takes the answers for several subjects, each item of which holds `of_one` values, and stops
/// where they are too many. What a single subject has is bounded by whoever keeps it.
///
/// # Errors
/// [`HistoricalError::TooMany`].
pub fn bounded<T>(
    answers: impl Iterator<Item = Result<Vec<T>, NoResults>>,
    of_one: usize,
) -> Result<Each<Vec<T>>, HistoricalError> {
    let mut values = Values::default();
    let counted = answers.enumerate().map(|(at, answer)| {
        let items = answer.as_ref().map_or(0, Vec::len);
        match values.add(items.saturating_mul(of_one)) {
            Err(many) if at > 0 => Err(many.into()),
            _ => Ok(answer),
        }
    });
    counted.collect()
}

/// What `aggregations` make of the points of several subjects, bucket by bucket.
///
/// # Errors
/// As [`bounded`].
pub fn aggregate_each(
    points: impl Iterator<Item = Result<Vec<(Timestamp, Value)>, NoResults>>,
    aggregations: &[Aggregation],
    span: Span,
    bucket: Option<Duration>,
) -> Result<Each<Vec<Bucket>>, HistoricalError> {
    let buckets = points.map(|points| Ok(aggregate(&points?, aggregations, span, bucket)));
    bounded(buckets, aggregations.len().max(Values::OF_A_BUCKET))
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

    fn points(count: i64) -> Vec<(Timestamp, Value)> {
        let at = |at| (Timestamp::from_millis(at), Value::Int(at));
        (0..count).map(at).collect()
    }

    #[test]
    fn a_list_holds_no_more_than_so_many_values_and_stops_there() {
        let lists = |subjects: usize, each: i64| (0..subjects).map(move |_| Ok(points(each)));
        assert!(bounded(lists(5, 100_000), 1).is_ok());
        let mut read = 0;
        let counted = lists(1000, 100_000).inspect(|_| read += 1);
        let many = bounded(counted, 1);
        assert!(matches!(many, Err(HistoricalError::TooMany(_))), "{many:?}");
        assert_eq!(read, 6, "no more was read than shows it");
        assert!(bounded(lists(1, 600_000), 1).is_ok(), "one has what it has");
    }

    #[test]
    fn a_bucket_counts_as_what_is_told_of_it_and_four_at_least() {
        let buckets = |subjects: usize, each, aggregations| {
            let points = (0..subjects).map(|_| Ok(points(each)));
            let size = Some(Duration::from_millis(1));
            aggregate_each(points, aggregations, Span::ALL, size).is_ok()
        };
        assert!(buckets(2500, 15, &Aggregation::ALL));
        assert!(buckets(2500, 25, &Aggregation::ALL));
        assert!(!buckets(2500, 26, &Aggregation::ALL));
        assert!(buckets(2500, 50, &[Aggregation::Count]));
        assert!(!buckets(2500, 51, &[Aggregation::Count]));
    }

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
