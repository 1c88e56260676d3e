//! Promise 4: the same question at one instant has one answer, whatever the version and the form.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use serde_json::Value;

use super::reading::{Measured, from_json, from_protobuf};
use super::stage::{Stage, small_world};
use super::{Bench, Check};

const GROUP: &str = "/apis/metrics.k8s.io";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

pub(super) const CHECKS: &[Check] = &[
    Check::new("both versions and all three forms agree", 90, |bench| {
        Box::pin(all_forms_agree(bench))
    }),
    Check::new("an item alone is the item of the list", 90, |bench| {
        Box::pin(alone_as_listed(bench))
    }),
];

async fn all_forms_agree(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            for resource in ["nodes", "pods"] {
                agree(stage, resource).await?;
            }
            Ok(())
        })
        .await
}

/// Asks for all forms until no scrape came in between.
async fn agree(stage: &Stage, resource: &str) -> Result<()> {
    for _ in 0..20 {
        let first = read(stage, resource, "v1", "application/json").await?;
        let mut forms = Vec::new();
        for version in ["v1", "v1beta1"] {
            for accept in ["application/json", "application/yaml", PROTOBUF] {
                let form = read(stage, resource, version, accept).await?;
                forms.push((version, accept, form));
            }
        }
        let last = read(stage, resource, "v1", "application/json").await?;
        if first == last {
            for (version, accept, form) in forms {
                ensure!(
                    form == first,
                    "{resource} of {version} as {accept}: {form:?} in place of {first:?}"
                );
            }
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    bail!("{resource} changed with every request")
}

async fn read(stage: &Stage, resource: &str, version: &str, accept: &str) -> Result<Vec<Measured>> {
    let path = format!("{GROUP}/{version}/{resource}");
    let answer = stage.viewer.get_as(&path, accept).await?;
    answer.expect_status(200)?;
    let kind = answer.header("content-type");
    ensure!(kind == accept, "{kind} in place of {accept}");
    match accept {
        PROTOBUF => from_protobuf(&answer.body, resource == "pods"),
        "application/yaml" => {
            let list: Value = serde_saphyr::from_str(&answer.whole_text())?;
            stated(&list, version)?;
            from_json(&list)
        }
        _ => {
            let list = answer.json()?;
            stated(&list, version)?;
            from_json(&list)
        }
    }
}

fn stated(list: &Value, version: &str) -> Result<()> {
    let stated = list.get("apiVersion").and_then(Value::as_str);
    let wanted = format!("metrics.k8s.io/{version}");
    ensure!(stated == Some(&wanted), "it says {stated:?}, not {wanted}");
    Ok(())
}

async fn alone_as_listed(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            for version in ["v1", "v1beta1"] {
                let pod = format!("{GROUP}/{version}/namespaces/a/pods/pair-1");
                let node = format!("{GROUP}/{version}/nodes/node-1");
                for path in [pod, node] {
                    alone(stage, &path).await?;
                }
            }
            Ok(())
        })
        .await
}

async fn alone(stage: &Stage, path: &str) -> Result<()> {
    let (list, name) = path.rsplit_once('/').unwrap_or_default();
    for _ in 0..20 {
        let alone = stage.viewer.get_json(path).await?;
        let listed = from_json(&stage.viewer.get_json(list).await?)?;
        let wrapped = serde_json::json!({ "items": [alone] });
        let again = stage.viewer.get_json(path).await?;
        if alone.get("timestamp") == again.get("timestamp") {
            let listed = listed.into_iter().filter(|l| l.name == name);
            let listed: Vec<Measured> = listed.collect();
            let alone = from_json(&wrapped)?;
            ensure!(alone == listed, "{alone:?} is listed as {listed:?}");
            return Ok(());
        }
    }
    bail!("{path} changed with every request")
}
