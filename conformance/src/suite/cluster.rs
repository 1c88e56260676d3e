//! The cluster the checks with a hand on it expect.

use std::time::Duration;

use anyhow::Result;

use crate::lab::{
    Container, ContainerKind, ContainerState, Counter, Lab, Load, Namespace, Node, Phase, Pod,
    Stamp, World,
};

/// A running pod its kubelet says nothing of.
pub const SILENT_POD: (&str, &str) = ("a", "silent");
/// A pod of known numbers.
pub const KNOWN_POD: (&str, &str) = ("a", "known");
/// Its containers' working sets, and how they are served.
pub const KNOWN_MEMORY: [(&str, u64, &str); 4] = [
    ("mebibyte", 1_048_576, "1Mi"),
    ("kibibytes", 12_345_344, "12056Ki"),
    ("thousand", 1_000, "1k"),
    ("odd", 1_048_577, "1048577"),
];
/// Its container that has used a CPU once and does no more.
pub const IDLE_CONTAINER: &str = "mebibyte";
/// The node that swaps.
pub const SWAP_NODE: &str = "node-swap";
/// Nodes whose kubelets the checks of semantics and decoding make speak, each its own.
pub const SCRIPTED_NODES: [&str; 8] = [
    "node-rate",
    "node-reset",
    "node-half",
    "node-down",
    "node-odd",
    "node-fails",
    "node-large",
    "node-bare",
];
/// A pod whose labels change.
pub const LABELLED_POD: (&str, &str) = ("a", "labelled");

/// Pods of the namespace that makes lists long.
const CROWD: usize = 700;

/// The nodes and pods of the suite's cluster.
#[must_use]
pub fn world() -> World {
    let world = World::new();
    for namespace in ["default", "kube-system", "a", "b", "crowd", "scripted"] {
        world.put_namespace(Namespace::new(namespace));
    }
    for (name, zone) in [("node-1", "a"), ("node-2", "b"), ("node-crowd", "b")] {
        world.put_node(node(name).label("topology.kubernetes.io/zone", zone));
    }
    let mut swapping = node(SWAP_NODE);
    swapping.swap = 512 << 20;
    world.put_node(swapping);
    for name in SCRIPTED_NODES {
        world.put_node(node(name));
        let pod = Pod::new("scripted", name).on(name);
        world.put_pod(pod.with(Container::new("main")));
    }
    world.update_pod("scripted", "node-half", |pod| {
        pod.containers.push(Container::new("late"));
    });
    for pod in pods() {
        world.put_pod(pod);
    }
    for number in 0..CROWD {
        let pod = Pod::new("crowd", &format!("crowd-{number:04}"))
            .on("node-crowd")
            .label("app", "crowd");
        world.put_pod(pod.with(Container::new("main").cpu(0.01)));
    }
    world
}

/// What cannot be said of the world alone: containers kubelets leave out.
///
/// # Errors
/// When the lab's world is not [`world`].
pub fn prepare(lab: &Lab) -> Result<()> {
    let (namespace, name) = SILENT_POD;
    lab.kubelets.behave("node-2", |kubelet| {
        kubelet.leave_out(namespace, name, "main")
    })
}

fn node(name: &str) -> Node {
    Node::new(name).cpu(vec![Load::Constant(0.5)])
}

fn pods() -> Vec<Pod> {
    let main = || Container::new("main");
    let mut known = Pod::new(KNOWN_POD.0, KNOWN_POD.1).on("node-2");
    for (name, bytes, _) in KNOWN_MEMORY {
        let mut container = Container::new(name).memory(bytes);
        if name == IDLE_CONTAINER {
            container.cpu = Counter::new(container.started, vec![Load::Constant(1.0)]);
            let quiet = Stamp::now().minus(Duration::from_secs(300));
            container.cpu.follow(quiet, vec![Load::Constant(0.0)]);
        }
        known = known.with(container);
    }
    vec![
        Pod::new("a", "web-0")
            .on("node-1")
            .label("app", "web")
            .label("n", "5")
            .label("example.com/team", "core")
            .with(main().cpu(0.25))
            .with(
                Container::new("proxy")
                    .kind(ContainerKind::Sidecar)
                    .cpu(0.05),
            ),
        Pod::new("a", "db-0")
            .on("node-1")
            .label("app", "db")
            .label("n", "2")
            .label("empty", "")
            .with(main().cpu(1.5).memory(3 << 30)),
        Pod::new("b", "worker-0")
            .on("node-2")
            .label("n", "7")
            .with(main()),
        Pod::new("b", "swapper")
            .on(SWAP_NODE)
            .with(main().swap(64 << 20)),
        Pod::new(SILENT_POD.0, SILENT_POD.1)
            .on("node-2")
            .with(main()),
        Pod::new(LABELLED_POD.0, LABELLED_POD.1)
            .on("node-2")
            .label("stage", "before")
            .with(main()),
        known,
        Pod::new("a", "mixed")
            .on("node-2")
            .with(
                Container::new("prepare")
                    .kind(ContainerKind::Init)
                    .state(ContainerState::Terminated),
            )
            .with(Container::new("helper").kind(ContainerKind::Sidecar))
            .with(main()),
        Pod::new("a", "pending")
            .on("node-2")
            .phase(Phase::Pending)
            .with(main()),
        Pod::new("a", "succeeded")
            .on("node-2")
            .phase(Phase::Succeeded)
            .with(main().state(ContainerState::Terminated)),
        Pod::new("a", "failed")
            .on("node-2")
            .phase(Phase::Failed)
            .with(main().state(ContainerState::Terminated)),
    ]
}
