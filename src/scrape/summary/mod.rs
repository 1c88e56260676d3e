//! The summary lane: every kubelet's `/stats/summary`, once for each tick of the roll-up.
//!
//! A sibling of the schedules of resource metrics with a task, places and deadlines of its own. Of
//! those it takes only the connection to a kubelet, and that only when it lies idle. A node that
//! gives no summary loses nothing but what a summary alone knows: whoever reads
//! [`crate::live::Live::measured`] gets its resource metrics instead.

mod driver;
mod metrics;
mod standing;

use std::time::Duration;

use super::schedule::{Phase, stable_hash};
use crate::domain::NodeName;

pub(super) use driver::Driver;
pub(super) use metrics::Metrics;

/// Whether nodes are asked for their summaries, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// They are asked at all.
    pub enabled: bool,
    /// The time between two ticks of the roll-up, which fall on its multiples since the epoch. Each
    /// node is asked once for each tick, within the third before it.
    pub resolution: Duration,
    /// The most attempts under way at once, and no more than a tenth of the nodes from 16 on; nodes
    /// beyond it wait for their turn, the longest due first. Resource metrics have places of their own.
    pub concurrency: usize,
    /// The bound on one attempt. A summary takes a kubelet longer than the resource metrics do: it
    /// looks at volumes too.
    pub timeout: Duration,
}

/// After how long a node that refused its summary or has none is asked again.
const RETRY: Duration = Duration::from_secs(600);

/// How long before a tick an answer is to be there, at a resolution of a minute and more.
const MARGIN: Duration = Duration::from_secs(5);

impl Default for Config {
    /// Asks once a minute, 128 nodes at once, 10 s each.
    fn default() -> Self {
        Self {
            enabled: true,
            resolution: Duration::from_secs(60),
            concurrency: 128,
            timeout: Duration::from_secs(10),
        }
    }
}

/// As many nodes as this are asked at once in any cluster.
const FEWEST_PLACES: usize = 16;

impl Config {
    /// The most attempts under way at once of so many nodes: a tenth of them. Each holds an answer
    /// of some hundred kilobytes, and where all kubelets are slow for a while, as many are in
    /// memory as there are places.
    fn places(&self, nodes: usize) -> usize {
        (nodes / 10).max(FEWEST_PLACES).min(self.concurrency).max(1)
    }
}

/// When a node is asked: in the last third before a tick, spread by the node's name, and never so
/// close to the tick that a prompt answer could miss it.
fn phase(node: &NodeName, resolution: Duration) -> Phase {
    let margin = MARGIN.min(resolution / 12);
    let spread = (resolution / 3).saturating_sub(margin);
    let spread = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX).max(1);
    // Other bits than those the resource metrics' moment follows from.
    let place = (stable_hash(node.as_str()) >> 24) % spread;
    Phase::before_end(margin + Duration::from_millis(place), resolution)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    #[test]
    fn a_tenth_of_the_nodes_is_asked_at_once() {
        let config = Config::default();
        let places = [1, 160, 170, 1000, 5000].map(|nodes| config.places(nodes));
        assert_eq!(places, [16, 16, 17, 100, 128]);
        let one = Config {
            concurrency: 0,
            ..config
        };
        assert_eq!(one.places(1000), 1);
    }

    #[test]
    fn nodes_are_asked_in_the_last_third_before_a_tick_and_spread_over_it() {
        for (resolution, first, last) in [(60, 5.0, 20.0), (300, 5.0, 100.0), (15, 1.25, 5.0)] {
            let mut places = [0; 5];
            for n in 0..1000 {
                let node = NodeName::new(format!("ip-10-0-0-{n}")).unwrap();
                let phase = phase(&node, Duration::from_secs(resolution));
                let tick = Timestamp::from_millis(0);
                let ahead = Duration::from_secs(resolution) - phase.wait(tick);
                let ahead = ahead.as_secs_f64();
                assert!((first..=last).contains(&ahead), "{ahead}");
                let share = (ahead - first) / (last - first) * 5.0;
                places[(0..4).take_while(|n| f64::from(*n) + 1.0 < share).count()] += 1;
            }
            assert!(places.iter().all(|n| (150..250).contains(n)), "{places:?}");
        }
    }
}
