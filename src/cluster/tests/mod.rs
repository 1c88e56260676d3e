//! The watches against an API server that misbehaves in all the ways real ones do.

mod api_server;
mod config;
mod encodings;
mod lease;
mod protobuf;
mod silence;
mod size;

use std::sync::Arc;
use std::time::Duration;

use api_server::ApiServer;
use serde_json::{Value, json};

use super::client::client;
use super::*;
use crate::domain::{InventoryChange, SystemClock};
use crate::lifecycle::{StopSender, Tasks};

/// A cluster that watches an API server.
struct Running {
    cluster: Arc<Cluster>,
    inventory: Arc<Inventory>,
    registry: Registry,
    stop: StopSender,
    tasks: Tasks,
}

fn watch(server: &ApiServer) -> Running {
    let inventory = Arc::new(Inventory::new());
    let mut registry = Registry::default();
    let kube = client(kube::Config::new(server.url()), None).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let cluster = Cluster::new(&kube, Arc::clone(&inventory), &clock, &mut registry);
    let cluster = Arc::new(cluster);
    let (sender, stop) = Stop::channel();
    let tasks = Tasks::new(sender.clone());
    let runner = Arc::clone(&cluster);
    tasks.spawn_vital(
        "cluster",
        stop.clone(),
        async move { runner.run(stop).await },
    );
    Running {
        cluster,
        inventory,
        registry,
        stop: sender,
        tasks,
    }
}

impl Running {
    fn pods(&self) -> Vec<String> {
        self.inventory
            .pods()
            .iter()
            .map(|pod| pod.key.to_string())
            .collect()
    }

    fn nodes(&self) -> Vec<String> {
        self.inventory
            .nodes()
            .iter()
            .map(|node| node.name.to_string())
            .collect()
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }

    fn notes_the_loss(&self) -> bool {
        let health = crate::lifecycle::Health::default();
        for check in self.cluster.checks() {
            health.add(check);
        }
        let reports = health.report(Probe::Readyz);
        reports
            .iter()
            .any(|report| report.name == "api-server" && report.result != Ok(None))
    }

    fn failed_checks(&self) -> Vec<String> {
        let health = crate::lifecycle::Health::default();
        for check in self.cluster.checks() {
            health.add(check);
        }
        assert_eq!(health.report(Probe::Livez), []);
        let reports = health.report(Probe::Readyz);
        reports
            .into_iter()
            .filter_map(|report| Some(format!("{}: {}", report.name, report.result.err()?)))
            .collect()
    }
}

/// Waits until `condition` holds; fails after ten seconds.
async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let mut tick = tokio::time::interval(Duration::from_millis(2));
    let reached = tokio::time::timeout(Duration::from_secs(10), async {
        while !condition() {
            tick.tick().await;
        }
    });
    assert!(reached.await.is_ok(), "not within ten seconds: {what}");
}

fn too_old() -> Value {
    json!({"kind": "Status", "code": 410, "message": "too old resource version"})
}

fn node(name: &str) -> Value {
    json!({"metadata": {"name": name, "resourceVersion": "1"}, "status": {"capacity": {"cpu": "2"}}})
}

fn pod(name: &str, uid: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "a", "uid": uid, "resourceVersion": "1"},
        "spec": {"nodeName": "n1", "containers": [{"name": "c"}]},
        "status": {"phase": "Running"},
    })
}

#[tokio::test]
async fn namespaces_are_known_by_their_uid() {
    let namespace = |name: &str, uid: &str| json!({"metadata": {"name": name, "uid": uid}});
    let server = ApiServer::started().await;
    server.set(
        "namespaces",
        vec![namespace("a", "u1"), namespace("b", "u2")],
    );
    let running = watch(&server);
    eventually("the watch", || server.watching("namespaces") == 1).await;
    let uid = |name| running.inventory.namespace_uid(name);
    assert_eq!(uid("a").as_deref(), Some("u1"));
    server.send("namespaces", "DELETED", namespace("a", "u1"));
    server.send("namespaces", "ADDED", namespace("c", "u3"));
    eventually("the change", || uid("c").as_deref() == Some("u3")).await;
    assert_eq!(uid("a"), None);
    let count = "loadline_inventory_objects{resource=\"namespaces\"} 2";
    assert!(running.metrics().contains(count), "{}", running.metrics());
}

#[tokio::test]
async fn nothing_waits_for_namespaces_one_may_not_list() {
    let server = ApiServer::started().await;
    for _ in 0..100 {
        server.refuse("list namespaces", 403, "namespaces is forbidden");
    }
    server.set("nodes", vec![node("n1")]);
    server.set("pods", vec![pod("p1", "u1")]);
    let running = watch(&server);
    eventually("the list", || running.pods() == ["a/p1"]).await;
    eventually("both watches", || {
        server.watching("nodes") == 1 && server.watching("pods") == 1
    })
    .await;
    eventually("the refusal", || !server.asked(&["/namespaces"]).is_empty()).await;
    assert_eq!(running.failed_checks(), [""; 0]);
    assert!(!running.notes_the_loss());
    assert_eq!(running.inventory.namespace_uid("a"), None);
}

#[tokio::test]
async fn lists_then_follows_what_happens() {
    let server = ApiServer::started().await;
    server.set("nodes", vec![node("n1"), node("n2")]);
    server.set("pods", vec![pod("p1", "u1"), pod("p2", "u2")]);
    let running = watch(&server);
    let mut changes = running.inventory.changes();
    eventually("both watches", || {
        server.watching("nodes") == 1 && server.watching("pods") == 1
    })
    .await;
    assert_eq!(running.nodes(), ["n1", "n2"]);
    assert_eq!(running.pods(), ["a/p1", "a/p2"]);
    assert_eq!(running.failed_checks(), [""; 0]);

    server.send("nodes", "DELETED", node("n2"));
    server.send("pods", "ADDED", pod("p3", "u3"));
    server.send("pods", "DELETED", pod("p1", "u1"));
    eventually("the changes", || running.nodes() == ["n1"]).await;
    eventually("the changes", || running.pods() == ["a/p2", "a/p3"]).await;
    let mut announced = 0;
    while let Ok(change) = changes.try_recv() {
        announced += usize::from(matches!(change, InventoryChange::PodRunning(_)));
    }
    assert_eq!(announced, 3, "two listed, one added");

    running.stop.stop();
    running.tasks.finished().await;
    assert_eq!(running.tasks.failure(), None);
}

#[tokio::test]
async fn asks_for_running_pods_at_once_then_in_pages_and_for_bookmarks() {
    let server = ApiServer::started().await;
    server.set("pods", (0..5).map(|n| pod(&format!("p{n}"), "u")).collect());
    server.set_page(2);
    let running = watch(&server);
    eventually("the watch", || server.watching("pods") == 1).await;
    assert_eq!(running.pods().len(), 5);
    server.send("pods", "ERROR", too_old());
    eventually("the next list", || server.lists("pods").len() == 6).await;
    for (uri, [with, without]) in server.lists("pods").iter().zip([
        ["resourceVersion=0", "limit="],
        ["limit=500&continue=2", "resourceVersion"],
        ["limit=500&continue=4", "resourceVersion"],
        ["limit=500", "continue="],
        ["limit=500&continue=2", "resourceVersion"],
    ]) {
        assert!(uri.contains(with), "{uri} has no {with}");
        assert!(!uri.contains(without), "{uri} has {without}");
        let selector = "fieldSelector=status.phase%3DRunning";
        assert!(uri.contains(selector), "{uri}");
    }
    let watch = &server.asked(&["/pods?", "watch=true"])[0];
    for part in [
        "resourceVersion=100",
        "allowWatchBookmarks=true",
        "timeoutSeconds=180",
    ] {
        assert!(watch.contains(part), "{watch} has no {part}");
    }
}

#[tokio::test]
async fn resumes_where_it_was_after_a_broken_or_ended_watch() {
    let server = ApiServer::started().await;
    server.set("pods", vec![pod("p1", "u1")]);
    let running = watch(&server);
    eventually("the watch", || server.watching("pods") == 1).await;
    server.send("pods", "BOOKMARK", json!({"metadata": {}}));
    server.end_watches();
    eventually("the next watch", || server.watching("pods") == 1).await;
    let from = |version: &str| server.asked(&["pods", "watch=true", version]).len();
    assert_eq!(from("resourceVersion=101"), 1, "after the bookmark");

    server.send("pods", "ADDED", pod("p2", "u2"));
    eventually("the pod", || running.pods() == ["a/p1", "a/p2"]).await;
    server.break_watches();
    eventually("the next watch", || server.watching("pods") == 1).await;
    assert_eq!(from("resourceVersion=102"), 1, "after the pod");

    server.refuse("watch pods", 503, "shutting down");
    server.break_watches();
    let open_again = || from("resourceVersion=102") == 3 && server.watching("pods") == 1;
    eventually("the watch after the refused one", open_again).await;
    assert_eq!(server.lists("pods").len(), 1, "one list for it all");
}

#[tokio::test]
async fn a_fresh_list_keeps_the_records_that_did_not_change() {
    let server = ApiServer::started().await;
    server.set("pods", vec![pod("p1", "u1"), pod("p2", "u2")]);
    let running = watch(&server);
    eventually("the watch", || server.watching("pods") == 1).await;
    let before = running.inventory.pods();
    server.set("pods", vec![pod("p1", "u1"), pod("p2", "new")]);
    server.send("pods", "ERROR", too_old());
    let uid = || running.inventory.pod("a", "p2").unwrap().uid.to_string();
    eventually("the fresh list", || uid() == "new").await;
    assert!(Arc::ptr_eq(&before[0], &running.inventory.pods()[0]));
}

#[tokio::test]
async fn lists_anew_when_its_place_is_forgotten_and_forgets_what_vanished() {
    let server = ApiServer::started().await;
    server.set("pods", vec![pod("p1", "u1"), pod("p2", "u2")]);
    let running = watch(&server);
    eventually("the watch", || server.watching("pods") == 1).await;
    server.set("pods", vec![pod("p2", "u2"), pod("p3", "u3")]);
    server.send("pods", "ERROR", too_old());
    eventually("the fresh list", || running.pods() == ["a/p2", "a/p3"]).await;

    // The same, said before the watch begins.
    server.set("pods", vec![pod("p4", "u4")]);
    server.refuse("watch pods", 410, "too old resource version");
    server.break_watches();
    eventually("the fresh list", || running.pods() == ["a/p4"]).await;
    assert_eq!(server.lists("pods").len(), 3);
}

#[tokio::test]
async fn waits_for_an_api_server_that_is_absent_at_the_start() {
    let server = ApiServer::absent().await;
    server.set("pods", vec![pod("p1", "u1")]);
    let running = watch(&server);
    let lost = || matches!(running.cluster.pods().connection, Connection::Lost { .. });
    eventually("the loss", || {
        lost()
            && running
                .metrics()
                .contains("restarts_total{resource=\"nodes\"} 2")
    })
    .await;
    let failed = running.failed_checks();
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert!(failed[1].starts_with("metadata-informer-sync: the pods are not listed yet: "));
    assert!(failed[1].contains("Connection refused"), "{}", failed[1]);
    assert!(running.notes_the_loss());

    server.start().await;
    eventually("the list", || running.pods() == ["a/p1"]).await;
    eventually("the node watch", || running.failed_checks().is_empty()).await;
    eventually("the end of the note", || !running.notes_the_loss()).await;
}

#[tokio::test]
async fn keeps_what_it_knows_while_the_api_server_is_away() {
    let server = ApiServer::started().await;
    server.set("nodes", vec![node("n1")]);
    server.set("pods", vec![pod("p1", "u1")]);
    let running = watch(&server);
    eventually("both watches", || {
        server.watching("nodes") == 1 && server.watching("pods") == 1
    })
    .await;
    server.stop().await;
    let lost = || matches!(running.cluster.pods().connection, Connection::Lost { .. });
    eventually("the loss", lost).await;
    assert_eq!(
        (running.pods(), running.nodes()),
        (vec!["a/p1".into()], vec!["n1".into()])
    );
    assert_eq!(
        running.failed_checks(),
        [""; 0],
        "what is known stays served"
    );

    // A list that fails halfway must not empty anything either.
    server.set("pods", vec![pod("p2", "u2"), pod("p3", "u3")]);
    server.set_page(1);
    server.refuse("watch pods", 410, "too old resource version");
    server.refuse("list pods from 1", 500, "etcd has no leader");
    server.start().await;
    let second_page = || !server.asked(&["pods?", "continue=1"]).is_empty();
    eventually("the second page", second_page).await;
    assert_eq!(running.pods(), ["a/p1"]);
    eventually("the fresh list", || running.pods() == ["a/p2", "a/p3"]).await;
}

#[tokio::test]
async fn says_plainly_what_must_be_granted_and_waits_for_it() {
    let server = ApiServer::started().await;
    let words = "User \"system:serviceaccount:kube-system:loadline\" cannot list resource \"pods\"";
    for _ in 0..3 {
        server.refuse("list pods", 403, words);
    }
    let running = watch(&server);
    let lost = || matches!(running.cluster.pods().connection, Connection::Lost { .. });
    eventually("the refusal", lost).await;
    assert_eq!(
        running.failed_checks()[1],
        format!(
            "metadata-informer-sync: the pods are not listed yet: not allowed: \
             grant list and watch on pods (/api/v1/pods); the API server says: {words}"
        )
    );
    eventually("the list", || running.failed_checks().is_empty()).await;
    assert_eq!(server.lists("pods").len(), 4);
}

#[tokio::test]
async fn an_object_it_cannot_read_is_counted_and_harms_nothing_else() {
    let server = ApiServer::started().await;
    let odd = json!({"metadata": {"name": 7, "namespace": "a"}});
    let named = json!({"metadata": {"name": "../x", "namespace": "a"}});
    server.set("pods", vec![odd.clone(), pod("p1", "u1"), named]);
    let running = watch(&server);
    eventually("the watch", || server.watching("pods") == 1).await;
    server.send("pods", "MODIFIED", odd);
    server.send("pods", "ADDED", pod("p2", "u2"));
    eventually("the pod after it", || running.pods() == ["a/p1", "a/p2"]).await;
    let metrics = running.metrics();
    for line in [
        "loadline_watch_skipped_objects_total{resource=\"pods\"} 3",
        "loadline_watch_restarts_total{resource=\"pods\"} 0",
        "loadline_inventory_objects{resource=\"pods\"} 2",
        "loadline_inventory_objects{resource=\"nodes\"} 0",
    ] {
        assert!(
            metrics.lines().any(|l| l == line),
            "no {line} in\n{metrics}"
        );
    }
}

#[tokio::test]
async fn a_late_delete_leaves_the_pod_that_took_the_name() {
    let server = ApiServer::started().await;
    server.set("pods", vec![pod("db-0", "new")]);
    let running = watch(&server);
    eventually("the watch", || server.watching("pods") == 1).await;
    server.send("pods", "DELETED", pod("db-0", "old"));
    server.send("pods", "ADDED", pod("p2", "u2"));
    eventually("the event after it", || running.pods().len() == 2).await;
}
