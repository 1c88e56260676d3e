//! The types of `meta/v1` a server lists its groups and resources with.

use super::meta::{API_VERSION, KIND};
use super::{Form, Shape, Type, field, required};

const TEXTS: Shape = Shape::List(&Shape::Text);
const GROUP_VERSION: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.GroupVersionForDiscovery";

pub(super) static TYPES: [Type; 6] = [
    Type {
        name: "io.k8s.apimachinery.pkg.apis.meta.v1.APIGroup",
        text: "A group and its versions.",
        form: Form::Fields(&[
            API_VERSION,
            KIND,
            required("name", Shape::Text, "The group's name."),
            field(
                "preferredVersion",
                Shape::Of(GROUP_VERSION),
                "The version to use when any would do.",
            ),
            field(
                "serverAddressByClientCIDRs",
                Shape::List(&Shape::Of(
                    "io.k8s.apimachinery.pkg.apis.meta.v1.ServerAddressByClientCIDR",
                )),
                "Where to reach the group, by the client's own address.",
            ),
            required(
                "versions",
                Shape::List(&Shape::Of(GROUP_VERSION)),
                "The versions the group is served in.",
            ),
        ]),
        kind: false,
    },
    Type {
        name: "io.k8s.apimachinery.pkg.apis.meta.v1.APIGroupList",
        text: "The groups a server has.",
        form: Form::Fields(&[
            API_VERSION,
            required(
                "groups",
                Shape::List(&Shape::Of("io.k8s.apimachinery.pkg.apis.meta.v1.APIGroup")),
                "The groups.",
            ),
            KIND,
        ]),
        kind: false,
    },
    Type {
        name: "io.k8s.apimachinery.pkg.apis.meta.v1.APIResource",
        text: "A resource: what stands in a path, and the kind of its objects.",
        form: Form::Fields(&[
            field(
                "categories",
                TEXTS,
                "Words that name this resource among others, such as all.",
            ),
            field(
                "group",
                Shape::Text,
                "The group of the kind, if it is not that of the list.",
            ),
            required("kind", Shape::Text, "The kind of the objects."),
            required("name", Shape::Text, "The plural that stands in paths."),
            required("namespaced", Shape::Bool, "The objects live in namespaces."),
            field("shortNames", TEXTS, "Shorter names for typing."),
            required("singularName", Shape::Text, "The singular, for typing."),
            field(
                "storageVersionHash",
                Shape::Text,
                "A mark of the version objects are stored in.",
            ),
            required("verbs", TEXTS, "What can be done with the objects."),
            field(
                "version",
                Shape::Text,
                "The version of the kind, if it is not that of the list.",
            ),
        ]),
        kind: false,
    },
    Type {
        name: "io.k8s.apimachinery.pkg.apis.meta.v1.APIResourceList",
        text: "The resources of one version of a group.",
        form: Form::Fields(&[
            API_VERSION,
            required("groupVersion", Shape::Text, "The group and version."),
            KIND,
            required(
                "resources",
                Shape::List(&Shape::Of(
                    "io.k8s.apimachinery.pkg.apis.meta.v1.APIResource",
                )),
                "The resources.",
            ),
        ]),
        kind: false,
    },
    Type {
        name: GROUP_VERSION,
        text: "A version of a group.",
        form: Form::Fields(&[
            required(
                "groupVersion",
                Shape::Text,
                "The group and version, as in group/version.",
            ),
            required("version", Shape::Text, "The version alone."),
        ]),
        kind: false,
    },
    Type {
        name: "io.k8s.apimachinery.pkg.apis.meta.v1.ServerAddressByClientCIDR",
        text: "An address of the server for clients of one network.",
        form: Form::Fields(&[
            required("clientCIDR", Shape::Text, "The network the client is in."),
            required(
                "serverAddress",
                Shape::Text,
                "The address to use from there.",
            ),
        ]),
        kind: false,
    },
];
