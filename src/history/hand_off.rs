//! What one replica hands to another: the ring, its rows packed as they are.

use std::sync::Arc;

use crate::domain::{
    About, ContainerName, EntityKey, Inventory, Labels, MetricSet, NodeName, PodPhase, PodRecord,
    Timestamp,
};

use super::columns::Columns;
use super::family::{Family, Life, Lives, Member, Totals};
use super::index::Named;
use super::record::Records;
use super::ring::Writer;
use super::track::{NEVER, Stamps, Track};
use super::{History, Series};

/// The columns of a ring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RingColumns {
    /// Number and tick of those that are finished, ascending.
    pub finished: Vec<(u32, Timestamp)>,
    /// The one begun last, which may be the last finished one or be unfinished.
    pub begun: (u32, Timestamp),
}

/// A ring that is being handed over: its columns, and its families one after the other.
#[derive(Debug)]
pub struct Handing {
    columns: RingColumns,
    families: std::vec::IntoIter<Named>,
}

/// Everything of one entity and its parts.
#[derive(Clone, Debug, PartialEq)]
pub struct HandedFamily {
    /// The entity.
    pub key: EntityKey,
    /// Whoever bore its name, oldest first.
    pub lives: Vec<HandedLife>,
}

/// One life of an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct HandedLife {
    /// The pod's UID.
    pub uid: Option<Arc<str>>,
    /// The node it is, or ran on.
    pub node: Option<NodeName>,
    /// Its own rows.
    pub own: Option<HandedTrack>,
    /// The rows of its parts.
    pub members: Vec<(HandedMember, HandedTrack)>,
}

/// A part of an entity, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandedMember {
    /// A container of a pod.
    Container(ContainerName),
    /// A system container of a node.
    System(Arc<str>),
}

/// The packed rows of one entity in one life.
#[derive(Clone, Debug, PartialEq)]
pub struct HandedTrack {
    /// The number of the newest row's column.
    pub newest: u32,
    /// Start and sample of the newest row and of the one before it.
    pub stamps: [(Option<Timestamp>, Option<Timestamp>); 2],
    /// The series, in the order in which their values stand in a row.
    pub series: Vec<Series>,
    /// The rows, as this room packs them.
    pub rows: Box<[u8]>,
}

/// A ring that is being taken over. Nothing of it is seen before [`Taking::finish`]; dropped before
/// that, all of it is forgotten.
#[derive(Debug)]
pub struct Taking<'a> {
    history: &'a History,
    inventory: &'a Inventory,
    columns: RingColumns,
    added: usize,
    finished: bool,
}

/// Why a ring, or a part of one, is not taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// We have columns of our own.
    #[error("the history is not empty")]
    NotEmpty,
    /// The columns are none that follow each other.
    #[error("the columns are not in order")]
    Columns,
    /// A family, a life or its rows are none this room writes.
    #[error("the rows are malformed")]
    Rows,
    /// It does not fit the memory limits, by far: what is a little too much is shed instead.
    #[error("the history exceeds its memory limit")]
    Full,
}

/// Column numbers stay below this, far from where they would begin again.
const HIGHEST_NUMBER: u32 = u32::MAX / 2;
/// How many families are added between two looks at the memory limits.
const LOOK_EVERY: usize = 256;
/// More series than any entity has.
const MOST_SERIES: usize = 4096;

impl History {
    /// What there is to hand to another replica; `None` while there is no finished column.
    #[must_use]
    pub fn hand_off(&self) -> Option<Handing> {
        let (finished, begun) = {
            let writer = self.writer.lock();
            (self.columns.load_full(), writer.begun?)
        };
        finished.last()?;
        let mut families = Vec::new();
        self.index.each(|named| {
            families.push(Named {
                key: named.key.clone(),
                family: Arc::clone(&named.family),
            });
        });
        Some(Handing {
            columns: RingColumns {
                finished: finished.numbered().collect(),
                begun,
            },
            families: families.into_iter(),
        })
    }

    /// Begins to take over the ring of another replica, which must be done before the first column
    /// of our own. Pods and nodes the inventory knows are joined with it.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub fn take_over<'a>(
        &'a self,
        columns: RingColumns,
        inventory: &'a Inventory,
    ) -> Result<Taking<'a>, NotTaken> {
        let ascend = |pair: &[(u32, Timestamp)]| match pair {
            [a, b] => a.0 < b.0 && a.1 < b.1,
            _ => true,
        };
        let begun = columns.begun;
        let last = columns.finished.last().ok_or(NotTaken::Columns)?;
        let follows = *last == begun || ascend(&[*last, begun]);
        if !columns.finished.windows(2).all(ascend) || !follows || begun.0 > HIGHEST_NUMBER {
            return Err(NotTaken::Columns);
        }
        let mut writer = self.writer.lock();
        if writer.begun.is_some() {
            return Err(NotTaken::NotEmpty);
        }
        writer.begun = Some(begun);
        Ok(Taking {
            history: self,
            inventory,
            columns,
            added: 0,
            finished: false,
        })
    }
}

impl Handing {
    /// The columns.
    #[must_use]
    pub const fn columns(&self) -> &RingColumns {
        &self.columns
    }
}

impl Iterator for Handing {
    type Item = HandedFamily;

    /// The next family that has rows, with those it has now. Its lock is held while they are copied.
    fn next(&mut self) -> Option<HandedFamily> {
        let newest = self.columns.begun.0;
        self.families.find_map(|Named { key, family }| {
            let lives = family.lives.lock().0.clone();
            let handed = lives.into_iter().map(|life| HandedLife::of(life, newest));
            let lives: Vec<_> = handed.filter(HandedLife::is_any).collect();
            (!lives.is_empty()).then_some(HandedFamily { key, lives })
        })
    }
}

impl HandedLife {
    /// Rows of columns begun since the columns were told are left out with their whole track: that
    /// happens to what is handed over while a column is made, once a tick.
    fn of(life: Life, newest: u32) -> Self {
        let Life {
            about,
            own,
            members,
        } = life;
        let known = |track: &Track| track.newest <= newest;
        let members = members.into_iter().filter(|(_, track)| known(track));
        Self {
            uid: about.pod.as_ref().map(|pod| Arc::clone(&pod.uid)),
            node: about.node.as_ref().map(|node| node.name.clone()),
            own: own.filter(known).map(HandedTrack::of),
            members: members
                .map(|(member, track)| (member.into(), HandedTrack::of(track)))
                .collect(),
        }
    }

    fn is_any(&self) -> bool {
        self.own.is_some() || !self.members.is_empty()
    }
}

impl HandedTrack {
    fn of(track: Track) -> Self {
        let stamp = |millis| (millis != NEVER).then_some(Timestamp::from_millis(millis));
        let shape = &track.shape;
        let series = shape.columns().iter().map(|column| shape.series(*column));
        Self {
            newest: track.newest,
            stamps: track
                .stamps
                .map(|stamps| (stamp(stamps.started), stamp(stamps.sampled))),
            series: series.collect(),
            rows: track.bytes,
        }
    }

    /// Tells whether the rows are whole, each of a column older than the one before.
    fn is_sound(&self, begun: u32) -> bool {
        let mut newer = None;
        let mut length = 0;
        for record in Records::new(&self.rows, self.newest) {
            length += record.bytes.len();
            if newer.is_some_and(|newer| record.tick >= newer) {
                return false;
            }
            newer = Some(record.tick);
        }
        let mut series: Vec<_> = self.series.iter().collect();
        series.sort_unstable();
        series.dedup();
        newer.is_some()
            && length == self.rows.len()
            && self.newest <= begun
            && series.len() == self.series.len()
            && series.len() <= MOST_SERIES
    }

    fn into_track(self, begun: u32, writer: &mut Writer) -> Result<Track, NotTaken> {
        if !self.is_sound(begun) {
            return Err(NotTaken::Rows);
        }
        let millis = |stamp: Option<Timestamp>| stamp.map_or(NEVER, Timestamp::as_millis);
        Ok(Track {
            newest: self.newest,
            stamps: self.stamps.map(|(started, sampled)| Stamps {
                started: millis(started),
                sampled: millis(sampled),
            }),
            shape: writer.bench.shapes.shape(&self.series),
            bytes: self.rows,
        })
    }
}

impl Taking<'_> {
    /// Adds a family, once.
    ///
    /// # Errors
    /// [`NotTaken`]: nothing of the ring can be taken over then.
    pub fn add(&mut self, handed: HandedFamily) -> Result<(), NotTaken> {
        let mut writer = self.history.writer.lock();
        let HandedFamily { key, lives } = handed;
        let whole = !matches!(
            key,
            EntityKey::Container(..) | EntityKey::SystemContainer(..)
        );
        if !whole || lives.is_empty() {
            return Err(NotTaken::Rows);
        }
        let lives = lives.into_iter();
        let lives = lives.map(|life| self.life(&key, life, &mut writer));
        let lives = Lives(lives.collect::<Result<_, _>>()?);
        let mut set = MetricSet::new(key);
        set.about = lives.0.last().map(|l| l.about.clone()).unwrap_or_default();
        let (family, is_new) = self.history.index.find_or_begin(&set);
        self.put(&family, lives, &mut writer)?;
        if is_new {
            writer.totals.bytes += Totals::FAMILY;
        }
        self.added += 1;
        // What the process has left is asked of the kernel, so not each time.
        if self.added.is_multiple_of(LOOK_EVERY) && self.history.exceeds(&mut writer) {
            return Err(NotTaken::Full);
        }
        Ok(())
    }

    /// Shows all of it to readers.
    pub fn finish(mut self) {
        let mut columns = Columns::default();
        for (number, tick) in &self.columns.finished {
            columns.push(*number, *tick);
        }
        let mut writer = self.history.writer.lock();
        self.history.show(&mut writer, columns);
        self.finished = true;
    }

    fn put(&self, family: &Arc<Family>, lives: Lives, writer: &mut Writer) -> Result<(), NotTaken> {
        let mut kept = family.lives.lock();
        if !kept.0.is_empty() {
            return Err(NotTaken::Rows);
        }
        let uids: Vec<_> = lives.0.iter().filter_map(Life::uid).cloned().collect();
        writer.totals = writer.totals + lives.totals();
        *kept = lives;
        drop(kept);
        for uid in uids {
            self.history.index.name(uid, family);
        }
        Ok(())
    }

    fn life(
        &self,
        key: &EntityKey,
        handed: HandedLife,
        writer: &mut Writer,
    ) -> Result<Life, NotTaken> {
        let begun = self.columns.begun.0;
        if !handed.is_any() {
            return Err(NotTaken::Rows);
        }
        let about = self.about(key, handed.uid, handed.node.as_ref());
        let own = handed.own.map(|track| track.into_track(begun, writer));
        let mut members = Vec::with_capacity(handed.members.len());
        for (member, track) in handed.members {
            let fits = matches!(
                (key, &member),
                (EntityKey::Pod(_), HandedMember::Container(_))
                    | (EntityKey::Node(_), HandedMember::System(_))
            );
            let member = Member::from(member).shared(&about);
            let known = members.iter().any(|(other, _)| *other == member);
            if !fits || known {
                return Err(NotTaken::Rows);
            }
            members.push((member, track.into_track(begun, writer)?));
        }
        Ok(Life {
            own: own.transpose()?,
            about,
            members,
        })
    }

    /// What the inventory says of an entity; of a pod it does not know what was handed over alone.
    fn about(&self, key: &EntityKey, uid: Option<Arc<str>>, node: Option<&NodeName>) -> About {
        let namespace = match key {
            EntityKey::Namespace(namespace) => Some(namespace),
            EntityKey::Pod(pod) => Some(&pod.namespace),
            EntityKey::Cluster
            | EntityKey::Node(_)
            | EntityKey::SystemContainer(..)
            | EntityKey::Container(..) => None,
        };
        let pod = match (key, uid) {
            (EntityKey::Pod(key), Some(uid)) => {
                let known = self
                    .inventory
                    .pod(key.namespace.as_str(), key.name.as_str());
                let known = known.filter(|pod| pod.uid == uid);
                known.or_else(|| {
                    Some(Arc::new(PodRecord {
                        key: key.clone(),
                        uid,
                        node: node.cloned(),
                        labels: Labels::default(),
                        phase: PodPhase::Unknown,
                        containers: [].into(),
                    }))
                })
            }
            _ => None,
        };
        About {
            node: node.and_then(|node| self.inventory.node(node.as_str())),
            pod,
            namespace_uid: namespace.and_then(|n| self.inventory.namespace_uid(n.as_str())),
        }
    }
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.history.begin_anew();
            self.history.writer.lock().begun = None;
        }
    }
}

impl From<Member> for HandedMember {
    fn from(member: Member) -> Self {
        match member {
            Member::Container(name) => Self::Container(name),
            Member::System(name) => Self::System(name),
        }
    }
}

impl From<HandedMember> for Member {
    fn from(member: HandedMember) -> Self {
        match member {
            HandedMember::Container(name) => Self::Container(name),
            HandedMember::System(name) => Self::System(name),
        }
    }
}
