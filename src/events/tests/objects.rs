//! Events in both APIs and both encodings, from Kubernetes' own definitions.

use k8s_pb::api::core::v1 as core;
use k8s_pb::api::events::v1 as events;
use k8s_pb::apimachinery::pkg::apis::meta::v1 as meta;
use proptest::prelude::*;
use prost::Message as _;
use serde_json::json;

use super::super::object::Api;
use crate::cluster::Object;
use crate::domain::{Event, EventSeries, EventSource, MicroTime, ObjectReference};

fn expected() -> Event {
    let object = |kind: &str, name: &str| ObjectReference {
        kind: kind.into(),
        namespace: "team-a".into(),
        name: name.into(),
        uid: format!("{name}-uid"),
        api_version: "v1".into(),
        resource_version: "812".into(),
        field_path: "spec.containers{web}".into(),
    };
    Event {
        name: "web.17a".into(),
        namespace: "team-a".into(),
        uid: "u-1".into(),
        resource_version: "4711".into(),
        created: Some(MicroTime::from_parts(1_767_323_045, 0)),
        labels: [("a".to_owned(), "b".to_owned())].into(),
        annotations: [("c".to_owned(), "d".to_owned())].into(),
        regarding: object("Pod", "web"),
        related: Some(object("Node", "n1")),
        kind: "Warning".into(),
        reason: "BackOff".into(),
        message: "Back-off \"restarting\"\nfailed container".into(),
        action: "Restarting".into(),
        source: EventSource {
            component: "kubelet".into(),
            host: "n1".into(),
        },
        reporting_controller: "kubelet".into(),
        reporting_instance: "n1".into(),
        event_time: Some(MicroTime::from_parts(1_767_323_046, 123_456_000)),
        series: Some(EventSeries {
            count: 9,
            last_observed: Some(MicroTime::from_parts(1_767_323_049, 1_000)),
        }),
        first_timestamp: Some(MicroTime::from_parts(1_767_323_047, 0)),
        last_timestamp: Some(MicroTime::from_parts(1_767_323_048, 0)),
        count: 3,
    }
}

fn micro(time: Option<MicroTime>) -> Option<meta::MicroTime> {
    time.map(|time| meta::MicroTime {
        seconds: Some(time.as_micros() / 1_000_000),
        nanos: Some(i32::try_from(time.subsec_micros() * 1000).unwrap()),
    })
}

fn seconds(time: Option<MicroTime>) -> Option<meta::Time> {
    time.map(|time| meta::Time {
        seconds: Some(time.as_micros() / 1_000_000),
        nanos: Some(0),
    })
}

fn metadata(event: &Event) -> Option<meta::ObjectMeta> {
    Some(meta::ObjectMeta {
        name: Some(event.name.clone()),
        namespace: Some(event.namespace.clone()),
        uid: Some(event.uid.clone()),
        resource_version: Some(event.resource_version.clone()),
        creation_timestamp: seconds(event.created),
        labels: event.labels.clone(),
        annotations: event.annotations.clone(),
        ..Default::default()
    })
}

fn object(of: &ObjectReference) -> core::ObjectReference {
    core::ObjectReference {
        kind: Some(of.kind.clone()),
        namespace: Some(of.namespace.clone()),
        name: Some(of.name.clone()),
        uid: Some(of.uid.clone()),
        api_version: Some(of.api_version.clone()),
        resource_version: Some(of.resource_version.clone()),
        field_path: Some(of.field_path.clone()),
    }
}

fn source(event: &Event) -> Option<core::EventSource> {
    Some(core::EventSource {
        component: Some(event.source.component.clone()),
        host: Some(event.source.host.clone()),
    })
}

#[test]
fn the_new_api_is_read_from_protobuf() {
    let event = expected();
    let series = event.series.unwrap();
    let sent = events::Event {
        metadata: metadata(&event),
        event_time: micro(event.event_time),
        series: Some(events::EventSeries {
            count: Some(9),
            last_observed_time: micro(series.last_observed),
        }),
        reporting_controller: Some(event.reporting_controller.clone()),
        reporting_instance: Some(event.reporting_instance.clone()),
        action: Some(event.action.clone()),
        reason: Some(event.reason.clone()),
        regarding: Some(object(&event.regarding)),
        related: event.related.as_ref().map(object),
        note: Some(event.message.clone()),
        r#type: Some(event.kind.clone()),
        deprecated_source: source(&event),
        deprecated_first_timestamp: seconds(event.first_timestamp),
        deprecated_last_timestamp: seconds(event.last_timestamp),
        deprecated_count: Some(3),
    };
    let read = Api::Events.read(Object::Protobuf(&sent.encode_to_vec()));
    assert_eq!(read.unwrap(), event);
}

#[test]
fn the_old_api_is_read_from_protobuf() {
    let event = expected();
    let series = event.series.unwrap();
    let sent = core::Event {
        metadata: metadata(&event),
        event_time: micro(event.event_time),
        series: Some(core::EventSeries {
            count: Some(9),
            last_observed_time: micro(series.last_observed),
        }),
        reporting_component: Some(event.reporting_controller.clone()),
        reporting_instance: Some(event.reporting_instance.clone()),
        action: Some(event.action.clone()),
        reason: Some(event.reason.clone()),
        involved_object: Some(object(&event.regarding)),
        related: event.related.as_ref().map(object),
        message: Some(event.message.clone()),
        r#type: Some(event.kind.clone()),
        source: source(&event),
        first_timestamp: seconds(event.first_timestamp),
        last_timestamp: seconds(event.last_timestamp),
        count: Some(3),
    };
    let read = Api::Core.read(Object::Protobuf(&sent.encode_to_vec()));
    assert_eq!(read.unwrap(), event);
}

#[test]
fn a_time_that_is_not_set_is_none_and_the_rest_is_read() {
    let sent = core::Event {
        first_timestamp: Some(meta::Time::default()),
        event_time: Some(meta::MicroTime::default()),
        reason: Some("x".into()),
        ..Default::default()
    };
    let read = Api::Core
        .read(Object::Protobuf(&sent.encode_to_vec()))
        .unwrap();
    let expected = Event {
        reason: "x".into(),
        ..Event::default()
    };
    assert_eq!(read, expected);
    let json = json!({"metadata": {"creationTimestamp": null}, "eventTime": null, "reason": "x",
        "deprecatedLastTimestamp": "soon"});
    let json = serde_json::value::to_raw_value(&json).unwrap();
    assert_eq!(Api::Events.read(Object::Json(&json)).unwrap(), expected);
    for wrong in [b"\x0a".as_slice(), b"\x18\x01"] {
        assert!(Api::Core.read(Object::Protobuf(wrong)).is_err());
    }
}

#[test]
fn both_apis_are_read_from_json() {
    let object = |kind: &str, name: &str| {
        json!({"kind": kind, "namespace": "team-a", "name": name, "uid": format!("{name}-uid"),
            "apiVersion": "v1", "resourceVersion": "812", "fieldPath": "spec.containers{web}"})
    };
    let metadata = json!({"name": "web.17a", "namespace": "team-a", "uid": "u-1",
        "resourceVersion": "4711", "creationTimestamp": "2026-01-02T03:04:05Z",
        "labels": {"a": "b"}, "annotations": {"c": "d"}, "managedFields": [{}]});
    let message = "Back-off \"restarting\"\nfailed container";
    let source = json!({"component": "kubelet", "host": "n1"});
    let series = json!({"count": 9, "lastObservedTime": "2026-01-02T03:04:09.000001Z"});
    let (first, last) = ("2026-01-02T03:04:07Z", "2026-01-02T03:04:08Z");
    let new = json!({"metadata": metadata, "eventTime": "2026-01-02T03:04:06.123456Z",
        "series": series, "reportingController": "kubelet", "reportingInstance": "n1",
        "action": "Restarting", "reason": "BackOff", "regarding": object("Pod", "web"),
        "related": object("Node", "n1"), "note": message, "type": "Warning",
        "deprecatedSource": source, "deprecatedFirstTimestamp": first,
        "deprecatedLastTimestamp": last, "deprecatedCount": 3});
    let old = json!({"metadata": metadata, "eventTime": "2026-01-02T03:04:06.123456Z",
        "series": series, "reportingComponent": "kubelet", "reportingInstance": "n1",
        "action": "Restarting", "reason": "BackOff", "involvedObject": object("Pod", "web"),
        "related": object("Node", "n1"), "message": message, "type": "Warning",
        "source": source, "firstTimestamp": first, "lastTimestamp": last, "count": 3});
    for (api, json) in [(Api::Events, new), (Api::Core, old)] {
        let json = serde_json::value::to_raw_value(&json).unwrap();
        assert_eq!(
            api.read(Object::Json(&json)).unwrap(),
            expected(),
            "{api:?}"
        );
    }
}

proptest! {
    #[test]
    fn no_bytes_bring_it_down_and_what_kubernetes_reads_is_read(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        cut in 0_usize..400,
        reason in ".{0,40}",
    ) {
        let _ = Api::Events.read(Object::Protobuf(&bytes));
        let _ = Api::Core.read(Object::Protobuf(&bytes));
        let sent = core::Event { reason: Some(reason.clone()), metadata: metadata(&expected()),
            source: source(&expected()), ..Default::default() };
        let sent = sent.encode_to_vec();
        let read = Api::Core.read(Object::Protobuf(&sent)).unwrap();
        prop_assert_eq!((read.reason, read.uid), (reason, "u-1".to_owned()));
        let _ = Api::Core.read(Object::Protobuf(&sent[..cut.min(sent.len())]));
    }
}
