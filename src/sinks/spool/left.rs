//! Folders of sinks that are no longer configured.

use std::fs;
use std::path::{Path, PathBuf};

use tracing::warn;

use super::file;
use crate::lifecycle::FolderLock;

/// Says in one line of the log which folders hold batches that no sink of these names sends. They are
/// left as they are: somebody may give the sink back, or want to see them.
pub(in crate::sinks) fn tell(folder: &Path, sinks: &[&str]) {
    let left = left(folder, sinks);
    if left.is_empty() {
        return;
    }
    let folders: Vec<_> = left.iter().map(|left| left.display().to_string()).collect();
    let folders = folders.join(", ");
    warn!(
        %folders,
        "spools of sinks that are not configured hold batches, which are never sent: give the sinks again, or delete the folders"
    );
}

/// The folders with batches that are neither of these sinks nor another process's, in the order of
/// their names. What cannot be read is passed over.
fn left(folder: &Path, sinks: &[&str]) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let of_sink = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| sinks.contains(&name))
    };
    let paths = entries.map(|entry| entry.path());
    let mut left: Vec<_> = paths
        .filter(|path| !of_sink(path) && file::holds_batches(path) && !FolderLock::is_taken(path))
        .collect();
    left.sort();
    left
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::telemetry::testing::logged;

    #[test]
    fn only_what_nobody_will_send_is_told_of() {
        let folder = TempDir::new().unwrap();
        let with = |name: &str, files: &[&str]| {
            let path = folder.path().join(name);
            fs::create_dir(&path).unwrap();
            for file in files {
                fs::write(path.join(file), "x").unwrap();
            }
            path
        };
        let batch = "00000000004294967296.batch";
        with("influxdb", &["lock", batch]);
        let gone = with("influxdb-2", &["lock", batch]);
        let older = with("kafka", &[batch]);
        with("otlp", &["lock"]);
        with("notes", &["readme.txt"]);
        let busy = with("webhook", &[batch]);
        let _held = file::claim(&busy).unwrap().unwrap();
        fs::write(folder.path().join("file"), "x").unwrap();
        assert_eq!(left(folder.path(), &["influxdb"]), [gone.clone(), older]);
        assert!(left(&folder.path().join("nowhere"), &[]).is_empty());
        let told = logged(|| tell(folder.path(), &["influxdb", "kafka"]));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(&gone.display().to_string()), "{told:?}");
        let all = ["influxdb", "influxdb-2", "kafka"];
        assert!(logged(|| tell(folder.path(), &all)).is_empty());
    }
}
