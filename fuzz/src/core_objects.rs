//! Pods and nodes in protobuf, as the API server sends them.

use std::collections::BTreeMap;

use k8s_pb::api::core::v1 as core;
use k8s_pb::apimachinery::pkg::apis::meta::v1 as meta;
use loadline::apimachinery::protobuf::{Malformed, open};
use loadline::cluster::{Object, Rejected, Unreadable, node_record, pod_record};
use loadline::domain::{Labels, NodeRecord, PodRecord};
use prost::Message;

/// Any bytes as a Pod and as a Node. What Kubernetes' own definitions read of them stands in the
/// record, and what these write again is the same record.
pub(super) fn check(data: &[u8]) {
    // The envelope, whether there is one or not.
    let data = open(data).ok().flatten().unwrap_or(data);
    let ours = pod_record(Object::Protobuf(data));
    if let Ok(theirs) = core::Pod::decode(data) {
        if let Ok(ours) = &ours {
            pod(ours, &theirs);
        }
        let again = theirs.encode_to_vec();
        agree(ours, pod_record(Object::Protobuf(&again)));
    }
    let ours = node_record(Object::Protobuf(data));
    if let Ok(theirs) = core::Node::decode(data) {
        if let Ok(ours) = &ours {
            node(ours, &theirs);
        }
        let again = theirs.encode_to_vec();
        agree(ours, node_record(Object::Protobuf(&again)));
    }
}

fn agree<T: PartialEq + std::fmt::Debug>(ours: Result<T, Rejected>, again: Result<T, Rejected>) {
    match (ours, again) {
        (Ok(ours), Ok(again)) => assert_eq!(ours, again),
        (Err(Rejected::Name(ours)), Err(Rejected::Name(again))) => {
            assert_eq!(ours.to_string(), again.to_string());
        }
        // Groups are the one thing they read and we do not.
        (Err(Rejected::Shape(Unreadable::Protobuf(Malformed::Key))), _) => {}
        (ours, again) => panic!("{ours:?}, but written again {again:?}"),
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
