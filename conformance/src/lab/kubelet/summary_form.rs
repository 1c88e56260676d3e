//! The blocks of `/stats/summary` as they are written: a kubelet's names, and nothing else.

use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary<'a> {
    pub(super) node: Option<NodeStats<'a>>,
    pub(super) pods: Vec<PodStats<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NodeStats<'a> {
    pub(super) node_name: &'a str,
    pub(super) start_time: String,
    #[serde(flatten)]
    pub(super) stats: Stats<'a>,
    pub(super) system_containers: [SystemContainer<'a>; 1],
    pub(super) network: Network<'a>,
    pub(super) fs: Filesystem<'a>,
    pub(super) runtime: Runtime<'a>,
    pub(super) rlimit: Rlimit<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SystemContainer<'a> {
    pub(super) name: &'a str,
    pub(super) start_time: String,
    #[serde(flatten)]
    pub(super) stats: Stats<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Runtime<'a> {
    pub(super) image_fs: Filesystem<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rlimit<'a> {
    pub(super) time: &'a str,
    pub(super) maxpid: u32,
    pub(super) curproc: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodStats<'a> {
    pub(super) pod_ref: PodRef<'a>,
    pub(super) start_time: String,
    pub(super) containers: Vec<ContainerStats<'a>>,
    #[serde(flatten)]
    pub(super) stats: Stats<'a>,
    pub(super) network: Network<'a>,
    pub(super) volume: [Volume<'a>; 1],
    #[serde(rename = "ephemeral-storage")]
    pub(super) ephemeral_storage: Filesystem<'a>,
    #[serde(rename = "process_stats")]
    pub(super) process_stats: Processes,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodRef<'a> {
    pub(super) name: &'a str,
    pub(super) namespace: &'a str,
    pub(super) uid: &'a str,
}

#[derive(Serialize)]
pub(super) struct Processes {
    pub(super) process_count: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContainerStats<'a> {
    pub(super) name: &'a str,
    pub(super) start_time: Option<String>,
    #[serde(flatten)]
    pub(super) stats: Stats<'a>,
    pub(super) rootfs: Filesystem<'a>,
    pub(super) logs: Filesystem<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stats<'a> {
    pub(super) cpu: Cpu<'a>,
    pub(super) memory: Memory<'a>,
    pub(super) io: Io<'a>,
    pub(super) swap: Swap<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cpu<'a> {
    pub(super) time: &'a str,
    pub(super) usage_nano_cores: u64,
    pub(super) usage_core_nano_seconds: u64,
    pub(super) psi: Psi,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Memory<'a> {
    pub(super) time: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) available_bytes: Option<u64>,
    pub(super) usage_bytes: u64,
    pub(super) working_set_bytes: u64,
    pub(super) rss_bytes: u64,
    pub(super) page_faults: u64,
    pub(super) major_page_faults: u64,
    pub(super) psi: Psi,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Io<'a> {
    pub(super) time: &'a str,
    pub(super) psi: Psi,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Swap<'a> {
    pub(super) time: &'a str,
    pub(super) swap_available_bytes: u64,
    pub(super) swap_usage_bytes: u64,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Psi {
    pub(super) full: Stalled,
    pub(super) some: Stalled,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stalled {
    pub(super) total: u64,
    pub(super) avg10: u64,
    pub(super) avg60: u64,
    pub(super) avg300: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Network<'a> {
    pub(super) time: &'a str,
    #[serde(flatten)]
    pub(super) default: Interface<'a>,
    pub(super) interfaces: [Interface<'a>; 1],
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Interface<'a> {
    pub(super) name: &'a str,
    pub(super) rx_bytes: u64,
    pub(super) rx_errors: u64,
    pub(super) tx_bytes: u64,
    pub(super) tx_errors: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Volume<'a> {
    pub(super) name: &'a str,
    #[serde(flatten)]
    pub(super) filesystem: Filesystem<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Filesystem<'a> {
    pub(super) time: &'a str,
    pub(super) available_bytes: u64,
    pub(super) capacity_bytes: u64,
    pub(super) used_bytes: u64,
    pub(super) inodes_free: u64,
    pub(super) inodes: u64,
    pub(super) inodes_used: u64,
}
