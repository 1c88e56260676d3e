//! One line a change: what the log says of a node.

use tracing::{debug, info, warn};

use super::health::{NodeHealth, ScrapeFailure};
use crate::domain::{NodeRecord, Timestamp};
use crate::kubelet::{Error, Explanation, Platform, explain};

/// What was found out about a node and what was said of it.
///
/// A ready node that begins to fail is a warning, once for each cause until it recovers; recovery
/// after a warning is news. A node that is not ready is expected to fail: both are for debugging
/// only.
#[derive(Debug, Default)]
pub(super) struct Report {
    health: NodeHealth,
    warned: Vec<&'static str>,
}

/// Why an attempt brought nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// The kubelet could not be asked, or its answer not be kept.
    Kubelet(Error),
    /// The attempt ended without a result: a fault of ours.
    Lost,
}

impl Failure {
    /// One word of a small fixed set, for a metric's label.
    pub(super) const fn cause(&self) -> &'static str {
        match self {
            Self::Kubelet(error) => error.cause(),
            Self::Lost => "internal",
        }
    }
}

impl Report {
    /// How the node fares now.
    pub(super) const fn health(&self) -> &NodeHealth {
        &self.health
    }

    /// The last attempt failed.
    pub(super) const fn is_failing(&self) -> bool {
        self.health.failure.is_some()
    }

    /// An attempt succeeded.
    pub(super) fn succeeded(&mut self, node: &NodeRecord, at: Timestamp) {
        self.health.last_success = Some(at);
        self.health.succeeds_since.get_or_insert(at);
        let Some(failure) = self.health.failure.take() else {
            return;
        };
        let name = &node.name;
        let failed_for = at.since(failure.since).unwrap_or_default();
        if self.warned.is_empty() {
            debug!(node = %name, ?failed_for, "scrape succeeds again");
        } else {
            info!(node = %name, ?failed_for, "scrape succeeds again");
        }
        self.warned.clear();
    }

    /// An attempt failed.
    pub(super) fn failed(&mut self, node: &NodeRecord, at: Timestamp, failure: &Failure) {
        let cause = failure.cause();
        let Explanation { says, remedy } = match failure {
            Failure::Kubelet(error) => explain(error, Platform::of(&node.labels)),
            Failure::Lost => Explanation {
                says: "the attempt ended without a result".into(),
                remedy: "this is a fault in Loadline: please report it with its log",
            },
        };
        let name = &node.name;
        if node.ready && !self.warned.contains(&cause) {
            self.warned.push(cause);
            warn!(node = %name, cause, error = %says, remedy, "scrape failed");
        } else {
            debug!(node = %name, cause, error = %says, ready = node.ready, "scrape failed");
        }
        let since = self.health.failure.as_ref().map_or(at, |f| f.since);
        self.health.succeeds_since = None;
        self.health.failure = Some(ScrapeFailure {
            cause,
            says,
            remedy,
            since,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::NodeName;
    use crate::telemetry::testing::logged;

    fn node(ready: bool) -> NodeRecord {
        NodeRecord {
            ready,
            ..NodeRecord::new(NodeName::new("node-1").unwrap())
        }
    }

    fn fail(report: &mut Report, ready: bool, error: Error) {
        let at = Timestamp::from_millis(1_000);
        report.failed(&node(ready), at, &Failure::Kubelet(error));
    }

    #[test]
    fn a_ready_node_is_warned_of_once_a_cause_and_its_recovery_is_told() {
        let lines = logged(|| {
            let mut report = Report::default();
            for _ in 0..3 {
                fail(&mut report, true, Error::Unauthorized);
                fail(&mut report, true, Error::Forbidden { said: "no".into() });
            }
            for _ in 0..3 {
                report.succeeded(&node(true), Timestamp::from_millis(61_000));
            }
        });
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].starts_with("WARN") && lines[0].contains("401 Unauthorized"));
        assert!(lines[1].contains("grant get on nodes/metrics"), "{lines:?}");
        assert!(
            lines[2].starts_with("INFO") && lines[2].contains("failed_for=60s"),
            "{lines:?}"
        );
    }

    #[test]
    fn a_node_that_is_not_ready_fails_quietly_until_it_is() {
        let lines = logged(|| {
            let mut report = Report::default();
            fail(&mut report, false, Error::Unauthorized);
            report.succeeded(&node(false), Timestamp::from_millis(2_000));
            fail(&mut report, false, Error::Unauthorized);
            fail(&mut report, true, Error::Unauthorized);
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
    }
}
