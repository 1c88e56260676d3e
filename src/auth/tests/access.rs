//! What is asked of the API server, how often, and what is told to those who may not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use k8s_openapi::api::authorization::v1::SubjectAccessReviewStatus;
use serde_json::{Value, json};

use super::super::question::question;
use super::super::testing::{FakeAccess, allowed};
use super::*;
use crate::apimachinery::RequestInfo;

pub(super) fn authorization(reviewer: &Arc<FakeAccess>, clock: &Arc<TestClock>) -> Authorization {
    Authorization::new(
        &Config::default(),
        Arc::clone(reviewer) as _,
        Arc::clone(clock) as _,
        Tasks::new(Stop::channel().0),
        Arc::default(),
    )
}

pub(super) fn user(name: &str, groups: &[&str]) -> User {
    User {
        name: name.into(),
        groups: groups.iter().map(|g| (*g).to_owned()).collect(),
        ..User::default()
    }
}

fn request(method: &str, uri: &str) -> RequestInfo {
    let (path, query) = uri
        .split_once('?')
        .map_or((uri, None), |(p, q)| (p, Some(q)));
    let method: Method = method.parse().unwrap();
    RequestInfo::new(&method, path, query).unwrap()
}

/// What is asked on behalf of bob, without bob.
fn asked(method: &str, uri: &str) -> Value {
    let mut spec =
        serde_json::to_value(question(&user("bob", &[]), &request(method, uri))).unwrap();
    assert_eq!(spec["user"], "bob");
    spec.as_object_mut().unwrap().remove("user");
    spec
}

const G: &str = "/apis/metrics.k8s.io/v1beta1";

#[test]
fn a_review_asks_what_the_request_wants() {
    let resource = |more: Value| {
        let mut all = json!({"group": "metrics.k8s.io", "version": "v1beta1"});
        let own = more.as_object().unwrap().clone();
        all.as_object_mut().unwrap().extend(own);
        json!({"resourceAttributes": all})
    };
    for (method, tail, expected) in [
        (
            "GET",
            "/nodes",
            json!({"verb": "list", "resource": "nodes"}),
        ),
        (
            "GET",
            "/nodes/n1",
            json!({"verb": "get", "resource": "nodes", "name": "n1"}),
        ),
        (
            "HEAD",
            "/nodes/n1",
            json!({"verb": "get", "resource": "nodes", "name": "n1"}),
        ),
        (
            "GET",
            "/namespaces/a/pods",
            json!({"verb": "list", "resource": "pods", "namespace": "a"}),
        ),
        (
            "GET",
            "/namespaces/a/pods/p",
            json!({"verb": "get", "resource": "pods", "namespace": "a", "name": "p"}),
        ),
        ("GET", "/pods", json!({"verb": "list", "resource": "pods"})),
        (
            "GET",
            "/pods?watch=true",
            json!({"verb": "watch", "resource": "pods"}),
        ),
        (
            "POST",
            "/nodes",
            json!({"verb": "create", "resource": "nodes"}),
        ),
        (
            "DELETE",
            "/nodes",
            json!({"verb": "deletecollection", "resource": "nodes"}),
        ),
    ] {
        assert_eq!(
            asked(method, &format!("{G}{tail}")),
            resource(expected),
            "{method} {tail}"
        );
    }
}

#[test]
fn paths_are_asked_for_by_path_and_method() {
    for (method, path, verb) in [
        ("GET", "/metrics", "get"),
        ("GET", G, "get"),
        ("POST", "/", "post"),
    ] {
        let expected = json!({"nonResourceAttributes": {"path": path, "verb": verb}});
        assert_eq!(asked(method, path), expected, "{method} {path}");
    }
}

#[test]
fn selectors_are_passed_on_as_far_as_a_review_can_express_them() {
    let fields = asked(
        "GET",
        &format!("{G}/nodes?fieldSelector=metadata.name%3Dn1"),
    );
    let attributes = &fields["resourceAttributes"];
    assert_eq!(attributes["name"], "n1");
    assert_eq!(
        attributes["fieldSelector"],
        json!({"requirements": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]})
    );
    let labels = asked(
        "GET",
        &format!("{G}/pods?labelSelector=app%20in%20(a,b),!x,n%3E3,y"),
    );
    assert_eq!(
        labels["resourceAttributes"]["labelSelector"],
        json!({"requirements": [
            {"key": "app", "operator": "In", "values": ["a", "b"]},
            {"key": "x", "operator": "DoesNotExist"},
            {"key": "y", "operator": "Exists"},
        ]})
    );
    let broken = asked("GET", &format!("{G}/pods?labelSelector=%3D"));
    assert_eq!(broken["resourceAttributes"].get("labelSelector"), None);
}

#[test]
fn the_whole_identity_is_passed_on() {
    let who = User {
        uid: "u1".into(),
        extra: [("k".to_owned(), vec!["v".to_owned()])].into(),
        ..user("bob", &["dev", ALL_AUTHENTICATED])
    };
    let spec = serde_json::to_value(question(&who, &request("GET", "/metrics"))).unwrap();
    assert_eq!(spec["uid"], "u1");
    assert_eq!(spec["groups"], json!(["dev", ALL_AUTHENTICATED]));
    assert_eq!(spec["extra"], json!({"k": ["v"]}));
}

#[tokio::test]
async fn masters_and_always_allowed_paths_need_no_review() {
    let (reviewer, clock) = (FakeAccess::denying(), TestClock::new());
    let authorization = authorization(&reviewer, &clock);
    let decide = async |who: User, uri: &str| {
        authorization
            .decide(&who, &request("GET", uri))
            .await
            .unwrap()
    };
    let root = user("root", &["x", MASTERS]);
    assert_eq!(decide(root, "/metrics").await, Decision::Allow);
    for path in ["/healthz", "/livez", "/readyz"] {
        assert_eq!(decide(User::anonymous(), path).await, Decision::Allow);
    }
    assert_eq!(reviewer.count(), 0);
    let denied = Decision::Deny {
        reason: String::new(),
    };
    assert_eq!(decide(User::anonymous(), "/readyz/ping").await, denied);
    let asked = reviewer.last();
    assert_eq!(asked.user.as_deref(), Some(ANONYMOUS));
    assert_eq!(asked.groups.unwrap(), [ALL_UNAUTHENTICATED]);
}

#[tokio::test]
async fn an_always_allowed_prefix_does_not_cover_resources() {
    let reviewer = FakeAccess::denying();
    let config = Config {
        always_allow_paths: AlwaysAllowPaths::new(["/apis/*"]).unwrap(),
        ..Config::default()
    };
    let authorization = Authorization::new(
        &config,
        Arc::clone(&reviewer) as _,
        TestClock::new(),
        Tasks::new(Stop::channel().0),
        Arc::default(),
    );
    let bob = user("bob", &[]);
    let path = authorization.decide(&bob, &request("GET", G)).await;
    assert_eq!(path.unwrap(), Decision::Allow);
    let nodes = request("GET", &format!("{G}/nodes"));
    let resource = authorization.decide(&bob, &nodes).await;
    assert_ne!(resource.unwrap(), Decision::Allow);
}

#[tokio::test]
async fn the_same_question_is_asked_once_in_ten_seconds_and_another_at_once() {
    for reviewer in [FakeAccess::allowing(), FakeAccess::denying()] {
        let clock = TestClock::new();
        let authorization = authorization(&reviewer, &clock);
        let bob = user("bob", &[]);
        let ask = async |tail: &str| {
            let request = request("GET", &format!("{G}{tail}"));
            authorization.decide(&bob, &request).await.unwrap();
            reviewer.count()
        };
        let tails = [
            "/nodes",
            "/nodes/n1",
            "/namespaces/a/pods",
            "/pods?labelSelector=a%3Db",
        ];
        for (at, tail) in tails.iter().enumerate() {
            assert_eq!(ask(tail).await, at + 1, "{tail}");
            assert_eq!(ask(tail).await, at + 1, "{tail} again");
        }
        clock.advance(Duration::from_secs(11));
        assert_eq!(ask("/nodes").await, tails.len() + 1);
    }
}

#[tokio::test]
async fn many_who_ask_the_same_wait_for_one_review() {
    let (reviewer, clock) = (FakeAccess::allowing(), TestClock::new());
    let authorization = authorization(&reviewer, &clock);
    let (bob, request) = (user("bob", &[]), request("GET", "/metrics"));
    let all = join_all((0..50).map(|_| authorization.decide(&bob, &request))).await;
    assert!(all.into_iter().all(|d| d.unwrap() == Decision::Allow));
    assert_eq!(reviewer.count(), 1);
}

#[tokio::test]
async fn an_oversized_question_is_asked_each_time() {
    let (reviewer, clock) = (FakeAccess::allowing(), TestClock::new());
    let authorization = authorization(&reviewer, &clock);
    let long = request("GET", &format!("/{}", "x".repeat(10_000)));
    for _ in 0..2 {
        authorization
            .decide(&user("bob", &[]), &long)
            .await
            .unwrap();
    }
    assert_eq!(reviewer.count(), 2);
}

#[tokio::test]
async fn a_failed_or_contradictory_review_is_an_error_and_not_remembered() {
    let turn = AtomicUsize::new(0);
    let reviewer = FakeAccess::new(move |_| match turn.fetch_add(1, Ordering::SeqCst) {
        0 => Err(ReviewError::Timeout),
        1 => Ok(SubjectAccessReviewStatus {
            denied: Some(true),
            ..allowed(true)
        }),
        _ => Ok(allowed(true)),
    });
    let authorization = authorization(&reviewer, &TestClock::new());
    let (bob, request) = (user("bob", &[]), request("GET", "/metrics"));
    assert!(authorization.decide(&bob, &request).await.is_err());
    assert!(authorization.decide(&bob, &request).await.is_err());
    let third = authorization.decide(&bob, &request).await.unwrap();
    assert_eq!(third, Decision::Allow);
}
