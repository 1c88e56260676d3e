//! How nodes stand to being asked for their summaries, and what the log says of it.

use tracing::{debug, info, warn};

use crate::domain::NodeRecord;
use crate::kubelet::Error;

/// How one node stands, and whether a line of its own said so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    now: Now,
    told: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Now {
    /// It was not asked yet.
    #[default]
    Unknown,
    /// It answers.
    Answers,
    /// It refused (403) or has no summaries (404): it falls back, and is asked rarely.
    Refuses(&'static str),
    /// It was asked in vain for another cause: it is asked again for the next tick.
    Fails(&'static str),
}

/// What was said of all nodes.
///
/// A node's change of standing is one line. When several nodes in a row refuse for one cause, and
/// none answers meanwhile, they all do for all we know: that is one line for the cluster, and no
/// more is said of single nodes until one answers.
#[derive(Debug, Default)]
pub(super) struct Standings {
    answering: usize,
    refusing: usize,
    /// The cause for which nodes refused since one answered, and how many.
    in_a_row: Option<(&'static str, usize)>,
    /// The refusals of this cause were told for the whole cluster.
    told: Option<&'static str>,
}

/// So many refusals in a row are the cluster's. If no node answers, the first one is.
const IN_A_ROW: usize = 3;

impl Standing {
    /// It falls back to the resource metrics for longer than a tick.
    pub(super) const fn is_refusal(self) -> bool {
        matches!(self.now, Now::Refuses(_))
    }
}

impl Standings {
    /// How many nodes refuse.
    pub(super) const fn refusing(&self) -> usize {
        self.refusing
    }

    /// A node answered. Tells whether those that refused should be asked again: what they refused
    /// for was told of the whole cluster and seems to be over.
    pub(super) fn answered(&mut self, node: &NodeRecord, standing: &mut Standing) -> bool {
        let name = &node.name;
        let before = self.change(standing, Now::Answers);
        self.in_a_row = None;
        let over = self.told.take().is_some();
        if over {
            info!(node = %name, "a kubelet answers /stats/summary; asking those again that refused");
        } else if before.told {
            info!(node = %name, "the kubelet answers /stats/summary again");
        }
        over
    }

    /// A node gave no summary.
    pub(super) fn failed(&mut self, node: &NodeRecord, standing: &mut Standing, error: &Error) {
        let cause = error.cause();
        let refuses = matches!(error, Error::Forbidden { .. } | Error::NotFound { .. });
        let now = if refuses {
            Now::Refuses(cause)
        } else {
            Now::Fails(cause)
        };
        let before = self.change(standing, now);
        let name = &node.name;
        let error = error.story();
        // What the cluster's line said of a node needs one of its own once that is over, and so
        // does a node that turned ready.
        let tells = if refuses {
            self.told != Some(cause)
        } else {
            node.ready && !the_resource_metrics_tell(cause)
        };
        if before.now == now && (before.told || !tells) {
            standing.told = before.told;
            debug!(node = %name, cause, %error, "still no summary");
        } else if refuses {
            standing.told = self.refused(node, cause, &error);
        } else if tells {
            standing.told = true;
            warn!(
                node = %name, cause, %error,
                "no summary from the kubelet; the resource metrics stand in for it"
            );
        } else {
            debug!(node = %name, cause, %error, "no summary from the kubelet");
        }
    }

    /// A node left.
    pub(super) fn forget(&mut self, mut standing: Standing) {
        self.change(&mut standing, Now::Unknown);
    }

    /// Says that a node refuses; tells whether that was a line of its own.
    fn refused(&mut self, node: &NodeRecord, cause: &'static str, error: &str) -> bool {
        let name = &node.name;
        let before = self.in_a_row.filter(|(of, _)| *of == cause);
        let in_a_row = before.map_or(0, |(_, count)| count) + 1;
        self.in_a_row = Some((cause, in_a_row));
        let remedy = (cause == "403").then_some("grant get on nodes/stats to our service account");
        if self.told == Some(cause) {
            debug!(node = %name, cause, %error, "no summary from the kubelet");
            return false;
        }
        let everywhere = self.answering == 0 || in_a_row >= IN_A_ROW;
        if everywhere {
            self.told = Some(cause);
            warn!(
                node = %name, cause, %error, remedy,
                "kubelets give no summary; over time only CPU and working set are kept until they do"
            );
        } else {
            warn!(
                node = %name, cause, %error, remedy,
                "the kubelet gives no summary; over time only its CPU and working set are kept"
            );
        }
        !everywhere
    }

    fn change(&mut self, standing: &mut Standing, now: Now) -> Standing {
        let before = *standing;
        *standing = Standing { now, told: false };
        self.answering += usize::from(now == Now::Answers);
        self.answering -= usize::from(before.now == Now::Answers);
        self.refusing += usize::from(standing.is_refusal());
        self.refusing -= usize::from(before.is_refusal());
        before
    }
}

/// What keeps us from asking a kubelet at all, the schedules of the resource metrics tell with
/// their remedy.
fn the_resource_metrics_tell(cause: &str) -> bool {
    matches!(cause, "address" | "connect" | "tls" | "401")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::domain::NodeName;
    use crate::telemetry::testing::logged;

    /// A cluster's nodes.
    struct Cluster {
        standings: Standings,
        nodes: Vec<(NodeRecord, Standing)>,
    }

    impl Cluster {
        fn of(nodes: usize) -> Self {
            let node = |n| NodeRecord {
                ready: true,
                ..NodeRecord::new(NodeName::new(format!("n{n}")).unwrap())
            };
            Self {
                standings: Standings::default(),
                nodes: (0..nodes).map(|n| (node(n), Standing::default())).collect(),
            }
        }

        /// What is logged while a node does something.
        fn logs(
            &mut self,
            act: impl FnOnce(&mut Standings, &mut [(NodeRecord, Standing)]),
        ) -> Vec<String> {
            let (standings, nodes) = (&mut self.standings, &mut self.nodes);
            logged(|| act(standings, nodes))
        }

        fn all_fail(&mut self, error: fn() -> Error) -> Vec<String> {
            self.logs(|standings, nodes| {
                for (node, standing) in nodes {
                    standings.failed(node, standing, &error());
                }
            })
        }

        fn all_answer(&mut self) -> Vec<String> {
            self.logs(|standings, nodes| {
                for (node, standing) in nodes {
                    standings.answered(node, standing);
                }
            })
        }

        fn one_fails(&mut self, n: usize, error: Error) -> Vec<String> {
            self.logs(|standings, nodes| {
                let (node, standing) = &mut nodes[n];
                standings.failed(node, standing, &error);
            })
        }

        fn one_answers(&mut self, n: usize) -> Vec<String> {
            self.logs(|standings, nodes| {
                let (node, standing) = &mut nodes[n];
                standings.answered(node, standing);
            })
        }
    }

    fn forbidden() -> Error {
        Error::Forbidden { said: "no".into() }
    }

    fn timeout() -> Error {
        Error::Timeout {
            after: std::time::Duration::from_secs(10),
            phase: crate::kubelet::Phase::Reading,
        }
    }

    #[test]
    fn a_cluster_that_forbids_it_is_one_line_with_the_remedy() {
        let mut cluster = Cluster::of(500);
        let lines = cluster.all_fail(forbidden);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with("WARN"));
        assert!(lines[0].contains("kubelets give no summary"), "{lines:?}");
        assert!(lines[0].contains("grant get on nodes/stats"), "{lines:?}");
        assert_eq!(cluster.standings.refusing(), 500);
        assert_eq!(cluster.all_fail(forbidden), Vec::<String>::new());
        let lines = cluster.all_answer();
        assert_eq!(cluster.standings.refusing(), 0);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with("INFO") && lines[0].contains("asking those again"));
    }

    #[test]
    fn a_node_that_goes_on_refusing_after_the_others_gets_a_line_of_its_own() {
        let mut cluster = Cluster::of(3);
        cluster.all_fail(forbidden);
        cluster.one_answers(0);
        assert_eq!(cluster.one_answers(1), Vec::<String>::new());
        let lines = cluster.one_fails(2, forbidden());
        assert!(
            lines.len() == 1 && lines[0].contains("node=n2"),
            "{lines:?}"
        );
        assert_eq!(cluster.one_fails(2, forbidden()), Vec::<String>::new());
        assert_eq!(cluster.one_answers(2).len(), 1);
    }

    #[test]
    fn a_right_taken_away_from_a_running_cluster_is_few_lines() {
        let mut cluster = Cluster::of(500);
        assert_eq!(cluster.all_answer(), Vec::<String>::new());
        let lines = cluster.all_fail(forbidden);
        assert_eq!(lines.len(), IN_A_ROW, "{lines:?}");
        assert!(lines[IN_A_ROW - 1].contains("kubelets give no summary"));
    }

    #[test]
    fn single_nodes_are_a_line_each_change() {
        let mut cluster = Cluster::of(3);
        cluster.all_answer();
        let lines = cluster.one_fails(1, forbidden());
        assert!(
            lines.len() == 1 && lines[0].contains("node=n1"),
            "{lines:?}"
        );
        assert_eq!(cluster.one_fails(1, forbidden()), Vec::<String>::new());
        cluster.one_answers(0);
        let path = "/stats/summary".into();
        let lines = cluster.one_fails(2, Error::NotFound { path });
        assert!(lines.len() == 1 && lines[0].contains("404"), "{lines:?}");
        let lines = cluster.one_answers(1);
        assert!(
            lines.len() == 1 && lines[0].starts_with("INFO"),
            "{lines:?}"
        );
        assert_eq!(cluster.one_answers(1), Vec::<String>::new());
        assert_eq!(cluster.standings.refusing(), 1);
        let (_, standing) = cluster.nodes[2];
        cluster.standings.forget(standing);
        assert_eq!(cluster.standings.refusing(), 0);
    }

    #[test]
    fn what_the_resource_metrics_tell_is_not_told_twice() {
        let mut cluster = Cluster::of(2);
        let refused = || Error::Connect {
            address: "10.0.0.1:10250".into(),
            source: io::ErrorKind::ConnectionRefused.into(),
        };
        assert_eq!(cluster.one_fails(0, refused()), Vec::<String>::new());
        let lines = cluster.one_fails(0, timeout());
        assert!(
            lines.len() == 1 && lines[0].contains("stand in"),
            "{lines:?}"
        );
        assert_eq!(cluster.one_fails(0, timeout()), Vec::<String>::new());
        cluster.nodes[1].0.ready = false;
        assert_eq!(cluster.one_fails(1, timeout()), Vec::<String>::new());
    }
}
