//! Where a node's kubelet listens.

use std::fmt;
use std::net::Ipv6Addr;
use std::sync::Arc;

use super::Error;
use crate::apimachinery::encode_path;
use crate::domain::{AddressType, NodeName, NodeRecord};

/// How to choose among what a Node object says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The wanted types, best first. Of several addresses of one type the first in the object is
    /// taken.
    pub preferred_types: Vec<AddressType>,
    /// The port to ask.
    pub port: u16,
    /// Ask the port in `status.daemonEndpoints.kubeletEndpoint` instead, where there is one.
    pub use_node_status_port: bool,
}

/// One kubelet and what to ask it for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    node: NodeName,
    uid: Arc<str>,
    host: Arc<str>,
    port: u16,
    path: Arc<str>,
}

/// The path of the resource metrics unless the node's annotation says another.
const RESOURCE_METRICS: &str = "/metrics/resource";

/// The path of the summary.
const SUMMARY: &str = "/stats/summary";

/// The longest path an annotation may ask for.
const MAX_PATH: usize = 1024;

impl Default for Addresses {
    /// metrics-server's flags when none is given.
    fn default() -> Self {
        Self {
            preferred_types: vec![
                AddressType::Hostname,
                AddressType::InternalDns,
                AddressType::InternalIp,
                AddressType::ExternalDns,
                AddressType::ExternalIp,
            ],
            port: 10250,
            use_node_status_port: false,
        }
    }
}

impl Target {
    /// The kubelet of `node`.
    ///
    /// # Errors
    /// [`Error::NoAddress`] when the node has no address of a preferred type, [`Error::BadAddress`]
    /// when the one chosen can be no address, [`Error::BadPath`] when its annotation asks for an
    /// overlong path.
    pub fn of(node: &NodeRecord, addresses: &Addresses) -> Result<Self, Error> {
        let wanted = &addresses.preferred_types;
        let chosen = wanted
            .iter()
            .find_map(|kind| node.addresses.iter().find(|a| a.kind == *kind))
            .ok_or_else(|| Error::NoAddress {
                types: wanted.iter().map(|kind| kind.as_str().into()).collect(),
            })?;
        if !is_address(&chosen.address) {
            let address = super::printable(chosen.address.as_bytes(), 100);
            return Err(Error::BadAddress { address });
        }
        let status_port = node.kubelet_port.filter(|_| addresses.use_node_status_port);
        Ok(Self {
            node: node.name.clone(),
            uid: Arc::clone(&node.uid),
            host: Arc::clone(&chosen.address),
            port: status_port.unwrap_or(addresses.port),
            path: path_of(node)?,
        })
    }

    /// The kubelet of `node`, wherever it is: for whoever finds it by the node's name.
    ///
    /// # Errors
    /// [`Error::BadPath`] as [`Target::of`].
    pub fn by_name(node: &NodeRecord) -> Result<Self, Error> {
        Ok(Self {
            node: node.name.clone(),
            uid: Arc::clone(&node.uid),
            host: node.name.as_str().into(),
            port: 0,
            path: path_of(node)?,
        })
    }

    /// The same kubelet, to be asked for its summary.
    #[must_use]
    pub fn summary(self) -> Self {
        Self {
            path: SUMMARY.into(),
            ..self
        }
    }

    /// The node's name.
    #[must_use]
    pub const fn node(&self) -> &NodeName {
        &self.node
    }

    /// The UID of the Node object.
    #[must_use]
    pub const fn uid(&self) -> &Arc<str> {
        &self.uid
    }

    /// The address: an IP without brackets, or a host name.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The path, escaped for a request line.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Address and port as in a URL.
    #[must_use]
    pub fn authority(&self) -> String {
        let (host, port) = (&self.host, self.port);
        if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.authority(), self.path)
    }
}

fn path_of(node: &NodeRecord) -> Result<Arc<str>, Error> {
    let path = node
        .resource_metrics_path
        .as_deref()
        .unwrap_or(RESOURCE_METRICS);
    if path.len() > MAX_PATH {
        return Err(Error::BadPath { limit: MAX_PATH });
    }
    Ok(escaped(path).into())
}

/// Tells whether `text` may stand in a `Host` header and be resolved.
fn is_address(text: &str) -> bool {
    let host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let zoneless = text.split('%').next().unwrap_or_default();
    (!text.is_empty() && text.len() <= 253 && text.bytes().all(host))
        || (text.len() <= 64
            && zoneless.parse::<Ipv6Addr>().is_ok()
            && text.bytes().all(|b| host(b) || matches!(b, b':' | b'%')))
}

/// The path as Go's `url.URL` writes it into a request line: with a slash in front, and without a
/// query.
fn escaped(path: &str) -> String {
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{slash}{}", encode_path(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::NodeAddress;

    fn node(addresses: &[(&str, &str)]) -> NodeRecord {
        let address = |(kind, address): &(&str, &str)| NodeAddress {
            kind: AddressType::from(*kind),
            address: (*address).into(),
        };
        NodeRecord {
            addresses: addresses.iter().map(address).collect(),
            ready: true,
            ..NodeRecord::new(NodeName::new("n1").unwrap())
        }
    }

    fn prefer(types: &[&str]) -> Addresses {
        Addresses {
            preferred_types: types.iter().map(|kind| AddressType::from(*kind)).collect(),
            ..Addresses::default()
        }
    }

    #[test]
    fn the_preference_decides_first_and_the_objects_order_then() {
        let node = node(&[
            ("ExternalIP", "1.2.3.4"),
            ("InternalIP", "10.0.0.1"),
            ("InternalIP", "10.0.0.2"),
            ("Hostname", "n1.example"),
            ("Overlay", "172.16.0.1"),
        ]);
        for (types, expected) in [
            (
                &["InternalIP", "ExternalIP"][..],
                "10.0.0.1:10250/metrics/resource",
            ),
            (
                &["InternalDNS", "ExternalIP"],
                "1.2.3.4:10250/metrics/resource",
            ),
            (&["Overlay"], "172.16.0.1:10250/metrics/resource"),
        ] {
            let target = Target::of(&node, &prefer(types)).unwrap();
            assert_eq!(target.to_string(), expected);
        }
        let by_default = Target::of(&node, &Addresses::default()).unwrap();
        assert_eq!(by_default.host(), "n1.example");
    }

    #[test]
    fn a_node_without_a_wanted_address_is_an_error_that_names_the_types() {
        let wanted = prefer(&["InternalIP", "Hostname"]);
        for addresses in [&[][..], &[("ExternalIP", "1.2.3.4")]] {
            let error = Target::of(&node(addresses), &wanted).unwrap_err();
            assert_eq!(
                error.to_string(),
                "node has no address of types InternalIP, Hostname"
            );
        }
    }

    #[test]
    fn the_status_port_wins_only_when_asked_for_and_there() {
        let mut node = node(&[("InternalIP", "10.0.0.1")]);
        let mut addresses = Addresses {
            port: 4443,
            ..prefer(&["InternalIP"])
        };
        let port =
            |node: &NodeRecord, addresses: &Addresses| Target::of(node, addresses).unwrap().port();
        node.kubelet_port = Some(10255);
        assert_eq!(port(&node, &addresses), 4443);
        addresses.use_node_status_port = true;
        assert_eq!(port(&node, &addresses), 10255);
        node.kubelet_port = None;
        assert_eq!(port(&node, &addresses), 4443);
    }

    #[test]
    fn an_annotation_replaces_the_path_and_cannot_break_the_request_line() {
        let mut node = node(&[("InternalIP", "fd00::1")]);
        for (annotation, expected) in [
            ("/custom/metrics", "[fd00::1]:10250/custom/metrics"),
            ("metrics", "[fd00::1]:10250/metrics"),
            (
                "/a b?c%\r\nX: y",
                "[fd00::1]:10250/a%20b%3Fc%25%0D%0AX:%20y",
            ),
        ] {
            node.resource_metrics_path = Some(annotation.into());
            let target = Target::of(&node, &prefer(&["InternalIP"])).unwrap();
            assert_eq!(target.to_string(), expected);
        }
        node.resource_metrics_path = Some("x".repeat(2000).into());
        let target = Target::of(&node, &prefer(&["InternalIP"]));
        assert!(matches!(target, Err(Error::BadPath { .. })));
    }

    #[test]
    fn what_can_be_no_address_is_refused() {
        for bad in [
            "",
            "a b",
            "a\r\nx",
            "ü",
            "a/b",
            "[::1]",
            "1:2",
            &"x".repeat(300),
        ] {
            let target = Target::of(&node(&[("InternalIP", bad)]), &prefer(&["InternalIP"]));
            assert!(matches!(target, Err(Error::BadAddress { .. })), "{bad}");
        }
        for good in [
            "10.0.0.1",
            "fe80::1%eth0",
            "::1",
            "n1",
            "ip-10-0-0-1.ec2.internal",
        ] {
            assert!(Target::of(&node(&[("InternalIP", good)]), &prefer(&["InternalIP"])).is_ok());
        }
    }
}
