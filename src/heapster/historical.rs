//! The historical API: the model's routes over whatever keeps the past, with aggregations, and
//! with pods by their UID.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::{Serialize, Serializer};

use super::answer::{self, MetricResult, ResultList};
use super::go_time::Stamp;
use super::model::{listed, series_of};
use super::parameters::{self, Refusal};
use super::route::{PodList, Route, Subject, Wanted};
use super::{Asked, names};
use crate::domain::{EntityKey, PodKey, PodName, Timestamp, Value};
use crate::history::{
    self, Aggregation, Bucket, HistoricalError, HistoricalSource, NoResults, Query, Series, Span,
};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The request cannot be read.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store has nothing, or did not answer.
    #[error(transparent)]
    Store(#[from] HistoricalError),
}

/// What is asked of each subject.
struct Question {
    metric: String,
    /// In the order of the question; nothing where no object has the name that was given.
    subjects: Vec<Option<history::Subject>>,
    span: Span,
    /// Nothing when no metric can have this name and these labels, whoever is asked.
    series: Option<Series>,
    aggregations: Option<Vec<Aggregation>>,
    bucket: Option<Duration>,
}

/// Answers a route of the historical API. Pods' containers are no part of it; as in Heapster they
/// come from the model.
pub(super) async fn answer(
    asked: &Asked<'_>,
    source: &dyn HistoricalSource,
    route: Route<'_>,
) -> Response<Bytes> {
    match find(asked, source, route).await {
        Ok(response) => response,
        Err(failure) => failure.answer(),
    }
}

async fn find(
    asked: &Asked<'_>,
    source: &dyn HistoricalSource,
    route: Route<'_>,
) -> Result<Response<Bytes>, Failure> {
    Ok(match route {
        Route::Nodes => listed(&source.nodes().await?),
        Route::Namespaces => listed(&source.namespaces().await?),
        Route::Pods(namespace) => {
            let namespace = names::namespace(namespace)?;
            listed(&source.pods(&namespace).await?)
        }
        Route::SystemContainers(node) => {
            let node = names::node(node)?;
            listed(&source.system_containers(&node).await?)
        }
        Route::Metrics(subject) => {
            let entity = names::entity(&subject)?;
            listed(&source.metric_names(&entity).await?)
        }
        Route::Series(of, wanted) => {
            let question = Question::new(asked, &wanted, || Ok(vec![Some(subject(&of)?)]))?;
            question.one(source).await?
        }
        Route::PodList(list, wanted) => {
            let question = Question::new(asked, &wanted, || subjects(&list))?;
            question.many(source).await?
        }
        Route::Containers(..) | Route::AllKeys => answer::no_route(),
    })
}

impl Question {
    /// Reads the parameters in Heapster's order: times, bucket, aggregations, labels; then the
    /// names.
    fn new(
        asked: &Asked<'_>,
        wanted: &Wanted<'_>,
        subjects: impl FnOnce() -> Result<Vec<Option<history::Subject>>, Refusal>,
    ) -> Result<Self, Failure> {
        let span = parameters::historical_span(&asked.query, asked.now)?;
        let (mut bucket, mut aggregations) = (None, None);
        if let Some(names) = wanted.aggregations {
            bucket = parameters::bucket(&asked.query)?;
            aggregations = Some(parameters::aggregations(names)?);
        }
        let labels = parameters::labels(&asked.query)?;
        Ok(Self {
            metric: names::metric(&wanted.metric)?.to_owned(),
            subjects: subjects()?,
            span,
            series: series_of(&wanted.metric, &labels),
            aggregations,
            bucket,
        })
    }

    /// Answers one subject, which must have points.
    async fn one(self, source: &dyn HistoricalSource) -> Result<Response<Bytes>, Failure> {
        let mut answers = self.ask(source).await?.into_iter();
        Ok(
            match answers.next().transpose().map_err(HistoricalError::from)? {
                Some(Found::Points(points)) => answer::pretty(&points),
                Some(Found::Buckets(buckets)) => answer::pretty(&buckets),
                None => answer::no_route(),
            },
        )
    }

    /// One item for each pod; one without points, or with a name no pod has, has an empty item, where
    /// Heapster failed for all.
    async fn many(self, source: &dyn HistoricalSource) -> Result<Response<Bytes>, Failure> {
        let nothing = || match self.aggregations {
            None => Found::Points(MetricResult::new(Vec::new())),
            Some(_) => Found::Buckets(AggregationResult::new(Vec::new(), None)),
        };
        let mut answers = self.ask(source).await?.into_iter();
        let items = self.subjects.iter().map(|subject| {
            let found = subject.as_ref().and_then(|_| answers.next());
            found.and_then(Result::ok).unwrap_or_else(nothing)
        });
        Ok(answer::compact(&ResultList {
            items: items.collect(),
        }))
    }

    /// What there is of each subject that can be.
    async fn ask(
        &self,
        source: &dyn HistoricalSource,
    ) -> Result<Vec<Result<Found, NoResults>>, HistoricalError> {
        let subjects: Vec<history::Subject> = self.subjects.iter().flatten().cloned().collect();
        if subjects.is_empty() {
            return Ok(Vec::new());
        }
        let Some(series) = self.series.clone() else {
            let nobody = subjects.into_iter().map(|subject| {
                Err(NoResults {
                    metric: self.metric.clone(),
                    subject,
                })
            });
            return Ok(nobody.collect());
        };
        let query = Query {
            subjects,
            series,
            span: self.span,
        };
        let Some(aggregations) = &self.aggregations else {
            let answers = source.points(&query).await?.into_iter();
            let found = answers.map(|points| points.map(MetricResult::new).map(Found::Points));
            return Ok(found.collect());
        };
        let answers = source.aggregates(&query, aggregations, self.bucket).await?;
        let result = |buckets| Found::Buckets(AggregationResult::new(buckets, self.bucket));
        Ok(answers.into_iter().map(|found| found.map(result)).collect())
    }
}

/// What there is of one subject.
#[derive(Serialize)]
#[serde(untagged)]
enum Found {
    Points(MetricResult),
    Buckets(AggregationResult),
}

fn subject(of: &Subject<'_>) -> Result<history::Subject, Refusal> {
    names::conceivable(of)?;
    Ok(match *of {
        Subject::PodId(id) => history::Subject::PodId(names::pod_id(id)?),
        Subject::ContainerOfPodId(id, name) => {
            history::Subject::PodIdContainer(names::pod_id(id)?, names::container(name)?)
        }
        ref named @ (Subject::Cluster
        | Subject::Node(_)
        | Subject::SystemContainer(..)
        | Subject::Namespace(_)
        | Subject::Pod(..)
        | Subject::Container(..)) => history::Subject::Entity(names::entity(named)?),
    })
}

fn subjects(list: &PodList<'_>) -> Result<Vec<Option<history::Subject>>, Refusal> {
    Ok(match *list {
        PodList::Names(namespace, names) => {
            let listed = parameters::pod_list(names)?.into_iter();
            let namespace = names::namespace(namespace)?;
            let pod = |name| Some(PodKey::new(namespace.clone(), PodName::new(name).ok()?));
            listed
                .map(|name| pod(name).map(|pod| EntityKey::Pod(pod).into()))
                .collect()
        }
        PodList::Ids(ids) => {
            let ids = parameters::pod_list(ids)?.into_iter();
            ids.map(|id| names::pod_id(id).ok().map(history::Subject::PodId))
                .collect()
        }
    })
}

impl Failure {
    /// The status and the text. Heapster answers 500 to everything its store says; here a name that
    /// cannot be is the client's fault, and nothing found is 404.
    fn answer(&self) -> Response<Bytes> {
        match self {
            Self::Refused(refusal) => answer::refused(refusal),
            Self::Store(error @ HistoricalError::NoResults(_)) => {
                answer::text(StatusCode::NOT_FOUND, error.to_string())
            }
            Self::Store(error @ HistoricalError::TooMany(_)) => {
                answer::text(StatusCode::BAD_REQUEST, error.to_string())
            }
            Self::Store(error) => {
                let why = error.source().map(|source| format!(": {source}"));
                let text = format!("{error}{}", why.unwrap_or_default());
                answer::text(StatusCode::INTERNAL_SERVER_ERROR, text)
            }
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AggregationResult {
    #[serde(serialize_with = "told")]
    buckets: Vec<Bucket>,
    /// Nanoseconds.
    bucket_size: u64,
}

#[derive(Debug, Serialize)]
struct AggregationBucket {
    timestamp: Stamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    average: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maximum: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    minimum: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    median: Option<Number>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    percentiles: BTreeMap<&'static str, Number>,
}

/// A value that says which kind it is.
#[derive(Clone, Copy, Debug, Serialize)]
enum Number {
    #[serde(rename = "intValue")]
    Int(i64),
    #[serde(rename = "floatValue")]
    Float(f64),
}

impl AggregationResult {
    fn new(buckets: Vec<Bucket>, size: Option<Duration>) -> Self {
        let size = size.filter(|_| !buckets.is_empty()).unwrap_or_default();
        Self {
            buckets,
            bucket_size: u64::try_from(size.as_nanos()).unwrap_or(u64::MAX),
        }
    }
}

/// One bucket at a time, so that a long list is not there once more.
fn told<S: Serializer>(buckets: &[Bucket], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(buckets.iter().map(AggregationBucket::new))
}

impl AggregationBucket {
    fn new(bucket: &Bucket) -> Self {
        let start: Timestamp = bucket.start;
        let percentiles = ["50", "95", "99"].into_iter().zip(bucket.percentiles);
        let percentiles = percentiles.filter_map(|(name, value)| Some((name, value?.into())));
        Self {
            timestamp: Stamp(Some(start)),
            count: bucket.count,
            average: bucket.average.map(Number::from),
            maximum: bucket.maximum.map(Number::from),
            minimum: bucket.minimum.map(Number::from),
            median: bucket.median.map(Number::from),
            percentiles: percentiles.collect(),
        }
    }
}

impl From<Value> for Number {
    fn from(value: Value) -> Self {
        match value {
            Value::Int(value) => Self::Int(value),
            Value::Float(value) => Self::Float(value),
        }
    }
}
