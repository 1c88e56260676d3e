//! `--history-dir`: the columns on disk.

use std::time::Duration;

use crate::apimachinery::{GoDuration, InvalidQuantity, Quantity};
use crate::archive;
use crate::domain::Bytes;

use super::flag::{Flag, Kind};
use super::given::Given;

/// Less would not hold a day of a small cluster.
const LEAST: Bytes = Bytes::new(16 << 20);

pub(super) const FOLDER: Flag = Flag::new(
    "history-dir",
    Kind::Text,
    "",
    "Directory in which the sums outlive a restart and are kept for longer than --history-length; each replica needs its own; without one they are kept in memory alone",
);
pub(super) const RETENTION: Flag = Flag::new(
    "history-dir-retention",
    Kind::Duration,
    "168h0m0s",
    "Time for which the sums are kept in --history-dir, at least --history-length",
);
pub(super) const MOST: Flag = Flag::new(
    "history-dir-max-bytes",
    Kind::Text,
    "8Gi",
    "Room the sums may take in --history-dir, as in 8Gi; above it, or what its volume has room for, the oldest go before their time",
);

/// Reads where columns are kept; `None` when they are not. `kept` is whether there are any, `length`
/// how far back memory has them.
pub(super) fn read(
    given: &mut Given,
    length: Option<Duration>,
    kept: bool,
) -> Option<archive::Config> {
    let retention = given.duration(&RETENTION);
    let most = given.parsed(&MOST, |word| {
        let quantity: Quantity = word.parse().map_err(|e: InvalidQuantity| e.to_string())?;
        let bytes = quantity.as_bytes();
        if bytes < LEAST {
            return Err("must be at least 16Mi".to_owned());
        }
        Ok(bytes)
    });
    let folder = given.path(&FOLDER)?;
    if !kept {
        given.refuse(format!(
            "--{} keeps what --disable-metric-sink does without: give one of them",
            FOLDER.name
        ));
    }
    if let (Some(retention), Some(length)) = (retention, length)
        && retention < length
    {
        given.refuse(format!(
            "--{} ({}) must be at least --history-length ({})",
            RETENTION.name,
            GoDuration::from(retention),
            GoDuration::from(length)
        ));
    }
    Some(archive::Config {
        folder,
        retention: retention?,
        most: most?,
    })
}
