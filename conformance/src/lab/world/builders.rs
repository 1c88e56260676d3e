//! Short ways to write objects in tests.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{
    ConfigMap, Container, ContainerKind, ContainerState, Meta, Namespace, Node, Phase, Pod, PodKey,
};
use crate::lab::{Counter, Load, Stamp};

const HOUR: Duration = Duration::from_secs(3600);

static NEXT_UID: AtomicU64 = AtomicU64::new(1);

impl Meta {
    /// An hour-old object with a UID of its own.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        let number = NEXT_UID.fetch_add(1, Ordering::Relaxed);
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: format!("00000000-0000-4000-8000-{number:012x}"),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            created: Stamp::now().minus(HOUR),
            version: 0,
        }
    }
}

impl Node {
    /// A ready node with 8 cores and 32 GiB that uses nothing yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut meta = Meta::new("", name);
        meta.labels
            .insert("kubernetes.io/hostname".to_owned(), name.to_owned());
        Self {
            cpu: Counter::new(meta.created, Vec::new()),
            meta,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            cores: 8,
            memory_capacity: 32 << 30,
            ready: true,
            memory: 2 << 30,
            swap: 0,
        }
    }

    /// The same with this load.
    #[must_use]
    pub fn cpu(mut self, loads: Vec<Load>) -> Self {
        self.cpu = Counter::new(self.meta.created, loads);
        self
    }

    /// The same with this working set.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// The same with a label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.meta.labels.insert(key.to_owned(), value.to_owned());
        self
    }
}

impl Pod {
    /// A running pod without containers, not on any node.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            meta: Meta::new(namespace, name),
            node: String::new(),
            phase: Phase::Running,
            containers: Vec::new(),
        }
    }

    /// The same on this node.
    #[must_use]
    pub fn on(mut self, node: &str) -> Self {
        node.clone_into(&mut self.node);
        self
    }

    /// The same with one more container.
    #[must_use]
    pub fn with(mut self, container: Container) -> Self {
        self.containers.push(container);
        self
    }

    /// The same with a label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.meta.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The same in this phase.
    #[must_use]
    pub fn phase(mut self, phase: Phase) -> Self {
        self.phase = phase;
        self
    }

    /// Namespace and name.
    #[must_use]
    pub fn key(&self) -> PodKey {
        (self.meta.namespace.clone(), self.meta.name.clone())
    }

    /// The container of this name.
    #[must_use]
    pub fn container(&self, name: &str) -> Option<&Container> {
        self.containers.iter().find(|c| c.name == name)
    }

    /// The container of this name.
    #[must_use]
    pub fn container_mut(&mut self, name: &str) -> Option<&mut Container> {
        self.containers.iter_mut().find(|c| c.name == name)
    }
}

impl Container {
    /// A container that has run for an hour at 100m with 64 MiB.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let started = Stamp::now().minus(HOUR);
        Self {
            name: name.to_owned(),
            kind: ContainerKind::Regular,
            state: ContainerState::Running,
            started,
            cpu: Counter::new(started, vec![Load::Constant(0.1)]),
            memory: 64 << 20,
            swap: 0,
        }
    }

    /// The same with this load since its start.
    #[must_use]
    pub fn load(mut self, load: Load) -> Self {
        self.cpu = Counter::new(self.started, vec![load]);
        self
    }

    /// The same with this constant load, in cores.
    #[must_use]
    pub fn cpu(self, cores: f64) -> Self {
        self.load(Load::Constant(cores))
    }

    /// The same with this working set.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// The same with this much swapped out.
    #[must_use]
    pub fn swap(mut self, bytes: u64) -> Self {
        self.swap = bytes;
        self
    }

    /// The same in another list of the spec.
    #[must_use]
    pub fn kind(mut self, kind: ContainerKind) -> Self {
        self.kind = kind;
        self
    }

    /// The same in another state.
    #[must_use]
    pub fn state(mut self, state: ContainerState) -> Self {
        self.state = state;
        self
    }

    /// The same, started now with a counter at zero.
    #[must_use]
    pub fn just_started(mut self) -> Self {
        self.restart();
        self
    }

    /// Begins a new life: a new start time and a counter at zero.
    pub fn restart(&mut self) {
        self.started = Stamp::now();
        self.cpu.reset(self.started);
    }
}

impl Namespace {
    /// A namespace.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut meta = Meta::new("", name);
        meta.labels
            .insert("kubernetes.io/metadata.name".to_owned(), name.to_owned());
        Self { meta }
    }
}

impl ConfigMap {
    /// A ConfigMap with this data.
    #[must_use]
    pub fn new(namespace: &str, name: &str, data: BTreeMap<String, String>) -> Self {
        Self {
            meta: Meta::new(namespace, name),
            data,
        }
    }
}
