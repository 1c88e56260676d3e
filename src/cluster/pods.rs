//! Pods: which part of the object is read, and how it becomes a record.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use tracing::debug;

use super::interner::Interner;
use super::object::{Metadata, Quantities, Rejected, Text, amounts, quantity};
use super::request::Target;
use super::watch::Follower;
use crate::domain::{
    ContainerKind, ContainerName, ContainerRecord, ContainerResources, Inventory, Namespace,
    NodeName, PodKey, PodName, PodPhase, PodRecord,
};

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

#[derive(Deserialize)]
struct Pod<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    spec: Option<Spec<'a>>,
    #[serde(borrow)]
    status: Option<Status<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec<'a> {
    #[serde(borrow)]
    node_name: Option<Text<'a>>,
    #[serde(borrow)]
    init_containers: Option<Vec<Container<'a>>>,
    #[serde(borrow)]
    containers: Option<Vec<Container<'a>>>,
    #[serde(borrow)]
    ephemeral_containers: Option<Vec<Container<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    restart_policy: Option<Text<'a>>,
    #[serde(borrow)]
    image: Option<Text<'a>>,
    #[serde(borrow)]
    resources: Option<Resources<'a>>,
}

#[derive(Deserialize)]
struct Resources<'a> {
    #[serde(borrow)]
    requests: Option<Quantities<'a>>,
    #[serde(borrow)]
    limits: Option<Quantities<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    #[serde(borrow, default)]
    phase: Text<'a>,
    #[serde(borrow)]
    init_container_statuses: Option<Vec<ContainerStatus<'a>>>,
    #[serde(borrow)]
    container_statuses: Option<Vec<ContainerStatus<'a>>>,
    #[serde(borrow)]
    ephemeral_container_statuses: Option<Vec<ContainerStatus<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerStatus<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    state: Option<State>,
    /// Raw, so that a count that is none costs only itself.
    #[serde(borrow)]
    restart_count: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct State {
    running: Option<IgnoredAny>,
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

    fn read(&mut self, object: &RawValue) -> Option<PodRecord> {
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

    fn listed(&mut self, object: &RawValue) {
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

    fn applied(&mut self, object: &RawValue) {
        if let Some(pod) = self.read(object) {
            self.inventory.apply_pod(pod);
        }
    }

    fn deleted(&mut self, object: &RawValue) {
        if let Some(pod) = self.read(object) {
            self.inventory.remove_pod(&pod.key, &pod.uid);
        }
    }
}

/// Reads a Pod object.
fn record(object: &RawValue, interner: &mut Interner) -> Result<PodRecord, Rejected> {
    let pod: Pod<'_> = serde_json::from_str(object.get())?;
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
                restart_count: status
                    .and_then(|status| status.restart_count)
                    .and_then(|count| count.get().parse().ok())
                    .unwrap_or(0),
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
    let others = requests.into_iter().flatten().filter_map(|(name, amount)| {
        let amount = quantity(amount).filter(|_| !built_in(name))?;
        Some((interner.text(name), amount.whole()))
    });
    let resources = ContainerResources {
        other_requests: others.collect(),
        requests: requests.map(amounts).unwrap_or_default(),
        limits: limits.map(amounts).unwrap_or_default(),
    };
    interner.resources(resources)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Amounts, Bytes, Labels};

    const POD: &str = include_str!("tests/pod.json");

    fn read(json: &str) -> Result<PodRecord, Rejected> {
        let object = serde_json::from_str(json).unwrap();
        record(object, &mut Interner::default())
    }

    fn container(name: &str, kind: ContainerKind, running: bool, image: &str) -> ContainerRecord {
        ContainerRecord {
            image: format!("registry.example/{image}").into(),
            ..ContainerRecord::new(ContainerName::new(name).unwrap(), kind, running)
        }
    }

    fn requests(cpu_millicores: u64, memory: Option<u64>) -> Arc<ContainerResources> {
        let requests = Amounts {
            cpu_millicores: Some(cpu_millicores),
            memory: memory.map(Bytes::new),
            ephemeral_storage: None,
        };
        Arc::new(ContainerResources {
            requests,
            ..ContainerResources::default()
        })
    }

    #[test]
    fn a_real_pod_becomes_a_record() {
        let labels: Labels = [
            ("app", "checkout"),
            ("pod-template-hash", "6d5c9fb5d7"),
            ("team", "payments"),
        ]
        .into_iter()
        .collect();
        let expected = PodRecord {
            key: PodKey::new(
                Namespace::new("shop").unwrap(),
                PodName::new("checkout-6d5c9fb5d7-x2k8v").unwrap(),
            ),
            uid: "9b6f44a2-5d55-4f9d-8a34-0d3bd1c0c6ef".into(),
            node: Some(NodeName::new("ip-10-0-17-4.eu-west-1.compute.internal").unwrap()),
            labels,
            phase: PodPhase::Running,
            containers: [
                container("migrate", ContainerKind::Init, false, "migrate:4"),
                ContainerRecord {
                    resources: requests(10, None),
                    ..container("mesh", ContainerKind::Sidecar, true, "mesh:2")
                },
                ContainerRecord {
                    resources: requests(250, Some(256 << 20)),
                    ..container("app", ContainerKind::Regular, true, "checkout:4")
                },
                ContainerRecord {
                    restart_count: 7,
                    ..container("log-shipper", ContainerKind::Regular, false, "shipper:1")
                },
                container("debugger-7xk", ContainerKind::Ephemeral, true, "debug:1"),
            ]
            .into(),
        };
        assert_eq!(read(POD).unwrap(), expected);
    }

    #[test]
    fn a_pod_that_is_only_named_is_known_all_the_same() {
        let json = r#"{"metadata":{"name":"p\u002d0","namespace":"a","labels":null},
            "spec":{"nodeName":"","containers":null},"status":{"containerStatuses":null}}"#;
        let pod = read(json).unwrap();
        assert_eq!(pod.key.to_string(), "a/p-0");
        assert_eq!((pod.node, pod.phase), (None, PodPhase::Unknown));
        assert!(pod.labels.is_empty() && pod.containers.is_empty());
    }

    #[test]
    fn a_status_of_null_is_not_running() {
        let json = r#"{"metadata":{"name":"p","namespace":"a"},"spec":{"containers":[{"name":"c"}]},
            "status":{"containerStatuses":[{"name":"c","state":{"running":null}}]}}"#;
        assert!(!read(json).unwrap().containers[0].running);
    }

    #[test]
    fn resources_are_read_as_go_reads_them_and_a_bad_one_costs_only_itself() {
        let json = r#"{"metadata":{"name":"p","namespace":"a"},"spec":{"containers":[{"name":"c",
            "resources":{"requests":{"cpu":"1500u","memory":2048,"ephemeral-storage":"1Gi",
                "nvidia.com/gpu":"2","hugepages-2Mi":"4Mi","example.com/bad":"x"},
            "limits":{"cpu":0.5,"memory":"lots","nvidia.com/gpu":"2"}}}]},
            "status":{"containerStatuses":[{"name":"c","restartCount":-1}]}}"#;
        let pod = read(json).unwrap();
        let (container, resources) = (&pod.containers[0], &pod.containers[0].resources);
        assert_eq!((container.restart_count, &*container.image), (0, ""));
        let requests = Amounts {
            cpu_millicores: Some(2),
            memory: Some(Bytes::new(2048)),
            ephemeral_storage: Some(Bytes::new(1 << 30)),
        };
        assert_eq!(resources.requests, requests);
        let limits = Amounts {
            cpu_millicores: Some(500),
            ..Amounts::default()
        };
        assert_eq!(resources.limits, limits);
        let others = [
            ("hugepages-2Mi".into(), 4 << 20),
            ("nvidia.com/gpu".into(), 2),
        ];
        assert_eq!(*resources.other_requests, others);
        assert_eq!(resources.other_request("nvidia.com/gpu"), Some(2));
        assert_eq!(resources.other_request("example.com/bad"), None);
    }

    #[test]
    fn phases_are_read_as_kubernetes_spells_them() {
        for (text, expected) in [
            ("Pending", PodPhase::Pending),
            ("Running", PodPhase::Running),
            ("Succeeded", PodPhase::Succeeded),
            ("Failed", PodPhase::Failed),
            ("Unknown", PodPhase::Unknown),
            ("", PodPhase::Unknown),
        ] {
            assert_eq!(phase(text), expected, "{text}");
        }
    }

    #[test]
    fn an_impossible_name_is_rejected() {
        for (field, bad) in [
            (r#""namespace": "shop""#, r#""namespace": "sh op""#),
            (
                r#""name": "checkout-6d5c9fb5d7-x2k8v""#,
                r#""name": "../etc""#,
            ),
            (r#""name": "migrate", "image""#, r#""name": "Ü", "image""#),
            (r#""nodeName": "ip-10"#, r#""nodeName": "IP-10"#),
        ] {
            let json = POD.replacen(field, bad, 1);
            assert_ne!(json, POD, "{field}");
            assert!(matches!(read(&json), Err(Rejected::Name(_))), "{bad}");
        }
    }

    #[test]
    fn pods_of_one_template_share_labels_and_containers() {
        let mut interner = Interner::default();
        let mut pod = |name: &str| {
            let json = POD.replace("checkout-6d5c9fb5d7-x2k8v", name);
            record(serde_json::from_str(&json).unwrap(), &mut interner).unwrap()
        };
        let (a, b) = (pod("a"), pod("b"));
        assert!(Arc::ptr_eq(&a.containers, &b.containers));
        assert!(std::ptr::eq(
            a.labels.get("app").unwrap(),
            b.labels.get("app").unwrap()
        ));
        let (a, b) = (a.node.unwrap(), b.node.unwrap());
        assert!(std::ptr::eq(a.as_str(), b.as_str()));
    }
}
