//! The events of a watch (`metav1.WatchEvent`) and their framing: a line each in JSON, a length before
//! each in protobuf.

use super::json;
use super::meta::write_version;
use super::negotiate::{MediaType, NotAcceptable};
use super::object::Object;
use super::protobuf::{Writer, envelope};
use super::table::Table;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// An object is new, or new to the client.
    Added,
    /// An object the client knows has changed.
    Modified,
    /// An object the client knows is gone, or is no longer selected.
    Deleted,
    /// Everything up to a version has been told.
    Bookmark,
    /// The watch ends with a Status.
    Error,
}

/// The encodings a watch has. There is no YAML of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamType {
    /// A JSON object a line.
    Json,
    /// Messages, each after its length in four bytes.
    Protobuf,
}

/// An object that has only a version: what a `BOOKMARK` carries.
#[derive(Clone, Debug)]
pub struct Bookmark<'a> {
    /// `apiVersion`.
    pub api_version: &'a str,
    /// `kind` of the objects watched.
    pub kind: &'static str,
    /// `resourceVersion`: everything up to it has been told.
    pub resource_version: u64,
    /// `annotations`, sorted by key.
    pub annotations: &'a [(&'static str, String)],
    /// The other members in JSON, each after a comma, as an object of this kind has them when
    /// nothing is set.
    pub others: &'static str,
}

impl EventType {
    /// The type as clients know it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
            Self::Bookmark => "BOOKMARK",
            Self::Error => "ERROR",
        }
    }
}

impl StreamType {
    /// The stream of events in an encoding that was negotiated.
    ///
    /// # Errors
    /// [`NotAcceptable::Stream`] for YAML.
    pub const fn of(media_type: MediaType) -> Result<Self, NotAcceptable> {
        match media_type {
            MediaType::Json => Ok(Self::Json),
            MediaType::Protobuf => Ok(Self::Protobuf),
            MediaType::Yaml => Err(NotAcceptable::Stream),
        }
    }

    /// The media type as `Content-Type` names it.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        }
    }
}

/// Appends an event with its frame.
pub fn write_event(stream: StreamType, event: EventType, object: &impl Object, out: &mut Vec<u8>) {
    match stream {
        StreamType::Json => write_line(event, |out| object.write_json(out), out),
        StreamType::Protobuf => {
            let object = envelope(object.api_version(), object.kind(), |out| {
                object.write_protobuf(out);
            });
            let mut message = Writer::with_capacity(object.len() + 32);
            message.message(2, |extension| extension.bytes(1, &object));
            message.bytes(1, event.as_str().as_bytes());
            // An object is a few kilobytes.
            let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(&message.finish());
        }
    }
}

/// Appends an event whose object is shown as a table, of which there is only JSON.
pub fn write_table_event(event: EventType, table: &Table, out: &mut Vec<u8>) {
    write_line(event, |out| table.write_json(out), out);
}

fn write_line(event: EventType, object: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(event.as_str().as_bytes());
    out.extend_from_slice(b"\",\"object\":");
    object(out);
    out.extend_from_slice(b"}\n");
}

impl Object for Bookmark<'_> {
    fn api_version(&self) -> &str {
        self.api_version
    }

    fn kind(&self) -> &'static str {
        self.kind
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"kind\":\"");
        out.extend_from_slice(self.kind.as_bytes());
        out.extend_from_slice(b"\",\"apiVersion\":\"");
        out.extend_from_slice(self.api_version.as_bytes());
        out.extend_from_slice(b"\",\"metadata\":{");
        write_version(self.resource_version, out);
        let mut separator = b",\"annotations\":{".as_slice();
        for (key, value) in self.annotations {
            out.extend_from_slice(separator);
            json::write_string(out, key);
            out.push(b':');
            json::write_string(out, value);
            separator = b",";
        }
        if !self.annotations.is_empty() {
            out.push(b'}');
        }
        out.push(b'}');
        out.extend_from_slice(self.others.as_bytes());
        out.push(b'}');
    }

    /// Fields that are not set are left out; readers take them as empty.
    fn write_protobuf(&self, out: &mut Writer) {
        out.message(1, |meta| {
            for (key, value) in self.annotations.iter().rev() {
                meta.message(12, |entry| {
                    entry.bytes(2, value.as_bytes());
                    entry.bytes(1, key.as_bytes());
                });
            }
            meta.version(6, self.resource_version);
        });
    }
}

#[cfg(test)]
mod tests {
    use k8s_pb::apimachinery::pkg::apis::meta::v1 as meta;
    use k8s_pb::apimachinery::pkg::runtime::Unknown;
    use prost::Message;

    use super::*;
    use crate::apimachinery::Status;

    fn written(stream: StreamType, event: EventType, object: &impl Object) -> Vec<u8> {
        let mut out = Vec::new();
        write_event(stream, event, object, &mut out);
        out
    }

    #[test]
    fn a_json_event_is_a_line() {
        // What kube-apiserver sends to a watch whose version is compacted.
        let expected = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: 1 (5)","reason":"Expired","code":410}}"#;
        let line = written(StreamType::Json, EventType::Error, &Status::expired(1, 5));
        assert_eq!(String::from_utf8(line).unwrap(), format!("{expected}\n"));
    }

    #[test]
    fn a_bookmark_has_a_version_and_what_the_kind_needs() {
        let bookmark = Bookmark {
            api_version: "g/v1",
            kind: "K",
            resource_version: 12,
            annotations: &[("k8s.io/initial-events-end", "true".to_owned())],
            others: r#","spec":null"#,
        };
        let line = written(StreamType::Json, EventType::Bookmark, &bookmark);
        let expected = r#"{"type":"BOOKMARK","object":{"kind":"K","apiVersion":"g/v1","metadata":{"resourceVersion":"12","annotations":{"k8s.io/initial-events-end":"true"}},"spec":null}}"#;
        assert_eq!(String::from_utf8(line).unwrap(), format!("{expected}\n"));
    }

    #[test]
    fn protobuf_events_are_framed_by_their_length_and_carry_enveloped_objects() {
        let bookmark = Bookmark {
            api_version: "g/v1",
            kind: "K",
            resource_version: 12,
            annotations: &[("a", "b".to_owned())],
            others: "",
        };
        let frame = written(StreamType::Protobuf, EventType::Bookmark, &bookmark);
        let length = u32::from_be_bytes(frame[..4].try_into().unwrap());
        assert_eq!(usize::try_from(length).unwrap(), frame.len() - 4);
        let event = meta::WatchEvent::decode(&frame[4..]).unwrap();
        assert_eq!(event.r#type.as_deref(), Some("BOOKMARK"));
        let raw = event.object.unwrap().raw.unwrap();
        let unknown = Unknown::decode(raw.strip_prefix(b"k8s\0").unwrap()).unwrap();
        assert_eq!(unknown.type_meta.unwrap().kind.as_deref(), Some("K"));
        let object = meta::PartialObjectMetadata::decode(&unknown.raw.unwrap()[..]).unwrap();
        let metadata = object.metadata.unwrap();
        assert_eq!(metadata.resource_version.as_deref(), Some("12"));
        assert_eq!(metadata.annotations["a"], "b");
    }

    #[test]
    fn yaml_is_no_stream() {
        assert_eq!(StreamType::of(MediaType::Yaml), Err(NotAcceptable::Stream));
    }
}
