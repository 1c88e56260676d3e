//! The resources of `metrics.k8s.io`.

use crate::api::resource::{Group, Resource, Scope};

/// The group. `v1` is preferred since Kubernetes 1.37; `v1beta1` is what everything older asks for.
pub const GROUP: Group = Group {
    name: "metrics.k8s.io",
    versions: &["v1", "v1beta1"],
    resources: &[NODES, PODS],
};

/// The use of nodes. Neither it nor pods have a singular or short name, which would shadow the core
/// type.
pub const NODES: Resource = Resource {
    name: "nodes",
    singular: "",
    short_names: &[],
    categories: &[],
    protobuf: true,
    kind: "NodeMetrics",
    list_kind: "NodeMetricsList",
    scope: Scope::Cluster,
    verbs: &["get", "list", "watch"],
    field_selectors: &["metadata.name", "metadata.namespace"],
};

/// The use of pods. Unlike metrics-server, they can be selected by `spec.nodeName` too.
pub const PODS: Resource = Resource {
    name: "pods",
    singular: "",
    short_names: &[],
    categories: &[],
    protobuf: true,
    kind: "PodMetrics",
    list_kind: "PodMetricsList",
    scope: Scope::Namespaced,
    verbs: &["get", "list", "watch"],
    field_selectors: &["metadata.name", "metadata.namespace", "spec.nodeName"],
};
