//! `metav1.ObjectMeta`, as much of it as our objects have.

use super::time::Rfc3339;
use super::{json, protobuf};
use crate::domain::{Labels, Timestamp};

/// The metadata of an object: name, namespace, version, creation and labels. Nothing else is ever
/// set.
#[derive(Clone, Copy, Debug)]
pub struct ObjectMeta<'a> {
    /// `name`.
    pub name: &'a str,
    /// `namespace`; empty for an object of the cluster, and then left out of JSON.
    pub namespace: &'a str,
    /// `resourceVersion`; 0 for none, as everywhere in Kubernetes.
    pub resource_version: u64,
    /// `creationTimestamp`.
    pub creation: Creation,
    /// `labels`; left out when there are none.
    pub labels: &'a Labels,
}

/// The metadata of a list: its version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListMeta {
    /// `resourceVersion`: where a watch goes on that has this list; 0 for none.
    pub resource_version: u64,
}

/// A creation time in both encodings, prepared once for a whole list.
#[derive(Clone, Copy, Debug)]
pub struct Creation {
    seconds: i64,
    text: Rfc3339,
}

impl From<Timestamp> for Creation {
    fn from(stamp: Timestamp) -> Self {
        Self {
            seconds: stamp.as_secs(),
            text: stamp.into(),
        }
    }
}

impl ObjectMeta<'_> {
    /// Appends the JSON object.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"name\":");
        json::write_string(out, self.name);
        if !self.namespace.is_empty() {
            out.extend_from_slice(b",\"namespace\":");
            json::write_string(out, self.namespace);
        }
        if self.resource_version > 0 {
            out.push(b',');
            write_version(self.resource_version, out);
        }
        out.extend_from_slice(b",\"creationTimestamp\":\"");
        out.extend_from_slice(self.creation.text.as_bytes());
        out.push(b'"');
        let mut separator = b",\"labels\":{".as_slice();
        for (key, value) in self.labels.iter() {
            out.extend_from_slice(separator);
            json::write_string(out, key);
            out.push(b':');
            json::write_string(out, value);
            separator = b",";
        }
        if !self.labels.is_empty() {
            out.push(b'}');
        }
        out.push(b'}');
    }

    /// Writes the message.
    pub fn write_protobuf(&self, out: &mut protobuf::Writer) {
        for (key, value) in self.labels.iter().rev() {
            out.message(11, |entry| {
                entry.bytes(2, value.as_bytes());
                entry.bytes(1, key.as_bytes());
            });
        }
        out.message(8, |time| time.time(self.creation.seconds));
        // generation, resourceVersion, uid, selfLink, generateName
        out.int(7, 0);
        out.version(6, self.resource_version);
        out.bytes(5, b"");
        out.bytes(4, b"");
        out.bytes(3, self.namespace.as_bytes());
        out.bytes(2, b"");
        out.bytes(1, self.name.as_bytes());
    }
}

impl ListMeta {
    /// Appends the JSON object.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        if self.resource_version > 0 {
            write_version(self.resource_version, out);
        }
        out.push(b'}');
    }

    /// Writes the message.
    pub fn write_protobuf(&self, out: &mut protobuf::Writer) {
        // continue, resourceVersion, selfLink
        out.bytes(3, b"");
        out.version(2, self.resource_version);
        out.bytes(1, b"");
    }
}

/// Appends the member of a JSON object.
pub(super) fn write_version(version: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"resourceVersion\":\"");
    out.extend_from_slice(itoa::Buffer::new().format(version).as_bytes());
    out.push(b'"');
}
