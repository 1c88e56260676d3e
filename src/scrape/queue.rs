//! Who is due next.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::domain::NodeName;

/// The nodes that wait for their time, in two lines: those that took long last time stand apart.
#[derive(Debug, Default)]
pub(super) struct Queue {
    prompt: Line,
    slow: Line,
}

/// By when they are due; and from when on each may be asked in company.
type Line = BTreeMap<(Instant, NodeName), Instant>;

/// A node's place in the [`Queue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// When it is due.
    pub due: Instant,
    /// It took long last time.
    pub slow: bool,
    /// From when on it may be asked in the company of another that is due.
    pub early: Instant,
}

impl Place {
    /// Whether it shares its time with others: a regular moment of a node that answers promptly.
    pub(super) fn has_company(&self) -> bool {
        !self.slow && self.early < self.due
    }
}

impl Queue {
    pub(super) fn insert(&mut self, node: NodeName, place: Place) {
        let line = self.line(place.slow);
        line.insert((place.due, node), place.early);
    }

    pub(super) fn remove(&mut self, node: &NodeName, place: Place) {
        self.line(place.slow).remove(&(place.due, node.clone()));
    }

    /// Takes out the node due longest; slow ones only if `with_slow`.
    pub(super) fn pop_due(&mut self, now: Instant, with_slow: bool) -> Option<(NodeName, Place)> {
        let prompt = first(&self.prompt);
        let slow = first(&self.slow).filter(|_| with_slow);
        let slow = match (prompt, slow) {
            (Some(prompt), Some(slow)) => slow < prompt,
            (prompt, _) => prompt.is_none(),
        };
        if slow && !with_slow {
            return None;
        }
        let line = self.line(slow);
        if first(line)? > now {
            return None;
        }
        let ((due, node), early) = line.pop_first()?;
        Some((node, Place { due, slow, early }))
    }

    /// Takes out the prompt node due next, if it may be asked in company now.
    pub(super) fn pop_early(&mut self, now: Instant) -> Option<(NodeName, Place)> {
        let next = self.prompt.first_entry()?;
        if *next.get() > now {
            return None;
        }
        let ((due, node), early) = next.remove_entry();
        let slow = false;
        Some((node, Place { due, slow, early }))
    }

    /// When the next node is due; slow ones count only if `with_slow`.
    pub(super) fn next_due(&self, with_slow: bool) -> Option<Instant> {
        let slow = first(&self.slow).filter(|_| with_slow);
        [first(&self.prompt), slow].into_iter().flatten().min()
    }

    const fn line(&mut self, slow: bool) -> &mut Line {
        if slow {
            &mut self.slow
        } else {
            &mut self.prompt
        }
    }
}

fn first(line: &Line) -> Option<Instant> {
    line.first_key_value().map(|((due, _), _)| *due)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_longest_due_comes_first_and_slow_ones_only_when_there_is_room() {
        let now = Instant::now();
        let mut queue = Queue::default();
        let mut insert = |name: &str, after: u64, slow| {
            let due = now + Duration::from_secs(after);
            let early = due;
            queue.insert(NodeName::new(name).unwrap(), Place { due, slow, early });
        };
        insert("b", 2, false);
        insert("a", 1, true);
        insert("c", 3, false);
        insert("d", 9, false);
        let at = now + Duration::from_secs(5);
        assert_eq!(queue.next_due(false), Some(now + Duration::from_secs(2)));
        assert_eq!(queue.next_due(true), Some(now + Duration::from_secs(1)));
        let mut pop = |with_slow| {
            queue
                .pop_due(at, with_slow)
                .map(|(node, _)| node.to_string())
        };
        assert_eq!(pop(false).as_deref(), Some("b"));
        assert_eq!(pop(true).as_deref(), Some("a"));
        assert_eq!(pop(true).as_deref(), Some("c"));
        assert_eq!(pop(true), None);
    }

    #[test]
    fn who_is_due_later_comes_along_from_its_own_moment_on() {
        let now = Instant::now();
        let at = |millis| now + Duration::from_millis(millis);
        let mut queue = Queue::default();
        for (name, due, early) in [("regular", 700, 500), ("quick", 800, 800)] {
            let (due, early, slow) = (at(due), at(early), false);
            queue.insert(NodeName::new(name).unwrap(), Place { due, slow, early });
        }
        assert_eq!(queue.pop_early(at(499)), None);
        let first = queue.pop_early(at(500)).map(|(node, _)| node.to_string());
        assert_eq!(first.as_deref(), Some("regular"));
        assert_eq!(queue.pop_early(at(799)), None);
        let (quick, _) = queue.pop_due(at(800), true).unwrap();
        assert_eq!(quick.as_str(), "quick");
        assert_eq!(queue.pop_early(at(900)), None);
    }
}
