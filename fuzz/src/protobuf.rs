//! Kubernetes' protobuf and its envelope.

use k8s_pb::apimachinery::pkg::apis::meta::v1 as meta;
use k8s_pb::apimachinery::pkg::runtime::Unknown;
use loadline::apimachinery::{
    GroupResource, ListMeta, MediaType, MetaVersion, Object, ObjectMeta, PartialObjectMetadata,
    PartialObjectMetadataList, Status, StatusCause, encode,
};
use loadline::domain::{Labels, Timestamp};
use prost::Message;
use serde_json::Value;

/// The first line is a message, the others names and labels. What Kubernetes' own definitions read
/// of the protobuf is what stands in the JSON of the same object.
pub(super) fn check(data: &[u8]) {
    let Some(lines) = super::lines(data) else {
        return;
    };
    let lines: Vec<&str> = lines.collect();
    let line = |at: usize| lines.get(at).copied().unwrap_or_default();
    let resource = GroupResource {
        group: line(1),
        resource: line(2),
    };
    let causes = lines.iter().skip(2).map(|line| StatusCause {
        reason: "FieldValueInvalid".to_owned(),
        message: (*line).to_owned(),
        field: line.chars().rev().collect(),
    });
    let seconds = u32::try_from(data.len()).unwrap_or_default() << (data.len() % 24);
    for of in [
        Status::bad_request(line(0)),
        Status::not_found(resource, line(0)),
        Status::internal_error(line(0)),
        Status::too_many_requests(line(0), seconds),
        Status::invalid(resource, line(0), causes.collect()),
    ] {
        status(&of);
    }
    let labels = lines.iter().skip(2).filter_map(|line| line.split_once('='));
    let labels: Labels = labels.collect();
    let millis = i64::from(seconds) * 1000;
    metadata(&ObjectMeta {
        name: line(0),
        namespace: line(1),
        resource_version: u64::from(seconds),
        creation: Timestamp::from_millis(millis).into(),
        labels: &labels,
    });
}

fn status(status: &Status) {
    let json = json(status);
    let read = meta::Status::decode(raw(status).as_slice()).unwrap_or_else(|e| panic!("{e}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    assert_eq!(read.status.unwrap_or_default(), text(&json["status"]));
    assert_eq!(read.message.unwrap_or_default(), text(&json["message"]));
    assert_eq!(read.reason.unwrap_or_default(), text(&json["reason"]));
    assert_eq!(read.code.map(i64::from), json["code"].as_i64());
    let details = &json["details"];
    assert_eq!(read.details.is_none(), details.is_null());
    let read = read.details.unwrap_or_default();
    assert_eq!(read.name.unwrap_or_default(), text(&details["name"]));
    assert_eq!(read.group.unwrap_or_default(), text(&details["group"]));
    assert_eq!(read.kind.unwrap_or_default(), text(&details["kind"]));
    let retry = read.retry_after_seconds.unwrap_or_default();
    let expected = details["retryAfterSeconds"].as_i64().unwrap_or_default();
    assert_eq!(i64::from(retry), expected);
    let causes = details["causes"].as_array().cloned().unwrap_or_default();
    assert_eq!(read.causes.len(), causes.len());
    for (read, cause) in read.causes.into_iter().zip(causes) {
        assert_eq!(read.reason.unwrap_or_default(), text(&cause["reason"]));
        assert_eq!(read.message.unwrap_or_default(), text(&cause["message"]));
        assert_eq!(read.field.unwrap_or_default(), text(&cause["field"]));
    }
}

fn metadata(of: &ObjectMeta<'_>) {
    let one = PartialObjectMetadata {
        version: MetaVersion::V1,
        metadata: *of,
    };
    let json = json(&one);
    let read = meta::PartialObjectMetadata::decode(raw(&one).as_slice());
    let read = read.unwrap_or_else(|e| panic!("{e}")).metadata;
    let read = read.unwrap_or_default();
    let metadata = &json["metadata"];
    assert_eq!(read.name.clone().unwrap_or_default(), metadata["name"]);
    assert_eq!(read.namespace.as_deref(), Some(of.namespace));
    assert_eq!(
        metadata["namespace"].as_str().unwrap_or_default(),
        of.namespace
    );
    let labels = metadata["labels"].as_object().cloned().unwrap_or_default();
    assert_eq!(read.labels.len(), labels.len());
    for (key, value) in &read.labels {
        assert_eq!(
            labels.get(key).and_then(Value::as_str),
            Some(value.as_str())
        );
    }
    let wanted = metadata["resourceVersion"].as_str().unwrap_or_default();
    assert_eq!(read.resource_version.as_deref().unwrap_or_default(), wanted);
    let list = PartialObjectMetadataList {
        version: MetaVersion::V1,
        metadata: ListMeta {
            resource_version: of.resource_version,
        },
        items: vec![*of; 3],
    };
    let many = meta::PartialObjectMetadataList::decode(raw(&list).as_slice());
    let many = many.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(many.items.len(), 3);
    let version = many.metadata.and_then(|m| m.resource_version);
    assert_eq!(version.unwrap_or_default(), wanted);
    assert!(
        many.items
            .iter()
            .all(|item| item.metadata.as_ref() == Some(&read))
    );
}

/// The object as JSON, which indentation does not change.
fn json(object: &impl Object) -> Value {
    let [compact, pretty] = [false, true].map(|pretty| {
        let bytes = encode(object, MediaType::Json, pretty);
        serde_json::from_slice::<Value>(&bytes).unwrap_or_else(|e| panic!("{e}: {bytes:?}"))
    });
    assert_eq!(compact, pretty);
    assert_eq!(compact["kind"], object.kind());
    assert_eq!(compact["apiVersion"], object.api_version());
    compact
}

/// The message inside the envelope, which names the object's type.
fn raw(object: &impl Object) -> Vec<u8> {
    let bytes = encode(object, MediaType::Protobuf, false);
    let Some(inside) = bytes.strip_prefix(b"k8s\0") else {
        panic!("no magic: {bytes:?}");
    };
    let unknown = Unknown::decode(inside).unwrap_or_else(|e| panic!("{e}: {bytes:?}"));
    let type_meta = unknown.type_meta.unwrap_or_default();
    assert_eq!(type_meta.kind.as_deref(), Some(object.kind()));
    assert_eq!(type_meta.api_version.as_deref(), Some(object.api_version()));
    unknown.raw.unwrap_or_default()
}
