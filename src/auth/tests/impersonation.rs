//! Asking in the name of others.

use k8s_openapi::api::authorization::v1::SubjectAccessReviewSpec;

use super::super::testing::FakeAccess;
use super::access::{authorization, user};
use super::*;

fn claims(list: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in list {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

/// Resource, group, namespace, name and subresource of a question.
fn parts(spec: &SubjectAccessReviewSpec) -> [String; 5] {
    let r = spec.resource_attributes.clone().unwrap();
    assert_eq!(r.verb.as_deref(), Some("impersonate"));
    [r.resource, r.group, r.namespace, r.name, r.subresource].map(Option::unwrap_or_default)
}

#[tokio::test]
async fn acting_for_another_needs_permission_for_each_part_of_the_identity() {
    let reviewer = FakeAccess::allowing();
    let authorization = authorization(&reviewer, &TestClock::new());
    let mut headers = claims(&[
        ("impersonate-user", "ann"),
        ("impersonate-group", "dev"),
        ("impersonate-uid", "u9"),
        ("impersonate-extra-acme.com%2fp", "v"),
        ("accept", "*/*"),
    ]);
    let bob = user("bob", &[ALL_AUTHENTICATED]);
    let ann = authorization.impersonate(bob, &mut headers).await.unwrap();
    assert_eq!((ann.name.as_str(), ann.uid.as_str()), ("ann", "u9"));
    assert_eq!(ann.groups, ["dev", ALL_AUTHENTICATED]);
    assert_eq!(ann.extra["acme.com/p"], ["v"]);
    assert_eq!(headers, claims(&[("accept", "*/*")]));
    let asked: Vec<_> = reviewer.asked.lock().iter().map(parts).collect();
    let auth = "authentication.k8s.io";
    assert_eq!(
        asked,
        [
            ["users", "", "", "ann", ""],
            ["groups", "", "", "dev", ""],
            ["userextras", auth, "", "v", "acme.com/p"],
            ["uids", auth, "", "u9", ""],
        ]
    );
}

#[tokio::test]
async fn acting_for_a_service_account_brings_its_groups() {
    let reviewer = FakeAccess::allowing();
    let authorization = authorization(&reviewer, &TestClock::new());
    let mut headers = claims(&[("impersonate-user", "system:serviceaccount:ns:sa")]);
    let sa = authorization
        .impersonate(user("bob", &[]), &mut headers)
        .await
        .unwrap();
    assert_eq!(
        sa.groups,
        [
            "system:serviceaccounts",
            "system:serviceaccounts:ns",
            ALL_AUTHENTICATED
        ]
    );
    assert_eq!(
        parts(&reviewer.last()),
        ["serviceaccounts", "", "ns", "sa", ""]
    );
}

#[tokio::test]
async fn a_claim_is_refused_rather_than_passed_over() {
    let authorization = authorization(&FakeAccess::denying(), &TestClock::new());
    let mut headers = claims(&[("impersonate-user", "ann")]);
    let refused = authorization
        .impersonate(user("bob", &[]), &mut headers)
        .await;
    let Err(ImpersonationError::Forbidden { request, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(request.verb, "impersonate");
    assert_eq!(request.resource.unwrap().name, "ann");
    for claim in [
        "impersonate-group",
        "impersonate-uid",
        "impersonate-extra-x",
    ] {
        let mut headers = claims(&[(claim, "v")]);
        let refused = authorization
            .impersonate(user("bob", &[]), &mut headers)
            .await;
        let Err(ImpersonationError::WithoutUser(_)) = refused else {
            panic!("{claim}: {refused:?}");
        };
    }
    let nobody = authorization
        .impersonate(user("bob", &[]), &mut HeaderMap::new())
        .await;
    assert_eq!(nobody.unwrap(), user("bob", &[]));
}
