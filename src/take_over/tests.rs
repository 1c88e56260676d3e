use std::io;
use std::time::Duration;

use http::{Request, Response};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::{APIService, APIServiceSpec};
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::asking::Held;
use super::direct::host;
use super::registration::{OWN, Ours, PREVIOUS, V1BETA1, change, noted};
use super::{TakeOver, Trouble};
use crate::cluster;
use crate::domain::ObjectName;

fn loadline() -> ObjectName {
    ObjectName {
        namespace: "kube-system".into(),
        name: "loadline".into(),
    }
}

/// metrics-server's own object, as its manifests make it.
fn theirs() -> APIService {
    serde_json::from_value(json!({
        "metadata": { "name": V1BETA1, "resourceVersion": "42", "labels": { "k8s-app": "metrics-server" } },
        "spec": {
            "group": "metrics.k8s.io", "version": "v1beta1",
            "groupPriorityMinimum": 100, "versionPriority": 100,
            "insecureSkipTLSVerify": true,
            "service": { "name": "metrics-server", "namespace": "kube-system" },
        },
    }))
    .unwrap()
}

fn own(service: &str, bundle: Option<&str>) -> APIService {
    serde_json::from_value(json!({
        "metadata": { "name": OWN },
        "spec": {
            "groupPriorityMinimum": 100, "versionPriority": 100, "caBundle": bundle,
            "service": { "name": service, "namespace": "kube-system", "port": 443 },
        },
    }))
    .unwrap()
}

fn ours() -> Ours {
    Ours::read(OWN, Some(&own("loadline", Some("cGVt"))), &loadline()).unwrap()
}

/// What the API server makes of a JSON patch of such operations.
fn patched(object: &APIService, patch: &Value) -> APIService {
    let mut value = json!(object);
    for operation in patch.as_array().unwrap() {
        let (parent, key) = operation["path"]
            .as_str()
            .unwrap()
            .rsplit_once('/')
            .unwrap();
        let key = key.replace("~1", "/");
        let parent = value.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match operation["op"].as_str().unwrap() {
            "test" => assert_eq!(parent[&key], operation["value"]),
            "remove" => drop(parent.remove(&key).unwrap()),
            "add" | "replace" => drop(parent.insert(key, operation["value"].clone())),
            other => panic!("{other}"),
        }
    }
    serde_json::from_value(value).unwrap()
}

#[test]
fn one_write_changes_service_authority_and_verification_and_another_brings_them_back() {
    let (theirs, ours) = (theirs(), ours());
    let before = theirs.spec.clone().unwrap();
    let patch = change(&theirs, &ours.in_place_of(&before), Some(&before));
    assert_eq!(
        patch[0],
        json!({ "op": "test", "path": "/metadata/resourceVersion", "value": "42" })
    );
    let taken = patched(&theirs, &patch);
    assert!(ours.leads(&taken) && !ours.leads(&theirs));
    let spec: &APIServiceSpec = taken.spec.as_ref().unwrap();
    assert_eq!(spec.insecure_skip_tls_verify, None);
    assert_eq!(spec.ca_bundle.as_ref().unwrap().0, b"pem");
    assert_eq!(
        (spec.version_priority, spec.version.as_deref()),
        (100, Some("v1beta1"))
    );
    assert_eq!(noted(&taken).unwrap(), before);
    assert_eq!(taken.metadata.labels, theirs.metadata.labels);

    let back = patched(&taken, &change(&taken, &before, None));
    assert_eq!(back.spec, theirs.spec);
    assert!(!back.metadata.annotations.unwrap().contains_key(PREVIOUS));
}

#[test]
fn annotations_of_others_stay() {
    let mut theirs = theirs();
    theirs.metadata.annotations = Some([("a/b".to_owned(), "c".to_owned())].into());
    let before = theirs.spec.clone().unwrap();
    let taken = patched(&theirs, &change(&theirs, &before, Some(&before)));
    assert_eq!(taken.metadata.annotations.as_ref().unwrap().len(), 2);
    assert!(noted(&theirs).is_none());
    let back = patched(&taken, &change(&taken, &before, None));
    assert_eq!(back.metadata.annotations, theirs.metadata.annotations);
}

#[test]
fn the_newer_version_is_preferred_to_the_older_one() {
    let before = theirs().spec.unwrap();
    let v1 = ours().v1(&before).spec.unwrap();
    assert_eq!(v1.version.as_deref(), Some("v1"));
    assert_eq!(v1.group.as_deref(), Some("metrics.k8s.io"));
    assert!(v1.version_priority > before.version_priority);
    assert_eq!(v1.insecure_skip_tls_verify, None);
}

#[test]
fn without_its_own_group_nobody_knows_where_loadline_is() {
    for (object, says) in [
        (None, "not there"),
        (Some(own("other", Some("cGVt"))), "kube-system/other"),
        (Some(own("loadline", None)), "no caBundle"),
        (Some(own("loadline", Some(""))), "no caBundle"),
    ] {
        let error = Ours::read(OWN, object.as_ref(), &loadline()).unwrap_err();
        assert_eq!(error.is_for_now(), says == "no caBundle", "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

fn held(nodes: &[&str], pods: &[&str]) -> Held {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    Held {
        nodes: names(nodes),
        pods: names(pods),
    }
}

#[test]
fn what_ended_between_two_lists_is_not_missed() {
    let (first, second) = (
        held(&["a", "b"], &["x/1", "x/2"]),
        held(&["a", "b"], &["x/2", "x/3"]),
    );
    let both = first.and(&second);
    assert_eq!(both.missing_in(&held(&["a", "b"], &["x/2"])), None);
    let missing = both.missing_in(&held(&["a"], &["x/9"])).unwrap();
    assert_eq!(missing, "1 nodes (b) and 1 pods (x/2)");
    let many: Vec<String> = (0..9).map(|n| format!("x/{n}")).collect();
    let many = held(&[], &many.iter().map(String::as_str).collect::<Vec<_>>());
    let missing = many.missing_in(&held(&[], &[])).unwrap();
    assert!(
        missing.starts_with("9 pods (x/0, ") && missing.ends_with(", …)"),
        "{missing}"
    );
}

#[test]
fn a_tenth_may_have_ended_and_an_empty_list_never_will_do() {
    let pods: Vec<String> = (0..10).map(|n| format!("x/{n}")).collect();
    let pods: Vec<&str> = pods.iter().map(String::as_str).collect();
    let before = held(&["a"], &pods);
    assert_eq!(held(&["a", "b"], &pods[1..]).follows(&before), Ok(()));
    assert!(held(&["a"], &pods[2..]).follows(&before).is_err());
    assert!(held(&[], &pods).follows(&before).is_err());
    assert!(held(&["a"], &[]).follows(&held(&["a"], &[])).is_err());
}

#[test]
fn a_service_is_reached_by_its_address_or_the_name_it_stands_for() {
    for (spec, expected) in [
        (json!({ "clusterIP": "10.0.0.1" }), Some("10.0.0.1")),
        (json!({ "clusterIP": "fd00::1" }), Some("[fd00::1]")),
        (
            json!({ "type": "ExternalName", "externalName": "localhost" }),
            Some("localhost"),
        ),
        (json!({ "clusterIP": "None" }), None),
        (json!({}), None),
    ] {
        let service: Service = serde_json::from_value(json!({ "spec": spec })).unwrap();
        assert_eq!(host(&service).as_deref(), expected);
    }
}

/// How the metrics API answers where both versions lead to Loadline already.
#[derive(Clone, Copy, Debug)]
enum Metrics {
    /// With this status and message.
    Status(u16, &'static str),
    /// The connection breaks.
    Broken,
    /// It never answers.
    Mute,
    Empty,
    There,
}

const AWAY: Metrics = Metrics::Status(503, "no endpoints");

fn led_already(metrics: Metrics) -> TakeOver {
    let answer = async move |path: &str| {
        let there = matches!(metrics, Metrics::There);
        let items = if there {
            json!([{ "metadata": { "name": "a", "namespace": "x" } }])
        } else {
            json!([])
        };
        let said = match (path.split('/').collect::<Vec<_>>().as_slice(), metrics) {
            ([.., "apiservices", _], _) => (200, json!(noting(own("loadline", Some("cGVt"))))),
            ([.., "services", _], _) => (404, json!({ "code": 404, "message": "not found" })),
            (_, Metrics::Status(code, message)) => {
                (code, json!({ "code": code, "message": message }))
            }
            (_, Metrics::Broken) => return Err(io::Error::from(io::ErrorKind::ConnectionReset)),
            (_, Metrics::Mute) => std::future::pending().await,
            ([.., "nodes" | "pods"], _) => (200, json!({ "items": items })),
            _ => (
                200,
                json!({ "resources": [{ "verbs": ["list", "watch"] }] }),
            ),
        };
        Ok(said)
    };
    let service = tower::service_fn(move |request: Request<Body>| async move {
        assert_eq!(request.method(), http::Method::GET, "nothing is written");
        let (code, body) = answer(request.uri().path()).await?;
        let body = Body::from(body.to_string().into_bytes());
        Ok::<_, io::Error>(Response::builder().status(code).body(body).unwrap())
    });
    TakeOver {
        client: kube::Client::new(service, "default"),
        identity: cluster::Config::default(),
        service: loadline(),
        dry_run: false,
        patience: Duration::from_secs(1),
    }
}

/// With the note that metrics-server answered before.
fn noting(mut object: APIService) -> APIService {
    let note = json!(theirs().spec).to_string();
    object.metadata.annotations = Some([(PREVIOUS.to_owned(), note)].into());
    object
}

#[tokio::test(start_paused = true)]
async fn the_way_back_takes_silence_for_no_numbers_and_a_refusal_for_what_it_is() {
    let silent = "gives no numbers now";
    let forbidden = "nodes is forbidden: User \"u\" cannot list";
    for (metrics, told, refused) in [
        (Metrics::There, None, None),
        (AWAY, Some(silent), None),
        (Metrics::Status(500, "broken"), Some(silent), None),
        (Metrics::Status(401, "Unauthorized"), Some(silent), None),
        (Metrics::Broken, Some(silent), None),
        (Metrics::Mute, Some(silent), None),
        (
            Metrics::Status(403, forbidden),
            None,
            Some([forbidden, "grant list on nodes and pods of metrics.k8s.io"]),
        ),
        (Metrics::Status(404, "page not found"), Some(silent), None),
        (
            Metrics::Status(429, "too many requests"),
            None,
            Some(["cannot ask what Loadline has", "too many requests"]),
        ),
    ] {
        let said = Mutex::new(Vec::new());
        let say = |line: &str| said.lock().push(line.to_owned());
        let take_over = TakeOver {
            dry_run: true,
            ..led_already(metrics)
        };
        let outcome = take_over.back(&say).await;
        let said = said.into_inner().join("\n");
        match (outcome, refused) {
            (Ok(()), None) => assert!(said.contains("would patch"), "{metrics:?}: {said}"),
            (Err(error), Some(words)) => {
                let error = error.to_string();
                assert!(words.iter().all(|word| error.contains(word)), "{error}");
                assert!(!said.contains("would"), "{said}");
            }
            other => panic!("{metrics:?}: {other:?}"),
        }
        assert_eq!(said.contains(silent), told.is_some(), "{metrics:?}: {said}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_leads_to_loadline_already_is_well_only_when_numbers_come() {
    for (metrics, expected) in [
        (Metrics::There, None),
        (AWAY, Some("no endpoints")),
        (Metrics::Empty, Some("no nodes are listed")),
    ] {
        let told = Mutex::new(Vec::new());
        let say = |line: &str| told.lock().push(line.to_owned());
        let outcome = led_already(metrics).forward(&say).await;
        match (outcome, expected) {
            (Ok(()), None) => assert!(told.lock()[0].ends_with("already, and numbers come")),
            (Err(error @ Trouble::NothingComes { .. }), Some(reason)) => {
                let error = error.to_string();
                assert!(error.contains(reason), "{error}");
                assert!(error.contains("kubectl -n kube-system get pods"), "{error}");
                assert!(told.lock().is_empty());
            }
            other => panic!("{other:?}"),
        }
    }
}
