//! The types of `loadline.io`.

use super::meta::{API_VERSION, KIND, LIST_META, OBJECT_META};
use super::{Form, Shape, Type, field, required};

const TIME: Shape = Shape::Of("io.k8s.apimachinery.pkg.apis.meta.v1.Time");

pub(super) static TYPES: [Type; 3] = [
    Type {
        name: "NodeCoverage",
        text: "What Loadline knows of a node, and why it does not know more.",
        form: Form::Fields(&[
            API_VERSION,
            KIND,
            OBJECT_META,
            required(
                "status",
                Shape::Sibling("NodeCoverageStatus"),
                "How the node fares.",
            ),
        ]),
        kind: true,
    },
    Type {
        name: "NodeCoverageList",
        text: "What Loadline knows of several nodes.",
        form: Form::Fields(&[
            API_VERSION,
            required(
                "items",
                Shape::List(&Shape::Sibling("NodeCoverage")),
                "One entry for each node of the cluster, sorted by name.",
            ),
            KIND,
            LIST_META,
        ]),
        kind: true,
    },
    Type {
        name: "NodeCoverageStatus",
        text: "How a node fares.",
        form: Form::Fields(&[
            required(
                "state",
                Shape::Text,
                "Fresh: it has numbers. Stale: its last good numbers are served, the last attempt to get newer ones \
                 failed. Failing: it has none. Pending: it has none yet. Excluded: the node selector leaves it out.",
            ),
            field("since", TIME, "Since when it is so."),
            field("cause", Shape::Text, "Why, in one word of a small set."),
            field("message", Shape::Text, "Why, in words."),
            field("remedy", Shape::Text, "What to do about it."),
            field(
                "sampleTime",
                TIME,
                "When the kubelet measured the numbers that are served.",
            ),
            field(
                "lastSuccessTime",
                TIME,
                "When the kubelet last gave a good answer.",
            ),
        ]),
        kind: false,
    },
];
