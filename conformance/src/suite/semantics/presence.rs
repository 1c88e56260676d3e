//! Who is listed, and who is not.

use std::time::Duration;

use serde_json::Value;

use crate::lab::Answer;
use crate::suite::check::{Check, Group};
use crate::suite::cluster;
use crate::suite::context::Context;
use crate::suite::verdict::{Verdict, array, at, ensure, equal, skipped, text};
use crate::suite::world::until;

pub(super) fn checks() -> Vec<Check> {
    let group = Group::Semantics;
    vec![
        group
            .check(
                104,
                "running-containers",
                "running sidecars are listed, ended containers and pods that do not run are not",
                |cx| Box::pin(running(cx)),
            )
            .in_world()
            .each_version(),
        group
            .check(
                104,
                "order",
                "nodes come by name, pods by namespace and name",
                |cx| Box::pin(order(cx)),
            )
            .each_version(),
        group
            .check(
                105,
                "node-down",
                "a node whose kubelet is silent for three resolutions vanishes with its pods, and no other",
                |cx| Box::pin(node_down(cx)),
            )
            .moving()
            .within(240),
        group
            .check(
                105,
                "node-missed-once",
                "a kubelet that failed once costs nobody a number",
                |cx| Box::pin(missed(cx)),
            )
            .moving()
            .within(60),
        group
            .check(
                106,
                "swap",
                "a node that swaps has swap among its usage, and one that knows of none has no such key, nor have its pods",
                |cx| Box::pin(swap(cx)),
            )
            .in_world()
            .each_version(),
    ]
}

async fn running(cx: &Context<'_>) -> Verdict {
    let path = cx.path("/namespaces/a/pods");
    let list = cx.reader().get(&path).await?.ok_json()?;
    let pods = array(&list, "/items")?;
    let containers = |name: &str| -> Option<Vec<&str>> {
        let pod = pods.iter().find(|p| text(p, "/metadata/name") == name)?;
        let mut names: Vec<&str> = at(pod, "/containers")
            .as_array()?
            .iter()
            .map(|c| text(c, "/name"))
            .collect();
        names.sort_unstable();
        Some(names)
    };
    equal("web-0", containers("web-0"), Some(vec!["main", "proxy"]))?;
    equal("mixed", containers("mixed"), Some(vec!["helper", "main"]))?;
    for absent in ["pending", "succeeded", "failed", "silent"] {
        equal(absent, containers(absent), None)?;
        let path = cx.path(&format!("/namespaces/a/pods/{absent}"));
        cx.reader().get(&path).await?.is(404)?;
    }
    Ok(())
}

async fn order(cx: &Context<'_>) -> Verdict {
    for rest in ["/nodes", "/pods"] {
        let items = cx.items(rest).await?;
        let key = |item: &Value| {
            let meta = at(item, "/metadata");
            (
                text(meta, "/namespace").to_owned(),
                text(meta, "/name").to_owned(),
            )
        };
        let keys: Vec<_> = items.iter().map(key).collect();
        let mut sorted = keys.clone();
        sorted.sort();
        equal(rest, keys, sorted)?;
    }
    Ok(())
}

async fn node_down(cx: &Context<'_>) -> Verdict {
    const NODE: &str = "node-down";
    let world = cx.world()?;
    let (node, pod) = (
        cx.path(&format!("/nodes/{NODE}")),
        cx.path(&format!("/namespaces/scripted/pods/{NODE}")),
    );
    let (node, pod) = (&node, &pod);
    until(world.resolution.as_secs() * 4, || async move {
        cx.reader().get(node).await?.is(200)?;
        cx.reader().get(pod).await?.is(200)?;
        Ok(())
    })
    .await?;
    world.lab.kubelets.refuse(NODE).await;
    let gone = until(world.resolution.as_secs() * 4, || async move {
        cx.reader().get(node).await?.is(404)?;
        cx.reader().get(pod).await?.is(404)?;
        Ok(())
    })
    .await;
    let other = cx.reader().get(&cx.path("/nodes/node-1")).await;
    let ready = cx.anonymous().get("/readyz").await;
    world.lab.kubelets.accept(NODE).await?;
    gone?;
    other?.is(200)?;
    ready?.is(200)?;
    Ok(())
}

async fn missed(cx: &Context<'_>) -> Verdict {
    const NODE: &str = "node-misses";
    let world = cx.world()?;
    let paths = [
        cx.path(&format!("/nodes/{NODE}")),
        cx.path(&format!("/namespaces/scripted/pods/{NODE}")),
    ];
    let fails = |answer| {
        let kubelets = &world.lab.kubelets;
        kubelets.behave(NODE, |kubelet| kubelet.answer = answer)
    };
    fails(Answer::Status(500))?;
    let verdict = async {
        // Long enough to be asked once, not for three times.
        for _ in 0..=world.resolution.as_secs() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            for path in &paths {
                cx.reader().get(path).await?.is(200)?;
            }
        }
        Ok(())
    };
    let verdict = verdict.await;
    fails(Answer::Normal)?;
    verdict
}

async fn swap(cx: &Context<'_>) -> Verdict {
    let nodes = cx.items("/nodes").await?;
    let of = |name: &str| {
        let node = nodes.iter().find(|n| text(n, "/metadata/name") == name);
        node.map_or(Value::Null, |n| at(n, "/usage/swap").clone())
    };
    if nodes.iter().all(|n| at(n, "/usage/swap").is_null()) {
        return Err(skipped("the server serves no swap"));
    }
    equal("swap", of(cluster::SWAP_NODE), "512Mi".into())?;
    let unknown = of(cluster::NO_SWAP_NODE);
    ensure(
        unknown.is_null(),
        "no swap of a node that knows of none",
        unknown,
    )?;
    let pods = cx.items("/namespaces/crowd/pods").await?;
    let swaps = |pod: &&Value| !at(pod, "/containers/0/usage/swap").is_null();
    ensure(
        pods.iter().find(swaps).is_none(),
        "no swap of its pods",
        pods.len(),
    )?;
    // Its kubelet says that nothing is swapped out.
    let none = of("node-1");
    ensure(
        none.is_null() || none == "0",
        "no swap, or none used, of node-1",
        none,
    )
}
