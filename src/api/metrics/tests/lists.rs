//! Which objects a list holds.

use super::*;
use crate::api::metrics::shared::ListForm;

#[test]
fn lists_are_sorted_and_namespaces_hold_their_own() {
    let served = cluster();
    assert_eq!(served.names("nodes"), ["n1", "n2"]);
    assert_eq!(served.names("nodes/"), ["n1", "n2"]);
    assert_eq!(served.names("pods"), ["p", "q", "r"]);
    assert_eq!(served.names("namespaces/a/pods"), ["p", "q"]);
    assert_eq!(served.names("namespaces/b/pods/"), ["r"]);
}

#[test]
fn a_namespace_without_pods_is_an_empty_list_and_no_error() {
    let served = cluster();
    let expected = r#"{"kind":"PodMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{"resourceVersion":"1"},"items":[]}"#;
    assert_eq!(
        served.text("namespaces/none/pods", ""),
        format!("{expected}\n")
    );
    let yaml = served.text("namespaces/none/pods", "application/yaml");
    assert_eq!(
        yaml,
        "apiVersion: metrics.k8s.io/v1beta1\nitems: []\nkind: PodMetricsList\nmetadata:\n  resourceVersion: \"1\"\n"
    );
}

#[test]
fn before_there_is_data_lists_are_empty() {
    let served = Served::new(seen(0, vec![], vec![]));
    assert_eq!(served.get("nodes", "").status(), 200);
    assert!(served.names("nodes").is_empty());
}

#[test]
fn a_list_and_its_objects_say_their_versions_in_every_form() {
    let mut listed = node("n1", &[], usage(1, 1));
    listed.versions.changed = 41;
    let served = Served::new(seen(42, vec![listed], vec![]));
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let partial = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    for (accept, item) in [
        ("", "/items/0/metadata/resourceVersion"),
        (partial, "/items/0/metadata/resourceVersion"),
        (table, "/rows/0/object/metadata/resourceVersion"),
    ] {
        let list: Value = serde_json::from_str(&served.text("nodes", accept)).unwrap();
        assert_eq!(list["metadata"]["resourceVersion"], "42", "{accept}");
        assert_eq!(list.pointer(item).unwrap(), "41", "{accept}");
    }
    let one = served.json("nodes/n1");
    assert_eq!(one["metadata"]["resourceVersion"], "41");
    let one: Value = serde_json::from_str(&served.text("nodes/n1", table)).unwrap();
    assert_eq!(one["metadata"]["resourceVersion"], "41");
    let protobuf = "application/vnd.kubernetes.protobuf";
    let list = served.get("nodes", protobuf);
    let holds = |text: &[u8]| list.body().windows(text.len()).any(|part| part == text);
    assert!(holds(b"\x12\x0242") && holds(b"\x32\x0241"));
}

#[test]
fn a_watch_is_a_stream_of_the_type_that_was_asked_for() {
    let served = cluster();
    for (tail, accept, content_type) in [
        ("nodes?watch=1&timeoutSeconds=7", "", "application/json"),
        (
            "pods?watch=1&timeoutSeconds=7",
            "application/json;stream=watch",
            "application/json",
        ),
        (
            "namespaces/a/pods?watch=1&timeoutSeconds=7",
            "application/vnd.kubernetes.protobuf",
            "application/vnd.kubernetes.protobuf;stream=watch",
        ),
    ] {
        let uri = format!("/apis/metrics.k8s.io/v1/{tail}");
        let parts = parts("GET", &uri, &[("accept", accept)]);
        let info = RequestInfo::new(&parts.method, parts.uri.path(), parts.uri.query()).unwrap();
        let Some(Reply::Stream(mut stream)) = served.api.respond(&info, &parts) else {
            panic!("{tail} is no stream");
        };
        assert_eq!(stream.head.status(), 200);
        assert_eq!(stream.head.headers()["content-type"], content_type);
        assert_eq!(stream.lasts, Duration::from_secs(7));
        let crate::apimachinery::Piece::Bytes(first) = stream.pieces.next() else {
            panic!("{tail} begins with nothing");
        };
        let events = first.windows(5).filter(|part| *part == b"ADDED").count();
        assert_eq!(events, 2 + usize::from(tail.starts_with("pods")), "{tail}");
    }
}

#[test]
fn label_selectors_select_as_core_lists_do() {
    let served = cluster();
    for (selector, expected) in [
        ("app%3Dweb", vec!["p"]),
        ("app!%3Dweb", vec!["q", "r"]),
        ("app%20in%20(web,db)", vec!["p", "r"]),
        ("!app", vec!["q"]),
        ("app%3D%3D", vec![]),
        ("", vec!["p", "q", "r"]),
    ] {
        let found = served.names(&format!("pods?labelSelector={selector}"));
        assert_eq!(found, expected, "{selector}");
    }
    assert_eq!(served.names("nodes?labelSelector=n%3E3"), ["n1"]);
    assert_eq!(served.names("namespaces/a/pods?labelSelector=!app"), ["q"]);
}

#[test]
fn field_selectors_select_by_name_namespace_and_node() {
    let served = cluster();
    for (tail, expected) in [
        ("nodes?fieldSelector=metadata.name%3Dn1", vec!["n1"]),
        ("nodes?fieldSelector=metadata.name!%3Dn1", vec!["n2"]),
        ("nodes?fieldSelector=metadata.name%3Dgone", vec![]),
        ("nodes?fieldSelector=metadata.namespace%3Da", vec![]),
        (
            "nodes?fieldSelector=metadata.namespace%3D",
            vec!["n1", "n2"],
        ),
        ("pods?fieldSelector=metadata.namespace%3Da", vec!["p", "q"]),
        ("pods?fieldSelector=spec.nodeName%3Dn2", vec!["q", "r"]),
        ("pods?fieldSelector=spec.nodeName!%3Dn2", vec!["p"]),
        (
            "namespaces/a/pods?fieldSelector=spec.nodeName%3Dn2",
            vec!["q"],
        ),
    ] {
        assert_eq!(served.names(tail), expected, "{tail}");
    }
}

#[test]
fn a_field_nobody_selects_by_is_a_bad_request_that_names_the_known_ones() {
    let served = cluster();
    for (tail, message) in [
        (
            "nodes?fieldSelector=spec.nodeName%3Dn1",
            r#""spec.nodeName" is not a known field selector: only "metadata.name", "metadata.namespace""#,
        ),
        (
            "pods?fieldSelector=status.phase%3DRunning",
            r#""status.phase" is not a known field selector: only "metadata.name", "metadata.namespace", "spec.nodeName""#,
        ),
        (
            "nodes?fieldSelector=foo",
            "invalid selector: 'foo'; can't understand 'foo'",
        ),
        (
            "nodes?limit=abc",
            r#"strconv.ParseInt: parsing "abc": invalid syntax"#,
        ),
    ] {
        let response = served.get(tail, "");
        assert_eq!(response.status(), 400, "{tail}");
        let status: Value = serde_json::from_str(&text(&response)).unwrap();
        assert_eq!(status["message"], message);
        assert_eq!(status["reason"], "BadRequest");
    }
}

#[test]
fn paging_parameters_are_accepted_and_the_list_is_whole() {
    let served = cluster();
    for query in [
        "limit=1",
        "continue=abc",
        "resourceVersion=0",
        "resourceVersion=5",
        "watch=0",
    ] {
        assert_eq!(
            served.names(&format!("nodes?{query}")),
            ["n1", "n2"],
            "{query}"
        );
        assert_eq!(
            served.json(&format!("nodes?{query}"))["metadata"],
            serde_json::json!({"resourceVersion": "1"})
        );
    }
    for query in ["resourceVersionMatch=Exact", "sendInitialEvents=true"] {
        assert_eq!(
            served.get(&format!("nodes?{query}"), "").status(),
            422,
            "{query}"
        );
    }
}

#[test]
fn a_snapshot_answers_until_the_view_changes() {
    let served = cluster();
    let first = served.json("nodes");
    served.clock.pass(Duration::from_secs(60));
    assert_eq!(served.json("nodes"), first);
    let next = View::new(2, served.clock.now(), vec![node("n3", &[], usage(1, 1))]);
    served.view.lock().nodes = Arc::new(next);
    served.clock.pass(Duration::from_millis(1));
    let found = served.json("nodes/n3");
    assert_eq!(
        found["metadata"]["creationTimestamp"],
        "2026-01-02T03:05:10Z"
    );
    assert_eq!(served.names("nodes"), ["n3"]);
}

#[test]
fn who_has_seen_a_newer_version_is_not_answered_from_an_older_snapshot() {
    let nodes = (0..1000).map(|n| node(&format!("n{n}"), &[], usage(1, 1)));
    let served = Served::new(seen(1, nodes.collect(), vec![]));
    assert_eq!(served.names("nodes").len(), 1000);
    *served.view.lock() = seen(2, vec![], vec![]);
    let snapshots = &served.api.sources.snapshots;
    assert_eq!(snapshots.current::<NodeView>().view.version(), 1);
    assert_eq!(snapshots.not_older_than::<NodeView>(2).view.version(), 2);
}

#[test]
fn a_large_snapshot_answers_a_while_though_the_view_changes() {
    let nodes = (0..1000).map(|n| node(&format!("n{n}"), &[], usage(1, 1)));
    let served = Served::new(seen(1, nodes.collect(), vec![]));
    assert_eq!(served.names("nodes").len(), 1000);
    *served.view.lock() = seen(2, vec![], vec![]);
    served.clock.pass(Duration::from_millis(9));
    assert_eq!(served.names("nodes").len(), 1000);
    assert!(
        served
            .text("nodes", "application/yaml")
            .contains("name: n1\n")
    );
    served.clock.pass(Duration::from_millis(1));
    assert!(served.names("nodes").is_empty());
}

/// A cluster of one node, of which a list was asked for before another node took its place.
fn polled() -> Served {
    let served = Served::new(seen(1, vec![node("n1", &[], usage(1, 1))], vec![]));
    assert_eq!(served.names("nodes"), ["n1"]);
    *served.view.lock() = seen(2, vec![node("n2", &[], usage(1, 1))], vec![]);
    served
}

#[tokio::test(flavor = "multi_thread")]
async fn who_polls_a_list_is_answered_from_the_last_one_while_the_next_is_made() {
    let served = polled();
    served.clock.pass(Duration::from_secs(1));
    assert_eq!(served.names("nodes"), ["n1"]);
    let next = async {
        while served.names("nodes") != ["n2"] {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), next)
        .await
        .unwrap();
    let current = served.api.sources.snapshots.current::<NodeView>();
    let made = ListForm::ALL.map(|form| current.list(form).unwrap().is_made(false));
    assert_eq!(made, [false, false, true, false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_was_asked_for_once_is_not_made_as_long_as_another_is_polled() {
    let served = polled();
    let protobuf = "application/vnd.kubernetes.protobuf";
    let mut before = served.get("nodes", protobuf).into_body();
    for version in 3..6 {
        *served.view.lock() = seen(version, vec![node("n3", &[], usage(version, 1))], vec![]);
        served.clock.pass(Duration::from_secs(1));
        let next = async {
            while served.get("nodes", protobuf).into_body() == before {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), next)
            .await
            .unwrap();
        before = served.get("nodes", protobuf).into_body();
    }
    let current = served.api.sources.snapshots.current::<NodeView>();
    let made = ListForm::ALL.map(|form| current.list(form).unwrap().is_made(false));
    assert_eq!(made, [false, false, false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asked_longer_ago_is_answered_from_a_new_one() {
    let served = polled();
    served.clock.pass(Duration::from_millis(1010));
    assert_eq!(served.names("nodes"), ["n2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_another_list_is_answered_from_a_new_one() {
    let served = polled();
    served.clock.pass(Duration::from_millis(500));
    let yaml = served.text("nodes", "application/yaml");
    assert!(yaml.contains("name: n2\n"), "{yaml}");
}

#[tokio::test(start_paused = true)]
async fn a_list_nobody_asks_for_again_is_let_go() {
    let served = polled();
    let kept = Arc::downgrade(&served.api.sources.snapshots.current::<NodeView>());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(kept.upgrade().is_some(), "it may be asked for still");
    served.clock.pass(Duration::from_millis(1010));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(kept.upgrade().is_none());
    assert_eq!(served.names("nodes"), ["n2"]);
}
