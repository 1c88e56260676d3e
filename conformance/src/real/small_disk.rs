//! A disk that can be full.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use anyhow::{Context, Result, bail, ensure};

/// A disk of a few pages, mounted at a folder of its own until it is dropped. Only root may.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    folder: PathBuf,
    size: usize,
}

/// What the folders of all runs begin with, before the number of their process.
const PREFIX: &str = "loadline-full-";
const FILLER: &str = "filler";
const HELD: &str = ".held";

impl SmallDisk {
    /// Mounts one of so many bytes.
    ///
    /// # Errors
    /// When this process may not mount.
    pub(crate) fn mount(size: usize) -> Result<Self> {
        sweep()?;
        let prefix = format!("{PREFIX}{}-", process::id());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir()?;
        let disk = Self {
            folder: folder.keep(),
            size,
        };
        let out = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size},mode=0700")])
            .arg("loadline-full")
            .arg(&disk.folder)
            .output()
            .context("mount")?;
        let error = String::from_utf8_lossy(&out.stderr);
        ensure!(out.status.success(), "mount: {}", error.trim());
        Ok(disk)
    }

    /// Where it is mounted.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes all that is left, and holds on to what is there: to remove it makes no room.
    pub(crate) fn fill(&self) -> Result<()> {
        for path in self.files()? {
            if path.extension().is_some_and(|end| end == "segment") {
                // It may be held already, or be gone.
                let _ = fs::hard_link(&path, path.with_extension(&HELD[1..]));
            }
        }
        let mut options = OpenOptions::new();
        let mut filler = options
            .create(true)
            .append(true)
            .open(self.folder.join(FILLER))?;
        for _ in 0..=self.size / 4096 {
            match filler.write_all(&[0; 4096]) {
                Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(()),
                written => written?,
            }
        }
        bail!("it is larger than it was made")
    }

    /// Gives all that back.
    pub(crate) fn empty(&self) -> Result<()> {
        for path in self.files()? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name == FILLER || name.ends_with(HELD) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let files = fs::read_dir(&self.folder)?;
        files.map(|file| Ok(file?.path())).collect()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        take_away(&self.folder);
    }
}

/// Takes away what runs left whose process is gone.
fn sweep() -> Result<()> {
    for entry in fs::read_dir(std::env::temp_dir())? {
        let folder = entry?.path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let owner = name.strip_prefix(PREFIX).and_then(|n| n.split_once('-'));
        if let Some((owner, _)) = owner
            && !Path::new("/proc").join(owner).exists()
        {
            take_away(&folder);
        }
    }
    Ok(())
}

fn take_away(folder: &Path) {
    // At once for everybody else, even while a process that was killed has files open.
    let _ = Command::new("umount").arg("-l").arg(folder).output();
    let _ = fs::remove_dir(folder);
}
