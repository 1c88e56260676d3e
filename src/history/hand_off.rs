//! What one replica hands to another: the ring, its rows packed as they are.

use std::sync::Arc;

use crate::domain::{ContainerName, EntityKey, NodeName, Timestamp};

use super::family::{Life, Member};
use super::index::Named;
use super::record::Records;
use super::shape::Shapes;
use super::track::{NEVER, Stamps, Track, Workbench};
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
    /// The first and the last column whose rows are handed over, if not all are.
    stretch: Option<(u32, u32)>,
    bench: Workbench,
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

/// Why a ring, or a part of one, is not taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// A column of our own is being made.
    #[error("the history has begun a column of its own")]
    Begun,
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
        let columns = RingColumns {
            finished: finished.numbered().collect(),
            begun,
        };
        Some(self.handing(columns, None))
    }

    /// The number of the oldest finished column later than `after`. Numbers ascend by one from column
    /// to column, but for one that was given up.
    #[must_use]
    pub fn first_after(&self, after: Option<Timestamp>) -> Option<u32> {
        let columns = self.columns.load();
        let later = |(_, tick): &(u32, Timestamp)| after.is_none_or(|after| *tick > after);
        columns.numbered().find(later).map(|(number, _)| number)
    }

    /// What there is of the finished columns later than `after`, and of no other; `None` without
    /// any. What the ring forgets while it is handed over is missing: ask afterwards for its
    /// [`oldest`](History::oldest).
    #[must_use]
    pub fn hand_off_after(&self, after: Option<Timestamp>) -> Option<Handing> {
        let columns = self.columns.load_full();
        let later = |(_, tick): &(u32, Timestamp)| after.is_none_or(|after| *tick > after);
        let finished: Vec<_> = columns.numbered().filter(later).collect();
        let (first, last) = (*finished.first()?, *finished.last()?);
        let columns = RingColumns {
            finished,
            begun: last,
        };
        Some(self.handing(columns, Some((first.0, last.0))))
    }

    fn handing(&self, columns: RingColumns, stretch: Option<(u32, u32)>) -> Handing {
        let mut families = Vec::new();
        self.index.each(|named| {
            families.push(Named {
                key: named.key.clone(),
                family: Arc::clone(&named.family),
            });
        });
        Handing {
            columns,
            families: families.into_iter(),
            stretch,
            bench: Workbench::default(),
        }
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
        let Self {
            columns,
            families,
            stretch,
            bench,
        } = self;
        let mut wanted = |track: Track| match *stretch {
            // Rows of columns begun since the columns were told are left out with their whole
            // track: that happens to what is handed over while a column is made, once a tick.
            None => (track.newest <= columns.begun.0).then_some(track),
            Some((first, last)) => track.within(first, last, bench),
        };
        families.find_map(|Named { key, family }| {
            let lives = family.lives.lock().0.clone();
            let lives = lives.into_iter();
            let handed = lives.map(|life| HandedLife::of(life, &mut wanted));
            let lives: Vec<_> = handed.filter(HandedLife::is_any).collect();
            (!lives.is_empty()).then_some(HandedFamily { key, lives })
        })
    }
}

impl HandedLife {
    /// A life with what is `wanted` of each of its tracks.
    pub(super) fn of(life: Life, mut wanted: impl FnMut(Track) -> Option<Track>) -> Self {
        let Life {
            about,
            own,
            members,
        } = life;
        let node = about.node.as_ref().map(|node| &node.name);
        let node = node.or_else(|| about.pod.as_ref()?.node.as_ref());
        Self {
            uid: about.pod.as_ref().map(|pod| Arc::clone(&pod.uid)),
            node: node.cloned(),
            own: own.and_then(&mut wanted).map(HandedTrack::of),
            members: members
                .into_iter()
                .filter_map(|(member, track)| {
                    Some((member.into(), HandedTrack::of(wanted(track)?)))
                })
                .collect(),
        }
    }

    pub(super) fn is_any(&self) -> bool {
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
            rows: track.bytes.into(),
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

    /// Tells whether it has a row of this column.
    pub(super) fn has(&self, number: u32) -> bool {
        let mut records = Records::new(&self.rows, self.newest);
        records.any(|record| record.tick == number)
    }

    pub(super) fn into_track(self, begun: u32, shapes: &mut Shapes) -> Result<Track, NotTaken> {
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
            shape: shapes.shape(&self.series),
            bytes: self.rows.into(),
        })
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
