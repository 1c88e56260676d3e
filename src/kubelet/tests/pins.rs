//! The steps below verification: pinned keys, and the way through the API server.

use super::*;
use crate::cluster;

/// A client of an API server that answers the n-th request with what the script says.
async fn api_server<S>(script: S) -> (Server, kube::Client)
where
    S: Fn(usize) -> Reply + Send + Sync + 'static,
{
    let server = Server::plain(script).await;
    let config = cluster::Config {
        identity: cluster::Identity::Nobody,
        server: Some(format!("http://{}", server.address).parse().unwrap()),
        ..cluster::Config::default()
    };
    let (client, _) = cluster::connect(config).await.unwrap();
    (server, client)
}

fn status(code: u16, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

fn configmap(data: &str) -> String {
    let body = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"pins"}},"data":{data}}}"#
    );
    status(200, &body)
}

/// A client that pins, with what a ConfigMap of this answer holds.
async fn pinning(ca: &Ca, answer: &str) -> (KubeletClient, Server) {
    let (server, api) = api_server(always(answer)).await;
    let pins = Pins::new(api, "kube-system", "pins");
    pins.load().await;
    let ca = given(&ca.pem());
    (client(Config::new(Trust::Pin { ca, pins })).await, server)
}

async fn kubelet(identity: &Identity) -> Server {
    Server::tls(identity, None, always(&ok("x 1"))).await
}

async fn ask(client: &KubeletClient, uid: &str, kubelet: &Server) -> Result<String, Error> {
    let target = of_uid(uid, "node-1", "127.0.0.1", kubelet.address.port());
    once(client, &target).await
}

fn changed(error: &Error) -> bool {
    let Error::Tls { source, .. } = error else {
        return false;
    };
    matches!(source, TlsError::Changed { .. })
}

#[tokio::test]
async fn a_key_nobody_vouches_for_is_believed_once_and_has_to_stay() {
    let (ca, own) = (Ca::new("cluster"), Ca::new("node-1-ca@1700000000"));
    let (client, _api) = pinning(&ca, &configmap("{}")).await;
    // Names and dates count for nothing.
    let first = kubelet(&own.issue(&["else"], 2000, 2001)).await;
    let second = kubelet(&valid(&own, &["node-1"])).await;
    for _ in 0..2 {
        assert_eq!(ask(&client, "u-1", &first).await.unwrap(), "x 1");
    }
    let error = ask(&client, "u-1", &second).await.unwrap_err();
    assert!(changed(&error), "{error:?}");
    assert!(second.seen.lock().is_empty(), "it was sent a request");
    let explanation = explain(&error, Platform::default());
    assert!(
        explanation.says.contains("kube-system/pins"),
        "{explanation:?}"
    );
    assert!(explanation.remedy.contains("configmap"), "{explanation:?}");
    // The node was made anew.
    ask(&client, "u-2", &second).await.unwrap();
    let error = ask(&client, "u-2", &first).await.unwrap_err();
    assert!(changed(&error), "{error:?}");
}

#[tokio::test]
async fn whom_the_ca_vouches_for_may_rotate_and_not_do_without() {
    let (ca, own) = (Ca::new("cluster"), Ca::new("node-1-ca@1700000000"));
    let (client, _api) = pinning(&ca, &configmap("{}")).await;
    let (self_made, one, other) = (
        kubelet(&valid(&own, &["node-1"])).await,
        kubelet(&valid(&ca, &["node-1"])).await,
        kubelet(&valid(&ca, &["node-1"])).await,
    );
    for kubelet in [&self_made, &one, &other] {
        ask(&client, "u-1", kubelet).await.unwrap();
    }
    let error = ask(&client, "u-1", &self_made).await.unwrap_err();
    assert!(changed(&error), "{error:?}");
}

#[tokio::test]
async fn what_the_configmap_holds_was_there_first() {
    let (ca, own) = (Ca::new("cluster"), Ca::new("node-1-ca@1700000000"));
    let pin = format!(r#"{{"node-1":"u-1 sha256:{}"}}"#, "a".repeat(64));
    let (client, _api) = pinning(&ca, &configmap(&pin)).await;
    let server = kubelet(&valid(&own, &["node-1"])).await;
    let error = ask(&client, "u-1", &server).await.unwrap_err();
    assert!(changed(&error), "{error:?}");
    ask(&client, "u-2", &server).await.unwrap();
}

#[tokio::test]
async fn without_the_configmap_nobody_is_believed() {
    let (ca, own) = (Ca::new("cluster"), Ca::new("node-1-ca@1700000000"));
    let missing = status(
        404,
        r#"{"kind":"Status","status":"Failure","message":"configmaps \"pins\" not found","reason":"NotFound","code":404}"#,
    );
    for answer in [missing, configmap(r#"{"node-2":"nonsense"}"#)] {
        let (client, _api) = pinning(&ca, &answer).await;
        let server = kubelet(&valid(&own, &["node-1"])).await;
        let error = ask(&client, "u-1", &server).await.unwrap_err();
        assert!(error.story().contains("not known"), "{}", error.story());
        assert!(
            error.story().contains("kube-system/pins"),
            "{}",
            error.story()
        );
        let remedy = explain(&error, Platform::default()).remedy;
        assert!(remedy.contains("deploy/overlays/pin"), "{remedy}");
        assert!(server.seen.lock().is_empty(), "it was sent a request");
    }
}

#[tokio::test]
async fn the_api_server_asks_for_us_by_the_nodes_name() {
    let (server, api) = api_server(always(&ok("x 1"))).await;
    let through = client(Config::new(Trust::ApiServer(ApiServer::new(api)))).await;
    let record = NodeRecord::new(NodeName::new("node-1").unwrap());
    let target = through.target(&record).unwrap();
    assert_eq!(once(&through, &target).await.unwrap(), "x 1");
    let request = server.seen.lock()[0].1.clone();
    let path = "GET /api/v1/nodes/node-1/proxy/metrics/resource HTTP/1.1\r\n";
    assert!(request.starts_with(path), "{request}");
    let summary = target.summary();
    once(&through, &summary).await.unwrap();
    let request = server.seen.lock()[1].1.clone();
    assert!(request.contains("/proxy/stats/summary "), "{request}");
}

#[tokio::test]
async fn what_the_api_server_says_instead_is_explained() {
    let refusal = r#"{"kind":"Status","message":"nodes \"node-1\" is forbidden: User \"x\" cannot get resource \"nodes/proxy\"","code":403}"#;
    let away = r#"{"kind":"Status","message":"error trying to reach service: dial tcp 10.0.0.1:10250: i/o timeout","code":503}"#;
    for (answer, cause, says, remedy) in [
        (
            status(403, refusal),
            "403",
            "nodes/proxy",
            "grant get on nodes/proxy",
        ),
        (status(503, away), "proxy", "i/o timeout", "Konnectivity"),
        (
            status(403, "Forbidden"),
            "proxy",
            "403: Forbidden",
            "kubectl get --raw",
        ),
        (
            status(404, "404 page not found"),
            "404",
            "/metrics/resource",
            "another",
        ),
    ] {
        let (_server, api) = api_server(always(&answer)).await;
        let through = client(Config::new(Trust::ApiServer(ApiServer::new(api)))).await;
        let record = NodeRecord::new(NodeName::new("node-1").unwrap());
        let target = through.target(&record).unwrap();
        let error = once(&through, &target).await.unwrap_err();
        assert_eq!(error.cause(), cause, "{error:?}");
        let explanation = explain(&error, Platform::default());
        assert!(explanation.says.contains(says), "{explanation:?}");
        assert!(explanation.remedy.contains(remedy), "{explanation:?}");
    }
}

#[tokio::test]
async fn an_answer_through_the_api_server_is_bounded_too() {
    let (_server, api) = api_server(always(&ok("0123456789"))).await;
    let config = Config {
        max_body_bytes: 9,
        ..Config::new(Trust::ApiServer(ApiServer::new(api)))
    };
    let through = client(config).await;
    let record = NodeRecord::new(NodeName::new("node-1").unwrap());
    let target = through.target(&record).unwrap();
    let error = once(&through, &target).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit: 9 }), "{error:?}");
}
