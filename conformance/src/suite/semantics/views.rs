//! One moment seen from several sides, and the labels objects carry.

use crate::suite::check::{Check, Group};
use crate::suite::cluster;
use crate::suite::context::{Context, query};
use crate::suite::target::Version;
use crate::suite::verdict::{Stop, Verdict, array, at, equal, same, skipped, text};
use crate::suite::world::until;

pub(super) fn checks() -> Vec<Check> {
    let group = Group::Semantics;
    vec![
        group.check(
            107,
            "same-in-both-versions",
            "v1 and v1beta1 serve the same items at one moment",
            |cx| Box::pin(both_versions(cx)),
        ),
        group
            .check(
                109,
                "labels-follow",
                "a label changed on the pod is served, and selected by, within seconds",
                |cx| Box::pin(labels_follow(cx)),
            )
            .moving()
            .within(60),
    ]
}

async fn both_versions(cx: &Context<'_>) -> Verdict {
    if !Version::ALL.iter().all(|v| cx.features.serves(*v)) {
        return Err(skipped("the server serves one version alone"));
    }
    for rest in ["/nodes", "/pods"] {
        let mut verdict = Ok(());
        for _ in 0..5 {
            let mut lists = Vec::new();
            for version in Version::ALL {
                let there = Context { version, ..*cx };
                let path = there.path(rest);
                let list = there.reader().get(&path).await?.ok_json()?;
                let apiversion = text(&list, "/apiVersion");
                equal("apiVersion", apiversion, version.group_version().as_str())?;
                let mut items = array(&list, "/items")?.to_vec();
                for item in &mut items {
                    // Servers that create an object with every answer give it another time.
                    if let Some(meta) = item["metadata"].as_object_mut() {
                        meta.remove("creationTimestamp");
                    }
                }
                lists.push(serde_json::Value::from(items));
            }
            verdict = match lists.as_slice() {
                [one, other] => same(rest, one, other),
                _ => Ok(()),
            };
            if verdict.is_ok() {
                break;
            }
        }
        verdict?;
    }
    Ok(())
}

async fn labels_follow(cx: &Context<'_>) -> Verdict {
    let (world, value) = (cx.world()?, cx.unique("after"));
    let (namespace, name) = cluster::LABELLED_POD;
    let path = cx.path(&format!("/namespaces/{namespace}/pods/{name}"));
    let before = cx.reader().get(&path).await?.ok_json()?;
    equal("label", text(&before, "/metadata/labels/stage"), "before")?;
    world.lab.world.update_pod(namespace, name, |pod| {
        pod.meta.labels.insert("stage".to_owned(), value.clone());
    });
    let served = follows(cx, &path, &value).await;
    world.lab.world.update_pod(namespace, name, |pod| {
        let labels = &mut pod.meta.labels;
        labels.insert("stage".to_owned(), "before".to_owned());
    });
    served
}

async fn follows(cx: &Context<'_>, path: &str, value: &str) -> Result<(), Stop> {
    let selected = cx.path(&format!(
        "/pods{}",
        query("labelSelector", &format!("stage={value}"))
    ));
    let selected = &selected;
    until(10, || async move {
        let pod = cx.reader().get(path).await?.ok_json()?;
        equal("label", text(&pod, "/metadata/labels/stage"), value)?;
        let list = cx.reader().get(selected).await?.ok_json()?;
        let items = array(&list, "/items")?;
        equal("items", items.len(), 1)?;
        let name = items.first().map(|item| at(item, "/metadata/name").clone());
        equal("name", name, Some(cluster::LABELLED_POD.1.into()))
    })
    .await
}
