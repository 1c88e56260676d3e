//! `log`: every event into our own log.

use tracing::info;

use super::super::chunks::{Progress, Verdict};
use super::json::micro_time;
use crate::domain::Event;

/// Writes a line an event.
pub(super) fn write<'a>(events: impl Iterator<Item = &'a Event>, progress: &mut Progress) {
    for (at, event) in events.enumerate() {
        let about = &event.regarding;
        info!(
            time = event.last_seen().map(micro_time),
            count = event.occurrences(),
            r#type = event.kind,
            reason = event.reason,
            namespace = event.namespace,
            object = format!("{}/{}", about.kind, about.name),
            component = event.component(),
            note = event.message,
            "event"
        );
        progress.note(at, 1, Verdict::Accepted);
    }
}
