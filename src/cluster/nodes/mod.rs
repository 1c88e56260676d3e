//! Nodes: which part of the object is read, and how it becomes a record.

mod object;

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use tracing::debug;

use super::interner::Interner;
use super::object::{Given, Object, Rejected, Text, amounts};
use super::request::Target;
use super::watch::Follower;
use crate::domain::{AddressType, Inventory, Nanocores, NodeAddress, NodeName, NodeRecord};
use object::{Address, Node};

/// All nodes, ready or not: each has a kubelet that may answer.
pub(super) const TARGET: Target = Target {
    resource: "nodes",
    path: "/api/v1/nodes",
    field_selector: None,
};

/// Writes nodes into the inventory.
#[derive(Debug)]
pub(super) struct Nodes {
    inventory: Arc<Inventory>,
    skipped: Counter,
    interner: Interner,
    host_id_annotation: Option<Arc<str>>,
    listed: Vec<NodeRecord>,
}

impl Nodes {
    /// `host_id_annotation` names the annotation that becomes a node's host ID.
    pub(super) fn new(
        inventory: Arc<Inventory>,
        skipped: Counter,
        host_id_annotation: Option<Arc<str>>,
    ) -> Self {
        Self {
            host_id_annotation,
            inventory,
            skipped,
            interner: Interner::default(),
            listed: Vec::new(),
        }
    }

    fn read(&mut self, object: Object<'_>) -> Option<NodeRecord> {
        self.interner.tidy_when_grown();
        let host_id = self.host_id_annotation.as_deref();
        record(object, host_id, &mut self.interner)
            .inspect_err(|error| {
                self.skipped.inc();
                let cause = std::error::Error::source(error);
                debug!(%error, cause, "skipped a node");
            })
            .ok()
    }
}

impl Follower for Nodes {
    fn list_begins(&mut self) {
        self.listed.clear();
    }

    fn listed(&mut self, object: Object<'_>) {
        let node = self.read(object);
        self.listed.extend(node);
    }

    fn list_ends(&mut self) {
        self.inventory
            .replace_nodes(std::mem::take(&mut self.listed));
        self.interner.tidy();
    }

    fn applied(&mut self, object: Object<'_>) {
        if let Some(node) = self.read(object) {
            self.inventory.apply_node(node);
        }
    }

    fn deleted(&mut self, object: Object<'_>) {
        if let Some(node) = self.read(object) {
            self.inventory.remove_node(&node.name);
        }
    }
}

/// The annotation that replaces the path of a node's metrics.
const RESOURCE_METRICS_PATH: &str = "metrics.k8s.io/resource-metrics-path";

/// Reads a Node.
pub(super) fn record(
    object: Object<'_>,
    host_id_annotation: Option<&str>,
    interner: &mut Interner,
) -> Result<NodeRecord, Rejected> {
    let Node { metadata, status } = object.read()?;
    let status = status.unwrap_or_default();
    let annotations = metadata.annotations.read()?;
    let annotation = |name| {
        let value = annotations.get(&Text::from(name));
        value.filter(|v| !v.is_empty()).map(|v| Arc::from(&**v))
    };
    let capacity = status.capacity.unwrap_or_default();
    let port = status
        .daemon_endpoints
        .and_then(|endpoints| endpoints.kubelet_endpoint)
        .and_then(|endpoint| endpoint.port);
    Ok(NodeRecord {
        name: NodeName::new(interner.text(&metadata.name))?,
        uid: (&*metadata.uid).into(),
        labels: interner.labels(metadata.labels.unwrap_or_default()),
        addresses: addresses(status.addresses.unwrap_or_default()),
        kubelet_port: port.filter(|port| *port != 0),
        resource_metrics_path: annotation(RESOURCE_METRICS_PATH),
        cpu_capacity: capacity.get(&Text::from("cpu")).copied().and_then(cpu),
        capacity: amounts(&capacity),
        allocatable: amounts(&status.allocatable.unwrap_or_default()),
        host_id: host_id_annotation.and_then(annotation),
        ready: status
            .conditions
            .unwrap_or_default()
            .iter()
            .any(|condition| &*condition.kind == "Ready" && &*condition.status == "True"),
    })
}

fn addresses(addresses: Vec<Address<'_>>) -> Box<[NodeAddress]> {
    let given = addresses.into_iter().filter(|a| !a.address.is_empty());
    given
        .map(|address| NodeAddress {
            kind: AddressType::from(&*address.kind),
            address: (&*address.address).into(),
        })
        .collect()
}

/// A capacity of zero bounds nothing.
fn cpu(given: Given) -> Option<Nanocores> {
    Some(given.0?.as_nanocores()).filter(|cpu| *cpu > Nanocores::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Amounts, Bytes, Labels};

    fn read(json: &str) -> Result<NodeRecord, Rejected> {
        let object = Object::Json(serde_json::from_str(json).unwrap());
        record(
            object,
            Some("csi.volume.kubernetes.io/nodeid"),
            &mut Interner::default(),
        )
    }

    fn address(kind: AddressType, address: &str) -> NodeAddress {
        NodeAddress {
            kind,
            address: address.into(),
        }
    }

    #[test]
    fn a_real_node_becomes_a_record() {
        let labels: Labels = [
            ("beta.kubernetes.io/arch", "amd64"),
            ("kubernetes.io/hostname", "ip-10-0-17-4"),
            ("node-role.kubernetes.io/worker", ""),
            ("topology.kubernetes.io/zone", "eu-west-1b"),
        ]
        .into_iter()
        .collect();
        let name = "ip-10-0-17-4.eu-west-1.compute.internal";
        let expected = NodeRecord {
            name: NodeName::new(name).unwrap(),
            uid: "3e0d1f6e-0a6b-4f0e-9a34-6a1b5a4be4b7".into(),
            labels,
            addresses: [
                address(AddressType::InternalIp, "10.0.17.4"),
                address(AddressType::ExternalIp, "198.51.100.7"),
                address(AddressType::InternalDns, name),
                address(AddressType::Hostname, "ip-10-0-17-4"),
                address(AddressType::Other("TailnetIP".into()), "100.64.0.9"),
            ]
            .into(),
            kubelet_port: Some(10_250),
            resource_metrics_path: Some("/virtual/metrics".into()),
            cpu_capacity: Some(Nanocores::new(3_920_000_000)),
            capacity: Amounts {
                cpu_millicores: Some(3920),
                memory: Some(Bytes::new(15_896_124 << 10)),
                ephemeral_storage: Some(Bytes::new(83_873_772 << 10)),
            },
            allocatable: Amounts {
                cpu_millicores: Some(3920),
                memory: Some(Bytes::new(14_879_292 << 10)),
                ephemeral_storage: None,
            },
            host_id: Some(r#"{"ebs.csi.aws.com":"i-0f3c"}"#.into()),
            ready: true,
        };
        assert_eq!(read(include_str!("../tests/node.json")).unwrap(), expected);
    }

    #[test]
    fn what_is_missing_or_cannot_be_read_costs_only_itself() {
        let bare = read(r#"{"metadata":{"name":"n"}}"#).unwrap();
        assert_eq!(
            (bare.ready, bare.kubelet_port, bare.cpu_capacity),
            (false, None, None)
        );
        for status in [
            r#"{"capacity":{"cpu":"many"},"daemonEndpoints":{"kubeletEndpoint":{"Port":"x"}}}"#,
            r#"{"allocatable":{"cpu":[]},"daemonEndpoints":{"kubeletEndpoint":{"Port":0}}}"#,
            r#"{"capacity":null,"daemonEndpoints":{"kubeletEndpoint":{"Port":70000}}}"#,
            r#"{"capacity":{},"daemonEndpoints":{},"conditions":null,"addresses":null}"#,
        ] {
            let json = format!(r#"{{"metadata":{{"name":"n","labels":null}},"status":{status}}}"#);
            assert_eq!(read(&json).unwrap(), bare, "{status}");
        }
    }

    #[test]
    fn a_capacity_of_zero_bounds_no_rate() {
        let json = r#"{"metadata":{"name":"n"},"status":{"capacity":{"cpu":"0"}}}"#;
        let node = read(json).unwrap();
        assert_eq!(
            (node.cpu_capacity, node.capacity.cpu_millicores),
            (None, Some(0))
        );
    }

    #[test]
    fn a_node_is_ready_only_when_its_condition_is_true() {
        for (status, ready) in [("True", true), ("False", false), ("Unknown", false)] {
            let json = format!(
                r#"{{"metadata":{{"name":"n"}},"status":{{"conditions":[
                    {{"type":"DiskPressure","status":"True"}},{{"type":"Ready","status":"{status}"}}]}}}}"#
            );
            assert_eq!(read(&json).unwrap().ready, ready, "{status}");
        }
    }

    #[test]
    fn an_impossible_name_is_rejected() {
        for json in [r#"{"metadata":{}}"#, r#"{"metadata":{"name":"a/b"}}"#] {
            assert!(matches!(read(json), Err(Rejected::Name(_))), "{json}");
        }
        assert!(matches!(read(r#"{"metadata":7}"#), Err(Rejected::Shape(_))));
    }
}
