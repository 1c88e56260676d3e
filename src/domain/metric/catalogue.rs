//! Every metric by Heapster's name, and those Heapster never had in its style.

use MetricKind::{Cumulative, Gauge};
use Units::{Bytes, Count, Millicores, Milliseconds, Nanoseconds, PerSecond, Ratio};

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
    metric: Metric,
    name: &'static str,
    kind: MetricKind,
    units: Units,
    float: bool,
}

/// A row of the catalogue whose values are whole numbers.
const fn int(metric: Metric, name: &'static str, kind: MetricKind, units: Units) -> Row {
    Row {
        metric,
        name,
        kind,
        units,
        float: false,
    }
}

/// A row of the catalogue whose values are floats.
const fn float(metric: Metric, name: &'static str, units: Units) -> Row {
    Row {
        metric,
        name,
        kind: Gauge,
        units,
        float: true,
    }
}

/// The catalogue, in the order of the enum.
#[rustfmt::skip]
static CATALOGUE: [Row; 59] = [
    int(Metric::Uptime, "uptime", Cumulative, Milliseconds),
    int(Metric::CpuUsage, "cpu/usage", Cumulative, Nanoseconds),
    int(Metric::CpuUsageRate, "cpu/usage_rate", Gauge, Millicores),
    int(Metric::CpuRequest, "cpu/request", Gauge, Millicores),
    int(Metric::CpuLimit, "cpu/limit", Gauge, Millicores),
    int(Metric::MemoryUsage, "memory/usage", Gauge, Bytes),
    int(Metric::MemoryWorkingSet, "memory/working_set", Gauge, Bytes),
    int(Metric::MemoryRss, "memory/rss", Gauge, Bytes),
    int(Metric::MemoryRequest, "memory/request", Gauge, Bytes),
    int(Metric::MemoryLimit, "memory/limit", Gauge, Bytes),
    int(Metric::MemoryPageFaults, "memory/page_faults", Cumulative, Count),
    float(Metric::MemoryPageFaultsRate, "memory/page_faults_rate", PerSecond),
    int(Metric::MemoryMajorPageFaults, "memory/major_page_faults", Cumulative, Count),
    float(Metric::MemoryMajorPageFaultsRate, "memory/major_page_faults_rate", PerSecond),
    int(Metric::NetworkRx, "network/rx", Cumulative, Bytes),
    float(Metric::NetworkRxRate, "network/rx_rate", PerSecond),
    int(Metric::NetworkRxErrors, "network/rx_errors", Cumulative, Count),
    float(Metric::NetworkRxErrorsRate, "network/rx_errors_rate", PerSecond),
    int(Metric::NetworkTx, "network/tx", Cumulative, Bytes),
    float(Metric::NetworkTxRate, "network/tx_rate", PerSecond),
    int(Metric::NetworkTxErrors, "network/tx_errors", Cumulative, Count),
    float(Metric::NetworkTxErrorsRate, "network/tx_errors_rate", PerSecond),
    int(Metric::EphemeralStorageUsage, "ephemeral_storage/usage", Gauge, Bytes),
    int(Metric::EphemeralStorageRequest, "ephemeral_storage/request", Gauge, Bytes),
    int(Metric::EphemeralStorageLimit, "ephemeral_storage/limit", Gauge, Bytes),
    int(Metric::ResourceRequest, "", Gauge, Count),
    int(Metric::RestartCount, "restart_count", Gauge, Count),
    int(Metric::FilesystemUsage, "filesystem/usage", Gauge, Bytes),
    int(Metric::FilesystemLimit, "filesystem/limit", Gauge, Bytes),
    int(Metric::FilesystemAvailable, "filesystem/available", Gauge, Bytes),
    int(Metric::FilesystemInodes, "filesystem/inodes", Gauge, Bytes),
    int(Metric::FilesystemInodesFree, "filesystem/inodes_free", Gauge, Bytes),
    float(Metric::CpuNodeCapacity, "cpu/node_capacity", Millicores),
    float(Metric::CpuNodeAllocatable, "cpu/node_allocatable", Millicores),
    float(Metric::CpuNodeUtilization, "cpu/node_utilization", Ratio),
    float(Metric::CpuNodeReservation, "cpu/node_reservation", Ratio),
    float(Metric::MemoryNodeCapacity, "memory/node_capacity", Bytes),
    float(Metric::MemoryNodeAllocatable, "memory/node_allocatable", Bytes),
    float(Metric::MemoryNodeUtilization, "memory/node_utilization", Ratio),
    float(Metric::MemoryNodeReservation, "memory/node_reservation", Ratio),
    float(Metric::EphemeralStorageNodeCapacity, "ephemeral_storage/node_capacity", Bytes),
    float(Metric::EphemeralStorageNodeAllocatable, "ephemeral_storage/node_allocatable", Bytes),
    float(Metric::EphemeralStorageNodeUtilization, "ephemeral_storage/node_utilization", Ratio),
    float(Metric::EphemeralStorageNodeReservation, "ephemeral_storage/node_reservation", Ratio),
    int(Metric::MemorySwap, "memory/swap", Gauge, Bytes),
    int(Metric::MemorySwapAvailable, "memory/swap_available", Gauge, Bytes),
    int(Metric::ProcessCount, "process/count", Gauge, Count),
    int(Metric::CpuPressureSome, "cpu/pressure_some", Cumulative, Nanoseconds),
    float(Metric::CpuPressureSomeRate, "cpu/pressure_some_rate", PerSecond),
    int(Metric::CpuPressureFull, "cpu/pressure_full", Cumulative, Nanoseconds),
    float(Metric::CpuPressureFullRate, "cpu/pressure_full_rate", PerSecond),
    int(Metric::MemoryPressureSome, "memory/pressure_some", Cumulative, Nanoseconds),
    float(Metric::MemoryPressureSomeRate, "memory/pressure_some_rate", PerSecond),
    int(Metric::MemoryPressureFull, "memory/pressure_full", Cumulative, Nanoseconds),
    float(Metric::MemoryPressureFullRate, "memory/pressure_full_rate", PerSecond),
    int(Metric::IoPressureSome, "io/pressure_some", Cumulative, Nanoseconds),
    float(Metric::IoPressureSomeRate, "io/pressure_some_rate", PerSecond),
    int(Metric::IoPressureFull, "io/pressure_full", Cumulative, Nanoseconds),
    float(Metric::IoPressureFullRate, "io/pressure_full_rate", PerSecond),
];

impl Metric {
    /// Every metric, in the order of the enum.
    pub fn all() -> impl Iterator<Item = Self> + Clone {
        CATALOGUE.iter().map(|row| row.metric)
    }

    /// The metric of this name; names of extended resources (`nvidia.com/gpu/request`) are none of
    /// the catalogue's.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        let row = CATALOGUE.iter().find(|row| row.name == name)?;
        (!name.is_empty()).then_some(row.metric)
    }

    /// Heapster's name, a family and a metric around a slash; empty for
    /// [`Metric::ResourceRequest`], whose name depends on the resource.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// How its values follow each other.
    #[must_use]
    pub fn kind(self) -> MetricKind {
        self.row().kind
    }

    /// What it is counted in.
    #[must_use]
    pub fn units(self) -> Units {
        self.row().units
    }

    /// Tells whether its values are [`Value::Float`](super::Value::Float).
    #[must_use]
    pub fn is_float(self) -> bool {
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

    /// Tells whether it counts what passed a network interface.
    #[must_use]
    pub const fn is_network(self) -> bool {
        matches!(
            self,
            Self::NetworkRx | Self::NetworkRxErrors | Self::NetworkTx | Self::NetworkTxErrors
        )
    }

    /// The rate that is computed from this counter, if there is one.
    #[must_use]
    pub fn rate(self) -> Option<Self> {
        if !self.has_rate() {
            return None;
        }
        // It follows its counter in the catalogue, which a test holds.
        let next = CATALOGUE.get(usize::from(self as u8) + 1)?;
        Some(next.metric)
    }

    const fn has_rate(self) -> bool {
        matches!(
            self,
            Self::CpuUsage
                | Self::MemoryPageFaults
                | Self::MemoryMajorPageFaults
                | Self::NetworkRx
                | Self::NetworkRxErrors
                | Self::NetworkTx
                | Self::NetworkTxErrors
                | Self::CpuPressureSome
                | Self::CpuPressureFull
                | Self::MemoryPressureSome
                | Self::MemoryPressureFull
                | Self::IoPressureSome
                | Self::IoPressureFull
        )
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a test holds that the catalogue is in the order of the enum"
    )]
    fn row(self) -> &'static Row {
        &CATALOGUE[usize::from(self as u8)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_finds_its_metric() {
        for metric in Metric::all() {
            let found = Metric::find(metric.name());
            assert_eq!(found, (metric != Metric::ResourceRequest).then_some(metric));
        }
        assert_eq!(Metric::find("cpu/load"), None);
    }

    #[test]
    fn the_list_is_in_the_order_of_the_enum() {
        for (at, metric) in Metric::all().enumerate() {
            assert_eq!(usize::from(metric as u8), at, "{metric:?}");
        }
    }

    #[test]
    fn only_counters_have_a_rate_and_every_rate_is_a_gauge() {
        assert_eq!(Metric::CpuUsage.rate(), Some(Metric::CpuUsageRate));
        assert_eq!(
            Metric::NetworkTxErrors.rate(),
            Some(Metric::NetworkTxErrorsRate)
        );
        for metric in Metric::all() {
            let name = format!("{}_rate", metric.name());
            assert_eq!(metric.rate(), Metric::find(&name), "{metric:?}");
            if let Some(rate) = metric.rate() {
                assert_eq!((metric.kind(), rate.kind()), (Cumulative, Gauge));
            }
        }
    }
}
