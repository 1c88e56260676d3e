//! Questions about the past, answered from disk.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::task::spawn_blocking;

use super::folder::{Entry, Folder};
use super::keeper::Archive;
use super::plan::Plan;
use super::segment::{Broken, Opened};
use crate::domain::{Clock, EntityKey, Namespace, NodeName, PodKey, PodName, Timestamp, Value};
use crate::history::{
    Aggregation, Answer, Bucket, HandedFamily, HistoricalError, HistoricalSource, Listed,
    NoResults, Query, Recent, RingColumns, Series, Span, Subject, aggregate,
};

/// Reads segments for one question.
struct Reader {
    folder: Arc<Folder>,
    clock: Arc<dyn Clock>,
    until: Instant,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("it takes longer than {} s; ask for less", LIMIT.as_secs())]
    TooLong,
    #[error("more than {MOST_POINTS} points are asked for; ask for less")]
    TooMany,
    #[error("too much is asked of it at once")]
    Busy,
    #[error("segments were joined again and again")]
    Moving,
    #[error("it gave up")]
    Panicked,
}

type Points = Vec<(Timestamp, Value)>;

/// What one question may take, waiting for its turn included.
const LIMIT: Duration = Duration::from_secs(20);
/// 16 MiB of them.
const MOST_POINTS: usize = 1 << 20;
/// How often a question begins again because segments were joined meanwhile.
const ATTEMPTS: usize = 3;

impl Archive {
    /// Asks on a thread that may block, when it is our turn.
    fn ask<'a, T: Send + 'static>(
        &'a self,
        question: impl FnOnce(&Reader) -> Result<T, Failed> + Send + 'static,
    ) -> BoxFuture<'a, Result<T, HistoricalError>> {
        let reader = Reader {
            folder: Arc::clone(&self.folder),
            clock: Arc::clone(&self.clock),
            until: self.clock.monotonic() + LIMIT,
        };
        Box::pin(async move {
            let answer = async {
                let place = tokio::time::timeout(LIMIT, Arc::clone(&self.places).acquire_owned());
                let place = place.await.map_err(|_| Failed::Busy)?;
                let asked = spawn_blocking(move || {
                    let _place = place;
                    question(&reader)
                });
                asked.await.map_err(|_| Failed::Panicked)?
            };
            answer.await.map_err(|error| HistoricalError::Failed {
                store: "the history on disk",
                source: error.into(),
            })
        })
    }
}

impl Reader {
    /// Reads every segment with ticks within the span, again when one was joined meanwhile.
    fn each<T>(
        &self,
        span: Span,
        mut begin: impl FnMut() -> T,
        mut read: impl FnMut(&mut T, &Opened) -> Result<(), Stopped>,
    ) -> Result<T, Failed> {
        'again: for _ in 0..ATTEMPTS {
            let mut found = begin();
            for entry in self.folder.entries().iter() {
                let overlaps =
                    |meta: &super::segment::Meta| meta.first <= span.end && meta.last >= span.start;
                if !entry.meta.as_ref().is_some_and(overlaps) {
                    continue;
                }
                if self.clock.monotonic() >= self.until {
                    return Err(Failed::TooLong);
                }
                match self.read_one(entry, |segment| read(&mut found, segment)) {
                    Ok(true) => {}
                    Ok(false) => continue 'again,
                    Err(failed) => return Err(failed),
                }
            }
            return Ok(found);
        }
        Err(Failed::Moving)
    }

    /// `false` when it is gone.
    fn read_one(
        &self,
        entry: &Entry,
        read: impl FnOnce(&Opened) -> Result<(), Stopped>,
    ) -> Result<bool, Failed> {
        let outcome = match self.folder.open(entry) {
            Ok(Some(segment)) => read(&segment),
            Ok(None) => return Ok(self.is_expired(entry)),
            Err(error) => Err(Stopped::Broken(error)),
        };
        match outcome {
            Ok(()) => Ok(true),
            Err(Stopped::Failed(failed)) => Err(failed),
            Err(Stopped::Broken(error)) => {
                self.folder.tell(entry, &error);
                Ok(true)
            }
        }
    }

    /// Tells whether a segment that is gone was the oldest: then nothing took its place.
    fn is_expired(&self, entry: &Entry) -> bool {
        let entries = self.folder.entries();
        let oldest = entries.first();
        oldest.is_none_or(|oldest| oldest.writes.0 > entry.writes.1)
    }

    fn points(&self, query: &Query) -> Result<Vec<Points>, Failed> {
        let nothing = || vec![Points::new(); query.subjects.len()];
        let mut count = 0;
        let mut found = self.each(query.span, nothing, |found, segment| {
            let read = Plan::new(segment, &query.subjects)?;
            read.each(segment, |at, family, columns| {
                let subject = query.subjects.get(at).zip(found.get_mut(at));
                let Some((subject, points)) = subject else {
                    return Ok(());
                };
                let more = family.points(subject, &query.series, query.span, columns);
                count += more.len();
                points.extend(more);
                let few = count <= MOST_POINTS * ATTEMPTS && points.len() <= MOST_POINTS;
                few.then_some(()).ok_or(Failed::TooMany)
            })
        })?;
        for points in &mut found {
            // Only after a clock that was set back are they not so already.
            points.sort_by_key(|(tick, _)| *tick);
            points.dedup_by(|later, earlier| {
                let twice = later.0 == earlier.0;
                *earlier = if twice { *later } else { *earlier };
                twice
            });
        }
        let all: usize = found.iter().map(Vec::len).sum();
        let few = all <= MOST_POINTS;
        few.then_some(found).ok_or(Failed::TooMany)
    }

    /// The ticks of the segments the span lies in, and the ends of all others.
    fn columns(&self, span: Span) -> Result<Vec<Timestamp>, Failed> {
        let read = self.each(span, BTreeSet::new, |ticks, segment| {
            let columns = segment.columns()?;
            ticks.extend(columns.finished.iter().map(|(_, tick)| *tick));
            Ok(())
        });
        let mut ticks = read?;
        let entries = self.folder.entries();
        let known = entries.iter().filter_map(|entry| entry.meta);
        // One that could not be read has none.
        let others = known.filter(|meta| meta.last < span.start || meta.first > span.end);
        ticks.extend(others.flat_map(|meta| [meta.first, meta.last]));
        Ok(ticks.into_iter().collect())
    }

    fn metric_names(&self, entity: &EntityKey) -> Result<Vec<String>, Failed> {
        let subjects = [Subject::Entity(entity.clone())];
        let names = self.each(Span::ALL, BTreeSet::new, |names, segment| {
            let read = Plan::new(segment, &subjects)?;
            read.each(segment, |_, family, columns| {
                names.extend(
                    subjects
                        .iter()
                        .flat_map(|s| family.metric_names(s, columns)),
                );
                Ok(())
            })
        })?;
        Ok(names.into_iter().collect())
    }

    /// Something of each entity of the newest column whose name is in its place.
    fn newest<T>(
        &self,
        place: impl Fn(&EntityKey) -> Ordering,
        mut pick: impl FnMut(&HandedFamily, &RingColumns, &mut Vec<T>),
    ) -> Result<Vec<T>, Failed> {
        let newest = self.folder.entries();
        let newest = newest.iter().rev().find_map(|entry| entry.meta);
        let Some(newest) = newest.map(|meta| meta.last) else {
            return Ok(Vec::new());
        };
        self.each(Span::new(newest, newest), Vec::new, |found, segment| {
            let (columns, index) = (segment.columns()?, segment.index()?);
            let next = index.iter().skip(1).map(|(key, _)| Some(key)).chain([None]);
            for ((first, at), next) in index.iter().zip(next) {
                let before = next.is_some_and(|next| place(next) == Ordering::Less);
                if before || place(first) == Ordering::Greater {
                    continue;
                }
                for family in segment.families(*at, &columns)? {
                    if place(&family.key) == Ordering::Equal {
                        pick(&family, &columns, found);
                    }
                }
            }
            Ok(())
        })
    }
}

/// Why a segment was not read on.
pub(super) enum Stopped {
    Broken(Broken),
    Failed(Failed),
}

impl From<Broken> for Stopped {
    fn from(error: Broken) -> Self {
        Self::Broken(error)
    }
}

impl From<Failed> for Stopped {
    fn from(failed: Failed) -> Self {
        Self::Failed(failed)
    }
}

fn or_none<T>(
    found: Vec<Vec<T>>,
    subjects: &[Subject],
    series: &Series,
) -> Vec<Result<Vec<T>, NoResults>> {
    let each = found.into_iter().zip(subjects);
    let each = each.map(|(found, subject)| {
        let some = !found.is_empty();
        some.then_some(found)
            .ok_or_else(|| NoResults::new(series, subject.clone()))
    });
    each.collect()
}

/// Names are those of the newest column on disk; those of metrics, of all of them.
impl HistoricalSource for Archive {
    fn points<'a>(&'a self, query: &'a Query) -> Answer<'a, Points> {
        let asked = query.clone();
        let found = self.ask(move |reader| reader.points(&asked));
        Box::pin(async move { Ok(or_none(found.await?, &query.subjects, &query.series)) })
    }

    fn aggregates<'a>(
        &'a self,
        query: &'a Query,
        aggregations: &'a [Aggregation],
        bucket: Option<Duration>,
    ) -> Answer<'a, Vec<Bucket>> {
        let (asked, wanted) = (query.clone(), aggregations.to_vec());
        let found = self.ask(move |reader| {
            let found = reader.points(&asked)?.into_iter();
            let buckets = |points: Points| aggregate(&points, &wanted, asked.span, bucket);
            Ok(found.map(buckets).collect())
        });
        Box::pin(async move { Ok(or_none(found.await?, &query.subjects, &query.series)) })
    }

    fn metric_names<'a>(&'a self, entity: &'a EntityKey) -> Listed<'a, String> {
        let entity = entity.clone();
        self.ask(move |reader| reader.metric_names(&entity))
    }

    fn nodes(&self) -> Listed<'_, NodeName> {
        self.ask(|reader| {
            reader.newest(
                |key| kind(key).cmp(&1),
                |family, columns, found| {
                    if let (EntityKey::Node(node), true) = (&family.key, family.is_present(columns))
                    {
                        found.push(node.clone());
                    }
                },
            )
        })
    }

    fn namespaces(&self) -> Listed<'_, Namespace> {
        self.ask(|reader| {
            reader.newest(
                |key| kind(key).cmp(&2),
                |family, columns, found| {
                    let present = family.is_present(columns);
                    if let (EntityKey::Namespace(namespace), true) = (&family.key, present) {
                        found.push(namespace.clone());
                    }
                },
            )
        })
    }

    fn pods<'a>(&'a self, namespace: &'a Namespace) -> Listed<'a, PodName> {
        let namespace = namespace.clone();
        self.ask(move |reader| {
            reader.newest(
                |key| {
                    let of = |pod: &PodKey| pod.namespace.cmp(&namespace);
                    kind(key)
                        .cmp(&3)
                        .then_with(|| key.pod().map_or(Ordering::Equal, of))
                },
                |family, columns, found| {
                    if let (EntityKey::Pod(pod), true) = (&family.key, family.is_present(columns)) {
                        found.push(pod.name.clone());
                    }
                },
            )
        })
    }

    fn system_containers<'a>(&'a self, node: &'a NodeName) -> Listed<'a, Arc<str>> {
        let node = EntityKey::Node(node.clone());
        self.ask(move |reader| {
            let mut names = reader.newest(
                |key| key.cmp(&node),
                |family, columns, found| found.extend(family.system_containers(columns)),
            )?;
            names.sort_unstable();
            Ok(names)
        })
    }
}

/// The order of entities that are no part of another: the cluster, nodes, namespaces, pods.
const fn kind(key: &EntityKey) -> u8 {
    match key {
        EntityKey::Cluster => 0,
        EntityKey::Node(_) | EntityKey::SystemContainer(..) => 1,
        EntityKey::Namespace(_) => 2,
        EntityKey::Pod(_) | EntityKey::Container(..) => 3,
    }
}

impl Recent for Archive {
    fn columns(&self, span: Span) -> Listed<'_, Timestamp> {
        self.ask(move |reader| reader.columns(span))
    }
}
