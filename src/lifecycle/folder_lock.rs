//! A folder that one process uses at a time.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

/// That a folder is this process's, until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

const NAME: &str = "lock";

impl FolderLock {
    /// Takes a folder; `None` when another process has it. On a file system without locks, who has
    /// it cannot be told, and everybody gets it. Blocks.
    ///
    /// # Errors
    /// When the folder is not there, or the file that is locked in it cannot be made.
    pub fn take(folder: &Path) -> io::Result<Option<Self>> {
        let file = File::create(folder.join(NAME))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Ok(None),
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(Self { _file: file })),
        }
    }

    /// Whether somebody has the folder, as far as that can be told; changes nothing there. Blocks.
    #[must_use]
    pub fn is_taken(folder: &Path) -> bool {
        let file = File::open(folder.join(NAME));
        file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_one_holders_until_it_lets_go() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("folder");
        FolderLock::take(&folder).unwrap_err();
        assert!(!FolderLock::is_taken(&folder) && !folder.exists());
        std::fs::create_dir(&folder).unwrap();
        let held = FolderLock::take(&folder).unwrap();
        assert!(held.is_some() && FolderLock::is_taken(&folder));
        assert!(FolderLock::take(&folder).unwrap().is_none());
        drop(held);
        assert!(!FolderLock::is_taken(&folder));
        assert!(FolderLock::take(&folder).unwrap().is_some());
    }

    #[test]
    fn what_is_no_folder_is_an_error() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("file");
        File::create(&file).unwrap();
        FolderLock::take(&file).unwrap_err();
    }
}
