//! When and which nodes are scraped.

use std::time::Duration;

use crate::apimachinery::{GoDuration, InvalidLabelSelector, LabelSelector};

use super::flag::{Flag, Kind, Topic};
use super::given::Given;
use super::value;

/// The pace of the scrapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scrape {
    /// `--metric-resolution`: the time between two scrapes of a node, at least 10 s.
    pub resolution: Duration,
    /// `--kubelet-request-timeout`: how long one scrape may take, at most nine tenths of the
    /// resolution.
    pub request_timeout: Duration,
    /// `--kubelet-summary`: whether `/stats/summary` is read too, for what `/metrics/resource` does
    /// not tell.
    pub summary: bool,
    /// `--node-selector`: which nodes are scraped and listed; an empty one is all.
    pub node_selector: LabelSelector,
}

/// Kubelets sample their containers about every 10 s, so a shorter period would see no new numbers.
const SHORTEST_RESOLUTION: Duration = Duration::from_secs(10);

pub(super) const KUBECONFIG: Flag = Flag::new(
    "kubeconfig",
    Kind::Text,
    "",
    "Path of the kubeconfig for the API server; without one, the pod's own service account",
);
pub(super) const METRIC_RESOLUTION: Flag = Flag::new(
    "metric-resolution",
    Kind::Duration,
    "15s",
    "Time between two scrapes of a node, at least 10s; --kubelet-request-timeout has to be lowered with it where it is more than nine tenths of it; when started as Heapster, that between two sums (--rollup-resolution), at least 5s",
);
pub(super) const VERSION: Flag =
    Flag::new("version", Kind::Bool, "false", "Print the version and exit");
pub(super) const NODE_SELECTOR: Flag = Flag::new(
    "node-selector",
    Kind::Text,
    "",
    "Label selector of the nodes to scrape and to list, as in key1=value1,key2!=value2",
)
.short('l');
pub(super) const REQUEST_TIMEOUT: Flag = Flag::new(
    "kubelet-request-timeout",
    Kind::Duration,
    "10s",
    "Time one request to a kubelet may take, at most nine tenths of --metric-resolution",
);

const SUMMARY: Flag = Flag::new(
    "kubelet-summary",
    Kind::Bool,
    "true",
    "Also read each kubelet's /stats/summary before each roll-up, for network, filesystems and more of memory; needs get on nodes/stats",
);

pub(super) const TOPIC: Topic = Topic {
    title: "Metrics",
    flags: &[
        &KUBECONFIG,
        &REQUEST_TIMEOUT,
        &SUMMARY,
        &METRIC_RESOLUTION,
        &NODE_SELECTOR,
        &VERSION,
    ],
};

pub(super) fn read(given: &mut Given) -> Option<Scrape> {
    let resolution = if given.is_heapster() {
        // There the flag means the roll-up.
        value::duration(METRIC_RESOLUTION.default).ok()
    } else {
        given.duration(&METRIC_RESOLUTION)
    };
    let request_timeout = given.positive_duration(&REQUEST_TIMEOUT);
    let node_selector = given.parsed(&NODE_SELECTOR, |word| {
        word.parse()
            .map_err(|error: InvalidLabelSelector| error.to_string())
    });
    let summary = given.flag(&SUMMARY);
    if let Some(resolution) = resolution
        && resolution < SHORTEST_RESOLUTION
    {
        given.refuse(format!(
            "--metric-resolution must be at least 10s, not {}",
            GoDuration::from(resolution)
        ));
    } else if let (Some(resolution), Some(timeout)) = (resolution, request_timeout)
        && resolution / 10 * 9 < timeout
    {
        given.refuse(format!(
            "--kubelet-request-timeout ({}) must not exceed nine tenths of --metric-resolution ({})",
            GoDuration::from(timeout),
            GoDuration::from(resolution)
        ));
    }
    Some(Scrape {
        resolution: resolution?,
        request_timeout: request_timeout?,
        summary: summary?,
        node_selector: node_selector?,
    })
}
