//! What the log was told of a spool: a line for each change.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use tracing::{info, warn};

#[derive(Debug, Default)]
pub(super) struct Told {
    /// What was said and not taken back.
    said: BTreeSet<Line>,
    last: Last,
    /// How many batches in a row were written since the disk did not take one.
    written: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Line {
    Full,
    Failing,
    Late,
    Large,
    Left,
}

/// What became of the last batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Last {
    #[default]
    Written,
    Failed,
    /// It is larger than all may be together.
    TooLarge,
}

/// So many written in a row, and the disk works: one that is nearly full takes a small batch and not
/// the next.
const WORKS: u32 = 3;

impl Told {
    /// The oldest batches have made room.
    pub(super) fn full(&mut self, sink: &str) {
        if self.said.insert(Line::Full) {
            warn!(sink, "the spool is full; its oldest batches are dropped");
        }
    }

    /// A batch takes more `bytes` than the `most` all may take together. Told once.
    pub(super) fn too_large(&mut self, sink: &str, bytes: u64, most: u64) {
        self.last = Last::TooLarge;
        if self.said.insert(Line::Large) {
            warn!(
                sink,
                bytes, most, "a batch is larger than the spool may be; it is in memory alone"
            );
        }
    }

    /// What is not written when the process ends is made again by the next one.
    pub(super) fn left(&mut self, sink: &str) {
        if self.said.insert(Line::Left) {
            info!(
                sink,
                "stopped before all was sent; what was not is read again"
            );
        }
    }

    /// The spool holds `bytes` of the `most` it may. It has room again once half of it is free: less
    /// would be told with every batch that comes and goes.
    pub(super) fn holds(&mut self, sink: &str, bytes: u64, most: u64) {
        if bytes <= most / 2 && self.said.remove(&Line::Full) {
            info!(sink, "the spool has room again");
        }
    }

    pub(super) fn failed(&mut self, sink: &str, folder: &Path, error: &io::Error) {
        (self.last, self.written) = (Last::Failed, 0);
        if self.said.insert(Line::Failing) {
            let folder = folder.display();
            warn!(
                sink,
                %folder,
                %error,
                "cannot write to the spool; batches are in memory alone"
            );
        }
    }

    /// Whether the disk did not take the last batch.
    pub(super) fn is_failing(&self) -> bool {
        self.last == Last::Failed
    }

    /// Whether the last batch was written.
    pub(super) fn takes(&self) -> bool {
        self.last == Last::Written
    }

    pub(super) fn wrote(&mut self, sink: &str) {
        self.last = Last::Written;
        self.written = self.written.saturating_add(1);
        if self.written >= WORKS && self.said.remove(&Line::Failing) {
            info!(sink, "the spool is written to again");
        }
    }

    /// More wait to be written than may.
    pub(super) fn late(&mut self, sink: &str) {
        if self.said.insert(Line::Late) {
            warn!(
                sink,
                "more batches wait for the spool than may; the oldest of them are dropped"
            );
        }
    }

    /// None waits to be written any more.
    pub(super) fn in_time(&mut self, sink: &str) {
        if self.said.remove(&Line::Late) {
            info!(sink, "the spool is written to in time again");
        }
    }
}
