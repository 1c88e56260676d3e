//! `opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest`: events, under the names the
//! collector's own receiver of Kubernetes' events gives them.

use std::collections::BTreeMap;

use super::super::chunks::Records;
use super::super::events::json::micro_time;
use super::message::{Messages, attribute, scope};
use crate::apimachinery::protobuf::Writer;
use crate::domain::{Event, MicroTime, Timestamp};

/// `SEVERITY_NUMBER_INFO`, `SEVERITY_NUMBER_WARN`.
const SEVERITIES: [(&str, u64); 2] = [("Normal", 9), ("Warning", 13)];
/// What an event takes, more or less.
const ROOM: usize = 1024;

impl Messages {
    /// Writes an event as one `resource_logs`; one after the other they are a request.
    pub(super) fn event(&self, event: &Event, at: Timestamp, records: &mut Records) {
        let mut writer = Writer::with_capacity(ROOM);
        writer.message(1, |resource_logs| {
            resource_logs.message(2, |scope_logs| {
                scope_logs.message(2, |record| write(event, at, record));
                scope_logs.message(1, scope);
            });
            resource_logs.message(1, |resource| self.about(event, resource));
        });
        records.bytes().extend_from_slice(&writer.finish());
        records.end();
    }

    /// What the event is about.
    fn about(&self, event: &Event, resource: &mut Writer) {
        let about = &event.regarding;
        let mut attributes = BTreeMap::from([
            ("k8s.namespace.name", event.namespace.as_str()),
            ("k8s.node.name", &event.source.host),
            ("k8s.object.api_version", &about.api_version),
            ("k8s.object.fieldpath", &about.field_path),
            ("k8s.object.kind", &about.kind),
            ("k8s.object.name", &about.name),
            ("k8s.object.resource_version", &about.resource_version),
            ("k8s.object.uid", &about.uid),
        ]);
        if about.kind == "Pod" {
            attributes.insert("k8s.pod.name", &about.name);
            attributes.insert("k8s.pod.uid", &about.uid);
        }
        if let Some(cluster) = &self.cluster_name {
            attributes.insert("k8s.cluster.name", cluster);
        }
        for (name, value) in attributes
            .iter()
            .rev()
            .filter(|(_, value)| !value.is_empty())
        {
            attribute(resource, 1, name, value);
        }
    }
}

/// A `LogRecord`.
fn write(event: &Event, at: Timestamp, record: &mut Writer) {
    let id = event.id().to_string();
    let first = event.first_seen().map(micro_time).unwrap_or_default();
    let attributes = BTreeMap::from([
        ("k8s.event.action", event.action.as_str()),
        ("k8s.event.component", event.component()),
        ("k8s.event.name", &event.name),
        ("k8s.event.reason", &event.reason),
        ("k8s.event.start_time", &first),
        ("k8s.event.uid", &event.uid),
        // Records with the same one tell of the same, by the conventions.
        ("log.record.uid", &id),
    ]);
    let at = MicroTime::from_micros(at.as_millis().saturating_mul(1000));
    record.fixed64(11, nanos(at));
    for (name, value) in attributes
        .iter()
        .rev()
        .filter(|(_, value)| !value.is_empty())
    {
        attribute(record, 6, name, value);
    }
    record.message(6, |pair| {
        let count = i64::try_from(event.occurrences()).unwrap_or(i64::MAX);
        pair.message(2, |any| any.int(3, count));
        pair.bytes(1, b"k8s.event.count");
    });
    record.message(5, |any| any.bytes(1, event.message.as_bytes()));
    record.bytes(3, event.kind.as_bytes());
    let severity = SEVERITIES.iter().find(|(kind, _)| *kind == event.kind);
    if let Some((_, number)) = severity {
        record.varint(2, *number);
    }
    record.fixed64(1, nanos(event.last_seen().unwrap_or(at)));
}

fn nanos(at: MicroTime) -> u64 {
    let micros = u64::try_from(at.as_micros()).unwrap_or_default();
    micros.saturating_mul(1_000)
}
