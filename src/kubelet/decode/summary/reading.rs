//! What one answer of `/stats/summary` says, borrowed from its body.

use std::borrow::Cow;

use crate::domain::Timestamp;

/// One decoded answer of `/stats/summary`.
///
/// Every number and stamp may be missing. Names are as the kubelet wrote them and not yet checked:
/// [`SummaryReading::metric_sets`] does that.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SummaryReading<'a> {
    /// The node itself and its system containers.
    pub node: NodeSummary<'a>,
    /// The pods, in the kubelet's order; one may be named twice.
    pub pods: Vec<PodSummary<'a>>,
    /// Elements of lists that were no objects.
    pub skipped_entities: usize,
}

/// What an answer says of the node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeSummary<'a> {
    /// `startTime`: since when it is measured.
    pub started: Option<Timestamp>,
    /// CPU, memory, input and output, swap.
    pub consumed: Consumed,
    /// The default interface.
    pub network: Network,
    /// `fs`: the root filesystem of the node.
    pub filesystem: Filesystem,
    /// `rlimit.curproc`: tasks that exist.
    pub processes: Option<u64>,
    /// `systemContainers`.
    pub system_containers: Vec<ContainerSummary<'a>>,
}

/// What an answer says of one pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodSummary<'a> {
    /// `podRef.namespace`.
    pub namespace: Cow<'a, str>,
    /// `podRef.name`.
    pub name: Cow<'a, str>,
    /// `podRef.uid`.
    pub uid: Cow<'a, str>,
    /// `startTime`.
    pub started: Option<Timestamp>,
    /// What its cgroup consumes, the sandbox included.
    pub consumed: Consumed,
    /// The default interface; nothing for a pod in the host's network.
    pub network: Network,
    /// `ephemeral-storage`.
    pub ephemeral_storage: Filesystem,
    /// `process_stats.process_count`.
    pub processes: Option<u64>,
    /// `volume`: name and filesystem of each.
    pub volumes: Vec<(Cow<'a, str>, Filesystem)>,
    /// Its containers, in the kubelet's order; one may be named twice.
    pub containers: Vec<ContainerSummary<'a>>,
}

/// What an answer says of a container, of a pod or of the system.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerSummary<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// `startTime`: the begin of this life.
    pub started: Option<Timestamp>,
    /// CPU, memory, input and output, swap.
    pub consumed: Consumed,
    /// `rootfs`: its writable layer.
    pub rootfs: Filesystem,
    /// `logs`.
    pub logs: Filesystem,
}

/// What a cgroup consumes. Counters count from its begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consumed {
    /// `cpu.time`.
    pub cpu_at: Option<Timestamp>,
    /// `cpu.usageCoreNanoSeconds`.
    pub cpu: Option<u64>,
    /// `cpu.psi`.
    pub cpu_pressure: Pressure,
    /// `memory.time`.
    pub memory_at: Option<Timestamp>,
    /// `memory.usageBytes`.
    pub memory: Option<u64>,
    /// `memory.workingSetBytes`.
    pub working_set: Option<u64>,
    /// `memory.rssBytes`.
    pub rss: Option<u64>,
    /// `memory.pageFaults`.
    pub page_faults: Option<u64>,
    /// `memory.majorPageFaults`.
    pub major_page_faults: Option<u64>,
    /// `memory.psi`.
    pub memory_pressure: Pressure,
    /// `io.psi`.
    pub io_pressure: Pressure,
    /// `swap.swapUsageBytes`.
    pub swap: Option<u64>,
    /// `swap.swapAvailableBytes`.
    pub swap_available: Option<u64>,
}

/// How long tasks were held up, in nanoseconds since the begin (`psi.*.total`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// At least one of them.
    pub some: Option<u64>,
    /// All of them at once.
    pub full: Option<u64>,
}

/// What passed the default interface: the one the kubelet names at the top of `network`, as
/// Heapster has it. The list of all interfaces is passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// `time`.
    pub at: Option<Timestamp>,
    /// `rxBytes`.
    pub rx: Option<u64>,
    /// `rxErrors`.
    pub rx_errors: Option<u64>,
    /// `txBytes`.
    pub tx: Option<u64>,
    /// `txErrors`.
    pub tx_errors: Option<u64>,
}

/// How full a filesystem is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filesystem {
    /// `usedBytes`.
    pub used: Option<u64>,
    /// `capacityBytes`.
    pub capacity: Option<u64>,
    /// `availableBytes`.
    pub available: Option<u64>,
    /// `inodes`.
    pub inodes: Option<u64>,
    /// `inodesFree`.
    pub inodes_free: Option<u64>,
}

impl Consumed {
    /// When it was measured: the CPU's stamp, else the memory's.
    pub(super) fn sampled(&self) -> Option<Timestamp> {
        self.cpu_at.or(self.memory_at)
    }
}
