//! The types of `meta/v1` that our objects, lists and errors are made of.

use super::{Field, Form, Shape, Type, field, required};

pub(super) const API_VERSION: Field = field(
    "apiVersion",
    Shape::Text,
    "The group and version of this form of the object, as in group/version.",
);
pub(super) const KIND: Field = field("kind", Shape::Text, "What the object is, in CamelCase.");
pub(super) const OBJECT_META: Field = field(
    "metadata",
    Shape::Of("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"),
    "Standard metadata of an object: here its name, namespace, labels and creation time.",
);
pub(super) const LIST_META: Field = field(
    "metadata",
    Shape::Of("io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"),
    "Standard metadata of a list.",
);

const TIME: Shape = Shape::Of("io.k8s.apimachinery.pkg.apis.meta.v1.Time");
const TEXTS: Shape = Shape::List(&Shape::Text);
const TEXT_MAP: Shape = Shape::MapOf(&Shape::Text);

pub(super) static TYPES: [Type; 11] = [
    Type {
        name: "io.k8s.apimachinery.pkg.api.resource.Quantity",
        text: "An amount with a suffix: n, u, m, k, M, G, T, P, E for powers of 1000, Ki, Mi, Gi, Ti, Pi, Ei for powers \
               of 1024. It is written in its shortest exact form, so 0.25 cores are 250m and 1048576 bytes are 1Mi.",
        form: Form::Text(""),
        kind: false,
    },
    Type {
        name: "io.k8s.apimachinery.pkg.apis.meta.v1.Duration",
        text: "A length of time in Go's notation, as in 15s or 1m30.5s.",
        form: Form::Text(""),
        kind: false,
    },
    Type {
        name: "io.k8s.apimachinery.pkg.apis.meta.v1.Time",
        text: "A point in time as RFC 3339 writes it, in whole seconds.",
        form: Form::Text("date-time"),
        kind: false,
    },
    Type {
        name: "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1",
        text: "A set of fields, as a tree whose keys name them.",
        form: Form::Anything,
        kind: false,
    },
    Type {
        name: "io.k8s.apimachinery.pkg.apis.meta.v1.ManagedFieldsEntry",
        text: "Which fields of an object one client manages.",
        form: Form::Fields(&[
            field(
                "apiVersion",
                Shape::Text,
                "The version the fields are named in.",
            ),
            field(
                "fieldsType",
                Shape::Text,
                "The format of the set of fields: FieldsV1.",
            ),
            field(
                "fieldsV1",
                Shape::Of("io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1"),
                "The fields.",
            ),
            field("manager", Shape::Text, "The client."),
            field(
                "operation",
                Shape::Text,
                "How the client came to manage them: Apply or Update.",
            ),
            field(
                "subresource",
                Shape::Text,
                "The subresource the client wrote to.",
            ),
            field("time", TIME, "When the entry last changed."),
        ]),
        kind: false,
    },
    Type {
        name: "io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference",
        text: "Names another object of the same namespace, or of none, that this one belongs to.",
        form: Form::Fields(&[
            required("apiVersion", Shape::Text, "The owner's group and version."),
            field(
                "blockOwnerDeletion",
                Shape::Bool,
                "The owner stays until this object is gone, when deleted in the foreground.",
            ),
            field(
                "controller",
                Shape::Bool,
                "The owner is the one that controls this object.",
            ),
            required("kind", Shape::Text, "The owner's kind."),
            required("name", Shape::Text, "The owner's name."),
            required("uid", Shape::Text, "The owner's UID."),
        ]),
        kind: false,
    },
    Type {
        name: "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
        text: "Metadata every object has room for.",
        form: Form::Fields(&[
            field(
                "annotations",
                TEXT_MAP,
                "Notes of tools on the object; not for selecting it.",
            ),
            field("creationTimestamp", TIME, "When the object was made."),
            field(
                "deletionGracePeriodSeconds",
                Shape::Int64,
                "How long the object may take to end after it was deleted.",
            ),
            field("deletionTimestamp", TIME, "When the object is to be gone."),
            field(
                "finalizers",
                TEXTS,
                "Who must still agree before the object goes.",
            ),
            field(
                "generateName",
                Shape::Text,
                "What a name made by the server begins with.",
            ),
            field(
                "generation",
                Shape::Int64,
                "A number that grows when the wanted state changes.",
            ),
            field(
                "labels",
                TEXT_MAP,
                "What the object can be selected by; that of the node or pod.",
            ),
            field(
                "managedFields",
                Shape::List(&Shape::Of(
                    "io.k8s.apimachinery.pkg.apis.meta.v1.ManagedFieldsEntry",
                )),
                "Which client manages which fields.",
            ),
            field(
                "name",
                Shape::Text,
                "The name, unique within the namespace.",
            ),
            field(
                "namespace",
                Shape::Text,
                "The namespace; empty for objects without one.",
            ),
            field(
                "ownerReferences",
                Shape::List(&Shape::Of(
                    "io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference",
                )),
                "The objects this one belongs to.",
            ),
            field(
                "resourceVersion",
                Shape::Text,
                "A mark that changes whenever the object does.",
            ),
            field("selfLink", Shape::Text, "No longer set."),
            field(
                "uid",
                Shape::Text,
                "Tells this object from any other, earlier ones of its name included.",
            ),
        ]),
        kind: false,
    },
    Type {
        name: "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta",
        text: "Metadata every list has room for.",
        form: Form::Fields(&[
            field(
                "continue",
                Shape::Text,
                "Where the next part of the list begins.",
            ),
            field(
                "remainingItemCount",
                Shape::Int64,
                "How many items the next parts hold.",
            ),
            field(
                "resourceVersion",
                Shape::Text,
                "A mark of the state that was listed.",
            ),
            field("selfLink", Shape::Text, "No longer set."),
        ]),
        kind: false,
    },
    Type {
        name: "io.k8s.apimachinery.pkg.apis.meta.v1.Status",
        text: "How a request ended, when there is no object to return.",
        form: Form::Fields(&[
            API_VERSION,
            field("code", Shape::Int32, "The HTTP status code."),
            field(
                "details",
                Shape::Of("io.k8s.apimachinery.pkg.apis.meta.v1.StatusDetails"),
                "More about the reason.",
            ),
            KIND,
            field("message", Shape::Text, "What happened, for people."),
            LIST_META,
            field(
                "reason",
                Shape::Text,
                "What happened, for programs: one word.",
            ),
            field("status", Shape::Text, "Success or Failure."),
        ]),
        kind: false,
    },
    Type {
        name: "io.k8s.apimachinery.pkg.apis.meta.v1.StatusCause",
        text: "One of the causes of a failure.",
        form: Form::Fields(&[
            field("field", Shape::Text, "The field it is about."),
            field("message", Shape::Text, "The cause, for people."),
            field("reason", Shape::Text, "The cause, for programs."),
        ]),
        kind: false,
    },
    Type {
        name: "io.k8s.apimachinery.pkg.apis.meta.v1.StatusDetails",
        text: "What a failure is about.",
        form: Form::Fields(&[
            field(
                "causes",
                Shape::List(&Shape::Of(
                    "io.k8s.apimachinery.pkg.apis.meta.v1.StatusCause",
                )),
                "The causes, one by one.",
            ),
            field("group", Shape::Text, "The group of the resource."),
            field("kind", Shape::Text, "The resource or kind."),
            field("name", Shape::Text, "The name of the object."),
            field("retryAfterSeconds", Shape::Int32, "When to try again."),
            field("uid", Shape::Text, "The UID of the object."),
        ]),
        kind: false,
    },
];
