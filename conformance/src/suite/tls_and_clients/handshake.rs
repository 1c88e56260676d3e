//! TLS: versions, names, and certificates that change.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Context as _;
use x509_parser::prelude::GeneralName;

use crate::client::{self, Offer};
use crate::lab::{Request, write};
use crate::suite::check::{Check, Group};
use crate::suite::context::Context;
use crate::suite::raw;
use crate::suite::verdict::{Stop, Verdict, ensure, equal};
use crate::suite::world::until;

pub(super) fn checks() -> Vec<Check> {
    let group = Group::TlsAndClients;
    vec![
        group.check(
            110,
            "tls-versions",
            "TLS 1.2 and 1.3 are spoken with h2 by ALPN, TLS 1.1 is refused",
            |cx| Box::pin(versions(cx)),
        ),
        group.check(
            110,
            "tls-name",
            "the certificate is for the Service's name, which is asked for by SNI",
            |cx| Box::pin(name(cx)),
        ),
        group
            .check(
                111,
                "tls-rotation",
                "new certificate files are used within a minute, a pair that does not fit never",
                |cx| Box::pin(rotation(cx)),
            )
            .alone()
            .within(200),
    ]
}

async fn versions(cx: &Context<'_>) -> Verdict {
    for offer in [Offer::Tls12, Offer::Tls13] {
        for protocol in ["h2", "http/1.1"] {
            let target = client::Target {
                address: cx.target.address,
                name: &cx.target.name,
                trust: cx.target.trust.clone(),
                certificate: cx.target.proxy.as_deref(),
                protocol: cx.protocol,
            };
            let chosen = client::handshake(&target, offer, &[protocol]).await?;
            equal("ALPN", chosen, Some(protocol.to_owned()))?;
        }
    }
    let old = raw::accepts_tls11(cx.target.address).await?;
    ensure(!old, "TLS 1.1 refused", "a ServerHello")
}

async fn name(cx: &Context<'_>) -> Verdict {
    // Trust is by name where a CA was given; the request would not have come through otherwise.
    cx.reader().get("/healthz").await?.is(200)?;
    let chain = cx.anonymous().client()?.server_certificates().await?;
    let leaf = chain.first().context("no certificate")?;
    let names = names(leaf);
    ensure(
        names.contains(&cx.target.name),
        format!("the name {} in the certificate", cx.target.name),
        names.join(" "),
    )
}

/// The DNS names and IP addresses a certificate is for.
fn names(certificate: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(certificate) else {
        return Vec::new();
    };
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let mut shown = Vec::new();
    for name in &names.value.general_names {
        if let GeneralName::DNSName(name) = name {
            shown.push((*name).to_owned());
        } else if let GeneralName::IPAddress([a, b, c, d]) = name {
            shown.push(Ipv4Addr::new(*a, *b, *c, *d).to_string());
        }
    }
    shown
}

/// The certificate of a new handshake.
async fn shown(cx: &Context<'_>) -> Result<Vec<u8>, Stop> {
    let chain = cx.anonymous().client()?.server_certificates().await?;
    Ok(chain.first().context("no certificate")?.to_vec())
}

async fn rotation(cx: &Context<'_>) -> Verdict {
    let world = cx.world()?;
    let files = &world.server.serving;
    let before = shown(cx).await?;
    let names = [cx.target.name.as_str(), "localhost", "127.0.0.1"];
    let request = Request::server("loadline", &names);
    let next = world.lab.pki.serving.issue(&request)?;
    write(&files.certificate, next.pem())?;
    write(&files.key, next.key_pem())?;
    let next = next.der().to_vec();
    let next = &next;
    until(65, || async move {
        let now = shown(cx).await?;
        ensure(now == *next, "the new certificate", "the old one")
    })
    .await?;
    ensure(before != *next, "another certificate", "the same")?;

    // A key that belongs to another certificate.
    let stray = world.lab.pki.serving.issue(&request)?;
    write(&files.key, stray.key_pem())?;
    tokio::time::sleep(Duration::from_secs(15)).await;
    let kept = shown(cx).await;
    write(&files.certificate, stray.pem())?;
    ensure(kept? == *next, "the last good certificate", "another")
}
