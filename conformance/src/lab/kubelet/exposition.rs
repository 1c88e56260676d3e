//! The text of `/metrics/resource`, in the shape a kubelet 1.35 writes it.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use super::behaviour::{Behaviour, Stamps};
use crate::lab::{Container, ContainerState, Node, Phase, Pod, Stamp, World};

/// How often cAdvisor looks at the node's root cgroup.
const NODE_PERIOD: Duration = Duration::from_secs(10);
/// How often a pod's own cgroup was seen to move.
const POD_PERIOD: Duration = Duration::from_secs(13);

/// Name, stability and help, and type of a family.
struct Family(&'static str, &'static str, &'static str);

const CONTAINER_CPU: Family = Family(
    "container_cpu_usage_seconds_total",
    "[STABLE] Cumulative cpu time consumed by the container in core-seconds",
    "counter",
);
const CONTAINER_MEMORY: Family = Family(
    "container_memory_working_set_bytes",
    "[STABLE] Current working set of the container in bytes",
    "gauge",
);
const CONTAINER_START: Family = Family(
    "container_start_time_seconds",
    "[STABLE] Start time of the container since unix epoch in seconds",
    "gauge",
);
const CONTAINER_SWAP_LIMIT: Family = Family(
    "container_swap_limit_bytes",
    "[ALPHA] Current amount of the container swap limit in bytes. Reported only on non-windows systems",
    "gauge",
);
const CONTAINER_SWAP: Family = Family(
    "container_swap_usage_bytes",
    "[ALPHA] Current amount of the container swap usage in bytes. Reported only on non-windows systems",
    "gauge",
);
const NODE_CPU: Family = Family(
    "node_cpu_usage_seconds_total",
    "[STABLE] Cumulative cpu time consumed by the node in core-seconds",
    "counter",
);
const NODE_MEMORY: Family = Family(
    "node_memory_working_set_bytes",
    "[STABLE] Current working set of the node in bytes",
    "gauge",
);
const NODE_SWAP: Family = Family(
    "node_swap_usage_bytes",
    "[ALPHA] Current swap usage of the node in bytes. Reported only on non-windows systems",
    "gauge",
);
const POD_CPU: Family = Family(
    "pod_cpu_usage_seconds_total",
    "[STABLE] Cumulative cpu time consumed by the pod in core-seconds",
    "counter",
);
const POD_MEMORY: Family = Family(
    "pod_memory_working_set_bytes",
    "[STABLE] Current working set of the pod in bytes",
    "gauge",
);
const POD_SWAP: Family = Family(
    "pod_swap_usage_bytes",
    "[ALPHA] Current amount of the pod swap usage in bytes. Reported only on non-windows systems",
    "gauge",
);
const SCRAPE_ERROR: Family = Family(
    "resource_scrape_error",
    "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise",
    "gauge",
);

struct Writer<'a> {
    text: String,
    behaviour: &'a Behaviour,
}

/// Reads a pod's own value at a time.
type Measure = fn(&Pod, Stamp) -> f64;

/// When each kind of series was sampled, on a node whose clock is right.
pub(super) struct Times {
    pub(super) containers: Stamp,
    pub(super) node: Stamp,
    pub(super) pods: Stamp,
}

/// What a node's kubelet answers now.
pub(super) fn render(world: &World, node: &str, behaviour: &Behaviour) -> String {
    let times = Times::new(node, behaviour.stamps);
    let pods = measured_pods(world, node, behaviour);
    let mut containers: Vec<(&Pod, &Container)> = pods
        .iter()
        .flat_map(|pod| pod.containers.iter().map(move |c| (pod.as_ref(), c)))
        .filter(|(pod, container)| is_measured(pod, container, behaviour))
        .collect();
    containers.sort_by_key(|(pod, c)| (&c.name, &pod.meta.namespace, &pod.meta.name));
    let mut writer = Writer {
        text: String::with_capacity(1024 + 640 * containers.len() + 320 * pods.len()),
        behaviour,
    };
    writer.containers(&containers, times.containers);
    if let Some(node) = world.node(node) {
        writer.node(&node, times.node);
    }
    writer.pods(&pods, times.pods);
    writer.family(&SCRAPE_ERROR);
    let error = u8::from(behaviour.scrape_error);
    let _ = writeln!(writer.text, "resource_scrape_error {error}");
    writer.text
}

pub(super) fn measured_pods(world: &World, node: &str, behaviour: &Behaviour) -> Vec<Arc<Pod>> {
    let mut pods = world.pods_on(node);
    pods.retain(|pod| matches!(pod.phase, Phase::Running | Phase::Pending));
    pods.extend(behaviour.extra_pods.iter().cloned().map(Arc::new));
    pods
}

pub(super) fn is_measured(pod: &Pod, container: &Container, behaviour: &Behaviour) -> bool {
    container.state == ContainerState::Running
        && (behaviour.left_out.is_empty()
            || !behaviour.left_out.contains(&(
                pod.meta.namespace.clone(),
                pod.meta.name.clone(),
                container.name.clone(),
            )))
}

impl Times {
    /// The same, cut to what a summary can say.
    pub(super) fn whole_seconds(self) -> Self {
        let cut = |at: Stamp| at.floor_to(Duration::from_secs(1), 0);
        Self {
            containers: cut(self.containers),
            node: cut(self.node),
            pods: cut(self.pods),
        }
    }

    pub(super) fn new(node: &str, stamps: Stamps) -> Self {
        let now = Stamp::now();
        let phase = node
            .bytes()
            .fold(0_i64, |h, b| (h * 31 + i64::from(b)) % 60_000);
        let (containers, node, pods) = match stamps {
            Stamps::OnDemand => (
                now,
                now.floor_to(NODE_PERIOD, phase),
                now.floor_to(POD_PERIOD, phase),
            ),
            Stamps::Every(period) => {
                let at = now.floor_to(period, phase);
                (at, at, at)
            }
            Stamps::Fixed(at) => (at, at, at),
            Stamps::Absent => (now, now, now),
        };
        Self {
            containers,
            node,
            pods,
        }
    }
}

impl Writer<'_> {
    fn containers(&mut self, containers: &[(&Pod, &Container)], at: Stamp) {
        self.family(&CONTAINER_CPU);
        for line in &self.behaviour.extra_lines {
            self.text.push_str(line);
            self.text.push('\n');
        }
        for (pod, container) in containers {
            let seconds = to_nanoseconds(container.cpu.at(at));
            self.container(&CONTAINER_CPU, pod, container, seconds, Some(at));
        }
        self.family(&CONTAINER_MEMORY);
        for (pod, container) in containers {
            let bytes = to_float(container.memory);
            self.container(&CONTAINER_MEMORY, pod, container, bytes, Some(at));
        }
        if !self.behaviour.no_start_times {
            self.family(&CONTAINER_START);
            for (pod, container) in containers {
                let started = Stamp(container.started.0 + self.behaviour.skew).as_seconds();
                self.container(&CONTAINER_START, pod, container, started, None);
            }
        }
        if self.behaviour.no_swap {
            return;
        }
        self.family(&CONTAINER_SWAP_LIMIT);
        for (pod, container) in containers {
            self.container(&CONTAINER_SWAP_LIMIT, pod, container, 0.0, Some(at));
        }
        self.family(&CONTAINER_SWAP);
        for (pod, container) in containers {
            let bytes = to_float(container.swap);
            self.container(&CONTAINER_SWAP, pod, container, bytes, Some(at));
        }
    }

    fn node(&mut self, node: &Node, at: Stamp) {
        let values = [
            (&NODE_CPU, to_nanoseconds(node.cpu.at(at))),
            (&NODE_MEMORY, to_float(node.memory)),
            (&NODE_SWAP, to_float(node.swap)),
        ];
        for (family, value) in values {
            if self.behaviour.no_swap && family.0 == NODE_SWAP.0 {
                continue;
            }
            self.family(family);
            self.text.push_str(family.0);
            self.sample(value, Some(at));
        }
    }

    fn pods(&mut self, pods: &[Arc<Pod>], at: Stamp) {
        let families: [(&Family, Measure); 3] = [
            (&POD_CPU, |pod, at| {
                to_nanoseconds(pod.containers.iter().map(|c| c.cpu.at(at)).sum())
            }),
            (&POD_MEMORY, |pod, _| {
                to_float(pod.containers.iter().map(|c| c.memory).sum())
            }),
            (&POD_SWAP, |pod, _| {
                to_float(pod.containers.iter().map(|c| c.swap).sum())
            }),
        ];
        for (family, measure) in families {
            if self.behaviour.no_swap && family.0 == POD_SWAP.0 {
                continue;
            }
            self.family(family);
            for pod in pods {
                let (namespace, name) = (&pod.meta.namespace, &pod.meta.name);
                let series = family.0;
                let _ = write!(
                    self.text,
                    "{series}{{namespace=\"{namespace}\",pod=\"{name}\"}}"
                );
                self.sample(measure(pod, at), Some(at));
            }
        }
    }

    fn family(&mut self, Family(name, help, kind): &Family) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn container(
        &mut self,
        family: &Family,
        pod: &Pod,
        container: &Container,
        value: f64,
        at: Option<Stamp>,
    ) {
        let _ = write!(
            self.text,
            "{}{{container=\"{}\",namespace=\"{}\",pod=\"{}\"}}",
            family.0, container.name, pod.meta.namespace, pod.meta.name
        );
        self.sample(value, at);
    }

    fn sample(&mut self, value: f64, at: Option<Stamp>) {
        self.text.push(' ');
        push_go_float(&mut self.text, value);
        if let Some(at) = at
            && self.behaviour.stamps != Stamps::Absent
        {
            let _ = write!(self.text, " {}", at.0 + self.behaviour.skew);
        }
        self.text.push('\n');
    }
}

/// The kubelet counts whole nanoseconds.
fn to_nanoseconds(core_seconds: f64) -> f64 {
    (core_seconds * 1e9).floor() / 1e9
}

#[expect(clippy::cast_precision_loss, reason = "no lab has 2^53 bytes")]
fn to_float(bytes: u64) -> f64 {
    bytes as f64
}

/// Writes a number as Go's `strconv.FormatFloat(value, 'g', -1, 64)` does.
fn push_go_float(text: &mut String, value: f64) {
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        text.push_str(&scientific);
        return;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // With the shortest precision Go turns to the scientific form from a million on.
    let _ = if (-4..6).contains(&exponent) {
        write!(text, "{value}")
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(text, "{mantissa}e{sign}{:02}", exponent.abs())
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        let cases = [
            (0.0, "0"),
            (716_800.0, "716800"),
            (2_240_512.0, "2.240512e+06"),
            (1_113_178_112.0, "1.113178112e+09"),
            (18.038_340_612, "18.038340612"),
            (0.010_446_973, "0.010446973"),
            (1_795_253_414.570_020_4, "1.7952534145700204e+09"),
            (0.000_012, "1.2e-05"),
            (1_399.773_545_286, "1399.773545286"),
        ];
        for (value, want) in cases {
            let mut text = String::new();
            push_go_float(&mut text, value);
            assert_eq!(text, want);
        }
    }

    /// The comment lines and series of a real kubelet's answer, in its order.
    const REAL: &str = include_str!("testdata/resource.txt");

    #[test]
    fn an_answer_has_the_shape_of_a_real_kubelets() {
        let world = World::new();
        world.put_node(Node::new("n"));
        let pod = Pod::new("default", "burn").on("n");
        world.put_pod(
            pod.with(Container::new("idle"))
                .with(Container::new("busy")),
        );
        let text = render(&world, "n", &Behaviour::default());
        assert_eq!(shape(&text), shape(REAL));
    }

    fn shape(text: &str) -> Vec<String> {
        text.lines()
            .map(|line| {
                if line.starts_with('#') {
                    return line.to_owned();
                }
                let mut words = line.split(' ');
                let series = words.next().unwrap();
                format!("{series} {}", words.count())
            })
            .collect()
    }

    #[test]
    fn a_behaviour_changes_only_what_it_names() {
        let world = World::new();
        world.put_node(Node::new("n"));
        world.put_pod(Pod::new("a", "p").on("n").with(Container::new("c")));
        let mut behaviour = Behaviour {
            stamps: Stamps::Absent,
            no_start_times: true,
            ..Behaviour::default()
        };
        let text = render(&world, "n", &behaviour);
        assert!(!text.contains("container_start_time_seconds"));
        assert!(text.contains("node_memory_working_set_bytes 2.147483648e+09\n"));
        behaviour.leave_out("a", "p", "c");
        let text = render(&world, "n", &behaviour);
        assert!(!text.contains("container=\"c\""), "{text}");
        assert!(text.contains("pod_cpu_usage_seconds_total{namespace=\"a\",pod=\"p\"}"));
    }
}
