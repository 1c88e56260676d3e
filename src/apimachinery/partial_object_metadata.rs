//! `PartialObjectMetadata` and its list: objects of which only the metadata was asked for.

use super::meta::{ListMeta, ObjectMeta};
use super::negotiate::MetaVersion;
use super::object::Object;
use super::protobuf;

/// The metadata of one object.
#[derive(Clone, Copy, Debug)]
pub struct PartialObjectMetadata<'a> {
    /// The version of `meta.k8s.io` that was asked for.
    pub version: MetaVersion,
    /// The metadata.
    pub metadata: ObjectMeta<'a>,
}

/// The metadata of the objects of a list.
#[derive(Clone, Debug)]
pub struct PartialObjectMetadataList<'a> {
    /// The version of `meta.k8s.io` that was asked for.
    pub version: MetaVersion,
    /// The list's own metadata.
    pub metadata: ListMeta,
    /// The metadata of each object, in the order of the list.
    pub items: Vec<ObjectMeta<'a>>,
}

impl Object for PartialObjectMetadata<'_> {
    fn api_version(&self) -> &str {
        self.version.api_version()
    }

    fn kind(&self) -> &'static str {
        "PartialObjectMetadata"
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"");
        out.extend_from_slice(self.version.api_version().as_bytes());
        out.extend_from_slice(b"\",\"metadata\":");
        self.metadata.write_json(out);
        out.push(b'}');
    }

    fn write_protobuf(&self, out: &mut protobuf::Writer) {
        out.message(1, |out| self.metadata.write_protobuf(out));
    }
}

impl Object for PartialObjectMetadataList<'_> {
    fn api_version(&self) -> &str {
        self.version.api_version()
    }

    fn kind(&self) -> &'static str {
        "PartialObjectMetadataList"
    }

    /// Unlike in other lists, each item names its kind and version.
    fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"");
        out.extend_from_slice(self.version.api_version().as_bytes());
        out.extend_from_slice(b"\",\"metadata\":");
        self.metadata.write_json(out);
        out.extend_from_slice(b",\"items\":[");
        for (at, metadata) in self.items.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            self.item(*metadata).write_json(out);
        }
        out.extend_from_slice(b"]}");
    }

    fn write_protobuf(&self, out: &mut protobuf::Writer) {
        for metadata in self.items.iter().rev() {
            out.message(2, |out| self.item(*metadata).write_protobuf(out));
        }
        out.message(1, |out| self.metadata.write_protobuf(out));
    }
}

impl<'a> PartialObjectMetadataList<'a> {
    const fn item(&self, metadata: ObjectMeta<'a>) -> PartialObjectMetadata<'a> {
        PartialObjectMetadata {
            version: self.version,
            metadata,
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_pb::apimachinery::pkg::apis::meta::v1 as meta;
    use prost::Message;

    use super::*;
    use crate::domain::{Labels, Timestamp};

    fn metadata(labels: &Labels) -> ObjectMeta<'_> {
        ObjectMeta {
            name: "p",
            namespace: "d",
            resource_version: 0,
            creation: Timestamp::from_millis(1_767_323_050_000).into(),
            labels,
        }
    }

    #[test]
    fn json_holds_the_metadata_and_names_each_kind() {
        let labels = [("a", "b"), ("c", "<d>")].into_iter().collect();
        let one = PartialObjectMetadata {
            version: MetaVersion::V1beta1,
            metadata: metadata(&labels),
        };
        let mut out = Vec::new();
        one.write_json(&mut out);
        let item = r#"{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1beta1","metadata":{"name":"p","namespace":"d","creationTimestamp":"2026-01-02T03:04:10Z","labels":{"a":"b","c":"\u003cd\u003e"}}}"#;
        assert_eq!(String::from_utf8(out).unwrap(), item);
        let list = PartialObjectMetadataList {
            version: MetaVersion::V1beta1,
            metadata: ListMeta::default(),
            items: vec![metadata(&labels); 2],
        };
        let mut out = Vec::new();
        list.write_json(&mut out);
        let expected = format!(
            r#"{{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1beta1","metadata":{{}},"items":[{item},{item}]}}"#
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn protobuf_is_what_kubernetes_clients_decode() {
        let labels = [("a", "b"), ("c", "d")].into_iter().collect();
        let list = PartialObjectMetadataList {
            version: MetaVersion::V1,
            metadata: ListMeta {
                resource_version: 7,
            },
            items: vec![ObjectMeta {
                resource_version: 5,
                ..metadata(&labels)
            }],
        };
        let mut out = protobuf::Writer::default();
        list.write_protobuf(&mut out);
        let decoded = meta::PartialObjectMetadataList::decode(out.finish()).unwrap();
        let found = decoded.items[0].metadata.clone().unwrap();
        assert_eq!(found.name.as_deref(), Some("p"));
        assert_eq!(found.namespace.as_deref(), Some("d"));
        assert_eq!(
            found.creation_timestamp.unwrap().seconds,
            Some(1_767_323_050)
        );
        assert_eq!(found.labels["c"], "d");
        assert_eq!(
            decoded.metadata.unwrap().resource_version.as_deref(),
            Some("7")
        );
        assert_eq!(found.resource_version.as_deref(), Some("5"));
    }
}
