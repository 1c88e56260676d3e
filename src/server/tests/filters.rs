//! What every request passes.

use futures_util::future::join_all;
use serde_json::Value;

use super::*;
use crate::auth::ReviewError;
use crate::auth::testing::allowed;

#[tokio::test]
async fn every_answer_has_an_audit_id_and_forbids_caching() {
    let server = Running::with(FakeAccess::denying(), |_| {}).await;
    let identity = server.identity("bob");
    let mut bob = server.as_user(&identity).await;
    for (path, code) in [("/healthz", 200), ("/apis/x", 403), ("/%zz", 400)] {
        let reply = bob.get(path).await;
        assert_eq!(reply.code, code, "{path}");
        assert_eq!(reply.header("cache-control"), "no-cache, private", "{path}");
        assert_eq!(reply.header("audit-id").len(), 36, "{path}");
    }
    let own = [("audit-id", "mine")];
    let reply = bob.ask(Method::GET, "/healthz", &own).await;
    assert_eq!(reply.header("audit-id"), "mine");
}

#[tokio::test]
async fn transport_security_is_announced_when_configured() {
    let directives = "max-age=31536000";
    let announce = |config: &mut Config| {
        config.strict_transport_security = Some(directives.parse().unwrap());
    };
    let server = Running::with(FakeAccess::allowing(), announce).await;
    let reply = server.get("/healthz").await;
    assert_eq!(reply.header("strict-transport-security"), directives);
}

#[tokio::test]
async fn a_request_without_a_good_credential_is_answered_401_to_the_byte() {
    let server = Running::start().await;
    let stranger = Authority::new("stranger").issue(Subject::new("eve"));
    let reply = server.as_user(&stranger).await.get("/apis").await;
    let expected = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;
    assert_eq!((reply.code, reply.body.trim_end()), (401, expected));
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.header("www-authenticate"), "");
    assert_eq!(server.access.count(), 0);
}

#[tokio::test]
async fn the_user_reaches_the_handler_and_the_credentials_do_not() {
    let server = Running::start().await;
    let proxy = server.proxy_ca.issue(Subject::new("front-proxy-client"));
    let headers = [
        ("x-remote-user", "ann"),
        ("x-remote-group", "dev"),
        ("x-remote-extra-scopes", "all"),
        ("authorization", "Bearer T"),
        ("accept", "*/*"),
    ];
    let mut proxy = server.as_user(&proxy).await;
    let reply = proxy.ask(Method::GET, "/apis/echo", &headers).await;
    let told: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(told["user"], "ann");
    assert_eq!(
        told["groups"],
        serde_json::json!(["dev", "system:authenticated"])
    );
    assert_eq!(told["headers"], serde_json::json!({"accept": "*/*"}));
    let asked = server.access.last();
    assert_eq!(asked.user.as_deref(), Some("ann"));
    assert_eq!(asked.extra.unwrap()["scopes"], ["all"]);
}

#[tokio::test]
async fn what_is_not_allowed_is_answered_403_with_the_reason() {
    let refusing = FakeAccess::new(|_| {
        Ok(
            k8s_openapi::api::authorization::v1::SubjectAccessReviewStatus {
                reason: Some("no rule".into()),
                ..allowed(false)
            },
        )
    });
    let server = Running::with(refusing, |_| {}).await;
    let reply = server
        .get("/apis/metrics.k8s.io/v1/namespaces/a/pods/p")
        .await;
    let status: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(
        (reply.code, reply.header("x-content-type-options")),
        (403, "nosniff")
    );
    assert_eq!(
        status["message"],
        r#"pods.metrics.k8s.io "p" is forbidden: User "bob" cannot get resource "pods" in API group "metrics.k8s.io" in the namespace "a": no rule"#
    );
    let reply = server.get("/metrics").await;
    let status: Value = serde_json::from_str(&reply.body).unwrap();
    let message = r#"forbidden: User "bob" cannot get path "/metrics": no rule"#;
    assert_eq!(status["message"], message);
}

#[tokio::test]
async fn an_authorizer_that_fails_is_answered_500_and_asked_again() {
    let server = Running::with(FakeAccess::new(|_| Err(ReviewError::Timeout)), |_| {}).await;
    let reply = server.get("/apis/x?a=b&c=d").await;
    assert_eq!(
        (reply.code, reply.header("content-type")),
        (500, "text/plain; charset=utf-8")
    );
    let uri = r#"Internal Server Error: "/apis/x?a=b&amp;c=d": "#;
    assert!(reply.body.starts_with(uri), "{}", reply.body);
    server.get("/apis/x?a=b&c=d").await;
    assert_eq!(server.access.count(), 2);
}

#[tokio::test]
async fn the_verb_of_another_identity_is_asked_for_and_never_passed_over() {
    let only_paths = |spec: &k8s_openapi::api::authorization::v1::SubjectAccessReviewSpec| {
        Ok(allowed(spec.resource_attributes.is_none()))
    };
    let server = Running::with(FakeAccess::new(only_paths), |_| {}).await;
    let identity = server.identity("bob");
    let mut bob = server.as_user(&identity).await;
    let ann = [("impersonate-user", "ann")];
    let reply = bob.ask(Method::GET, "/apis/echo", &ann).await;
    assert_eq!(reply.code, 403);
    assert!(
        reply
            .body
            .contains(r#"cannot impersonate resource \"users\""#),
        "{}",
        reply.body
    );
    let group = [("impersonate-group", "dev")];
    assert_eq!(bob.ask(Method::GET, "/apis/echo", &group).await.code, 400);
}

#[tokio::test]
async fn one_may_act_for_another_when_allowed() {
    let server = Running::start().await;
    let identity = server.identity("bob");
    let ann = [("impersonate-user", "ann")];
    let reply = server
        .as_user(&identity)
        .await
        .ask(Method::GET, "/apis/echo", &ann)
        .await;
    let told: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(
        (&told["user"], &told["headers"]),
        (&"ann".into(), &serde_json::json!({}))
    );
}

#[tokio::test]
async fn a_panic_is_answered_500_and_harms_nobody_else() {
    let server = Running::start().await;
    let identity = server.identity("bob");
    let mut bob = server.as_user(&identity).await;
    let reply = bob.get("/apis/panic").await;
    let text = "This request caused apiserver to panic. Look in the logs for details.\n";
    assert_eq!((reply.code, reply.body.as_str()), (500, text));
    assert_eq!(reply.header("audit-id").len(), 36);
    assert_eq!(bob.get("/apis/echo").await.code, 200);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered_504() {
    let server = Running::start().await;
    let reply = server.get("/apis/held?timeout=20ms").await;
    let status: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!((reply.code, &status["reason"]), (504, &"Timeout".into()));
    let message = "Timeout: request did not complete within the allotted timeout";
    assert_eq!(status["message"], message);
}

#[tokio::test]
async fn a_timeout_that_is_none_is_answered_400() {
    let server = Running::start().await;
    let reply = server.get("/apis/echo?timeout=1x").await;
    assert_eq!(reply.code, 400);
    let text = "invalid timeout specified in the request URL - time: unknown unit";
    assert!(reply.body.contains(text), "{}", reply.body);
    assert_eq!(server.get("/apis/echo?timeout=32s").await.code, 200);
}

#[tokio::test]
async fn above_the_limit_only_masters_and_probes_are_served() {
    let few = |config: &mut Config| {
        config.limits.reads_in_flight = 2;
        config.limits.mutations_in_flight = 1;
        config.limits.handlers = 8;
    };
    let server = Running::with(FakeAccess::allowing(), few).await;
    let identity = server.identity("bob");
    let mut bob = server.as_user(&identity).await;
    let held = async || server.get("/apis/held").await;
    let root = server
        .client_ca
        .issue(Subject::new("root").organization("system:masters"));
    let refused = async {
        server.gate.reached(2).await;
        let reply = bob.get("/apis/echo").await;
        assert_eq!((reply.code, reply.header("retry-after")), (429, "1"));
        assert_eq!(reply.body, "Too many requests, please try again later.\n");
        assert_eq!(bob.get("/readyz").await.code, 200);
        assert_eq!(
            bob.ask(Method::POST, "/apis/echo", &[]).await.code,
            200,
            "counted apart"
        );
        let root = &mut server.as_user(&root).await;
        assert_eq!(root.get("/apis/echo").await.code, 200);
        server.gate.open();
    };
    let (first, second, ()) = tokio::join!(held(), held(), refused);
    assert_eq!((first.code, second.code), (200, 200));
    assert_eq!(bob.get("/apis/echo").await.code, 200);
}

#[tokio::test]
async fn anybody_may_ask_for_health_and_for_nothing_else() {
    let server = Running::with(FakeAccess::denying(), |_| {}).await;
    for (path, code) in [
        ("/healthz", 200),
        ("/livez", 200),
        ("/readyz?verbose", 200),
        ("/readyz/ping", 403),
        ("/metrics", 403),
        ("/version", 403),
        ("/", 403),
        ("/apis", 403),
        ("/nope", 403),
    ] {
        let reply = server.talk(Dial::default()).await.get(path).await;
        assert_eq!(reply.code, code, "{path}");
    }
}

#[tokio::test]
async fn paths_match_to_the_letter_and_unknown_ones_get_the_index() {
    let server = Running::start().await;
    let identity = server.identity("bob");
    let mut bob = server.as_user(&identity).await;
    for (path, code) in [
        ("/", 200),
        ("/index.html", 200),
        ("/version", 200),
        ("/version/", 200),
        ("/%76ersion%2f", 200),
        ("/nope", 404),
        ("/apisx", 404),
        ("/apis/unknown", 404),
        ("/readyz/", 404),
        ("/readyz/ping", 200),
        ("/readyz/unknown", 404),
        ("/%6detrics", 200),
    ] {
        assert_eq!(bob.get(path).await.code, code, "{path}");
    }
    let reply = bob.get("/nope").await;
    assert_eq!(reply.header("content-type"), "application/json");
    let paths = [
        "/apis",
        "/healthz",
        "/healthz/ping",
        "/livez",
        "/livez/ping",
        "/metrics",
        "/metrics/slis",
        "/readyz",
        "/readyz/ping",
        "/version",
    ];
    let listed = paths.map(|p| format!("    \"{p}\"")).join(",\n");
    assert_eq!(reply.body, format!("{{\n  \"paths\": [\n{listed}\n  ]\n}}"));
}

#[tokio::test]
async fn version_and_metrics_tell_of_the_process() {
    let server = Running::start().await;
    let reply = server.get("/version").await;
    let version: Value = serde_json::from_str(&reply.body).unwrap();
    assert!(reply.body.starts_with("{\n  \"major\": "));
    let expected = format!("v{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(version["gitVersion"], expected);
    let reply = server.get("/metrics").await;
    let open_metrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(reply.header("content-type"), open_metrics);
    let line = r#"loadline_server_requests_total{verb="get",resource="/version",code="200"} 1"#;
    assert!(reply.body.lines().any(|l| l == line), "{}", reply.body);
    assert!(reply.body.ends_with("# EOF\n"));
    assert!(
        reply
            .body
            .contains("loadline_authentication_attempts_total{method=\"ClientCertificate\"}")
    );
}

#[tokio::test]
async fn a_head_request_is_answered_without_a_body() {
    let server = Running::start().await;
    let identity = server.identity("bob");
    for http1 in [true, false] {
        let identity = Some(&identity);
        let dial = Dial {
            identity,
            http1,
            ..Dial::default()
        };
        let mut bob = server.talk(dial).await;
        let reply = bob.ask(Method::HEAD, "/healthz", &[]).await;
        assert_eq!((reply.code, reply.body.as_str()), (200, ""));
        assert_eq!(bob.get("/healthz").await.body, "ok");
    }
}

#[tokio::test]
async fn a_hundred_streams_share_one_connection() {
    let server = Running::start().await;
    let identity = server.identity("bob");
    let Conversation::Http2(sender) = server.as_user(&identity).await else {
        panic!("HTTP/2 was agreed on");
    };
    let all = (0..100).map(|_| {
        let mut conversation = Conversation::Http2(sender.clone());
        async move { conversation.get("/apis/echo").await.code }
    });
    assert!(join_all(all).await.into_iter().all(|code| code == 200));
    assert_eq!(server.access.count(), 1, "the same question all the time");
}

#[tokio::test]
async fn statuses_are_negotiated() {
    let server = Running::with(FakeAccess::denying(), |_| {}).await;
    let identity = server.identity("bob");
    let accept = [("accept", "application/vnd.kubernetes.protobuf")];
    let mut bob = server.as_user(&identity).await;
    let request = bob.send(Method::GET, "/apis/x", &accept).await;
    let reply = request.unwrap();
    assert_eq!(
        reply.header("content-type"),
        "application/vnd.kubernetes.protobuf"
    );
    assert_eq!(reply.code, StatusCode::FORBIDDEN.as_u16());
    assert!(reply.body.starts_with("k8s\0"));
}

#[tokio::test]
async fn a_route_may_ask_for_more_than_its_path() {
    // As with the role every authenticated user has: all that is no resource may be got.
    let access = FakeAccess::new(|spec| {
        let resource = spec.resource_attributes.is_some();
        Ok(allowed(!resource || spec.user.as_deref() == Some("ann")))
    });
    let server = Running::with(access, |_| {}).await;
    let path = "/api/v1/model/nodes";
    let reply = server.get(path).await;
    assert_eq!(reply.code, 403);
    let told = r#"pods.metrics.k8s.io is forbidden: User \"bob\" cannot list resource \"pods\""#;
    assert!(reply.body.contains(told), "{}", reply.body);
    let asked = server.access.asked.lock().clone();
    let first = asked[0].non_resource_attributes.clone().unwrap();
    assert_eq!(
        (first.path.as_deref(), first.verb.as_deref()),
        (Some(path), Some("get"))
    );
    let ann = server.identity("ann");
    let reply = server.as_user(&ann).await.get(path).await;
    assert_eq!((reply.code, reply.body.as_str()), (200, path));
}
