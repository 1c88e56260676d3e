//! What the short form fails for: ratios that hold on a machine that others use, too.
//!
//! What is promised is in the rows of the table; a run of some minutes beside other work cannot tell a lost
//! tenth from noise. A guard is far enough below what was measured to be steady, and near enough to tell
//! that something was lost.

use super::measure::Figures;
use super::server::Server;
use super::target::rows;

/// The least a row must show.
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    /// The row's name.
    pub row: &'static str,
    /// How many times less Loadline must need, doing what metrics-server does.
    pub alone: f64,
    /// The same with summaries and history, where that is measured.
    pub whole: Option<f64>,
    /// Why this much.
    pub reason: &'static str,
}

/// All guards. Measured values are those of the last run in `docs/performance.md`.
pub const GUARDS: &[Guard] = &[
    Guard {
        row: "CPU at rest",
        alone: 1.5,
        whole: None,
        reason: "a rest of half a minute, just after the start, counted in hundredths of a second: 2.4 were seen on a quiet machine where a whole minute shows twice that",
    },
    Guard {
        row: "CPU until then",
        alone: 2.5,
        whole: None,
        reason: "half of what is promised: counted in hundredths of a second, of which Loadline needs 20",
    },
    Guard {
        row: "start to the first complete list",
        alone: 2.0,
        whole: None,
        reason: "half of what is promised: both wait for two scrapes, and share the machine meanwhile",
    },
    Guard {
        row: "RSS after the lists",
        alone: 3.8,
        whole: None,
        reason: "memory does not depend on the machine's load; a little below the 4.6 that were measured",
    },
    Guard {
        row: "RSS at rest",
        alone: 3.8,
        whole: Some(2.5),
        reason: "the same without the lists, and with the history, before it has anything in it",
    },
    Guard {
        row: "peak RSS",
        alone: 6.0,
        whole: None,
        reason: "of both it is the garbage of sixteen lists at once; 10 were measured",
    },
    Guard {
        row: "full pod list anew, the fastest, JSON",
        alone: 2.5,
        whole: None,
        reason: "half of the 5 that were measured, and the fastest: a median of wall times is lost to whoever else runs",
    },
    Guard {
        row: "full pod list anew, the fastest, JSON, gzip",
        alone: 2.0,
        whole: None,
        reason: "half of what is promised, and the fastest: a median of wall times is lost to whoever else runs",
    },
    Guard {
        row: "full pod list anew, the fastest, protobuf",
        alone: 1.7,
        whole: None,
        reason: "half of the 3.4 that were measured, and the fastest: a median of wall times is lost to whoever else runs",
    },
    Guard {
        row: "full pod list again, the fastest, JSON, gzip",
        alone: 7.5,
        whole: None,
        reason: "half of what is promised; the other forms are mostly the asker's own time",
    },
    Guard {
        row: "full pod list, 16 clients at once, gzip, p99",
        alone: 10.0,
        whole: None,
        reason: "half of what is promised, a fifth of what was measured",
    },
    Guard {
        row: "CPU for each of these answers",
        alone: 10.0,
        whole: None,
        reason: "half of what is promised: CPU time, a fifth of what was measured",
    },
    Guard {
        row: "bytes from the API server, start to end of rest",
        alone: 0.35,
        whole: Some(0.35),
        reason: "bytes are the same on any machine: full pods, of which containers are read, beside bare metadata",
    },
];

/// Which guards do not hold beside the first server: who, which row, what was reached, what is held, and why.
#[must_use]
pub fn broken(results: &[(Server, Figures)]) -> Vec<String> {
    let Some(((_, peer), others)) = results.split_first() else {
        return vec!["nothing was measured".to_owned()];
    };
    let rows = rows();
    let row = |guard: &Guard| rows.iter().find(|row| row.name == guard.row);
    let mut broken = Vec::new();
    for (server, ours) in others {
        for guard in GUARDS {
            let least = if server.does_more() {
                guard.whole
            } else {
                Some(guard.alone)
            };
            let ratio = row(guard).and_then(|row| row.ratio(peer, ours));
            if let Some(least) = least
                && ratio.is_none_or(|ratio| ratio < least)
            {
                let reached =
                    ratio.map_or_else(|| "not measured".to_owned(), |r| format!("{r:.2}"));
                let (who, what, why) = (&server.name, guard.row, guard.reason);
                broken.push(format!(
                    "{who}: {what}: {reached} times less, held {least} ({why})"
                ));
            }
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::stage::Size;
    use super::super::target::Row;
    use super::*;

    #[test]
    fn every_guard_is_of_a_row_and_asks_for_no_more_than_is_promised() {
        let rows = rows();
        let size = Size {
            nodes: 100,
            pods: 70,
        };
        let alone = Server::loadline_alone(Path::new("loadline"));
        for guard in GUARDS {
            let row: Vec<&Row> = rows.iter().filter(|r| r.name == guard.row).collect();
            assert_eq!(row.len(), 1, "{}", guard.row);
            let promised = row[0].times_less(size, &alone).unwrap_or(f64::INFINITY);
            assert!(guard.alone <= promised, "{}", guard.row);
        }
    }

    #[test]
    fn a_run_that_measured_nothing_is_no_success() {
        assert!(!broken(&[]).is_empty());
        let peer = Server::metrics_server(Path::new("metrics-server"));
        let alone = Server::loadline_alone(Path::new("loadline"));
        let results = [(peer, Figures::default()), (alone, Figures::default())];
        assert_eq!(broken(&results).len(), GUARDS.len());
    }
}
