//! Ready-made clusters.

use std::time::Duration;

use super::{Container, ContainerKind, Namespace, Node, Pod, World};
use crate::lab::Load;

/// Namespace, app, replicas, mean cores, MiB.
const DEMO_APPS: [(&str, &str, usize, f64, u64); 9] = [
    ("kube-system", "coredns", 2, 0.02, 28),
    ("kube-system", "kube-proxy", 3, 0.01, 24),
    ("shop", "web", 5, 0.35, 210),
    ("shop", "cart", 3, 0.18, 140),
    ("shop", "search", 2, 0.80, 620),
    ("shop", "db", 1, 1.10, 2048),
    ("batch", "resize", 4, 0.95, 180),
    ("batch", "report", 1, 0.40, 900),
    ("monitoring", "prometheus", 3, 0.25, 750),
];

impl World {
    /// Three nodes and 24 pods in four namespaces, whose load rises and falls.
    #[must_use]
    pub fn demo() -> Self {
        let world = Self::new();
        let mut pods = demo_pods();
        pods.sort_by(|a, b| a.meta.name.cmp(&b.meta.name));
        for (name, zone) in [("node-1", "a"), ("node-2", "b"), ("node-3", "c")] {
            let placed = pods.iter().filter(|p| p.node == name);
            let (loads, memory) = sum(placed);
            let node = Node::new(name)
                .label("topology.kubernetes.io/zone", zone)
                .cpu(loads)
                .memory(memory);
            world.put_node(node);
        }
        for namespace in ["default", "kube-system", "shop", "batch", "monitoring"] {
            world.put_namespace(Namespace::new(namespace));
        }
        for pod in pods {
            world.put_pod(pod);
        }
        world
    }

    /// `nodes` nodes with `pods` pods each, all at constant load, in namespaces of some 500 pods.
    #[must_use]
    pub fn of_size(nodes: usize, pods: usize) -> Self {
        let world = Self::new();
        world.put_namespace(Namespace::new("default"));
        let namespaces = (nodes * pods).div_ceil(500).max(1);
        for n in 0..namespaces {
            world.put_namespace(Namespace::new(&format!("load-{n}")));
        }
        for n in 0..nodes {
            let node = format!("node-{n:04}");
            for p in 0..pods {
                let number = n * pods + p;
                let namespace = format!("load-{}", number % namespaces);
                let pod = Pod::new(&namespace, &format!("app-{number:06}"))
                    .on(&node)
                    .label("app", &format!("app-{}", number % 20))
                    .with(Container::new("app").cpu(0.05).memory(48 << 20));
                world.put_pod(pod);
            }
            let loads = vec![Load::Constant(0.5)];
            world.put_node(Node::new(&node).cpu(loads).memory(4 << 30));
        }
        world.compact();
        world
    }
}

fn demo_pods() -> Vec<Pod> {
    let mut pods = Vec::new();
    for (namespace, app, replicas, mean, mebibytes) in DEMO_APPS {
        for replica in 0..replicas {
            let number = pods.len();
            let node = format!("node-{}", number % 3 + 1);
            let name = format!("{app}-{replica}");
            let load = wave(mean, number);
            let main = Container::new(app).load(load).memory(mebibytes << 20);
            let mut pod = Pod::new(namespace, &name).on(&node).label("app", app);
            if app == "web" {
                let proxy = Container::new("proxy").kind(ContainerKind::Sidecar);
                pod = pod.with(proxy.load(wave(0.04, number)).memory(36 << 20));
            }
            pods.push(pod.with(main));
        }
    }
    pods
}

/// A sine whose period and phase differ from pod to pod.
fn wave(mean: f64, number: usize) -> Load {
    let turn = u64::try_from(number % 7).unwrap_or(0);
    let phase = f64::from(u32::try_from(number).unwrap_or(0)) * 0.137;
    Load::Wave {
        mean,
        swing: mean * 0.7,
        period: Duration::from_secs(40 + 11 * turn),
        phase,
    }
}

/// What a node with these pods measures of itself: their loads and what the system uses besides.
fn sum<'a>(pods: impl Iterator<Item = &'a Pod>) -> (Vec<Load>, u64) {
    let mut loads = vec![Load::Constant(0.08)];
    let mut memory = 700 << 20;
    for container in pods.flat_map(|p| &p.containers) {
        loads.extend(container.cpu.loads());
        memory += container.memory;
    }
    (loads, memory)
}
