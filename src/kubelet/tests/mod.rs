mod server;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use self::server::{Ca, Identity, Reply, Server};
use super::*;
use crate::cluster::{ClientCertificate, Material};
use crate::domain::{
    AddressType, Clock, Labels, NodeAddress, NodeName, NodeRecord, SystemClock, Timestamp,
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
    let record = NodeRecord {
        name: NodeName::new(node).unwrap(),
        labels: Labels::default(),
        addresses: [NodeAddress {
            kind: AddressType::InternalIp,
            address: address.into(),
        }]
        .into(),
        kubelet_port: Some(port),
        resource_metrics_path: None,
        cpu_capacity: None,
        ready: true,
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
    let mut buffer = Vec::new();
    let body = client.get(target, connection, &mut buffer).await?;
    Ok(String::from_utf8(body.to_vec()).unwrap())
}

/// A file that is gone with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, content: &str) -> Self {
        let name = format!("loadline-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    fn write(&self, content: &str) {
        std::fs::write(&self.0, content).unwrap();
    }

    fn material(&self) -> Material {
        Material::File(self.0.clone())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn the_nodes_name_or_the_dialled_address_in_the_certificate_is_enough() {
    let ca = Ca::new("cluster");
    let client = client(trusting(&ca)).await;
    for names in [
        &["node-1"][..],
        &["127.0.0.1"],
        &["other", "node-1", "10.0.0.1"],
    ] {
        let server = Server::tls(&valid(&ca, names), None, always(&ok("x 1"))).await;
        let body = once(&client, &target(&server, "node-1")).await;
        assert_eq!(body.unwrap(), "x 1", "{names:?}");
    }
}

#[tokio::test]
async fn a_certificate_for_somebody_else_is_refused_with_its_names() {
    let ca = Ca::new("cluster");
    let identity = valid(&ca, &["node-2", "10.0.0.2"]);
    let server = Server::tls(&identity, None, always(&ok("x 1"))).await;
    let error = once(&client(trusting(&ca)).await, &target(&server, "node-1"))
        .await
        .unwrap_err();
    let wrong_name = TlsError::WrongName {
        presented: vec!["node-2".into(), "10.0.0.2".into()],
        expected: vec!["node-1".into(), "127.0.0.1".into()],
    };
    assert!(
        matches!(&error, Error::Tls { source, .. } if *source == wrong_name),
        "{error:?}"
    );
    assert_eq!(error.cause(), "tls");
    assert!(
        error.story().contains("is for node-2, 10.0.0.2, neither"),
        "{}",
        error.story()
    );
    assert!(error.remedy().is_some());
    assert!(
        server.seen.lock().is_empty(),
        "nothing was sent to a stranger"
    );
}

#[tokio::test]
async fn a_certificate_of_another_ca_is_refused_with_its_issuer() {
    let ca = Ca::new("cluster");
    let stranger = valid(&Ca::new("node-1-ca@1700000000"), &["node-1"]);
    let server = Server::tls(&stranger, None, always(&ok("x 1"))).await;
    let error = once(&client(trusting(&ca)).await, &target(&server, "node-1"))
        .await
        .unwrap_err();
    let Error::Tls {
        source: TlsError::UnknownIssuer { issuer },
        ..
    } = &error
    else {
        panic!("{error:?}")
    };
    assert!(issuer.contains("node-1-ca@1700000000"), "{issuer}");
}

#[tokio::test]
async fn a_certificate_out_of_its_time_is_refused_with_the_date() {
    let ca = Ca::new("cluster");
    for (from, to, expected) in [
        (
            2020,
            2021,
            "the certificate expired at 2021-01-01T00:00:00Z",
        ),
        (
            2028,
            2030,
            "the certificate is not valid before 2028-01-01T00:00:00Z",
        ),
    ] {
        let server = Server::tls(&ca.issue(&["node-1"], from, to), None, always(&ok("x 1"))).await;
        let error = once(&client(trusting(&ca)).await, &target(&server, "node-1"))
            .await
            .unwrap_err();
        assert!(error.story().ends_with(expected), "{}", error.story());
    }
}

#[tokio::test]
async fn insecure_accepts_anybody_and_sends_the_token_all_the_same() {
    let stranger = Ca::new("x").issue(&["else"], 2000, 2001);
    let server = Server::tls(&stranger, None, always(&ok("x 1"))).await;
    let config = Config {
        bearer_token: Some(given("s3cret")),
        ..Config::new(Trust::Anybody)
    };
    once(&client(config).await, &target(&server, "node-1"))
        .await
        .unwrap();
    assert!(
        server.seen.lock()[0]
            .1
            .contains("\r\nAuthorization: Bearer s3cret\r\n")
    );
}

#[tokio::test]
async fn no_credential_goes_over_plain_http() {
    let server = Server::plain(always(&ok("x 1"))).await;
    let config = Config {
        bearer_token: Some(given("s3cret")),
        ..Config::new(Trust::CompletelyInsecure)
    };
    once(&client(config).await, &target(&server, "node-1"))
        .await
        .unwrap();
    let request = server.seen.lock()[0].1.clone();
    assert!(!request.contains("s3cret"), "{request}");
    assert!(request.starts_with("GET /metrics/resource HTTP/1.1\r\nHost: 127.0.0.1:"));
    assert!(!request.to_lowercase().contains("accept-encoding"));
}

#[tokio::test]
async fn a_client_certificate_stands_in_for_the_token() {
    let (ca, clients) = (Ca::new("cluster"), Ca::new("clients"));
    let server = Server::tls(&valid(&ca, &["node-1"]), Some(&clients), always(&ok("x 1"))).await;
    let us = valid(&clients, &["loadline"]);
    let config = |identity: &Identity| Config {
        client_certificate: Some(ClientCertificate {
            certificate: given(&identity.certificate.pem()),
            key: given(&identity.key.serialize_pem()),
        }),
        bearer_token: Some(given("s3cret")),
        ..trusting(&ca)
    };
    once(&client(config(&us)).await, &target(&server, "node-1"))
        .await
        .unwrap();
    assert!(!server.seen.lock()[0].1.contains("s3cret"));

    let unknown = valid(&Ca::new("others"), &["loadline"]);
    let client = client(config(&unknown)).await;
    assert!(!format!("{client:?}").contains("PRIVATE"));
    let error = once(&client, &target(&server, "node-1")).await.unwrap_err();
    // With TLS 1.3 the refusal comes after our side of the handshake is done.
    assert!(
        matches!(error, Error::Tls { .. } | Error::Broken { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_key_that_does_not_belong_to_the_certificate_is_told_at_start() {
    let ca = Ca::new("cluster");
    let (one, other) = (valid(&ca, &["a"]), valid(&ca, &["a"]));
    let config = Config {
        client_certificate: Some(ClientCertificate {
            certificate: given(&one.certificate.pem()),
            key: given(&other.key.serialize_pem()),
        }),
        ..trusting(&ca)
    };
    let error = KubeletClient::new(config, Hands::at(2026))
        .await
        .unwrap_err();
    assert!(
        matches!(error, MaterialError::ClientCertificate { .. }),
        "{error:?}"
    );
    let config = Config::new(Trust::Ca(given("no PEM")));
    let error = KubeletClient::new(config, Hands::at(2026))
        .await
        .unwrap_err();
    assert!(matches!(error, MaterialError::NoCa { .. }), "{error:?}");
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let ca = Ca::new("cluster");
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nx 1\r\n0\r\n\r\n";
    let server = Server::tls(&valid(&ca, &["node-1"]), None, always(chunked)).await;
    let client = client(trusting(&ca)).await;
    let mut connection = Connection::new();
    for _ in 0..3 {
        let body = get(&client, &target(&server, "node-1"), &mut connection).await;
        assert_eq!(body.unwrap(), "x 1");
    }
    assert_eq!(server.connections(), [0, 0, 0]);
}

#[tokio::test]
async fn a_kept_connection_the_kubelet_has_closed_is_replaced_and_its_session_resumed() {
    let ca = Ca::new("cluster");
    let script = |_| Reply::SendAndClose(ok("x 1"));
    let server = Server::tls(&valid(&ca, &["node-1"]), None, script).await;
    let client = client(trusting(&ca)).await;
    let mut connection = Connection::new();
    for _ in 0..3 {
        get(&client, &target(&server, "node-1"), &mut connection)
            .await
            .unwrap();
    }
    assert_eq!(server.connections(), [0, 1, 2]);
    assert_eq!(*server.resumed.lock(), [false, true, true]);
}

#[tokio::test]
async fn a_fresh_connection_that_breaks_is_not_tried_again() {
    let server = Server::plain(|_| Reply::SendAndClose(String::new())).await;
    let client = client(Config::new(Trust::CompletelyInsecure)).await;
    let error = once(&client, &target(&server, "node-1")).await.unwrap_err();
    assert_eq!(error.cause(), "broken");
    assert_eq!(server.connections(), [0]);
}

#[tokio::test]
async fn a_request_is_not_repeated_once_its_answer_has_begun() {
    let server = Server::plain(|n| match n {
        0 => Reply::Send(ok("x 1")),
        _ => Reply::SendAndClose("HTTP/1.1 200".into()),
    })
    .await;
    let client = client(Config::new(Trust::CompletelyInsecure)).await;
    let mut connection = Connection::new();
    get(&client, &target(&server, "node-1"), &mut connection)
        .await
        .unwrap();
    let error = get(&client, &target(&server, "node-1"), &mut connection)
        .await
        .unwrap_err();
    assert_eq!(
        (error.cause(), server.connections()),
        ("broken", vec![0, 0])
    );
}

#[tokio::test]
async fn every_way_to_hang_ends_at_the_deadline_and_names_its_phase() {
    let ca = Ca::new("cluster");
    let identity = valid(&ca, &["node-1"]);
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345";
    let config = Config {
        request_timeout: Duration::from_millis(200),
        ..trusting(&ca)
    };
    let client = client(config).await;
    for begin in ["", "HTTP/1.1 200 OK\r\n", half] {
        let script = move |_| Reply::SendAndHang(begin.into());
        let server = Server::tls(&identity, None, script).await;
        let error = once(&client, &target(&server, "node-1")).await.unwrap_err();
        assert!(
            matches!(
                error,
                Error::Timeout {
                    phase: Phase::Reading,
                    ..
                }
            ),
            "{error:?}"
        );
    }
    // Accepts connections by the backlog alone and never says a word.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = at("node-1", "127.0.0.1", silent.local_addr().unwrap().port());
    let error = once(&client, &target).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Timeout {
                phase: Phase::Handshaking,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_connection_that_ran_into_the_deadline_is_not_used_again() {
    let server = Server::plain(|n| match n {
        0 => Reply::Send(ok("x 1")),
        1 => Reply::SendAndHang("HTTP/1.1 200 OK\r\n".into()),
        _ => Reply::Send(ok("x 2")),
    })
    .await;
    let config = Config {
        request_timeout: Duration::from_millis(200),
        ..Config::new(Trust::CompletelyInsecure)
    };
    let (client, mut connection) = (client(config).await, Connection::new());
    let target = target(&server, "node-1");
    get(&client, &target, &mut connection).await.unwrap();
    assert_eq!(
        get(&client, &target, &mut connection)
            .await
            .unwrap_err()
            .cause(),
        "timeout"
    );
    assert_eq!(get(&client, &target, &mut connection).await.unwrap(), "x 2");
    assert_eq!(server.connections(), [0, 0, 1]);
}

#[tokio::test]
async fn every_status_but_200_is_an_error_of_its_own() {
    let client = client(Config::new(Trust::CompletelyInsecure)).await;
    for (status, cause, story) in [
        (
            "401 Unauthorized",
            "401",
            "the kubelet answered 401 Unauthorized",
        ),
        (
            "403 Forbidden",
            "403",
            "the kubelet answered 403: it says no",
        ),
        (
            "404 Not Found",
            "404",
            "the kubelet answered 404 for /metrics/resource",
        ),
        ("500 Oops", "5xx", "the kubelet answered 500: it says no"),
        (
            "302 Found\r\nLocation: http://127.0.0.1:1/",
            "3xx",
            "the kubelet answered 302: it says no",
        ),
        ("429 Slow", "4xx", "the kubelet answered 429: it says no"),
    ] {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 12\r\n\r\nit says\rno\r\n");
        let server = Server::plain(always(&answer)).await;
        let mut connection = Connection::new();
        let error = get(&client, &target(&server, "node-1"), &mut connection)
            .await
            .unwrap_err();
        assert_eq!((error.cause(), error.story().as_str()), (cause, story));
        let _ = get(&client, &target(&server, "node-1"), &mut connection).await;
        assert_eq!(
            server.connections(),
            [0, 0],
            "a complete answer leaves the connection open"
        );
    }
}

#[tokio::test]
async fn a_body_over_the_bound_is_refused() {
    let server = Server::plain(always(&ok(&"x".repeat(5000)))).await;
    let config = Config {
        max_body_bytes: 4999,
        ..Config::new(Trust::CompletelyInsecure)
    };
    let error = once(&client(config).await, &target(&server, "node-1"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::TooLarge { limit: 4999 }),
        "{error:?}"
    );
}

#[tokio::test]
async fn nobody_listening_is_a_connect_error() {
    let client = client(Config::new(Trust::CompletelyInsecure)).await;
    let server = Server::plain(always("")).await;
    let target = target(&server, "node-1");
    drop(server);
    let error = once(&client, &target).await.unwrap_err();
    assert_eq!(error.cause(), "connect");
    assert!(
        error.story().starts_with("cannot connect to 127.0.0.1:"),
        "{}",
        error.story()
    );
}

#[tokio::test]
async fn a_connection_is_not_used_for_another_address_of_the_node() {
    let (old, new) = (
        Server::plain(always(&ok("x 1"))).await,
        Server::plain(always(&ok("x 2"))).await,
    );
    let client = client(Config::new(Trust::CompletelyInsecure)).await;
    let mut connection = Connection::new();
    get(&client, &target(&old, "node-1"), &mut connection)
        .await
        .unwrap();
    let body = get(&client, &target(&new, "node-1"), &mut connection).await;
    assert_eq!(body.unwrap(), "x 2");
}

#[tokio::test]
async fn a_rotated_token_is_sent_after_ten_seconds_or_after_a_401() {
    let refused = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    let ca = Ca::new("cluster");
    let script = move |n| Reply::Send(if n == 2 { refused.into() } else { ok("x 1") });
    let server = Server::tls(&valid(&ca, &["node-1"]), None, script).await;
    let file = Scratch::new("token", "one\n");
    let config = Config {
        bearer_token: Some(file.material()),
        ..trusting(&ca)
    };
    let clock = Hands::at(2026);
    let client = KubeletClient::new(config, clock.clone()).await.unwrap();
    let mut connection = Connection::new();
    let target = target(&server, "node-1");
    let mut ask = async || get(&client, &target, &mut connection).await;
    ask().await.unwrap();
    file.write("two\n");
    clock.turn(Duration::from_secs(11));
    ask().await.unwrap();
    file.write("three\n");
    assert!(matches!(ask().await, Err(Error::Unauthorized)));
    ask().await.unwrap();
    file.write("");
    clock.turn(Duration::from_secs(11));
    ask().await.unwrap();
    let seen = server.seen.lock();
    let sent = seen.iter().map(|(_, request)| {
        let (_, after) = request.split_once("Bearer ").unwrap();
        after.lines().next().unwrap().to_string()
    });
    assert_eq!(
        sent.collect::<Vec<_>>(),
        ["one", "two", "two", "three", "three"]
    );
}

#[tokio::test]
async fn a_rotated_ca_is_used_without_a_restart_and_ends_old_connections() {
    let (old, new) = (Ca::new("old"), Ca::new("new"));
    let server = Server::tls(&valid(&old, &["node-1"]), None, always(&ok("x 1"))).await;
    let file = Scratch::new("ca", &old.pem());
    let clock = Hands::at(2026);
    let client = KubeletClient::new(Config::new(Trust::Ca(file.material())), clock.clone())
        .await
        .unwrap();
    let target = target(&server, "node-1");
    let mut connection = Connection::new();
    get(&client, &target, &mut connection).await.unwrap();
    file.write(&new.pem());
    clock.turn(Duration::from_secs(11));
    let error = get(&client, &target, &mut connection).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Tls {
                source: TlsError::UnknownIssuer { .. },
                ..
            }
        ),
        "{error:?}"
    );
    file.write("nonsense");
    clock.turn(Duration::from_secs(11));
    assert_eq!(
        get(&client, &target, &mut connection)
            .await
            .unwrap_err()
            .cause(),
        "tls"
    );
    file.write(&format!("{}{}", new.pem(), old.pem()));
    clock.turn(Duration::from_secs(11));
    get(&client, &target, &mut connection).await.unwrap();
}

#[tokio::test]
async fn no_secret_shows_in_debug() {
    let config = Config {
        bearer_token: Some(given("s3cret")),
        client_certificate: None,
        ..Config::new(Trust::Anybody)
    };
    let shown = format!("{config:?} {:?}", client(config.clone()).await);
    assert!(
        !shown.contains("s3cret") && shown.contains("***"),
        "{shown}"
    );
}
