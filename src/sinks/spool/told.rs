//! What the log was told of a spool: a line for each change.

use std::io;
use std::path::Path;

use tracing::{info, warn};

#[derive(Debug, Default)]
pub(super) struct Told {
    full: bool,
    failing: bool,
    late: bool,
}

impl Told {
    /// The oldest batches have made room.
    pub(super) fn full(&mut self, sink: &str) {
        if !std::mem::replace(&mut self.full, true) {
            warn!(sink, "the spool is full; its oldest batches are dropped");
        }
    }

    /// A batch of `bytes` does not fit, of the `most` there may be.
    pub(super) fn no_room(&mut self, sink: &str, bytes: u64, most: u64) {
        if std::mem::replace(&mut self.full, true) {
            return;
        }
        if bytes > most {
            warn!(
                sink,
                bytes, "a batch is larger than the spool may be; it is dropped"
            );
        } else {
            warn!(sink, "the spool is full; what does not fit is not kept");
        }
    }

    /// The spool holds `bytes` of the `most` it may. It has room again once half of it is free: less
    /// would be told with every batch that comes and goes.
    pub(super) fn holds(&mut self, sink: &str, bytes: u64, most: u64) {
        if self.full && bytes <= most / 2 {
            self.full = false;
            info!(sink, "the spool has room again");
        }
    }

    pub(super) fn failed(&mut self, sink: &str, folder: &Path, error: &io::Error) {
        if !std::mem::replace(&mut self.failing, true) {
            let folder = folder.display();
            warn!(
                sink,
                %folder,
                %error,
                "cannot write to the spool; what memory has no room for is dropped"
            );
        }
    }

    /// Whether the last batch could not be written.
    pub(super) const fn is_failing(&self) -> bool {
        self.failing
    }

    pub(super) fn wrote(&mut self, sink: &str) {
        if std::mem::take(&mut self.failing) {
            info!(sink, "the spool is written to again");
        }
    }

    /// More wait to be written than may.
    pub(super) fn late(&mut self, sink: &str) {
        if !std::mem::replace(&mut self.late, true) {
            warn!(
                sink,
                "more batches wait for the spool than may; the oldest of them are dropped"
            );
        }
    }

    /// None waits to be written any more.
    pub(super) fn in_time(&mut self, sink: &str) {
        if std::mem::take(&mut self.late) {
            info!(sink, "the spool is written to in time again");
        }
    }
}
