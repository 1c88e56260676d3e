//! The one word for how a node fares, and the reasons for it.

use std::time::Duration;

use crate::domain::Timestamp;
use crate::scrape::NodeHealth;

/// How a node fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// It has numbers, and the last attempt to get newer ones succeeded.
    Fresh,
    /// Its last good numbers are served, and the last attempt to get newer ones failed.
    Stale,
    /// It has no numbers, because attempts fail or bring none.
    Failing,
    /// It has no numbers yet, as is usual in the first seconds.
    Pending,
    /// The node selector leaves it out.
    Excluded,
}

/// What is known of a node.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// The node selector chooses it.
    pub(super) selected: bool,
    /// Its `Ready` condition is `True`.
    pub(super) ready: bool,
    /// How its schedule fares; `None` when it has none (yet).
    pub(super) health: Option<NodeHealth>,
    /// When the numbers that are served were measured.
    pub(super) sample: Option<Timestamp>,
}

/// What is made of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) state: State,
    pub(super) since: Option<Timestamp>,
    pub(super) cause: &'static str,
    pub(super) message: String,
    pub(super) remedy: String,
}

/// For how long good answers may bring no number before that is a fault: a rate takes two of the
/// kubelet's samples, which are 10 s apart, and a resolution of a minute may lie between two
/// questions.
const GRACE: Duration = Duration::from_secs(90);

const EXCLUDED: &str = "the node selector (--node-selector) leaves this node out";
const NO_NUMBER: &str = "the kubelet answers, and its answers bring no number: its samples of the node have no CPU or \
     memory, or all the same time";
const NO_NUMBER_REMEDY: &str = "compare the node's lines of two answers: kubectl get --raw /api/v1/nodes/NODE/proxy/metrics/resource | grep ^node_; \
     then look at the kubelet's log and its clock";

impl State {
    /// All states, in the order in which they are listed.
    pub const ALL: [Self; 5] = [
        Self::Fresh,
        Self::Stale,
        Self::Failing,
        Self::Pending,
        Self::Excluded,
    ];

    /// Its name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "Fresh",
            Self::Stale => "Stale",
            Self::Failing => "Failing",
            Self::Pending => "Pending",
            Self::Excluded => "Excluded",
        }
    }

    /// Its name in metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Failing => "failing",
            Self::Pending => "pending",
            Self::Excluded => "excluded",
        }
    }
}

impl Judgement {
    /// Judges a node at `now`.
    pub(super) fn of(facts: &Facts, now: Timestamp) -> Self {
        if !facts.selected {
            return Self {
                cause: "selector",
                message: EXCLUDED.to_owned(),
                ..Self::plain(State::Excluded, None)
            };
        }
        let Some(health) = &facts.health else {
            return Self::plain(State::Pending, None);
        };
        if let Some(failure) = &health.failure {
            let state = match facts.sample {
                Some(_) => State::Stale,
                None => State::Failing,
            };
            let note = if facts.ready {
                ""
            } else {
                "; the API server says that the node is not Ready"
            };
            return Self {
                state,
                since: Some(failure.since),
                cause: failure.cause,
                message: format!("{}{note}", failure.says),
                remedy: failure.remedy.to_owned(),
            };
        }
        if facts.sample.is_some() {
            return Self::plain(State::Fresh, health.succeeds_since);
        }
        let answers_for = |since: Timestamp| now.since(since).unwrap_or_default();
        match health.succeeds_since {
            Some(since) if answers_for(since) > GRACE => Self {
                cause: "no_number",
                message: NO_NUMBER.to_owned(),
                remedy: NO_NUMBER_REMEDY.to_owned(),
                ..Self::plain(State::Failing, Some(since))
            },
            since => Self::plain(State::Pending, since),
        }
    }

    const fn plain(state: State, since: Option<Timestamp>) -> Self {
        Self {
            state,
            since,
            cause: "",
            message: String::new(),
            remedy: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrape::ScrapeFailure;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn ago(seconds: i64) -> Timestamp {
        Timestamp::from_millis(NOW.as_millis() - seconds * 1000)
    }

    fn answering(seconds: i64) -> Option<NodeHealth> {
        Some(NodeHealth {
            last_success: Some(ago(1)),
            succeeds_since: Some(ago(seconds)),
            failure: None,
        })
    }

    fn failing() -> Option<NodeHealth> {
        Some(NodeHealth {
            last_success: Some(ago(40)),
            succeeds_since: None,
            failure: Some(ScrapeFailure {
                cause: "tls",
                says: "who knows".into(),
                remedy: "do this",
                since: ago(30),
            }),
        })
    }

    #[test]
    fn a_node_is_judged_by_what_is_served_and_how_it_was_got() {
        use State::{Excluded, Failing, Fresh, Pending, Stale};
        let (yes, no) = (Some(ago(5)), None);
        for (selected, health, sample, state, cause) in [
            (false, None, no, Excluded, "selector"),
            // It was asked before the selector's view of it changed.
            (false, failing(), yes, Excluded, "selector"),
            (true, None, no, Pending, ""),
            (true, Some(NodeHealth::default()), no, Pending, ""),
            (true, answering(3), no, Pending, ""),
            (true, answering(91), no, Failing, "no_number"),
            (true, answering(91), yes, Fresh, ""),
            (true, failing(), yes, Stale, "tls"),
            (true, failing(), no, Failing, "tls"),
        ] {
            let facts = Facts {
                selected,
                ready: true,
                health,
                sample,
            };
            let judged = Judgement::of(&facts, NOW);
            assert_eq!((judged.state, judged.cause), (state, cause), "{facts:?}");
            let explained = !judged.message.is_empty();
            assert_eq!(explained, !cause.is_empty(), "{facts:?}");
        }
    }

    #[test]
    fn a_failure_says_since_when_and_that_the_node_is_not_ready() {
        let facts = Facts {
            selected: true,
            ready: false,
            health: failing(),
            sample: None,
        };
        let judged = Judgement::of(&facts, NOW);
        assert_eq!(judged.since, Some(ago(30)));
        assert_eq!(judged.remedy, "do this");
        let message = "who knows; the API server says that the node is not Ready";
        assert_eq!(judged.message, message);
    }
}
