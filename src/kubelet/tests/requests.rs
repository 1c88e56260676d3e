use super::*;

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

/// Enough for a handshake on a busy machine, since these tests are about what comes after it.
const HASTY: Duration = Duration::from_secs(1);

async fn phase_at_the_deadline(client: &KubeletClient, target: &Target) -> Phase {
    match once(client, target).await {
        Err(Error::Timeout { phase, .. }) => phase,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_way_to_hang_ends_at_the_deadline_and_names_its_phase() {
    let ca = Ca::new("cluster");
    let identity = valid(&ca, &["node-1"]);
    let config = Config {
        request_timeout: HASTY,
        ..trusting(&ca)
    };
    let client = client(config).await;
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345";
    let answers = ["", "HTTP/1.1 200 OK\r\n", half].map(async |begin| {
        let script = move |_| Reply::SendAndHang(begin.into());
        let server = Server::tls(&identity, None, script).await;
        phase_at_the_deadline(&client, &target(&server, "node-1")).await
    });
    // Accepts connections by the backlog alone and never says a word.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = at("node-1", "127.0.0.1", silent.local_addr().unwrap().port());
    let (answers, silence) = tokio::join!(
        futures_util::future::join_all(answers),
        phase_at_the_deadline(&client, &silent)
    );
    assert_eq!(answers, [Phase::Reading; 3]);
    assert_eq!(silence, Phase::Handshaking);
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
        request_timeout: HASTY,
        ..Config::new(Trust::CompletelyInsecure)
    };
    let (client, mut connection) = (client(config).await, Connection::new());
    let target = target(&server, "node-1");
    get(&client, &target, &mut connection).await.unwrap();
    let error = get(&client, &target, &mut connection).await.unwrap_err();
    assert_eq!(error.cause(), "timeout");
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
async fn an_error_without_words_does_not_end_in_a_colon() {
    let client = client(Config::new(Trust::CompletelyInsecure)).await;
    let server = Server::plain(always("HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n\r\n")).await;
    let mut connection = Connection::new();
    let error = get(&client, &target(&server, "node-1"), &mut connection).await;
    let story = error.unwrap_err().story();
    assert_eq!(story, "the kubelet answered 500: nothing is said of it");
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
async fn a_summary_comes_over_the_same_connection_if_that_is_idle() {
    let ca = Ca::new("cluster");
    let server = Server::tls(&valid(&ca, &["node-1"]), None, always(&ok("x 1"))).await;
    let client = client(trusting(&ca)).await;
    let (ours, theirs) = {
        let connection = Connection::new();
        (connection.clone(), connection)
    };
    let resource = target(&server, "node-1");
    let summary = resource.clone().summary();
    assert_eq!(summary.path(), "/stats/summary");
    let buffers = Buffers::keeping(0);
    let (mut one, mut other) = (buffers.lend(), buffers.lend());
    client.get(&resource, &ours, &mut one).await.unwrap();
    client.get(&summary, &theirs, &mut one).await.unwrap();
    assert_eq!(server.connections(), [0, 0]);
    let both = tokio::join!(
        client.get(&resource, &ours, &mut one),
        client.get(&summary, &theirs, &mut other)
    );
    assert!(both.0.is_ok() && both.1.is_ok());
    let connections = server.connections();
    assert!(connections.contains(&1) && !connections.contains(&2));
    // Whichever stays open, it serves on.
    client.get(&summary, &theirs, &mut one).await.unwrap();
    assert!(!server.connections().contains(&2));
}

#[tokio::test]
async fn a_bound_of_its_own_ends_a_request() {
    let ca = Ca::new("cluster");
    let one = |number| match number {
        0 => Reply::Send(ok("x 1")),
        _ => Reply::SendAndHang(String::new()),
    };
    let server = Server::tls(&valid(&ca, &["node-1"]), None, one).await;
    let client = client(trusting(&ca)).await;
    let target = target(&server, "node-1").summary();
    let mut connection = Connection::new();
    get(&client, &target, &mut connection).await.unwrap();
    let buffers = Buffers::keeping(0);
    let mut buffer = buffers.lend();
    let after = Duration::from_millis(50);
    let asked = client.get_within(after, &target, &connection, &mut buffer);
    let Err(Error::Timeout { after: bound, .. }) = asked.await else {
        panic!("it ended otherwise");
    };
    assert_eq!(bound, after);
    assert!(!buffer.is_taken(), "nothing came");
}
