//! Whether the directory can be where it is to be.

use std::fs;
use std::io::ErrorKind::{NotADirectory, NotFound};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::info;

use super::Config;

/// The directory is to be in one that is not there: most often its path is mistyped, or its volume
/// is not mounted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot make --history-dir {}: there is no directory {}; correct the path, or mount the volume or make the directory there",
    folder.display(),
    parent.display()
)]
pub struct NoParent {
    /// What was to be made.
    pub folder: PathBuf,
    /// Where.
    pub parent: PathBuf,
}

/// How long the start waits for a volume.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

impl Config {
    /// Makes the directory in one that is there, and says so in a line of the log, unless it is
    /// there already. What else is wrong with it is no error: it may be well later, and the log
    /// says what it is when it is used. So is a volume that does not answer within 5 s.
    ///
    /// # Errors
    /// [`NoParent`], which is for a person to mend.
    pub async fn make_folder(self) -> Result<(), NoParent> {
        let made = tokio::task::spawn_blocking(move || self.made());
        match tokio::time::timeout(ANSWERS_WITHIN, made).await {
            Ok(Ok(made)) => made,
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    }

    fn made(&self) -> Result<(), NoParent> {
        if self.folder.is_dir() {
            return Ok(());
        }
        match fs::create_dir(&self.folder) {
            Ok(()) => {
                let directory = self.folder.display();
                info!(%directory, "made the directory of the history on disk");
                Ok(())
            }
            Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Err(NoParent {
                folder: self.folder.clone(),
                parent: self.folder.parent().map(Path::to_owned).unwrap_or_default(),
            }),
            Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::Bytes;
    use crate::telemetry::testing::logged;

    fn config(folder: &Path) -> Config {
        Config {
            folder: folder.to_owned(),
            retention: Duration::from_hours(1),
            most: Bytes::new(1 << 30),
        }
    }

    #[test]
    fn the_last_part_of_a_path_is_made_and_told_once() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("history");
        let made = || config(&folder).made().unwrap();
        let lines = logged(made);
        assert!(folder.is_dir() && lines.len() == 1, "{lines:?}");
        assert!(lines[0].contains("made the directory"), "{lines:?}");
        assert!(logged(made).is_empty());
    }

    #[test]
    fn a_mistyped_path_is_an_error_that_names_the_flag_and_nothing_is_made() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("file");
        fs::write(&file, "").unwrap();
        let typo = scratch.path().join("typo");
        for parent in [&typo.join("deep"), &typo, &file] {
            let error = config(&parent.join("history")).made().unwrap_err();
            let told = error.to_string();
            assert!(told.contains("--history-dir"), "{told}");
            let missing = format!("there is no directory {};", parent.display());
            assert!(told.contains(&missing), "{told}");
        }
        assert!(!typo.exists());
    }

    #[test]
    fn what_may_be_well_later_is_no_error() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(config(&file).made(), Ok(()));
    }
}
