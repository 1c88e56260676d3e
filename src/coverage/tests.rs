use super::state::Facts;
use super::*;
use crate::domain::{NodeName, Timestamp};
use crate::scrape::{NodeHealth, ScrapeFailure};

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_767_323_045_000 + seconds * 1000)
}

fn record(name: &str) -> NodeRecord {
    NodeRecord {
        ready: true,
        ..NodeRecord::new(NodeName::new(name).unwrap())
    }
}

/// A node in this state, failing for this cause where it fails.
pub(super) fn coverage(name: &str, state: State, cause: &'static str) -> NodeCoverage {
    let bad = matches!(state, State::Stale | State::Failing);
    let failure = bad.then(|| ScrapeFailure {
        cause,
        says: format!("says {cause}"),
        remedy: "remedy of tls",
        since: at(-30),
    });
    let facts = Facts {
        selected: state != State::Excluded,
        ready: true,
        health: Some(NodeHealth {
            last_success: Some(at(-60)),
            succeeds_since: (!bad).then(|| at(-80)),
            failure,
        }),
        sample: matches!(state, State::Fresh | State::Stale).then(|| at(-5)),
    };
    let made = NodeCoverage::new(Arc::new(record(name)), facts, at(0));
    assert_eq!(made.state, state);
    made
}

#[test]
fn numbers_move_only_with_what_changed() {
    let nodes = |second| {
        vec![
            coverage("a", State::Fresh, ""),
            coverage("b", second, "tls"),
        ]
    };
    let first = Snapshot::after(None, nodes(State::Fresh), at(0));
    let same = Snapshot::after(Some(&first), nodes(State::Fresh), at(1));
    assert_eq!(same.version(), first.version());
    let next = Snapshot::after(Some(&same), nodes(State::Failing), at(2));
    assert_eq!(next.version(), first.version() + 1);
    assert_eq!(
        next.node("a").unwrap().version,
        first.node("a").unwrap().version
    );
    assert_eq!(next.node("b").unwrap().version, next.version());
    let left = Snapshot::after(Some(&next), vec![coverage("a", State::Fresh, "")], at(3));
    assert_eq!(left.version(), next.version() + 1);
    assert!(left.node("b").is_none());
}

#[test]
fn the_summary_counts_and_names_the_first_that_fails() {
    let nodes = vec![
        coverage("a", State::Fresh, ""),
        coverage("b", State::Failing, "tls"),
        coverage("c", State::Excluded, ""),
    ];
    let snapshot = Snapshot::after(None, nodes, at(0));
    let text = "nodes: 1 fresh, 1 failing, 1 excluded; b: says tls";
    assert_eq!(snapshot.summary(), text);
    let empty = Snapshot::after(None, Vec::new(), at(0));
    assert_eq!(empty.summary(), "no nodes are known");
}
