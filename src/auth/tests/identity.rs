//! Who is believed to be whom: the front proxy's word, client certificates, nobody.

use std::collections::BTreeMap;
use std::time::Duration;

use rcgen::ExtendedKeyUsagePurpose;

use super::*;

const UID_ATTRIBUTE: &[u64] = &[1, 3, 6, 1, 4, 1, 57683, 2];
const COMMON_NAME: &[u64] = &[2, 5, 4, 3];
const ORGANIZATION: &[u64] = &[2, 5, 4, 10];

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|t| (*t).to_owned()).collect()
}

#[tokio::test]
async fn the_front_proxy_names_user_groups_uid_and_extras() {
    let world = World::new();
    let user = world
        .ask(
            &[
                ("X-Remote-User", "bob"),
                ("X-Remote-Group", "dev"),
                ("X-Remote-Group", "ops"),
                ("X-Remote-Uid", "u1"),
                ("X-Remote-Extra-Acme.com%2Fproject", "x"),
                ("X-Remote-Extra-Acme.com%2Fproject", "y"),
                ("X-Remote-Extra-Bad%zz", "z"),
            ],
            Some(&world.proxy()),
        )
        .await
        .unwrap();
    let extra = BTreeMap::from([
        ("acme.com/project".to_owned(), texts(&["x", "y"])),
        ("bad%zz".to_owned(), texts(&["z"])),
    ]);
    assert_eq!((user.name.as_str(), user.uid.as_str()), ("bob", "u1"));
    assert_eq!(user.groups, ["dev", "ops", ALL_AUTHENTICATED]);
    assert_eq!(user.extra, extra);
}

#[tokio::test]
async fn groups_the_proxy_sent_are_kept_as_they_are() {
    let world = World::new();
    let list = [
        ("X-Remote-User", "bob"),
        ("X-Remote-Group", ALL_AUTHENTICATED),
        ("X-Remote-Group", "dev"),
    ];
    let user = world.ask(&list, Some(&world.proxy())).await.unwrap();
    assert_eq!(user.groups, [ALL_AUTHENTICATED, "dev"]);
}

#[tokio::test]
async fn a_uid_counts_only_from_a_configured_header() {
    let world = World::new();
    let mut data = config_map(&world.client_ca, &world.proxy_ca, "[]");
    data.insert("requestheader-uid-headers".into(), "[]".into());
    world.trust.apply_config_map(&data);
    let list = [("X-Remote-User", "bob"), ("X-Remote-Uid", "u1")];
    let user = world.ask(&list, Some(&world.proxy())).await.unwrap();
    assert_eq!(user.uid, "");
}

#[tokio::test]
async fn only_allowed_names_may_be_the_front_proxy_unless_any_may() {
    let bob = [("X-Remote-User", "bob")];
    for (allowed, expected) in [
        (r#"["front-proxy-client"]"#, "401"),
        ("[]", "bob"),
        ("", "bob"),
    ] {
        let world = World::with(Config::default(), allowed);
        let other = peer(&world.proxy_ca, Subject::new("other"));
        assert_eq!(world.name(&bob, Some(&other)).await, expected, "{allowed}");
    }
}

#[tokio::test]
async fn remote_headers_mean_nothing_without_the_proxys_certificate() {
    let world = World::new();
    let bob = [("X-Remote-User", "bob")];
    assert_eq!(world.name(&bob, None).await, ANONYMOUS);
    let carol = peer(&world.client_ca, Subject::new("carol"));
    assert_eq!(world.name(&bob, Some(&carol)).await, "carol");
}

#[tokio::test]
async fn a_proxy_that_names_nobody_is_nobody() {
    let world = World::new();
    let empty = [("X-Remote-User", "")];
    assert_eq!(world.name(&empty, Some(&world.proxy())).await, "401");
}

#[tokio::test]
async fn bytes_that_are_no_text_become_replacement_characters_one_by_one() {
    let world = World::new();
    let mut headers = HeaderMap::new();
    // A character cut short is two bytes that are none.
    let value = HeaderValue::from_bytes(b"b\xe2\x82b\xff").unwrap();
    headers.insert("x-remote-user", value.clone());
    headers.insert("x-remote-group", value);
    let user = world
        .auth
        .authenticate(&headers, Some(&world.proxy()))
        .await
        .unwrap();
    let name = "b\u{fffd}\u{fffd}b\u{fffd}";
    assert_eq!(user.name, name);
    assert_eq!(user.groups, [name, ALL_AUTHENTICATED]);
}

#[tokio::test]
async fn a_client_certificate_gives_name_groups_uid_and_credential() {
    let world = World::new();
    let subject = Subject::new("carol")
        .organization("a")
        .attribute(ORGANIZATION, "b")
        .attribute(UID_ATTRIBUTE, "u7");
    let identity = world.client_ca.issue(subject);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &identity.chain[0]);
    let hex: String = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    let carol = Peer::new(identity.chain).unwrap();
    let user = world.ask(&[], Some(&carol)).await.unwrap();
    assert_eq!((user.name.as_str(), user.uid.as_str()), ("carol", "u7"));
    assert_eq!(user.groups, ["a", "b", ALL_AUTHENTICATED]);
    let credential = &user.extra["authentication.kubernetes.io/credential-id"];
    assert_eq!(*credential, [format!("X509SHA256={hex}")]);
}

#[tokio::test]
async fn subjects_are_read_as_go_reads_them() {
    let world = World::new();
    for (subject, expected) in [
        // No opinion of the certificate itself, but the front proxy's authority refused it.
        (Subject::new(""), "401"),
        (Subject::new("first").attribute(COMMON_NAME, "last"), "last"),
        (Subject::new("x").attribute(UID_ATTRIBUTE, ""), "401"),
        (
            Subject::new("x").usages(&[ExtendedKeyUsagePurpose::ServerAuth]),
            "401",
        ),
        (
            Subject::new("x").usages(&[ExtendedKeyUsagePurpose::Any]),
            "x",
        ),
        (Subject::new("x").usages(&[]), "x"),
    ] {
        let peer = peer(&world.client_ca, subject);
        assert_eq!(world.name(&[], Some(&peer)).await, expected);
    }
}

#[tokio::test]
async fn an_unknown_certificate_is_refused_unless_a_later_authenticator_succeeds() {
    let world = World::new();
    let stranger = peer(&Authority::new("stranger"), Subject::new("eve"));
    assert_eq!(world.name(&[], Some(&stranger)).await, "401");
    let token = [("Authorization", "Bearer T")];
    assert_eq!(world.name(&token, Some(&stranger)).await, "tina");
}

#[tokio::test]
async fn a_certificate_is_judged_anew_when_it_expires_on_an_open_connection() {
    let world = World::new();
    let short = Subject::new("carol").lifetime(Duration::from_secs(100));
    let carol = peer(&world.client_ca, short);
    assert_eq!(world.name(&[], Some(&carol)).await, "carol");
    world.clock.advance(Duration::from_secs(99));
    assert_eq!(world.name(&[], Some(&carol)).await, "carol");
    world.clock.advance(Duration::from_secs(3));
    assert_eq!(world.name(&[], Some(&carol)).await, "401");
}

#[tokio::test]
async fn a_rotated_authority_is_believed_at_once_also_on_open_connections() {
    let world = World::new();
    let bob = [("X-Remote-User", "bob")];
    let (old, new_ca) = (world.proxy(), Authority::new("proxy-ca-2"));
    let new = peer(&new_ca, Subject::new("front-proxy-client"));
    assert_eq!(world.name(&bob, Some(&old)).await, "bob");
    assert_eq!(world.name(&bob, Some(&new)).await, "401");
    let generation = world.auth.live_trust().load().generation();
    world
        .trust
        .apply_config_map(&config_map(&world.client_ca, &new_ca, "[]"));
    assert_ne!(world.auth.live_trust().load().generation(), generation);
    assert_eq!(world.name(&bob, Some(&old)).await, "401");
    assert_eq!(world.name(&bob, Some(&new)).await, "bob");
}

#[tokio::test]
async fn an_authority_that_has_ended_vouches_for_nobody() {
    let world = World::new();
    let short = Authority::lasting("short", Duration::from_secs(100));
    world
        .trust
        .apply_config_map(&config_map(&short, &world.proxy_ca, "[]"));
    let carol = peer(&short, Subject::new("carol"));
    assert_eq!(world.name(&[], Some(&carol)).await, "carol");
    world.clock.advance(Duration::from_secs(102));
    assert_eq!(world.name(&[], Some(&carol)).await, "401");
}

#[tokio::test]
async fn a_certificate_that_is_itself_an_authority_is_believed() {
    let world = World::new();
    let own = Authority::new("self-signed");
    world
        .trust
        .apply_config_map(&config_map(&own, &world.proxy_ca, "[]"));
    let peer = Peer::new(vec![own.der()]).unwrap();
    assert_eq!(world.name(&[], Some(&peer)).await, "self-signed");
}

#[tokio::test]
async fn broken_or_missing_parts_leave_the_last_good_ones_in_force() {
    let world = World::new();
    let bob = [("X-Remote-User", "bob")];
    let good = config_map(&world.client_ca, &world.proxy_ca, "[]");
    for (key, value) in [
        ("requestheader-client-ca-file", ""),
        ("requestheader-client-ca-file", "not a certificate"),
        (
            "client-ca-file",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ),
        ("requestheader-username-headers", "[broken"),
        ("requestheader-allowed-names", r#"{"not":"a list"}"#),
    ] {
        let mut data = good.clone();
        data.insert(key.into(), value.into());
        world.trust.apply_config_map(&data);
        assert_eq!(world.name(&bob, Some(&world.proxy())).await, "bob", "{key}");
        let carol = peer(&world.client_ca, Subject::new("carol"));
        assert_eq!(world.name(&[], Some(&carol)).await, "carol", "{key}");
    }
    let generation = world.auth.live_trust().load().generation();
    world.trust.apply_config_map(&BTreeMap::from([(
        "requestheader-username-headers".to_owned(),
        r#"["X-Remote-User"]"#.to_owned(),
    )]));
    assert_eq!(world.name(&[], Some(&world.proxy())).await, "401");
    assert!(
        world.auth.live_trust().load().generation() > generation,
        "lists that are gone are empty"
    );
}

#[tokio::test]
async fn nobody_is_the_front_proxy_before_the_config_map_appears() {
    let world = World::new();
    let trust = LiveTrust::new(TrustConfig::default()).unwrap();
    let auth = Authentication::new(
        &Config::default(),
        Arc::clone(&trust),
        Arc::clone(&world.tokens) as _,
        Arc::clone(&world.clock) as _,
        Tasks::new(Stop::channel().0),
        Arc::default(),
    );
    let (bob, proxy) = (headers(&[("X-Remote-User", "bob")]), world.proxy());
    let before = auth.authenticate(&bob, Some(&proxy)).await.unwrap();
    assert_eq!(before.name, ANONYMOUS);
    trust.apply_config_map(&config_map(&world.client_ca, &world.proxy_ca, "[]"));
    let after = auth.authenticate(&bob, Some(&proxy)).await.unwrap();
    assert_eq!(after.name, "bob");
}

#[tokio::test]
async fn without_credentials_a_caller_is_anonymous_unless_that_is_forbidden() {
    let world = World::new();
    let user = world
        .ask(&[("Authorization", "Basic x")], None)
        .await
        .unwrap();
    assert_eq!(user, User::anonymous());
    assert_eq!(user.groups, [ALL_UNAUTHENTICATED]);
    let closed = Config {
        anonymous: false,
        ..Config::default()
    };
    let world = World::with(closed, "[]");
    assert_eq!(world.name(&[], None).await, "401");
}

#[tokio::test]
async fn credentials_and_claims_are_taken_out() {
    let world = World::new();
    let mut data = config_map(&world.client_ca, &world.proxy_ca, "[]");
    data.insert(
        "requestheader-username-headers".into(),
        r#"["X-Boss"]"#.into(),
    );
    world.trust.apply_config_map(&data);
    let mut list = headers(&[
        ("Authorization", "Bearer T"),
        ("X-Remote-User", "bob"),
        ("X-Remote-Uid", "1"),
        ("X-Remote-Group", "dev"),
        ("X-Remote-Extra-Scopes", "all"),
        ("X-Boss", "bob"),
        ("Accept", "*/*"),
    ]);
    world.auth.strip(&mut list);
    assert_eq!(list, headers(&[("Accept", "*/*")]));
}
