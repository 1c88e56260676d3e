//! What an export may hold (`/api/v1/metric-export-schema`), in the words of Heapster v1.5.4.

use bytes::Bytes;
use http::Response;
use serde::Serialize;

use super::answer;

#[derive(Serialize)]
struct Schema {
    metrics: Vec<Descriptor>,
    common_labels: Vec<Label>,
    pod_labels: Vec<Label>,
}

#[derive(Serialize)]
struct Descriptor {
    name: &'static str,
    description: &'static str,
    #[serde(skip_serializing_if = "<[Label]>::is_empty")]
    labels: &'static [Label],
    #[serde(rename = "type")]
    kind: &'static str,
    value_type: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    units: &'static str,
}

#[derive(Clone, Copy, Serialize)]
struct Label {
    key: &'static str,
    description: &'static str,
}

/// Heapster's schema, with the metrics that only its old source filled: clients may look them up.
pub(super) fn answer() -> Response<Bytes> {
    let metrics = METRICS.iter().map(|row| Descriptor {
        name: row.0,
        description: row.4,
        labels: match row.0.split('/').next() {
            Some("disk" | "filesystem") => &RESOURCE,
            Some("accelerator") => &ACCELERATOR,
            _ => &[],
        },
        kind: row.1,
        value_type: row.2,
        units: row.3,
    });
    answer::pretty(&Schema {
        metrics: metrics.collect(),
        common_labels: COMMON.to_vec(),
        pod_labels: POD.to_vec(),
    })
}

const fn label(key: &'static str, description: &'static str) -> Label {
    Label { key, description }
}

const RESOURCE: [Label; 1] = [label("resource_id", "Identifier(s) specific to a metric")];

const ACCELERATOR: [Label; 3] = [
    label("make", "Make of the accelerator (nvidia, amd, google etc.)"),
    label(
        "model",
        "Model of the accelerator (tesla-p100, tesla-k80 etc.)",
    ),
    label("accelerator_id", "ID of the accelerator"),
];

#[rustfmt::skip]
const COMMON: [Label; 5] = [
    label("nodename", "nodename where the container ran"),
    label("hostname", "Hostname where the container ran"),
    label("host_id", "Identifier specific to a host. Set by cloud provider or user"),
    label("container_name", "User-provided name of the container or full container name for system containers"),
    label("container_base_image", "User-defined image name that is run inside the container"),
];

const POD: [Label; 4] = [
    label("pod_name", "The name of the pod"),
    label("pod_id", "The unique ID of the pod"),
    label("namespace_id", "The UID of namespace of the pod"),
    label("labels", "Comma-separated list of user-provided labels"),
];

type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

/// Name, type, type of the value, units, description; a count has no units.
#[rustfmt::skip]
const METRICS: [Row; 26] = [
    ("uptime", "cumulative", "int64", "ms", "Number of milliseconds since the container was started"),
    ("cpu/usage", "cumulative", "int64", "ns", "Cumulative CPU usage on all cores"),
    ("memory/usage", "gauge", "int64", "bytes", "Total memory usage"),
    ("memory/rss", "gauge", "int64", "bytes", "RSS memory"),
    ("memory/cache", "gauge", "int64", "bytes", "Cache memory"),
    ("memory/working_set", "gauge", "int64", "bytes", "Total working set usage. Working set is the memory being used and not easily dropped by the kernel"),
    ("memory/page_faults", "cumulative", "int64", "", "Number of page faults"),
    ("memory/major_page_faults", "cumulative", "int64", "", "Number of major page faults"),
    ("network/rx", "cumulative", "int64", "bytes", "Cumulative number of bytes received over the network"),
    ("network/rx_errors", "cumulative", "int64", "", "Cumulative number of errors while receiving over the network"),
    ("network/tx", "cumulative", "int64", "bytes", "Cumulative number of bytes sent over the network"),
    ("network/tx_errors", "cumulative", "int64", "", "Cumulative number of errors while sending over the network"),
    ("cpu/limit", "gauge", "int64", "", "CPU hard limit in millicores."),
    ("memory/limit", "gauge", "int64", "bytes", "Memory hard limit in bytes."),
    ("disk/io_read_bytes", "cumulative", "int64", "bytes", "Cumulative number of bytes read over disk"),
    ("disk/io_read_bytes_rate", "gauge", "double", "", "Rate of bytes read over disk in bytes per second"),
    ("disk/io_write_bytes", "cumulative", "int64", "bytes", "Cumulative number of bytes write over disk"),
    ("disk/io_write_bytes_rate", "gauge", "double", "", "Rate of bytes written over disk in bytes per second"),
    ("filesystem/usage", "gauge", "int64", "bytes", "Total number of bytes consumed on a filesystem"),
    ("filesystem/limit", "gauge", "int64", "bytes", "The total size of filesystem in bytes"),
    ("filesystem/available", "gauge", "int64", "bytes", "The number of available bytes remaining in a the filesystem"),
    ("filesystem/inodes", "gauge", "int64", "bytes", "Total number of inodes on a filesystem"),
    ("filesystem/inodes_free", "gauge", "int64", "bytes", "Free number of inodes on a filesystem"),
    ("accelerator/memory_total", "gauge", "int64", "bytes", "Total accelerator memory (in bytes)"),
    ("accelerator/memory_used", "gauge", "int64", "bytes", "Total accelerator memory allocated (in bytes)"),
    ("accelerator/duty_cycle", "gauge", "int64", "", "Percent of time over the past sample period (10s) during which the accelerator was actively processing"),
];
