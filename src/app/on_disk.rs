//! The history on disk: read back at the start, then written as columns are finished.

use std::sync::Arc;

use super::over_time::OverTime;
use super::replicas::Synced;
use crate::archive::{Archive, Restored, Restoring};
use crate::domain::Inventory;
use crate::history::History;
use crate::lifecycle::{Stop, Tasks};

/// What reads and writes it.
pub(super) struct OnDisk {
    archive: Arc<Archive>,
    history: Arc<History>,
    restoring: Restoring,
    synced: Synced,
}

impl OnDisk {
    /// `None` when columns are kept in memory alone.
    pub(super) fn new(
        over_time: &OverTime,
        inventory: &Arc<Inventory>,
        synced: Synced,
    ) -> Option<Self> {
        let archive = over_time.archive.clone()?;
        let history = over_time.history.clone()?;
        let (kept, ring) = (Arc::clone(&archive), Arc::clone(&history));
        Some(Self {
            archive,
            history,
            restoring: Restoring::new(kept, ring, Arc::clone(inventory)),
            synced,
        })
    }

    /// Starts both, one after the other, and tells when what was there is in the ring.
    pub(super) fn start(self, tasks: &Tasks, quit: &Stop) -> Restored {
        let restored = self.restoring.restored();
        let until = quit.clone();
        let synced = self.synced;
        tasks.spawn_vital("history-dir", quit.clone(), async move {
            self.restoring.run(move || synced(), until.clone()).await;
            self.archive.run(self.history, until).await;
        });
        restored
    }
}

/// Returns when there is nothing to wait for any more.
pub(super) async fn over(restored: Option<Restored>) {
    if let Some(restored) = restored {
        restored.wait().await;
    }
}

impl std::fmt::Debug for OnDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnDisk").finish_non_exhaustive()
    }
}
