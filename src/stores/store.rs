//! A store as the source of what was.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::asking::Asking;
use super::failure::Failure;
use super::influxdb::Influxdb;
use super::labels::List;
use super::metrics::Metrics;
use super::prometheus::Prometheus;
use crate::domain::{
    Clock, EntityKey, Name, NameKind, Namespace, NodeName, PodName, Timestamp, Value,
};
use crate::history::{
    Aggregation, Answer, Bucket, HistoricalError, HistoricalSource, Listed, NoResults, Query, Span,
    aggregate_each, bounded,
};
use crate::sinks::{self, Http, Layout, Written};
use crate::telemetry::Registry;

/// A store that sinks write to, asked for what was.
#[derive(Debug)]
pub struct Store {
    backend: Backend,
    asking: Asking,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
enum Backend {
    Influxdb(Influxdb),
    Prometheus(Prometheus),
}

/// A store cannot be asked; the text is for a person to mend and holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct SetupError(sinks::SetupError);

/// Points of one subject.
pub(super) type Points = Vec<(Timestamp, Value)>;

/// From when to when, both within, in milliseconds since the epoch that every store can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub start: i64,
    pub end: i64,
}

/// The most points one question may have to do with.
pub(super) const MOST_POINTS: usize = 1_000_000;
/// The longest answer of a store that is read.
pub(super) const LONGEST: usize = 32 << 20;
/// How far from now points may lie: stores are not asked for other centuries.
const AHEAD: i64 = 24 * 3600 * 1000;

impl Store {
    /// Asks the store `written` names. Asks nothing over the network yet.
    ///
    /// # Errors
    /// When a file it names cannot be used.
    pub fn new(
        written: Written,
        clock: &Arc<dyn Clock>,
        registry: &mut Registry,
    ) -> Result<Self, SetupError> {
        let ignored = written.remarks.ignored.join(",");
        let twice = written.remarks.twice.join(",");
        let http = Http::new(&written.server, clock).map_err(SetupError)?;
        let (store, backend) = match written.layout {
            Layout::Influxdb(layout) => {
                ("InfluxDB", Backend::Influxdb(Influxdb::new(http, layout)))
            }
            Layout::Prometheus(layout) => (
                "Prometheus",
                Backend::Prometheus(Prometheus::new(http, *layout)),
            ),
        };
        if !ignored.is_empty() {
            warn!(store, options = ignored, "options without a meaning");
        }
        if !twice.is_empty() {
            warn!(
                store,
                options = twice,
                "options given more than once; the first counts"
            );
        }
        Ok(Self {
            backend,
            asking: Asking::new(store, Metrics::register(registry)),
            clock: Arc::clone(clock),
        })
    }

    /// The points of each subject, none for who has none.
    async fn each(&self, query: &Query) -> Result<Vec<Points>, HistoricalError> {
        let Some(stretch) = Stretch::of(query.span, self.clock.now()) else {
            return Ok(vec![Points::new(); query.subjects.len()]);
        };
        let question = async {
            match &self.backend {
                Backend::Influxdb(influxdb) => influxdb.points(query, stretch).await,
                Backend::Prometheus(prometheus) => prometheus.points(query, stretch).await,
            }
        };
        let mut all = self.asking.ask(question).await?;
        for points in &mut all {
            points.sort_by_key(|(at, _)| *at);
            // Series that differ in a label alone may meet in a tick: the later one stays.
            points.dedup_by(|later, earlier| {
                let twice = later.0 == earlier.0;
                *earlier = if twice { *later } else { *earlier };
                twice
            });
            points.retain(|(at, _)| query.span.contains(*at));
        }
        Ok(all)
    }

    async fn found(
        &self,
        query: &Query,
    ) -> Result<Vec<Result<Points, NoResults>>, HistoricalError> {
        let all = self.each(query).await?;
        let found = all.into_iter().zip(&query.subjects);
        let found = found.map(|(points, subject)| match points.is_empty() {
            true => Err(NoResults::new(&query.series, subject.clone())),
            false => Ok(points),
        });
        bounded(found, 1)
    }

    async fn names(&self, list: List<'_>) -> Result<BTreeSet<String>, HistoricalError> {
        let question = async {
            match &self.backend {
                Backend::Influxdb(influxdb) => influxdb.list(list).await,
                Backend::Prometheus(prometheus) => prometheus.list(list, self.clock.now()).await,
            }
        };
        self.asking.ask(question).await
    }

    async fn listed<K: NameKind>(&self, list: List<'_>) -> Result<Vec<Name<K>>, HistoricalError> {
        let names = self.names(list).await?.into_iter();
        // What is no name is none of ours.
        Ok(names.filter_map(|name| Name::new(name).ok()).collect())
    }
}

impl Stretch {
    /// Nothing when no point can lie in the span.
    fn of(span: Span, now: Timestamp) -> Option<Self> {
        let latest = now.as_millis().saturating_add(AHEAD);
        let start = span.start.as_millis().max(0);
        let end = span.end.as_millis().min(latest);
        (start <= end).then_some(Self { start, end })
    }
}

impl HistoricalSource for Store {
    fn points<'a>(&'a self, query: &'a Query) -> Answer<'a, Points> {
        Box::pin(self.found(query))
    }

    fn aggregates<'a>(
        &'a self,
        query: &'a Query,
        aggregations: &'a [Aggregation],
        bucket: Option<Duration>,
    ) -> Answer<'a, Vec<Bucket>> {
        Box::pin(async move {
            let found = self.found(query).await?.into_iter();
            aggregate_each(found, aggregations, query.span, bucket)
        })
    }

    fn metric_names<'a>(&'a self, entity: &'a EntityKey) -> Listed<'a, String> {
        Box::pin(async move {
            let question = async {
                match &self.backend {
                    Backend::Influxdb(influxdb) => influxdb.metric_names(entity).await,
                    Backend::Prometheus(prometheus) => {
                        prometheus.metric_names(entity, self.clock.now()).await
                    }
                }
            };
            let names = self.asking.ask(question).await?;
            Ok(names.into_iter().collect())
        })
    }

    fn nodes(&self) -> Listed<'_, NodeName> {
        Box::pin(self.listed(List::Nodes))
    }

    fn namespaces(&self) -> Listed<'_, Namespace> {
        Box::pin(self.listed(List::Namespaces))
    }

    fn pods<'a>(&'a self, namespace: &'a Namespace) -> Listed<'a, PodName> {
        Box::pin(self.listed(List::Pods(namespace)))
    }

    fn system_containers<'a>(&'a self, node: &'a NodeName) -> Listed<'a, Arc<str>> {
        Box::pin(async move {
            let names = self.names(List::SystemContainers(node)).await?;
            Ok(names.into_iter().map(Arc::from).collect())
        })
    }
}

/// Notes that there are so many points more.
pub(super) fn count(points: &mut usize, more: usize) -> Result<(), Failure> {
    *points = points.saturating_add(more);
    match *points > MOST_POINTS {
        true => Err(Failure::TooMany(MOST_POINTS)),
        false => Ok(()),
    }
}
