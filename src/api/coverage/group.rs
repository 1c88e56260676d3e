//! The resources of `loadline.io`.

use crate::api::resource::{Group, Resource, Scope};

/// Loadline's own group.
pub const GROUP: Group = Group {
    name: "loadline.io",
    versions: &["v1alpha1"],
    resources: &[NODE_COVERAGES],
};

/// How each node fares. Read-only, and not in protobuf: Kubernetes' own clients read other groups in
/// JSON.
pub const NODE_COVERAGES: Resource = Resource {
    name: "nodecoverages",
    singular: "nodecoverage",
    short_names: &["ncov"],
    categories: &["loadline"],
    protobuf: false,
    kind: "NodeCoverage",
    list_kind: "NodeCoverageList",
    scope: Scope::Cluster,
    verbs: &["get", "list", "watch"],
    field_selectors: &[
        "metadata.name",
        "metadata.namespace",
        "status.state",
        "status.cause",
    ],
};
