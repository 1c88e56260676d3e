//! The types of `metrics.k8s.io`, which are the same in all its versions.

use super::meta::{API_VERSION, KIND, LIST_META, OBJECT_META};
use super::{Field, Form, Shape, Type, field, required};

const QUANTITIES: Shape = Shape::MapOf(&Shape::Of("io.k8s.apimachinery.pkg.api.resource.Quantity"));

const TIMESTAMP: Field = required(
    "timestamp",
    Shape::Of("io.k8s.apimachinery.pkg.apis.meta.v1.Time"),
    "The end of the time span the numbers are about.",
);
const WINDOW: Field = required(
    "window",
    Shape::Of("io.k8s.apimachinery.pkg.apis.meta.v1.Duration"),
    "The length of that time span: the CPU rate is the average over [timestamp - window, timestamp].",
);

pub(super) static TYPES: [Type; 5] = [
    Type {
        name: "ContainerMetrics",
        text: "What one container of a pod uses.",
        form: Form::Fields(&[
            required(
                "name",
                Shape::Text,
                "The container's name in the pod's spec.",
            ),
            required(
                "usage",
                QUANTITIES,
                "How much is used, by resource: cpu as a rate in cores, memory (and swap, where it is reported) \
                 as the working set in bytes.",
            ),
        ]),
        kind: false,
    },
    Type {
        name: "NodeMetrics",
        text: "What a node as a whole uses.",
        form: Form::Fields(&[
            API_VERSION,
            KIND,
            OBJECT_META,
            TIMESTAMP,
            required(
                "usage",
                QUANTITIES,
                "How much is used, by resource: cpu as a rate in cores, memory (and swap, where it is reported) \
                 as the working set in bytes.",
            ),
            WINDOW,
        ]),
        kind: true,
    },
    Type {
        name: "NodeMetricsList",
        text: "What several nodes use.",
        form: Form::Fields(&[
            API_VERSION,
            required(
                "items",
                Shape::List(&Shape::Sibling("NodeMetrics")),
                "One entry for each node that has numbers, sorted by name.",
            ),
            KIND,
            LIST_META,
        ]),
        kind: true,
    },
    Type {
        name: "PodMetrics",
        text: "What the running containers of a pod use.",
        form: Form::Fields(&[
            API_VERSION,
            required(
                "containers",
                Shape::List(&Shape::Sibling("ContainerMetrics")),
                "One entry for each running container.",
            ),
            KIND,
            OBJECT_META,
            TIMESTAMP,
            WINDOW,
        ]),
        kind: true,
    },
    Type {
        name: "PodMetricsList",
        text: "What several pods use.",
        form: Form::Fields(&[
            API_VERSION,
            required(
                "items",
                Shape::List(&Shape::Sibling("PodMetrics")),
                "One entry for each pod that has numbers, sorted by namespace, then name.",
            ),
            KIND,
            field(
                "metadata",
                Shape::Of("io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"),
                "Standard metadata of a list.",
            ),
        ]),
        kind: true,
    },
];
