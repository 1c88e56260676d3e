//! Lists of a part.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::stage::{Stage, small_world};
use super::{Bench, Check};

pub(super) const CHECKS: &[Check] = &[
    Check::new("lists are selected by label and field", 60, |bench| {
        Box::pin(selected(bench))
    }),
    Check::new("labels follow the objects within seconds", 60, |bench| {
        Box::pin(labels_follow(bench))
    }),
    Check::new("a selector that cannot be read is refused", 60, |bench| {
        Box::pin(refused(bench))
    }),
];

/// What a query selects of pods.
const PODS: [(&str, &[&str]); 11] = [
    ("labelSelector=app%3Done", &["one-1", "one-2"]),
    (
        "labelSelector=app+in+(one,two),app!%3Dtwo",
        &["one-1", "one-2"],
    ),
    ("labelSelector=!app", &[]),
    ("labelSelector=app%3D%3Dtwo", &["two-1", "two-2"]),
    (
        "labelSelector=missing!%3Dx,app+notin+(one,pair)",
        &["two-1", "two-2"],
    ),
    ("fieldSelector=metadata.name%3Done-1", &["one-1"]),
    ("fieldSelector=metadata.namespace%3Db", &["two-1", "two-2"]),
    (
        "fieldSelector=spec.nodeName%3Dnode-2",
        &["one-2", "pair-2", "two-2"],
    ),
    (
        "fieldSelector=spec.nodeName%3Dnode-2,metadata.namespace!%3Da",
        &["two-2"],
    ),
    (
        "fieldSelector=spec.nodeName%3Dnode-1&labelSelector=app%3Dpair",
        &["pair-1"],
    ),
    ("fieldSelector=metadata.name%3Dnone", &[]),
];

/// What a query selects of nodes.
const NODES: [(&str, &[&str]); 4] = [
    ("labelSelector=zone%3Da", &["node-1"]),
    ("labelSelector=zone", &["node-1", "node-2"]),
    ("fieldSelector=metadata.name!%3Dnode-1", &["node-2"]),
    ("labelSelector=zone+in+(c)", &[]),
];

async fn selected(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            for (query, want) in PODS {
                expect(stage, &format!("pods?{query}"), want).await?;
            }
            for (query, want) in NODES {
                expect(stage, &format!("nodes?{query}"), want).await?;
            }
            let inside = "namespaces/a/pods?labelSelector=app%3Done";
            expect(stage, inside, &["one-1", "one-2"]).await?;
            expect(stage, "namespaces/none/pods", &[]).await
        })
        .await
}

async fn expect(stage: &Stage, path: &str, want: &[&str]) -> Result<()> {
    for version in ["v1", "v1beta1"] {
        let path = format!("/apis/metrics.k8s.io/{version}/{path}");
        let mut names = names(&stage.viewer.get_json(&path).await?)?;
        names.sort();
        ensure!(names == want, "{path} selects {names:?}, not {want:?}");
    }
    Ok(())
}

fn names(list: &Value) -> Result<Vec<String>> {
    let items = list.get("items").and_then(Value::as_array);
    let items = items.context("no items")?.iter();
    let name = |item: &Value| {
        let name = item.pointer("/metadata/name")?.as_str()?;
        Some(name.to_owned())
    };
    items.map(|item| name(item).context("no name")).collect()
}

async fn labels_follow(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            stage.until_measured().await?;
            stage.lab.world.update_pod("a", "one-1", |pod| {
                pod.meta
                    .labels
                    .insert("app".to_owned(), "changed".to_owned());
            });
            stage.lab.world.update_node("node-1", |node| {
                node.meta.labels.insert("zone".to_owned(), "z".to_owned());
            });
            let soon = std::time::Duration::from_secs(3);
            super::stage::until(soon, "the new labels select", async || {
                let pod = expect(stage, "pods?labelSelector=app%3Dchanged", &["one-1"]);
                let node = expect(stage, "nodes?labelSelector=zone%3Dz", &["node-1"]);
                let both = pod.await.is_ok() && node.await.is_ok();
                Ok(both.then_some(()))
            })
            .await
        })
        .await
}

async fn refused(bench: &Bench) -> Result<()> {
    bench
        .beside(small_world(), &[], async |stage| {
            let queries = [
                "labelSelector=a+b",
                "labelSelector=-a%3Db",
                "labelSelector=app+in+(a",
                "fieldSelector=foo",
                "fieldSelector=spec.unknown%3Dx",
                "limit=abc",
            ];
            for query in queries {
                let path = format!("/apis/metrics.k8s.io/v1/pods?{query}");
                let answer = stage.viewer.get(&path).await?;
                answer.expect_status(400)?;
                let reason = answer.json()?.get("reason").cloned();
                ensure!(
                    reason == Some("BadRequest".into()),
                    "{query} is refused for {reason:?}"
                );
            }
            Ok(())
        })
        .await
}
