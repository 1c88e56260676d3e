//! The ring on disk: columns outlive the process, and go further back than memory does.
//!
//! There is one kind of file, written once: a *segment* holds one or more columns that follow each
//! other, packed as the ring hands them off, sorted by entity. Each tick adds a segment with the
//! columns that are not on disk yet, one at most times; what could not be written waits in the ring
//! and is in the next one. Once sixty columns lie in small segments, they are joined into one
//! large segment and removed; that reads and writes one entity after the other, and packs rows
//! better. A segment has its name only when all of it is on disk, and says at its end that it is
//! whole; so a torn write is none, and costs the tick that was being written. Everything in it has a
//! checksum: what does not fit is passed over, told once a file, and counted. What the disk does
//! not let us read is not lost: joining is given up then and tried again later.
//!
//! In memory there is a line a segment: from when to when. Questions read the place of an entity out
//! of a segment's index, and then the piece of some 64 KiB it lies in, on threads that may block, at
//! most two at once. The segment's beginning says its version: a file of another one is left alone
//! until its time is over.
//!
//! At the start the newest segments are read back into the ring, before another replica is asked
//! for what is newer still. One process has a directory for itself, by a lock: each replica needs
//! its own. Nothing here is waited for by a tick or a request to the live API, and nothing that is
//! wrong with the disk ends the process: each change from well to unwell is a line of the log.

mod folder;
mod keeper;
mod merge;
mod metrics;
mod place;
mod plan;
mod restore;
mod segment;
mod share;
mod source;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::Bytes;

pub use keeper::Archive;
pub use place::NoParent;
pub use restore::{Restored, Restoring};
pub use segment::{Broken, read_any};

/// Where columns are kept, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The directory, made if need be in one that is there; for this process alone.
    pub folder: PathBuf,
    /// A segment goes when its newest column is older than the newest of all by this much.
    pub retention: Duration,
    /// The most all segments may take. Above it the oldest go; while one is written or joined it
    /// may be exceeded by that one. On a volume that is smaller it is what that has room for.
    pub most: Bytes,
}
