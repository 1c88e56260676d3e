//! What one round finds and does.

use http::Method;
use k8s_openapi::ByteString;
use serde_json::json;

use super::super::contents::Contents;
use super::*;
use crate::auth::testing::{Authority, Identity, Subject};
use crate::peer::Identities;

fn pem(authorities: &[AuthorityCertificate]) -> Vec<&[u8]> {
    authorities.iter().map(|one| &**one.der()).collect()
}

fn identity(authority: &Authority, names: &[&str]) -> Identity {
    let usages = [rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    authority.issue_for(Subject::new("given").usages(&usages), names)
}

/// Puts somebody else's Secret there.
fn give(cluster: &Cluster, identity: &Identity, authority: Option<&Authority>) {
    let (chain, key) = identity.pem();
    let bytes = |text: String| serde_json::to_value(ByteString(text.into_bytes())).unwrap();
    let mut data = json!({ "tls.crt": bytes(chain), "tls.key": bytes(key) });
    if let Some(authority) = authority {
        data["ca.crt"] = bytes(authority.pem());
    }
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": { "name": "loadline-serving", "namespace": "kube-system" },
        "data": data,
    });
    cluster.api.put(SECRET_PATH, secret);
}

#[tokio::test]
async fn the_first_round_makes_all_that_verified_tls_needs() {
    let cluster = Cluster::new();
    let mut replica = cluster.replica();
    assert!(!replica.is_ready() && !cluster.is_verified(&replica));
    assert!(replica.round().await);
    assert!(replica.is_ready() && cluster.is_verified(&replica));
    assert_eq!(cluster.trusted(V1).len(), 1);
    assert_eq!(cluster.trusted(V1), cluster.trusted(V1BETA1));
    let secret = cluster.api.object(SECRET_PATH).unwrap();
    assert_eq!(secret["type"], "kubernetes.io/tls");
    let label = "app.kubernetes.io/managed-by";
    assert_eq!(secret["metadata"]["labels"][label], "loadline");
    assert!(replica.metric("loadline_serving_ca_expiry_timestamp_seconds") > Some(0));
    let patched = "loadline_serving_ca_bundle_patches_total{apiservice=\"v1.metrics.k8s.io\"}";
    assert_eq!(replica.metric(patched), Some(1));
    cluster.api.writes();
    assert!(replica.round().await);
    assert!(
        cluster.api.writes().is_empty(),
        "a quiet cluster is not written to"
    );
}

#[tokio::test]
async fn replicas_started_at_once_agree_on_one_authority() {
    let cluster = Cluster::new();
    let (mut a, mut b, mut c) = (cluster.replica(), cluster.replica(), cluster.replica());
    let (a_well, b_well, c_well) = tokio::join!(a.round(), b.round(), c.round());
    assert!(a_well && b_well && c_well);
    assert_eq!((a.shown(), b.shown()), (c.shown(), c.shown()));
    assert!(cluster.is_verified(&a));
    let secrets = cluster.api.writes().into_iter();
    let secrets: Vec<_> = secrets.filter(|w| w.ends_with(SECRET_PATH)).collect();
    assert_eq!(secrets, [format!("POST {SECRET_PATH}")]);
    let made = "loadline_serving_rotations_total{what=\"Authority\"}";
    let made: u64 = [&a, &b, &c].iter().filter_map(|r| r.metric(made)).sum();
    assert_eq!(made, 1, "what nobody uses is not counted");
}

#[tokio::test]
async fn whoever_reads_the_secret_is_a_replica_to_the_others_and_nobody_else() {
    let cluster = Cluster::new();
    let (mut a, one) = introduced(cluster.replica());
    let (mut b, other) = introduced(cluster.replica());
    assert!(a.round().await && b.round().await);
    let (one, other) = (
        one.identity().await.unwrap(),
        other.identity().await.unwrap(),
    );
    let now = cluster.clock.now();
    assert!(one.admits(std::slice::from_ref(&other.certificate), now));
    assert!(other.admits(std::slice::from_ref(&one.certificate), now));
    // What all replicas serve with opens nothing, though the same authority signed it.
    assert!(!one.admits(&[a.shown()], now));
    assert_eq!(one.server_name, SERVER);
    let trusted = cluster.trusted(V1);
    assert_eq!(one.server_authorities, [trusted[0].der().clone()]);
    let (mut stranger, third) = introduced(Cluster::new().replica());
    stranger.round().await;
    let third = third.identity().await.unwrap();
    assert!(!one.admits(std::slice::from_ref(&third.certificate), now));
}

#[tokio::test]
async fn without_an_authority_of_our_own_there_is_nothing_to_be_known_by() {
    let cluster = Cluster::new();
    let authority = Authority::new("somebody");
    let given = identity(&authority, &[SERVER]);
    give(&cluster, &given, Some(&authority));
    let (mut replica, identities) = introduced(cluster.replica());
    assert!(replica.round().await);
    assert!(identities.identity().await.is_none());
}

fn introduced(replica: Replica) -> (Replica, Arc<Identities>) {
    let identities = Identities::new();
    let keeper = replica.keeper.introducing(Arc::clone(&identities));
    (Replica { keeper, ..replica }, identities)
}

#[tokio::test]
async fn a_bundle_somebody_changed_is_put_right() {
    let cluster = Cluster::new();
    let mut replica = cluster.replica();
    replica.round().await;
    let stranger = Authority::new("stranger");
    for change in [
        json!({ "caBundle": null }),
        json!({ "caBundle": null, "insecureSkipTLSVerify": true }),
        json!({ "caBundle": ByteString(stranger.pem().into_bytes()) }),
    ] {
        cluster.api.change_apiservice(V1BETA1, |object| {
            for (key, value) in change.as_object().unwrap() {
                object["spec"][key] = value.clone();
            }
        });
        assert!(!cluster.is_verified(&replica), "{change}");
        assert!(replica.round().await);
        assert!(cluster.is_verified(&replica), "{change}");
        assert_eq!(cluster.trusted(V1), cluster.trusted(V1BETA1), "{change}");
    }
}

#[tokio::test]
async fn an_apiservice_that_leads_elsewhere_is_left_alone() {
    let cluster = Cluster::new();
    cluster.api.register(V1BETA1, "metrics-server");
    let before = cluster.api.apiservice(V1BETA1);
    let mut replica = cluster.replica();
    assert!(replica.round().await);
    assert_eq!(cluster.api.apiservice(V1BETA1), before);
    assert!(cluster.takes(&cluster.trusted(V1), &replica));
}

#[tokio::test]
async fn a_spoiled_or_lost_secret_is_mended_while_requests_go_on() {
    let garbage = json!("Z2FyYmFnZQ==");
    let spoil: [&dyn Fn(&ApiServer); 5] = [
        &|api| api.delete(SECRET_PATH),
        &|api| api.change(SECRET_PATH, |secret| secret["data"] = json!(null)),
        &|api| {
            for key in ["ca.crt", "ca.key", "tls.crt", "tls.key"] {
                api.change(SECRET_PATH, |secret| secret["data"][key] = garbage.clone());
            }
        },
        &|api| {
            api.change(SECRET_PATH, |secret| {
                secret["data"]["ca.key"] = garbage.clone()
            })
        },
        &|api| {
            api.change(SECRET_PATH, |secret| {
                secret["data"]["tls.crt"] = garbage.clone()
            })
        },
    ];
    for (case, spoil) in spoil.iter().enumerate() {
        let cluster = Cluster::new();
        let (mut a, mut b) = (cluster.replica(), cluster.replica());
        a.round().await;
        b.round().await;
        let before = cluster.trusted(V1);
        spoil(&cluster.api);
        for _ in 0..3 {
            for replica in [&mut a, &mut b] {
                assert!(replica.round().await, "case {case}");
                assert!(cluster.is_verified(replica), "case {case}");
                assert!(
                    cluster.takes(&before, replica),
                    "an API server that is behind: {case}"
                );
            }
            assert!(cluster.is_verified(&a), "case {case}");
        }
        let provider = super::super::super::tls::provider(&TlsPolicy::default());
        let data = cluster.api.object(SECRET_PATH).unwrap()["data"].take();
        let contents = Contents::read(&serde_json::from_value(data).unwrap(), &provider);
        assert!(
            contents.authority.is_ok() && contents.serving.is_ok(),
            "case {case}"
        );
    }
}

#[tokio::test]
async fn a_fresh_replica_that_must_start_anew_leaves_the_old_authority_trusted() {
    let cluster = Cluster::new();
    let mut old = cluster.replica();
    old.round().await;
    cluster.api.delete(SECRET_PATH);
    let mut fresh = cluster.replica();
    fresh.round().await;
    assert_ne!(fresh.shown(), old.shown());
    assert!(cluster.is_verified(&fresh) && cluster.is_verified(&old));
    assert!(old.round().await && cluster.is_verified(&old));
}

#[tokio::test]
async fn an_empty_secret_with_our_label_is_filled() {
    let cluster = Cluster::new();
    cluster.api.forbid(&Method::POST, "/api/");
    let labels = json!({ "app.kubernetes.io/managed-by": "loadline" });
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": { "name": "loadline-serving", "namespace": "kube-system", "labels": labels },
    });
    cluster.api.put(SECRET_PATH, secret);
    let mut replica = cluster.replica();
    assert!(replica.round().await && cluster.is_verified(&replica));
    let secret = cluster.api.object(SECRET_PATH).unwrap();
    assert_eq!(
        secret["type"], "Opaque",
        "the type of a Secret cannot be changed"
    );
}

#[tokio::test]
async fn an_aged_secret_is_replaced_by_a_replica_that_starts() {
    let cluster = Cluster::new();
    cluster.replica().round().await;
    cluster.clock.advance(5 * LIFETIME);
    let mut replica = cluster.replica();
    assert!(replica.round().await && cluster.is_verified(&replica));
    assert_eq!(
        cluster.trusted(V1).len(),
        1,
        "what has expired is not carried on"
    );
}

#[tokio::test]
async fn a_secret_cert_manager_took_over_is_not_ours_any_longer() {
    let cluster = Cluster::new();
    let mut replica = cluster.replica();
    replica.round().await;
    let authority = Authority::new("corporate");
    give(&cluster, &identity(&authority, &[SERVER]), Some(&authority));
    cluster.api.change(SECRET_PATH, |secret| {
        secret["metadata"]["labels"] = json!({ "app.kubernetes.io/managed-by": "loadline" });
        secret["metadata"]["annotations"] = json!({ "cert-manager.io/certificate-name": "x" });
    });
    let (before, ours) = (replica.shown(), cluster.trusted(V1));
    cluster.api.writes();
    assert!(replica.round().await);
    assert_eq!(
        replica.shown(),
        before,
        "its authority has to be heard of first"
    );
    assert_eq!(cluster.trusted(V1).len(), 2);
    cluster.clock.advance(Duration::from_secs(300));
    assert!(replica.round().await && cluster.is_verified(&replica));
    assert_ne!(replica.shown(), before);
    assert!(!cluster.takes(&ours, &replica));
    let writes = cluster.api.writes();
    assert!(
        !writes.iter().any(|w| w.ends_with(SECRET_PATH)),
        "{writes:?}"
    );
}

#[tokio::test]
async fn a_replica_with_an_operators_files_stays_trusted_when_the_first_with_a_secret_starts() {
    let cluster = Cluster::new();
    let operator = Authority::new("operator");
    for name in [V1, V1BETA1] {
        cluster.api.change_apiservice(name, |object| {
            object["spec"]["insecureSkipTLSVerify"] = json!(null);
            object["spec"]["caBundle"] = json!(ByteString(operator.pem().into_bytes()));
        });
    }
    let mut replica = cluster.replica();
    assert!(replica.round().await && cluster.is_verified(&replica));
    let trusted = cluster.trusted(V1);
    assert_eq!(pem(&trusted[1..]), [&*operator.der()]);
}

#[tokio::test]
async fn two_releases_with_other_names_do_not_fight() {
    let cluster = Cluster::new();
    let (mut old, mut new) = (cluster.replica_of("metrics-server"), cluster.replica());
    for _ in 0..3 {
        old.round().await;
        new.round().await;
    }
    assert!(cluster.is_verified(&new));
    cluster.api.writes();
    assert!(old.round().await && new.round().await);
    assert!(cluster.api.writes().is_empty());
}

#[tokio::test]
async fn somebody_elses_secret_is_followed_and_never_written() {
    let cluster = Cluster::new();
    let authority = Authority::new("corporate");
    let given = identity(&authority, &[SERVER]);
    give(&cluster, &given, Some(&authority));
    let mut replica = cluster.replica();
    assert!(replica.round().await);
    assert_eq!(replica.shown(), given.chain[0]);
    assert!(cluster.is_verified(&replica));
    let next = identity(&authority, &["*.kube-system.svc"]);
    give(&cluster, &next, Some(&authority));
    // The same authority, but who knows: it has to be trusted for a while as any other.
    cluster.clock.advance(Duration::from_secs(300));
    assert!(replica.round().await);
    assert_eq!(replica.shown(), next.chain[0]);
    for useless in [
        identity(&authority, &["elsewhere.kube-system.svc"]),
        authority.issue_for(Subject::new("x").lifetime(Duration::ZERO), &[SERVER]),
    ] {
        give(&cluster, &useless, Some(&authority));
        cluster.clock.advance(Duration::from_secs(10));
        assert!(!replica.round().await);
        assert_eq!(replica.shown(), next.chain[0]);
    }
    let writes = cluster.api.writes();
    assert!(
        !writes.iter().any(|w| w.ends_with(SECRET_PATH)),
        "{writes:?}"
    );
}

#[tokio::test]
async fn a_replica_that_starts_with_a_certificate_the_api_server_refuses_is_not_ready() {
    let cluster = Cluster::new();
    let mut first = cluster.replica();
    assert!(first.round().await);
    let authority = Authority::new("corporate");
    give(&cluster, &identity(&authority, &["elsewhere"]), None);
    let mut next = cluster.replica();
    assert!(!first.round().await && !next.round().await);
    assert!(first.is_ready(), "it shows what is trusted");
    assert!(!next.is_ready());
    give(&cluster, &identity(&authority, &[SERVER]), Some(&authority));
    assert!(next.round().await);
    assert!(next.is_ready());
}

#[tokio::test]
async fn who_gives_a_certificate_without_its_authority_looks_after_the_bundle() {
    let cluster = Cluster::new();
    let given = identity(&Authority::new("public"), &[SERVER]);
    give(&cluster, &given, None);
    let mut replica = cluster.replica();
    assert!(replica.round().await);
    assert_eq!(replica.shown(), given.chain[0]);
    assert!(cluster.api.writes().is_empty());
}

#[tokio::test]
async fn a_given_bundle_is_added_to_what_the_giver_wrote() {
    let cluster = Cluster::new();
    let (authority, other) = (Authority::new("corporate"), Authority::new("other"));
    for name in [V1, V1BETA1] {
        cluster.api.change_apiservice(name, |object| {
            object["spec"]["insecureSkipTLSVerify"] = json!(null);
            object["spec"]["caBundle"] = json!(ByteString(other.pem().into_bytes()));
        });
    }
    give(&cluster, &identity(&authority, &[SERVER]), Some(&authority));
    let mut replica = cluster.replica();
    assert!(replica.round().await);
    let expected = [authority.der(), other.der()];
    assert_eq!(
        pem(&cluster.trusted(V1)),
        expected.each_ref().map(|der| &**der)
    );
}

#[tokio::test]
async fn missing_rights_leave_the_certificate_in_memory_until_they_are_granted() {
    for (method, prefix) in [
        (Method::GET, SECRET_PATH),
        (Method::POST, "/api/v1/namespaces/kube-system/secrets"),
    ] {
        let cluster = Cluster::new();
        cluster.api.forbid(&method, prefix);
        let mut replica = cluster.replica();
        let in_memory = replica.shown();
        assert!(!replica.round().await);
        assert!(replica.is_ready(), "numbers are served all the same");
        assert_eq!(replica.shown(), in_memory);
        assert!(cluster.api.writes().is_empty());
        let error = replica.keeper.secret_trouble.as_ref().unwrap().to_string();
        assert!(error.contains("not allowed"), "{error}");
        assert!(error.contains("kube-system/loadline-serving"), "{error}");
        let failures = "loadline_serving_failures_total{object=\"Secret\"}";
        assert_eq!(replica.metric(failures), Some(1));
        cluster.api.allow_all();
        assert!(replica.round().await);
        assert!(cluster.is_verified(&replica));
    }
}

#[tokio::test]
async fn without_a_right_to_the_apiservices_the_shared_certificate_is_served_all_the_same() {
    let cluster = Cluster::new();
    cluster.api.forbid(&Method::PATCH, "/apis/");
    let mut replica = cluster.replica();
    let in_memory = replica.shown();
    assert!(!replica.round().await);
    assert_ne!(replica.shown(), in_memory);
    assert!(replica.keeper.trust_trouble.is_some());
    cluster.api.allow_all();
    assert!(replica.round().await && cluster.is_verified(&replica));
    assert!(replica.keeper.trust_trouble.is_none());
}

#[tokio::test]
async fn no_key_is_in_what_debugging_prints() {
    let cluster = Cluster::new();
    let mut replica = cluster.replica();
    replica.round().await;
    let said = format!("{:?} {:?}", replica.keeper.secret.last, replica.keeper);
    assert!(said.contains("***") && !said.contains("PRIVATE"), "{said}");
    for key in ["tls.key", "ca.key"] {
        let pem = String::from_utf8(cluster.api.secret(key)).unwrap();
        let line = pem.lines().nth(1).unwrap();
        assert!(pem.contains("PRIVATE KEY") && !said.contains(line));
        let der = rustls_pki_types::PrivateKeyDer::try_from(pem::parse(&pem).unwrap().contents())
            .unwrap()
            .secret_der()
            .to_vec();
        let listed = format!("{der:?}");
        assert!(!said.contains(listed.trim_matches(['[', ']'])));
    }
}
