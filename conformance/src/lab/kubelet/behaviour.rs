//! How a kubelet behaves, and misbehaves.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use http::StatusCode;

use crate::lab::serve::Admission;
use crate::lab::{Pod, Stamp};

/// How one kubelet behaves. The default is a healthy kubelet with containerd.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// How `/metrics/resource` is answered.
    pub answer: Answer,
    /// How `/stats/summary` is answered.
    pub summary: Answer,
    /// Which time the samples carry.
    pub stamps: Stamps,
    /// Where the resource metrics are.
    pub path: String,
    /// Connections are taken and never answered, not even with a handshake.
    pub silent: bool,
    /// Connections are closed as soon as they are taken.
    pub closes: bool,
    /// How far the node's clock is ahead, in milliseconds.
    pub skew: i64,
    /// Lines that are written among the samples.
    pub extra_lines: Vec<String>,
    /// Containers (namespace, pod, container) that are left out.
    pub left_out: BTreeSet<(String, String, String)>,
    /// Pods it measures although the API server has them elsewhere, or not at all.
    pub extra_pods: Vec<Pod>,
    /// `resource_scrape_error`.
    pub scrape_error: bool,
    /// `container_start_time_seconds` is left out.
    pub no_start_times: bool,
    /// The series of swap are left out, as by a kubelet that knows none.
    pub no_swap: bool,
}

/// How a question is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// As it should be.
    Normal,
    /// Never.
    Hang,
    /// As it should be, this much later.
    Slow(Duration),
    /// With this status.
    Status(u16),
    /// With a redirect to this URL.
    Redirect(String),
    /// With this text.
    Text(String),
    /// As it should be, followed by at least so many bytes of other series.
    Oversize(usize),
    /// As it should be, 64 bytes at a time with this pause before each.
    Drip(Duration),
    /// Half of it, then the connection breaks.
    BreakOff,
}

/// Which time the samples carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamps {
    /// Containers are sampled when asked, the node every 10 s, pods every 13 s: containerd.
    OnDemand,
    /// Everything is sampled every so often: cAdvisor.
    Every(Duration),
    /// Everything was sampled at this time.
    Fixed(Stamp),
    /// The lines carry no time.
    Absent,
}

/// One request a kubelet got.
#[derive(Clone, Debug)]
pub struct Scrape {
    /// When it was answered.
    pub at: Stamp,
    /// Its path.
    pub path: String,
    /// Who asked; empty when nobody the kubelet knows.
    pub user: String,
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// What was answered.
    pub status: StatusCode,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            answer: Answer::Normal,
            summary: Answer::Normal,
            stamps: Stamps::OnDemand,
            path: "/metrics/resource".to_owned(),
            silent: false,
            closes: false,
            skew: 0,
            extra_lines: Vec::new(),
            left_out: BTreeSet::new(),
            extra_pods: Vec::new(),
            scrape_error: false,
            no_start_times: false,
            no_swap: false,
        }
    }
}

impl Behaviour {
    /// Leaves a container out.
    pub fn leave_out(&mut self, namespace: &str, pod: &str, container: &str) {
        self.left_out
            .insert((namespace.to_owned(), pod.to_owned(), container.to_owned()));
    }

    pub(super) fn admission(&self) -> Admission {
        match (self.silent, self.closes) {
            (true, _) => Admission::Silence,
            (false, true) => Admission::Close,
            (false, false) => Admission::Serve,
        }
    }
}
