//! The ring.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::{
    ContainerName, EntityKey, Metric, MetricSet, Namespace, NodeName, PodKey, PodName, Timestamp,
    Value,
};
use crate::telemetry::Registry;

use super::{Config, Series, Span, Subject};

/// The ring: every metric of every entity within the retention.
#[derive(Debug)]
pub struct History {
    config: Config,
    columns: Mutex<Columns>,
}

#[derive(Debug, Default)]
struct Columns {
    finished: Vec<Arc<Column>>,
    open: Option<Column>,
}

#[derive(Debug, Clone)]
struct Column {
    tick: Timestamp,
    sets: BTreeMap<EntityKey, MetricSet>,
}

/// What was appended or finished is not later than what readers already see, or than the column
/// begun since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tick is not later than the newest")]
pub struct Refused;

/// What was finished at one instant.
#[derive(Debug)]
pub struct View<'a> {
    columns: Vec<Arc<Column>>,
    _history: &'a History,
}

impl History {
    /// An empty ring.
    pub fn new(config: Config, _registry: &mut Registry) -> Self {
        Self {
            config,
            columns: Mutex::default(),
        }
    }

    /// Adds the sets of one part to the column of `tick`, unseen until it is finished. A column
    /// begun before and never finished is given up.
    ///
    /// # Errors
    /// [`Refused`] when `tick` is not later than the newest column; nothing was added.
    pub fn append(&self, tick: Timestamp, sets: &[MetricSet]) -> Result<(), Refused> {
        let mut columns = self.columns.lock();
        let newest = columns.finished.last().map(|column| column.tick);
        let open = columns.open.as_ref().map(|column| column.tick);
        if newest.is_some_and(|newest| tick <= newest) || open.is_some_and(|open| tick < open) {
            return Err(Refused);
        }
        if open != Some(tick) {
            let sets = BTreeMap::new();
            columns.open = Some(Column { tick, sets });
        }
        if let Some(open) = &mut columns.open {
            let sets = sets.iter().map(|set| (set.key.clone(), set.clone()));
            open.sets.extend(sets);
        }
        Ok(())
    }

    /// Shows the column of `tick` to readers, an empty one if nothing was appended, and forgets
    /// what is too old.
    ///
    /// # Errors
    /// [`Refused`] when `tick` is not later than the newest column.
    pub fn finish(&self, tick: Timestamp) -> Result<(), Refused> {
        self.append(tick, &[])?;
        let mut columns = self.columns.lock();
        let open = columns.open.take();
        columns.finished.extend(open.map(Arc::new));
        columns.finished.retain(|column| {
            let age = tick.since(column.tick).unwrap_or_default();
            age < self.config.retention
        });
        Ok(())
    }

    /// What is finished now.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View {
            columns: self.columns.lock().finished.clone(),
            _history: self,
        }
    }
}

impl View<'_> {
    /// The ticks there are columns of, ascending.
    #[must_use]
    pub fn ticks(&self) -> Vec<Timestamp> {
        self.columns.iter().map(|column| column.tick).collect()
    }

    /// The newest tick.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        self.columns.last().map(|column| column.tick)
    }

    /// The points of a series, ascending.
    #[must_use]
    pub fn points(
        &self,
        subject: &Subject,
        series: &Series,
        span: Span,
    ) -> Vec<(Timestamp, Value)> {
        let columns = self.columns.iter().filter(|c| span.contains(c.tick));
        let points = columns.filter_map(|column| {
            let set = column.sets.values().find(|set| is_of(set, subject))?;
            let value = match &series.by {
                None => set.get(series.metric)?,
                by => {
                    let mut points = set.qualified.iter();
                    let of = |q: &&crate::domain::Qualified| {
                        q.point.metric() == series.metric && Some(&q.by) == by.as_ref()
                    };
                    points.find(of)?.point.value()
                }
            };
            Some((column.tick, value))
        });
        points.collect()
    }

    /// The names of the unlabelled metrics an entity has anywhere in the ring, sorted.
    #[must_use]
    pub fn metric_names(&self, entity: &EntityKey) -> Vec<String> {
        let sets = self.columns.iter().filter_map(|c| c.sets.get(entity));
        let names = sets.flat_map(|set| {
            let plain = set.points.iter().map(|p| Series::of(p.metric()));
            let requests = set.qualified.iter().map(|q| Series {
                metric: q.point.metric(),
                by: Some(Arc::clone(&q.by)),
            });
            plain.chain(requests)
        });
        let names = names.filter(|s| s.by.is_none() || s.metric == Metric::ResourceRequest);
        let names: BTreeSet<String> = names.map(|s| s.name().into_owned()).collect();
        names.into_iter().collect()
    }

    /// The nodes of the newest column, sorted.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeName> {
        self.newest_of(|key| {
            let EntityKey::Node(name) = key else {
                return None;
            };
            Some(name.clone())
        })
    }

    /// The system containers of a node in the newest column, sorted.
    #[must_use]
    pub fn system_containers(&self, of: &NodeName) -> Vec<Arc<str>> {
        self.newest_of(|key| {
            let EntityKey::SystemContainer(node, name) = key else {
                return None;
            };
            (node == of).then(|| Arc::clone(name))
        })
    }

    /// The namespaces of the newest column, sorted.
    #[must_use]
    pub fn namespaces(&self) -> Vec<Namespace> {
        self.newest_of(|key| {
            let EntityKey::Namespace(name) = key else {
                return None;
            };
            Some(name.clone())
        })
    }

    /// The pods of a namespace in the newest column, sorted.
    #[must_use]
    pub fn pods(&self, of: &Namespace) -> Vec<PodName> {
        self.newest_of(|key| {
            let EntityKey::Pod(pod) = key else {
                return None;
            };
            (pod.namespace == *of).then(|| pod.name.clone())
        })
    }

    /// The containers of a pod in the newest column, sorted.
    #[must_use]
    pub fn containers(&self, of: &PodKey) -> Vec<ContainerName> {
        self.newest_of(|key| {
            let EntityKey::Container(pod, name) = key else {
                return None;
            };
            (pod == of).then(|| name.clone())
        })
    }

    /// Every entity of the newest column, sorted.
    #[must_use]
    pub fn keys(&self) -> Vec<EntityKey> {
        self.newest_of(|key| Some(key.clone()))
    }

    /// The set of an entity in the newest column.
    #[must_use]
    pub fn latest(&self, entity: &EntityKey) -> Option<MetricSet> {
        self.columns.last()?.sets.get(entity).cloned()
    }

    /// Shows every set of the newest column, one at a time and in the order of their keys; the
    /// set shown is reused for the next.
    pub fn for_each_latest(&self, mut visit: impl FnMut(&MetricSet)) {
        let sets = self.columns.last().map(|column| column.sets.values());
        sets.into_iter().flatten().for_each(&mut visit);
    }

    /// The newest tick at which an entity was written, if that is still within the ring.
    #[must_use]
    pub fn last_written(&self, entity: &EntityKey) -> Option<Timestamp> {
        let mut newest_first = self.columns.iter().rev();
        let column = newest_first.find(|c| c.sets.contains_key(entity))?;
        Some(column.tick)
    }

    fn newest_of<T>(&self, pick: impl Fn(&EntityKey) -> Option<T>) -> Vec<T> {
        let sets = self.columns.last().map(|column| column.sets.keys());
        sets.into_iter().flatten().filter_map(pick).collect()
    }
}

fn is_of(set: &MetricSet, subject: &Subject) -> bool {
    let uid = set.about.pod.as_ref().map(|pod| &pod.uid);
    match (subject, &set.key) {
        (Subject::Entity(key), of) => key == of,
        (Subject::PodId(of), EntityKey::Pod(_)) => uid == Some(of),
        (Subject::PodIdContainer(of, name), EntityKey::Container(_, container)) => {
            uid == Some(of) && name == container
        }
        _ => false,
    }
}
