//! From the numbers of an entity to points.

use std::sync::Arc;

use crate::domain::{Metric, MetricSet, Point, Qualified};

use super::{Consumed, Filesystem, Network};

/// The most points a set has, those of filesystems aside.
pub(super) const MOST_POINTS: usize = 21;

/// What a set's points are made from.
#[derive(Default)]
pub(super) struct Values {
    pub(super) consumed: Consumed,
    pub(super) network: Network,
    pub(super) storage: Option<u64>,
    pub(super) processes: Option<u64>,
}

impl Values {
    /// Adds a point for each value there is, in the order of [`Metric`].
    pub(super) fn points(&self, out: &mut Vec<Point>) {
        let Self {
            consumed,
            network,
            storage,
            processes,
        } = self;
        let values = [
            (Metric::CpuUsage, consumed.cpu),
            (Metric::MemoryUsage, consumed.memory),
            (Metric::MemoryWorkingSet, consumed.working_set),
            (Metric::MemoryRss, consumed.rss),
            (Metric::MemoryPageFaults, consumed.page_faults),
            (Metric::MemoryMajorPageFaults, consumed.major_page_faults),
            (Metric::NetworkRx, network.rx),
            (Metric::NetworkRxErrors, network.rx_errors),
            (Metric::NetworkTx, network.tx),
            (Metric::NetworkTxErrors, network.tx_errors),
            (Metric::EphemeralStorageUsage, *storage),
            (Metric::MemorySwap, consumed.swap),
            (Metric::MemorySwapAvailable, consumed.swap_available),
            (Metric::ProcessCount, *processes),
            (Metric::CpuPressureSome, consumed.cpu_pressure.some),
            (Metric::CpuPressureFull, consumed.cpu_pressure.full),
            (Metric::MemoryPressureSome, consumed.memory_pressure.some),
            (Metric::MemoryPressureFull, consumed.memory_pressure.full),
            (Metric::IoPressureSome, consumed.io_pressure.some),
            (Metric::IoPressureFull, consumed.io_pressure.full),
        ];
        for (metric, value) in values {
            out.extend(value.map(|value| Point::int(metric, value)));
        }
    }
}

impl Filesystem {
    const fn numbers(&self) -> [(Metric, Option<u64>); 5] {
        [
            (Metric::FilesystemUsage, self.used),
            (Metric::FilesystemLimit, self.capacity),
            (Metric::FilesystemAvailable, self.available),
            (Metric::FilesystemInodes, self.inodes),
            (Metric::FilesystemInodesFree, self.inodes_free),
        ]
    }
}

/// Makes room for the points of these filesystems, those to be written over included.
pub(super) fn make_room<'f>(
    set: &mut MetricSet,
    filesystems: impl Iterator<Item = &'f Filesystem>,
) {
    let known = |of: &Filesystem| of.numbers().iter().filter(|(_, n)| n.is_some()).count();
    let count: usize = filesystems.map(known).sum();
    let missing = count.saturating_sub(set.qualified.len());
    set.qualified.reserve_exact(missing);
}

/// Writes the points of a filesystem behind the first `written`; tells how many that makes.
pub(super) fn filesystem(
    set: &mut MetricSet,
    mut written: usize,
    by: &Arc<str>,
    filesystem: &Filesystem,
) -> usize {
    for (metric, value) in filesystem.numbers() {
        let Some(value) = value else { continue };
        let point = Point::int(metric, value);
        match set.qualified.get_mut(written) {
            Some(slot) => {
                slot.point = point;
                if slot.by != *by {
                    slot.by = Arc::clone(by);
                }
            }
            None => set.qualified.push(Qualified {
                by: Arc::clone(by),
                point,
            }),
        }
        written += 1;
    }
    written
}
