//! How much of its volume the history may take.

use std::sync::Arc;

use super::folder::Entry;
use super::merge::LARGE;

/// So much of a volume is left to the file system, as a part of it.
const LEFT: u64 = 16;

/// What a volume of so many bytes has room for at most.
pub(super) const fn room(volume: u64) -> u64 {
    volume - volume / LEFT
}

/// The most these segments may take where `most` was asked for. On a volume that is smaller they go
/// as if its room had been asked for, less what is written beside them: a segment is joined before
/// the small ones go that it is made of.
///
/// Only the size of the volume counts, not what is left of it: where others fill it, removing what
/// is ours would never end.
pub(super) fn allowed(most: u64, volume: Option<u64>, entries: &[Arc<Entry>]) -> u64 {
    let Some(volume) = volume else {
        return most;
    };
    let is_small = |entry: &&Arc<Entry>| entry.meta.is_some_and(|meta| meta.columns < LARGE);
    let small: u64 = entries
        .iter()
        .filter(is_small)
        .map(|entry| entry.bytes)
        .sum();
    let largest = entries
        .iter()
        .map(|entry| entry.bytes)
        .max()
        .unwrap_or_default();
    most.min(room(volume).saturating_sub(small.max(largest)))
}
