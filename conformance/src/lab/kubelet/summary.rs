//! The JSON of `/stats/summary`, in the shape a kubelet 1.35 writes it.
//!
//! CPU and memory are those of the resource metrics; everything else is a straight line in time or
//! a constant, named below. What is sampled is sampled at whole seconds, since a summary writes no
//! finer stamps: a counter and its stamp fit exactly.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::behaviour::Behaviour;
use super::exposition::{Times, is_measured, measured_pods};
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
    let writer = Writer {
        behaviour,
        containers: times.containers,
        node: times.node,
        pods: times.pods,
    };
    let pods = measured_pods(world, node, behaviour);
    let stats: Vec<Value> = pods.iter().map(|pod| writer.pod(pod)).collect();
    let node = world.node(node).map(|node| writer.node(&node, &pods));
    let summary = json!({ "node": node, "pods": stats });
    let mut text = Vec::new();
    let indent = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, indent);
    // Writing to memory does not fail.
    let _ = serde::Serialize::serialize(&summary, &mut serializer);
    String::from_utf8(text).unwrap_or_default()
}

struct Writer<'a> {
    behaviour: &'a Behaviour,
    containers: Stamp,
    node: Stamp,
    pods: Stamp,
}

/// What a cgroup consumes at an instant.
struct Consumed {
    at: Stamp,
    since: Stamp,
    core_seconds: f64,
    memory: u64,
    swap: u64,
}

impl Writer<'_> {
    fn node(&self, node: &Node, pods: &[Arc<Pod>]) -> Value {
        let (at, since) = (self.node, node.meta.created);
        let mut stats = self.consumed(&Consumed {
            at,
            since,
            core_seconds: node.cpu.at(at),
            memory: node.memory,
            swap: node.swap,
        });
        let mut of_pods = self.consumed(&Consumed {
            at,
            since,
            core_seconds: pods.iter().map(|pod| core_seconds(pod, at)).sum(),
            memory: pods
                .iter()
                .flat_map(|p| &p.containers)
                .map(|c| c.memory)
                .sum(),
            swap: 0,
        });
        merge(
            &mut of_pods,
            json!({ "name": "pods", "startTime": self.stamp(since) }),
        );
        for cgroup in [&mut stats, &mut of_pods] {
            cgroup["memory"]["availableBytes"] = json!(node.memory_capacity - node.memory);
        }
        let more = json!({
            "nodeName": node.meta.name,
            "startTime": self.stamp(since),
            "systemContainers": [of_pods],
            "network": self.network(since, at),
            "fs": self.filesystem(at, CAPACITY / 4),
            "runtime": { "imageFs": self.filesystem(at, CAPACITY / 100) },
            "rlimit": { "time": self.stamp(at), "maxpid": 32_768, "curproc": 183 },
        });
        merge(&mut stats, more);
        stats.into()
    }

    fn pod(&self, pod: &Pod) -> Value {
        let (at, since) = (self.pods, pod.meta.created);
        let mut stats = self.consumed(&Consumed {
            at,
            since,
            core_seconds: core_seconds(pod, at),
            memory: pod.containers.iter().map(|c| c.memory).sum(),
            swap: pod.containers.iter().map(|c| c.swap).sum(),
        });
        let measured = pod
            .containers
            .iter()
            .filter(|c| is_measured(pod, c, self.behaviour));
        let containers: Vec<Value> = measured.map(|c| self.container(c)).collect();
        let storage = (WRITTEN + LOGGED) * containers.len() as u64;
        let mut volume = self.filesystem(at, 777);
        merge(&mut volume, json!({ "name": "data" }));
        let more = json!({
            "podRef": { "name": pod.meta.name, "namespace": pod.meta.namespace, "uid": pod.meta.uid },
            "startTime": self.stamp(since),
            "containers": containers,
            "network": self.network(since, at),
            "volume": [volume],
            "ephemeral-storage": self.filesystem(at, storage),
            "process_stats": { "process_count": containers.len() },
        });
        merge(&mut stats, more);
        stats.into()
    }

    fn container(&self, container: &Container) -> Value {
        let at = self.containers;
        let mut stats = self.consumed(&Consumed {
            at,
            since: container.started,
            core_seconds: container.cpu.at(at),
            memory: container.memory,
            swap: container.swap,
        });
        let mut more = json!({
            "name": container.name,
            "startTime": self.stamp(container.started),
            "rootfs": self.filesystem(at, WRITTEN),
            "logs": self.filesystem(at, LOGGED),
        });
        if self.behaviour.no_start_times {
            more["startTime"] = Value::Null;
        }
        merge(&mut stats, more);
        stats.into()
    }

    fn consumed(&self, consumed: &Consumed) -> Map<String, Value> {
        let &Consumed {
            at,
            since,
            core_seconds,
            memory,
            swap,
        } = consumed;
        let time = self.stamp(at);
        let counted = |a_second| counted(a_second, since, at);
        let psi = |total: u64| {
            let rate = |total| json!({ "total": total, "avg10": 0, "avg60": 0, "avg300": 0 });
            json!({ "full": rate(total / 2), "some": rate(total) })
        };
        let mut stats = Map::new();
        let blocks = json!({
            "cpu": {
                "time": time,
                "usageNanoCores": 0,
                "usageCoreNanoSeconds": nanoseconds(core_seconds),
                "psi": psi(counted(STALLED_A_SECOND)),
            },
            "memory": {
                "time": time,
                "usageBytes": memory + memory / 8,
                "workingSetBytes": memory,
                "rssBytes": memory / 2,
                "pageFaults": counted(FAULTS_A_SECOND),
                "majorPageFaults": counted(FAULTS_A_SECOND) / 10,
                "psi": psi(0),
            },
            "io": { "time": time, "psi": psi(0) },
            "swap": { "time": time, "swapAvailableBytes": 0, "swapUsageBytes": swap },
        });
        merge(&mut stats, blocks);
        stats
    }

    fn network(&self, since: Stamp, at: Stamp) -> Value {
        let interface = json!({
            "name": "eth0",
            "rxBytes": counted(RECEIVED_A_SECOND, since, at),
            "rxErrors": 0,
            "txBytes": counted(SENT_A_SECOND, since, at),
            "txErrors": 0,
        });
        let mut network = interface.as_object().cloned().unwrap_or_default();
        merge(
            &mut network,
            json!({ "time": self.stamp(at), "interfaces": [interface] }),
        );
        network.into()
    }

    fn filesystem(&self, at: Stamp, used: u64) -> Map<String, Value> {
        let mut filesystem = Map::new();
        let fields = json!({
            "time": self.stamp(at),
            "availableBytes": CAPACITY - used,
            "capacityBytes": CAPACITY,
            "usedBytes": used,
            "inodesFree": 1_000_000,
            "inodes": 2_000_000,
            "inodesUsed": 1_000,
        });
        merge(&mut filesystem, fields);
        filesystem
    }

    fn stamp(&self, at: Stamp) -> String {
        Stamp(at.0 + self.behaviour.skew).to_rfc3339()
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

fn merge(into: &mut Map<String, Value>, fields: Value) {
    if let Value::Object(fields) = fields {
        into.extend(fields);
    }
}

#[cfg(test)]
mod tests {
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
