//! An event as a `LogEntry`.

use std::collections::BTreeMap;

use serde_json::json;

use super::super::chunks::Records;
use super::super::events::json::{self as core, micro_time};
use crate::apimachinery::json as go;
use crate::domain::{Event, MicroTime, Timestamp};

/// How entries are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entries {
    /// The label `cluster_name`, if there is one.
    pub cluster_name: Option<String>,
}

/// Heapster's log.
const LOG: &str = "kubernetes.io%2Fevents";
/// What Heapster gave every event.
const SEVERITY: &[u8] = b",\"severity\":\"NOTICE\",\"jsonPayload\":";

impl Entries {
    /// What stands before the entries of a request.
    pub(super) fn head(project: &str) -> Vec<u8> {
        let resource = json!({"type": "global", "labels": {"project_id": project}});
        let log = json!(format!("projects/{project}/logs/{LOG}"));
        let open = format!(
            "{{\"partialSuccess\":true,\"logName\":{log},\"resource\":{resource},\"entries\":["
        );
        open.into_bytes()
    }

    /// Writes one entry. Two with the same `insertId` and time are one to the server.
    pub(super) fn entry(&self, event: &Event, at: Timestamp, records: &mut Records) {
        let out = records.bytes();
        out.extend_from_slice(b"{\"insertId\":");
        go::write_string(out, &event.id().to_string());
        out.extend_from_slice(b",\"timestamp\":");
        let at = MicroTime::from_micros(at.as_millis().saturating_mul(1000));
        go::write_string(out, &micro_time(event.last_seen().unwrap_or(at)));
        if let Some(cluster) = &self.cluster_name {
            let labels = BTreeMap::from([("cluster_name", cluster)]);
            out.extend_from_slice(b",\"labels\":");
            out.extend_from_slice(json!(labels).to_string().as_bytes());
        }
        out.extend_from_slice(SEVERITY);
        core::write(out, event);
        out.push(b'}');
        records.end();
    }
}
