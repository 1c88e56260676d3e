//! What one replica hands to another: the ring, its rows packed as they are.

use std::sync::Arc;

use crate::domain::{ContainerName, EntityKey, NodeName, Timestamp};

use super::family::{Life, Member};
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

    pub(super) fn into_track(self, begun: u32, writer: &mut Writer) -> Result<Track, NotTaken> {
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
