//! Who is due next.

use std::collections::BTreeSet;

use tokio::time::Instant;

use crate::domain::NodeName;

/// The nodes that wait for their time, in two lines: those that took long last time stand apart.
#[derive(Debug, Default)]
pub(super) struct Queue {
    prompt: BTreeSet<(Instant, NodeName)>,
    slow: BTreeSet<(Instant, NodeName)>,
}

/// A node's place in the [`Queue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// When it is due.
    pub due: Instant,
    /// It took long last time.
    pub slow: bool,
}

impl Queue {
    pub(super) fn insert(&mut self, node: NodeName, place: Place) {
        self.line(place.slow).insert((place.due, node));
    }

    pub(super) fn remove(&mut self, node: &NodeName, place: Place) {
        self.line(place.slow).remove(&(place.due, node.clone()));
    }

    /// Takes out the node due longest; slow ones only if `with_slow`.
    pub(super) fn pop_due(&mut self, now: Instant, with_slow: bool) -> Option<(NodeName, Place)> {
        let prompt = self.prompt.first().map(|(due, _)| *due);
        let slow = self.slow.first().map(|(due, _)| *due).filter(|_| with_slow);
        let slow = match (prompt, slow) {
            (Some(prompt), Some(slow)) => slow < prompt,
            (prompt, _) => prompt.is_none(),
        };
        if slow && !with_slow {
            return None;
        }
        let line = self.line(slow);
        let (due, _) = line.first()?;
        if *due > now {
            return None;
        }
        let (due, node) = line.pop_first()?;
        Some((node, Place { due, slow }))
    }

    /// When the next node is due; slow ones count only if `with_slow`.
    pub(super) fn next_due(&self, with_slow: bool) -> Option<Instant> {
        let slow = self.slow.first().filter(|_| with_slow);
        [self.prompt.first(), slow]
            .into_iter()
            .flatten()
            .map(|(due, _)| *due)
            .min()
    }

    const fn line(&mut self, slow: bool) -> &mut BTreeSet<(Instant, NodeName)> {
        if slow {
            &mut self.slow
        } else {
            &mut self.prompt
        }
    }
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
            queue.insert(NodeName::new(name).unwrap(), Place { due, slow });
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
}
