//! A folder that goes when it is dropped.

use std::path::{Path, PathBuf};

pub(in crate::sinks) struct Folder(PathBuf);

impl Folder {
    pub(in crate::sinks) fn new() -> Self {
        let name = format!("loadline-{}", uuid::Uuid::new_v4());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(in crate::sinks) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
