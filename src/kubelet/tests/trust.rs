use super::*;

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
    assert!(!explain(&error, Platform::default()).remedy.is_empty());
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
async fn a_rotated_token_is_sent_after_ten_seconds_or_after_a_401() {
    let refused = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    let ca = Ca::new("cluster");
    let script = move |n| Reply::Send(if n == 2 { refused.into() } else { ok("x 1") });
    let server = Server::tls(&valid(&ca, &["node-1"]), None, script).await;
    let file = Scratch::new("one\n");
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
    let file = Scratch::new(&old.pem());
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
