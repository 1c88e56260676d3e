//! Promise 8: every certificate and token may be replaced while Loadline runs.

use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::stage::{OLDEST, PODS, READY, RESOLUTION, Stage, age, small_world, throughout, until};
use super::{Bench, Check};
use crate::client::{Client, Protocol, Target, Trust};
use crate::lab::{Authority, CertificateNames, Identity, Lab, LabConfig, Request, write};
use crate::loadline::SERVER_NAME;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "a replaced serving certificate is served within a minute",
        240,
        |bench| Box::pin(serving_certificate(bench)),
    ),
    Check::new(
        "a replaced front-proxy CA is trusted within a minute",
        120,
        |bench| Box::pin(front_proxy_authority(bench)),
    ),
    Check::new("a broken ConfigMap changes nobody's trust", 60, |bench| {
        Box::pin(broken_trust(bench))
    }),
    Check::new(
        "a replaced token is used within a minute or so",
        240,
        |bench| Box::pin(token(bench)),
    ),
    Check::new(
        "a replaced kubelet CA is trusted within a minute",
        240,
        |bench| Box::pin(kubelet_authority(bench)),
    ),
    Check::new(
        "a kubelet's certificate may name the node or its address",
        60,
        |bench| Box::pin(named_by_address(bench)),
    ),
    Check::new(
        "kubelets with IPv6 addresses alone are asked, and so are we over IPv6",
        90,
        |bench| Box::pin(ipv6_alone(bench)),
    ),
    Check::new(
        "a kubelet that is somebody else is not believed",
        60,
        |bench| Box::pin(somebody_else(bench)),
    ),
];

/// Kubernetes' own servers look once a minute.
const NOTICED: Duration = Duration::from_secs(75);

async fn serving_certificate(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            let name = format!("loadline-{}", stage.loadline.address.port());
            let client = stage.loadline.client(Protocol::Http1, None)?;
            let old = client.server_certificates().await?;
            // The same names in the same files.
            stage.lab.issue_serving(&name)?;
            until(NOTICED, "the new certificate is served", async || {
                let now = client.server_certificates().await?;
                Ok((now != old).then_some(()))
            })
            .await?;
            let kept = client.server_certificates().await?;
            write(&stage.loadline.serving.certificate, "not a certificate")?;
            tokio::time::sleep(NOTICED).await;
            let now = client.server_certificates().await?;
            ensure!(now == kept, "a broken certificate replaced a good one");
            Ok(())
        })
        .await
}

async fn front_proxy_authority(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.viewer.get(PODS).await?.expect_status(200)?;
            let authority = Authority::new("new-front-proxy-ca")?;
            let pem = authority.pem().to_owned();
            stage.lab.change_authentication(|data| {
                data.insert("requestheader-client-ca-file".to_owned(), pem);
            });
            let leaf = authority.issue(&Request::client("front-proxy-client", &[]))?;
            let old = stage.viewer.clone();
            stage.lab.front_proxy = Arc::new(leaf);
            let new = stage
                .loadline
                .as_proxied(&stage.lab, "viewer", &["viewers"])?;
            until(NOTICED, "the new CA is trusted", async || {
                Ok((new.get(PODS).await?.status == 200).then_some(()))
            })
            .await?;
            // Also on the connection that was there before.
            old.get(PODS).await?.expect_status(401)?;
            Ok(())
        })
        .await
}

async fn broken_trust(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            let good = async |stage: &Stage, what: &str| {
                throughout(Duration::from_secs(4), async || {
                    let proxied = stage
                        .loadline
                        .as_proxied(&stage.lab, "viewer", &["viewers"])?;
                    let answer = proxied.get(PODS).await?;
                    ensure!(answer.status == 200, "{what}: {}", answer.status);
                    Ok(())
                })
                .await
            };
            stage.lab.change_authentication(|data| {
                data.insert("requestheader-client-ca-file".to_owned(), String::new());
            });
            good(stage, "an empty CA").await?;
            stage.lab.change_authentication(|data| {
                data.insert("requestheader-username-headers".to_owned(), "[".to_owned());
            });
            good(stage, "broken JSON").await?;
            let map = stage.lab.authentication();
            let (namespace, name) = (&map.meta.namespace, &map.meta.name);
            stage.lab.world.delete_config_map(namespace, name);
            good(stage, "no ConfigMap").await
        })
        .await
}

async fn token(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            let identity = stage.lab.access.authenticate(&stage.lab.token);
            let identity = identity.unwrap_or_else(Identity::anonymous);
            stage.lab.access.add_token("the-next-token", identity);
            write(&stage.lab.file("token"), "the-next-token")?;
            // Both are good for a while, as they are in a cluster.
            tokio::time::sleep(NOTICED).await;
            stage.lab.access.revoke_token(&stage.lab.token);
            stage.lab.api.drop_watches();
            throughout(RESOLUTION * 3, async || {
                let pods = stage.pods().await?;
                ensure!(pods.len() == 6, "{} pods in place of 6", pods.len());
                for pod in pods {
                    let age = age(pod.timestamp);
                    ensure!(age < OLDEST, "{} is {age:.1} s old", pod.name);
                }
                Ok(())
            })
            .await?;
            let log = stage.loadline.process.log();
            ensure!(!log.contains("the-next-token"), "the log holds the token");
            Ok(())
        })
        .await
}

async fn kubelet_authority(bench: &Bench) -> Result<()> {
    let config = LabConfig {
        kubelet_certificates: CertificateNames::Stranger,
        ..LabConfig::default()
    };
    let lab = Lab::start(small_world(), config).await?;
    bench
        .on_unmeasured(lab, &[], async |stage| {
            throughout(Duration::from_secs(4), async || {
                ensure!(stage.pods().await?.is_empty(), "a stranger was believed");
                Ok(())
            })
            .await?;
            // The API server's CA stays in the file; the kubelets' new one joins it.
            let pki = &stage.lab.pki;
            let bundle = format!("{}{}", pki.cluster.pem(), pki.stranger.pem());
            write(&stage.lab.file("ca.crt"), &bundle)?;
            until(NOTICED + RESOLUTION * 2, "they are measured", async || {
                Ok((stage.pods().await?.len() == 6).then_some(()))
            })
            .await
        })
        .await
}

async fn named_by_address(bench: &Bench) -> Result<()> {
    let config = LabConfig {
        kubelet_certificates: CertificateNames::Address,
        ..LabConfig::default()
    };
    let lab = Lab::start(small_world(), config).await?;
    bench
        .on(lab, &[], async |stage| stage.until_measured().await)
        .await
}

async fn ipv6_alone(bench: &Bench) -> Result<()> {
    for kubelet_certificates in [CertificateNames::NodeName, CertificateNames::Address] {
        let config = LabConfig {
            kubelet_certificates,
            ipv6: true,
        };
        let lab = Lab::start(small_world(), config).await?;
        bench
            .on(lab, &[("bind-address", "::")], async |stage| {
                stage.until_measured().await?;
                let port = stage.loadline.address.port();
                let client = Client::new(&Target {
                    address: (Ipv6Addr::LOCALHOST, port).into(),
                    name: SERVER_NAME,
                    trust: Trust::Ca(stage.lab.pki.serving.der().clone()),
                    certificate: None,
                    protocol: Protocol::Http2,
                })?;
                client.get("/readyz").await?.expect_status(200)?;
                Ok(())
            })
            .await?;
    }
    Ok(())
}

async fn somebody_else(bench: &Bench) -> Result<()> {
    let config = LabConfig {
        kubelet_certificates: CertificateNames::Wrong,
        ..LabConfig::default()
    };
    let lab = Lab::start(small_world(), config).await?;
    let insecure = bench
        .start(&lab, &[("kubelet-insecure-tls", "true")])?
        .without("kubelet-certificate-authority");
    bench
        .on_unmeasured(lab, &[], async |stage| {
            throughout(Duration::from_secs(8), async || {
                ensure!(stage.pods().await?.is_empty(), "somebody else was believed");
                Ok(())
            })
            .await?;
            for node in ["node-1", "node-2"] {
                let requests = stage.lab.kubelets.requests(node);
                ensure!(requests.is_empty(), "{node} was sent a request");
                let log = stage.loadline.process.log();
                ensure!(log.contains(node), "the log does not say why of {node}");
            }
            // Only whoever asks for it gets numbers without knowing whose.
            let second = insecure.ready(&stage.lab, READY * 2).await?;
            let viewer = second.as_proxied(&stage.lab, "viewer", &["viewers"])?;
            until(READY, "they are measured after all", async || {
                let list = viewer.get_json(PODS).await?;
                let items = super::reading::from_json(&list)?;
                Ok((items.len() == 6).then_some(()))
            })
            .await
        })
        .await
}
