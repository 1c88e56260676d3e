//! What one answer of a kubelet says, borrowed from its body.

use std::borrow::Cow;

use super::{Bytes, CpuTime, Timestamp};

/// One decoded answer of `/metrics/resource`.
///
/// Borrows from the body it was read from, so a scrape allocates nothing per series. Names are as
/// the kubelet wrote them (unescaped) and not yet checked: whoever keeps one makes it a
/// [`super::Name`] first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceReading<'a> {
    /// The node's own numbers.
    pub node: NodeReading,
    /// One entry per (namespace, pod, container); of duplicates the one with the newest start time
    /// stays.
    pub containers: Vec<ContainerReading<'a>>,
    /// The kubelet said `resource_scrape_error 1`: containers may be missing that still run.
    pub incomplete: bool,
    /// Lines that could not be read and were skipped.
    pub skipped_lines: usize,
}

/// What an answer says of the node itself. Any series may be missing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NodeReading {
    /// `node_cpu_usage_seconds_total`.
    pub cpu: Option<CounterSample>,
    /// `node_memory_working_set_bytes`.
    pub memory: Option<GaugeSample>,
    /// `node_swap_usage_bytes`.
    pub swap: Option<GaugeSample>,
}

/// What an answer says of one container. Any series may be missing.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerReading<'a> {
    /// The pod's namespace.
    pub namespace: Cow<'a, str>,
    /// The pod's name.
    pub pod: Cow<'a, str>,
    /// The container's name.
    pub container: Cow<'a, str>,
    /// `container_cpu_usage_seconds_total`.
    pub cpu: Option<CounterSample>,
    /// `container_memory_working_set_bytes`.
    pub memory: Option<GaugeSample>,
    /// `container_swap_usage_bytes`.
    pub swap: Option<GaugeSample>,
    /// `container_start_time_seconds`, the beginning of this container life.
    pub started: Option<Timestamp>,
}

/// A CPU counter and when the kubelet sampled it (when the answer was asked for, if the line has no
/// stamp).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterSample {
    /// The counter.
    pub value: CpuTime,
    /// When it was sampled.
    pub at: Timestamp,
}

/// An amount of memory and when the kubelet sampled it (when the answer was asked for, if the line
/// has no stamp).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GaugeSample {
    /// The amount.
    pub value: Bytes,
    /// When it was sampled.
    pub at: Timestamp,
}
