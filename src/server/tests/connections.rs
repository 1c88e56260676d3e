//! How connections begin and end.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// Returns once the server will take no further request over this connection.
async fn closed(conversation: &mut Conversation) {
    let Conversation::Http2(sender) = conversation else {
        panic!("HTTP/2 was agreed on");
    };
    // The bound is for the test that fails, not for the one that passes.
    let ended = async {
        while sender.ready().await.is_ok() && !sender.is_closed() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended)
        .await
        .expect("the server closes the connection");
}

#[tokio::test]
async fn the_unspecified_address_of_one_family_means_both() {
    let all = |config: &mut Config| config.address = ([0, 0, 0, 0], 0).into();
    let server = Running::with(FakeAccess::allowing(), all).await;
    let port = server.address.port();
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_ok());
    // Where the machine has no IPv6 there is nothing to see.
    if server.address.is_ipv6() {
        assert!(TcpStream::connect(("::1", port)).await.is_ok());
    }
}

#[tokio::test]
async fn a_stranger_gets_one_answer_over_http2_and_then_goodbye() {
    let server = Running::start().await;
    let eve = Authority::new("stranger").issue(Subject::new("eve"));
    for (identity, path, code) in [(None, "/healthz", 200), (Some(&eve), "/apis", 401)] {
        let mut conversation = server
            .talk(Dial {
                identity,
                ..Dial::default()
            })
            .await;
        assert_eq!(conversation.get(path).await.code, code);
        closed(&mut conversation).await;
    }
}

#[tokio::test]
async fn over_http1_a_stranger_may_stay() {
    let server = Running::start().await;
    let mut conversation = server
        .talk(Dial {
            http1: true,
            ..Dial::default()
        })
        .await;
    assert_eq!(conversation.get("/healthz").await.code, 200);
    assert_eq!(conversation.get("/healthz").await.code, 200);
}

#[tokio::test]
async fn http_1_0_is_spoken_too() {
    let server = Running::start().await;
    let dial = Dial {
        http1: true,
        ..Dial::default()
    };
    let mut stream = server.connect(&dial).await.unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.0\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
}

#[tokio::test]
async fn requests_under_way_are_answered_before_the_server_ends() {
    let server = Running::start().await;
    let identity = server.identity("bob");
    let mut bob = server.as_user(&identity).await;
    let stopping = async {
        server.gate.reached(1).await;
        server.stop.stop();
        // No more connections are taken: once that shows, draining has begun.
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        server.gate.open();
    };
    let (reply, ()) = tokio::join!(bob.get("/apis/held"), stopping);
    assert_eq!(reply.code, 200);
    drop(bob);
    server.tasks.finished().await;
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_off_by_the_drain_limit() {
    let short = |config: &mut Config| config.limits.drain = Duration::from_millis(50);
    let server = Running::with(FakeAccess::allowing(), short).await;
    let identity = server.identity("bob");
    let mut bob = server.as_user(&identity).await;
    let stopping = async {
        server.gate.reached(1).await;
        server.stop.stop();
    };
    let (reply, ()) = tokio::join!(bob.send(Method::GET, "/apis/held", &[]), stopping);
    assert!(reply.is_err());
}

#[tokio::test]
async fn readiness_fails_first_while_requests_are_still_served() {
    let (stop, stopped) = Stop::channel();
    let check = shutdown_check(stopped);
    let health = Health::default();
    health.add(check);
    assert_eq!(health.report(Probe::Readyz)[0].result, Ok(None));
    stop.stop();
    assert!(health.report(Probe::Readyz)[0].result.is_err());
    assert!(health.report(Probe::Livez).is_empty());
}

#[tokio::test]
async fn idle_and_silent_connections_are_closed() {
    for served in [true, false] {
        let short = |config: &mut Config| {
            let (idle, header) = (&mut config.limits.idle, &mut config.limits.header);
            *(if served { idle } else { header }) = Duration::from_millis(50);
        };
        let server = Running::with(FakeAccess::allowing(), short).await;
        let identity = server.identity("bob");
        let mut bob = server.as_user(&identity).await;
        if served {
            assert_eq!(bob.get("/apis/echo").await.code, 200);
        }
        closed(&mut bob).await;
    }
}

#[tokio::test]
async fn a_handshake_that_never_comes_is_given_up() {
    let short = |config: &mut Config| config.limits.handshake = Duration::from_millis(50);
    let server = Running::with(FakeAccess::allowing(), short).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut nothing = Vec::new();
    silent.read_to_end(&mut nothing).await.unwrap();
    assert!(nothing.is_empty());
    let metrics = server.get("/metrics").await.body;
    let line = "loadline_server_tls_handshake_failures_total{reason=\"Timeout\"} 1";
    assert!(metrics.lines().any(|l| l == line), "{metrics}");
}

#[tokio::test]
async fn connections_above_the_limit_wait_for_one_to_end() {
    let one = |config: &mut Config| config.limits.connections = 1;
    let server = Running::with(FakeAccess::allowing(), one).await;
    let identity = server.identity("bob");
    let mut first = server.as_user(&identity).await;
    assert_eq!(first.get("/apis/echo").await.code, 200);
    let second = async { server.as_user(&identity).await.get("/apis/echo").await.code };
    let mut second = std::pin::pin!(second);
    assert!(futures_util::poll!(second.as_mut()).is_pending());
    assert_eq!(first.get("/apis/echo").await.code, 200);
    drop(first);
    assert_eq!(second.await, 200);
}

#[tokio::test]
async fn bare_connections_take_the_places_of_each_other_and_of_nobody_who_is_served() {
    let few = |config: &mut Config| {
        config.limits.newcomers_of_one = 3;
        config.limits.connections_of_one = 3;
    };
    let server = Running::with(FakeAccess::allowing(), few).await;
    let identity = server.identity("bob");
    let mut first = server.as_user(&identity).await;
    assert_eq!(first.get("/apis/echo").await.code, 200);
    let mut bare = Vec::new();
    for _ in 0..10 {
        bare.push(TcpStream::connect(server.address).await.unwrap());
    }
    let mut second = server.as_user(&identity).await;
    assert_eq!(second.get("/apis/echo").await.code, 200);
    assert_eq!(first.get("/apis/echo").await.code, 200);
    let mut nothing = Vec::new();
    bare[0].read_to_end(&mut nothing).await.unwrap();
    assert!(nothing.is_empty(), "the oldest one was closed");
}
