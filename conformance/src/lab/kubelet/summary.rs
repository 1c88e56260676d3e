//! The JSON of `/stats/summary`, in the shape a kubelet 1.35 writes it.
//!
//! CPU and memory are those of the resource metrics; everything else is a straight line in time or
//! a constant, named below. What is sampled is sampled at whole seconds, since a summary writes no
//! finer stamps: a counter and its stamp fit exactly.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::behaviour::Behaviour;
use super::exposition::{Times, is_measured, measured_pods};
use super::summary_form::{
    ContainerStats, Cpu, Filesystem, Interface, Io, Memory, Network, NodeStats, PodRef, PodStats,
    Processes, Psi, Rlimit, Runtime, Stalled, Stats, Summary, Swap, SystemContainer, Volume,
};
use crate::lab::{Container, Node, Pod, Stamp, World};

/// Bytes a second the default interface of a pod or a node receives.
pub const RECEIVED_A_SECOND: u64 = 12_000;
/// Bytes a second it sends.
pub const SENT_A_SECOND: u64 = 5_000;
/// Page faults a second of anything that has memory.
pub const FAULTS_A_SECOND: u64 = 40;
/// Nanoseconds a second in which some task of anything waited for a CPU.
pub const STALLED_A_SECOND: u64 = 20_000_000;
/// Bytes a container's writable layer has.
pub const WRITTEN: u64 = 8_192;
/// Bytes a container's logs have.
pub const LOGGED: u64 = 4_096;
/// Bytes of a filesystem.
pub const CAPACITY: u64 = 100_000_000_000;

/// What a node's kubelet answers now.
pub(super) fn render(world: &World, node: &str, behaviour: &Behaviour) -> String {
    let times = Times::new(node, behaviour.stamps).whole_seconds();
    let skewed = |at: Stamp| Stamp(at.0 + behaviour.skew).to_rfc3339();
    let moment = |at| Moment {
        at,
        time: skewed(at),
    };
    let writer = Writer {
        behaviour,
        containers: moment(times.containers),
        node: moment(times.node),
        pods: moment(times.pods),
    };
    let pods = measured_pods(world, node, behaviour);
    let node = world.node(node);
    let summary = Summary {
        node: node.as_ref().map(|node| writer.node(node, &pods)),
        pods: pods.iter().map(|pod| writer.pod(pod)).collect(),
    };
    let mut text = Vec::with_capacity(4096 + 6144 * pods.len());
    let indent = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, indent);
    // Writing to memory does not fail.
    let _ = summary.serialize(&mut serializer);
    String::from_utf8(text).unwrap_or_default()
}

struct Writer<'a> {
    behaviour: &'a Behaviour,
    containers: Moment,
    node: Moment,
    pods: Moment,
}

/// When something is sampled, and how that is written.
struct Moment {
    at: Stamp,
    time: String,
}

/// What a cgroup consumes at an instant.
struct Consumed {
    since: Stamp,
    core_seconds: f64,
    memory: u64,
    swap: u64,
    available: Option<u64>,
}

impl Writer<'_> {
    fn node<'a>(&'a self, node: &'a Node, pods: &[Arc<Pod>]) -> NodeStats<'a> {
        let (moment, since) = (&self.node, node.meta.created);
        let available = Some(node.memory_capacity - node.memory);
        let stats = stats(
            moment,
            &Consumed {
                since,
                core_seconds: node.cpu.at(moment.at),
                memory: node.memory,
                swap: node.swap,
                available,
            },
        );
        let containers = pods.iter().flat_map(|pod| &pod.containers);
        let of_pods = Consumed {
            since,
            core_seconds: pods.iter().map(|pod| core_seconds(pod, moment.at)).sum(),
            memory: containers.map(|c| c.memory).sum(),
            swap: 0,
            available,
        };
        NodeStats {
            node_name: &node.meta.name,
            start_time: self.stamp(since),
            stats,
            system_containers: [SystemContainer {
                name: "pods",
                start_time: self.stamp(since),
                stats: self::stats(moment, &of_pods),
            }],
            network: network(moment, since),
            fs: filesystem(moment, CAPACITY / 4),
            runtime: Runtime {
                image_fs: filesystem(moment, CAPACITY / 100),
            },
            rlimit: Rlimit {
                time: &moment.time,
                maxpid: 32_768,
                curproc: 183,
            },
        }
    }

    fn pod<'a>(&'a self, pod: &'a Pod) -> PodStats<'a> {
        let (moment, since) = (&self.pods, pod.meta.created);
        let measured = pod
            .containers
            .iter()
            .filter(|c| is_measured(pod, c, self.behaviour));
        let containers: Vec<_> = measured.map(|c| self.container(c)).collect();
        let consumed = Consumed {
            since,
            core_seconds: core_seconds(pod, moment.at),
            memory: pod.containers.iter().map(|c| c.memory).sum(),
            swap: pod.containers.iter().map(|c| c.swap).sum(),
            available: None,
        };
        PodStats {
            pod_ref: PodRef {
                name: &pod.meta.name,
                namespace: &pod.meta.namespace,
                uid: &pod.meta.uid,
            },
            start_time: self.stamp(since),
            stats: stats(moment, &consumed),
            network: network(moment, since),
            volume: [Volume {
                name: "data",
                filesystem: filesystem(moment, 777),
            }],
            ephemeral_storage: filesystem(moment, (WRITTEN + LOGGED) * containers.len() as u64),
            process_stats: Processes {
                process_count: containers.len(),
            },
            containers,
        }
    }

    fn container<'a>(&'a self, container: &'a Container) -> ContainerStats<'a> {
        let moment = &self.containers;
        let consumed = Consumed {
            since: container.started,
            core_seconds: container.cpu.at(moment.at),
            memory: container.memory,
            swap: container.swap,
            available: None,
        };
        let started = || self.stamp(container.started);
        ContainerStats {
            name: &container.name,
            start_time: (!self.behaviour.no_start_times).then(started),
            stats: stats(moment, &consumed),
            rootfs: filesystem(moment, WRITTEN),
            logs: filesystem(moment, LOGGED),
        }
    }

    fn stamp(&self, at: Stamp) -> String {
        Stamp(at.0 + self.behaviour.skew).to_rfc3339()
    }
}

fn stats<'a>(moment: &'a Moment, consumed: &Consumed) -> Stats<'a> {
    let counted = |a_second| counted(a_second, consumed.since, moment.at);
    let (time, memory) = (moment.time.as_str(), consumed.memory);
    Stats {
        cpu: Cpu {
            time,
            usage_nano_cores: 0,
            usage_core_nano_seconds: nanoseconds(consumed.core_seconds),
            psi: psi(counted(STALLED_A_SECOND)),
        },
        memory: Memory {
            time,
            available_bytes: consumed.available,
            usage_bytes: memory + memory / 8,
            working_set_bytes: memory,
            rss_bytes: memory / 2,
            page_faults: counted(FAULTS_A_SECOND),
            major_page_faults: counted(FAULTS_A_SECOND) / 10,
            psi: psi(0),
        },
        io: Io { time, psi: psi(0) },
        swap: Swap {
            time,
            swap_available_bytes: 0,
            swap_usage_bytes: consumed.swap,
        },
    }
}

fn psi(total: u64) -> Psi {
    let stalled = |total| Stalled {
        total,
        avg10: 0,
        avg60: 0,
        avg300: 0,
    };
    Psi {
        full: stalled(total / 2),
        some: stalled(total),
    }
}

fn network(moment: &Moment, since: Stamp) -> Network<'_> {
    let interface = Interface {
        name: "eth0",
        rx_bytes: counted(RECEIVED_A_SECOND, since, moment.at),
        rx_errors: 0,
        tx_bytes: counted(SENT_A_SECOND, since, moment.at),
        tx_errors: 0,
    };
    Network {
        time: &moment.time,
        default: interface,
        interfaces: [interface],
    }
}

fn filesystem(moment: &Moment, used: u64) -> Filesystem<'_> {
    Filesystem {
        time: &moment.time,
        available_bytes: CAPACITY - used,
        capacity_bytes: CAPACITY,
        used_bytes: used,
        inodes_free: 1_000_000,
        inodes: 2_000_000,
        inodes_used: 1_000,
    }
}

fn core_seconds(pod: &Pod, at: Stamp) -> f64 {
    pod.containers.iter().map(|c| c.cpu.at(at)).sum()
}

fn counted(a_second: u64, since: Stamp, at: Stamp) -> u64 {
    let elapsed = u64::try_from(at.0 - since.0).unwrap_or(0);
    a_second * Duration::from_millis(elapsed).as_secs()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "no lab runs for 2^53 nanoseconds of CPU"
)]
fn nanoseconds(core_seconds: f64) -> u64 {
    (core_seconds * 1e9).floor() as u64
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// What a real kubelet answered about a node with one pod of two containers.
    const REAL: &str = include_str!("../../../../src/kubelet/decode/testdata/summary-3.json");

    /// Every path of a JSON value, but what this lab leaves out or adds on purpose.
    fn paths(value: &Value, path: &str, all: &mut std::collections::BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    paths(value, &format!("{path}.{key}"), all);
                }
            }
            Value::Array(values) => {
                for value in values {
                    paths(value, path, all);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                all.insert(path.to_owned());
            }
        }
    }

    #[test]
    fn an_answer_has_what_a_real_kubelets_has() {
        let world = World::new();
        world.put_node(Node::new("n"));
        let pod = Pod::new("default", "burn").on("n");
        world.put_pod(
            pod.with(Container::new("idle"))
                .with(Container::new("busy")),
        );
        let text = render(&world, "n", &Behaviour::default());
        let (mut ours, mut real) = Default::default();
        paths(&serde_json::from_str(&text).unwrap(), "", &mut ours);
        paths(&serde_json::from_str(REAL).unwrap(), "", &mut real);
        real.retain(|path| !path.contains("containerFs"));
        assert_eq!(
            real.difference(&ours).collect::<Vec<_>>(),
            Vec::<&String>::new()
        );
    }

    #[test]
    fn counters_and_stamps_fit_and_agree_with_the_resource_metrics() {
        let world = World::new();
        let node = Node::new("n");
        world.put_node(node);
        world.put_pod(Pod::new("a", "p").on("n").with(Container::new("c")));
        let summary: Value =
            serde_json::from_str(&render(&world, "n", &Behaviour::default())).unwrap();
        let pod = &summary["pods"][0];
        let at = |value: &Value| {
            let at: jiff::Timestamp = value.as_str().unwrap().parse().unwrap();
            Stamp(at.as_millisecond())
        };
        let of_world = world.pods_on("n").remove(0);
        let container = &pod["containers"][0]["cpu"];
        let cpu = nanoseconds(of_world.containers[0].cpu.at(at(&container["time"])));
        assert_eq!(container["usageCoreNanoSeconds"], cpu);
        let network = &pod["network"];
        let received = counted(
            RECEIVED_A_SECOND,
            of_world.meta.created,
            at(&network["time"]),
        );
        assert_eq!(network["rxBytes"], received);
        assert!(received > 3_000 * RECEIVED_A_SECOND);
    }
}
