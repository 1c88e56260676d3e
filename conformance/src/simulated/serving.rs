//! The serving certificate that needs nothing: made, shared, rotated, and what happens without the right to it.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::json;

use super::stage::{READY, small_world, until};
use super::{Bench, Check};
use crate::client::{Client, Protocol, Target, Trust};
use crate::lab::{Lab, LabConfig};
use crate::loadline::{Loadline, SERVER_NAME, Start};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "two replicas share a certificate, and nobody sees its authority change",
        240,
        |bench| Box::pin(rotation(bench)),
    ),
    Check::new(
        "without the right to a Secret it serves on, says so once, and mends itself",
        120,
        |bench| Box::pin(missing_rights(bench)),
    ),
];

const SECRET: &str = "loadline-serving";
const APISERVICES: [&str; 2] = ["v1.metrics.k8s.io", "v1beta1.metrics.k8s.io"];
/// The shortest there is: an authority is replaced after 54 s, and gone 20 s later.
const LIFETIME: Duration = Duration::from_secs(20);

async fn rotation(bench: &Bench) -> Result<()> {
    let lab = registered().await?;
    let start = || -> Result<Start> {
        let lifetime = format!("{}s", LIFETIME.as_secs());
        Ok(without_files(bench, &lab)?.with("serving-certificate-lifetime", &lifetime))
    };
    let (first, second) = (start()?, start()?);
    let mut replicas = [first.launch(&lab)?, second.launch(&lab)?];
    until(READY, "both show what the APIServices trust", async || {
        let mut shown = BTreeSet::new();
        for replica in &mut replicas {
            replica.process.expect_running()?;
            for apiservice in APISERVICES {
                shown.insert(leaf(replica, &bundle(&lab, apiservice)?).await.ok());
            }
        }
        Ok((shown.len() == 1 && !shown.contains(&None)).then_some(()))
    })
    .await?;
    let first = bundle(&lab, APISERVICES[0])?;
    let (mut known, mut leaves) = (first.clone(), BTreeSet::new());
    until(LIFETIME * 6, "the authority has changed", async || {
        for replica in &replicas {
            // As an API server that has heard of nothing since the last look.
            leaves.insert(leaf(replica, &known).await?);
        }
        known = bundle(&lab, APISERVICES[leaves.len() % 2])?;
        Ok((known.len() == 1 && known != first).then_some(()))
    })
    .await?;
    ensure!(leaves.len() >= 4, "{} certificates", leaves.len());
    for replica in &replicas {
        let log = replica.process.log();
        let complaint = log.lines().find(|line| line.contains("WARN"));
        ensure!(complaint.is_none(), "{complaint:?}");
        ensure!(!log.contains("PRIVATE KEY"), "a key is in the log");
    }
    Ok(())
}

async fn missing_rights(bench: &Bench) -> Result<()> {
    let lab = registered().await?;
    lab.take_serving_access();
    let loadline = without_files(bench, &lab)?.launch(&lab)?;
    let said = "cannot keep the serving certificate in a Secret";
    until(READY, "the log says what is missing", async || {
        let log = loadline.process.log();
        Ok(log.contains(said).then_some(()))
    })
    .await?;
    let anybody = client(&loadline, Trust::Anything)?;
    until(READY, "it is ready all the same", async || {
        let answer = anybody.get("/readyz").await;
        Ok(answer.is_ok_and(|a| a.status == 200).then_some(()))
    })
    .await?;
    lab.give_serving_access();
    until(READY * 2, "it mends itself", async || {
        let trusted = bundle(&lab, APISERVICES[0])?;
        Ok(leaf(&loadline, &trusted).await.ok())
    })
    .await?;
    let log = loadline.process.log();
    ensure!(log.matches(said).count() == 1, "said more than once");
    Ok(())
}

/// A lab whose APIServices lead to Loadline and verify nothing.
async fn registered() -> Result<Lab> {
    let lab = Lab::start(small_world(), LabConfig::default()).await?;
    for name in APISERVICES {
        let service = json!({ "name": "loadline", "namespace": "kube-system", "port": 443 });
        let object = json!({
            "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
            "metadata": { "name": name },
            "spec": {
                "service": service, "insecureSkipTLSVerify": true,
                "groupPriorityMinimum": 100, "versionPriority": 100,
            },
        });
        lab.api.written().put("apiservices", name, object);
    }
    Ok(lab)
}

fn without_files(bench: &Bench, lab: &Lab) -> Result<Start> {
    Ok(bench
        .start(lab, &[("serving-secret", SECRET)])?
        .without("tls-cert-file")
        .without("tls-private-key-file"))
}

/// The authorities an APIService trusts; none when it verifies nothing.
fn bundle(lab: &Lab, apiservice: &str) -> Result<Vec<CertificateDer<'static>>> {
    let object = lab.api.written().get("apiservices", apiservice);
    let spec = object.context("no APIService")?["spec"].take();
    let Some(base64) = spec["caBundle"].as_str() else {
        return Ok(Vec::new());
    };
    ensure!(spec["insecureSkipTLSVerify"].is_null(), "{spec}");
    // PEM is base64 between two lines, so its reader reads base64.
    let wrapped = format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n");
    let pem = CertificateDer::from_pem_slice(wrapped.as_bytes())?;
    let certificates = CertificateDer::pem_slice_iter(&pem);
    Ok(certificates.collect::<Result<_, _>>()?)
}

/// What it shows to somebody who trusts these.
async fn leaf(loadline: &Loadline, trusted: &[CertificateDer<'static>]) -> Result<Vec<u8>> {
    let client = client(loadline, Trust::Bundle(trusted.to_vec()))?;
    let chain = client.server_certificates().await?;
    Ok(chain.first().context("no certificate")?.to_vec())
}

fn client(loadline: &Loadline, trust: Trust) -> Result<Client> {
    Client::new(&Target {
        address: loadline.address,
        name: SERVER_NAME,
        trust,
        certificate: None,
        protocol: Protocol::Http1,
    })
}
