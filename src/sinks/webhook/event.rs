//! An event as one line of JSON.

use super::super::chunks::Records;
use super::super::events::json::{self, micro_time};
use super::line::Lines;
use crate::apimachinery::json as go;
use crate::domain::Event;

impl Lines {
    /// Writes `{"id":"UID.3","cluster_name":"default","timestamp":"…","event":{…}}`.
    pub(super) fn event(&self, event: &Event, records: &mut Records) {
        let out = records.bytes();
        out.extend_from_slice(b"{\"id\":");
        go::write_string(out, &event.id().to_string());
        out.extend_from_slice(b",\"cluster_name\":");
        go::write_string(out, &self.cluster_name);
        if let Some(time) = event.last_seen() {
            out.extend_from_slice(b",\"timestamp\":");
            go::write_string(out, &micro_time(time));
        }
        out.extend_from_slice(b",\"event\":");
        json::write(out, event);
        out.extend_from_slice(b"}\n");
        records.end();
    }
}
