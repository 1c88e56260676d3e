//! The serving certificate Loadline makes by itself: shared by replicas, trusted by the API server, rotated under
//! requests.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;

use crate::client::{Client, Protocol, Target, Trust};
use crate::loadline::{Loadline, SERVER_NAME, Start};
use crate::real::{Kubectl, Scratch, Tools, until};
use crate::report::Lane;

use super::{CALL, NUMBERS, SECRET, Scene};

/// A life so short that a rotation of the authority, which lives four times as long, can be waited for.
const LIFETIME: Duration = Duration::from_secs(24);
/// An authority is replaced after two thirds of its life and dropped a certificate's life later, and then some.
const ROTATED: Duration = Duration::from_secs(24 * 8);
const PAUSE: Duration = Duration::from_millis(150);
const APISERVICES: [&str; 3] = [
    "v1.metrics.k8s.io",
    "v1beta1.metrics.k8s.io",
    "v1alpha1.loadline.io",
];

/// What was seen while requests went on.
#[derive(Debug, Default)]
struct Seen {
    requests: usize,
    handshakes: usize,
    certificates: BTreeSet<Vec<u8>>,
    bundles: Vec<Vec<CertificateDer<'static>>>,
}

/// Looks at what the running Loadline wrote.
pub(super) async fn written(lane: &Lane, scene: &Scene) {
    let name = "all APIServices verify loadline by its own authority";
    lane.check(name, CALL, async {
        for apiservice in APISERVICES {
            let object = scene
                .admin
                .json(&format!("get apiservice {apiservice}"))
                .await?;
            let spec = &object["spec"];
            ensure!(spec["insecureSkipTLSVerify"].is_null(), "{spec}");
            let trusted = bundle(&scene.admin, apiservice).await?;
            ensure!(trusted.len() == 1, "{} authorities", trusted.len());
            shown(&scene.loadline, Trust::Bundle(trusted)).await?;
        }
        Ok(())
    })
    .await;
    lane.check("a changed caBundle is put right", CALL, async {
        let broken = r#"{"spec":{"caBundle":null,"insecureSkipTLSVerify":true}}"#;
        let patch = ["patch", "apiservice", "v1.metrics.k8s.io", "--type=merge"];
        let patch = [&patch[..], &["-p", broken]].concat();
        scene.admin.run_args(&patch, "").await?;
        until(CALL / 2, async || {
            let object = scene.admin.json("get apiservice v1.metrics.k8s.io").await?;
            let spec = &object["spec"];
            ensure!(spec["insecureSkipTLSVerify"].is_null(), "{spec}");
            ensure!(spec["caBundle"].is_string(), "{spec}");
            Ok(())
        })
        .await
    })
    .await;
}

/// Starts two replicas at once without a Secret, and asks all the time until an authority came and went.
pub(super) async fn rotation(
    lane: &Lane,
    scene: &mut Scene,
    scratch: &Scratch,
    tools: &Tools,
    logs: &Path,
) {
    let name = "two replicas started at once agree on one authority";
    let replicas = lane.value(name, NUMBERS + CALL, async {
        scene.loadline.process.kill().await?;
        scene
            .admin
            .run(&format!("delete secret -n kube-system {SECRET}"))
            .await?;
        let replicas = start(scene, tools, logs)?;
        let port = replicas[0].address.port();
        super::register(&scene.admin, scratch, port).await?;
        until(NUMBERS, async || agreed(&scene.admin, &replicas).await).await?;
        until(NUMBERS, async || usable(&scene.admin).await).await?;
        Ok(replicas)
    });
    let Some(replicas) = replicas.await else {
        return;
    };
    let name = "no request fails while certificates and the authority are rotated";
    lane.check(name, ROTATED + CALL, async {
        let mut seen = Seen::default();
        let ends = Instant::now() + ROTATED;
        while !seen.is_enough() {
            seen.ask(&scene.admin, &replicas).await?;
            ensure!(
                Instant::now() < ends,
                "not rotated in time: {}",
                seen.told()
            );
            tokio::time::sleep(PAUSE).await;
        }
        lane.note(&seen.told());
        Ok(())
    })
    .await;
    lane.check("the logs hold no key and no complaint", CALL, async {
        for replica in &replicas {
            let log = replica.process.log();
            ensure!(!log.contains("PRIVATE KEY"), "a key is in the log");
            let complaint = log.lines().find(|line| line.contains("WARN"));
            ensure!(complaint.is_none(), "{complaint:?}");
        }
        Ok(())
    })
    .await;
}

fn start(scene: &Scene, tools: &Tools, logs: &Path) -> Result<[Loadline; 2]> {
    let start = |name: &str| -> Result<Start> {
        let start = super::start(&scene.lab, tools, &scene.kubeconfig)?;
        let lifetime = format!("{}s", LIFETIME.as_secs());
        Ok(start
            .with("serving-certificate-lifetime", &lifetime)
            .log(&logs.join(format!("{name}.log"))))
    };
    let (first, second) = (start("loadline-first")?, start("loadline-second")?);
    Ok([first.launch(&scene.lab)?, second.launch(&scene.lab)?])
}

/// Both replicas show one certificate, which the APIServices' bundle vouches for.
async fn agreed(admin: &Kubectl, replicas: &[Loadline; 2]) -> Result<()> {
    let trusted = bundle(admin, APISERVICES[0]).await?;
    let trust = Trust::Bundle(trusted);
    let first = shown(&replicas[0], trust.clone()).await?;
    let second = shown(&replicas[1], trust).await?;
    ensure!(first == second, "they show different certificates");
    Ok(())
}

async fn usable(admin: &Kubectl) -> Result<()> {
    for version in ["v1", "v1beta1"] {
        let nodes = admin
            .raw(&format!("/apis/metrics.k8s.io/{version}/nodes"))
            .await?;
        ensure!(nodes["items"][0]["usage"]["cpu"].is_string(), "{nodes}");
    }
    Ok(())
}

impl Seen {
    /// Asks through the API server, and makes a handshake with each replica as an API server would that has heard of
    /// nothing since the last time.
    async fn ask(&mut self, admin: &Kubectl, replicas: &[Loadline; 2]) -> Result<()> {
        let known = self.bundles.last().cloned();
        if let Some(known) = known {
            for replica in replicas {
                let shown = shown(replica, Trust::Bundle(known.clone())).await;
                self.certificates
                    .insert(shown.with_context(|| self.told())?);
                self.handshakes += 1;
            }
        }
        let answer: Result<Value> = admin.raw("/apis/metrics.k8s.io/v1/nodes").await;
        answer.with_context(|| self.told())?;
        self.requests += 1;
        let now = bundle(admin, APISERVICES[self.requests % APISERVICES.len()]).await?;
        if self.bundles.last() != Some(&now) {
            self.bundles.push(now);
        }
        Ok(())
    }

    /// Another authority has come, and all before it have gone.
    fn is_enough(&self) -> bool {
        let first = self.bundles.first().and_then(|bundle| bundle.first());
        let last = self.bundles.last();
        last.is_some_and(|last| last.len() == 1 && last.first() != first)
    }

    fn told(&self) -> String {
        format!(
            "{} requests, {} handshakes, {} certificates, {} bundles",
            self.requests,
            self.handshakes,
            self.certificates.len(),
            self.bundles.len()
        )
    }
}

/// The certificate a replica shows to somebody who verifies it.
async fn shown(replica: &Loadline, trust: Trust) -> Result<Vec<u8>> {
    let client = Client::new(&Target {
        address: replica.address,
        name: SERVER_NAME,
        trust,
        certificate: None,
        protocol: Protocol::Http1,
    })?;
    let chain = client.server_certificates().await?;
    let leaf = chain.first().context("no certificate")?;
    Ok(leaf.to_vec())
}

pub(super) async fn bundle(
    admin: &Kubectl,
    apiservice: &str,
) -> Result<Vec<CertificateDer<'static>>> {
    let template = "go-template={{.spec.caBundle|base64decode}}";
    let pem = admin
        .run(&format!("get apiservice {apiservice} -o {template}"))
        .await?;
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
    Ok(certificates.collect::<Result<_, _>>()?)
}
