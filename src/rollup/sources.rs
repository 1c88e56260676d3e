//! Where sets come from and columns go.

use std::fmt;
use std::time::Duration;

use tracing::warn;

use crate::domain::{MetricSet, Timestamp};
use crate::history::History;
use crate::live::{Live, MeasuredNode};

/// Where a tick finds the newest sets.
pub trait Source: Send + Sync + fmt::Debug {
    /// What is newest of each node that ever answered: its summary if that arrived within `fresh`,
    /// else what there is instead of one, however old. Sets hold what was measured: no rates, and
    /// `about` not filled.
    fn newest(&self, fresh: Duration) -> Box<dyn Iterator<Item = MeasuredNode> + Send + '_>;
}

/// Where columns go. Called by one tick at a time, with timestamps that only grow until
/// [`Columns::begin_anew`].
pub trait Columns: Send + Sync + fmt::Debug {
    /// Adds a part of the column of this timestamp: the sets of one node, or the sums over all.
    fn append(&self, timestamp: Timestamp, sets: &[MetricSet]);
    /// The column is complete. One that is not, because the process is stopping, is never finished.
    fn finish(&self, timestamp: Timestamp);
    /// The wall clock stepped back by more than a few minutes: the columns given before bear
    /// timestamps of the future, and those that come will be earlier.
    fn begin_anew(&self);
    /// The newest complete column, if there are any already: the next one follows it.
    fn newest(&self) -> Option<Timestamp> {
        None
    }
    /// Shows every set of the newest complete column.
    fn each_newest(&self, _show: &mut dyn FnMut(&MetricSet)) {}
}

impl Source for Live {
    fn newest(&self, fresh: Duration) -> Box<dyn Iterator<Item = MeasuredNode> + Send + '_> {
        Box::new(self.measured(fresh))
    }
}

impl Columns for History {
    fn append(&self, timestamp: Timestamp, sets: &[MetricSet]) {
        // Told once, when it is finished.
        let _ = Self::append(self, timestamp, sets);
    }

    fn finish(&self, timestamp: Timestamp) {
        if let Err(error) = Self::finish(self, timestamp) {
            warn!(at = timestamp.as_secs(), %error, "the history refused a column");
        }
    }

    fn begin_anew(&self) {
        Self::begin_anew(self);
    }

    fn newest(&self) -> Option<Timestamp> {
        self.view().newest()
    }

    fn each_newest(&self, show: &mut dyn FnMut(&MetricSet)) {
        self.view().for_each_latest(show);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{EntityKey, Metric, Point};
    use crate::history::Config;
    use crate::telemetry::Registry;

    #[test]
    fn a_clock_set_back_empties_the_history_and_fills_it_anew() {
        let history = History::new(Config::default(), &mut Registry::default());
        let columns: &dyn Columns = &history;
        let column = |minute: i64, usage: i64| {
            let at = Timestamp::from_millis(minute * 60_000);
            let mut set = MetricSet::new(EntityKey::Cluster);
            set.set(Point::int(Metric::MemoryUsage, usage));
            columns.append(at, &[set]);
            columns.finish(at);
        };
        let ticks = || -> Vec<i64> {
            let ticks = history.view().ticks();
            ticks.iter().map(|at| at.as_secs() / 60).collect()
        };
        columns.begin_anew();
        column(1000, 1);
        column(1001, 2);
        column(900, 3);
        assert_eq!(ticks(), [1000, 1001], "refused");
        columns.begin_anew();
        assert_eq!(ticks(), [0; 0]);
        column(900, 4);
        assert_eq!(ticks(), [900]);
        let cluster = history.view().latest(&EntityKey::Cluster).unwrap();
        assert_eq!(
            cluster.get(Metric::MemoryUsage),
            Point::int(Metric::MemoryUsage, 4).value().into()
        );
    }
}
