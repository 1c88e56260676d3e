//! A ring that is taken over, from another replica or from what was kept of our own.

use std::sync::Arc;

use crate::domain::{
    About, EntityKey, Inventory, Labels, MetricSet, NodeName, PodPhase, PodRecord, Timestamp,
};

use super::History;
use super::columns::Columns;
use super::family::{Family, Life, Lives, Member};
use super::hand_off::{HandedFamily, HandedLife, HandedMember, HandedTrack, NotTaken, RingColumns};
use super::ring::Writer;
use super::totals::Totals;
use super::track::{Track, Workbench};

/// A ring that is being taken over: the columns of it that are later than ours. Nothing of it is
/// seen before [`Taking::finish`]; dropped before that, it never is.
#[derive(Debug)]
pub struct Taking<'a> {
    history: &'a History,
    inventory: &'a Inventory,
    /// The later ones, by their numbers there.
    fresh: Vec<(u32, Timestamp)>,
    begun: (u32, Timestamp),
    place: Place,
    added: usize,
    finished: bool,
}

/// Where it goes.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Into an empty ring, by the numbers it has.
    All,
    /// Behind what we have, by other numbers.
    Behind {
        /// Added to its numbers.
        shift: u32,
        /// Our newest tick.
        newest: Option<Timestamp>,
    },
}

/// Column numbers stay below this, far from where they would begin again.
const HIGHEST_NUMBER: u32 = u32::MAX / 2;
/// How many families are added between two looks at the memory limits.
const LOOK_EVERY: usize = 256;
impl History {
    /// Begins to take over a ring, of which only columns later than our own are taken. Must not
    /// happen while a column of our own is made. Pods and nodes the inventory knows are joined with
    /// it.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub fn take_over<'a>(
        &'a self,
        columns: RingColumns,
        inventory: &'a Inventory,
    ) -> Result<Taking<'a>, NotTaken> {
        let RingColumns { finished, begun } = columns;
        let last = finished.last().ok_or(NotTaken::Columns)?;
        let follows = *last == begun || ascend(&[*last, begun]);
        if !finished.windows(2).all(ascend) || !follows || begun.0 > HIGHEST_NUMBER {
            return Err(NotTaken::Columns);
        }
        let mut writer = self.writer.lock();
        let (mut fresh, mut place) = (finished, Place::All);
        if let Some((number, tick)) = writer.begun {
            let newest = self.columns.load().newest();
            let forgotten = Timestamp::from_millis(i64::MIN);
            if tick > newest.unwrap_or(forgotten) {
                return Err(NotTaken::Begun);
            }
            fresh.retain(|(_, tick)| Some(*tick) > newest);
            let first = fresh.first().map_or(begun.0, |(first, _)| *first);
            let shift = number.wrapping_add(1).wrapping_sub(first);
            if begun.0.wrapping_add(shift) > HIGHEST_NUMBER {
                return Err(NotTaken::Columns);
            }
            place = Place::Behind { shift, newest };
        }
        if !fresh.is_empty() {
            writer.begun = Some((place.number(begun.0), begun.1));
        }
        // Nothing fails from here on: dropped, it looks at the ring again.
        Ok(Taking {
            history: self,
            inventory,
            fresh,
            begun,
            place,
            added: 0,
            finished: false,
        })
    }
}

impl Place {
    /// The number a column gets here.
    const fn number(self, there: u32) -> u32 {
        match self {
            Self::All => there,
            Self::Behind { shift, .. } => there.wrapping_add(shift),
        }
    }
}

fn ascend(pair: &[(u32, Timestamp)]) -> bool {
    match pair {
        [a, b] => a.0 < b.0 && a.1 < b.1,
        _ => true,
    }
}

impl Taking<'_> {
    /// How many columns of it are later than ours.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.fresh.len()
    }

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
        let mut lives = lives.collect::<Result<Vec<_>, _>>()?;
        lives.retain(|life| life.own.is_some() || !life.members.is_empty());
        let Some(current) = lives.last() else {
            return Ok(());
        };
        let mut set = MetricSet::new(key);
        set.about = current.about.clone();
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
        self.finished = true;
        if self.fresh.is_empty() {
            return;
        }
        let mut writer = self.history.writer.lock();
        let mut columns = Columns::clone(&self.history.columns.load());
        for (number, tick) in &self.fresh {
            columns.push(self.place.number(*number), *tick);
        }
        self.history.show(&mut writer, columns);
    }

    fn put(
        &self,
        family: &Arc<Family>,
        lives: Vec<Life>,
        writer: &mut Writer,
    ) -> Result<(), NotTaken> {
        let uids: Vec<_> = lives.iter().filter_map(Life::uid).cloned().collect();
        let mut kept = family.lives.lock();
        let before = kept.totals();
        let joined = match self.place {
            Place::All if kept.0.is_empty() => {
                *kept = Lives(lives);
                Ok(())
            }
            Place::All => Err(NotTaken::Rows),
            Place::Behind { .. } => {
                let mut lives = lives.into_iter();
                lives.try_for_each(|life| kept.join(life, &mut writer.bench))
            }
        };
        writer.totals = writer.totals + (kept.totals() - before);
        drop(kept);
        for uid in uids {
            self.history.index.name(uid, family);
        }
        joined
    }

    fn life(
        &self,
        key: &EntityKey,
        handed: HandedLife,
        writer: &mut Writer,
    ) -> Result<Life, NotTaken> {
        let bench = &mut writer.bench;
        life_of(key, handed, self.inventory, |track| {
            self.track(track, bench)
        })
    }

    /// The rows of a track that are later than ours.
    fn track(&self, handed: HandedTrack, bench: &mut Workbench) -> Result<Option<Track>, NotTaken> {
        let track = handed.into_track(self.begun.0, &mut bench.shapes)?;
        let Some((first, _)) = self.fresh.first() else {
            return Ok(None);
        };
        Ok(track.within(*first, u32::MAX, bench).map(|mut track| {
            track.newest = self.place.number(track.newest);
            track
        }))
    }
}

/// A life as it was handed over, with what is wanted of each of its tracks.
pub(super) fn life_of(
    key: &EntityKey,
    handed: HandedLife,
    inventory: &Inventory,
    mut wanted: impl FnMut(HandedTrack) -> Result<Option<Track>, NotTaken>,
) -> Result<Life, NotTaken> {
    if !handed.is_any() {
        return Err(NotTaken::Rows);
    }
    let about = about(inventory, key, handed.uid, handed.node.as_ref());
    let own = handed.own.map(&mut wanted).transpose()?.flatten();
    let mut members: Vec<(Member, Track)> = Vec::with_capacity(handed.members.len());
    let mut names = Vec::with_capacity(handed.members.len());
    for (member, track) in handed.members {
        let fits = matches!(
            (key, &member),
            (EntityKey::Pod(_), HandedMember::Container(_))
                | (EntityKey::Node(_), HandedMember::System(_))
        );
        let member = Member::from(member).shared(&about);
        if !fits || names.contains(&member) {
            return Err(NotTaken::Rows);
        }
        names.push(member.clone());
        members.extend(wanted(track)?.map(|track| (member, track)));
    }
    members.shrink_to_fit();
    Ok(Life {
        own,
        about,
        members,
    })
}

/// What the inventory says of an entity; of a pod it does not know what was handed over alone.
fn about(
    inventory: &Inventory,
    key: &EntityKey,
    uid: Option<Arc<str>>,
    node: Option<&NodeName>,
) -> About {
    let (namespace, named) = match key {
        EntityKey::Namespace(namespace) => (Some(namespace), None),
        EntityKey::Pod(pod) => (Some(&pod.namespace), None),
        EntityKey::Node(node) => (None, Some(node)),
        EntityKey::Cluster | EntityKey::SystemContainer(..) | EntityKey::Container(..) => {
            (None, None)
        }
    };
    let node = node.or(named);
    let pod = match (key, uid) {
        (EntityKey::Pod(key), Some(uid)) => {
            let known = inventory.pod(key.namespace.as_str(), key.name.as_str());
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
        node: node.and_then(|node| inventory.node(node.as_str())),
        pod,
        namespace_uid: namespace.and_then(|n| inventory.namespace_uid(n.as_str())),
    }
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        if self.finished || self.fresh.is_empty() {
            return;
        }
        let begun = (self.place.number(self.begun.0), self.begun.1);
        let mut writer = self.history.writer.lock();
        if writer.begun != Some(begun) {
            // The ring has gone on without waiting.
            return;
        }
        match self.place {
            Place::All => {
                drop(writer);
                self.history.begin_anew();
                self.history.writer.lock().begun = None;
            }
            // Rows of columns that are never shown go with time, as those of one given up.
            Place::Behind { newest, .. } => {
                let newest = newest.unwrap_or(Timestamp::from_millis(i64::MIN));
                writer.begun = Some((begun.0, newest));
            }
        }
    }
}
