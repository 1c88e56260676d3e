//! TLS over connections that cut what is said as they like.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::server::server_config;
use super::*;

/// Passes on what a server says in pieces of `size` bytes, and what it is told as it comes; its port.
async fn cutting(size: usize, server: u16, tasks: &mut JoinSet<()>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tasks.spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        client.set_nodelay(true).unwrap();
        let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let back = async {
            let mut said = vec![0; 64 << 10];
            while let Ok(read @ 1..) = from_server.read(&mut said).await {
                for piece in said[..read].chunks(size) {
                    to_client.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
        };
        let _ = tokio::join!(tokio::io::copy(&mut from_client, &mut to_server), back);
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_records_arrive_the_answer_is_the_same() {
    let ca = Ca::new("kubelets");
    let identity = valid(&ca, &["n1"]);
    let body: String = (0..20_000).map(|n| format!("{n} ")).collect();
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let config = server_config(&identity, None, &[version]);
        let server = Server::of(config, always(&ok(&body))).await;
        let client = client(trusting(&ca)).await;
        for size in [1, 3, 1448, 16_401, 1 << 20] {
            let mut tasks = JoinSet::new();
            let port = cutting(size, server.address.port(), &mut tasks).await;
            let target = at("n1", "127.0.0.1", port);
            let mut connection = Connection::new();
            let from = server.seen.lock().len();
            for _ in 0..2 {
                let got = get(&client, &target, &mut connection).await.unwrap();
                assert!(got == body, "{size}");
            }
            let connections = server.connections();
            assert_eq!(connections[from], connections[from + 1], "{size}");
        }
    }
}

/// A server of one connection, which it treats as it likes once hands are shaken.
async fn once_shaken<F>(
    identity: &Identity,
    then: impl FnOnce(Result<tokio_rustls::server::TlsStream<TcpStream>, String>) -> F + Send + 'static,
) -> (u16, JoinSet<()>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = server_config(identity, None, rustls::DEFAULT_VERSIONS);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let shaken = acceptor.accept(tcp).await;
        then(shaken.map_err(|error| error.to_string())).await;
    });
    (port, tasks)
}

#[tokio::test]
async fn a_kubelet_is_told_why_its_certificate_was_refused() {
    let identity = valid(&Ca::new("others"), &["n1"]);
    let (port, mut server) = once_shaken(&identity, async |shaken| {
        let refused = shaken.map(|_| ()).unwrap_err();
        assert!(refused.contains("received fatal alert"), "{refused}");
    })
    .await;
    let client = client(trusting(&Ca::new("kubelets"))).await;
    let error = once(&client, &at("n1", "127.0.0.1", port)).await;
    assert!(matches!(error, Err(Error::Tls { .. })), "{error:?}");
    server.join_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn an_answer_until_the_end_is_whole_only_when_the_end_was_told() {
    let ca = Ca::new("kubelets");
    let identity = valid(&ca, &["n1"]);
    for told in [true, false] {
        let (port, mut server) = once_shaken(&identity, async move |shaken| {
            let mut stream = shaken.unwrap();
            let mut request = vec![0; 4096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\n\r\nall")
                .await
                .unwrap();
            stream.flush().await.unwrap();
            if told {
                stream.shutdown().await.unwrap();
            }
        })
        .await;
        let client = client(trusting(&ca)).await;
        let got = once(&client, &at("n1", "127.0.0.1", port)).await;
        match got {
            Ok(body) => assert!(told && body == "all", "{body}"),
            Err(error) => assert!(!told && matches!(error, Error::Broken { .. }), "{error:?}"),
        }
        server.join_next().await.unwrap().unwrap();
    }
}
