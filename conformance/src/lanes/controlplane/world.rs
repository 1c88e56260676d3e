//! The cluster this lane looks at: constant loads, so that every number is known beforehand.

use crate::lab::{Container, ContainerKind, Load, Node, Pod, World};

/// The namespaces of the pods, and of the workload the autoscaler moves.
pub(super) const NAMESPACES: [&str; 3] = ["web", "jobs", "elastic"];

const MIB: u64 = 1 << 20;

/// Three nodes and three pods.
pub(super) fn world() -> World {
    let world = World::new();
    for (name, zone, cores, memory) in [
        ("sim-1", "a", 0.5, 3072),
        ("sim-2", "b", 1.25, 2048),
        ("sim-3", "b", 2.0, 4096),
    ] {
        let node = Node::new(name).cpu(vec![Load::Constant(cores)]);
        world.put_node(node.memory(memory * MIB).label("zone", zone));
    }
    let proxy = Container::new("proxy").kind(ContainerKind::Sidecar);
    let web_1 = Pod::new("web", "web-1").on("sim-1").label("app", "web");
    world.put_pod(
        web_1
            .with(proxy.cpu(0.05).memory(36 * MIB))
            .with(Container::new("main").cpu(0.25).memory(64 * MIB)),
    );
    let web_2 = Pod::new("web", "web-2").on("sim-2").label("app", "web");
    let main = Container::new("main").cpu(0.4).memory(128 * MIB);
    world.put_pod(web_2.with(main.swap(16 * MIB)));
    let batch = Pod::new("jobs", "batch-1")
        .on("sim-3")
        .label("app", "batch");
    world.put_pod(batch.with(Container::new("main").cpu(1.0).memory(512 * MIB)));
    world
}
