//! Where other replicas are.

use super::flag::{Flag, Kind};
use super::given::Given;

/// One name of other replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddress {
    /// A host's name, which may have many addresses, or an address.
    pub host: String,
    /// Its port; `None` for that of `--secure-port`.
    pub port: Option<u16>,
}

pub(super) const PEERS: Flag = Flag::new(
    "peers",
    Kind::List,
    "",
    "Other replicas, as HOST or HOST:PORT, mostly a headless Service: at its start this one takes over what the first that answers knows, for 10s at most, and hands over what it knows itself; needs --serving-secret",
);

pub(super) fn read(given: &mut Given) -> Option<Vec<PeerAddress>> {
    let mut peers = Vec::new();
    let mut good = true;
    for word in given.list(&PEERS)? {
        if let Some(peer) = address(&word) {
            peers.push(peer);
        } else {
            good = false;
            given.refuse_value(&PEERS, &word, "expected HOST or HOST:PORT".to_owned());
        }
    }
    good.then_some(peers)
}

fn address(word: &str) -> Option<PeerAddress> {
    let (host, port) = match word.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (
                host,
                port.strip_prefix(':')
                    .or_else(|| port.is_empty().then_some(""))?,
            )
        }
        None if word.parse::<std::net::Ipv6Addr>().is_ok() => (word, ""),
        None => match word.rsplit_once(':') {
            Some((_, "")) => return None,
            Some((host, port)) => (host, port),
            None => (word, ""),
        },
    };
    let port = match port {
        "" => None,
        port => Some(port.parse().ok().filter(|port| *port > 0)?),
    };
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':');
    (!host.is_empty() && host.bytes().all(known)).then(|| PeerAddress {
        host: host.to_owned(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_a_host_with_or_without_a_port() {
        for (word, host, port) in [
            ("loadline-peers", "loadline-peers", None),
            ("a.b.svc:10251", "a.b.svc", Some(10251)),
            ("127.0.0.1:1", "127.0.0.1", Some(1)),
            ("fd00::1", "fd00::1", None),
            ("[fd00::1]", "fd00::1", None),
            ("[fd00::1]:443", "fd00::1", Some(443)),
        ] {
            let host = host.to_owned();
            assert_eq!(address(word), Some(PeerAddress { host, port }), "{word}");
        }
        for word in [
            "",
            ":1",
            "a:",
            "a:0",
            "a:65536",
            "a:b:c",
            "[::1",
            "[a]:1",
            "a b",
            "https://a",
        ] {
            assert_eq!(address(word), None, "{word}");
        }
    }
}
