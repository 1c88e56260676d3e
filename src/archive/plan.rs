//! Where in a segment the subjects of a question are.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::segment::{Index, Opened};
use super::source::{Failed, Stopped};
use crate::domain::EntityKey;
use crate::history::{HandedFamily, RingColumns, Subject};

/// Which subjects lie in which frames of a segment.
pub(super) struct Plan<'q> {
    subjects: &'q [Subject],
    columns: RingColumns,
    frames: BTreeMap<u64, Vec<usize>>,
}

impl<'q> Plan<'q> {
    pub(super) fn new(segment: &Opened, subjects: &'q [Subject]) -> Result<Self, Stopped> {
        let (columns, index) = (segment.columns()?, segment.index()?);
        let uid = |subject: &Subject| match subject {
            Subject::Entity(_) => None,
            Subject::PodId(uid) | Subject::PodIdContainer(uid, _) => Some(Arc::clone(uid)),
        };
        let uids: Vec<_> = subjects.iter().filter_map(uid).collect();
        let of_uids = if uids.is_empty() {
            Vec::new()
        } else {
            segment.frames_of(&uids)?
        };
        let mut of_uids = of_uids.into_iter();
        let mut frames: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (number, subject) in subjects.iter().enumerate() {
            let places = match subject {
                Subject::Entity(key) => frame_of(&index, &family_of(key)).into_iter().collect(),
                Subject::PodId(_) | Subject::PodIdContainer(..) => {
                    of_uids.next().unwrap_or_default()
                }
            };
            for at in places.into_iter().filter_map(|place| index.get(place)) {
                frames.entry(at.1).or_default().push(number);
            }
        }
        Ok(Self {
            subjects,
            columns,
            frames,
        })
    }

    /// Calls `found` with every subject and the entity that may be it.
    pub(super) fn each(
        &self,
        segment: &Opened,
        mut found: impl FnMut(usize, &HandedFamily, &RingColumns) -> Result<(), Failed>,
    ) -> Result<(), Stopped> {
        for (at, numbers) in &self.frames {
            let families = segment.families(*at, &self.columns)?;
            for number in numbers {
                let Some(subject) = self.subjects.get(*number) else {
                    continue;
                };
                for family in families.iter().filter(|family| may_be(family, subject)) {
                    found(*number, family, &self.columns)?;
                }
            }
        }
        Ok(())
    }
}

fn may_be(family: &HandedFamily, subject: &Subject) -> bool {
    match subject {
        Subject::Entity(key) => family.key == family_of(key),
        Subject::PodId(uid) | Subject::PodIdContainer(uid, _) => {
            let mut lives = family.lives.iter();
            lives.any(|life| life.uid.as_ref() == Some(uid))
        }
    }
}

/// The entity a part belongs to.
fn family_of(key: &EntityKey) -> EntityKey {
    match key {
        EntityKey::SystemContainer(node, _) => EntityKey::Node(node.clone()),
        EntityKey::Container(pod, _) => EntityKey::Pod(pod.clone()),
        EntityKey::Cluster | EntityKey::Node(_) | EntityKey::Namespace(_) | EntityKey::Pod(_) => {
            key.clone()
        }
    }
}

fn frame_of(index: &Index, key: &EntityKey) -> Option<usize> {
    let behind = index.partition_point(|(first, _)| first <= key);
    behind.checked_sub(1)
}
