//! A ring that is taken over from another replica.

use std::sync::Arc;

use crate::domain::{
    About, EntityKey, Inventory, Labels, MetricSet, NodeName, PodPhase, PodRecord, Timestamp,
};

use super::History;
use super::columns::Columns;
use super::family::{Family, Life, Lives, Member, Totals};
use super::hand_off::{HandedFamily, HandedLife, HandedMember, NotTaken, RingColumns};
use super::ring::Writer;

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

/// Column numbers stay below this, far from where they would begin again.
const HIGHEST_NUMBER: u32 = u32::MAX / 2;
/// How many families are added between two looks at the memory limits.
const LOOK_EVERY: usize = 256;
impl History {
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
