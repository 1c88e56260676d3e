//! Pods as JSON, and what becomes of them.

use super::*;
use crate::domain::{Amounts, Bytes, Labels};

const POD: &str = include_str!("../tests/pod.json");

fn read(json: &str) -> Result<PodRecord, Rejected> {
    let object = Object::Json(serde_json::from_str(json).unwrap());
    record(object, &mut Interner::default())
}

fn container(name: &str, kind: ContainerKind, running: bool, image: &str) -> ContainerRecord {
    ContainerRecord {
        image: format!("registry.example/{image}").into(),
        ..ContainerRecord::new(ContainerName::new(name).unwrap(), kind, running)
    }
}

fn requests(cpu_millicores: u64, memory: Option<u64>) -> Arc<ContainerResources> {
    let requests = Amounts {
        cpu_millicores: Some(cpu_millicores),
        memory: memory.map(Bytes::new),
        ephemeral_storage: None,
    };
    Arc::new(ContainerResources {
        requests,
        ..ContainerResources::default()
    })
}

#[test]
fn a_real_pod_becomes_a_record() {
    let labels: Labels = [
        ("app", "checkout"),
        ("pod-template-hash", "6d5c9fb5d7"),
        ("team", "payments"),
    ]
    .into_iter()
    .collect();
    let expected = PodRecord {
        key: PodKey::new(
            Namespace::new("shop").unwrap(),
            PodName::new("checkout-6d5c9fb5d7-x2k8v").unwrap(),
        ),
        uid: "9b6f44a2-5d55-4f9d-8a34-0d3bd1c0c6ef".into(),
        node: Some(NodeName::new("ip-10-0-17-4.eu-west-1.compute.internal").unwrap()),
        labels,
        phase: PodPhase::Running,
        containers: [
            container("migrate", ContainerKind::Init, false, "migrate:4"),
            ContainerRecord {
                resources: requests(10, None),
                ..container("mesh", ContainerKind::Sidecar, true, "mesh:2")
            },
            ContainerRecord {
                resources: requests(250, Some(256 << 20)),
                ..container("app", ContainerKind::Regular, true, "checkout:4")
            },
            ContainerRecord {
                restart_count: 7,
                ..container("log-shipper", ContainerKind::Regular, false, "shipper:1")
            },
            container("debugger-7xk", ContainerKind::Ephemeral, true, "debug:1"),
        ]
        .into(),
    };
    assert_eq!(read(POD).unwrap(), expected);
}

#[test]
fn a_pod_that_is_only_named_is_known_all_the_same() {
    let json = r#"{"metadata":{"name":"p\u002d0","namespace":"a","labels":null},
        "spec":{"nodeName":"","containers":null},"status":{"containerStatuses":null}}"#;
    let pod = read(json).unwrap();
    assert_eq!(pod.key.to_string(), "a/p-0");
    assert_eq!((pod.node, pod.phase), (None, PodPhase::Unknown));
    assert!(pod.labels.is_empty() && pod.containers.is_empty());
}

#[test]
fn a_status_of_null_is_not_running() {
    let json = r#"{"metadata":{"name":"p","namespace":"a"},"spec":{"containers":[{"name":"c"}]},
        "status":{"containerStatuses":[{"name":"c","state":{"running":null}}]}}"#;
    assert!(!read(json).unwrap().containers[0].running);
}

#[test]
fn resources_are_read_as_go_reads_them_and_a_bad_one_costs_only_itself() {
    let json = r#"{"metadata":{"name":"p","namespace":"a"},"spec":{"containers":[{"name":"c",
        "resources":{"requests":{"cpu":"1500u","memory":2048,"ephemeral-storage":"1Gi",
            "nvidia.com/gpu":"2","hugepages-2Mi":"4Mi","example.com/bad":"x"},
        "limits":{"cpu":0.5,"memory":"lots","nvidia.com/gpu":"2"}}}]},
        "status":{"containerStatuses":[{"name":"c","restartCount":-1}]}}"#;
    let pod = read(json).unwrap();
    let (container, resources) = (&pod.containers[0], &pod.containers[0].resources);
    assert_eq!((container.restart_count, &*container.image), (0, ""));
    let requests = Amounts {
        cpu_millicores: Some(2),
        memory: Some(Bytes::new(2048)),
        ephemeral_storage: Some(Bytes::new(1 << 30)),
    };
    assert_eq!(resources.requests, requests);
    let limits = Amounts {
        cpu_millicores: Some(500),
        ..Amounts::default()
    };
    assert_eq!(resources.limits, limits);
    let others = [
        ("hugepages-2Mi".into(), 4 << 20),
        ("nvidia.com/gpu".into(), 2),
    ];
    assert_eq!(*resources.other_requests, others);
    assert_eq!(resources.other_request("nvidia.com/gpu"), Some(2));
    assert_eq!(resources.other_request("example.com/bad"), None);
}

#[test]
fn phases_are_read_as_kubernetes_spells_them() {
    for (text, expected) in [
        ("Pending", PodPhase::Pending),
        ("Running", PodPhase::Running),
        ("Succeeded", PodPhase::Succeeded),
        ("Failed", PodPhase::Failed),
        ("Unknown", PodPhase::Unknown),
        ("", PodPhase::Unknown),
    ] {
        assert_eq!(phase(text), expected, "{text}");
    }
}

#[test]
fn an_impossible_name_is_rejected() {
    for (field, bad) in [
        (r#""namespace": "shop""#, r#""namespace": "sh op""#),
        (
            r#""name": "checkout-6d5c9fb5d7-x2k8v""#,
            r#""name": "../etc""#,
        ),
        (r#""name": "migrate", "image""#, r#""name": "Ü", "image""#),
        (r#""nodeName": "ip-10"#, r#""nodeName": "IP-10"#),
    ] {
        let json = POD.replacen(field, bad, 1);
        assert_ne!(json, POD, "{field}");
        assert!(matches!(read(&json), Err(Rejected::Name(_))), "{bad}");
    }
}

#[test]
fn pods_of_one_template_share_labels_and_containers() {
    let mut interner = Interner::default();
    let mut pod = |name: &str| {
        let json = POD.replace("checkout-6d5c9fb5d7-x2k8v", name);
        let object = Object::Json(serde_json::from_str(&json).unwrap());
        record(object, &mut interner).unwrap()
    };
    let (a, b) = (pod("a"), pod("b"));
    assert!(Arc::ptr_eq(&a.containers, &b.containers));
    assert!(std::ptr::eq(
        a.labels.get("app").unwrap(),
        b.labels.get("app").unwrap()
    ));
    let (a, b) = (a.node.unwrap(), b.node.unwrap());
    assert!(std::ptr::eq(a.as_str(), b.as_str()));
}
