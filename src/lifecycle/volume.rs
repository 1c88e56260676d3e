//! How much a file system holds.

use std::io;
use std::path::Path;

use rustix::fs::statvfs;

/// What a file system has room for, in bytes. Some say nothing, which is no room at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volume {
    /// What there would be for us if nothing were there.
    pub whole: u64,
    /// What there is for us now.
    pub free: u64,
}

impl Volume {
    /// That of the file system on which this path lies. Blocks.
    ///
    /// # Errors
    /// When nothing is there, or the file system does not answer.
    pub fn of(path: &Path) -> io::Result<Self> {
        let volume = statvfs(path)?;
        // What is kept for root is not ours.
        let kept = volume.f_bfree.saturating_sub(volume.f_bavail);
        let blocks = volume.f_blocks.saturating_sub(kept);
        let bytes = |blocks: u64| blocks.saturating_mul(volume.f_frsize);
        Ok(Self {
            whole: bytes(blocks),
            free: bytes(volume.f_bavail),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_has_no_more_free_than_there_is() {
        let volume = Volume::of(&std::env::temp_dir()).unwrap();
        assert!(volume.free <= volume.whole && volume.whole > 0);
        let nowhere = std::env::temp_dir().join("not/there");
        Volume::of(&nowhere).unwrap_err();
    }
}
