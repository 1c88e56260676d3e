use std::io;
use std::time::Duration;

use super::*;
use crate::domain::Timestamp;

fn tls(source: TlsError) -> Error {
    Error::Tls {
        address: "10.0.0.7:10250".into(),
        source,
    }
}

fn issued_by(issuer: &str) -> Error {
    tls(TlsError::UnknownIssuer {
        issuer: issuer.into(),
    })
}

fn connect(kind: ErrorKind) -> Error {
    Error::Connect {
        address: "10.0.0.7:10250".into(),
        source: io::Error::from(kind),
    }
}

#[test]
fn every_failure_has_a_sentence_with_its_particulars_and_a_remedy() {
    let self_made = issued_by("CN=node-7-ca@1700000000");
    let other_ca = issued_by("CN=corp-ca");
    let wrong_name = tls(TlsError::WrongName {
        presented: vec!["node-8".into(), "127.0.0.1".into()],
        expected: vec!["node-7".into(), "10.0.0.7".into()],
    });
    let expired = tls(TlsError::Expired {
        not_after: Timestamp::from_millis(1_767_323_045_000),
    });
    let nameless = Error::Connect {
        address: "node-7.internal:10250".into(),
        source: io::Error::other("failed to lookup address information: Name does not resolve"),
    };
    let slow = |phase| Error::Timeout {
        after: Duration::from_secs(10),
        phase,
    };
    for (error, says, remedy) in [
        (&self_made, "made itself", "serverTLSBootstrap: true"),
        (
            &self_made,
            "node-7-ca@1700000000",
            "kubectl certificate approve",
        ),
        (&other_ca, "CN=corp-ca", "--kubelet-certificate-authority"),
        (&wrong_name, "node-8, 127.0.0.1", "node's name"),
        (&wrong_name, "node-7, 10.0.0.7", "node's name"),
        (&expired, "2026-01-02T03:04:05Z", "renew"),
        (
            &Error::Unauthorized,
            "does not know who",
            "authentication.webhook.enabled",
        ),
        (
            &Error::Forbidden { said: "no".into() },
            "may not",
            "nodes/metrics",
        ),
        (
            &connect(ErrorKind::ConnectionRefused),
            "10.0.0.7:10250",
            "--kubelet-port",
        ),
        (
            &connect(ErrorKind::HostUnreachable),
            "no way",
            "--kubelet-preferred-address-types",
        ),
        (&nameless, "node-7.internal", "InternalIP"),
        (&slow(Phase::Connecting), "dropped", "firewall"),
        (&slow(Phase::Reading), "10s", "--kubelet-request-timeout"),
    ] {
        let explanation = explain(error, Platform::default());
        assert!(explanation.says.contains(says), "{says}: {explanation:?}");
        assert!(
            explanation.remedy.contains(remedy),
            "{remedy}: {explanation:?}"
        );
    }
}

#[test]
fn an_authority_of_ours_is_not_taken_for_that_of_a_kubelet() {
    let ours = issued_by("CN=loadline-ca@1700000000");
    for platform in [Platform::default(), Platform::Fargate, Platform::Kubeadm] {
        let Explanation { says, remedy } = explain(&ours, platform);
        assert!(says.contains("Loadline itself"), "{says}");
        assert!(says.contains("loadline-ca@1700000000"), "{says}");
        assert!(remedy.contains("--secure-port") && remedy.contains("addresses"));
    }
}

#[test]
fn a_platform_with_a_way_of_its_own_is_told_that() {
    let self_made = issued_by("node-ca@1700000000");
    for (platform, remedy) in [
        (Platform::Kubeadm, "kubelet-config"),
        (Platform::Talos, "rotate-server-certificates"),
        (Platform::Kops, "kops rolling-update"),
        (Platform::Rke, "generate_serving_certificate"),
        (Platform::K3s, "k3s-agent"),
        (Platform::Eks, "AMI"),
        (Platform::Minikube, "minikube start"),
        (Platform::Fargate, "serverTLSBootstrap"),
    ] {
        let explanation = explain(&self_made, platform);
        assert!(explanation.remedy.contains(remedy), "{explanation:?}");
    }
}

#[test]
fn only_what_a_kubelet_names_itself_is_self_made() {
    for (issuer, expected) in [
        ("CN=node-1-ca@1700000000", true),
        ("node.example.com-ca@1", true),
        ("CN=kubernetes", false),
        ("CN=my-ca", false),
        ("CN=x-ca@example.com", false),
        ("CN=x-ca@1.example.com", false),
    ] {
        assert_eq!(is_self_made(issuer), expected, "{issuer}");
    }
}

#[test]
fn every_fault_has_its_line_once_and_a_remedy_in_one_line() {
    for advice in &TABLE {
        let same = TABLE.iter().filter(|other| other.fault == advice.fault);
        assert_eq!(same.count(), 1, "{:?}", advice.fault);
        for remedy in advice
            .on
            .iter()
            .map(|(_, remedy)| remedy)
            .chain([&advice.remedy])
        {
            assert!(!remedy.is_empty() && !remedy.contains('\n'), "{remedy}");
            assert!(!remedy.contains('|'), "a table cannot hold {remedy}");
        }
    }
}

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/troubleshooting.md");
const BEGIN: &str = "-- --ignored -->\n\n";
const END: &str = "\n<!-- The end";

/// The document before the table, the table, and what comes after it.
fn document() -> (String, String, String) {
    let text = std::fs::read_to_string(DOCUMENT).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (table, after) = rest.split_once(END).unwrap();
    (before.into(), table.into(), after.into())
}

#[test]
fn the_document_has_the_table() {
    let (_, table, _) = document();
    assert!(
        table == faults_reference(),
        "docs/troubleshooting.md is out of date: cargo test --lib kubelet::explain -- --ignored"
    );
}

#[test]
#[ignore = "writes docs/troubleshooting.md"]
fn write_the_document() {
    let (before, _, after) = document();
    let table = faults_reference();
    std::fs::write(DOCUMENT, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
}
