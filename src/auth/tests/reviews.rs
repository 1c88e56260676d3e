//! The reviews as they go over the wire, against a client whose server is a closure.

use std::convert::Infallible;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt;
use k8s_openapi::api::authorization::v1::{NonResourceAttributes, SubjectAccessReviewSpec};
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::*;

/// Requests in the order they came: path with query, and body.
type Seen = Arc<Mutex<Vec<(String, Value)>>>;

fn client(
    answer: impl Fn(usize) -> (u16, Value) + Clone + Send + Sync + 'static,
) -> (kube::Client, Seen) {
    let seen = Seen::default();
    let log = Arc::clone(&seen);
    let service = tower::service_fn(move |request: Request<Body>| {
        let (answer, log) = (answer.clone(), Arc::clone(&log));
        async move {
            let uri = request.uri().to_string();
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let count = {
                let mut log = log.lock();
                log.push((uri, serde_json::from_slice(&body).unwrap_or_default()));
                log.len()
            };
            let (code, body) = answer(count);
            let response = Response::builder().status(code);
            let body = Body::from(body.to_string().into_bytes());
            Ok::<_, Infallible>(response.body(body).unwrap())
        }
    });
    (kube::Client::new(service, "default"), seen)
}

fn status(code: u16, details: Value) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "x",
           "message": "no", "code": code, "details": details})
}

fn access_question() -> SubjectAccessReviewSpec {
    SubjectAccessReviewSpec {
        user: Some("bob".into()),
        non_resource_attributes: Some(NonResourceAttributes {
            path: Some("/metrics".into()),
            verb: Some("get".into()),
        }),
        ..SubjectAccessReviewSpec::default()
    }
}

#[tokio::test]
async fn a_token_review_posts_the_token_and_reads_the_status() {
    let (client, seen) = client(|_| {
        (
            201,
            json!({"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1",
            "metadata": {}, "spec": {"token": ""},
            "status": {"authenticated": true, "user": {"username": "tina"}}}),
        )
    });
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_static("Bearer T"));
    let token = BearerToken::from_headers(&headers).unwrap().unwrap();
    let status = TokenReviewer::review(&KubeReviews::new(client), &token)
        .await
        .unwrap();
    assert_eq!(status.authenticated, Some(true));
    let (uri, body) = seen.lock()[0].clone();
    assert!(
        uri.starts_with("/apis/authentication.k8s.io/v1/tokenreviews"),
        "{uri}"
    );
    assert_eq!(body["kind"], "TokenReview");
    assert_eq!(body["spec"], json!({"token": "T"}));
}

#[tokio::test(start_paused = true)]
async fn transient_failures_are_tried_five_times_with_growing_waits() {
    for code in [429, 500, 504] {
        let (client, seen) = client(move |_| (code, status(code, json!({}))));
        let started = tokio::time::Instant::now();
        let answer = AccessReviewer::review(&KubeReviews::new(client), access_question()).await;
        assert!(matches!(answer, Err(ReviewError::Failed(_))));
        assert_eq!(seen.lock().len(), 5, "{code}");
        // 500 + 750 + 1125 + 1687 ms, each shortened by a fifth at most.
        let waited = started.elapsed();
        let most = Duration::from_millis(4_063);
        assert!(waited <= most && waited >= most.mul_f64(0.79), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_will_not_change_is_not_tried_again() {
    for (code, details, tries) in [
        (403, json!({}), 1),
        (503, json!({}), 1),
        (503, json!({"retryAfterSeconds": 1}), 5),
    ] {
        let (client, seen) = client(move |_| (code, status(code, details.clone())));
        let reviews = KubeReviews::new(client);
        assert!(
            AccessReviewer::review(&reviews, access_question())
                .await
                .is_err()
        );
        assert_eq!(seen.lock().len(), tries, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_recovered_server_is_believed() {
    let (client, seen) = client(|count| match count {
        1 | 2 => (500, status(500, json!({}))),
        _ => (
            201,
            json!({"kind": "SubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
            "metadata": {}, "spec": {}, "status": {"allowed": true}}),
        ),
    });
    let answer = AccessReviewer::review(&KubeReviews::new(client), access_question()).await;
    assert!(answer.unwrap().allowed);
    let (uri, body) = seen.lock()[2].clone();
    assert!(
        uri.starts_with("/apis/authorization.k8s.io/v1/subjectaccessreviews"),
        "{uri}"
    );
    let spec = json!({"user": "bob", "nonResourceAttributes": {"path": "/metrics", "verb": "get"}});
    assert_eq!(body["spec"], spec);
}

#[tokio::test(start_paused = true)]
async fn the_look_up_names_the_one_object_and_readiness_waits_for_it() {
    let (client_ca, proxy_ca) = (Authority::new("client"), Authority::new("proxy"));
    let data = serde_json::to_value(config_map(&client_ca, &proxy_ca, "[]")).unwrap();
    let (client, seen) = client(move |count| match count {
        1 => (403, status(403, json!({}))),
        2 => (
            200,
            json!({"kind": "ConfigMapList", "apiVersion": "v1",
            "metadata": {"resourceVersion": "7"},
            "items": [{"metadata": {"name": "extension-apiserver-authentication"}, "data": data}]}),
        ),
        _ => (503, status(503, json!({}))),
    });
    let trust = LiveTrust::new(TrustConfig::default()).unwrap();
    let clock: Arc<dyn crate::domain::Clock> = TestClock::new();
    let lookup = TrustLookup::new(Arc::clone(&trust), Some(client), &clock);
    let health = crate::lifecycle::Health::default();
    health.add(lookup.check(false));
    let ready = || {
        health.report(crate::lifecycle::Probe::Readyz)[0]
            .result
            .clone()
    };
    assert_eq!(ready(), Err("not looked up yet".to_owned()));
    let (stop_sender, stop) = Stop::channel();
    let running = lookup.run(stop);
    let watching = async {
        while trust.load().front_proxy().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let waiting = ready();
            assert!(waiting.is_err() || trust.load().front_proxy().is_some());
        }
        stop_sender.stop();
    };
    tokio::join!(running, watching);
    assert_eq!(ready(), Ok(None));
    assert!(trust.load().client_authorities().is_some());
    let selector = "fieldSelector=metadata.name%3Dextension-apiserver-authentication";
    for (uri, _) in seen.lock().iter() {
        assert!(
            uri.starts_with("/api/v1/namespaces/kube-system/configmaps?"),
            "{uri}"
        );
        assert!(uri.contains(selector), "{uri}");
    }
}
