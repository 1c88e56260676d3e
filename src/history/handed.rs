//! Questions to an entity as it was handed over, answered as the ring would.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::{EntityKey, Metric, Timestamp, Value};

use super::columns::Columns;
use super::hand_off::{HandedFamily, HandedLife, HandedMember, HandedTrack, RingColumns};
use super::shape::Shapes;
use super::track::Track;
use super::{Series, Span, Subject};

impl HandedFamily {
    /// The points of a series, ascending, of those columns that are finished.
    #[must_use]
    pub fn points(
        &self,
        subject: &Subject,
        series: &Series,
        span: Span,
        columns: &RingColumns,
    ) -> Vec<(Timestamp, Value)> {
        let (known, mut points) = (columns.known(), Vec::new());
        for track in self.tracks(subject, columns) {
            track.points(series, span, &known, &mut points);
        }
        points.reverse();
        points.sort_by_key(|(tick, _)| *tick);
        points
    }

    /// The names of the unlabelled metrics it has in any finished column.
    #[must_use]
    pub fn metric_names(&self, subject: &Subject, columns: &RingColumns) -> BTreeSet<String> {
        let (known, mut names) = (columns.known(), BTreeSet::new());
        for track in self.tracks(subject, columns) {
            track.each_series(&known, |series| {
                let named = series.by.is_none() || series.metric == Metric::ResourceRequest;
                names.extend(named.then(|| series.name().into_owned()));
            });
        }
        names.retain(|name| !name.is_empty());
        names
    }

    /// Tells whether it has a row in the newest finished column.
    #[must_use]
    pub fn is_present(&self, columns: &RingColumns) -> bool {
        let own = self.lives.iter().filter_map(|life| life.own.as_ref());
        own.into_iter().any(|own| own.is_present(columns))
    }

    /// Its system containers that have a row in the newest finished column.
    #[must_use]
    pub fn system_containers(&self, columns: &RingColumns) -> Vec<Arc<str>> {
        let members = self.lives.iter().flat_map(|life| &life.members);
        let present = members.filter_map(|(member, track)| match member {
            HandedMember::System(name) if track.is_present(columns) => Some(Arc::clone(name)),
            HandedMember::System(_) | HandedMember::Container(_) => None,
        });
        present.collect()
    }

    /// The tracks of a subject, the current life's first.
    fn tracks(&self, subject: &Subject, columns: &RingColumns) -> Vec<Track> {
        let mut shapes = Shapes::default();
        let lives = self.lives.iter().rev();
        let tracks = lives.filter_map(|life| life.track_of(subject));
        let sound = tracks.filter_map(|track| {
            let track = track.clone().into_track(columns.begun.0, &mut shapes);
            track.ok()
        });
        sound.collect()
    }
}

impl HandedLife {
    fn track_of(&self, subject: &Subject) -> Option<&HandedTrack> {
        let member = match subject {
            Subject::Entity(EntityKey::Container(_, name)) => {
                Some(HandedMember::Container(name.clone()))
            }
            Subject::Entity(EntityKey::SystemContainer(_, name)) => {
                Some(HandedMember::System(Arc::clone(name)))
            }
            Subject::Entity(_) => None,
            Subject::PodId(uid) => {
                self.uid.as_ref().filter(|own| *own == uid)?;
                None
            }
            Subject::PodIdContainer(uid, name) => {
                self.uid.as_ref().filter(|own| *own == uid)?;
                Some(HandedMember::Container(name.clone()))
            }
        };
        let Some(member) = member else {
            return self.own.as_ref();
        };
        let found = self.members.iter().find(|(name, _)| *name == member);
        found.map(|(_, track)| track)
    }
}

impl HandedTrack {
    fn is_present(&self, columns: &RingColumns) -> bool {
        let newest = columns.finished.last();
        newest.is_some_and(|(number, _)| self.has(*number))
    }
}

impl RingColumns {
    fn known(&self) -> Columns {
        let mut columns = Columns::default();
        for (number, tick) in &self.finished {
            columns.push(*number, *tick);
        }
        columns
    }
}
