//! The same object as JSON and as protobuf, written by Kubernetes' own definitions, is the same
//! record.

use std::collections::BTreeMap;

use k8s_pb::api::core::v1 as core;
use k8s_pb::apimachinery::pkg::api::resource::Quantity;
use k8s_pb::apimachinery::pkg::apis::meta::v1 as meta;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::cluster::interner::Interner;
use crate::cluster::object::Object;
use crate::cluster::{namespaces, nodes, pods};

const HOST_ID: &str = "example.com/host-id";

/// What `read` makes of either form, failures by their text.
fn both<T, E: std::fmt::Display>(
    json: &Value,
    message: &impl prost::Message,
    mut read: impl FnMut(Object<'_>) -> Result<T, E>,
) -> [Result<T, String>; 2] {
    let text = json.to_string();
    let bytes = message.encode_to_vec();
    let forms = [
        Object::Json(serde_json::from_str(&text).unwrap()),
        Object::Protobuf(&bytes),
    ];
    assert_eq!(forms[0].version(), forms[1].version());
    forms.map(|form| read(form).map_err(|error| error.to_string()))
}

/// Leaves out what is absent or empty, as Kubernetes' `omitempty` does.
fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let there = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    };
    let fields = fields.into_iter().filter(|(_, value)| there(value));
    let fields: Map<_, _> = fields.map(|(name, value)| (name.into(), value)).collect();
    fields.into()
}

fn metadata_json(metadata: Option<&meta::ObjectMeta>) -> Value {
    let metadata = metadata.cloned().unwrap_or_default();
    object([
        ("name", metadata.name.into()),
        ("namespace", metadata.namespace.into()),
        ("uid", metadata.uid.into()),
        ("resourceVersion", metadata.resource_version.into()),
        ("labels", json!(metadata.labels)),
        ("annotations", json!(metadata.annotations)),
        ("finalizers", metadata.finalizers.into()),
    ])
}

fn quantities_json(quantities: &BTreeMap<String, Quantity>) -> Value {
    let texts = quantities.iter();
    texts
        .map(|(name, quantity)| (name.clone(), json!(quantity.string)))
        .collect()
}

fn resources_json(resources: Option<&core::ResourceRequirements>) -> Value {
    resources.map_or(Value::Null, |resources| {
        object([
            ("limits", quantities_json(&resources.limits)),
            ("requests", quantities_json(&resources.requests)),
        ])
    })
}

fn container_json(container: &core::Container) -> Value {
    json!({
        "name": container.name.clone().unwrap_or_default(),
        "image": container.image.clone(),
        "command": container.command,
        "restartPolicy": container.restart_policy,
        "resources": resources_json(container.resources.as_ref()),
    })
}

fn status_json(status: &core::ContainerStatus) -> Value {
    let state = |state: &core::ContainerState| {
        let mut json = Map::new();
        if let Some(waiting) = &state.waiting {
            json.insert("waiting".into(), json!({"reason": waiting.reason}));
        }
        if state.running.is_some() {
            json.insert(
                "running".into(),
                json!({"startedAt": "2026-11-21T09:00:00Z"}),
            );
        }
        if let Some(ended) = &state.terminated {
            json.insert("terminated".into(), json!({"exitCode": ended.exit_code}));
        }
        Value::from(json)
    };
    json!({
        "name": status.name.clone().unwrap_or_default(),
        "state": status.state.as_ref().map(state),
        "lastState": status.last_state.as_ref().map(state),
        "restartCount": status.restart_count.unwrap_or_default(),
        "image": status.image,
    })
}

/// An ephemeral container with the fields of an ordinary one.
fn ephemeral(container: &core::Container) -> core::EphemeralContainer {
    let container = container.clone();
    core::EphemeralContainer {
        ephemeral_container_common: Some(core::EphemeralContainerCommon {
            name: container.name,
            image: container.image,
            resources: container.resources,
            restart_policy: container.restart_policy,
            ..Default::default()
        }),
        target_container_name: Some("app".into()),
    }
}

fn pod_json(pod: &core::Pod, ephemeral: &[core::Container]) -> Value {
    let (spec, status) = (
        pod.spec.clone().unwrap_or_default(),
        pod.status.clone().unwrap_or_default(),
    );
    let all = |containers: &[core::Container]| -> Value {
        containers.iter().map(container_json).collect()
    };
    let statuses = |statuses: &[core::ContainerStatus]| -> Value {
        statuses.iter().map(status_json).collect()
    };
    json!({
        "metadata": metadata_json(pod.metadata.as_ref()),
        "spec": object([
            ("nodeName", spec.node_name.into()),
            ("initContainers", all(&spec.init_containers)),
            ("containers", all(&spec.containers)),
            ("ephemeralContainers", all(ephemeral)),
        ]),
        "status": object([
            ("phase", status.phase.into()),
            ("initContainerStatuses", statuses(&status.init_container_statuses)),
            ("containerStatuses", statuses(&status.container_statuses)),
            ("ephemeralContainerStatuses", statuses(&status.ephemeral_container_statuses)),
        ]),
    })
}

fn node_json(node: &core::Node) -> Value {
    let status = node.status.clone().unwrap_or_default();
    let addresses = status.addresses.iter();
    let conditions = status.conditions.iter();
    let endpoint = status.daemon_endpoints.and_then(|e| e.kubelet_endpoint);
    json!({
        "metadata": metadata_json(node.metadata.as_ref()),
        "status": {
            "capacity": quantities_json(&status.capacity),
            "allocatable": quantities_json(&status.allocatable),
            "addresses": addresses.map(|a| json!({"type": a.r#type, "address": a.address})).collect::<Value>(),
            "conditions": conditions.map(|c| json!({"type": c.r#type, "status": c.status})).collect::<Value>(),
            "daemonEndpoints": endpoint.map(|e| json!({"kubeletEndpoint": {"Port": e.port}})),
        },
    })
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![19 => "[a-d]{1,2}(-[0-9]{1,3})?", 1 => select(vec!["".into(), "Ü".into(), "../x".into()])]
}

fn texts() -> impl Strategy<Value = BTreeMap<String, String>> {
    let keys = prop_oneof![
        "[a-z./]{1,12}",
        Just(HOST_ID.to_owned()),
        Just("metrics.k8s.io/resource-metrics-path".to_owned()),
    ];
    btree_map(keys, ".{0,12}", 0..5)
}

fn metadata() -> impl Strategy<Value = meta::ObjectMeta> {
    let version = option::of("[0-9]{1,9}");
    (name(), name(), "[0-9a-f]{0,8}", texts(), texts(), version).prop_map(
        |(name, namespace, uid, labels, annotations, resource_version)| meta::ObjectMeta {
            name: Some(name),
            namespace: Some(namespace),
            uid: Some(uid),
            resource_version,
            labels,
            annotations,
            finalizers: vec!["kubernetes".into()],
            managed_fields: vec![meta::ManagedFieldsEntry::default()],
            generation: Some(-1),
            ..Default::default()
        },
    )
}

fn quantities() -> impl Strategy<Value = BTreeMap<String, Quantity>> {
    let names = select(vec![
        "cpu",
        "memory",
        "ephemeral-storage",
        "nvidia.com/gpu",
        "pods",
    ]);
    let amounts = select(vec![
        "0", "100m", "1500u", "2", "0.5", "1Gi", "12e6", "", "lots", "-1",
    ]);
    btree_map(
        names.prop_map_into(),
        amounts.prop_map(|amount| Quantity {
            string: Some(amount.to_owned()),
        }),
        0..4,
    )
}

fn container() -> impl Strategy<Value = core::Container> {
    let resources = option::of((quantities(), quantities()));
    let policy = option::of(select(vec!["Always".to_owned(), "Never".to_owned()]));
    (name(), option::of("[a-z:/.]{0,20}"), policy, resources).prop_map(
        |(name, image, restart_policy, resources)| core::Container {
            name: Some(name),
            image,
            restart_policy,
            command: vec!["sleep".into(), "\"∞\"".into()],
            resources: resources.map(|(limits, requests)| core::ResourceRequirements {
                limits,
                requests,
                ..Default::default()
            }),
            ..Default::default()
        },
    )
}

fn state() -> impl Strategy<Value = Option<core::ContainerState>> {
    option::of((any::<bool>(), any::<bool>(), any::<bool>())).prop_map(|state| {
        state.map(|(waiting, running, terminated)| core::ContainerState {
            waiting: waiting.then(Default::default),
            running: running.then_some(core::ContainerStateRunning {
                started_at: Some(meta::Time {
                    seconds: Some(1_795_251_600),
                    nanos: Some(0),
                }),
            }),
            terminated: terminated.then(Default::default),
        })
    })
}

/// Containers with statuses, of which some are those of nobody.
fn containers() -> impl Strategy<Value = (Vec<core::Container>, Vec<core::ContainerStatus>)> {
    let status = (option::of(name()), state(), state(), any::<i32>());
    vec((container(), status), 0..4).prop_map(|both| {
        let both = both.into_iter();
        both.map(|(container, (other, state, last_state, restarts))| {
            let status = core::ContainerStatus {
                name: other.or_else(|| container.name.clone()),
                state,
                last_state,
                restart_count: Some(restarts),
                image: Some("docker.io/x".into()),
                ..Default::default()
            };
            (container, status)
        })
        .unzip()
    })
}

prop_compose! {
    fn pod()(
        metadata in metadata(),
        node_name in option::of(name()),
        phase in option::of(select(vec!["Pending", "Running", "Succeeded", "Failed", "Lost"])),
        init in containers(),
        regular in containers(),
        debug in containers(),
    ) -> (core::Pod, Vec<core::Container>) {
        let spec = core::PodSpec {
            volumes: vec![core::Volume::default()],
            node_name,
            init_containers: init.0,
            containers: regular.0,
            ephemeral_containers: debug.0.iter().map(ephemeral).collect(),
            ..Default::default()
        };
        let status = core::PodStatus {
            phase: phase.map(Into::into),
            init_container_statuses: init.1,
            container_statuses: regular.1,
            ephemeral_container_statuses: debug.1,
            host_ip: Some("10.0.0.1".into()),
            ..Default::default()
        };
        (core::Pod { metadata: Some(metadata), spec: Some(spec), status: Some(status) }, debug.0)
    }
}

prop_compose! {
    fn node()(
        metadata in metadata(),
        capacity in quantities(),
        allocatable in quantities(),
        addresses in vec((select(vec!["InternalIP", "Hostname", "TailnetIP"]), "[0-9.]{0,9}"), 0..4),
        conditions in vec((select(vec!["Ready", "DiskPressure"]), select(vec!["True", "False"])), 0..3),
        port in option::of(prop_oneof![Just(10_250), any::<i32>()]),
    ) -> core::Node {
        let address = |(kind, address): (&str, String)| core::NodeAddress {
            r#type: Some(kind.into()),
            address: Some(address),
        };
        let condition = |(kind, status): (&str, &str)| core::NodeCondition {
            r#type: Some(kind.into()),
            status: Some(status.into()),
            ..Default::default()
        };
        let status = core::NodeStatus {
            capacity,
            allocatable,
            addresses: addresses.into_iter().map(address).collect(),
            conditions: conditions.into_iter().map(condition).collect(),
            daemon_endpoints: port.map(|port| core::NodeDaemonEndpoints {
                kubelet_endpoint: Some(core::DaemonEndpoint { port: Some(port) }),
            }),
            images: vec![core::ContainerImage::default()],
            ..Default::default()
        };
        core::Node { metadata: Some(metadata), spec: None, status: Some(status) }
    }
}

proptest! {
    #[test]
    fn a_pod_is_the_same_in_both((pod, ephemeral) in pod()) {
        let mut interner = Interner::default();
        let [json, protobuf] = both(&pod_json(&pod, &ephemeral), &pod, |object| {
            pods::record(object, &mut interner)
        });
        prop_assert_eq!(json, protobuf);
    }

    #[test]
    fn a_node_is_the_same_in_both(node in node()) {
        let mut interner = Interner::default();
        let [json, protobuf] = both(&node_json(&node), &node, |object| {
            nodes::record(object, Some(HOST_ID), &mut interner)
        });
        prop_assert_eq!(json, protobuf);
    }

    #[test]
    fn a_namespace_is_the_same_in_both(metadata in metadata()) {
        let namespace = core::Namespace { metadata: Some(metadata), ..Default::default() };
        let json = json!({"metadata": metadata_json(namespace.metadata.as_ref())});
        let [json, protobuf] = both(&json, &namespace, namespaces::record);
        prop_assert_eq!(json, protobuf);
    }
}
