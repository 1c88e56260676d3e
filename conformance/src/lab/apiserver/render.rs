//! Objects as JSON.

use std::fmt::Write;

use http::HeaderValue;
use serde_json::{Map, Value, json};

use crate::lab::world::{Kind, Object};
use crate::lab::{ConfigMap, Container, ContainerKind, ContainerState, Meta, Node, Phase, Pod};

/// What is asked of each object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// All of it.
    Full,
    /// `PartialObjectMetadata`.
    Metadata,
}

impl Form {
    pub(super) fn from_accept(accept: Option<&HeaderValue>) -> Self {
        let accept = accept.and_then(|a| a.to_str().ok()).unwrap_or_default();
        if accept.contains("as=PartialObjectMetadata") {
            Self::Metadata
        } else {
            Self::Full
        }
    }

    /// `kind` and `apiVersion` of a list of these.
    pub(super) fn list_kind(self, kind: Kind) -> (String, &'static str) {
        match self {
            Self::Full => (format!("{}List", kind.as_str()), "v1"),
            Self::Metadata => ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1"),
        }
    }
}

/// An object as JSON, as it was at `version`.
pub(super) fn object(object: &Object, version: u64, form: Form) -> Value {
    let metadata = metadata(object.meta(), version);
    if form == Form::Metadata {
        return json!({
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
        });
    }
    let mut value = match object {
        Object::Node(node) => render_node(node),
        Object::Pod(pod) => render_pod(pod),
        Object::Namespace(_) => json!({ "spec": {}, "status": { "phase": "Active" } }),
        Object::ConfigMap(map) => render_config_map(map),
    };
    if let Some(fields) = value.as_object_mut() {
        fields.insert("kind".to_owned(), object.kind().as_str().into());
        fields.insert("apiVersion".to_owned(), "v1".into());
        fields.insert("metadata".to_owned(), metadata);
    }
    value
}

fn metadata(meta: &Meta, version: u64) -> Value {
    let mut fields = Map::new();
    fields.insert("name".to_owned(), meta.name.as_str().into());
    if !meta.namespace.is_empty() {
        fields.insert("namespace".to_owned(), meta.namespace.as_str().into());
    }
    fields.insert("uid".to_owned(), meta.uid.as_str().into());
    fields.insert("resourceVersion".to_owned(), version.to_string().into());
    fields.insert(
        "creationTimestamp".to_owned(),
        meta.created.to_rfc3339().into(),
    );
    for (key, map) in [("labels", &meta.labels), ("annotations", &meta.annotations)] {
        if !map.is_empty() {
            fields.insert(key.to_owned(), json!(map));
        }
    }
    // A real one carries these too; whoever keeps objects must not keep them.
    fields.insert(
        "managedFields".to_owned(),
        json!([{ "manager": "lab", "operation": "Update", "apiVersion": "v1",
                 "fieldsType": "FieldsV1", "fieldsV1": { "f:metadata": { "f:labels": {} } } }]),
    );
    Value::Object(fields)
}

/// Writes a pod with what servers of metrics read of it and no more: in a list of a hundred thousand the rest would cost
/// minutes and gigabytes.
pub(super) fn lean_pod(pod: &Pod, form: Form, out: &mut String) {
    let (meta, created) = (&pod.meta, pod.meta.created.to_rfc3339());
    let kind = match form {
        Form::Full => "",
        Form::Metadata => r#""kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","#,
    };
    // Names and labels hold nothing that JSON would escape. Writing to a string cannot fail.
    let labels = meta
        .labels
        .iter()
        .map(|(key, value)| format!("\"{key}\":\"{value}\""));
    let _ = write!(
        out,
        r#"{{{kind}"metadata":{{"name":"{}","namespace":"{}","uid":"{}","resourceVersion":"{}","creationTimestamp":"{created}","labels":{{{}}}}}"#,
        meta.name,
        meta.namespace,
        meta.uid,
        meta.version,
        labels.collect::<Vec<_>>().join(",")
    );
    if form == Form::Full {
        let names = pod
            .containers
            .iter()
            .map(|c| format!(r#"{{"name":"{}"}}"#, c.name));
        let states = pod.containers.iter().map(|c| {
            let started = c.started.to_rfc3339();
            format!(
                r#"{{"name":"{}","ready":true,"state":{{"running":{{"startedAt":"{started}"}}}}}}"#,
                c.name
            )
        });
        let _ = write!(
            out,
            r#","spec":{{"nodeName":"{}","containers":[{}]}},"status":{{"phase":"{}","startTime":"{created}","containerStatuses":[{}]}}"#,
            pod.node,
            names.collect::<Vec<_>>().join(","),
            pod.phase.as_str(),
            states.collect::<Vec<_>>().join(",")
        );
    }
    out.push('}');
}

/// A node's `spec` and `status`.
pub(crate) fn render_node(node: &Node) -> Value {
    let name = &node.meta.name;
    let amounts = json!({
        "cpu": node.cores.to_string(),
        "memory": format!("{}Ki", node.memory_capacity >> 10),
        "pods": "110",
    });
    let ready = if node.ready { "True" } else { "False" };
    json!({
        "spec": {},
        "status": {
            "capacity": amounts,
            "allocatable": amounts,
            "addresses": [
                { "type": "InternalIP", "address": node.address.to_string() },
                { "type": "Hostname", "address": name },
            ],
            "conditions": [{ "type": "Ready", "status": ready, "reason": "Lab",
                             "lastHeartbeatTime": node.meta.created.to_rfc3339(),
                             "lastTransitionTime": node.meta.created.to_rfc3339() }],
            "daemonEndpoints": { "kubeletEndpoint": { "Port": node.port } },
            "nodeInfo": { "kubeletVersion": "v1.37.1", "operatingSystem": "linux",
                          "architecture": "amd64" },
        },
    })
}

/// A pod's `spec` and `status`.
pub(crate) fn render_pod(pod: &Pod) -> Value {
    let (init, regular): (Vec<_>, Vec<_>) = pod
        .containers
        .iter()
        .partition(|c| c.kind != ContainerKind::Regular);
    let specs = |containers: &[&Container]| -> Vec<Value> {
        containers.iter().map(|c| container_spec(c)).collect()
    };
    let statuses = |containers: &[&Container]| -> Vec<Value> {
        containers.iter().map(|c| container_status(c)).collect()
    };
    let ready = if pod.phase == Phase::Running {
        "True"
    } else {
        "False"
    };
    let mut spec = json!({ "containers": specs(&regular) });
    if let Some(fields) = spec.as_object_mut() {
        if !pod.node.is_empty() {
            fields.insert("nodeName".to_owned(), pod.node.as_str().into());
        }
        if !init.is_empty() {
            fields.insert("initContainers".to_owned(), specs(&init).into());
        }
    }
    json!({
        "spec": spec,
        "status": {
            "phase": pod.phase.as_str(),
            "startTime": pod.meta.created.to_rfc3339(),
            "conditions": [{ "type": "Ready", "status": ready }],
            "initContainerStatuses": statuses(&init),
            "containerStatuses": statuses(&regular),
        },
    })
}

fn container_spec(container: &Container) -> Value {
    let mut spec = json!({
        "name": container.name,
        "image": "example.org/app:1",
        "resources": { "requests": { "cpu": "100m", "memory": "64Mi" } },
    });
    if container.kind == ContainerKind::Sidecar
        && let Some(fields) = spec.as_object_mut()
    {
        fields.insert("restartPolicy".to_owned(), "Always".into());
    }
    spec
}

fn container_status(container: &Container) -> Value {
    let started = container.started.to_rfc3339();
    let state = match container.state {
        ContainerState::Waiting => json!({ "waiting": { "reason": "ContainerCreating" } }),
        ContainerState::Running => json!({ "running": { "startedAt": started } }),
        ContainerState::Terminated => {
            json!({ "terminated": { "exitCode": 0, "reason": "Completed", "startedAt": started } })
        }
    };
    let running = container.state == ContainerState::Running;
    json!({
        "name": container.name,
        "ready": running,
        "started": running,
        "restartCount": 0,
        "image": "example.org/app:1",
        "imageID": "",
        "state": state,
    })
}

fn render_config_map(map: &ConfigMap) -> Value {
    json!({ "data": map.data })
}
