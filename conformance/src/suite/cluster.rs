//! The cluster the checks with a hand on it expect.

use std::time::Duration;

use anyhow::Result;

use crate::lab::{
    Answer, Container, ContainerKind, ContainerState, Counter, Lab, Load, Namespace, Node, Phase,
    Pod, Stamp, World,
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
/// A node whose kubelet says nothing of swap.
pub const NO_SWAP_NODE: &str = "node-crowd";
/// Nodes whose kubelets the checks of semantics and decoding make speak, each its own.
pub const SCRIPTED_NODES: [&str; 5] = [
    "node-down",
    "node-misses",
    "node-fails",
    "node-causes",
    "node-large",
];
/// The same for kubelets that have not said anything before.
pub const SILENT_NODES: [&str; 7] = [
    "node-rate",
    "node-repeat",
    "node-reset",
    "node-half",
    "node-odd",
    "node-bare",
    "node-broken",
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
    for name in SCRIPTED_NODES.into_iter().chain(SILENT_NODES) {
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

/// What cannot be said of the world alone: a container that is left out, kubelets that are silent until a check lets
/// them speak.
///
/// # Errors
/// When the lab's world is not [`world`].
pub fn prepare(lab: &Lab) -> Result<()> {
    let (namespace, name) = SILENT_POD;
    let kubelets = &lab.kubelets;
    kubelets.behave("node-2", |kubelet| {
        kubelet.leave_out(namespace, name, "main")
    })?;
    kubelets.behave(NO_SWAP_NODE, |kubelet| kubelet.no_swap = true)?;
    for name in SILENT_NODES {
        kubelets.behave(name, |kubelet| kubelet.answer = Answer::Text(String::new()))?;
    }
    Ok(())
}

fn node(name: &str) -> Node {
    Node::new(name).cpu(vec![Load::Constant(0.5)])
}

fn main() -> Container {
    Container::new("main")
}

fn pods() -> Vec<Pod> {
    let mut pods = labelled();
    pods.extend([known(), mixed()]);
    let pod = |name| Pod::new("a", name).on("node-2");
    let ended = || main().state(ContainerState::Terminated);
    pods.extend([
        pod("pending").phase(Phase::Pending).with(main()),
        pod("succeeded").phase(Phase::Succeeded).with(ended()),
        pod("failed").phase(Phase::Failed).with(ended()),
        pod(SILENT_POD.1).with(main()),
    ]);
    let swapper = Pod::new("b", "swapper").on(SWAP_NODE);
    pods.push(swapper.with(main().swap(64 << 20)));
    pods
}

/// Pods to select among.
fn labelled() -> Vec<Pod> {
    let proxy = Container::new("proxy").kind(ContainerKind::Sidecar);
    vec![
        Pod::new("a", "web-0")
            .on("node-1")
            .label("app", "web")
            .label("n", "5")
            .label("example.com/team", "core")
            .with(main().cpu(0.25))
            .with(proxy.cpu(0.05)),
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
        Pod::new(LABELLED_POD.0, LABELLED_POD.1)
            .on("node-2")
            .label("stage", "before")
            .with(main()),
    ]
}

fn known() -> Pod {
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
    known
}

/// A pod whose ordinary init container has ended and whose sidecar runs.
fn mixed() -> Pod {
    let prepare = Container::new("prepare")
        .kind(ContainerKind::Init)
        .state(ContainerState::Terminated);
    let helper = Container::new("helper").kind(ContainerKind::Sidecar);
    let pod = Pod::new("a", "mixed").on("node-2");
    pod.with(prepare).with(helper).with(main())
}
