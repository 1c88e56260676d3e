//! Every metric by Heapster's name, and those Heapster never had in its style.

/// A metric kept over time.
///
/// Names, kinds and units are Heapster's (`docs/storage-schema.md` of v1.5.4), errors of its
/// declarations included where a client can see them: inodes are said to be bytes. Two bytes of
/// memory at most; the text is [`Metric::name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Metric {
    /// `uptime`.
    Uptime,
    /// `cpu/usage`.
    CpuUsage,
    /// `cpu/usage_rate`.
    CpuUsageRate,
    /// `cpu/request`.
    CpuRequest,
    /// `cpu/limit`.
    CpuLimit,
    /// `memory/usage`.
    MemoryUsage,
    /// `memory/working_set`.
    MemoryWorkingSet,
    /// `memory/rss`.
    MemoryRss,
    /// `memory/request`.
    MemoryRequest,
    /// `memory/limit`.
    MemoryLimit,
    /// `memory/page_faults`.
    MemoryPageFaults,
    /// `memory/page_faults_rate`.
    MemoryPageFaultsRate,
    /// `memory/major_page_faults`.
    MemoryMajorPageFaults,
    /// `memory/major_page_faults_rate`.
    MemoryMajorPageFaultsRate,
    /// `network/rx`.
    NetworkRx,
    /// `network/rx_rate`.
    NetworkRxRate,
    /// `network/rx_errors`.
    NetworkRxErrors,
    /// `network/rx_errors_rate`.
    NetworkRxErrorsRate,
    /// `network/tx`.
    NetworkTx,
    /// `network/tx_rate`.
    NetworkTxRate,
    /// `network/tx_errors`.
    NetworkTxErrors,
    /// `network/tx_errors_rate`.
    NetworkTxErrorsRate,
    /// `ephemeral_storage/usage`.
    EphemeralStorageUsage,
    /// `ephemeral_storage/request`.
    EphemeralStorageRequest,
    /// `ephemeral_storage/limit`.
    EphemeralStorageLimit,
    /// `RESOURCE/request` of a resource that is none of the three built in, named by the
    /// [`Qualified`](super::Qualified) point it stands in.
    ResourceRequest,
    /// `restart_count`.
    RestartCount,
    /// `filesystem/usage`.
    FilesystemUsage,
    /// `filesystem/limit`.
    FilesystemLimit,
    /// `filesystem/available`.
    FilesystemAvailable,
    /// `filesystem/inodes`.
    FilesystemInodes,
    /// `filesystem/inodes_free`.
    FilesystemInodesFree,
    /// `cpu/node_capacity`.
    CpuNodeCapacity,
    /// `cpu/node_allocatable`.
    CpuNodeAllocatable,
    /// `cpu/node_utilization`.
    CpuNodeUtilization,
    /// `cpu/node_reservation`.
    CpuNodeReservation,
    /// `memory/node_capacity`.
    MemoryNodeCapacity,
    /// `memory/node_allocatable`.
    MemoryNodeAllocatable,
    /// `memory/node_utilization`.
    MemoryNodeUtilization,
    /// `memory/node_reservation`.
    MemoryNodeReservation,
    /// `ephemeral_storage/node_capacity`.
    EphemeralStorageNodeCapacity,
    /// `ephemeral_storage/node_allocatable`.
    EphemeralStorageNodeAllocatable,
    /// `ephemeral_storage/node_utilization`.
    EphemeralStorageNodeUtilization,
    /// `ephemeral_storage/node_reservation`.
    EphemeralStorageNodeReservation,
    /// `memory/swap`.
    MemorySwap,
    /// `memory/swap_available`.
    MemorySwapAvailable,
    /// `process/count`.
    ProcessCount,
    /// `cpu/pressure_some`.
    CpuPressureSome,
    /// `cpu/pressure_some_rate`.
    CpuPressureSomeRate,
    /// `cpu/pressure_full`.
    CpuPressureFull,
    /// `cpu/pressure_full_rate`.
    CpuPressureFullRate,
    /// `memory/pressure_some`.
    MemoryPressureSome,
    /// `memory/pressure_some_rate`.
    MemoryPressureSomeRate,
    /// `memory/pressure_full`.
    MemoryPressureFull,
    /// `memory/pressure_full_rate`.
    MemoryPressureFullRate,
    /// `io/pressure_some`.
    IoPressureSome,
    /// `io/pressure_some_rate`.
    IoPressureSomeRate,
    /// `io/pressure_full`.
    IoPressureFull,
    /// `io/pressure_full_rate`.
    IoPressureFullRate,
}

/// How a metric's values follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// Only grows within one life of its entity.
    Cumulative,
    /// Any value at any time.
    Gauge,
}

/// What a metric is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Units {
    /// A plain number.
    Count,
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Milliseconds,
    /// Nanoseconds.
    Nanoseconds,
    /// Thousandths of a core, which Heapster declares as a count.
    Millicores,
    /// A share of one.
    Ratio,
    /// Whatever the counter counts, each second.
    PerSecond,
}

/// What is known of a metric besides its place in the enum.
struct Row {
    name: &'static str,
    kind: MetricKind,
    units: Units,
    float: bool,
}

const fn row(name: &'static str, kind: MetricKind, units: Units, float: bool) -> Row {
    Row {
        name,
        kind,
        units,
        float,
    }
}

impl Metric {
    /// Every metric, in the order of the enum.
    pub const ALL: [Self; 59] = [
        Self::Uptime,
        Self::CpuUsage,
        Self::CpuUsageRate,
        Self::CpuRequest,
        Self::CpuLimit,
        Self::MemoryUsage,
        Self::MemoryWorkingSet,
        Self::MemoryRss,
        Self::MemoryRequest,
        Self::MemoryLimit,
        Self::MemoryPageFaults,
        Self::MemoryPageFaultsRate,
        Self::MemoryMajorPageFaults,
        Self::MemoryMajorPageFaultsRate,
        Self::NetworkRx,
        Self::NetworkRxRate,
        Self::NetworkRxErrors,
        Self::NetworkRxErrorsRate,
        Self::NetworkTx,
        Self::NetworkTxRate,
        Self::NetworkTxErrors,
        Self::NetworkTxErrorsRate,
        Self::EphemeralStorageUsage,
        Self::EphemeralStorageRequest,
        Self::EphemeralStorageLimit,
        Self::ResourceRequest,
        Self::RestartCount,
        Self::FilesystemUsage,
        Self::FilesystemLimit,
        Self::FilesystemAvailable,
        Self::FilesystemInodes,
        Self::FilesystemInodesFree,
        Self::CpuNodeCapacity,
        Self::CpuNodeAllocatable,
        Self::CpuNodeUtilization,
        Self::CpuNodeReservation,
        Self::MemoryNodeCapacity,
        Self::MemoryNodeAllocatable,
        Self::MemoryNodeUtilization,
        Self::MemoryNodeReservation,
        Self::EphemeralStorageNodeCapacity,
        Self::EphemeralStorageNodeAllocatable,
        Self::EphemeralStorageNodeUtilization,
        Self::EphemeralStorageNodeReservation,
        Self::MemorySwap,
        Self::MemorySwapAvailable,
        Self::ProcessCount,
        Self::CpuPressureSome,
        Self::CpuPressureSomeRate,
        Self::CpuPressureFull,
        Self::CpuPressureFullRate,
        Self::MemoryPressureSome,
        Self::MemoryPressureSomeRate,
        Self::MemoryPressureFull,
        Self::MemoryPressureFullRate,
        Self::IoPressureSome,
        Self::IoPressureSomeRate,
        Self::IoPressureFull,
        Self::IoPressureFullRate,
    ];

    /// The metric of this name; names of extended resources (`nvidia.com/gpu/request`) are none of
    /// the catalogue's.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        let known = Self::ALL.iter().copied();
        known
            .filter(|metric| !metric.name().is_empty())
            .find(|metric| metric.name() == name)
    }

    /// Heapster's name, a family and a metric around a slash; empty for
    /// [`Metric::ResourceRequest`], whose name depends on the resource.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// How its values follow each other.
    #[must_use]
    pub const fn kind(self) -> MetricKind {
        self.row().kind
    }

    /// What it is counted in.
    #[must_use]
    pub const fn units(self) -> Units {
        self.row().units
    }

    /// Tells whether its values are [`Value::Float`](super::Value::Float).
    #[must_use]
    pub const fn is_float(self) -> bool {
        self.row().float
    }

    /// Tells whether it is told apart by the label `resource_id`: one value for each filesystem.
    #[must_use]
    pub const fn is_labelled(self) -> bool {
        matches!(
            self,
            Self::FilesystemUsage
                | Self::FilesystemLimit
                | Self::FilesystemAvailable
                | Self::FilesystemInodes
                | Self::FilesystemInodesFree
        )
    }

    /// The rate that is computed from this counter, if there is one.
    #[must_use]
    pub const fn rate(self) -> Option<Self> {
        Some(match self {
            Self::CpuUsage => Self::CpuUsageRate,
            Self::MemoryPageFaults => Self::MemoryPageFaultsRate,
            Self::MemoryMajorPageFaults => Self::MemoryMajorPageFaultsRate,
            Self::NetworkRx => Self::NetworkRxRate,
            Self::NetworkRxErrors => Self::NetworkRxErrorsRate,
            Self::NetworkTx => Self::NetworkTxRate,
            Self::NetworkTxErrors => Self::NetworkTxErrorsRate,
            Self::CpuPressureSome => Self::CpuPressureSomeRate,
            Self::CpuPressureFull => Self::CpuPressureFullRate,
            Self::MemoryPressureSome => Self::MemoryPressureSomeRate,
            Self::MemoryPressureFull => Self::MemoryPressureFullRate,
            Self::IoPressureSome => Self::IoPressureSomeRate,
            Self::IoPressureFull => Self::IoPressureFullRate,
            _ => return None,
        })
    }

    const fn row(self) -> Row {
        use MetricKind::{Cumulative, Gauge};
        use Units::{Bytes, Count, Millicores, Milliseconds, Nanoseconds, PerSecond, Ratio};
        match self {
            Self::Uptime => row("uptime", Cumulative, Milliseconds, false),
            Self::CpuUsage => row("cpu/usage", Cumulative, Nanoseconds, false),
            Self::CpuUsageRate => row("cpu/usage_rate", Gauge, Millicores, false),
            Self::CpuRequest => row("cpu/request", Gauge, Millicores, false),
            Self::CpuLimit => row("cpu/limit", Gauge, Millicores, false),
            Self::MemoryUsage => row("memory/usage", Gauge, Bytes, false),
            Self::MemoryWorkingSet => row("memory/working_set", Gauge, Bytes, false),
            Self::MemoryRss => row("memory/rss", Gauge, Bytes, false),
            Self::MemoryRequest => row("memory/request", Gauge, Bytes, false),
            Self::MemoryLimit => row("memory/limit", Gauge, Bytes, false),
            Self::MemoryPageFaults => row("memory/page_faults", Cumulative, Count, false),
            Self::MemoryPageFaultsRate => row("memory/page_faults_rate", Gauge, PerSecond, true),
            Self::MemoryMajorPageFaults => {
                row("memory/major_page_faults", Cumulative, Count, false)
            }
            Self::MemoryMajorPageFaultsRate => {
                row("memory/major_page_faults_rate", Gauge, PerSecond, true)
            }
            Self::NetworkRx => row("network/rx", Cumulative, Bytes, false),
            Self::NetworkRxRate => row("network/rx_rate", Gauge, PerSecond, true),
            Self::NetworkRxErrors => row("network/rx_errors", Cumulative, Count, false),
            Self::NetworkRxErrorsRate => row("network/rx_errors_rate", Gauge, PerSecond, true),
            Self::NetworkTx => row("network/tx", Cumulative, Bytes, false),
            Self::NetworkTxRate => row("network/tx_rate", Gauge, PerSecond, true),
            Self::NetworkTxErrors => row("network/tx_errors", Cumulative, Count, false),
            Self::NetworkTxErrorsRate => row("network/tx_errors_rate", Gauge, PerSecond, true),
            Self::EphemeralStorageUsage => row("ephemeral_storage/usage", Gauge, Bytes, false),
            Self::EphemeralStorageRequest => row("ephemeral_storage/request", Gauge, Bytes, false),
            Self::EphemeralStorageLimit => row("ephemeral_storage/limit", Gauge, Bytes, false),
            Self::ResourceRequest => row("", Gauge, Count, false),
            Self::RestartCount => row("restart_count", Gauge, Count, false),
            Self::FilesystemUsage => row("filesystem/usage", Gauge, Bytes, false),
            Self::FilesystemLimit => row("filesystem/limit", Gauge, Bytes, false),
            Self::FilesystemAvailable => row("filesystem/available", Gauge, Bytes, false),
            Self::FilesystemInodes => row("filesystem/inodes", Gauge, Bytes, false),
            Self::FilesystemInodesFree => row("filesystem/inodes_free", Gauge, Bytes, false),
            Self::CpuNodeCapacity => row("cpu/node_capacity", Gauge, Millicores, true),
            Self::CpuNodeAllocatable => row("cpu/node_allocatable", Gauge, Millicores, true),
            Self::CpuNodeUtilization => row("cpu/node_utilization", Gauge, Ratio, true),
            Self::CpuNodeReservation => row("cpu/node_reservation", Gauge, Ratio, true),
            Self::MemoryNodeCapacity => row("memory/node_capacity", Gauge, Bytes, true),
            Self::MemoryNodeAllocatable => row("memory/node_allocatable", Gauge, Bytes, true),
            Self::MemoryNodeUtilization => row("memory/node_utilization", Gauge, Ratio, true),
            Self::MemoryNodeReservation => row("memory/node_reservation", Gauge, Ratio, true),
            Self::EphemeralStorageNodeCapacity => {
                row("ephemeral_storage/node_capacity", Gauge, Bytes, true)
            }
            Self::EphemeralStorageNodeAllocatable => {
                row("ephemeral_storage/node_allocatable", Gauge, Bytes, true)
            }
            Self::EphemeralStorageNodeUtilization => {
                row("ephemeral_storage/node_utilization", Gauge, Ratio, true)
            }
            Self::EphemeralStorageNodeReservation => {
                row("ephemeral_storage/node_reservation", Gauge, Ratio, true)
            }
            Self::MemorySwap => row("memory/swap", Gauge, Bytes, false),
            Self::MemorySwapAvailable => row("memory/swap_available", Gauge, Bytes, false),
            Self::ProcessCount => row("process/count", Gauge, Count, false),
            Self::CpuPressureSome => row("cpu/pressure_some", Cumulative, Nanoseconds, false),
            Self::CpuPressureSomeRate => row("cpu/pressure_some_rate", Gauge, PerSecond, true),
            Self::CpuPressureFull => row("cpu/pressure_full", Cumulative, Nanoseconds, false),
            Self::CpuPressureFullRate => row("cpu/pressure_full_rate", Gauge, PerSecond, true),
            Self::MemoryPressureSome => row("memory/pressure_some", Cumulative, Nanoseconds, false),
            Self::MemoryPressureSomeRate => {
                row("memory/pressure_some_rate", Gauge, PerSecond, true)
            }
            Self::MemoryPressureFull => row("memory/pressure_full", Cumulative, Nanoseconds, false),
            Self::MemoryPressureFullRate => {
                row("memory/pressure_full_rate", Gauge, PerSecond, true)
            }
            Self::IoPressureSome => row("io/pressure_some", Cumulative, Nanoseconds, false),
            Self::IoPressureSomeRate => row("io/pressure_some_rate", Gauge, PerSecond, true),
            Self::IoPressureFull => row("io/pressure_full", Cumulative, Nanoseconds, false),
            Self::IoPressureFullRate => row("io/pressure_full_rate", Gauge, PerSecond, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_finds_its_metric() {
        for metric in Metric::ALL {
            let found = Metric::find(metric.name());
            assert_eq!(found, (metric != Metric::ResourceRequest).then_some(metric));
        }
        assert_eq!(Metric::find("cpu/load"), None);
    }

    #[test]
    fn the_list_is_in_the_order_of_the_enum() {
        assert!(Metric::ALL.is_sorted());
    }

    #[test]
    fn only_counters_have_a_rate_and_every_rate_is_a_gauge() {
        for metric in Metric::ALL {
            if let Some(rate) = metric.rate() {
                assert_eq!(metric.kind(), MetricKind::Cumulative, "{metric:?}");
                assert_eq!(rate.name(), format!("{}_rate", metric.name()).as_str());
                assert_eq!(rate.kind(), MetricKind::Gauge);
            }
        }
    }
}
