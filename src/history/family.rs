//! An entity with its parts: a pod and its containers, a node and its system containers.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::{About, ContainerName, EntityKey, MetricSet};

use super::Subject;
use super::totals::Totals;
use super::track::{Track, Workbench};

/// Whoever bore one name within the retention. Its lock is held for one set at a time, so that
/// neither a reader nor the writer waits for more than some microseconds.
#[derive(Debug, Default)]
pub(super) struct Family {
    pub(super) lives: Mutex<Lives>,
}

/// Oldest first, the current one last. Pods of one name are told apart by their UID.
#[derive(Debug, Default)]
pub(super) struct Lives(pub(super) Vec<Life>);

/// One life of an entity.
#[derive(Clone, Debug, Default)]
pub(super) struct Life {
    pub(super) about: About,
    pub(super) own: Option<Track>,
    pub(super) members: Vec<(Member, Track)>,
}

/// A part of an entity, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Member {
    Container(ContainerName),
    System(Arc<str>),
}

/// What became of an appended set.
#[derive(Debug)]
pub(super) struct Appended {
    pub(super) change: Totals,
    /// The set was the second one of its key in this column, and refused.
    pub(super) twice: bool,
    /// The UID of a life that is known by it from now on.
    pub(super) uid: Option<Arc<str>>,
}

/// A block's share of what the heap itself takes.
const HEAP_OVERHEAD: usize = 16;

/// The place of a life in the index of UIDs.
const HELD_BY_UID: usize = 40;

impl Family {
    /// Adds the row of `tick` and forgets those before `first`.
    pub(super) fn append(
        &self,
        tick: u32,
        first: u32,
        set: &MetricSet,
        bench: &mut Workbench,
    ) -> Appended {
        let mut lives = self.lives.lock();
        if let Some(appended) = lives.append_to_known(tick, first, set, bench) {
            return appended;
        }
        let before = lives.totals();
        let mut life = lives.take(&set.about);
        let known = life.uid().is_some();
        life.learn(&set.about);
        let uid = life.uid().filter(|_| !known).cloned();
        let twice = !life.append(tick, first, set, bench);
        lives.put(life);
        Appended {
            change: lives.totals() - before,
            twice,
            uid,
        }
    }

    /// Forgets the rows before `first`, or with `ended_only` just the lives and parts that have no
    /// later one. Calls `forgotten` with the UIDs of lives that are no more.
    pub(super) fn sweep(
        &self,
        first: u32,
        ended_only: bool,
        bench: &mut Workbench,
        mut forgotten: impl FnMut(&Arc<str>),
    ) -> Totals {
        let mut lives = self.lives.lock();
        if ended_only && !lives.has_ended(first) {
            return Totals::default();
        }
        let before = lives.totals();
        let mut stays = |track: &mut Track| {
            if ended_only {
                track.newest() >= first
            } else {
                track.trim(first, bench)
            }
        };
        lives.0.retain_mut(|life| {
            if life.own.as_mut().is_some_and(|track| !stays(track)) {
                life.own = None;
            }
            life.members.retain_mut(|(_, track)| stays(track));
            life.members.shrink_to_fit();
            let lives = life.own.is_some() || !life.members.is_empty();
            if let Some(uid) = life.uid().filter(|_| !lives) {
                forgotten(uid);
            }
            lives
        });
        lives.0.shrink_to_fit();
        lives.totals() - before
    }

    /// Tells whether there is nothing left.
    pub(super) fn is_empty(&self) -> bool {
        self.lives.lock().0.is_empty()
    }

    /// Reads the tracks of a subject, the current life's first.
    pub(super) fn each_track(&self, subject: &Subject, mut read: impl FnMut(&Life, &Track)) {
        let lives = self.lives.lock();
        for life in lives.0.iter().rev() {
            if let Some(track) = life.track_of(subject) {
                read(life, track);
            }
        }
    }

    /// Tells whether it has a row of `tick`.
    pub(super) fn has(&self, tick: u32) -> bool {
        let lives = self.lives.lock();
        let mut tracks = lives.0.iter().filter_map(|life| life.own.as_ref());
        tracks.any(|track| track.has(tick))
    }

    /// The parts that have a row of `tick`.
    pub(super) fn members(&self, tick: u32, mut found: impl FnMut(&Member)) {
        let lives = self.lives.lock();
        let members = lives.0.iter().flat_map(|life| &life.members);
        members
            .filter(|(_, track)| track.has(tick))
            .for_each(|(member, _)| found(member));
    }

    /// Fills `sets` with those of `tick`, the entity's own before those of its parts, and returns
    /// how many there are. `key` names the entity, or one of its parts.
    pub(super) fn read(
        &self,
        tick: u32,
        key: impl Fn(Option<&Member>) -> EntityKey,
        sets: &mut Vec<MetricSet>,
    ) -> usize {
        let lives = self.lives.lock();
        let mut count = 0;
        for life in &lives.0 {
            let own = life.own.iter().map(|track| (None, track));
            let members = life.members.iter().map(|(name, track)| (Some(name), track));
            for (member, track) in own.chain(members) {
                if sets.len() <= count {
                    sets.push(MetricSet::new(EntityKey::Cluster));
                }
                let Some(set) = sets.get_mut(count) else {
                    continue;
                };
                if !track.read(tick, set) {
                    continue;
                }
                set.key = key(member);
                set.about.clone_from(&life.about);
                count += 1;
            }
        }
        count
    }
}

impl Lives {
    /// Takes out the life a set belongs to, or begins it: that of its pod's UID; without a UID on
    /// either side, the current one.
    pub(super) fn take(&mut self, about: &About) -> Life {
        let uid = about.pod.as_ref().map(|pod| &pod.uid);
        let of_uid = |life: &Life| uid.is_some() && life.uid() == uid;
        if let Some(at) = self.0.iter().rposition(of_uid) {
            return self.0.remove(at);
        }
        let current = self.0.pop_if(|life| uid.is_none() || life.uid().is_none());
        current.unwrap_or_default()
    }

    /// Adds a row where the current life of its UID already has the track; `None`, and nothing
    /// changed, where it has not. So the account is not made anew for what comes every tick.
    fn append_to_known(
        &mut self,
        tick: u32,
        first: u32,
        set: &MetricSet,
        bench: &mut Workbench,
    ) -> Option<Appended> {
        let life = self.0.last_mut()?;
        if life.uid() != set.about.pod.as_ref().map(|pod| &pod.uid) {
            return None;
        }
        let track = life.track_mut(&set.key)?;
        let (bytes, series) = (track.held(), track.series());
        let twice = !track.append(tick, first, set, bench);
        let change = Totals {
            bytes: signed(track.held()) - signed(bytes),
            series: signed(track.series()) - signed(series),
            ..Totals::default()
        };
        life.learn(&set.about);
        Some(Appended {
            change,
            twice,
            uid: None,
        })
    }

    /// Tells whether some life or part has no row from `first` on.
    fn has_ended(&self, first: u32) -> bool {
        let mut tracks = self.0.iter().flat_map(Life::tracks);
        tracks.any(|track| track.newest() < first)
    }

    /// Puts a life back as the current one.
    pub(super) fn put(&mut self, life: Life) {
        self.0.reserve_exact(1);
        self.0.push(life);
    }

    pub(super) fn totals(&self) -> Totals {
        let lives = self.0.iter().map(Life::totals);
        lives.fold(Totals::default(), |sum, life| sum + life)
    }
}

impl Life {
    pub(super) fn uid(&self) -> Option<&Arc<str>> {
        self.about.pod.as_ref().map(|pod| &pod.uid)
    }

    pub(super) const fn about(&self) -> &About {
        &self.about
    }

    /// Takes over what is said of it now. Somebody who knows less makes it forget nothing.
    pub(super) fn learn(&mut self, about: &About) {
        let About {
            node,
            pod,
            namespace_uid,
        } = about;
        if node.is_some() {
            self.about.node.clone_from(node);
        }
        if pod.is_some() {
            self.about.pod.clone_from(pod);
        }
        if namespace_uid.is_some() {
            self.about.namespace_uid.clone_from(namespace_uid);
        }
    }

    fn append(&mut self, tick: u32, first: u32, set: &MetricSet, bench: &mut Workbench) -> bool {
        if let Some(track) = self.track_mut(&set.key) {
            return track.append(tick, first, set, bench);
        }
        let member = Member::of(&set.key);
        let track = Track::new(tick, set, bench);
        match member {
            None => self.own = Some(track),
            Some(member) => {
                self.members.reserve_exact(1);
                self.members.push((member.shared(&set.about), track));
            }
        }
        true
    }

    fn track_mut(&mut self, key: &EntityKey) -> Option<&mut Track> {
        let name = match key {
            EntityKey::Container(_, name) => name.as_str(),
            EntityKey::SystemContainer(_, name) => name,
            EntityKey::Cluster
            | EntityKey::Node(_)
            | EntityKey::Namespace(_)
            | EntityKey::Pod(_) => return self.own.as_mut(),
        };
        let mut members = self.members.iter_mut();
        let found = members.find(|(member, _)| member.name() == name);
        found.map(|(_, track)| track)
    }

    pub(super) fn track_of(&self, subject: &Subject) -> Option<&Track> {
        let member = match subject {
            Subject::Entity(key) => Member::of(key),
            Subject::PodId(uid) => {
                self.uid().filter(|own| *own == uid)?;
                None
            }
            Subject::PodIdContainer(uid, name) => {
                self.uid().filter(|own| *own == uid)?;
                Some(Member::Container(name.clone()))
            }
        };
        let Some(member) = member else {
            return self.own.as_ref();
        };
        let found = self.members.iter().find(|(name, _)| *name == member);
        found.map(|(_, track)| track)
    }

    fn tracks(&self) -> impl Iterator<Item = &Track> {
        let members = self.members.iter().map(|(_, track)| track);
        self.own.iter().chain(members)
    }

    fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for track in self.tracks() {
            totals.bytes += signed(track.held());
            totals.series += signed(track.series());
            totals.entities += 1;
        }
        let is_container = |(member, _): &&(Member, Track)| matches!(member, Member::Container(_));
        totals.containers = signed(self.members.iter().filter(is_container).count());
        let members = self.members.len() * size_of::<(Member, Track)>();
        let uid = self.uid().map_or(0, |_| HELD_BY_UID);
        totals.bytes += signed(size_of::<Self>() + members + HEAP_OVERHEAD + uid);
        totals
    }
}

impl Member {
    /// The part a key names, if it names one.
    fn of(key: &EntityKey) -> Option<Self> {
        match key {
            EntityKey::Container(_, name) => Some(Self::Container(name.clone())),
            EntityKey::SystemContainer(_, name) => Some(Self::System(Arc::clone(name))),
            EntityKey::Cluster
            | EntityKey::Node(_)
            | EntityKey::Namespace(_)
            | EntityKey::Pod(_) => None,
        }
    }

    /// Its name; a pod has containers alone, a node system containers alone.
    fn name(&self) -> &str {
        match self {
            Self::Container(name) => name.as_str(),
            Self::System(name) => name,
        }
    }

    /// The same name, in the memory of the pod's record.
    pub(super) fn shared(self, about: &About) -> Self {
        let (Self::Container(name), Some(pod)) = (&self, &about.pod) else {
            return self;
        };
        let record = pod.containers.iter().find(|record| record.name == *name);
        record
            .map(|record| Self::Container(record.name.clone()))
            .unwrap_or(self)
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
