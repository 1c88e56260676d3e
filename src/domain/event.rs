//! What happened in the cluster: Kubernetes' Event objects.

use std::collections::BTreeMap;
use std::fmt;

use super::Timestamp;

/// An Event object, whichever of the two APIs it was read from: `v1` and `events.k8s.io/v1` are two
/// forms of one thing. Texts that are not set are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Its namespace: that of what it is about, `default` where that has none.
    pub namespace: String,
    /// Its UID.
    pub uid: String,
    /// The resource version this state of it has.
    pub resource_version: String,
    /// When the object was made.
    pub created: Option<MicroTime>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// What it is about: `regarding`, `involvedObject`.
    pub regarding: ObjectReference,
    /// What else had a part in it.
    pub related: Option<ObjectReference>,
    /// `Normal` or `Warning`; nothing keeps others out.
    pub kind: String,
    /// Why, in one word.
    pub reason: String,
    /// What happened, for people: `note`, `message`.
    pub message: String,
    /// What was done.
    pub action: String,
    /// Who says so, in the old form: `deprecatedSource`, `source`.
    pub source: EventSource,
    /// The controller that says so: `reportingController`, `reportingComponent`.
    pub reporting_controller: String,
    /// Which one of it.
    pub reporting_instance: String,
    /// When it happened first: of those that bear no old times.
    pub event_time: Option<MicroTime>,
    /// How it repeated itself since, in the new form.
    pub series: Option<EventSeries>,
    /// When it happened first, in the old form.
    pub first_timestamp: Option<MicroTime>,
    /// When it happened last, in the old form.
    pub last_timestamp: Option<MicroTime>,
    /// How often it happened, in the old form; 0 where that is not said.
    pub count: u64,
}

/// An object an Event speaks of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectReference {
    /// Its kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Its group and version.
    pub api_version: String,
    /// The resource version it had.
    pub resource_version: String,
    /// The part of it that is meant, such as `spec.containers{web}`.
    pub field_path: String,
}

/// Who made an Event, in the old form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventSource {
    /// The program.
    pub component: String,
    /// The node.
    pub host: String,
}

/// An Event that repeats itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventSeries {
    /// How often.
    pub count: u64,
    /// When last.
    pub last_observed: Option<MicroTime>,
}

/// A point in time in whole microseconds since the Unix epoch: `metav1.MicroTime`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MicroTime(i64);

/// The identity of one state of an Event: what two records share that tell of the same occurrence.
/// It is the UID with the count behind it, `UID.3`, of a series `UID.s3`: the first repetition of
/// a new Event begins to count at one anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventId<'a> {
    uid: &'a str,
    series: bool,
    count: u64,
}

impl MicroTime {
    /// The time so many microseconds after the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The time so many seconds and nanoseconds after the Unix epoch. What cannot be counted in
    /// microseconds is held at the end.
    #[must_use]
    pub const fn from_parts(seconds: i64, nanos: i32) -> Self {
        let micros = seconds.saturating_mul(1_000_000);
        Self(micros.saturating_add((nanos / 1000) as i64))
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The microseconds beyond the whole second.
    #[must_use]
    pub const fn subsec_micros(self) -> i64 {
        self.0.rem_euclid(1_000_000)
    }

    /// The same in milliseconds, rounded down.
    #[must_use]
    pub const fn to_timestamp(self) -> Timestamp {
        Timestamp::from_millis(self.0.div_euclid(1000))
    }
}

impl Event {
    /// How often it has happened, at least once.
    #[must_use]
    pub fn occurrences(&self) -> u64 {
        self.series.map_or(self.count, |series| series.count).max(1)
    }

    /// When it happened last, by whichever time it bears; `None` when it bears none.
    #[must_use]
    pub fn last_seen(&self) -> Option<MicroTime> {
        let of_series = self.series.and_then(|series| series.last_observed);
        of_series
            .or(self.last_timestamp)
            .or(self.event_time)
            .or(self.first_timestamp)
            .or(self.created)
    }

    /// When it happened first, by whichever time it bears; `None` when it bears none.
    #[must_use]
    pub fn first_seen(&self) -> Option<MicroTime> {
        self.first_timestamp.or(self.event_time).or(self.created)
    }

    /// The program that reported it, in whichever form.
    #[must_use]
    pub fn component(&self) -> &str {
        match self.source.component.as_str() {
            "" => &self.reporting_controller,
            component => component,
        }
    }

    /// What is the same whenever this state of the Event is told again, and for no other.
    #[must_use]
    pub fn id(&self) -> EventId<'_> {
        EventId {
            uid: &self.uid,
            series: self.series.is_some(),
            count: self.occurrences(),
        }
    }
}

impl fmt::Display for EventId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let series = if self.series { "s" } else { "" };
        write!(f, "{}.{series}{}", self.uid, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_its_times_counts_whichever_form_it_has() {
        let at = |secs| Some(MicroTime::from_parts(secs, 0));
        let mut event = Event {
            created: at(1),
            ..Event::default()
        };
        assert_eq!((event.first_seen(), event.last_seen()), (at(1), at(1)));
        event.event_time = at(2);
        assert_eq!((event.first_seen(), event.last_seen()), (at(2), at(2)));
        (event.first_timestamp, event.last_timestamp) = (at(3), at(4));
        assert_eq!((event.first_seen(), event.last_seen()), (at(3), at(4)));
        event.series = Some(EventSeries {
            count: 7,
            last_observed: at(5),
        });
        assert_eq!((event.occurrences(), event.last_seen()), (7, at(5)));
    }

    #[test]
    fn each_occurrence_has_an_id_of_its_own() {
        let mut event = Event {
            uid: "u".into(),
            ..Event::default()
        };
        let mut ids = vec![event.id().to_string()];
        event.count = 2;
        ids.push(event.id().to_string());
        event.series = Some(EventSeries {
            count: 1,
            last_observed: None,
        });
        ids.push(event.id().to_string());
        assert_eq!(ids, ["u.1", "u.2", "u.s1"]);
    }

    #[test]
    fn a_time_is_held_at_the_end_of_what_can_be_counted() {
        let time = MicroTime::from_parts(-1, 999_999_999);
        assert_eq!((time.as_micros(), time.subsec_micros()), (-1, 999_999));
        assert_eq!(time.to_timestamp(), Timestamp::from_millis(-1));
        assert_eq!(MicroTime::from_parts(i64::MAX, 0).as_micros(), i64::MAX);
    }
}
