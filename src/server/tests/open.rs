//! The port that asks Kubernetes nothing about its callers.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::auth::AllowedUsers;

const SERVING: &[rcgen::ExtendedKeyUsagePurpose] = &[rcgen::ExtendedKeyUsagePurpose::ServerAuth];

/// Such a port, with the authority of its clients.
struct Open {
    address: SocketAddr,
    client_ca: Authority,
    roots: Arc<RootCertStore>,
    stop: StopSender,
    tasks: Tasks,
    _files: Files,
}

/// A folder of its own that goes with the test.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> std::path::PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Open {
    async fn plain() -> Self {
        Self::with(None, |_| {}).await
    }

    /// With TLS that asks for certificates; these users may ask, or all.
    async fn asking(users: &[&str]) -> Self {
        Self::with(Some(users), |_| {}).await
    }

    async fn with(users: Option<&[&str]>, change: impl FnOnce(&mut OpenConfig)) -> Self {
        let (files, client_ca) = (Files::new(), Authority::new("client-ca"));
        let mut roots = RootCertStore::empty();
        let tls = users.map(|users| {
            let serving_ca = Authority::new("serving-ca");
            roots.add(serving_ca.der()).unwrap();
            let serving = serving_ca.issue_for(Subject::new("heapster").usages(SERVING), &[SERVER]);
            let (certificate, key) = serving.pem();
            let trust = LiveTrust::new(TrustConfig {
                port: "--secure-port",
                client_ca_file: Some(files.write("ca", &client_ca.pem())),
                front_proxy: None,
            });
            let users = users.iter().map(|name| (*name).to_owned()).collect();
            OpenTls {
                certificate: PairFiles {
                    certificate: files.write("cert", &certificate),
                    key: files.write("key", &key),
                },
                policy: TlsPolicy::default(),
                clients: Some(Arc::new(AllowedUsers::new(trust.unwrap(), users))),
            }
        });
        let mut config = OpenConfig {
            address: ([127, 0, 0, 1], 0).into(),
            flags: "--heapster-port",
            tls,
            shutdown_delay: Duration::ZERO,
            limits: Limits::default(),
        };
        change(&mut config);
        let (stop, stopped) = Stop::channel();
        let tasks = Tasks::new(stop.clone());
        let bound = Server::bind_open(config, open_deps(&tasks)).await.unwrap();
        let address = bound.local_addr();
        drop(tasks.spawn_passing("open", bound.run(stopped)));
        Self {
            address,
            client_ca,
            roots: Arc::new(roots),
            stop,
            tasks,
            _files: files,
        }
    }

    /// One request in the clear, over a connection of its own.
    async fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// One request over TLS.
    async fn get_as(&self, identity: Option<&Identity>, path: &str) -> Reply {
        let dial = Dial {
            identity,
            ..Dial::default()
        };
        let mut config = client_config(Arc::clone(&self.roots), &dial);
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from(SERVER).unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, stream).await.unwrap();
        let io = TokioIo::new(stream);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        drop(
            self.tasks
                .spawn_passing("client", async { drop(connection.await) }),
        );
        Conversation::Http2(sender).get(path).await
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

fn open_deps(tasks: &Tasks) -> OpenDeps {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    OpenDeps {
        handler: Arc::new(|info, _| {
            assert!(!info.path.ends_with("panic"), "as the test wants");
            Some(Response::new(Bytes::from(format!("handled {}", info.path))).into())
        }),
        registry: Arc::new(registry),
        metrics,
        clock: TestClock::new(),
        tasks: tasks.clone(),
    }
}

#[tokio::test]
async fn everybody_is_answered_in_the_clear() {
    let server = Open::plain().await;
    for (path, end) in [
        ("/api/v1/model/nodes", "\r\n\r\nhandled /api/v1/model/nodes"),
        ("/", "\r\n\r\nhandled /"),
        ("/version", "\r\n\r\nhandled /version"),
        ("/readyz", "\r\n\r\nhandled /readyz"),
        ("/healthz", "\r\n\r\nhandled /healthz"),
        ("/metrics", "# EOF\n"),
    ] {
        let answer = server.get(path).await;
        assert!(
            answer.starts_with("HTTP/1.0 200 OK\r\n"),
            "{path}: {answer}"
        );
        assert!(answer.ends_with(end), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_panic_harms_only_its_own_request() {
    let server = Open::plain().await;
    assert!(server.get("/panic").await.starts_with("HTTP/1.0 500 "));
    assert!(server.get("/x").await.ends_with("handled /x"));
}

#[tokio::test]
async fn whoever_sends_nothing_is_not_waited_for() {
    let hurried = |config: &mut OpenConfig| config.limits.header = Duration::from_millis(50);
    let server = Open::with(None, hurried).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut nothing = Vec::new();
    let ended = silent.read_to_end(&mut nothing);
    tokio::time::timeout(Duration::from_secs(20), ended)
        .await
        .expect("the server closes the connection")
        .unwrap();
}

#[tokio::test]
async fn a_burst_from_one_address_is_answered_where_nobody_has_to_authenticate() {
    let few = |config: &mut OpenConfig| {
        config.limits.newcomers_of_one = 2;
        config.limits.connections_of_one = 9;
    };
    let open = Open::with(None, few).await;
    let mut burst = Vec::new();
    for _ in 0..9 {
        burst.push(TcpStream::connect(open.address).await.unwrap());
    }
    let mut answers = Vec::new();
    for mut stream in burst {
        let request = b"GET /healthz HTTP/1.0\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answers.push(answer.starts_with(b"HTTP/1."));
    }
    assert_eq!(answers, [true; 9]);
}

#[tokio::test]
async fn with_authorities_only_those_they_vouch_for_are_answered() {
    let server = Open::asking(&[]).await;
    let alice = server.client_ca.issue(Subject::new("alice"));
    let nameless = server.client_ca.issue(Subject::new(""));
    let eve = Authority::new("stranger").issue(Subject::new("alice"));
    assert_eq!(server.get_as(Some(&alice), "/x").await.code, 200);
    for refused in [None, Some(&eve), Some(&nameless)] {
        let reply = server.get_as(refused, "/x").await;
        assert_eq!((reply.code, reply.body.as_str()), (401, "Unauthorized\n"));
        assert_eq!(server.get_as(refused, "/metrics").await.code, 401);
        assert_eq!(server.get_as(refused, "/healthz/other").await.code, 401);
        for healthz in ["/healthz", "/healthz/healthz"] {
            assert_eq!(server.get_as(refused, healthz).await.code, 200);
        }
    }
}

#[tokio::test]
async fn with_allowed_users_others_are_forbidden() {
    let server = Open::asking(&["alice", "bob"]).await;
    for (name, code, body) in [
        ("alice", 200, "handled /x"),
        ("bob", 200, "handled /x"),
        ("mallory", 403, "Forbidden\n"),
    ] {
        let identity = server.client_ca.issue(Subject::new(name));
        let reply = server.get_as(Some(&identity), "/x").await;
        assert_eq!((reply.code, reply.body.as_str()), (code, body), "{name}");
    }
}

#[tokio::test]
async fn a_taken_port_names_its_flags() {
    let server = Open::plain().await;
    let config = OpenConfig {
        address: server.address,
        flags: "--heapster-port",
        tls: None,
        shutdown_delay: Duration::ZERO,
        limits: Limits::default(),
    };
    let error = Server::bind_open(config, open_deps(&server.tasks)).await;
    let text = error.unwrap_err().to_string();
    assert!(text.contains("--heapster-port"), "{text}");
}

/// What comes back to these bytes, until the server ends the connection.
async fn told(open: &Open, head: &[u8]) -> String {
    let mut stream = TcpStream::connect(open.address).await.unwrap();
    stream.write_all(head).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_head_that_cannot_be_read_is_refused_in_the_words_of_gos_server() {
    let open = Open::plain().await;
    let version = "505 HTTP Version Not Supported: unsupported protocol version";
    for (head, words) in [
        ("nonsense\r\n\r\n", "400 Bad Request"),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", "400 Bad Request"),
        ("GET /a b HTTP/1.1\r\n\r\n", "400 Bad Request"),
        ("GET / HTTP/11.1\r\n\r\n", "400 Bad Request"),
        ("GET / HTTP/2.0\r\n\r\n", version),
        ("GET / HTTP/9.9\r\nHost: a\r\n\r\n", version),
    ] {
        let expected = format!(
            "HTTP/1.1 {words}\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Connection: close\r\n\r\n{words}"
        );
        assert_eq!(told(&open, head.as_bytes()).await, expected, "{head:?}");
    }
    let two = "GET /x HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nno colon\r\n\r\n";
    let both = told(&open, two.as_bytes()).await;
    assert!(both.starts_with("HTTP/1.1 200 OK\r\n"), "{both}");
    assert!(both.ends_with("\r\n\r\n400 Bad Request"), "{both}");
}

#[tokio::test]
async fn as_many_header_lines_are_read_as_a_user_may_have_groups() {
    let open = Open::plain().await;
    for (groups, expected) in [(998, "HTTP/1.1 200 OK\r\n"), (999, "HTTP/1.1 431 ")] {
        let groups = "x-remote-group: a\r\n".repeat(groups);
        let head = format!("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{groups}\r\n");
        let answer = told(&open, head.as_bytes()).await;
        assert!(answer.starts_with(expected), "{answer}");
    }
}
