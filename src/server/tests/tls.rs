//! What is agreed on in the handshake.

use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

use super::*;

#[tokio::test]
async fn both_versions_and_both_protocols_are_spoken() {
    let server = Running::start().await;
    let identity = server.identity("bob");
    for only in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for http1 in [true, false] {
            let dial = Dial {
                identity: Some(&identity),
                http1,
                only: Some(only),
            };
            let reply = server.talk(dial).await.get("/apis/echo").await;
            assert!(
                reply.body.contains(r#""user":"bob""#),
                "{only:?} {}",
                reply.body
            );
        }
    }
}

#[tokio::test]
async fn versions_and_protocols_can_be_narrowed() {
    let narrow = |config: &mut Config| {
        config.tls.min_version = MinTlsVersion::Tls13;
        config.http2 = false;
    };
    let server = Running::with(FakeAccess::allowing(), narrow).await;
    let old = Dial {
        only: Some(&rustls::version::TLS12),
        ..Dial::default()
    };
    assert!(server.connect(&old).await.is_err());
    let both: Vec<Vec<u8>> = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut config = client_config(Arc::clone(&server.roots), &Dial::default());
    config.alpn_protocols = both;
    let stream = server.connect_with(config).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[tokio::test]
async fn cipher_suites_can_be_narrowed() {
    let suites = vec![CipherSuite::EcdsaAes256Gcm];
    let narrow = |config: &mut Config| config.tls.cipher_suites = Some(suites.clone());
    let server = Running::with(FakeAccess::allowing(), narrow).await;
    let old = Dial {
        only: Some(&rustls::version::TLS12),
        ..Dial::default()
    };
    let stream = server.connect(&old).await.unwrap();
    let agreed = stream
        .get_ref()
        .1
        .negotiated_cipher_suite()
        .unwrap()
        .suite();
    assert_eq!(
        agreed,
        rustls::CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
    );
    assert!(
        server.connect(&Dial::default()).await.is_ok(),
        "TLS 1.3 keeps its own"
    );
}

#[tokio::test]
async fn key_exchanges_can_be_narrowed() {
    let narrow = |config: &mut Config| config.tls.key_exchanges = Some(vec![KeyExchange::P384]);
    let server = Running::with(FakeAccess::allowing(), narrow).await;
    let stream = server.connect(&Dial::default()).await.unwrap();
    let group = stream.get_ref().1.negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), rustls::NamedGroup::secp384r1);
}

/// Shows a chain with a key that is not its own, and notes which authorities were asked for.
#[derive(Debug)]
struct Impostor {
    key: Arc<CertifiedKey>,
    asked: Mutex<Vec<Vec<u8>>>,
}

impl ResolvesClientCert for Impostor {
    fn resolve(&self, hints: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        *self.asked.lock() = hints.iter().map(|h| h.to_vec()).collect();
        Some(Arc::clone(&self.key))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Connects with `chain` and `key`, asks for health, and tells which authorities were asked for.
async fn dial_with(
    server: &Running,
    chain: Vec<CertificateDer<'static>>,
    key: &Identity,
    only: &'static rustls::SupportedProtocolVersion,
) -> (std::io::Result<usize>, Vec<Vec<u8>>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let provider = super::super::tls::provider(&TlsPolicy::default());
    let key = provider
        .key_provider
        .load_private_key(key.key_der())
        .unwrap();
    let impostor = Arc::new(Impostor {
        key: Arc::new(CertifiedKey::new(chain, key)),
        asked: Mutex::default(),
    });
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[only])
        .unwrap()
        .with_root_certificates(Arc::clone(&server.roots))
        .with_client_cert_resolver(Arc::clone(&impostor) as _);
    let talked = async {
        let mut stream = server.connect_with(config).await?;
        stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await
    };
    let talked = talked.await;
    let asked = impostor.asked.lock().clone();
    (talked, asked)
}

#[tokio::test]
async fn whoever_shows_a_certificate_must_hold_its_key() {
    let server = Running::start().await;
    let (bob, mallory) = (server.identity("bob"), server.identity("mallory"));
    for only in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (honest, _) = dial_with(&server, bob.chain.clone(), &bob, only).await;
        assert!(honest.unwrap() > 0);
        let (stolen, _) = dial_with(&server, bob.chain.clone(), &mallory, only).await;
        assert!(stolen.is_err(), "{only:?}");
    }
}

#[tokio::test]
async fn the_trusted_authorities_are_asked_for_as_they_are_now() {
    let server = Running::start().await;
    let asked = async || {
        let bob = server.identity("bob");
        let (talked, asked) =
            dial_with(&server, bob.chain.clone(), &bob, &rustls::version::TLS13).await;
        talked.unwrap();
        asked
    };
    let holds = |hints: &[Vec<u8>], name: &str| {
        let found = |hint: &Vec<u8>| hint.windows(name.len()).any(|w| w == name.as_bytes());
        hints.iter().any(found)
    };
    let before = asked().await;
    assert_eq!(before.len(), 2);
    assert!(holds(&before, "client-ca") && holds(&before, "proxy-ca"));
    let new_ca = Authority::new("rotated-ca");
    server
        .trust
        .apply_config_map(&config_map(&server.client_ca, &new_ca, "[]"));
    let after = asked().await;
    assert!(holds(&after, "rotated-ca") && !holds(&after, "proxy-ca"));
}

#[tokio::test]
async fn resumed_sessions_keep_their_certificate() {
    let server = Running::start().await;
    let identity = server.identity("bob");
    for only in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let dial = Dial {
            identity: Some(&identity),
            http1: true,
            only: Some(only),
        };
        let config = client_config(Arc::clone(&server.roots), &dial);
        for resumed in [false, true] {
            let stream = server.connect_with(config.clone()).await.unwrap();
            let kind = stream.get_ref().1.handshake_kind();
            let io = TokioIo::new(stream);
            let (sender, connection) = http1::handshake(io).await.unwrap();
            drop(
                server
                    .tasks
                    .spawn_passing("client", async { drop(connection.await) }),
            );
            let reply = Conversation::Http1(sender).get("/apis/echo").await;
            assert!(reply.body.contains(r#""user":"bob""#), "{}", reply.body);
            let expected = resumed.then_some(rustls::HandshakeKind::Resumed);
            assert!(expected.is_none() || kind == expected, "{only:?}: {kind:?}");
        }
    }
}
