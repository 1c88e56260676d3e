//! What the API server's objects cost: from a pod or node in each encoding to its record.
//!
//! `cargo bench --bench watch`. The pod is one as a cluster has them: a
//! container, seven labels and the fields kubelets and managers leave behind.

#![expect(
    clippy::unwrap_used,
    reason = "a bench that cannot be prepared has failed"
)]

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use k8s_pb::api::core::v1 as core;
use k8s_pb::apimachinery::pkg::api::resource::Quantity;
use k8s_pb::apimachinery::pkg::apis::meta::v1 as meta;
use loadline::cluster::{Object, node_record, pod_record};
use prost::Message;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// What managers write of the fields they own: the bulk of an object, which is skipped.
const MANAGED: &[u8] = br#"{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"app\"}":{".":{},"f:image":{},"f:imagePullPolicy":{},"f:name":{},"f:resources":{".":{},"f:requests":{".":{},"f:cpu":{},"f:memory":{}}}}},"f:dnsPolicy":{},"f:enableServiceLinks":{},"f:restartPolicy":{}}}"#;
const LABELS: [&str; 7] = [
    "app",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "pod-template-hash",
    "team",
    "topology.kubernetes.io/zone",
];

fn metadata(name: &str) -> meta::ObjectMeta {
    meta::ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some("shop".to_owned()),
        uid: Some("9b6f44a2-5d55-4f9d-8a34-0d3bd1c0c6ef".to_owned()),
        resource_version: Some("812734".to_owned()),
        labels: LABELS
            .map(|key| (key.to_owned(), "checkout-6d5c9fb5d7".to_owned()))
            .into(),
        managed_fields: vec![meta::ManagedFieldsEntry {
            manager: Some("kube-controller-manager".to_owned()),
            fields_v1: Some(meta::FieldsV1 {
                raw: Some(MANAGED.to_vec()),
            }),
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn amounts() -> BTreeMap<String, Quantity> {
    [("cpu", "100m"), ("memory", "64Mi")]
        .map(|(name, amount)| {
            let string = Some(amount.to_owned());
            (name.to_owned(), Quantity { string })
        })
        .into()
}

fn pod() -> core::Pod {
    let text = |text: &str| Some(text.to_owned());
    core::Pod {
        metadata: Some(metadata("checkout-6d5c9fb5d7-x2k8v")),
        spec: Some(core::PodSpec {
            node_name: text("ip-10-0-17-4.eu-west-1.compute.internal"),
            containers: vec![core::Container {
                name: text("app"),
                image: text("registry.example/checkout:4.12.1"),
                resources: Some(core::ResourceRequirements {
                    requests: amounts(),
                    ..Default::default()
                }),
                ..Default::default()
            }],
            ..Default::default()
        }),
        status: Some(core::PodStatus {
            phase: text("Running"),
            container_statuses: vec![core::ContainerStatus {
                name: text("app"),
                restart_count: Some(1),
                state: Some(core::ContainerState {
                    running: Some(core::ContainerStateRunning::default()),
                    ..Default::default()
                }),
                ..Default::default()
            }],
            ..Default::default()
        }),
    }
}

fn node() -> core::Node {
    core::Node {
        metadata: Some(metadata("ip-10-0-17-4.eu-west-1.compute.internal")),
        status: Some(core::NodeStatus {
            capacity: amounts(),
            allocatable: amounts(),
            addresses: vec![core::NodeAddress {
                r#type: Some("InternalIP".to_owned()),
                address: Some("10.0.17.4".to_owned()),
            }],
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// The same pod as JSON, as an API server without protobuf sends it.
fn pod_json() -> Box<RawValue> {
    let labels: BTreeMap<&str, &str> = LABELS.map(|key| (key, "checkout-6d5c9fb5d7")).into();
    let managed: Value = serde_json::from_slice(MANAGED).unwrap();
    let pod = json!({
        "metadata": {
            "name": "checkout-6d5c9fb5d7-x2k8v",
            "namespace": "shop",
            "uid": "9b6f44a2-5d55-4f9d-8a34-0d3bd1c0c6ef",
            "resourceVersion": "812734",
            "labels": labels,
            "managedFields": [{ "manager": "kube-controller-manager", "fieldsV1": managed }],
        },
        "spec": {
            "nodeName": "ip-10-0-17-4.eu-west-1.compute.internal",
            "containers": [{
                "name": "app",
                "image": "registry.example/checkout:4.12.1",
                "resources": { "requests": { "cpu": "100m", "memory": "64Mi" } },
            }],
        },
        "status": {
            "phase": "Running",
            "containerStatuses": [{ "name": "app", "restartCount": 1, "state": { "running": {} } }],
        },
    });
    serde_json::value::to_raw_value(&pod).unwrap()
}

fn watch(bench: &mut Criterion) {
    let (pod, node, json) = (pod().encode_to_vec(), node().encode_to_vec(), pod_json());
    assert!(pod_record(Object::Protobuf(&pod)).is_ok());
    assert!(pod_record(Object::Json(&json)).is_ok());
    assert!(node_record(Object::Protobuf(&node)).is_ok());
    let mut group = bench.benchmark_group("one watched object");
    group.throughput(Throughput::Elements(1));
    group.bench_function("pod, protobuf", |b| {
        b.iter(|| pod_record(Object::Protobuf(black_box(&pod))));
    });
    group.bench_function("pod, JSON", |b| {
        b.iter(|| pod_record(Object::Json(black_box(&json))));
    });
    group.bench_function("node, protobuf", |b| {
        b.iter(|| node_record(Object::Protobuf(black_box(&node))));
    });
    group.finish();
}

criterion_group!(benches, watch);
criterion_main!(benches);
