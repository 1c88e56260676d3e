//! Spools that may take more than their volume has.

use std::path::Path;

use tracing::warn;

use super::file;
use crate::lifecycle::Volume;

/// Says in one line of the log when these sinks' spools, of so many bytes each, do not all fit on the
/// volume of their folder. What they hold already counts as room.
pub(in crate::sinks) fn tell(folder: &Path, sinks: &[&str], most: u64) {
    // Some file systems do not tell how large they are.
    let Some(volume) = Volume::of(folder).ok().filter(|volume| volume.whole > 0) else {
        return;
    };
    let held: u64 = sinks
        .iter()
        .map(|sink| file::taken(&folder.join(sink)))
        .sum();
    let spools = sinks.len() as u64;
    if let Some(room) = less(most.saturating_mul(spools), volume.free, held) {
        let (folder, each, room) = (folder.display(), mebibytes(most), mebibytes(room));
        warn!(
            %folder,
            spools,
            each,
            room,
            "the volume has less room than the spools may take; what does not fit is not kept on disk"
        );
    }
}

/// What there is room for, when that is less than is asked for.
fn less(asked: u64, free: u64, held: u64) -> Option<u64> {
    let room = free.saturating_add(held);
    (room < asked).then_some(room)
}

fn mebibytes(bytes: u64) -> String {
    format!("{}Mi", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::telemetry::testing::logged;

    #[test]
    fn what_does_not_fit_is_told_with_what_does() {
        let mebi = 1 << 20;
        for (asked, free, held, room) in [
            (10 * mebi, 10 * mebi, 0, None),
            (10 * mebi, 4 * mebi, 6 * mebi, None),
            (10 * mebi, 4 * mebi, 5 * mebi, Some(9 * mebi)),
            (u64::MAX, u64::MAX, u64::MAX, None),
        ] {
            assert_eq!(less(asked, free, held), room, "{asked} {free} {held}");
        }
        assert_eq!(mebibytes(9 * mebi + 1), "9Mi");
    }

    #[test]
    fn a_volume_that_is_too_small_is_one_line_of_the_log() {
        let folder = TempDir::new().unwrap();
        let spool = folder.path().join("log");
        fs::create_dir(&spool).unwrap();
        fs::write(file::path(&spool, 7), [0; 1000]).unwrap();
        fs::write(spool.join("lock"), "").unwrap();
        assert_eq!(file::taken(&spool), 1000);
        let told = |most| logged(|| tell(folder.path(), &["log", "kafka"], most));
        assert!(told(1).is_empty());
        let lines = told(1 << 60);
        assert_eq!(lines.len(), 1, "{lines:?}");
        for word in ["spools=2", "each=\"1099511627776Mi\"", "room="] {
            assert!(lines[0].contains(word), "{word} is not in {lines:?}");
        }
        let nowhere = folder.path().join("nowhere");
        assert!(logged(|| tell(&nowhere, &["log"], 1 << 60)).is_empty());
    }
}
