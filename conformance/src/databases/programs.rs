//! Where the databases' programs are.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};

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
        bail!(
            "{name} is not on this machine and could not be had: {}",
            self.why()
        )
    }

    /// What `conformance/run` said last when it failed to get something.
    fn why(&self) -> String {
        let log = self.root.with_extension("log");
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        let last = said.lines().rev().find(|line| !line.trim().is_empty());
        let last = last.unwrap_or("start with conformance/run sinks, which gets it");
        last.to_owned()
    }

    /// Java, as it is on the machine.
    ///
    /// # Errors
    /// When there is none.
    pub fn java(&self) -> Result<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut places = std::env::split_paths(&path).map(|folder| folder.join("java"));
        let found = places.find(|place| place.is_file());
        found.ok_or_else(|| anyhow!("java is not on this machine: {}", self.why()))
    }

    /// The class path of a server in Java, from the folder `java` of the cache.
    ///
    /// # Errors
    /// When it is not there; the text says why `conformance/run` could not get it, if it tried.
    pub fn class_path(&self, server: &str) -> Result<String> {
        let folder = self.root.with_file_name("java").join(server);
        if folder.is_dir() {
            return Ok(format!("{}/*", folder.display()));
        }
        bail!("{server} could not be had: {}", self.why())
    }

    /// What Python is told to find the packages.
    #[must_use]
    pub fn python_path(&self) -> (String, String) {
        let packages = self.root.join("usr/lib/python3/dist-packages");
        ("PYTHONPATH".to_owned(), packages.display().to_string())
    }
}
