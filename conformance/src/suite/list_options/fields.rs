//! Field selectors.

use serde_json::Value;

use crate::suite::check::{Check, Group};
use crate::suite::context::{Context, query};
use crate::suite::verdict::{Stop, Verdict, array, ensure, equal, text};

pub(super) fn checks() -> Vec<Check> {
    let group = Group::ListOptions;
    vec![
        group
            .check(
                93,
                "field-name",
                "metadata.name selects one object or all others, and a list is never NotFound",
                |cx| Box::pin(name(cx)),
            )
            .everywhere(),
        group
            .check(
                94,
                "field-namespace",
                "metadata.namespace selects pods of a namespace, and of nodes only the empty one",
                |cx| Box::pin(namespace(cx)),
            )
            .everywhere(),
        group
            .check(
                95,
                "field-unknown",
                "other fields are 400 and name those there are, a term that is none is 400",
                |cx| Box::pin(unknown(cx)),
            )
            .each_version(),
        group
            .check(
                95,
                "field-node-name",
                "where pods are selected by spec.nodeName, those of the node are served",
                |cx| Box::pin(node_name(cx)),
            )
            .each_version(),
    ]
}

async fn names(cx: &Context<'_>, rest: &str, selector: &str) -> Result<Vec<String>, Stop> {
    let path = cx.path(&format!("{rest}{}", query("fieldSelector", selector)));
    let list = cx.reader().get(&path).await?.ok_json()?;
    Ok(array(&list, "/items")?.iter().map(name_of).collect())
}

fn name_of(item: &Value) -> String {
    text(item, "/metadata/name").to_owned()
}

async fn name(cx: &Context<'_>) -> Verdict {
    let all: Vec<String> = cx.items("/nodes").await?.iter().map(name_of).collect();
    let one = cx.some_node().await?;
    let others: Vec<String> = all.iter().filter(|n| **n != one).cloned().collect();
    for operator in ["=", "=="] {
        let selector = format!("metadata.name{operator}{one}");
        equal(
            "names",
            names(cx, "/nodes", &selector).await?,
            vec![one.clone()],
        )?;
    }
    let selector = format!("metadata.name!={one}");
    equal("names", names(cx, "/nodes", &selector).await?, others)?;
    equal(
        "names",
        names(cx, "/nodes", "metadata.name=gone").await?,
        Vec::new(),
    )
}

async fn namespace(cx: &Context<'_>) -> Verdict {
    let (namespace, _) = cx.some_pod().await?;
    let path = format!("/namespaces/{namespace}/pods");
    let inside: Vec<String> = cx.items(&path).await?.iter().map(name_of).collect();
    let selector = format!("metadata.namespace={namespace}");
    let seen = names(cx, "/pods", &selector).await?;
    equal("pods", seen.len(), inside.len())?;
    equal("pods", seen, inside)?;
    let (some, none) = ("metadata.namespace=a", "metadata.namespace=");
    equal("nodes", names(cx, "/nodes", some).await?, Vec::new())?;
    let nodes = cx.items("/nodes").await?.len();
    equal("nodes", names(cx, "/nodes", none).await?.len(), nodes)
}

async fn unknown(cx: &Context<'_>) -> Verdict {
    let mut fields = vec![("nodes", "spec.nodeName"), ("pods", "status.phase")];
    if !cx.features.extensions.node_name {
        fields.push(("pods", "spec.nodeName"));
    }
    for (resource, field) in fields {
        let selector = query("fieldSelector", &format!("{field}=x"));
        let reply = cx
            .reader()
            .get(&cx.path(&format!("/{resource}{selector}")))
            .await?;
        let status = reply.status(400, "BadRequest")?;
        let message = text(&status, "/message");
        let parts = [
            &format!("\"{field}\" is not a known field selector: only "),
            "\"metadata.name\"",
            "\"metadata.namespace\"",
        ];
        ensure(
            parts.iter().all(|part| message.contains(part)),
            format!("{field} refused, both known fields named"),
            reply.seen(),
        )?;
    }
    let path = cx.path(&format!("/pods{}", query("fieldSelector", "foo")));
    let reply = cx.reader().get(&path).await?;
    let status = reply.status(400, "BadRequest")?;
    ensure(
        text(&status, "/message").contains("invalid selector: 'foo'; can't understand 'foo'"),
        "invalid selector: 'foo'; can't understand 'foo'",
        reply.seen(),
    )
}

async fn node_name(cx: &Context<'_>) -> Verdict {
    if !cx.features.extensions.node_name {
        return Err(crate::suite::verdict::skipped(
            "the server does not select pods by spec.nodeName",
        ));
    }
    let nobody = names(cx, "/pods", "spec.nodeName=nobody").await?;
    equal("pods on no node", nobody, Vec::new())?;
    let Some(world) = cx.world else {
        return Ok(());
    };
    let all = cx.items("/pods").await?;
    for node in ["node-1", "node-2"] {
        let placed = all.iter().filter(|pod| {
            let pod = world.lab.world.pod(
                text(pod, "/metadata/namespace"),
                text(pod, "/metadata/name"),
            );
            pod.is_some_and(|pod| pod.node == node)
        });
        let want: Vec<String> = placed.map(name_of).collect();
        ensure(!want.is_empty(), format!("pods on {node}"), "none")?;
        let selector = format!("spec.nodeName={node}");
        equal("pods", names(cx, "/pods", &selector).await?, want)?;
    }
    Ok(())
}
