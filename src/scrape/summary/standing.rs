//! How nodes stand to being asked for their summaries, and what the log says of it.

use tracing::{debug, info, warn};

use crate::domain::NodeRecord;
use crate::kubelet::Error;

/// How one node stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
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
        matches!(self, Self::Refuses(_))
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
        let before = self.change(standing, Standing::Answers);
        self.in_a_row = None;
        let over = self.told.take().is_some();
        if over {
            info!(node = %name, "a kubelet answers /stats/summary again; asking the others too");
        } else if matches!(before, Standing::Refuses(_) | Standing::Fails(_)) {
            info!(node = %name, "the kubelet answers /stats/summary again");
        }
        over
    }

    /// A node gave no summary.
    pub(super) fn failed(&mut self, node: &NodeRecord, standing: &mut Standing, error: &Error) {
        let cause = error.cause();
        let refuses = matches!(error, Error::Forbidden { .. } | Error::NotFound { .. });
        let now = if refuses {
            Standing::Refuses(cause)
        } else {
            Standing::Fails(cause)
        };
        let before = self.change(standing, now);
        let name = &node.name;
        let error = error.story();
        if before == now {
            debug!(node = %name, cause, %error, "still no summary");
        } else if refuses {
            self.refused(node, cause, &error);
        } else if node.ready && !the_resource_metrics_tell(cause) {
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
        self.change(&mut standing, Standing::Unknown);
    }

    fn refused(&mut self, node: &NodeRecord, cause: &'static str, error: &str) {
        let name = &node.name;
        let before = self.in_a_row.filter(|(of, _)| *of == cause);
        let in_a_row = before.map_or(0, |(_, count)| count) + 1;
        self.in_a_row = Some((cause, in_a_row));
        let remedy = (cause == "403").then_some("grant get on nodes/stats to our service account");
        if self.told == Some(cause) {
            debug!(node = %name, cause, %error, "no summary from the kubelet");
        } else if self.answering == 0 || in_a_row >= IN_A_ROW {
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
    }

    fn change(&mut self, standing: &mut Standing, now: Standing) -> Standing {
        let before = std::mem::replace(standing, now);
        self.answering += usize::from(now == Standing::Answers);
        self.answering -= usize::from(before == Standing::Answers);
        self.refusing += usize::from(now.is_refusal());
        self.refusing -= usize::from(before.is_refusal());
        before
    }
}

/// What keeps us from asking a kubelet at all, the schedules of the resource metrics tell with
/// their remedy.
fn the_resource_metrics_tell(cause: &str) -> bool {
    matches!(cause, "address" | "connect" | "tls" | "401")
}
