//! What the batches in a folder were meant for: a sink is known by its name, and what that stands for
//! may be changed.

use std::fs;
use std::io;
use std::path::Path;

use tracing::warn;

use super::{Owner, file};

/// Where it is noted. Holds no secret.
const NOTE: &str = "destination";

/// Says in one line of the log when the batches in this folder were meant for another destination, and
/// notes the present one. They are sent there all the same: a database that was moved is the same.
/// Nothing is said of a folder without a note, which is as older versions left it.
///
/// # Errors
/// When they are of another kind, and so those of another program, whose they stay.
pub(super) fn check(folder: &Path, owner: Owner<'_>, kind: &str, batches: usize) -> io::Result<()> {
    let (sink, is) = (owner.sink, owner.destination);
    let note = format!("{kind} {is}\n");
    let before = fs::read_to_string(folder.join(NOTE)).unwrap_or_default();
    if before == note {
        return Ok(());
    }
    if let Some((of, was)) = before.trim_end().split_once(' ').filter(|_| batches > 0) {
        if of != kind {
            let folder = folder.display();
            let why = format!("{batches} batches of {of} wait in {folder}, of a sink of {of}");
            return Err(io::Error::other(why));
        }
        warn!(
            sink,
            batches, was, is, "what waits in the spool was meant for another destination"
        );
    }
    if let Err(error) = file::write_whole(&folder.join(NOTE), note.as_bytes()) {
        warn!(sink, %error, "cannot note in the spool where its batches go");
    }
    Ok(())
}

/// Looks whose the folder is that another process uses: its note is that process's.
///
/// # Errors
/// When that has batches of another kind, and so is another program: it would never be our turn.
pub(super) fn check_user(folder: &Path, kind: &str) -> io::Result<()> {
    let note = fs::read_to_string(folder.join(NOTE)).unwrap_or_default();
    match note.split_once(' ') {
        Some((of, _)) if of != kind => {
            let folder = folder.display();
            let why =
                format!("a sink of {of} uses {folder}: give each program a folder of its own");
            Err(io::Error::other(why))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::telemetry::testing::logged;

    #[test]
    fn what_was_meant_for_elsewhere_is_told_once_and_another_kind_is_refused() {
        let folder = TempDir::new().unwrap();
        let to = |destination, kind, batches| {
            let owner = Owner {
                sink: "webhook-2",
                destination,
            };
            let mut checked = Ok(());
            let lines = logged(|| checked = check(folder.path(), owner, kind, batches));
            (lines, checked.map_err(|error| error.to_string()))
        };
        let silent = (Vec::new(), Ok(()));
        // As an older version left it.
        assert_eq!(to("webhook:http://a", "events", 3), silent);
        assert_eq!(to("webhook:http://a", "events", 3), silent);
        let (lines, checked) = to("webhook:http://b", "events", 3);
        assert_eq!((lines.len(), checked), (1, Ok(())), "{lines:?}");
        for word in ["webhook-2", "3", "webhook:http://a", "webhook:http://b"] {
            assert!(lines[0].contains(word), "{word} is not in {lines:?}");
        }
        assert_eq!(to("webhook:http://b", "events", 3), silent);
        let (lines, checked) = to("webhook:http://b", "numbers", 3);
        assert!(lines.is_empty(), "{lines:?}");
        assert!(checked.unwrap_err().contains("3 batches of events wait in"));
        // It still is what it was.
        assert_eq!(to("webhook:http://b", "events", 3), silent);
        // Nothing is there that could go to the wrong place.
        assert_eq!(to("webhook:http://c", "numbers", 0), silent);
        assert_eq!(to("webhook:http://c", "numbers", 1), silent);
    }

    #[test]
    fn a_note_that_cannot_be_made_keeps_nobody_from_working() {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join(NOTE)).unwrap();
        let owner = Owner {
            sink: "log",
            destination: "log",
        };
        let mut checked = Ok(());
        let lines = logged(|| checked = check(folder.path(), owner, "events", 1));
        assert!(checked.is_ok() && lines.len() == 1, "{lines:?}");
    }
}
