//! Which states of which events were handed on already.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};

use crate::domain::Event;

/// The states handed on last, by UID.
///
/// Bounded: beyond so many events the one seen first is forgotten, and would be handed on again were
/// it told again.
#[derive(Debug)]
pub(super) struct Seen {
    most: usize,
    states: HashMap<u128, State>,
    order: VecDeque<u128>,
    /// UIDs are kept as two hashes of them, which nobody outside can foresee.
    hashers: [RandomState; 2],
}

/// What tells one state of an event from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    series: bool,
    count: u64,
}

impl Seen {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            states: HashMap::new(),
            order: VecDeque::new(),
            hashers: Default::default(),
        }
    }

    /// Notes a state; `false` when it was noted before.
    pub(super) fn note(&mut self, event: &Event) -> bool {
        let state = State {
            series: event.series.is_some(),
            count: event.occurrences(),
        };
        let [high, low] = &self.hashers;
        let key =
            u128::from(high.hash_one(&event.uid)) << 64 | u128::from(low.hash_one(&event.uid));
        match self.states.insert(key, state) {
            Some(before) => before != state,
            None => {
                self.order.push_back(key);
                if self.order.len() > self.most
                    && let Some(first) = self.order.pop_front()
                {
                    self.states.remove(&first);
                }
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::EventSeries;

    fn event(uid: &str, count: u64) -> Event {
        Event {
            uid: uid.into(),
            count,
            ..Event::default()
        }
    }

    #[test]
    fn a_state_is_new_once() {
        let mut seen = Seen::new(9);
        assert!(seen.note(&event("a", 1)) && seen.note(&event("b", 1)));
        assert!(!seen.note(&event("a", 1)) && seen.note(&event("a", 2)));
        let mut series = event("a", 2);
        series.series = Some(EventSeries {
            count: 2,
            last_observed: None,
        });
        assert!(seen.note(&series) && !seen.note(&series));
    }

    #[test]
    fn what_was_seen_first_is_forgotten_first() {
        let mut seen = Seen::new(2);
        for uid in ["a", "b", "c"] {
            assert!(seen.note(&event(uid, 1)));
        }
        assert!(!seen.note(&event("c", 1)) && !seen.note(&event("b", 1)));
        assert!(seen.note(&event("a", 1)));
        assert_eq!((seen.states.len(), seen.order.len()), (2, 2));
    }
}
