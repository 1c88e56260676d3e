//! Pods: which part of the object is read, and how it becomes a record.

mod object;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use tracing::debug;

use super::interner::Interner;
use super::object::{Object, Rejected, amounts};
use super::request::Target;
use super::watch::Follower;
use crate::domain::{
    ContainerKind, ContainerName, ContainerRecord, ContainerResources, Inventory, Namespace,
    NodeName, PodKey, PodName, PodPhase, PodRecord,
};
use object::{Pod, Resources, Spec, Status};

/// Running pods alone, for the reason this room's front page gives.
pub(super) const TARGET: Target = Target {
    resource: "pods",
    path: "/api/v1/pods",
    field_selector: Some("status.phase=Running"),
};

/// Writes pods into the inventory.
#[derive(Debug)]
pub(super) struct Pods {
    inventory: Arc<Inventory>,
    skipped: Counter,
    interner: Interner,
    listed: Vec<Arc<PodRecord>>,
}

impl Pods {
    pub(super) fn new(inventory: Arc<Inventory>, skipped: Counter) -> Self {
        Self {
            inventory,
            skipped,
            interner: Interner::default(),
            listed: Vec::new(),
        }
    }

    fn read(&mut self, object: Object<'_>) -> Option<PodRecord> {
        self.interner.tidy_when_grown();
        record(object, &mut self.interner)
            .inspect_err(|error| {
                self.skipped.inc();
                let cause = std::error::Error::source(error);
                debug!(%error, cause, "skipped a pod");
            })
            .ok()
    }
}

impl Follower for Pods {
    fn list_begins(&mut self) {
        self.listed.clear();
    }

    fn listed(&mut self, object: Object<'_>) {
        let Some(pod) = self.read(object) else { return };
        // Keeping the old one spares a second copy of the whole cluster while a list is read anew.
        let known = self
            .inventory
            .pod(pod.key.namespace.as_str(), pod.key.name.as_str());
        let known = known.filter(|known| **known == pod);
        self.listed.push(known.unwrap_or_else(|| Arc::new(pod)));
    }

    fn list_ends(&mut self) {
        self.inventory
            .replace_pods(std::mem::take(&mut self.listed));
        self.interner.tidy();
    }

    fn applied(&mut self, object: Object<'_>) {
        if let Some(pod) = self.read(object) {
            self.inventory.apply_pod(pod);
        }
    }

    fn deleted(&mut self, object: Object<'_>) {
        if let Some(pod) = self.read(object) {
            self.inventory.remove_pod(&pod.key, &pod.uid);
        }
    }
}

/// Reads a Pod.
pub(super) fn record(object: Object<'_>, interner: &mut Interner) -> Result<PodRecord, Rejected> {
    let pod: Pod<'_> = object.read()?;
    let (metadata, spec) = (pod.metadata, pod.spec.unwrap_or_default());
    let status = pod.status.unwrap_or_default();
    let node = spec.node_name.as_ref().filter(|name| !name.is_empty());
    let node = node.map(|name| NodeName::new(interner.text(name)));
    Ok(PodRecord {
        key: PodKey::new(
            Namespace::new(interner.text(&metadata.namespace))?,
            PodName::new(&*metadata.name)?,
        ),
        uid: (&*metadata.uid).into(),
        node: node.transpose()?,
        labels: interner.labels(metadata.labels.unwrap_or_default()),
        phase: phase(&status.phase),
        containers: containers(&spec, &status, interner)?,
    })
}

fn phase(phase: &str) -> PodPhase {
    match phase {
        "Pending" => PodPhase::Pending,
        "Running" => PodPhase::Running,
        "Succeeded" => PodPhase::Succeeded,
        "Failed" => PodPhase::Failed,
        _ => PodPhase::Unknown,
    }
}

/// Joins the three lists of the spec, in that order, with what the statuses say of them.
fn containers(
    spec: &Spec<'_>,
    status: &Status<'_>,
    interner: &mut Interner,
) -> Result<Arc<[ContainerRecord]>, Rejected> {
    use ContainerKind::{Ephemeral, Init, Regular, Sidecar};
    let lists = [
        (Init, &spec.init_containers, &status.init_container_statuses),
        (Regular, &spec.containers, &status.container_statuses),
        (
            Ephemeral,
            &spec.ephemeral_containers,
            &status.ephemeral_container_statuses,
        ),
    ];
    let mut records = Vec::new();
    for (kind, containers, statuses) in lists {
        for container in containers.iter().flatten() {
            let always = container.restart_policy.as_deref() == Some("Always");
            let status = statuses
                .iter()
                .flatten()
                .find(|status| status.name == container.name);
            records.push(ContainerRecord {
                name: ContainerName::new(interner.text(&container.name))?,
                kind: if kind == Init && always {
                    Sidecar
                } else {
                    kind
                },
                running: status
                    .and_then(|status| status.state.as_ref())
                    .is_some_and(|state| state.running.is_some()),
                restart_count: status.and_then(|status| status.restart_count).unwrap_or(0),
                image: interner.text(container.image.as_deref().unwrap_or_default()),
                resources: resources(container.resources.as_ref(), interner),
            });
        }
    }
    Ok(interner.containers(records))
}

fn resources(given: Option<&Resources<'_>>, interner: &mut Interner) -> Arc<ContainerResources> {
    let requests = given.and_then(|resources| resources.requests.as_ref());
    let limits = given.and_then(|resources| resources.limits.as_ref());
    let built_in = |name: &str| matches!(name, "cpu" | "memory" | "ephemeral-storage");
    let others = requests.into_iter().flatten().filter_map(|(name, given)| {
        let amount = given.0.filter(|_| !built_in(name))?;
        Some((interner.text(name), amount.whole()))
    });
    let resources = ContainerResources {
        other_requests: others.collect(),
        requests: requests.map(amounts).unwrap_or_default(),
        limits: limits.map(amounts).unwrap_or_default(),
    };
    interner.resources(resources)
}
