//! Where the databases' programs are.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::real::cache;

/// Debian packages, unpacked by `conformance/run` and never installed: that would start them.
#[derive(Clone, Debug)]
pub struct Programs {
    root: PathBuf,
}

impl Programs {
    /// Those in the folder `databases` of the cache.
    ///
    /// # Errors
    /// When there is no cache.
    pub fn find() -> Result<Self> {
        let root = cache()?.join("databases");
        Ok(Self { root })
    }

    /// A program, from the cache or installed on the machine.
    ///
    /// # Errors
    /// When it is not there; the text says why `conformance/run` could not get it, if it tried.
    pub fn program(&self, name: &str) -> Result<PathBuf> {
        let places = [&self.root, Path::new("/")].map(|root| root.join("usr/bin").join(name));
        if let Some(found) = places.into_iter().find(|place| place.is_file()) {
            return Ok(found);
        }
        let log = self.root.with_extension("log");
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        let last = said.lines().rev().find(|line| !line.trim().is_empty());
        bail!(
            "{name} is not on this machine and could not be had: {}",
            last.unwrap_or("start with conformance/run sinks, which unpacks it")
        )
    }

    /// What Python is told to find the packages.
    #[must_use]
    pub fn python_path(&self) -> (String, String) {
        let packages = self.root.join("usr/lib/python3/dist-packages");
        ("PYTHONPATH".to_owned(), packages.display().to_string())
    }
}
