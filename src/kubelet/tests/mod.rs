//! The client against real sockets and real TLS.

mod pins;
mod requests;
mod server;
mod tls_stream;
mod trust;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tempfile::NamedTempFile;

use self::server::{Ca, Identity, Reply, Server};
use super::*;
use crate::cluster::{ClientCertificate, Material};
use crate::domain::{
    AddressType, Clock, NodeAddress, NodeName, NodeRecord, SystemClock, Timestamp,
};

/// A clock that stands still until it is turned.
#[derive(Debug)]
struct Hands(Mutex<(Timestamp, Instant)>);

impl Hands {
    fn at(year: i16) -> Arc<Self> {
        let date = jiff::civil::date(year, 6, 1).to_zoned(jiff::tz::TimeZone::UTC);
        let now = Timestamp::from_millis(date.unwrap().timestamp().as_millisecond());
        Arc::new(Self(Mutex::new((now, SystemClock.monotonic()))))
    }

    fn turn(&self, by: Duration) {
        self.0.lock().1 += by;
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        self.0.lock().0
    }

    fn monotonic(&self) -> Instant {
        self.0.lock().1
    }
}

fn target(server: &Server, node: &str) -> Target {
    at(node, "127.0.0.1", server.address.port())
}

fn at(node: &str, address: &str, port: u16) -> Target {
    of_uid("", node, address, port)
}

fn of_uid(uid: &str, node: &str, address: &str, port: u16) -> Target {
    let record = NodeRecord {
        addresses: [NodeAddress {
            kind: AddressType::InternalIp,
            address: address.into(),
        }]
        .into(),
        kubelet_port: Some(port),
        uid: uid.into(),
        ready: true,
        ..NodeRecord::new(NodeName::new(node).unwrap())
    };
    let addresses = Addresses {
        use_node_status_port: true,
        ..Addresses::default()
    };
    Target::of(&record, &addresses).unwrap()
}

fn given(pem: &str) -> Material {
    Material::Inline(pem.as_bytes().into())
}

fn trusting(ca: &Ca) -> Config {
    Config::new(Trust::Ca(given(&ca.pem())))
}

async fn client(config: Config) -> KubeletClient {
    KubeletClient::new(config, Hands::at(2026)).await.unwrap()
}

fn valid(ca: &Ca, names: &[&str]) -> Identity {
    ca.issue(names, 2020, 2030)
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn always(answer: &str) -> impl Fn(usize) -> Reply + Send + Sync + 'static + use<> {
    let answer = answer.to_string();
    move |_| Reply::Send(answer.clone())
}

/// One request on a connection of its own.
async fn once(client: &KubeletClient, target: &Target) -> Result<String, Error> {
    get(client, target, &mut Connection::new()).await
}

async fn get(
    client: &KubeletClient,
    target: &Target,
    connection: &mut Connection,
) -> Result<String, Error> {
    let buffers = Buffers::keeping(0);
    let mut buffer = buffers.lend();
    let body = client.get(target, connection, &mut buffer).await?;
    Ok(String::from_utf8(body.to_vec()).unwrap())
}

/// A file that is gone with the test.
struct Scratch(NamedTempFile);

impl Scratch {
    fn new(content: &str) -> Self {
        let scratch = Self(NamedTempFile::new().unwrap());
        scratch.write(content);
        scratch
    }

    fn write(&self, content: &str) {
        std::fs::write(&self.0, content).unwrap();
    }

    fn material(&self) -> Material {
        Material::File(self.0.path().to_owned())
    }
}
