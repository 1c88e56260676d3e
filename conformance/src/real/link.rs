//! The cable between the network namespaces of two nodes.

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Result, ensure};

use super::controlplane::Place;
use super::scratch::{Scratch, ip};

/// The end of the cable at the first node.
const NEAR: Ipv4Addr = Ipv4Addr::new(10, 99, 2, 1);
/// The name of either end; each is alone in its namespace.
const DEVICE: &str = "cable";

/// The node at the far end.
pub(super) const FAR: Far = Far {
    address: Ipv4Addr::new(10, 99, 2, 2),
    pods: "10.99.3.0/24",
};

/// Where a node is, and its pods are.
pub(super) struct Far {
    pub(super) address: Ipv4Addr,
    pub(super) pods: &'static str,
}

/// Makes the network namespace of `far` and joins it to `near`, so that nodes and pods of both reach each other. The cable
/// goes with either namespace.
pub(super) fn link(near: &str, far: &Scratch) -> Result<()> {
    let (gateway, address) = (NEAR.to_string(), FAR.address.to_string());
    far.add_namespace("127.0.0.2/8")?;
    let far = far.name();
    ip(&[
        "-n", near, "link", "add", DEVICE, "type", "veth", "peer", "name", DEVICE, "netns", far,
    ])?;
    for (namespace, own) in [(near, &gateway), (far, &address)] {
        let own = format!("{own}/30");
        ip(&["-n", namespace, "address", "add", &own, "dev", DEVICE])?;
        ip(&["-n", namespace, "link", "set", DEVICE, "up"])?;
        forward(namespace)?;
    }
    ip(&["-n", near, "route", "add", FAR.pods, "via", &address])?;
    ip(&["-n", far, "route", "add", "default", "via", &gateway])
}

/// Lets packets through that are for others. The plugin for bridges does it too, with a node's first pod.
fn forward(namespace: &str) -> Result<()> {
    let mut command = Place::Namespace(namespace.to_owned()).command(Path::new("/bin/sh"));
    command.args(["-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"]);
    let out = command.output()?;
    let error = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "ip_forward: {}", error.trim());
    Ok(())
}
