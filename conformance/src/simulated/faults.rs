//! What people meet when they install: each fault of a kubelet in words of its own, with what to do about it.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::coverage::until_state;
use super::{Bench, Check};
use crate::lab::{Answer, CertificateNames, Lab, LabConfig, Load, Node, World};

pub(super) const CHECKS: &[Check] = &[Check::new(
    "each fault of a kubelet is told in its own words with its remedy, in coverage and by check",
    120,
    |bench| Box::pin(faults(bench)),
)];

/// A node, the cause it fails with, words of what is wrong, words of what to do.
type Fault = (&'static str, &'static str, &'static str, &'static str);

/// The names of the first ones say what is wrong with their certificates.
const FAULTS: [Fault; 8] = [
    (
        "stranger",
        "tls",
        "signed by another CA",
        "--kubelet-certificate-authority",
    ),
    (
        "self-made",
        "tls",
        "one it made itself",
        "serverTLSBootstrap: true",
    ),
    ("expired", "tls", "expired", "renew"),
    (
        "other-name",
        "tls",
        "for other names than expected",
        "the node's name",
    ),
    (
        "anonymous",
        "401",
        "does not know who Loadline is",
        "authentication.webhook.enabled",
    ),
    ("forbidden", "403", "may not", "grant get on nodes/metrics"),
    (
        "closed",
        "connect",
        "nothing takes connections",
        "--kubelet-port",
    ),
    ("broken", "5xx", "500", "journalctl -u kubelet"),
];
/// Its certificate names the node and no address, which is what is dialled.
const GOOD: &str = "name-only";

async fn faults(bench: &Bench) -> Result<()> {
    let world = World::new();
    for name in FAULTS.iter().map(|fault| fault.0).chain([GOOD]) {
        let node = Node::new(name).cpu(vec![Load::Constant(0.5)]);
        world.put_node(node.memory(3 << 30));
    }
    let config = LabConfig {
        kubelet_certificates: CertificateNames::Told,
        ..LabConfig::default()
    };
    let lab = Lab::start(world, config).await?;
    for (node, status) in [("anonymous", 401), ("forbidden", 403), ("broken", 500)] {
        lab.kubelets
            .behave(node, |b| b.answer = Answer::Status(status))?;
    }
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    lab.world.update_node("closed", |node| {
        node.address = free.ip();
        node.port = free.port();
    });
    bench
        .on_unmeasured(lab, &[], async |stage| {
            for (node, cause, says, remedy) in FAULTS {
                let bad = until_state(stage, node, &["Failing"]).await?;
                ensure!(bad["cause"] == cause, "{node}: {bad}");
                told(&bad, says, remedy).context(node)?;
            }
            until_state(stage, GOOD, &["Fresh"]).await?;
            let start = bench.start(&stage.lab, &[])?;
            let (_, text) = start.ask(&["check", "--output", "json"]).await?;
            let report: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
            let findings = report["findings"].as_array().context("no findings")?;
            let about = |node: &str| findings.iter().find(|one| one["subject"] == node);
            for (node, _, says, remedy) in FAULTS {
                let finding = about(node).with_context(|| format!("nothing about {node}"))?;
                ensure!(finding["verdict"] == "failure", "{finding}");
                told(finding, says, remedy).context(node)?;
            }
            Ok(())
        })
        .await
}

fn told(told: &Value, says: &str, remedy: &str) -> Result<()> {
    let holds = |field: &str, words: &str| {
        let text = told[field].as_str();
        text.is_some_and(|text| text.contains(words))
    };
    ensure!(holds("message", says), "not {says:?}: {told}");
    ensure!(holds("remedy", remedy), "not {remedy:?}: {told}");
    Ok(())
}
