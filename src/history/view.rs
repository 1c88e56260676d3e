//! What readers see.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::{
    ContainerName, EntityKey, Metric, MetricSet, Namespace, NodeName, PodKey, PodName, Timestamp,
    Value,
};

use super::columns::Columns;
use super::family::Member;
use super::index::Named;
use super::{History, Series, Span, Subject};

/// The past as it was finished when the view was taken. Take one for each request: points that age
/// out in the meantime are missing from it, never half of a column.
#[derive(Clone, Debug)]
pub struct View<'a> {
    history: &'a History,
    columns: Arc<Columns>,
}

impl<'a> View<'a> {
    pub(super) fn new(history: &'a History) -> Self {
        let columns = history.columns.load_full();
        Self { history, columns }
    }

    /// The ticks there are columns of, ascending.
    #[must_use]
    pub fn ticks(&self) -> Vec<Timestamp> {
        self.columns.ticks().collect()
    }

    /// The newest tick.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        self.columns.newest()
    }

    /// The newest tick at which any node was written, if that is still within the ring.
    #[must_use]
    pub fn newest_of_nodes(&self) -> Option<Timestamp> {
        let nodes = self.history.index.nodes().into_iter();
        let written = nodes.filter_map(|node| self.last_written(&node.key));
        written.max()
    }

    /// The points of a series, ascending; those of pods of one name follow each other.
    #[must_use]
    pub fn points(
        &self,
        subject: &Subject,
        series: &Series,
        span: Span,
    ) -> Vec<(Timestamp, Value)> {
        let Some(family) = self.history.index.find(subject) else {
            return Vec::new();
        };
        let mut points = Vec::new();
        family.each_track(subject, |_, track| {
            track.points(series, span, &self.columns, &mut points);
        });
        points.reverse();
        points.sort_by_key(|(tick, _)| *tick);
        points.dedup_by(|later, earlier| {
            let twice = later.0 == earlier.0;
            *earlier = if twice { *later } else { *earlier };
            twice
        });
        // Asked again afterwards: what began to be forgotten meanwhile is not shown in part.
        let oldest = self.history.columns.load().ticks().next();
        points.retain(|(tick, _)| Some(*tick) >= oldest);
        points
    }

    /// The names of the unlabelled metrics an entity has anywhere in the ring, sorted.
    #[must_use]
    pub fn metric_names(&self, entity: &EntityKey) -> Vec<String> {
        let subject = Subject::Entity(entity.clone());
        let mut names = BTreeSet::new();
        if let Some(family) = self.history.index.find(&subject) {
            family.each_track(&subject, |_, track| {
                track.each_series(&self.columns, |series| {
                    let named = series.by.is_none() || series.metric == Metric::ResourceRequest;
                    names.extend(named.then(|| series.name().into_owned()));
                });
            });
        }
        names.into_iter().filter(|name| !name.is_empty()).collect()
    }

    /// The nodes of the newest column, sorted.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeName> {
        let keys = self.present(self.history.index.nodes());
        let name = |key| {
            let EntityKey::Node(name) = key else {
                return None;
            };
            Some(name)
        };
        keys.filter_map(name).collect()
    }

    /// The system containers of a node in the newest column, sorted.
    #[must_use]
    pub fn system_containers(&self, of: &NodeName) -> Vec<Arc<str>> {
        self.members(EntityKey::Node(of.clone()), |member| match member {
            Member::System(name) => Some(Arc::clone(name)),
            Member::Container(_) => None,
        })
    }

    /// The namespaces of the newest column, sorted.
    #[must_use]
    pub fn namespaces(&self) -> Vec<Namespace> {
        let keys = self.present(self.history.index.namespaces());
        let name = |key| {
            let EntityKey::Namespace(name) = key else {
                return None;
            };
            Some(name)
        };
        keys.filter_map(name).collect()
    }

    /// The pods of a namespace in the newest column, sorted.
    #[must_use]
    pub fn pods(&self, of: &Namespace) -> Vec<PodName> {
        let keys = self.present(self.history.index.pods(of));
        let name = |key| {
            let EntityKey::Pod(pod) = key else {
                return None;
            };
            Some(pod.name)
        };
        keys.filter_map(name).collect()
    }

    /// The containers of a pod in the newest column, sorted.
    #[must_use]
    pub fn containers(&self, of: &PodKey) -> Vec<ContainerName> {
        self.members(EntityKey::Pod(of.clone()), |member| match member {
            Member::Container(name) => Some(name.clone()),
            Member::System(_) => None,
        })
    }

    /// Every entity of the newest column, sorted.
    #[must_use]
    pub fn keys(&self) -> Vec<EntityKey> {
        let mut keys = Vec::new();
        if let Some(newest) = self.columns.last() {
            self.history.index.each(|named| {
                let own = named.family.has(newest);
                keys.extend(own.then(|| named.key.clone()));
                named
                    .family
                    .members(newest, |member| keys.push(named.key_of(Some(member))));
            });
        }
        keys.sort_unstable();
        keys
    }

    /// The set of an entity in the newest column.
    #[must_use]
    pub fn latest(&self, entity: &EntityKey) -> Option<MetricSet> {
        let newest = self.columns.last()?;
        let subject = Subject::Entity(entity.clone());
        let family = self.history.index.find(&subject)?;
        let mut set = MetricSet::new(entity.clone());
        let mut found = false;
        family.each_track(&subject, |life, track| {
            if !found && track.read(newest, &mut set) {
                set.about.clone_from(life.about());
                found = true;
            }
        });
        found.then_some(set)
    }

    /// Shows every set of the newest column, one at a time: the cluster, each node with its system
    /// containers, the namespaces, each pod with its containers, sorted by name.
    ///
    /// No lock is held while `visit` runs.
    pub fn for_each_latest(&self, mut visit: impl FnMut(&MetricSet)) {
        let Some(newest) = self.columns.last() else {
            return;
        };
        let mut sets = Vec::new();
        self.history.index.each(|named| {
            let key = |member: Option<&Member>| named.key_of(member);
            let count = named.family.read(newest, key, &mut sets);
            if let Some(filled) = sets.get_mut(..count) {
                filled.sort_unstable_by(|a, b| a.key.cmp(&b.key));
            }
            sets.iter().take(count).for_each(&mut visit);
        });
    }

    /// The newest tick at which an entity was written, if that is still within the ring.
    #[must_use]
    pub fn last_written(&self, entity: &EntityKey) -> Option<Timestamp> {
        let subject = Subject::Entity(entity.clone());
        let family = self.history.index.find(&subject)?;
        let mut newest = None;
        family.each_track(&subject, |_, track| {
            newest = newest.max(track.newest_of(&self.columns));
        });
        newest
    }

    fn present(&self, families: Vec<Named>) -> impl Iterator<Item = EntityKey> {
        let newest = self.columns.last();
        let present = move |named: &Named| newest.is_some_and(|tick| named.family.has(tick));
        families.into_iter().filter(present).map(|named| named.key)
    }

    fn members<T: Ord>(&self, of: EntityKey, pick: impl Fn(&Member) -> Option<T>) -> Vec<T> {
        let mut members = Vec::new();
        let family = self.history.index.find(&Subject::Entity(of));
        if let Some((family, newest)) = family.zip(self.columns.last()) {
            family.members(newest, |member| members.extend(pick(member)));
        }
        members.sort_unstable();
        members
    }
}
