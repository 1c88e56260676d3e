use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::*;
use crate::client::{Client, Protocol, Target, Trust};

const SOON: Duration = Duration::from_secs(5);

async fn lab() -> Lab {
    Lab::start(World::demo(), LabConfig::default())
        .await
        .unwrap()
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .map(|i| i["metadata"]["name"].as_str().unwrap())
        .collect()
}

fn as_loadline(lab: &Lab) -> Client {
    let client = lab.client(None).unwrap();
    client.with_token(&lab.token).unwrap()
}

fn kubelet(lab: &Lab, node: &str) -> Client {
    let at = lab.world.node(node).unwrap();
    Client::new(&Target {
        address: (at.address, at.port).into(),
        name: node,
        trust: Trust::Ca(lab.pki.cluster.der().clone()),
        certificate: None,
        protocol: Protocol::Http1,
    })
    .unwrap()
}

#[tokio::test]
async fn lists_are_whole_and_the_same_when_asked_for_in_pages() {
    let lab = lab().await;
    let client = as_loadline(&lab);
    let whole = client.get_json("/api/v1/pods").await.unwrap();
    assert_eq!(whole["items"].as_array().unwrap().len(), 24);
    let mut paged = Vec::new();
    let mut token = String::new();
    loop {
        let path = format!("/api/v1/pods?limit=7&continue={token}");
        let page = client.get_json(&path).await.unwrap();
        paged.extend(page["items"].as_array().unwrap().clone());
        match page["metadata"]["continue"].as_str() {
            Some(next) => next.clone_into(&mut token),
            None => break,
        }
    }
    assert_eq!(Value::from(paged), whole["items"]);
}

#[tokio::test]
async fn lists_are_selected_by_label_and_field() {
    let lab = lab().await;
    lab.world
        .update_pod("shop", "db-0", |pod| pod.phase = Phase::Pending);
    let client = as_loadline(&lab);
    let get = async |query: &str| {
        let path = format!("/api/v1/pods?{query}");
        let list = client.get_json(&path).await.unwrap();
        names(&list)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        get("labelSelector=app%3Dcart").await,
        ["cart-0", "cart-1", "cart-2"]
    );
    assert_eq!(get("fieldSelector=status.phase%3DPending").await, ["db-0"]);
    let running = get("fieldSelector=status.phase%3DRunning,spec.nodeName%3Dnode-1").await;
    assert!((7..=8).contains(&running.len()), "{running:?}");
}

#[tokio::test]
async fn a_watch_tells_what_enters_changes_and_leaves_the_selection() {
    let lab = lab().await;
    let client = as_loadline(&lab);
    let list = client.get_json("/api/v1/pods").await.unwrap();
    let revision = list["metadata"]["resourceVersion"].as_str().unwrap();
    let path = format!(
        "/api/v1/pods?watch=true&timeoutSeconds=2&resourceVersion={revision}\
         &fieldSelector=status.phase%3DRunning"
    );
    let watching = client.get(&path);
    let changing = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let world = &lab.world;
        world.put_pod(Pod::new("shop", "new").phase(Phase::Pending));
        world.update_pod("shop", "new", |p| p.phase = Phase::Running);
        world.update_pod("shop", "new", |p| {
            p.meta.labels.extend([("a".into(), "b".into())])
        });
        world.update_pod("shop", "new", |p| p.phase = Phase::Succeeded);
        world.delete_pod("shop", "web-0");
        world.delete_node("node-1");
    };
    let (answer, ()) = tokio::join!(watching, changing);
    let text = answer.unwrap().whole_text();
    let events: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|e| format!("{} {}", e["type"], e["object"]["metadata"]["name"]).replace('"', ""))
        .collect();
    assert_eq!(
        events,
        ["ADDED new", "MODIFIED new", "DELETED new", "DELETED web-0"]
    );
}

#[tokio::test]
async fn a_watch_from_before_a_compaction_is_told_so_and_ends() {
    let lab = lab().await;
    lab.world.compact();
    let client = as_loadline(&lab).with_deadline(SOON);
    let answer = client.get("/api/v1/nodes?watch=1&resourceVersion=1").await;
    let event: Value = answer.unwrap().json().unwrap();
    assert_eq!(event["type"], "ERROR");
    assert_eq!(event["object"]["code"], 410);
}

#[tokio::test]
async fn dropped_watches_end_at_once() {
    let lab = lab().await;
    let client = as_loadline(&lab).with_deadline(SOON);
    let watching = client.get("/api/v1/namespaces?watch=1&resourceVersion=1000000");
    let dropping = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        lab.api.drop_watches();
    };
    let (answer, ()) = tokio::join!(watching, dropping);
    answer.unwrap().expect_status(200).unwrap();
}

#[tokio::test]
async fn the_api_server_goes_away_and_comes_back_on_its_port() {
    let mut lab = lab().await;
    let client = as_loadline(&lab).with_deadline(SOON);
    client.get_json("/api/v1/nodes").await.unwrap();
    lab.api.stop().await;
    assert!(client.get("/api/v1/nodes").await.is_err());
    lab.api.start_again().await.unwrap();
    client.get_json("/api/v1/nodes").await.unwrap();
}

#[tokio::test]
async fn nobody_may_do_more_than_was_granted() {
    let lab = lab().await;
    let status = async |client: &Client, path: &str| client.get(path).await.unwrap().status;
    let us = as_loadline(&lab);
    let map = "/api/v1/namespaces/kube-system/configmaps";
    let name = "extension-apiserver-authentication";
    assert_eq!(status(&us, map).await, 403);
    assert_eq!(status(&us, &format!("{map}/{name}")).await, 200);
    let listed = format!("{map}?fieldSelector=metadata.name%3D{name}");
    assert_eq!(status(&us, &listed).await, 200);
    assert_eq!(status(&us, "/api/v1/secrets").await, 403);
    let anonymous = lab.client(None).unwrap();
    assert_eq!(status(&anonymous, "/api/v1/nodes").await, 403);
    let wrong = anonymous.with_token("wrong").unwrap();
    assert_eq!(status(&wrong, "/api/v1/nodes").await, 401);
    let asked = lab.api.journal().requests();
    let users: BTreeSet<&str> = asked.iter().map(|r| r.user.as_str()).collect();
    assert_eq!(users.len(), 3, "{users:?}");
}

#[tokio::test]
async fn reviews_answer_by_the_tables_and_are_noted() {
    let lab = lab().await;
    lab.add_user("alice", &["viewers"], "alices-token");
    let client = as_loadline(&lab);
    let post = async |path: &str, spec: Value| {
        let body = json!({ "spec": spec }).to_string();
        let answer = client.send(Method::POST, path, Bytes::from(body)).await;
        answer.unwrap().expect_status(201).unwrap().json().unwrap()["status"].clone()
    };
    let tokens = "/apis/authentication.k8s.io/v1/tokenreviews";
    let known = post(tokens, json!({ "token": "alices-token" })).await;
    assert_eq!(known["user"]["username"], "alice");
    assert_eq!(known["user"]["groups"], json!(["viewers"]));
    assert!(post(tokens, json!({ "token": "x" })).await["authenticated"].is_null());
    let access = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let list = json!({ "user": "alice", "groups": ["viewers"],
        "resourceAttributes": { "verb": "list", "group": "metrics.k8s.io", "resource": "pods" } });
    assert_eq!(post(access, list.clone()).await["allowed"], true);
    let metrics = json!({ "user": "alice", "groups": ["viewers"],
        "nonResourceAttributes": { "verb": "get", "path": "/metrics" } });
    assert_eq!(post(access, metrics).await["allowed"], false);
    lab.api
        .journal()
        .set_verdict("alice", json!({ "denied": true, "reason": "no" }));
    assert_eq!(post(access, list).await["reason"], "no");
    assert_eq!(lab.api.journal().token_reviews().len(), 2);
    assert_eq!(lab.api.journal().access_reviews().len(), 3);
    lab.api
        .journal()
        .set_fault("/apis/authorization.k8s.io", Fault::Status(500));
    let answer = client.send(Method::POST, access, Bytes::from("{}")).await;
    answer.unwrap().expect_status(500).unwrap();
}

#[tokio::test]
async fn a_kubelet_measures_exactly_what_its_world_says() {
    let lab = lab().await;
    let client = kubelet(&lab, "node-1");
    client
        .get("/metrics/resource")
        .await
        .unwrap()
        .expect_status(401)
        .unwrap();
    let client = client.with_token(&lab.token).unwrap();
    client
        .get("/pods")
        .await
        .unwrap()
        .expect_status(403)
        .unwrap();
    let summary = client.get_json("/stats/summary").await.unwrap();
    assert_eq!(summary["node"]["nodeName"], "node-1");
    let text = client.get("/metrics/resource").await.unwrap().whole_text();
    let pods = lab.world.pods_on("node-1");
    let pod = pods.first().unwrap();
    let container = pod.containers.first().unwrap();
    let (name, meta) = (&container.name, &pod.meta);
    let series = format!(
        "container_cpu_usage_seconds_total{{container=\"{name}\",namespace=\"{}\",pod=\"{}\"}} ",
        meta.namespace, meta.name
    );
    let line = text.lines().find_map(|l| l.strip_prefix(&series)).unwrap();
    let (value, stamp) = line.split_once(' ').unwrap();
    let at = Stamp(stamp.parse().unwrap());
    let value: f64 = value.parse().unwrap();
    assert!((value - container.cpu.at(at)).abs() < 1e-6);
    let statuses =
        |noted: Vec<Scrape>| -> Vec<u16> { noted.iter().map(|s| s.status.as_u16()).collect() };
    assert_eq!(statuses(lab.kubelets.scrapes("node-1")), [401, 403, 200]);
    assert_eq!(statuses(lab.kubelets.summaries("node-1")), [200]);
}

#[tokio::test]
async fn a_kubelet_misbehaves_as_told_and_recovers() {
    let lab = lab().await;
    let client = kubelet(&lab, "node-2").with_token(&lab.token).unwrap();
    let client = client.with_deadline(Duration::from_millis(500));
    let get = async || client.get("/metrics/resource").await;
    let behave = |answer: Answer| {
        lab.kubelets
            .behave("node-2", |b| b.answer = answer)
            .unwrap();
    };
    behave(Answer::Status(503));
    get().await.unwrap().expect_status(503).unwrap();
    behave(Answer::Hang);
    assert!(get().await.is_err());
    behave(Answer::BreakOff);
    assert!(get().await.is_err());
    behave(Answer::Oversize(1 << 20));
    assert!(get().await.unwrap().body.len() > 1 << 20);
    behave(Answer::Normal);
    lab.kubelets.refuse("node-2").await;
    assert!(get().await.is_err());
    lab.kubelets.accept("node-2").await.unwrap();
    get().await.unwrap().expect_status(200).unwrap();
    lab.kubelets.behave("node-2", |b| b.silent = true).unwrap();
    let fresh = kubelet(&lab, "node-2").with_deadline(Duration::from_millis(300));
    assert!(fresh.get("/metrics/resource").await.is_err());
}

/// Answers every request with what it says of its sender.
struct Echo;

impl serve::Handle for Echo {
    async fn handle(
        &self,
        peer: &serve::Peer,
        request: http::Request<hyper::body::Incoming>,
    ) -> http::Response<serve::Body> {
        let values = |name: &str| -> Vec<String> {
            let values = request.headers().get_all(name).iter();
            values
                .map(|v| v.to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let certificate = peer.certificate.as_deref();
        let said = json!({
            "items": [{ "metadata": { "name": "metrics.k8s.io" } }],
            "path": request.uri().path_and_query().unwrap().as_str(),
            "proxy": Identity::from_certificate(certificate.unwrap()).unwrap().username,
            "user": values("x-remote-user"),
            "groups": values("x-remote-group"),
            "extra": values("x-remote-extra-a%2Fb"),
            "authorization": values("authorization"),
            "accept": values("accept"),
        });
        serve::answer(http::StatusCode::OK, "application/json", said.to_string())
    }
}

async fn echo(lab: &Lab) -> serve::Listener {
    let names = ["loadline.kube-system.svc"];
    let leaf = lab.pki.serving.issue(&Request::server("echo", &names));
    let verifier = serve::client_verifier(&lab.pki.front_proxy).unwrap();
    let tls = serve::server_config(&leaf.unwrap(), verifier, &["h2"]).unwrap();
    let address = "127.0.0.1:0".parse().unwrap();
    let listener = serve::Listener::bind(address, tls, std::sync::Arc::new(Echo));
    let listener = listener.await.unwrap();
    lab.api
        .register(Backend {
            address: listener.address(),
            server_name: names[0].to_owned(),
            trust: Trust::Ca(lab.pki.serving.der().clone()),
            client_certificate: lab.front_proxy.clone(),
            versions: vec!["v1".to_owned()],
        })
        .unwrap();
    listener
}

#[tokio::test]
async fn the_aggregator_forwards_in_the_users_name_and_without_the_users_credential() {
    let lab = lab().await;
    let listener = echo(&lab).await;
    let mut alice = Identity::new("alice", &["viewers"]);
    alice.extra.insert("a/b".to_owned(), vec!["c".to_owned()]);
    lab.access.add_token("alices-token", alice);
    let client = lab.client(None).unwrap();
    let client = client.with_token("alices-token").unwrap();
    let client = client.with_header("x-remote-user", "root").unwrap();
    let path = "/apis/metrics.k8s.io/v1/pods?limit=5";
    let said = client.get_as(path, "application/yaml").await.unwrap();
    let want = json!({
        "items": [{ "metadata": { "name": "metrics.k8s.io" } }],
        "path": path, "proxy": "front-proxy-client", "user": ["alice"],
        "groups": ["viewers", "system:authenticated"], "extra": ["c"],
        "authorization": [], "accept": ["application/yaml"],
    });
    assert_eq!(said.json().unwrap(), want);
    let discovery = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let groups = client.get_as("/apis", discovery).await.unwrap();
    assert!(names(&groups.json().unwrap()).contains(&"metrics.k8s.io"));
    listener.stop().await;
    let gone = client.get(path).await.unwrap();
    gone.expect_status(503).unwrap();
    let groups = client.get_as("/apis", discovery).await.unwrap();
    assert!(groups.whole_text().contains("Stale"), "{}", groups.text());
    let other = client.get("/apis/metrics.k8s.io/v2/pods").await.unwrap();
    assert_ne!(other.status, 503);
}
