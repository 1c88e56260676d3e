//! One node or pod with its use, in both encodings. This is the hot path: no tree, no formatting
//! machinery.

use std::time::Duration;

use crate::api::metrics::{NODES, PODS};
use crate::api::resource::Resource;
use crate::apimachinery::protobuf::Writer;
use crate::apimachinery::{CanonicalQuantity, Creation, GoDuration, ObjectMeta, Rfc3339, json};
use crate::domain::{Bytes, Labels, Nanocores, Timestamp, Usage};
use crate::live::{Entry, NodeView, PodView};

/// What `metrics.k8s.io` serves of a node or pod.
pub(super) trait Item: Entry + Sync {
    /// The resource it belongs to.
    const RESOURCE: Resource;

    /// The kind of a list of it.
    const LIST_KIND: &'static str = Self::RESOURCE.list_kind;

    /// The node it is, or runs on.
    fn node_name(&self) -> &str;

    /// When it last changed, as its `resourceVersion` says.
    fn version(&self) -> u64 {
        self.versions().changed
    }

    /// Its labels.
    fn labels(&self) -> &Labels;

    /// The end of the interval its use is measured over, and the length of it.
    fn interval(&self) -> (Timestamp, Duration);

    /// Its use, summed over containers.
    fn total(&self) -> Total;

    /// Appends the last member of its JSON object, with the comma before it.
    fn write_usage_json(&self, out: &mut Vec<u8>);

    /// Writes field 4 of its message.
    fn write_usage_protobuf(&self, out: &mut Writer);

    /// Reads a little at the places in memory that writing it reads, so that they are on their way
    /// from there; gives what nobody can know who has not read them.
    fn touch(&self) -> u64;

    /// Its metadata.
    fn metadata(&self, creation: Creation) -> ObjectMeta<'_> {
        ObjectMeta {
            name: self.name(),
            namespace: self.namespace(),
            resource_version: self.version(),
            creation,
            labels: self.labels(),
        }
    }

    /// Appends the members of its JSON object, without the braces.
    fn write_json(&self, creation: Creation, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"metadata\":");
        self.metadata(creation).write_json(out);
        let (timestamp, window) = self.interval();
        out.extend_from_slice(b",\"timestamp\":\"");
        out.extend_from_slice(Rfc3339::from(timestamp).as_bytes());
        out.extend_from_slice(b"\",\"window\":\"");
        GoDuration::from(window).write_to(out);
        out.push(b'"');
        self.write_usage_json(out);
    }

    /// Writes its message.
    fn write_protobuf(&self, creation: Creation, out: &mut Writer) {
        self.write_usage_protobuf(out);
        let (timestamp, window) = self.interval();
        let window = GoDuration::from(window).as_nanos();
        out.message(3, |out| out.int(1, window));
        out.message(2, |out| out.time(timestamp.as_secs()));
        out.message(1, |out| self.metadata(creation).write_protobuf(out));
    }
}

/// The use of a node, or of all containers of a pod together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Total {
    pub(super) cpu: Nanocores,
    pub(super) memory: Bytes,
    /// There if any container has it.
    pub(super) swap: Option<Bytes>,
}

impl Total {
    fn add(self, usage: &Usage) -> Self {
        let swap = match (self.swap, usage.swap) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        Self {
            cpu: self.cpu.saturating_add(usage.cpu),
            memory: self.memory.saturating_add(usage.memory),
            swap,
        }
    }
}

impl Item for NodeView {
    const RESOURCE: Resource = NODES;

    fn node_name(&self) -> &str {
        self.name()
    }

    fn labels(&self) -> &Labels {
        &self.record.labels
    }

    fn interval(&self) -> (Timestamp, Duration) {
        (self.usage.timestamp, self.usage.window)
    }

    fn total(&self) -> Total {
        Total::default().add(&self.usage)
    }

    fn write_usage_json(&self, out: &mut Vec<u8>) {
        out.push(b',');
        usage_json(&self.usage, out);
    }

    fn write_usage_protobuf(&self, out: &mut Writer) {
        usage_protobuf(4, &self.usage, out);
    }

    fn touch(&self) -> u64 {
        first_byte(self.name())
    }
}

impl Item for PodView {
    const RESOURCE: Resource = PODS;

    fn node_name(&self) -> &str {
        self.record.node.as_ref().map_or("", |node| node.as_str())
    }

    fn labels(&self) -> &Labels {
        &self.record.labels
    }

    fn interval(&self) -> (Timestamp, Duration) {
        (self.timestamp, self.window)
    }

    fn total(&self) -> Total {
        let usages = self.containers.iter().map(|container| &container.usage);
        usages.fold(Total::default(), Total::add)
    }

    fn write_usage_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"containers\":[");
        for (at, container) in self.containers.iter().enumerate() {
            out.extend_from_slice(if at > 0 {
                b",{\"name\":"
            } else {
                b"{\"name\":"
            });
            json::write_string(out, container.name.as_str());
            out.push(b',');
            usage_json(&container.usage, out);
            out.push(b'}');
        }
        out.push(b']');
    }

    fn write_usage_protobuf(&self, out: &mut Writer) {
        for container in self.containers.iter().rev() {
            out.message(4, |out| {
                usage_protobuf(2, &container.usage, out);
                out.bytes(1, container.name.as_str().as_bytes());
            });
        }
    }

    fn touch(&self) -> u64 {
        let container = self.containers.first();
        let memory = container.map_or(0, |container| container.usage.memory.get());
        let label = self.labels().iter().next().map_or("", |(_, value)| value);
        memory ^ first_byte(self.name()) ^ first_byte(label)
    }
}

fn first_byte(text: &str) -> u64 {
    text.bytes().next().map_or(0, u64::from)
}

fn usage_json(usage: &Usage, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"usage\":{\"cpu\":\"");
    CanonicalQuantity::cpu(usage.cpu).write_to(out);
    out.extend_from_slice(b"\",\"memory\":\"");
    CanonicalQuantity::memory(usage.memory).write_to(out);
    if let Some(swap) = usage.swap {
        out.extend_from_slice(b"\",\"swap\":\"");
        CanonicalQuantity::memory(swap).write_to(out);
    }
    out.extend_from_slice(b"\"}");
}

/// The map of quantities, sorted by key and so written from the last key on.
fn usage_protobuf(field: u32, usage: &Usage, out: &mut Writer) {
    if let Some(swap) = usage.swap {
        entry_protobuf(field, "swap", CanonicalQuantity::memory(swap), out);
    }
    entry_protobuf(
        field,
        "memory",
        CanonicalQuantity::memory(usage.memory),
        out,
    );
    entry_protobuf(field, "cpu", CanonicalQuantity::cpu(usage.cpu), out);
}

fn entry_protobuf(field: u32, key: &str, quantity: CanonicalQuantity, out: &mut Writer) {
    out.message(field, |entry| {
        entry.message(2, |value| {
            value.message(1, |text| {
                text.raw(quantity.suffix().as_bytes());
                text.raw(itoa::Buffer::new().format(quantity.mantissa()).as_bytes());
            });
        });
        entry.bytes(1, key.as_bytes());
    });
}
