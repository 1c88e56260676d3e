//! The figures of a run, kept to be drawn beside those of other sizes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::measure::Figures;
use super::server::Server;
use super::stage::Size;

/// What the files of all runs begin with.
const PREFIX: &str = "figures-";

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Saved {
    /// How large the cluster was.
    pub size: Size,
    /// What each server is called and what was measured of it.
    pub servers: Vec<(String, Figures)>,
}

impl Saved {
    /// A run's figures.
    #[must_use]
    pub fn new(size: Size, results: &[(Server, Figures)]) -> Self {
        let named = |(server, figures): &(Server, Figures)| (server.name.clone(), figures.clone());
        Self {
            size,
            servers: results.iter().map(named).collect(),
        }
    }

    /// Writes them to a file of `folder` that is named for the size, in place of an earlier run's.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<PathBuf> {
        let Size { nodes, pods } = self.size;
        let file = folder.join(format!("{PREFIX}{nodes}x{pods}.json"));
        fs::write(&file, serde_json::to_vec_pretty(self)?)?;
        Ok(file)
    }
}

/// All runs whose figures are in `folder`, the smallest cluster first.
///
/// # Errors
/// When the folder or a file of it cannot be read.
pub fn saved_in(folder: &Path) -> Result<Vec<Saved>> {
    let mut runs = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(PREFIX) && name.ends_with(".json") {
            let run: Saved = serde_json::from_slice(&fs::read(&path)?)
                .with_context(|| path.display().to_string())?;
            runs.push(run);
        }
    }
    runs.sort_by_key(|run| run.size.all_pods());
    Ok(runs)
}
