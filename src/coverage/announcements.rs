//! Which changes are worth an Event.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{NodeCoverage, Snapshot, State};
use crate::domain::{NodeName, NodeRecord};

/// What is said of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Announcement {
    pub(super) node: NodeName,
    /// Its metrics can be had again; else they cannot.
    pub(super) available: bool,
    pub(super) note: String,
}

/// What was said of each node, and when.
///
/// Bounds: [`AT_ONCE`] Events a look, and for one node none within [`PAUSE`] of the last one, so
/// that a node that comes and goes is told of once, with how often. What was not said for that
/// reason is said later, if it still holds then.
#[derive(Debug, Default)]
pub(super) struct Announcements {
    said: HashMap<NodeName, Said>,
}

#[derive(Debug)]
struct Said {
    available: bool,
    cause: &'static str,
    at: Option<Instant>,
    /// Changes seen since.
    changes: u32,
    seen: bool,
}

/// The most Events of one look.
const AT_ONCE: usize = 10;
/// The shortest time between two Events of one node.
const PAUSE: Duration = Duration::from_secs(60);

impl Announcements {
    /// Takes a look; returns what to say now. A node that is not Ready is not spoken of: its
    /// kubelet is expected to be silent, and others say so.
    pub(super) fn look(&mut self, snapshot: &Snapshot, now: Instant) -> Vec<Announcement> {
        self.said
            .retain(|name, _| snapshot.node(name.as_str()).is_some());
        let mut out = Vec::new();
        for node in snapshot.nodes() {
            let available = match node.state {
                State::Fresh => true,
                State::Failing if node.record.ready => false,
                State::Failing | State::Stale | State::Pending | State::Excluded => continue,
            };
            if let Some(said) = self.judge(&node.record, available, node.cause, now)
                && out.len() < AT_ONCE
            {
                let changes = std::mem::take(&mut said.changes);
                (said.available, said.cause, said.at) = (available, node.cause, Some(now));
                out.push(announcement(node, available, changes));
            }
        }
        out
    }

    /// What was said of the node, when there is something else to say now.
    fn judge(
        &mut self,
        record: &NodeRecord,
        available: bool,
        cause: &'static str,
        now: Instant,
    ) -> Option<&mut Said> {
        // Who knows nothing of a node takes it for a good one: that is no news.
        let said = self.said.entry(record.name.clone()).or_insert(Said {
            available: true,
            cause: "",
            at: None,
            changes: 0,
            seen: true,
        });
        if said.seen != available {
            said.seen = available;
            said.changes = said.changes.saturating_add(1);
        }
        let news = (said.available, said.cause) != (available, cause);
        let rested = said
            .at
            .is_none_or(|at| now.saturating_duration_since(at) >= PAUSE);
        (news && rested).then_some(said)
    }
}

fn announcement(node: &NodeCoverage, available: bool, changes: u32) -> Announcement {
    let mut note = if available {
        "The metrics of this node can be had again".to_owned()
    } else {
        let NodeCoverage {
            message, remedy, ..
        } = node;
        format!("No metrics of this node: {message}. To do: {remedy}")
    };
    if changes > 1 {
        note.push_str(&format!(" (changed {changes} times since the last Event)"));
    }
    Announcement {
        node: node.record.name.clone(),
        available,
        note,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, coverage};
    use super::*;

    fn look(announcements: &mut Announcements, state: State, now: Instant) -> Vec<String> {
        let snapshot = Snapshot::after(None, vec![coverage("n1", state, "tls")], at(0));
        let said = announcements.look(&snapshot, now);
        said.into_iter().map(|one| one.note).collect()
    }

    #[tokio::test]
    async fn a_change_is_told_once_and_a_good_beginning_is_no_news() {
        use State::{Failing, Fresh, Pending, Stale};
        let start = tokio::time::Instant::now().into_std();
        let mut announcements = Announcements::default();
        let mut told = |state, seconds| {
            let now = start + Duration::from_secs(seconds);
            look(&mut announcements, state, now).len()
        };
        for (state, seconds, count) in [
            (Pending, 0, 0),
            (Fresh, 10, 0),
            (Stale, 20, 0),
            (Failing, 30, 1),
            (Failing, 40, 0),
            (Failing, 400, 0),
            (Fresh, 410, 1),
            (Fresh, 420, 0),
            // Within the pause: told when it is over, if it still holds.
            (Failing, 430, 0),
            (Fresh, 440, 0),
            (Failing, 460, 0),
            (Failing, 470, 1),
        ] {
            assert_eq!(told(state, seconds), count, "{state:?} after {seconds} s");
        }
    }

    #[tokio::test]
    async fn an_event_explains_and_counts() {
        let start = tokio::time::Instant::now().into_std();
        let mut announcements = Announcements::default();
        let first = look(&mut announcements, State::Failing, start);
        assert_eq!(
            first,
            ["No metrics of this node: says tls. To do: remedy of tls"]
        );
        for seconds in [10, 20, 30, 40] {
            let state = if seconds % 20 == 0 {
                State::Failing
            } else {
                State::Fresh
            };
            look(
                &mut announcements,
                state,
                start + Duration::from_secs(seconds),
            );
        }
        let again = look(
            &mut announcements,
            State::Fresh,
            start + Duration::from_secs(100),
        );
        assert!(again[0].contains("changed 5 times"), "{again:?}");
    }

    #[tokio::test]
    async fn many_nodes_are_told_of_a_few_at_a_time() {
        let start = tokio::time::Instant::now().into_std();
        let mut announcements = Announcements::default();
        let nodes = (10..35).map(|n| coverage(&format!("n{n}"), State::Failing, "connect"));
        let snapshot = Snapshot::after(None, nodes.collect(), at(0));
        let mut counts = Vec::new();
        for _ in 0..4 {
            counts.push(announcements.look(&snapshot, start).len());
        }
        assert_eq!(counts, [10, 10, 5, 0]);
    }
}
