//! Pods and nodes in protobuf, as the API server sends them.

use std::collections::BTreeMap;

use k8s_pb::api::core::v1 as core;
use k8s_pb::apimachinery::pkg::apis::meta::v1 as meta;
use loadline::apimachinery::protobuf::open;
use loadline::cluster::{Object, Rejected, node_record, pod_record};
use loadline::domain::{Labels, NodeRecord, PodRecord};
use prost::Message;

/// Any bytes as a Pod and as a Node, which may be refused. Where Kubernetes' own definitions read
/// something in them, what these write of it stands in the record; written twice in a row, which
/// protobuf takes for one message in two parts, too.
///
/// The bytes themselves are not compared: prost takes an entry of a map for one whatever wire type
/// its key names, which neither we nor Go do.
pub(super) fn check(data: &[u8]) {
    // The envelope, whether there is one or not.
    let data = open(data).ok().flatten().unwrap_or(data);
    let _ = pod_record(Object::Protobuf(data));
    let _ = node_record(Object::Protobuf(data));
    for parts in [1, 2] {
        if let Ok(object) = core::Pod::decode(data) {
            let written = object.encode_to_vec().repeat(parts);
            let object = again::<core::Pod>(&written);
            if let Some(record) = named(pod_record(Object::Protobuf(&written))) {
                pod(&record, &object);
            }
        }
        if let Ok(object) = core::Node::decode(data) {
            let written = object.encode_to_vec().repeat(parts);
            let object = again::<core::Node>(&written);
            if let Some(record) = named(node_record(Object::Protobuf(&written))) {
                node(&record, &object);
            }
        }
    }
}

fn again<T: Message + Default>(written: &[u8]) -> T {
    T::decode(written).unwrap_or_else(|error| panic!("not read again: {error}"))
}

/// A well-formed object is refused for nothing but its name.
fn named<T: std::fmt::Debug>(record: Result<T, Rejected>) -> Option<T> {
    match record {
        Ok(record) => Some(record),
        Err(Rejected::Name(_)) => None,
        Err(Rejected::Shape(error)) => panic!("refused: {error}"),
    }
}

fn metadata(labels: &Labels, name: &str, of: Option<&meta::ObjectMeta>) {
    let of = of.cloned().unwrap_or_default();
    assert_eq!(name, of.name.unwrap_or_default());
    let labels: BTreeMap<String, String> = labels
        .iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    assert_eq!(labels, of.labels);
}

fn pod(ours: &PodRecord, theirs: &core::Pod) {
    metadata(
        &ours.labels,
        ours.key.name.as_str(),
        theirs.metadata.as_ref(),
    );
    let spec = theirs.spec.clone().unwrap_or_default();
    let node = spec.node_name.unwrap_or_default();
    assert_eq!(ours.node.as_ref().map_or("", |node| node.as_str()), node);
    let names = |containers: Vec<core::Container>| containers.into_iter().map(|c| c.name);
    let common = |c: core::EphemeralContainer| c.ephemeral_container_common.and_then(|c| c.name);
    let expected: Vec<String> = names(spec.init_containers)
        .chain(names(spec.containers))
        .chain(spec.ephemeral_containers.into_iter().map(common))
        .map(Option::unwrap_or_default)
        .collect();
    let containers = ours.containers.iter();
    let names: Vec<&str> = containers
        .map(|container| container.name.as_str())
        .collect();
    assert_eq!(names, expected);
}

fn node(ours: &NodeRecord, theirs: &core::Node) {
    metadata(&ours.labels, ours.name.as_str(), theirs.metadata.as_ref());
    let status = theirs.status.clone().unwrap_or_default();
    let addresses: Vec<&str> = ours.addresses.iter().map(|a| &*a.address).collect();
    let expected: Vec<String> = status
        .addresses
        .into_iter()
        .filter_map(|address| address.address)
        .filter(|address| !address.is_empty())
        .collect();
    assert_eq!(addresses, expected);
    let endpoint = status.daemon_endpoints.and_then(|e| e.kubelet_endpoint);
    let port = endpoint.and_then(|endpoint| endpoint.port);
    let port = port.and_then(|port| u16::try_from(port).ok());
    assert_eq!(ours.kubelet_port, port.filter(|port| *port != 0));
}
